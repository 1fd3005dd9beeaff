#include "topic.hpp"

#include "base/text.hpp"

namespace devicetwin::bus {

namespace {

Verb verb_of(std::string_view group, std::string_view word) {
  if (group == "twin" && word == "update") return Verb::twin_update;
  if (group == "twin" && word == "get") return Verb::twin_get;
  if (group == "twin" && word == "cloud_updated") return Verb::cloud_updated;
  if (group == "state" && word == "update") return Verb::state_update;
  return Verb::none;
}

}  // namespace

Topic parse_topic(std::string_view topic) {
  // No broker should let these through; an answer to such a topic could not be published.
  if (!base::is_utf8(topic) || topic.find_first_of("+#") != topic.npos) return {};
  const auto parts = base::split(topic, '/');
  if (parts.size() < 6 || parts[0] != "$hw" || parts[1] != "events") return {};
  if (parts[2] == "node") {
    // Any node's name is answered, as KubeEdge does: there is one node on this broker.
    const bool get = parts.size() == 6 && parts[4] == "membership" && parts[5] == "get";
    return get ? Topic{Verb::membership_get, {}, false} : Topic();
  }
  if (parts[2] != "device") return {};
  if (parts.size() >= 7 && topic.ends_with("/twin/history/get")) {
    const bool bare = parts.size() == 7;
    return bare ? Topic{Verb::history_get, {"default", std::string(parts[3])}, true}
                : Topic{parts.size() == 8 ? Verb::history_get : Verb::none,
                        {std::string(parts[3]), std::string(parts[4])},
                        false};
  }
  if (parts.size() == 7) {
    return {verb_of(parts[5], parts[6]), {std::string(parts[3]), std::string(parts[4])}, false};
  }
  if (parts.size() == 6) {
    return {verb_of(parts[4], parts[5]), {"default", std::string(parts[3])}, true};
  }
  return {};
}

std::string device_topic(const dmi::ObjectId& device, bool bare, std::string_view suffix) {
  const std::string id = bare ? device.name : device.to_string();
  return base::cat("$hw/events/device/", id, suffix);
}

std::string node_topic(std::string_view node, std::string_view suffix) {
  return base::cat("$hw/events/node/", node, suffix);
}

const std::vector<std::string>& subscriptions() {
  static const std::vector<std::string> topics = {
      "$hw/events/device/+/+/state/update",   "$hw/events/device/+/+/twin/+",
      "$hw/events/device/+/state/update",     "$hw/events/device/+/twin/+",
      "$hw/events/node/+/membership/get",     "$hw/events/device/+/+/twin/history/get",
      "$hw/events/device/+/twin/history/get",
  };
  return topics;
}

const std::vector<std::string>& retained_documents() {
  static const std::vector<std::string> topics = {
      "$hw/events/device/+/+/twin/update/document",
      "$hw/events/device/+/twin/update/document",
  };
  return topics;
}

const std::vector<std::string>& upload_subscriptions() {
  static const std::vector<std::string> topics = {"$hw/events/upload/#", "SYS/dis/upload_records",
                                                  "+/user/#"};
  return topics;
}

bool is_upload(std::string_view topic) {
  if (topic == "SYS/dis/upload_records") return true;
  const auto parts = base::split(topic, '/');
  if (parts.size() >= 3 && parts[0] == "$hw") return parts[1] == "events" && parts[2] == "upload";
  return parts.size() >= 2 && parts[1] == "user" && !parts[0].starts_with('$');
}

}  // namespace devicetwin::bus
