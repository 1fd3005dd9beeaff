// KubeEdge's topics, taken apart by segments. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dmi/device.hpp"

namespace devicetwin::bus {

enum class Verb : unsigned char {
  none,  // not a request of ours
  twin_update,
  twin_get,
  history_get,    // ours: twin/history/get
  cloud_updated,  // a cloud's, never a client's
  state_update,
  membership_get,
};

struct Topic {
  Verb verb = Verb::none;
  dmi::ObjectId device;  // of the verbs of devices
  // $hw/events/device/<name>/…, as KubeEdge ≤ 1.16 had it: namespace default.
  bool bare = false;
};

Topic parse_topic(std::string_view topic);
// "$hw/events/device/<space>/<name>" + suffix; without the space when bare.
std::string device_topic(const dmi::ObjectId& device, bool bare, std::string_view suffix);
std::string node_topic(std::string_view node, std::string_view suffix);
// What to subscribe to, with QoS 1.
const std::vector<std::string>& subscriptions();
// KubeEdge's topics for payloads it hands to the cloud unread, and whether a topic is one.
const std::vector<std::string>& upload_subscriptions();
bool is_upload(std::string_view topic);
// Where documents of devices may be retained, in both forms.
const std::vector<std::string>& retained_documents();

}  // namespace devicetwin::bus
