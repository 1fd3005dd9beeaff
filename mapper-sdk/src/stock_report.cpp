#include "stock_report.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "dmi/encoding.hpp"

namespace mapper {

dmi::DeviceReport StockReport::adapt(dmi::DeviceReport report) {
  std::erase_if(report.twins, [&](const dmi::TwinReport& twin) {
    if (dmi::is_stock_name(twin.property)) return false;
    ++counts_.dropped;
    const std::string name = base::cat(report.device.to_string(), ": property ", twin.property);
    repeats_.warn(loop_.now(), base::cat("stock name ", name),
                  base::cat(name, " is not told: a stock EdgeCore takes names of 1 to ",
                            dmi::max_stock_name, " characters a-z A-Z 0-9 - _ . , : / @ #"));
    return true;
  });
  for (dmi::TwinReport& twin : report.twins) {
    if (twin.observed) adapt(*twin.observed);
    if (twin.reported) adapt(*twin.reported);
  }
  return report;
}

void StockReport::adapt(dmi::TwinValue& value) {
  std::string encoded = dmi::encode_stock(value.value);
  if (encoded == value.value) return;
  ++counts_.encoded;
  value.value = std::move(encoded);
  if (!dmi::is_cut(value.value)) return;
  ++counts_.cut;
  value.metadata["truncated"] = "true";
}

std::string StockReport::state(std::string state) {
  constexpr std::array<std::string_view, 5> known = {"online", "offline", "ok", "unknown",
                                                     "unhealthy"};
  if (std::ranges::find(known, base::lower(state)) != known.end()) return state;
  return "unknown";
}

}  // namespace mapper
