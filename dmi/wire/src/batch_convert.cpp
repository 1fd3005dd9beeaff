#include "base/text.hpp"
#include "convert.hpp"

namespace dmi::wire {

namespace {

namespace batch = mapperframework::v1;

TwinValue value_of(const batch::Reading& reading) {
  TwinValue value{reading.value(), {}};
  auto& metadata = value.metadata;
  // In order of the keys, at the end each: a map is filled without a search.
  const auto put = [&metadata](const char* key, const std::string& text) {
    if (!text.empty()) metadata.emplace_hint(metadata.end(), key, text);
  };
  put("reason", reading.reason());
  put("status", reading.status());
  if (reading.timestamp_ms() > 0) put("timestamp", std::to_string(reading.timestamp_ms()));
  put("type", reading.type());
  return value;
}

void fill_reading(const TwinValue& value, batch::Reading& reading) {
  reading.set_value(valid_text(value.value));
  for (const auto& [key, text] : value.metadata) {
    if (key == "type") {
      reading.set_type(valid_text(text));
    } else if (key == "status") {
      reading.set_status(valid_text(text));
    } else if (key == "reason") {
      reading.set_reason(valid_text(text));
    } else if (std::int64_t ms = 0; key == "timestamp" && base::parse_int(text, ms)) {
      reading.set_timestamp_ms(ms);
    }
  }
}

}  // namespace

BatchItem from_proto(const batch::Item& message) {
  BatchItem item;
  item.report.device = id_of(message.namespace_(), message.name());
  item.state = message.state();
  item.report.twins.reserve(static_cast<std::size_t>(message.twins_size()));
  for (const batch::Twin& twin : message.twins()) {
    TwinReport& report = item.report.twins.emplace_back();
    report.property = twin.property();
    if (twin.has_observed()) report.observed = value_of(twin.observed());
    if (twin.has_reported()) report.reported = value_of(twin.reported());
  }
  return item;
}

void fill_item(const BatchItem& item, batch::Item& message) {
  message.set_namespace_(valid_text(item.report.device.space));
  message.set_name(valid_text(item.report.device.name));
  message.set_state(valid_text(item.state));
  message.mutable_twins()->Reserve(static_cast<int>(item.report.twins.size()));
  for (const TwinReport& report : item.report.twins) {
    batch::Twin& twin = *message.add_twins();
    twin.set_property(valid_text(report.property));
    if (report.observed) fill_reading(*report.observed, *twin.mutable_observed());
    if (report.reported) fill_reading(*report.reported, *twin.mutable_reported());
  }
}

}  // namespace dmi::wire
