// What MQTT clients publish: the first line is the topic, the rest the payload.
#include <cstdint>
#include <string_view>

#include "request.hpp"
#include "topic.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const std::string_view payload = line == text.npos ? text : text.substr(line + 1);
  devicetwin::bus::parse_topic(text.substr(0, line));
  devicetwin::bus::parse_update(payload);
  devicetwin::bus::parse_state(payload);
  devicetwin::bus::parse_get(payload, "twin info");
  return 0;
}
