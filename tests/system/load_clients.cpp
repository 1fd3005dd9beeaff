// What the clients of a Load do, each on a thread of its own until it is told to stop.
#include <sqlite3.h>

#include <condition_variable>
#include <stdexcept>

#include "base/text.hpp"
#include "system/load.hpp"

namespace system_test {

using base::cat;
using dmi::Json;
using std::chrono::milliseconds;
using test_support::api;
using test_support::KubeClient;

namespace {

std::uint64_t version_of(const Json& object) {
  std::int64_t version = 0;
  base::parse_int(object["metadata"].value("resourceVersion", ""), version);
  return static_cast<std::uint64_t>(version);
}

bool is_device(const KubeClient::Answer& answer) {
  return (answer.status == 200 || answer.status == 201) && answer.body.is_object() &&
         answer.body.contains("metadata") && answer.body.contains("spec");
}

// 409 and other refusals promise that nothing changed; no answer promises nothing.
Answer outcome_of(const KubeClient::Answer& answer) {
  if (is_device(answer)) return Answer::accepted;
  return answer.status == 0 ? Answer::none : Answer::refused;
}

std::string topic(const std::string& device, const std::string& verb) {
  return cat("$hw/events/device/default/", device, "/twin/", verb);
}

void rest(int ms) { std::this_thread::sleep_for(milliseconds(ms)); }

// What an MQTT client waits for: answers by event id.
struct Waiting {
  std::mutex mutex;
  std::condition_variable came;
  std::map<std::string, std::pair<std::size_t, Micros>> asked;  // place of the write, start
  std::string last;                                             // answered

  void wait(const std::string& event_id, milliseconds deadline) {
    std::unique_lock lock(mutex);
    came.wait_for(lock, deadline, [&] { return last == event_id; });
  }
};

}  // namespace

std::unique_ptr<KubeClient> Load::kube_client() {
  return std::make_unique<KubeClient>(plane_.folder());
}

void Load::note_object(const Json& object, Micros start, const std::string& client) {
  const std::string device = object["metadata"]["name"];
  for (const Json& property : object["spec"]["properties"]) {
    const std::string name = property["name"];
    if (name.starts_with("m")) continue;
    const std::string value =
        property.contains("desired") ? property["desired"].value("value", "") : "";
    recorder_.add(Sight{cat(device, '/', name), value, client, start, 0, version_of(object)});
  }
}

void Load::kube_writer(unsigned seed) {
  const std::string client = cat("kube", seed % 10);
  std::mt19937 random(seed);
  const auto kube = kube_client();
  const std::string alpha = cat(api, "devices/alpha");
  const std::string beta = cat(api, "devices/beta");
  Json beta_object;
  while (!stop_) {
    const std::string value = cat(next_value());
    const Micros start = recorder_.now();
    const auto what = static_cast<unsigned>(random() % 10);
    KubeClient::Answer answer;
    std::size_t place = 0;
    if (what < 2) {  // everything of the object anew, whatever is there
      if (beta_object.is_null()) {
        const auto got = kube->get(beta);
        if (!is_device(got)) continue;
        beta_object = got.body;
        beta_object["metadata"].erase("resourceVersion");
      }
      beta_object["spec"]["properties"][0]["desired"] = {{"value", value}};
      place = recorder_.begin({"beta/s0", value, client});
      answer = kube->put(beta, beta_object);
    } else {
      const auto setting = random() % static_cast<unsigned>(settings_.settings + 1);
      if (what < 5) {  // read, change, write back what was read, if it is still that
        const auto got = kube->get(alpha);
        if (!is_device(got)) {
          rest(5);
          continue;
        }
        note_object(got.body, start, client);
        Json object = got.body;
        object["spec"]["properties"][setting]["desired"] = {{"value", value}};
        place = recorder_.begin({keys()[setting], value, client});
        answer = kube->put(alpha, object);
      } else {
        place = recorder_.begin({keys()[setting], value, client});
        const Json operation = {{"op", "add"},
                                {"path", cat("/spec/properties/", setting, "/desired")},
                                {"value", {{"value", value}}}};
        answer = kube->patch(alpha, Json::array({operation}));
      }
    }
    const Answer outcome = outcome_of(answer);
    recorder_.answered(place, outcome, outcome == Answer::accepted ? version_of(answer.body) : 0);
    if (outcome == Answer::accepted) note_object(answer.body, start, client);
    rest(static_cast<int>(random() % 20));
  }
}

void Load::kube_reader() {
  const auto kube = kube_client();
  while (!stop_) {
    for (const char* device : {"alpha", "beta"}) {
      const Micros start = recorder_.now();
      const auto answer = kube->get(cat(api, "devices/", device));
      if (is_device(answer)) note_object(answer.body, start, "reader");
    }
    rest(10);
  }
}

void Load::mqtt_writer(unsigned seed) {
  const std::string client = cat("mqtt", seed % 10);
  std::mt19937 random(seed);
  Waiting waiting;
  MqttClient mqtt(plane_.broker_port(), {"$hw/events/device/+/+/twin/update/result"},
                  [&](const std::string&, const std::string& payload) {
                    const auto json = dmi::parse_json(payload);
                    if (!json || !json->is_object()) return;
                    const std::string event_id = json->value("event_id", "");
                    const std::lock_guard lock(waiting.mutex);
                    const auto found = waiting.asked.find(event_id);
                    if (found == waiting.asked.end()) return;
                    recorder_.answered(found->second.first,
                                       json->contains("code") ? Answer::refused : Answer::accepted);
                    waiting.last = event_id;
                    waiting.came.notify_all();
                  });
  while (!stop_) {
    if (!mqtt.ready()) {
      rest(50);
      continue;
    }
    const std::string value = cat(next_value());
    const auto all = keys();
    const std::string key = all[random() % all.size()];
    const std::string device = key.substr(0, key.find('/'));
    const std::string event_id = cat(client, '-', value);
    {
      const std::lock_guard lock(waiting.mutex);
      waiting.asked[event_id] = {recorder_.begin({key, value, client}), 0};
    }
    const Json request = {
        {"event_id", event_id},
        {"twin", {{key.substr(device.size() + 1), {{"expected", {{"value", value}}}}}}}};
    if (mqtt.publish(topic(device, "update"), dmi::to_text(request))) {
      waiting.wait(event_id, milliseconds(2000));
    }
    rest(static_cast<int>(random() % 20));
  }
}

void Load::mqtt_reader() {
  Waiting waiting;
  const auto note = [&](const std::string& device, const Json& twins, Micros start, bool document) {
    for (const auto& [name, shown] : twins.items()) {
      if (name.starts_with("m") || !shown.is_object()) continue;
      const Json& twin = document ? shown["current"] : shown;
      if (!twin.is_object() || !twin.contains("expected")) continue;
      recorder_.add(Sight{cat(device, '/', name), twin["expected"].value("value", ""),
                          document ? "mqtt-document" : "mqtt-reader", start});
    }
  };
  MqttClient mqtt(plane_.broker_port(),
                  {"$hw/events/device/+/+/twin/get/result", topic("+", "update/document")},
                  [&](const std::string& at, const std::string& payload) {
                    const auto json = dmi::parse_json(payload);
                    if (!json || !json->contains("twin")) return;
                    const auto parts = base::split(at, '/');
                    if (parts.size() < 6) return;
                    const std::string device(parts[4]);
                    if (at.ends_with("document")) return note(device, (*json)["twin"], 0, true);
                    const std::string event_id = json->value("event_id", "");
                    const std::lock_guard lock(waiting.mutex);
                    const auto found = waiting.asked.find(event_id);
                    if (found == waiting.asked.end()) return;
                    note(device, (*json)["twin"], found->second.second, false);
                    waiting.last = event_id;
                    waiting.came.notify_all();
                  });
  for (int count = 0; !stop_; ++count) {
    rest(20);
    if (!mqtt.ready()) continue;
    const std::string device = count % 3 == 0 ? "beta" : "alpha";
    const std::string event_id = cat("get-", count);
    {
      const std::lock_guard lock(waiting.mutex);
      waiting.asked[event_id] = {0, recorder_.now()};
    }
    if (mqtt.publish(topic(device, "get"), cat(R"({"event_id":")", event_id, R"("})"))) {
      waiting.wait(event_id, milliseconds(2000));
    }
  }
}

// Versions as they are on disk, read beside the running daemon. What cannot be read now is read
// later.
void Load::disk_reader() {
  const std::string file = (plane_.folder() / "devicetwin.db").string();
  const char* const query =
      "SELECT name||'/'||property,expected_edge,expected_cloud FROM rows WHERE expected IS NOT "
      "NULL";
  while (!stop_) {
    sqlite3* db = nullptr;
    sqlite3_stmt* rows = nullptr;
    if (sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK &&
        sqlite3_prepare_v2(db, query, -1, &rows, nullptr) == SQLITE_OK) {
      while (sqlite3_step(rows) == SQLITE_ROW) {
        const std::string key = reinterpret_cast<const char*>(sqlite3_column_text(rows, 0));
        recorder_.add(EdgeVersion{key, sqlite3_column_int64(rows, 1)});
        recorder_.add(EdgeVersion{cat(key, " (cloud)"), sqlite3_column_int64(rows, 2)});
      }
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    for (int i = 0; i < 20 && !stop_; ++i) rest(25);
  }
}

}  // namespace system_test
