// What operators read of a running plane besides objects: the past of a property, and metrics.
#include <regex>

#include "system/fixture.hpp"

namespace system_test {
namespace {

class Readers : public System {
 protected:
  // The place of a property in the boiler's spec.
  std::size_t index_of(const std::string& property) {
    const Json device = plane_.kube().get(cat(test_support::api, "devices/boiler")).body;
    const Json& properties = device["spec"]["properties"];
    for (std::size_t i = 0; i < properties.size(); ++i) {
      if (properties[i]["name"] == property) return i;
    }
    ADD_FAILURE() << "the boiler has no " << property;
    return 0;
  }
  std::string raw(const std::string& path) {
    const Outcome outcome = plane_.kubectl({"get", "--raw", path});
    EXPECT_EQ(outcome.exit, 0) << outcome.output;
    return outcome.output;
  }
  // Samples by name, labels included: `name{label="x"}` → value. Every line is checked.
  std::map<std::string, double> metrics() {
    static const std::regex sample(
        R"(([a-z_]+(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})?) (\S+))");
    static const std::regex comment(R"(# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge)))");
    std::map<std::string, double> found;
    const std::string text = raw("/metrics");
    for (const std::string_view line : base::split(text, '\n')) {
      std::cmatch match;
      if (line.empty() || std::regex_match(line.begin(), line.end(), comment)) continue;
      if (!std::regex_match(line.begin(), line.end(), match, sample)) {
        ADD_FAILURE() << line;
        continue;
      }
      EXPECT_TRUE(found.emplace(match[1], std::stod(match[2])).second) << line << " is there twice";
    }
    return found;
  }
};

TEST_F(Readers, ThePastOfAPropertyIsReadOverHttpsAndMqtt) {
  start_all();
  const auto config = cat("/spec/properties/", index_of("setpoint"), "/visitors/configData/");
  ASSERT_EQ(
      plane_.kube()
          .patch(cat(test_support::api, "devices/boiler"),
                 Json::array({{{"op", "add"}, {"path", config + "historyCount"}, {"value", 100}}}))
          .status,
      200);
  for (const char* value : {"31", "32", "33"}) {
    ASSERT_EQ(plane_.desire("boiler", "setpoint", value), 200);
    ASSERT_TRUE(wait_until([&] { return plane_.reported("boiler", "setpoint") == value; }))
        << diagnosis();
  }
  const std::string path = "/history/v1/namespaces/default/devices/boiler/properties/setpoint";
  const Json page = Json::parse(raw(path + "?order=desc&limit=3"));
  ASSERT_EQ(page["samples"].size(), 3u) << page;
  EXPECT_EQ(page["samples"][0]["value"], "33");
  EXPECT_EQ(page["samples"][1]["value"], "32");
  EXPECT_EQ(page["samples"][2]["value"], "31");
  EXPECT_EQ(page["samples"][0]["status"], "ok");
  EXPECT_GT(page["samples"][0]["time"], 1'700'000'000'000);

  const auto answers = plane_.subscribe("$hw/events/device/default/boiler/twin/history/get/result");
  ASSERT_TRUE(wait_until([&] {
    plane_.publish("$hw/events/device/default/boiler/twin/history/get",
                   R"({"event_id":"h1","property":"setpoint","order":"desc","limit":1})");
    return answers->output().find("\"value\":\"33\"") != std::string::npos;
  })) << answers->output();

  const Outcome none =
      plane_.kubectl({"get", "--raw", path.substr(0, path.rfind('/')) + "/pressure"});
  EXPECT_NE(none.exit, 0);
}

TEST_F(Readers, MetricsCountWhatHappens) {
  start_all();
  const auto before = metrics();
  EXPECT_EQ(before.at("devicetwin_mappers{state=\"up\"}"), 1);
  EXPECT_GE(before.at("devicetwin_devices"), 1);
  EXPECT_GT(before.at("process_resident_memory_bytes"), 1e6);
  EXPECT_EQ(before.at("devicetwin_mqtt_connected"), 1);
  ASSERT_EQ(plane_.desire("boiler", "setpoint", "37"), 200);
  ASSERT_TRUE(wait_until([&] { return plane_.reported("boiler", "setpoint") == "37"; }));
  EXPECT_EQ(plane_.kube().get(cat(test_support::api, "devices/boiler")).status, 200);
  EXPECT_NE(plane_.desire("boiler", "no-such-property", "1"), 200);
  plane_.publish("$hw/events/device/default/nobody/twin/update",
                 R"({"twin":{"a":{"actual":{"value":"1"}}}})");
  EXPECT_TRUE(wait_until([&] {
    const auto after = metrics();
    const auto more = [&](const std::string& name) { return after.at(name) > before.at(name); };
    return more("devicetwin_verbs_total{verb=\"object\"}") &&
           more("devicetwin_verbs_total{verb=\"report\"}") &&
           more("devicetwin_refused_total{reason=\"not_found\"}") &&
           more("devicetwin_store_twins_total") && more("devicetwin_mqtt_received_total") &&
           more("devicetwin_mqtt_published_total") && more("process_cpu_seconds_total");
  })) << raw("/metrics");
}

}  // namespace
}  // namespace system_test
