#include "report.hpp"

#include "base/text.hpp"

namespace devicetwin {

namespace {

std::string_view find(const dmi::TwinValue& value, const char* key) {
  const auto found = value.metadata.find(key);
  return found == value.metadata.end() ? std::string_view() : found->second;
}

base::Status status_of(const dmi::TwinValue& value) {
  const std::string_view code = find(value, "status");
  if (code.empty() || code == "ok") return base::Status();
  return base::Status(base::code_of(code), std::string(find(value, "reason")));
}

}  // namespace

TwinUpdate update_of(const dmi::DeviceReport& report) {
  TwinUpdate update;
  update.properties.reserve(report.twins.size());
  for (const dmi::TwinReport& twin : report.twins) {
    TwinUpdate::Property property;
    property.name = twin.property;
    if (twin.reported) {
      property.actual = twin.reported->value;
      property.quality = status_of(*twin.reported);
      property.type = find(*twin.reported, "type");
      std::int64_t ms = 0;
      if (base::parse_int(find(*twin.reported, "timestamp"), ms) && ms > 0) property.actual_ms = ms;
    }
    if (twin.observed) {
      property.observed = twin.observed->value;
      property.refusal = status_of(*twin.observed);
      if (property.type.empty()) property.type = find(*twin.observed, "type");
    }
    update.properties.push_back(std::move(property));
  }
  return update;
}

}  // namespace devicetwin
