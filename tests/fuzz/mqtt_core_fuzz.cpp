// What MQTT clients publish, through the dispatcher into a Core. Messages stand one after another,
// parted by a byte 0x1e: a line with the topic, then the payload.
#include <cstdint>
#include <string_view>

#include "core_rig.hpp"
#include "dispatcher.hpp"

namespace {

void check_published(const std::string& topic, const std::string& payload) {
  fuzz::require(topic.starts_with("$hw/events/"), "topics published are KubeEdge's: " + topic);
  fuzz::require(topic.find_first_of(std::string_view("+#\0", 3)) == topic.npos,
                "topics published have no wildcard: " + topic);
  fuzz::require(base::is_utf8(topic) && base::is_utf8(payload),
                "what is published is UTF-8: " + topic + " " + payload);
  const auto json = dmi::parse_json(payload);
  fuzz::require(json.ok() && json->is_object(), "what is published is a JSON object: " + payload);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  fuzz::CoreRig rig;
  devicetwin::bus::Dispatcher dispatcher(rig.core, [](const devicetwin::bus::Message& message) {
    check_published(message.topic, message.payload);
  });
  rig.core.add_outlet(dispatcher);
  std::size_t start = 0;
  for (int messages = 0; messages < 16 && start < input.size(); ++messages) {
    const std::size_t end = std::min(input.find('\x1e', start), input.size());
    const std::string_view message = input.substr(start, end - start);
    const std::size_t line = message.find('\n');
    dispatcher.message(message.substr(0, line),
                       line == message.npos ? message : message.substr(line + 1));
    rig.check();
    // A listener who goes and comes back is told what he missed.
    if (messages % 4 == 3) {
      dispatcher.set_listening(false);
    } else if (messages % 4 == 1) {
      dispatcher.set_listening(true);
    }
    start = end + 1;
  }
  dispatcher.set_listening(true);
  rig.check_restart();
  return 0;
}
