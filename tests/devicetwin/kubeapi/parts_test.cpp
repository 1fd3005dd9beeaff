// The pure parts: selectors, bodies, patches, schemas, admission.
#include <gmock/gmock.h>

#include "admission.hpp"
#include "base/text.hpp"
#include "body.hpp"
#include "failure.hpp"
#include "openapi.hpp"
#include "patch.hpp"
#include "resource.hpp"
#include "schema.hpp"
#include "selector.hpp"
#include "table.hpp"

namespace devicetwin::kube {
namespace {

using dmi::Json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const dmi::ObjectId boiler{"default", "boiler"};

bool selects(std::string_view labels, const char* object_labels) {
  const auto selector = Selector::parse(labels, "");
  EXPECT_TRUE(selector.ok()) << selector.status().to_string();
  const std::string text = base::cat("{\"spec\":{\"properties\":[{\"metadata\":1}]},\"metadata\":",
                                     "{\"name\":\"boiler\",\"labels\":", object_labels, "}}");
  return selector.ok() && selector->matches(boiler, text);
}

TEST(Selector, TakesEveryFormKubectlSends) {
  const char* labels = R"({"site":"a","floor":"2"})";
  EXPECT_TRUE(selects("site=a", labels));
  EXPECT_TRUE(selects("site==a,floor=2", labels));
  EXPECT_FALSE(selects("site==a,floor=3", labels));
  EXPECT_TRUE(selects("site!=b", labels));
  EXPECT_TRUE(selects("room!=b", labels));
  EXPECT_TRUE(selects("site in (a, b),floor", labels));
  EXPECT_FALSE(selects("site notin (a,b)", labels));
  EXPECT_TRUE(selects("room notin (a,b)", labels));
  EXPECT_TRUE(selects("site,!room", labels));
  EXPECT_FALSE(selects("!site", labels));
  EXPECT_TRUE(selects("", labels));
  EXPECT_FALSE(selects("site", "null"));
}

TEST(Selector, SaysWhichTermIsWrong) {
  for (const char* text : {"=", "a in b", "a within (b)", "a in (b", ",", "a b", "!"}) {
    const auto selector = Selector::parse(text, "");
    EXPECT_FALSE(selector.ok()) << text;
  }
  EXPECT_THAT(Selector::parse("", "spec.nodeName=x").status().text(), HasSubstr("spec.nodeName"));
}

TEST(Selector, MatchesNameAndNamespaceAsFields) {
  EXPECT_TRUE(Selector::parse("", "metadata.name=boiler,metadata.namespace=default")
                  .value()
                  .matches_id(boiler));
  EXPECT_FALSE(Selector::parse("", "metadata.name!=boiler").value().matches_id(boiler));
}

TEST(Body, NamesTheKeysThatStandTwice) {
  const auto body =
      parse_body(R"({"a":{"b":1,"b":2},"c":[{"d":1},{"e":[[{"f":1,"f":1}]],"e":2}]})");
  ASSERT_TRUE(body.ok());
  EXPECT_THAT(body->duplicates, ElementsAre("a.b", "c[1].e[0][0].f", "c[1].e"));
  EXPECT_EQ(body->json["a"]["b"], 2);
}

TEST(Body, RefusesWhatIsNotJsonOrTooDeep) {
  EXPECT_FALSE(parse_body("{").ok());
  EXPECT_FALSE(parse_body("").ok());
  EXPECT_FALSE(parse_body(std::string(100, '[') + std::string(100, ']')).ok());
  EXPECT_TRUE(parse_body(std::string(60, '[') + std::string(60, ']')).ok());
}

TEST(Patch, MergeRemovesNullsAndReplacesLists) {
  const Json object = Json::parse(R"({"a":{"x":1,"y":2},"l":[1,2]})");
  EXPECT_EQ(merge_patch(object, Json::parse(R"({"a":{"x":null,"z":3},"l":[9]})")),
            Json::parse(R"({"a":{"y":2,"z":3},"l":[9]})"));
}

TEST(Patch, JsonPatchSaysWhichOperationFails) {
  const Json object = Json::parse(R"({"a":[{"v":"1"}]})");
  const auto patched = json_patch(object, Json::parse(R"([{"op":"test","path":"/a/0/v","value":"1"},
                              {"op":"replace","path":"/a/0/v","value":"2"}])"));
  ASSERT_TRUE(patched.ok());
  EXPECT_EQ((*patched)["a"][0]["v"], "2");

  const auto failed = json_patch(object, Json::parse(R"([{"op":"add","path":"/b","value":1},
                              {"op":"replace","path":"/a/7/v","value":"2"},
                              {"op":"add","path":"/c","value":1}])"));
  ASSERT_FALSE(failed.ok());
  EXPECT_THAT(failed.status().text(), HasSubstr("operation 1 (replace /a/7/v)"));
}

TEST(Patch, JsonPatchThatIsNoneIsRefused) {
  const Json object = Json::object();
  for (const char* text :
       {"{}", "[1]", R"([{"op":"add"}])", R"([{"op":"fly","path":"/a"}])",
        R"([{"op":"add","path":"a","value":1}])", R"([{"op":"remove","path":"/x"}])"}) {
    EXPECT_FALSE(json_patch(object, Json::parse(text)).ok()) << text;
  }
}

// Thirty copies would make a gigabyte of one kilobyte.
TEST(Patch, JsonPatchCannotGrowWithoutBounds) {
  Json patch = Json::array();
  for (int i = 0; i < 30; ++i) {
    patch.push_back({{"op", "copy"}, {"from", ""}, {"path", base::cat("/x", i)}});
  }
  EXPECT_THAT(json_patch({{"a", 1}}, patch).status().text(), HasSubstr("30 copies"));
  EXPECT_FALSE(
      json_patch({}, Json::array({{{"op", "add"}, {"path", std::string(65, '/')}, {"value", 1}}}))
          .ok());
}

TEST(Patch, ApplyMergesObjectsAndKeepsTheRest) {
  const Json object = Json::parse(R"({"spec":{"a":1,"l":[1]},"status":{"s":1}})");
  EXPECT_EQ(apply_patch(object, Json::parse(R"({"spec":{"l":[2],"n":null}})")),
            Json::parse(R"({"spec":{"a":1,"l":[2]},"status":{"s":1}})"));
}

Json device_with(const char* spec) {
  return {{"apiVersion", group_version},
          {"kind", "Device"},
          {"metadata", {{"name", "boiler"}}},
          {"spec", Json::parse(spec)}};
}

TEST(Schema, KnowsEveryFieldOfTheCrds) {
  Json device = device_with(R"({
    "deviceModelRef":{"name":"m"},"nodeName":"n",
    "protocol":{"protocolName":"p","configData":{"any":[1,{"x":null}]}},
    "properties":[{"name":"t","desired":{"value":"1","metadata":{"type":"int"}},
      "visitors":{"protocolName":"p","configData":{"any":1}},
      "reportCycle":1,"collectCycle":2,"reportToCloud":true,
      "pushMethod":{"http":{"hostName":"h","port":1,"requestPath":"/","timeout":1},
        "mqtt":{"address":"a","topic":"t","qos":1,"retained":true},"otel":{"endpointURL":"u"},
        "anomalyDetection":{"free":{"form":1}},
        "dbMethod":{"influxdb2":{"influxdb2ClientConfig":{"url":"u","org":"o","bucket":"b"},
            "influxdb2DataConfig":{"measurement":"m","tag":{"a":"b"},"fieldKey":"f"}},
          "redis":{"redisClientConfig":{"addr":"a","db":1,"poolsize":1,"minIdleConns":1}},
          "TDEngine":{"TDEngineClientConfig":{"addr":"a","dbName":"d"}},
          "mysql":{"mysqlClientConfig":{"addr":"a","database":"d","userName":"u"}}}}}],
    "methods":[{"name":"m","description":"d","propertyNames":["t"]}],
    "stateReport":{"reportToCloud":true,"reportCycle":5}})");
  device["status"] = {{"twins", Json::array()}, {"reportCycle", 1}};
  const Json before = device;
  const Findings findings = check(Kind::device, device);
  EXPECT_THAT(findings.unknown, IsEmpty());
  EXPECT_THAT(findings.errors, IsEmpty());
  EXPECT_EQ(device, before);
}

TEST(Schema, PrunesUnknownFieldsAndNullsAndNamesThem) {
  Json device = device_with(R"({"bogus":1,"nodeName":null,
      "properties":[{"name":"a"},{"name":"b","desired":{"value":"1","extra":2}}]})");
  device["metadata"]["creationTimestamp"] = nullptr;
  const Findings findings = check(Kind::device, device);
  EXPECT_THAT(findings.unknown, ElementsAre("spec.bogus", "spec.properties[1].desired.extra"));
  EXPECT_THAT(findings.errors, IsEmpty());
  EXPECT_EQ(device["spec"], Json::parse(R"({"properties":[{"name":"a"},
      {"name":"b","desired":{"value":"1"}}]})"));
}

TEST(Schema, NamesPathAndTypeOfEveryError) {
  Json device = device_with(R"({"nodeName":7,"properties":[{"desired":{},"reportCycle":"1"},5,
      {"pushMethod":{"mqtt":{"qos":3000000000}},"reportCycle":18446744073709551615}]})");
  const Findings findings = check(Kind::device, device);
  EXPECT_THAT(findings.errors,
              testing::UnorderedElementsAre(
                  HasSubstr("spec.nodeName in body must be of type string: \"integer\""),
                  "spec.properties[0].desired.value: Required value",
                  HasSubstr("spec.properties[0].reportCycle in body must be of type integer"),
                  HasSubstr("spec.properties[1] in body must be of type object"),
                  HasSubstr("spec.properties[2].pushMethod.mqtt.qos in body must be of type int32"),
                  HasSubstr("spec.properties[2].reportCycle in body must be of type int64")));
}

TEST(Schema, NamesTheValuesAnEnumAllows) {
  Json model = {{"spec", {{"properties", {{{"name", "t"}, {"type", "FLOATY"}}}}}}};
  EXPECT_THAT(
      check(Kind::device_model, model).errors,
      ElementsAre("spec.properties[0].type: Unsupported value: \"FLOATY\": supported values: "
                  "\"INT\", \"FLOAT\", \"DOUBLE\", \"STRING\", \"BOOLEAN\", \"BYTES\", "
                  "\"STREAM\""));
}

TEST(Schema, ListsAtMostAScreenOfMistakes) {
  Json device = device_with("{}");
  for (int i = 0; i < 5000; ++i) device["spec"][base::cat("x", i)] = 1;
  EXPECT_LT(check(Kind::device, device).unknown.size(), 50u);
  EXPECT_TRUE(device["spec"].empty());
}

class AdmissionTest : public testing::Test {
 protected:
  std::optional<Failure> admitted(Json object, WriteOptions options = {},
                                  std::vector<std::string> duplicates = {}) {
    return admit(place_, options, duplicates, object, warnings_);
  }
  Place place_{&resource_of(Kind::device), "default", ""};
  std::vector<std::string> warnings_;
};

TEST_F(AdmissionTest, StrictRefusesInKubernetesWords) {
  const auto failure = admitted(device_with(R"({"bogus":1,"worse":2})"),
                                {WriteOptions::Validation::strict, false}, {"spec.nodeName"});
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, 400);
  EXPECT_EQ(failure->message,
            "Device in version \"v1beta1\" cannot be handled as a Device: strict decoding error: "
            "unknown field \"spec.bogus\", unknown field \"spec.worse\", duplicate field "
            "\"spec.nodeName\"");
}

TEST_F(AdmissionTest, WarnAcceptsAndSaysWhatWasPruned) {
  EXPECT_FALSE(admitted(device_with(R"({"bo\r\nX: \"gus":1})")));
  EXPECT_THAT(
      warning_headers(warnings_),
      ElementsAre(testing::Pair("Warning", "299 - \"unknown field \\\"spec.bo??X: \\\"gus\\\"\"")));
}

TEST_F(AdmissionTest, WarnNamesKeysThatDoNothing) {
  const Json device = device_with(
      R"({"properties":[{"name":"a","pushMethod":{"http":{"hostName":"h"}}}],"stateReport":{}})");
  for (const auto validation : {WriteOptions::Validation::warn, WriteOptions::Validation::strict}) {
    EXPECT_FALSE(admitted(device, {validation, false}));
    EXPECT_THAT(warnings_,
                ElementsAre(testing::StartsWith("spec.properties[0].pushMethod.http does nothing"),
                            testing::StartsWith("spec.stateReport does nothing")));
    warnings_.clear();
  }
  EXPECT_FALSE(admitted(device, {WriteOptions::Validation::ignore, false}));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(AdmissionTest, IgnoreSaysNothing) {
  EXPECT_FALSE(admitted(device_with(R"({"bogus":1})"), {WriteOptions::Validation::ignore, false}));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(AdmissionTest, ChecksNamesAndNamespaces) {
  Json object = device_with("{}");
  object["metadata"]["name"] = "Boiler_1";
  EXPECT_EQ(admitted(object)->code, 422);
  object["metadata"]["name"] = std::string(254, 'a');
  EXPECT_EQ(admitted(object)->code, 422);
  object["metadata"] = {{"name", "boiler"}, {"namespace", "other"}};
  EXPECT_THAT(admitted(object)->message, HasSubstr("does not match the namespace"));
  object["metadata"] = {{"labels", {{"a", 1}}}, {"name", "boiler"}};
  EXPECT_THAT(admitted(object)->message, HasSubstr("metadata.labels.a in body must be of type"));
  object["metadata"] = Json::object();
  EXPECT_THAT(admitted(object)->message, HasSubstr("name or generateName is required"));
  object["metadata"] = {{"generateName", "boiler-"}};
  EXPECT_FALSE(admitted(object));
  place_.name = "kettle";
  EXPECT_THAT(admitted(device_with("{}"))->message,
              HasSubstr("does not match the name on the URL"));
}

TEST_F(AdmissionTest, RefusesForeignKindsAndDepth) {
  Json object = device_with("{}");
  object["kind"] = "Pod";
  EXPECT_EQ(admitted(object)->code, 400);
  EXPECT_EQ(admitted(Json::array())->code, 400);
  object = device_with("{}");
  Json* inner = &object["spec"]["protocol"]["configData"];
  for (int i = 0; i < 100; ++i) inner = &(*inner)["x"];
  EXPECT_THAT(admitted(object)->message, HasSubstr("deeper than 64"));
}

TEST(Place, LeadsToCollectionsAndObjects) {
  const auto one = place_of("/apis/devices.kubeedge.io/v1beta1/namespaces/plant/devices/boiler");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->resource->kind, Kind::device);
  EXPECT_EQ(one->space, "plant");
  EXPECT_EQ(one->name, "boiler");
  EXPECT_TRUE(place_of("/apis/devices.kubeedge.io/v1beta1/devicemodels"));
  for (const char* path : {"/", "/apis/devices.kubeedge.io/v1beta1/", "/apis/x/v1/devices",
                           "/apis/devices.kubeedge.io/v1beta1/devices/boiler",
                           "/apis/devices.kubeedge.io/v1beta1/namespaces/plant/pods",
                           "/apis/devices.kubeedge.io/v1beta1/namespaces//devices",
                           "/apis/devices.kubeedge.io/v1beta1/namespaces/a/devices/b/status"}) {
    EXPECT_FALSE(place_of(path)) << path;
  }
}

TEST(Failure, HasTheShapeOfAStatus) {
  EXPECT_EQ(not_found(resource_of(Kind::device), "boiler").to_json(), Json::parse(R"({
    "kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"NotFound","code":404,
    "message":"devices.devices.kubeedge.io \"boiler\" not found",
    "details":{"name":"boiler","group":"devices.kubeedge.io","kind":"devices"}})"));
}

TEST(OpenApi, TellsThatWritesAreValidated) {
  const Json document = Json::parse(openapi_v3_document());
  const Json& path =
      document["paths"]["/apis/devices.kubeedge.io/v1beta1/namespaces/{namespace}/devices/{name}"];
  std::string names;
  for (const Json& parameter : path["patch"]["parameters"]) {
    names += parameter["name"].get<std::string>() + " ";
  }
  EXPECT_EQ(names, "dryRun fieldManager fieldValidation force ");
  EXPECT_FALSE(document["paths"].contains(
      "/apis/devices.kubeedge.io/v1beta1/namespaces/{namespace}/devicestatuses/{name}/status"));
}

TEST(Age, ReadsAsKubectlWritesIt) {
  using namespace std::chrono_literals;
  EXPECT_EQ(age_text(-5s), "0s");
  EXPECT_EQ(age_text(45s), "45s");
  EXPECT_EQ(age_text(150s), "2m30s");
  EXPECT_EQ(age_text(15min), "15m");
  EXPECT_EQ(age_text(3h + 20min), "3h20m");
  EXPECT_EQ(age_text(30h), "30h");
  EXPECT_EQ(age_text(52h), "2d4h");
  EXPECT_EQ(age_text(24h * 400), "400d");
}

}  // namespace
}  // namespace devicetwin::kube
