#include <gmock/gmock.h>

#include "gige/outlets.hpp"

namespace gige {
namespace {

using base::Code;
using std::chrono::milliseconds;
using testing::HasSubstr;

base::Result<OutletSettings> parse(std::string_view text) {
  return parse_outlets(dmi::Config(dmi::parse_json(text).value(), "cam.protocol.configData"));
}

void expect_mistake(std::string_view text, Code code, std::string_view says) {
  const auto settings = parse(text);
  ASSERT_FALSE(settings.ok()) << text;
  EXPECT_EQ(settings.status().code(), code) << text;
  EXPECT_THAT(settings.status().text(), HasSubstr(says));
}

TEST(OutletSettings, NothingSetMeansNoOutletAndJpeg) {
  const auto settings = parse(R"({"serialNumber": "1"})");
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->encode.format, ImageFormat::jpeg);
  EXPECT_EQ(settings->encode.quality, 90);
  EXPECT_EQ(settings->spool.folder, "");
  EXPECT_EQ(settings->post.url, "");
  EXPECT_EQ(settings->mqtt.broker.url, "");
}

TEST(OutletSettings, EveryKeyIsRead) {
  const auto settings = parse(R"({
    "imageFormat": "png", "jpegQuality": "75",
    "spool": {"folder": "/data", "maxFiles": 7, "maxBytes": 1000000, "every": 250},
    "post": {"url": "https://a/b", "every": 1000, "retries": 2},
    "mqtt": {"broker": "tcp://h:1883", "topic": "a/b", "image": true, "every": 50}})");
  ASSERT_TRUE(settings.ok()) << settings.status().to_string();
  EXPECT_EQ(settings->encode.format, ImageFormat::png);
  EXPECT_EQ(settings->encode.quality, 75);
  EXPECT_EQ(settings->spool.folder, "/data");
  EXPECT_EQ(settings->spool.max_files, 7u);
  EXPECT_EQ(settings->spool.max_bytes, 1'000'000u);
  EXPECT_EQ(settings->spool.every, milliseconds(250));
  EXPECT_EQ(settings->post.url, "https://a/b");
  EXPECT_EQ(settings->post.every, milliseconds(1000));
  EXPECT_EQ(settings->post.retries, 2);
  EXPECT_EQ(settings->mqtt.broker.url, "tcp://h:1883");
  EXPECT_EQ(settings->mqtt.topic, "a/b");
  EXPECT_TRUE(settings->mqtt.image);
  EXPECT_EQ(settings->mqtt.every, milliseconds(50));
}

TEST(OutletSettings, AMisspeltKeyIsAMistakeWithItsPath) {
  expect_mistake(R"({"spool": {"folder": "/d", "maxfiles": 3}})", Code::invalid,
                 "cam.protocol.configData.spool");
  expect_mistake(R"({"post": {"uri": "http://a"}})", Code::invalid, "post");
  expect_mistake(R"({"mqtt": {"broker": "tcp://h", "qos": 1}})", Code::invalid, "mqtt");
}

TEST(OutletSettings, LimitsAreNamed) {
  expect_mistake(R"({"jpegQuality": 101})", Code::out_of_range, "jpegQuality");
  expect_mistake(R"({"spool": {"folder": "/d", "maxFiles": 0}})", Code::out_of_range,
                 "spool.maxFiles");
  expect_mistake(R"({"post": {"url": "http://a", "retries": 101}})", Code::out_of_range,
                 "post.retries");
  expect_mistake(R"({"mqtt": {"broker": "tcp://h", "every": -1}})", Code::out_of_range,
                 "mqtt.every");
}

TEST(OutletSettings, WhatCannotWorkIsRefused) {
  expect_mistake(R"({"imageFormat": "gif"})", Code::invalid, "imageFormat");
  expect_mistake(R"({"spool": {"folder": "data"}})", Code::invalid, "absolute");
  expect_mistake(R"({"spool": {"maxFiles": 5}})", Code::invalid, "spool.folder");
  expect_mistake(R"({"post": {"url": "file:///etc/passwd"}})", Code::invalid, "http");
  expect_mistake(R"({"mqtt": {"broker": "localhost"}})", Code::invalid, "tcp://HOST:PORT");
  expect_mistake(R"({"mqtt": {"broker": "ssl://"}})", Code::invalid, "ssl://HOST:PORT");
  expect_mistake(R"({"mqtt": {"broker": "tcp://h", "caFile": "/ca.pem"}})", Code::invalid,
                 "need an ssl:// URL");
  expect_mistake(R"({"mqtt": {"broker": "ssl://h", "certFile": "/c.pem"}})", Code::invalid,
                 "certFile and keyFile go together");
  expect_mistake(R"({"mqtt": {"broker": "tcp://h", "passwordFile": "/p"}})", Code::invalid,
                 "mqtt.user: is missing");
  expect_mistake(R"({"mqtt": {"broker": "tcp://h", "password": "p"}})", Code::invalid, "password");
  expect_mistake(R"({"mqtt": {"topic": "x"}})", Code::invalid, "mqtt.broker");
  expect_mistake(R"({"mqtt": {"broker": "tcp://h", "topic": "a/#"}})", Code::invalid, "topic");
}

}  // namespace
}  // namespace gige
