#include "stock_report.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "dmi/encoding.hpp"

namespace mapper {

using base::cat;

dmi::DeviceReport StockReport::adapt(dmi::DeviceReport report) {
  look_at(report.device);
  std::erase_if(report.twins, [&](const dmi::TwinReport& twin) {
    return !can_name(report.device, twin.property);
  });
  for (dmi::TwinReport& twin : report.twins) {
    if (twin.observed) adapt(report.device, twin.property, *twin.observed);
    if (twin.reported) adapt(report.device, twin.property, *twin.reported);
  }
  return report;
}

void StockReport::look_at(const dmi::ObjectId& device) {
  if (dmi::is_stock_space(device.space)) return;
  repeats_.warn(loop_.now(), cat("stock space ", device.space),
                cat("namespace ", device.space,
                    ": a stock EdgeCore drops what its devices tell, because it finds the name in "
                    "$hw/events/device/; rename it"));
}

bool StockReport::can_name(const dmi::ObjectId& device, const std::string& property) {
  if (dmi::is_stock_name(property)) return true;
  ++counts_.dropped;
  const std::string name = cat(device.to_string(), ": property ", property);
  repeats_.warn(loop_.now(), cat("stock name ", name),
                cat(name, " is not told: a stock EdgeCore takes names of 1 to ",
                    dmi::max_stock_name, " characters a-z A-Z 0-9 - _ . , : / @ #"));
  return false;
}

void StockReport::adapt(const dmi::ObjectId& device, const std::string& property,
                        dmi::TwinValue& value) {
  std::string encoded = dmi::encode_stock(value.value);
  if (encoded == value.value) return;
  ++counts_.encoded;
  const std::size_t bytes = value.value.size();
  value.value = std::move(encoded);
  if (!dmi::is_cut(value.value)) return;
  ++counts_.cut;
  value.metadata["truncated"] = "true";
  const std::string name = cat(device.to_string(), ": property ", property);
  repeats_.warn(loop_.now(), cat("stock cut ", name),
                cat(name, ": its ", bytes, " bytes are cut: a stock EdgeCore takes ",
                    dmi::max_stock_text, " characters, an escaped byte being three"));
}

std::string StockReport::state(std::string state) {
  constexpr std::array<std::string_view, 5> known = {"online", "offline", "ok", "unknown",
                                                     "unhealthy"};
  if (std::ranges::find(known, base::lower(state)) != known.end()) return state;
  return "unknown";
}

}  // namespace mapper
