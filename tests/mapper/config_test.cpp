#include "config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mapper/testing.hpp"
#include "yaml.hpp"

namespace mapper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

MapperConfig defaults() { return default_config("fake", "v9"); }
std::string error_of(const std::string& text) {
  const auto config = parse_config(text, "config.yaml", defaults());
  return config ? "none" : config.status().text();
}

TEST(Config, KubeEdgesFileIsUnderstood) {
  const auto config = parse_config(
      "grpc_server:\n  socket_path: /tmp/a.sock\ncommon:\n  name: m\n  version: v1.13.0\n"
      "  api_version: v1.0.0\n  protocol: modbus\n  address: 127.0.0.1\n"
      "  edgecore_sock: unix:///tmp/dmi.sock\n  http_port: \"7777\"\n",
      "config.yaml", defaults());
  ASSERT_TRUE(config.ok()) << config.status().text();
  EXPECT_EQ(config->socket_path, "/tmp/a.sock");
  EXPECT_EQ(config->name, "m");
  EXPECT_EQ(config->version, "v1.13.0");
  EXPECT_EQ(config->protocol, "modbus");
  EXPECT_EQ(config->edgecore_sock, "/tmp/dmi.sock");
}

TEST(Config, WhatIsLeftOutHasDefaults) {
  const auto config = parse_config("", "config.yaml", defaults());
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->name, "fake-mapper");
  EXPECT_EQ(config->version, "v9");
  EXPECT_EQ(config->socket_path, "/etc/kubeedge/fake.sock");
  EXPECT_EQ(config->edgecore_sock, "/etc/kubeedge/dmi.sock");
}

TEST(Config, EveryMistakeOfAFileIsNamedWithLineKeyAndRange) {
  EXPECT_EQ(error_of("common:\n  http_port: 70000\n  nmae: x\n  version: 5\n"
                     "  edgecore_sock: dmi.sock\nserver: 1\n"),
            "config.yaml:5:18: common.edgecore_sock: \"dmi.sock\" is not an absolute path\n"
            "config.yaml:2:14: common.http_port: 70000 is outside 1..65535\n"
            "config.yaml:3:9: common.nmae: unknown key (known: name, version, api_version, "
            "protocol, address, edgecore_sock, http_port)\n"
            "config.yaml:4:12: common.version: 5 is not a text\n"
            "config.yaml:6:9: server: unknown key (known: grpc_server, common)");
}

TEST(Config, AKeyTwiceIsAMistake) {
  EXPECT_EQ(error_of("common:\n  name: a\n  name: b\n"), "config.yaml:3:3: name: is there already");
}

TEST(Config, MalformedYamlHasItsPlace) {
  EXPECT_THAT(error_of("common:\n  name: [a\n"), HasSubstr("config.yaml:"));
  EXPECT_THAT(error_of("common: 5\n"), HasSubstr("config.yaml:1:9: common: is not a map"));
  EXPECT_THAT(error_of("- a\n"), HasSubstr("config.yaml:1:1: not a map"));
  EXPECT_THAT(error_of("a: b: c\n"), HasSubstr("config.yaml:1:"));
}

TEST(Config, ALongSocketPathIsRefused) {
  EXPECT_THAT(error_of("grpc_server:\n  socket_path: /" + std::string(107, 'x') + "\n"),
              HasSubstr("config.yaml:2:16: grpc_server.socket_path: 108 characters"));
}

TEST(Yaml, ScalarsAreTypedAsKubectlTypesThem) {
  const auto documents = parse_yaml(
      "a: 5\nb: \"5\"\nc: 0x10\nd: 1.5\ne: true\nf: 'true'\ng: ~\nh: yes\ni: 1e3\nj: .\n"
      "k: 2026-11-22\nl: infinity\n",
      "f");
  ASSERT_TRUE(documents.ok()) << documents.status().text();
  EXPECT_EQ(documents->at(0).json, (dmi::Json{{"a", 5},
                                              {"b", "5"},
                                              {"c", 16},
                                              {"d", 1.5},
                                              {"e", true},
                                              {"f", "true"},
                                              {"g", nullptr},
                                              {"h", true},
                                              {"i", 1000.0},
                                              {"j", "."},
                                              {"k", "2026-11-22"},
                                              {"l", "infinity"}}));
}

TEST(Yaml, WholeNumbersAreExactUpTo64BitsAndRefusedBeyond) {
  const auto exact = parse_yaml(
      "a: 9223372036854775808\nb: 18446744073709551615\nc: 0xFFFFFFFFFFFFFFFF\n"
      "d: -9223372036854775808\ne: 1e20\n",
      "f");
  ASSERT_TRUE(exact.ok()) << exact.status().text();
  EXPECT_EQ(dmi::to_text(exact->at(0).json),
            R"({"a":9223372036854775808,"b":18446744073709551615,"c":18446744073709551615,)"
            R"("d":-9223372036854775808,"e":1e+20})");
  for (const std::string beyond :
       {"18446744073709551616", "-9223372036854775809", "0x10000000000000000"}) {
    const auto refused = parse_yaml("a:\n  b: " + beyond + "\n", "f.yaml");
    EXPECT_THAT(refused.status().text(),
                HasSubstr("f.yaml:2:6: " + beyond +
                          " is outside -9223372036854775808..18446744073709551615"));
  }
}

TEST(Yaml, DepthAndAliasBombsEnd) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 9; ++k) bomb += "," + before;
    bomb += "]\n";
  }
  EXPECT_THAT(parse_yaml(bomb, "f").status().text(), HasSubstr("more than 1000000 nodes"));
  const std::string deep = std::string(200, '[') + std::string(200, ']');
  EXPECT_THAT(parse_yaml(deep, "f").status().text(), HasSubstr("deeper than 64 levels"));
}

constexpr const char* model = R"(
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: m}
spec:
  protocolConfigData: {port: 502}
  properties:
  - {name: temp, type: FLOAT, accessMode: ReadOnly, visitors: {protocolName: fake, configData: {offset: 7}}}
)";

TEST(Objects, DevicesAreMergedWithTheirModels) {
  const auto target = testing::target_from_yaml(
      std::string(model) +
      "---\nkind: Device\nmetadata: {name: d}\nspec:\n  deviceModelRef: {name: m}\n"
      "  protocol: {protocolName: fake, configData: {ip: a}}\n  properties: [{name: temp}]\n");
  ASSERT_TRUE(target.ok()) << target.status().text();
  EXPECT_EQ(target->id.to_string(), "default/d");
  EXPECT_EQ(target->protocol.json(), (dmi::Json{{"ip", "a"}, {"port", 502}}));
  EXPECT_EQ(target->points.at(0).visitor.json(), (dmi::Json{{"offset", 7}}));
}

TEST(Objects, MistakesHaveLineAndPath) {
  const auto objects = parse_objects(
      "kind: Device\nmetadata: {name: d}\nspec:\n  deviceModelRef: {name: m}\n  properties:\n"
      "  - name: a\n  - name: a\n---\nkind: Pod\n---\nkind: Device\nmetadata: {name: e}\nspec:\n"
      "  properties:\n  - name: x\n    desired: {value: 7}\n",
      "plant.yaml");
  EXPECT_EQ(objects.status().text(),
            "plant.yaml:7:11: default/d: spec.properties[1].name: \"a\" is there already\n"
            "plant.yaml:9:7: kind: \"Pod\" is none of Device, DeviceModel, List\n"
            "plant.yaml:16:22: default/e: spec.properties[0].desired.value: is not a text");
}

TEST(Objects, AMissingModelAndAnEmptyFileAreMistakes) {
  EXPECT_EQ(parse_objects("kind: Device\nmetadata: {name: d}\nspec: {deviceModelRef: {name: m}}\n",
                          "p.yaml")
                .status()
                .text(),
            "p.yaml: default/d: model default/m is not there");
  EXPECT_EQ(parse_objects(model, "p.yaml").status().text(), "p.yaml: no Device in it");
}

}  // namespace
}  // namespace mapper
