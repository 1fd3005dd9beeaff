#include "convert.hpp"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>

#include <limits>

#include "dmi/config.hpp"

namespace dmi::wire {
namespace {

namespace pb = google::protobuf;

template <class Wrapper, class T>
AnyMap one(T value) {
  Wrapper wrapper;
  wrapper.set_value(value);
  AnyMap data;
  data["k"].PackFrom(wrapper);
  return data;
}

// k as it comes back; null when the key was dropped.
Json decoded(const AnyMap& data) { return json_of(data).value("k", Json()); }

AnyMap encoded(const Json& value) {
  AnyMap data;
  fill_any({{"k", value}}, data);
  return data;
}

std::string type_of_any(const AnyMap& data) {
  const auto found = data.find("k");
  if (found == data.end()) return "";
  return found->second.type_url().substr(found->second.type_url().rfind('.') + 1);
}

TEST(Any, EveryWrapperAPeerMaySendIsUnderstood) {
  EXPECT_EQ(decoded(one<pb::StringValue>("text")), "text");
  EXPECT_EQ(decoded(one<pb::BoolValue>(true)), true);
  EXPECT_EQ(decoded(one<pb::Int32Value>(-5)), -5);
  EXPECT_EQ(decoded(one<pb::Int64Value>(std::numeric_limits<std::int64_t>::min())),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(decoded(one<pb::UInt32Value>(4294967295u)), 4294967295u);
  EXPECT_EQ(decoded(one<pb::UInt64Value>(std::numeric_limits<std::uint64_t>::max())),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(decoded(one<pb::DoubleValue>(0.123456789012)), 0.123456789012);
  EXPECT_EQ(decoded(one<pb::FloatValue>(1.5f)), 1.5);
}

TEST(Any, WholeFloatIsAnIntegerAndOthersTheirShortestText) {
  const Json whole = decoded(one<pb::FloatValue>(502.0f));
  EXPECT_TRUE(whole.is_number_integer());
  EXPECT_EQ(whole, 502);
  EXPECT_EQ(decoded(one<pb::FloatValue>(0.1f)), 0.1);
  EXPECT_EQ(decoded(one<pb::FloatValue>(-9223372036854775808.0f)),
            std::numeric_limits<std::int64_t>::min());
  const Json large = decoded(one<pb::FloatValue>(18446744073709551616.0f));
  EXPECT_TRUE(large.is_number_float());
  EXPECT_EQ(decoded(one<pb::FloatValue>(1e20f)), 1e20);
}

TEST(Any, KeysThatCannotBeReadAreDroppedAndTheOthersStay) {
  AnyMap data = one<pb::StringValue>("kept");
  data["inf"] = one<pb::FloatValue>(std::numeric_limits<float>::infinity())["k"];
  data["nan"] = one<pb::DoubleValue>(std::numeric_limits<double>::quiet_NaN())["k"];
  data["foreign"].PackFrom(pb::Struct());
  data["untyped"];
  data["slash"].set_type_url("/");
  data["broken"].set_type_url("type.googleapis.com/google.protobuf.StringValue");
  data["broken"].set_value("\x0a\x7f");
  data["not text"].set_type_url("type.googleapis.com/google.protobuf.StringValue");
  data["not text"].set_value("\x0a\x01\xff");
  EXPECT_EQ(json_of(data), Json({{"k", "kept"}}));
}

TEST(Any, OnlyWrappersThatGoMappersUnderstandAreSent) {
  EXPECT_EQ(type_of_any(encoded("x")), "StringValue");
  EXPECT_EQ(type_of_any(encoded(true)), "BoolValue");
  EXPECT_EQ(type_of_any(encoded(7)), "Int64Value");
  EXPECT_EQ(type_of_any(encoded(7u)), "Int64Value");
  EXPECT_EQ(type_of_any(encoded(0.1)), "FloatValue");
  EXPECT_EQ(type_of_any(encoded(0.123456789012)), "FloatValue");
  EXPECT_EQ(type_of_any(encoded(1e300)), "FloatValue");
  EXPECT_EQ(type_of_any(encoded(Json::object())), "StringValue");
  EXPECT_EQ(type_of_any(encoded(Json::array())), "StringValue");
  EXPECT_EQ(type_of_any(encoded(std::numeric_limits<std::uint64_t>::max())), "StringValue");
  EXPECT_EQ(type_of_any(encoded(nullptr)), "");
  EXPECT_EQ(type_of_any(encoded(std::numeric_limits<double>::infinity())), "");
}

TEST(Any, DoubleIsExactForUsAndTheNearestFloatForOthers) {
  for (const double number : {0.123456789012, 16777217.0, 1e300, -1e300, 5e-324, 1e-50}) {
    const AnyMap data = encoded(number);
    EXPECT_EQ(decoded(data), number);
    pb::FloatValue others;
    ASSERT_TRUE(data.at("k").UnpackTo(&others));
    others.DiscardUnknownFields();
    const double most = std::numeric_limits<float>::max();
    EXPECT_EQ(others.value(), static_cast<float>(std::clamp(number, -most, most)));
  }
}

TEST(Any, AFloatThatSaysItAllCarriesNothingBesides) {
  for (const double number : {0.1, 1.5, -2.5, 1e20, 42.0}) {
    EXPECT_EQ(encoded(number).at("k").value().size(), 5u) << number;
    EXPECT_EQ(decoded(encoded(number)), number);
  }
}

TEST(Any, InnerSettingsTravelAsTextThatConfigReadsBack) {
  const Json inner = {{"baud", 9600}, {"parity", "even"}};
  const Json back = json_of(encoded(inner));
  EXPECT_EQ(back, Json({{"k", R"({"baud":9600,"parity":"even"})"}}));
  const base::Result<Config> config = Config(back, "line").object("k");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(*config->integer("baud", 0, 1, 115200), 9600);
}

TEST(Any, TextThatIsNotUtf8IsRepairedBeforeAPeerRefusesTheMessage) {
  AnyMap data;
  fill_any({{"a\xff", "b\xff"}}, data);
  EXPECT_EQ(json_of(data), Json({{"a\xEF\xBF\xBD", "b\xEF\xBF\xBD"}}));
  EXPECT_EQ(valid_text(std::string("a\0b", 3)), std::string("a\0b", 3));
}

TEST(Any, WhatIsNotAnObjectCountsAsEmpty) {
  for (const Json& value : {Json(), Json(5), Json("text"), Json::array({1})}) {
    AnyMap data;
    fill_any(value, data);
    EXPECT_TRUE(data.empty());
  }
}

TEST(Push, WrongTypesAndUnknownKeysAreLeftOut) {
  v1beta1::PushMethod push;
  fill_push(Json::parse(R"({"http": {"hostName": 5, "port": 80, "timeout": [1], "x": 1},
      "mqtt": "no", "dbMethod": {"redis": {"redisClientConfig": {"db": 9999999999, "addr": "a"}},
      "influxdb2": {"influxdb2DataConfig": {"tag": {"a": "b", "c": 5}}}, "mysql": null},
      "otel": {}, "anomalyDetection": {"n": null, "t": 0.9}, "nothing": {}})"),
            push);
  EXPECT_EQ(json_of(push), Json::parse(R"({"http": {"port": 80}, "dbMethod": {
      "redis": {"redisClientConfig": {"addr": "a"}},
      "influxdb2": {"influxdb2DataConfig": {"tag": {"a": "b"}}}},
      "otel": {}, "anomalyDetection": {"t": 0.9}})"));
}

TEST(Push, AbsentStaysAbsentAndEmptyStaysEmpty) {
  Device device;
  device.properties.resize(2);
  device.properties[1].push = Json::object();
  const Device back = from_proto(to_proto(device));
  EXPECT_TRUE(back.properties[0].push.is_null());
  EXPECT_EQ(back.properties[1].push, Json::object());
}

TEST(Convert, EmptyMessagesReadAsEmptyObjectsOfTheDefaultNamespace) {
  EXPECT_EQ(from_proto(v1beta1::Device()).id, (ObjectId{"default", ""}));
  EXPECT_EQ(from_proto(v1beta1::DeviceModel()).id, (ObjectId{"default", ""}));
  EXPECT_EQ(from_proto(v1beta1::ReportDeviceStatusRequest()).device, (ObjectId{"default", ""}));
  EXPECT_EQ(from_proto(v1beta1::MapperInfo()), MapperInfo());
  EXPECT_TRUE(from_proto(v1beta1::MapperRegisterResponse()).devices.empty());
  v1beta1::Device device;
  device.mutable_spec()->add_properties();
  device.mutable_spec()->add_methods();
  const Device read = from_proto(device);
  EXPECT_FALSE(read.properties.at(0).desired);
  EXPECT_FALSE(read.properties.at(0).visitors);
  EXPECT_FALSE(read.state_report);
  EXPECT_TRUE(read.protocol.config.is_object());
}

TEST(Convert, DeviceCarriesWhatItIsKnownToHaveAccepted) {
  Device device;
  device.id = {"default", "boiler"};
  device.observed["setpoint"] = {"65.5", {{"type", "float"}}};
  const v1beta1::Device message = to_proto(device);
  ASSERT_EQ(message.status().twins_size(), 1);
  EXPECT_TRUE(message.status().twins(0).has_reported());
  const Device back = from_proto(message);
  EXPECT_EQ(back.observed, device.observed);
  EXPECT_FALSE(back.state_report);
  Device forgetful = device;
  forgetful.observed.clear();
  EXPECT_EQ(back, forgetful) << "it is no part of the specification";
}

TEST(Convert, GoMappersFindEverySubMessageTheyDereference) {
  Device device;
  device.properties.resize(1);
  const v1beta1::Device message = to_proto(device);
  ASSERT_TRUE(message.has_spec());
  ASSERT_TRUE(message.spec().has_protocol());
  EXPECT_TRUE(message.spec().protocol().has_configdata());
  EXPECT_TRUE(message.spec().properties(0).has_desired());
  ASSERT_TRUE(message.spec().properties(0).has_visitors());
  EXPECT_TRUE(message.spec().properties(0).visitors().has_configdata());
  EXPECT_TRUE(to_proto(DeviceModel()).has_spec());
}

TEST(Convert, EdgeCoreFindsObservedAndReportedInEveryTwin) {
  const auto message = to_proto(DeviceReport{{"default", "boiler"}, {{"temp", {}, {}}}});
  ASSERT_TRUE(message.has_reporteddevice());
  EXPECT_TRUE(message.reporteddevice().twins(0).has_observeddesired());
  EXPECT_TRUE(message.reporteddevice().twins(0).has_reported());
  const DeviceReport back = from_proto(message);
  EXPECT_FALSE(back.twins.at(0).observed);
  EXPECT_FALSE(back.twins.at(0).reported);
}

TEST(Convert, AnEmptyReadingIsAReadingWhenItSaysItsType) {
  const DeviceReport report{{"default", "boiler"},
                            {{"label", {}, TwinValue{"", {{"type", "string"}}}}}};
  EXPECT_EQ(from_proto(to_proto(report)), report);
}

TEST(Convert, AddressIsBytesAndAllOtherTextIsRepaired) {
  const MapperInfo info{"m\xff", "v", "v1", "modbus", "/run/\xff.sock", "ok"};
  v1beta1::MapperInfo peer;
  ASSERT_TRUE(peer.ParseFromString(to_proto(info).SerializeAsString()));
  EXPECT_EQ(from_proto(peer).address, info.address);
  EXPECT_EQ(from_proto(peer).name, "m\xEF\xBF\xBD");
}

}  // namespace
}  // namespace dmi::wire
