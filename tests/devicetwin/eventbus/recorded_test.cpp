// What was published to a real EdgeCore 1.23.1, published here: the answers must be the recorded
// ones, but for the differences that are stated in this file and in docs/mqtt.md.
#include <fstream>
#include <regex>
#include <set>

#include "devicetwin/eventbus/fixture.hpp"

namespace devicetwin::bus::test {
namespace {

const std::string device_topic_start = "$hw/events/device/default/trace-dev/";

// 1. Repeating what is there is answered, not announced.
const std::set<std::string> result_only = {"update-same-value-again", "update-null-unknown-prop"};
// 2. Any UTF-8 up to 64 KiB is a value. Each is undone, so that what follows finds the recorded
//    state.
const std::map<std::string, std::string> accepted_here = {
    {"update-value-with-space", R"({"twin":{"label":{"actual":{"value":""}}}})"},
    {"update-value-json-string", R"({"twin":{"label":{"actual":{"value":""}}}})"},
    {"update-value-513-chars", R"({"twin":{"label":{"actual":{"value":""}}}})"},
};
//    double is a type: "x" is refused because it is none.
const std::string unknown_type = "update-unknown-type";
// 3. The topic of KubeEdge ≤ 1.16 is answered.
const std::string old_form = "old-topic-without-namespace";

// Times and random ids are not compared; sides with an empty value are not shown (4); the last
// online time is kept while a device is offline (5).
void normalise(Json& json) {
  static const std::regex uuid("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
  if (json.is_array()) {
    for (Json& element : json) normalise(element);
  }
  if (!json.is_object()) return;
  for (const char* key : {"lastOnlineTime", "last_online"}) json.erase(key);
  for (const char* side : {"expected", "actual"}) {
    if (json.contains(side) && json[side].is_object() && json[side].value("value", "x").empty()) {
      json.erase(side);
    }
  }
  for (auto& [key, value] : json.items()) {
    if (key == "timestamp") value = 0;
    if (key == "event_id" && std::regex_match(value.get<std::string>(), uuid)) value = "uuid";
    normalise(value);
  }
}

struct Answer {
  std::string topic;
  Json payload;
  friend bool operator==(const Answer&, const Answer&) = default;
};
void PrintTo(const Answer& answer, std::ostream* out) {
  *out << answer.topic << ' ' << answer.payload.dump();
}

Answer answer(std::string topic, const std::string& payload) {
  Answer out{std::move(topic), Json::parse(payload)};
  normalise(out.payload);
  // 6. A message that cannot be read is answered on its device's topic, with the event_id that
  //    could be read; 7. the text of the JSON parser is another one.
  if (out.payload.contains("code")) {
    const std::string nowhere = "$hw/events/device//";
    if (out.topic.starts_with(nowhere)) {
      out.topic = device_topic_start + out.topic.substr(nowhere.size());
    }
    if (out.payload["code"] == 400) out.payload.erase("event_id");
    const std::string reason = out.payload["reason"];
    out.payload["reason"] = reason.substr(0, reason.find("err: "));
  }
  return out;
}

class Recorded : public DispatcherTest {
 protected:
  void SetUp() override {
    const Json device = {{"metadata", {{"name", "trace-dev"}, {"namespace", "default"}}},
                         {"spec", {{"protocol", {{"protocolName", "traceproto"}}}}}};
    ASSERT_TRUE(create(Kind::device, device).ok());
    send(device_topic_start + "state/update", R"({"state":"online"})");
    send(device_topic_start + "twin/update",
         R"({"twin":{"temperature":{"actual":{"value":"22.5"}}}})");
  }

  // 8. A delta is told once per change, not with every update while it lasts.
  bool repeated_delta(const std::string& topic, const Json& payload) {
    if (!topic.ends_with("/delta")) return false;
    return std::exchange(last_delta_, payload["delta"]) == payload["delta"];
  }
  std::vector<Answer> wanted(const Json& recorded) {
    std::vector<Answer> answers;
    bool document = false;
    bool delta = false;
    for (const Json& message : recorded["received"]) {
      Answer one = answer(message["topic"], message["payload"]);
      document = document || one.topic.ends_with("/document");
      delta = delta || one.topic.ends_with("/delta");
      if (!repeated_delta(one.topic, one.payload)) answers.push_back(std::move(one));
    }
    if (document && !delta) last_delta_ = Json();
    return answers;
  }
  std::vector<Answer> got(const Json& recorded) {
    std::vector<Answer> answers;
    for (const Published& message :
         send(recorded["publish"]["topic"], recorded["publish"]["payload"])) {
      answers.push_back(answer(message.topic, message.payload));
    }
    return answers;
  }

  Json last_delta_;
};

TEST_F(Recorded, EveryPublicationIsAnsweredAsByEdgeCore) {
  std::ifstream lines(TEST_DATA "/mqtt/results1.jsonl");
  int cases = 0;
  for (std::string line; std::getline(lines, line); ++cases) {
    const Json recorded = Json::parse(line);
    const std::string name = recorded["case"];
    std::vector<Answer> want = wanted(recorded);
    const std::vector<Answer> have = got(recorded);
    if (const auto undo = accepted_here.find(name); undo != accepted_here.end()) {
      ASSERT_FALSE(have.empty()) << name;
      EXPECT_FALSE(have[0].payload.contains("code")) << name << have[0].payload.dump();
      send(device_topic_start + "twin/update", undo->second);
      continue;
    }
    if (name == old_form) {
      ASSERT_FALSE(have.empty());
      EXPECT_EQ(have[0].topic, "$hw/events/device/trace-dev/twin/update/result");
      continue;
    }
    if (name == unknown_type) want.at(0).payload["reason"] = "the value is not float";
    if (result_only.contains(name)) want.resize(1);
    EXPECT_EQ(have, want) << name;
  }
  EXPECT_EQ(cases, 48);
}

}  // namespace
}  // namespace devicetwin::bus::test
