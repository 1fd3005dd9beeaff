// protocol.configData and visitors.configData of a camera: what they mean, and every mistake.
#include "gige/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.hpp"
#include "mapper/testing.hpp"

namespace gige {
namespace {

using base::cat;
using base::Code;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

mapper::Target target(const std::string& protocol,
                      const std::string& visitor = "FeatureName: Width",
                      const std::string& name = "p", const std::string& type = "STRING") {
  auto made = mapper::testing::target_from_yaml(
      cat("apiVersion: devices.kubeedge.io/v1beta1\nkind: DeviceModel\nmetadata: {name: m}\nspec: "
          "{protocol: GigEVision, properties: [{name: ",
          name, ", type: ", type,
          ", accessMode: ReadWrite}]}\n---\napiVersion: devices.kubeedge.io/v1beta1\nkind: Device\n"
          "metadata: {name: cam}\nspec:\n  deviceModelRef: {name: m}\n  protocol: {protocolName: "
          "GigEVision, configData: {",
          protocol, "}}\n  properties: [{name: ", name,
          ", visitors: {protocolName: GigEVision, configData: {", visitor, "}}}]\n"));
  EXPECT_TRUE(made.ok()) << made.status().text();
  return *made;
}

TEST(CameraSettings, WithoutKeysItIsTheFirstCameraWithDefaults) {
  const auto settings = parse_settings(target(""));
  ASSERT_TRUE(settings.ok()) << settings.status().text();
  EXPECT_EQ(settings->camera, CameraQuery());
  EXPECT_EQ(settings->ring_name, "gige-default-cam");
  EXPECT_TRUE(settings->stream);
  EXPECT_EQ(settings->link.buffers, 8u);
  EXPECT_TRUE(settings->link.resend);
  EXPECT_FALSE(settings->link.packet_delay_ns.has_value());
}

TEST(CameraSettings, EveryKeyArrives) {
  const auto settings = parse_settings(target(
      "deviceSN: \"0042\", ip: 10.0.0.7, mac: \"00:30:53:1A:2B:3C\", userName: top, interface: "
      "eth1, "
      "packetSize: 9000, packetDelay: 1200, resend: false, packetTimeout: 5000, frameRetention: "
      "50000, packetSocket: \"off\", heartbeat: 2000, buffers: 16, maxFrameBytes: 1000000, stream: "
      "false, ring: r, imageFormat: png, spool: {folder: /var/lib/x, maxFiles: 5}"));
  ASSERT_TRUE(settings.ok()) << settings.status().text();
  EXPECT_EQ(settings->camera.serial, "0042");
  EXPECT_EQ(settings->camera.ip, "10.0.0.7");
  EXPECT_EQ(settings->camera.mac, "00:30:53:1a:2b:3c");
  EXPECT_EQ(settings->camera.user_name, "top");
  EXPECT_EQ(settings->camera.interface, "eth1");
  EXPECT_EQ(settings->link.packet_size, 9000);
  EXPECT_EQ(settings->link.packet_delay_ns, 1200);
  EXPECT_FALSE(settings->link.resend);
  EXPECT_EQ(settings->link.packet_timeout, std::chrono::microseconds(5000));
  EXPECT_EQ(settings->link.frame_retention, std::chrono::microseconds(50'000));
  EXPECT_EQ(settings->link.packet_socket, LinkSettings::PacketSocket::off);
  EXPECT_EQ(settings->link.heartbeat, std::chrono::milliseconds(2000));
  EXPECT_EQ(settings->link.buffers, 16u);
  EXPECT_EQ(settings->link.max_frame_bytes, 1'000'000u);
  EXPECT_FALSE(settings->stream);
  EXPECT_EQ(settings->ring_name, "r");
  EXPECT_EQ(settings->outlets.encode.format, ImageFormat::png);
  EXPECT_EQ(settings->outlets.spool.max_files, 5u);
}

TEST(CameraSettings, EveryMistakeIsToldWithItsPathAtOnce) {
  std::vector<std::string> texts;
  for (const base::Status& mistake : check(
           target("paketSize: 1500, packetSize: 100, buffers: 3, packetSocket: maybe, post: {url: "
                  "ftp://x}",
                  "FeaturName: Width"))) {
    EXPECT_EQ(mistake.code(), Code::invalid);
    texts.push_back(mistake.text());
  }
  EXPECT_THAT(texts,
              ElementsAre(HasSubstr("paketSize: unknown key; nearest: packetSize"),
                          HasSubstr("packetSize: 100 is outside 576..16384"),
                          HasSubstr("buffers: 3"), HasSubstr("packetSocket"), HasSubstr("post.url"),
                          HasSubstr("FeaturName: unknown key; nearest: FeatureName"),
                          HasSubstr("FeatureName: missing")));
}

std::vector<std::string> mistakes(const std::string& protocol,
                                  const std::string& visitor = "FeatureName: Width") {
  std::vector<std::string> texts;
  for (const base::Status& mistake : check(target(protocol, visitor))) {
    EXPECT_EQ(mistake.code(), Code::invalid);
    texts.push_back(mistake.text());
  }
  return texts;
}

TEST(CameraSettings, WhatNoCameraCanHaveIsAMistakeBeforeOneIsLookedFor) {
  EXPECT_THAT(mistakes("ip: 10.0.0.256"), ElementsAre(HasSubstr(".ip: \"10.0.0.256\"")));
  EXPECT_THAT(mistakes("ip: camera1"), ElementsAre(HasSubstr("is no IPv4 address")));
  EXPECT_THAT(mistakes("mac: 00-30-53-1A-2B-3C"), ElementsAre(HasSubstr("00:30:53:1a:2b:3c")));
  EXPECT_THAT(mistakes("mac: \"00:30:53:1A:2B:3G\""), ElementsAre(HasSubstr(".mac")));
  EXPECT_THAT(mistakes("ring: \"..\""), ElementsAre(HasSubstr(".ring")));
  EXPECT_THAT(mistakes("ring: a/b"), ElementsAre(HasSubstr(".ring")));
}

TEST(CameraSettings, AFrameIsNotGivenUpBeforeItsPacketsAre) {
  EXPECT_THAT(mistakes("packetTimeout: 50000, frameRetention: 20000"),
              ElementsAre(HasSubstr("frameRetention: 20000 is below packetTimeout, 50000 us")));
  EXPECT_THAT(mistakes("packetTimeout: 20000, frameRetention: 20000"), ElementsAre());
}

TEST(CameraVisitors, EveryMistakeOfAVisitorIsToldAtOnce) {
  EXPECT_THAT(
      mistakes("", "FeatureNam: Width, selektors: x, frameCount: 0, videoNum: 2"),
      ElementsAre(HasSubstr("FeatureNam: unknown key; nearest: FeatureName"),
                  HasSubstr("selektors: unknown key; nearest: selectors"), HasSubstr("FeatureName"),
                  HasSubstr("frameCount"), HasSubstr("videoNum")));
}

TEST(CameraVisitors, KeysOfTheSdkAreKnownAsTheSdkSpellsThem) {
  const mapper::Target scaled =
      target("", "FeatureName: Width, scale: 2, valueOffset: 1, writeOnce: true", "p", "INT");
  EXPECT_THAT(check(scaled), ElementsAre());
  EXPECT_EQ(scaled.points[0].value_offset, 1);
  EXPECT_THAT(mistakes("", "FeatureName: Width, offset: 1"),
              ElementsAre(HasSubstr("offset: unknown key; nearest: valueOffset")));
}

TEST(CameraVisitors, OnlyFeaturesHaveSelectors) {
  EXPECT_THAT(mistakes("", "FeatureName: FrameRate, selectors: {GainSelector: Red}"),
              ElementsAre(HasSubstr("selectors: FrameRate is the mapper's own word")));
  EXPECT_THAT(mistakes("", "FeatureName: Camera.FrameRate, selectors: {GainSelector: Red}"),
              ElementsAre());
}

struct Word {
  const char* name;
  Source source;
};
class CameraWords : public ::testing::TestWithParam<Word> {};

TEST_P(CameraWords, NameWhatTheMapperKnowsAndCameraDotNamesTheFeature) {
  const std::string word = GetParam().name;
  const auto known = parse_visitor(target("", cat("FeatureName: ", word)).points[0]);
  ASSERT_TRUE(known.ok()) << known.status().text();
  EXPECT_EQ(known->source, GetParam().source);
  const auto feature = parse_visitor(target("", cat("FeatureName: Camera.", word)).points[0]);
  ASSERT_TRUE(feature.ok()) << feature.status().text();
  EXPECT_EQ(feature->source, Source::feature);
  EXPECT_EQ(feature->feature, word);
}

INSTANTIATE_TEST_SUITE_P(
    All, CameraWords,
    ::testing::Values(
        Word{"Image", Source::image_reference}, Word{"ImageId", Source::image_id},
        Word{"ImageSize", Source::image_size}, Word{"ImageHash", Source::image_hash},
        Word{"ImageTime", Source::image_time}, Word{"ImageTrigger", Source::image_trigger},
        Word{"ImageFormat", Source::image_format}, Word{"ImageURL", Source::image_url},
        Word{"FrameRate", Source::frame_rate}, Word{"FrameRateAsked", Source::frame_rate_asked},
        Word{"FramesComplete", Source::frames_complete},
        Word{"FramesMissingPackets", Source::frames_missing_packets},
        Word{"FramesAborted", Source::frames_aborted},
        Word{"FramesUnderrun", Source::frames_underrun},
        Word{"FramesMalformed", Source::frames_malformed},
        Word{"PacketsResent", Source::packets_resent}, Word{"PacketsLost", Source::packets_lost},
        Word{"PacketsForeign", Source::packets_foreign}, Word{"LinkSpeed", Source::link_speed},
        Word{"LinkShare", Source::link_share}, Word{"Temperature", Source::temperature},
        Word{"Controller", Source::controller}, Word{"CameraAddress", Source::address},
        Word{"ClockOffset", Source::clock_offset}, Word{"ClockStatus", Source::clock_status},
        Word{"saveFrame", Source::save_frame}, Word{"saveVideo", Source::save_video}),
    [](const auto& word) { return word.param.name; });

TEST(CameraVisitors, FeaturesAndWhatTheMapperKnows) {
  const auto width = parse_visitor(target("").points[0]);
  ASSERT_TRUE(width.ok());
  EXPECT_EQ(width->source, Source::feature);
  EXPECT_EQ(width->feature, "Width");
  EXPECT_EQ(parse_visitor(target("", "FeatureName: Image").points[0])->source,
            Source::image_reference);
  EXPECT_EQ(parse_visitor(target("", "FeatureName: ImageTrigger").points[0])->source,
            Source::image_trigger);
  const auto own = parse_visitor(target("", "FeatureName: Camera.FrameRate").points[0]);
  EXPECT_EQ(own->source, Source::feature);
  EXPECT_EQ(own->feature, "FrameRate");
}

TEST(CameraVisitors, SelectorsAsObjectOrText) {
  for (const char* form : {"{GainSelector: Red, Other: \"2\"}", "\"GainSelector=Red,Other=2\"",
                           "\" GainSelector = Red, Other=2 \""}) {
    const auto visitor =
        parse_visitor(target("", cat("FeatureName: Gain, selectors: ", form)).points[0]);
    ASSERT_TRUE(visitor.ok()) << visitor.status().text();
    EXPECT_THAT(visitor->selection, ElementsAre(Pair("GainSelector", "Red"), Pair("Other", "2")));
  }
  EXPECT_FALSE(parse_visitor(target("", "FeatureName: Gain, selectors: Red").points[0]).ok());
}

TEST(CameraVisitors, KubeEdgesStreamPropertiesAreKnownByName) {
  const auto frame = parse_visitor(
      target("", "format: jpg, outputDir: /tmp, frameCount: 7, frameInterval: 500000000",
             "saveFrame", "STREAM")
          .points[0]);
  ASSERT_TRUE(frame.ok()) << frame.status().text();
  EXPECT_EQ(frame->source, Source::save_frame);
  EXPECT_EQ(frame->save.frames, 7u);
  EXPECT_EQ(frame->save.interval, std::chrono::milliseconds(500));
  EXPECT_EQ(frame->save.rate(), 2);
  EXPECT_FALSE(
      parse_visitor(target("", "frameCount: 7").points[0]).ok());  // no STREAM, no FeatureName
}

}  // namespace
}  // namespace gige
