#include "print.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace mapper {

using base::cat;

std::string shown_time(base::Time time) {
  const std::string seconds = base::to_rfc3339(time);
  const auto ms = base::to_ms(time) % 1000;
  return cat(seconds.substr(0, seconds.size() - 1), ".", ms < 100 ? "0" : "", ms < 10 ? "0" : "",
             ms, "Z");
}

std::string shown_value(std::string text) {
  constexpr std::size_t most = 60;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return text.size() > most ? cat(base::cut(text, most), "…") : text;
}

std::string padded(const std::string& text, std::size_t width, bool left) {
  const auto is_start = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  const auto characters =
      static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_start));
  const std::string gap(width > characters ? width - characters : 0, ' ');
  return left ? gap + text : text + gap;
}

void SampleTable::widen(std::string_view device, std::string_view property, std::string_view unit) {
  device_width = std::max(device_width, device.size());
  property_width = std::max(property_width, property.size());
  unit_width = std::max(unit_width, unit.size());
}

void SampleTable::head(std::FILE* out) const {
  row(out, "TIME", "DEVICE", "PROPERTY", "VALUE", "UNIT", "STATUS");
}

void SampleTable::row(std::FILE* out, const std::string& time, const std::string& device,
                      const std::string& property, const std::string& value,
                      const std::string& unit, const std::string& status) const {
  std::fprintf(out, "%s  %s  %s  %s  %s  %s\n", padded(time, 24).c_str(),
               padded(device, device_width).c_str(), padded(property, property_width).c_str(),
               padded(value, 12, true).c_str(), padded(unit, unit_width).c_str(), status.c_str());
}

}  // namespace mapper
