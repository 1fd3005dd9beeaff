// Random objects → message → bytes → message → object.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "convert.hpp"

namespace dmi::wire {
namespace {

class Source {
 public:
  explicit Source(unsigned seed) : random_(seed) {}
  std::uint64_t number() { return random_(); }
  std::size_t upto(std::size_t most) { return random_() % (most + 1); }
  bool yes() { return random_() % 2 == 0; }

  std::string text() {
    static const std::vector<std::string> pieces = {"a", "Z",  "0",    "-",  ".",  "/",  " ",
                                                    "ü", "温", "🌡", "\"", "\\", "\n", "%"};
    std::string text;
    for (std::size_t left = upto(12); left > 0; --left) text += pieces[upto(pieces.size() - 1)];
    return text;
  }
  double real() {
    const double any = std::bit_cast<double>(number());  // also subnormal and beyond float
    return std::isfinite(any) ? any : 0.25;
  }
  Json scalar() {
    switch (upto(5)) {
      case 0:
        return text();
      case 1:
        return yes();
      case 2:
        return static_cast<std::int64_t>(number());
      case 3:
        return static_cast<double>(static_cast<std::int16_t>(number())) / 10;
      case 4:
        return static_cast<std::int32_t>(number());
      default:
        return real();
    }
  }
  Json config() {
    Json object = Json::object();
    for (std::size_t left = upto(6); left > 0; --left) object[text()] = scalar();
    return object;
  }
  ProtocolConfig protocol() { return {text(), config()}; }
  TwinValue twin_value() {
    TwinValue value{text(), {}};
    for (std::size_t left = upto(3); left > 0; --left) value.metadata[text()] = text();
    return value;
  }
  Json push() {
    const std::int32_t number = 1 + static_cast<std::int32_t>(upto(1000));
    switch (upto(8)) {
      case 0:
        return {{"http", {{"hostName", "h" + text()}, {"port", number}, {"requestPath", "/"}}}};
      case 1:
        return {{"mqtt", {{"topic", "t" + text()}, {"qos", 1}, {"retained", true}}}};
      case 2:
        return {{"dbMethod",
                 {{"TDEngine", {{"TDEngineClientConfig", {{"addr", "a"}, {"dbName", "d"}}}}}}}};
      case 3:
        return {{"dbMethod",
                 {{"influxdb2", {{"influxdb2DataConfig", {{"tag", {{text(), text()}}}}}}}}}};
      case 4:
        return {{"dbMethod", {{"redis", {{"redisClientConfig", {{"minIdleConns", number}}}}}}}};
      case 5:
        return {{"dbMethod", {{"mysql", {{"mysqlClientConfig", {{"userName", "u"}}}}}}}};
      case 6:
        return {{"otel", {{"endpointURL", "http://" + text()}}}};
      case 7:
        return {{"anomalyDetection", config()}};
      default:
        return Json();
    }
  }

 private:
  std::mt19937_64 random_;
};

// desired and visitors are always present: absent ones are sent as empty (GoMappersFind…).
Device random_device(Source& source) {
  Device device;
  device.id = {"n" + source.text(), source.text()};
  device.model = source.text();
  device.protocol = source.protocol();
  for (std::size_t left = source.upto(8); left > 0; --left) {
    DeviceProperty property;
    property.name = source.text();
    property.desired = source.twin_value();
    property.visitors = source.protocol();
    property.report_cycle_ms = static_cast<std::int64_t>(source.number());
    property.collect_cycle_ms = static_cast<std::int64_t>(source.number());
    property.report_to_cloud = source.yes();
    property.push = source.push();
    device.properties.push_back(std::move(property));
  }
  for (std::size_t left = source.upto(3); left > 0; --left) {
    device.methods.push_back({source.text(), source.text(), {source.text(), source.text()}});
  }
  if (source.yes()) {
    device.state_report = StateReport{source.yes(), static_cast<std::int64_t>(source.number())};
  }
  return device;
}

DeviceModel random_model(Source& source) {
  DeviceModel model;
  model.id = {"n" + source.text(), source.text()};
  for (std::size_t left = source.upto(8); left > 0; --left) {
    model.properties.push_back({source.text(),
                                source.text(),
                                source.text(),
                                source.text(),
                                source.text(),
                                source.text(),
                                source.text(),
                                {}});
  }
  return model;
}

DeviceReport random_report(Source& source) {
  DeviceReport report;
  report.device = {"n" + source.text(), source.text()};
  for (std::size_t left = source.upto(8); left > 0; --left) {
    TwinReport twin{source.text(), {}, {}};
    if (source.yes()) twin.observed = source.twin_value();
    if (source.yes()) twin.reported = source.twin_value();
    if (twin.observed == TwinValue()) twin.observed.reset();
    if (twin.reported == TwinValue()) twin.reported.reset();
    report.twins.push_back(std::move(twin));
  }
  return report;
}

template <class Object>
Object sent(const Object& object) {
  const auto message = to_proto(object);
  auto received = message;
  received.Clear();
  EXPECT_TRUE(received.ParseFromString(message.SerializeAsString()));
  return from_proto(received);
}

TEST(Random, ObjectsArriveAsTheyWereSent) {
  for (unsigned seed = 1; seed <= 1500; ++seed) {
    SCOPED_TRACE(seed);
    Source source(seed);
    const Device device = random_device(source);
    const DeviceModel model = random_model(source);
    const DeviceReport report = random_report(source);
    ASSERT_EQ(sent(device), device);
    ASSERT_EQ(sent(model), model);
    ASSERT_EQ(sent(report), report);
    const Device again = sent(sent(device));
    ASSERT_EQ(again, device);
  }
}

TEST(Random, AbsentDesiredAndVisitorsArriveEmptyAndStaySo) {
  Device device;
  device.id = {"default", "boiler"};
  device.properties.resize(1);
  Device expected = device;
  expected.properties[0].desired = TwinValue();
  expected.properties[0].visitors = ProtocolConfig();
  EXPECT_EQ(sent(device), expected);
  EXPECT_EQ(sent(expected), expected);
}

}  // namespace
}  // namespace dmi::wire
