// Verbs and watches on a core in memory, in virtual time.
#include "verbs.hpp"

#include <gmock/gmock.h>

#include "base/text.hpp"
#include "support.hpp"

namespace devicetwin::kube {
namespace {

using base::cat;
using dmi::Json;
using test::Recorder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

const std::string root = "/apis/devices.kubeedge.io/v1beta1/namespaces/default/";
const std::string merge = "application/merge-patch+json";

Json model_json() {
  return {{"apiVersion", group_version},
          {"kind", "DeviceModel"},
          {"metadata", {{"name", "m"}}},
          {"spec",
           {{"protocol", "modbus-tcp"},
            {"properties", {{{"name", "speed"}, {"type", "INT"}, {"accessMode", "ReadWrite"}}}}}}};
}

Json device_json(const std::string& name, Json labels = Json::object()) {
  return {{"apiVersion", group_version},
          {"kind", "Device"},
          {"metadata", {{"name", name}, {"labels", std::move(labels)}}},
          {"spec",
           {{"deviceModelRef", {{"name", "m"}}},
            {"nodeName", "edge"},
            {"protocol", {{"protocolName", "modbus-tcp"}}},
            {"properties", {{{"name", "speed"}, {"desired", {{"value", "1"}}}}}}}}};
}

class VerbsTest : public testing::Test, public Outlet {
 protected:
  VerbsTest() { core_.add_outlet(*this); }
  void changed(const Change& change) override { watches_.changed(change); }

  std::shared_ptr<Recorder> ask(const std::string& method, const std::string& path,
                                const Json& body = nullptr,
                                const std::string& type = "application/json",
                                const std::string& accept = "application/json") {
    auto response = std::make_shared<Recorder>();
    auto request = test::request(method, path.starts_with('/') ? path : root + path,
                                 body.is_null() ? "" : body.dump(), type);
    request.headers.emplace_back("accept", accept);
    const auto place = place_of(request.path);
    EXPECT_TRUE(place) << path;
    if (place) verbs_.handle(*place, request, response);
    loop_.settle();
    return response;
  }
  std::shared_ptr<Recorder> watch(const std::string& path) { return ask("GET", path); }
  void have(const std::string& name, Json labels = Json::object()) {
    ASSERT_EQ(ask("POST", "devices", device_json(name, std::move(labels)))->status, 201);
  }
  void report(const std::string& value) {
    TwinUpdate update;
    TwinUpdate::Property property;
    property.name = "speed";
    property.actual = value;
    update.properties.push_back(property);
    base::Status status(base::Code::internal, "not called");
    core_.update_twin({"default", "boiler"}, update, Origin::mapper,
                      [&](const auto& applied) { status = applied.status(); });
    loop_.advance(1ms);
    EXPECT_TRUE(status.ok()) << status.to_string();
  }

  base::ManualLoop loop_;
  test::MemoryJournal journal_{loop_};
  Core core_{loop_, journal_, "edge"};
  Watches watches_{core_, loop_};
  Verbs verbs_{core_, watches_};
};

TEST_F(VerbsTest, CreatedObjectIsServedWithItsMetadata) {
  ASSERT_EQ(ask("POST", "devicemodels", model_json())->status, 201);
  const auto created = ask("POST", "devices", device_json("boiler"));
  ASSERT_EQ(created->status, 201) << created->body;
  const auto read = ask("GET", "devices/boiler");
  EXPECT_EQ(read->body, created->body);
  const Json object = read->json();
  EXPECT_EQ(object["metadata"]["generation"], 1);
  EXPECT_FALSE(object["metadata"]["uid"].get<std::string>().empty());
  EXPECT_EQ(object["spec"], device_json("boiler")["spec"]);
}

TEST_F(VerbsTest, CreatingTwiceIsAConflictThatSaysSo) {
  have("boiler");
  const auto again = ask("POST", "devices", device_json("boiler"));
  EXPECT_EQ(again->status, 409);
  EXPECT_EQ(again->json()["reason"], "AlreadyExists");
  EXPECT_EQ(again->json()["message"], "devices.devices.kubeedge.io \"boiler\" already exists");
}

TEST_F(VerbsTest, ListIsTheObjectsTextsInOrder) {
  have("b");
  have("a");
  const Json list = ask("GET", "devices")->json();
  EXPECT_EQ(list["kind"], "DeviceList");
  EXPECT_EQ(list["metadata"]["resourceVersion"], cat(core_.version()));
  ASSERT_EQ(list["items"].size(), 2u);
  EXPECT_EQ(list["items"][0]["metadata"]["name"], "a");
  EXPECT_EQ(ask("GET", "devices?fieldSelector=metadata.name=b")->json()["items"].size(), 1u);
  EXPECT_EQ(ask("GET", "devices?fieldSelector=spec.x=b")->status, 400);
  EXPECT_EQ(ask("GET", "/apis/devices.kubeedge.io/v1beta1/namespaces/other/devices")
                ->json()["items"]
                .size(),
            0u);
}

TEST_F(VerbsTest, PatchIsStoredWhenItIsAnswered) {
  have("boiler");
  auto response = std::make_shared<Recorder>();
  verbs_.handle(*place_of(root + "devices/boiler"),
                test::request("PATCH", "", R"({"spec":{"nodeName":"other"}})", merge), response);
  EXPECT_EQ(response->status, 0);
  loop_.settle();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->json()["spec"]["nodeName"], "other");
  EXPECT_EQ(response->json()["metadata"]["generation"], 2);
}

TEST_F(VerbsTest, DesiredIsWrittenByJsonPatch) {
  have("boiler");
  const Json patch =
      Json::parse(R"([{"op":"replace","path":"/spec/properties/0/desired/value","value":"42"}])");
  EXPECT_EQ(ask("PATCH", "devices/boiler", patch, "application/json-patch+json")->status, 200);
  EXPECT_EQ(core_.rows({"default", "boiler"})->at("speed").expected.value, "42");
}

TEST_F(VerbsTest, AnOldVersionIsAConflictInKubernetesWords) {
  have("boiler");
  Json object = ask("GET", "devices/boiler")->json();
  EXPECT_EQ(ask("PATCH", "devices/boiler", {{"spec", {{"nodeName", "x"}}}}, merge)->status, 200);
  object["spec"]["nodeName"] = "y";
  const auto late = ask("PUT", "devices/boiler", object);
  EXPECT_EQ(late->status, 409);
  EXPECT_EQ(late->json()["reason"], "Conflict");
  EXPECT_THAT(late->body, HasSubstr("please apply your changes to the latest version"));
  const auto patched =
      ask("PATCH", "devices/boiler", {{"metadata", {{"resourceVersion", "1"}}}}, merge);
  EXPECT_EQ(patched->status, 409);
}

TEST_F(VerbsTest, PutReplacesTheSpec) {
  have("boiler");
  Json object = ask("GET", "devices/boiler")->json();
  object["spec"].erase("properties");
  const auto put = ask("PUT", "devices/boiler", object);
  ASSERT_EQ(put->status, 200) << put->body;
  EXPECT_FALSE(put->json()["spec"].contains("properties"));
  EXPECT_EQ(ask("PUT", "devices/kettle", device_json("kettle"))->status, 404);
}

TEST_F(VerbsTest, ServerSideApplyCreatesAndMerges) {
  const std::string type = "application/apply-patch+yaml";
  EXPECT_EQ(ask("PATCH", "devices/boiler", device_json("boiler"), type)->status, 201);
  Json part = {{"apiVersion", group_version},
               {"kind", "Device"},
               {"metadata", {{"name", "boiler"}}},
               {"spec", {{"nodeName", "other"}}}};
  const auto applied = ask("PATCH", "devices/boiler", part, type);
  EXPECT_EQ(applied->status, 200);
  EXPECT_EQ(applied->json()["spec"]["nodeName"], "other");
  EXPECT_TRUE(applied->json()["spec"].contains("properties"));
}

TEST_F(VerbsTest, DryRunChangesNothing) {
  EXPECT_EQ(ask("POST", "devices?dryRun=All", device_json("boiler"))->status, 201);
  EXPECT_EQ(ask("GET", "devices/boiler")->status, 404);
  have("boiler");
  const auto patched =
      ask("PATCH", "devices/boiler?dryRun=All", {{"spec", {{"nodeName", "x"}}}}, merge);
  EXPECT_EQ(patched->json()["spec"]["nodeName"], "x");
  EXPECT_EQ(ask("DELETE", "devices/boiler?dryRun=All")->status, 200);
  EXPECT_EQ(ask("GET", "devices/boiler")->json()["spec"]["nodeName"], "edge");
  EXPECT_EQ(ask("POST", "devices?dryRun=All", device_json("boiler"))->status, 409);
  Json twice = device_json("twice");
  twice["spec"]["properties"].push_back({{"name", "speed"}});
  EXPECT_EQ(ask("POST", "devices?dryRun=All", twice)->status, 422);
}

TEST_F(VerbsTest, WrongBodiesAreRefusedByTheirKind) {
  have("boiler");
  auto response = std::make_shared<Recorder>();
  verbs_.handle(*place_of(root + "devices"), test::request("POST", "", "{\"a\":"), response);
  EXPECT_EQ(response->status, 400);
  EXPECT_EQ(ask("POST", "devices", device_json("x"), "application/yaml")->status, 415);
  const auto strategic =
      ask("PATCH", "devices/boiler", Json::object(), "application/strategic-merge-patch+json");
  EXPECT_EQ(strategic->status, 415);
  EXPECT_THAT(strategic->body, HasSubstr("application/merge-patch+json"));
  EXPECT_EQ(ask("PATCH", "devices/boiler", Json::array(), merge)->status, 400);
  EXPECT_EQ(ask("POST", "devices?fieldValidation=Maybe", device_json("x"))->status, 400);
  Json twice = device_json("twice");
  twice["spec"]["properties"].push_back({{"name", "speed"}});
  const auto refused = ask("POST", "devices", twice);
  EXPECT_EQ(refused->status, 422);
  EXPECT_THAT(refused->body, HasSubstr("spec.properties[1].name"));
}

TEST_F(VerbsTest, StatusesAreReadOnlyAndSayWhereToWrite) {
  have("boiler");
  EXPECT_EQ(ask("GET", "devicestatuses/boiler")->json()["kind"], "DeviceStatus");
  EXPECT_EQ(ask("GET", "devicestatuses")->json()["items"].size(), 1u);
  const auto patched = ask("PATCH", "devicestatuses/boiler", Json::object(), merge);
  EXPECT_EQ(patched->status, 405);
  EXPECT_THAT(patched->body, HasSubstr("spec.properties[].desired"));
  EXPECT_EQ(ask("DELETE", "devicestatuses")->status, 405);
}

TEST_F(VerbsTest, DeleteNamesWhatItRemoved) {
  have("boiler");
  const std::string uid = ask("GET", "devices/boiler")->json()["metadata"]["uid"];
  EXPECT_EQ(ask("DELETE", "devices/boiler", {{"preconditions", {{"uid", "other"}}}})->status, 409);
  const auto removed = ask("DELETE", "devices/boiler", {{"propagationPolicy", "Background"}});
  EXPECT_EQ(removed->json()["status"], "Success");
  EXPECT_EQ(removed->json()["details"]["uid"], uid);
  EXPECT_EQ(ask("GET", "devices/boiler")->status, 404);
  EXPECT_EQ(ask("DELETE", "devices/boiler")->status, 404);
}

TEST_F(VerbsTest, DeleteCollectionTakesSelectors) {
  have("a", {{"site", "x"}});
  have("b", {{"site", "y"}});
  const auto removed = ask("DELETE", "devices?labelSelector=site=x");
  EXPECT_EQ(removed->status, 200);
  EXPECT_EQ(removed->json()["items"].size(), 1u);
  EXPECT_EQ(ask("GET", "devices")->json()["items"][0]["metadata"]["name"], "b");
}

TEST_F(VerbsTest, ADiskThatFailsIsAnError) {
  journal_.disk = base::Status(base::Code::unavailable, "disk full");
  const auto created = ask("POST", "devices", device_json("boiler"));
  EXPECT_EQ(created->status, 503);
  EXPECT_THAT(created->body, HasSubstr("disk full"));
}

TEST_F(VerbsTest, TablesHaveTheColumnsOfTheirKind) {
  ask("POST", "devicemodels", model_json());
  have("boiler");
  loop_.advance(5min);
  const std::string table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const Json devices = ask("GET", "devices", nullptr, "", table)->json();
  EXPECT_EQ(devices["kind"], "Table");
  EXPECT_EQ(devices["rows"][0]["cells"][0], "boiler");
  EXPECT_EQ(devices["rows"][0]["cells"][1], "m");
  EXPECT_EQ(devices["rows"][0]["cells"][2], "modbus-tcp");
  EXPECT_EQ(devices["rows"][0]["cells"].back(), "5m");
  EXPECT_EQ(devices["rows"][0]["cells"].size(), devices["columnDefinitions"].size());
  EXPECT_EQ(devices["rows"][0]["object"]["kind"], "PartialObjectMetadata");
  EXPECT_EQ(devices["rows"][0]["object"]["metadata"]["namespace"], "default");
  const Json models = ask("GET", "devicemodels/m", nullptr, "", table)->json();
  EXPECT_EQ(models["rows"][0]["cells"], Json({"m", "modbus-tcp", 1, "5m"}));
  const Json full = ask("GET", "devicestatuses?includeObject=Object", nullptr, "", table)->json();
  EXPECT_EQ(full["rows"][0]["object"]["kind"], "DeviceStatus");
  EXPECT_EQ(full["rows"][0]["cells"].size(), full["columnDefinitions"].size());
  const Json none = ask("GET", "devices?includeObject=None", nullptr, "", table)->json();
  EXPECT_FALSE(none["rows"][0].contains("object"));
}

TEST_F(VerbsTest, AWatchWithoutVersionTellsOfWhatThereIsFirst) {
  have("boiler");
  const auto watcher = watch("devices?watch=true");
  EXPECT_THAT(watcher->told(), ElementsAre("ADDED boiler"));
  have("kettle");
  ask("PATCH", "devices/boiler", {{"spec", {{"nodeName", "x"}}}}, merge);
  ask("DELETE", "devices/kettle");
  EXPECT_THAT(watcher->told(), ElementsAre("ADDED kettle", "MODIFIED boiler", "DELETED kettle"));
}

TEST_F(VerbsTest, AWatchGoesOnAfterItsVersion) {
  have("boiler");
  const std::string version = cat(core_.version());
  have("kettle");
  const auto watcher = watch("devices?watch=true&resourceVersion=" + version);
  EXPECT_THAT(watcher->told(), ElementsAre("ADDED kettle"));
  const std::uint64_t before = core_.version();
  ask("DELETE", "devices/kettle");
  auto deleted = watcher->events();
  ASSERT_EQ(deleted.size(), 1u);
  EXPECT_EQ(deleted[0]["object"]["metadata"]["resourceVersion"], cat(before + 1));
  EXPECT_EQ(deleted[0]["object"]["spec"]["nodeName"], "edge");
}

// A list may show a change that is on its way to the disk; its watcher must not hear it twice.
TEST_F(VerbsTest, AChangeInTheListIsNotToldAgain) {
  auto created = std::make_shared<Recorder>();
  verbs_.handle(*place_of(root + "devices"),
                test::request("POST", "", device_json("boiler").dump()), created);
  auto watcher = std::make_shared<Recorder>();
  verbs_.handle(*place_of(root + "devices"), test::request("GET", "/?watch=true"), watcher);
  loop_.settle();
  EXPECT_EQ(created->status, 201);
  EXPECT_THAT(watcher->told(), ElementsAre("ADDED boiler"));
}

// A disk that takes its time: what is on its way there is shown to nobody.
class SlowDisk : public VerbsTest {
 protected:
  SlowDisk() {
    have("boiler");
    journal_.held = true;
  }
  // Sent, and not answered yet.
  std::shared_ptr<Recorder> patch(const Json& body) {
    auto response = ask("PATCH", "devices/boiler", body, merge);
    EXPECT_EQ(response->status, 0);
    return response;
  }
  static Json desire(const std::string& value) {
    return {{"spec", {{"properties", {{{"name", "speed"}, {"desired", {{"value", value}}}}}}}}};
  }
  void written(const base::Status& disk = base::Status()) {
    EXPECT_TRUE(journal_.let_go(disk));
    loop_.advance(Watches::status_pause);
  }
  std::string outcome() {
    const Json status = ask("GET", "devicestatuses/boiler")->json()["status"];
    return status["extensions"]["properties"]["speed"]["desired"];
  }

  std::vector<std::shared_ptr<Recorder>> watchers_;
};

TEST_F(SlowDisk, ReadersAreAnsweredAtOnceWithWhatIsOnDisk) {
  const auto write = patch(desire("7"));
  const Json read = ask("GET", "devices/boiler")->json();
  EXPECT_EQ(read["spec"]["properties"][0]["desired"]["value"], "1");
  EXPECT_EQ(outcome(), "1");
  written();
  EXPECT_EQ(write->status, 200);
  EXPECT_EQ(outcome(), "7");
}

TEST_F(SlowDisk, WatchersAreToldWhenItIsOnDiskAndNothingOfWhatTheDiskRefused) {
  const auto devices = watch("devices?watch=true");
  const auto statuses = watch("devicestatuses?watch=true");
  EXPECT_THAT(devices->told(), ElementsAre("ADDED boiler"));
  EXPECT_THAT(statuses->told(), ElementsAre("ADDED boiler"));
  const auto refused = patch(desire("7"));
  loop_.advance(Watches::bookmark_pause);
  EXPECT_THAT(devices->told(), IsEmpty());
  EXPECT_THAT(statuses->told(), IsEmpty());
  written(base::Status(base::Code::unavailable, "full"));
  EXPECT_EQ(refused->status, 503);
  EXPECT_THAT(devices->told(), IsEmpty());
  EXPECT_THAT(statuses->told(), IsEmpty());
  patch(desire("8"));
  written();
  EXPECT_THAT(devices->told(), ElementsAre("MODIFIED boiler"));
  EXPECT_THAT(statuses->told(), ElementsAre("MODIFIED boiler"));
}

TEST_F(SlowDisk, WhoListsDuringAWriteHearsOfItFromThatVersionOn) {
  patch(desire("7"));
  for (const std::string kind : {"devices", "devicestatuses"}) {
    const std::string version = ask("GET", kind)->json()["metadata"]["resourceVersion"];
    watchers_.push_back(watch(cat(kind, "?watch=true&resourceVersion=", version)));
  }
  written();
  for (const auto& watcher : watchers_) {
    const auto events = watcher->events();
    ASSERT_FALSE(events.empty());
    EXPECT_THAT(events.back().dump(), HasSubstr("\"7\""));
  }
}

TEST_F(SlowDisk, PatchesOfOneObjectAreLaidOverEachOther) {
  const auto first = patch({{"metadata", {{"labels", {{"a", "1"}}}}}});
  const auto second = patch({{"metadata", {{"labels", {{"b", "2"}}}}}});
  const auto third = patch({{"spec", {{"nodeName", "other"}}}});
  written();
  EXPECT_EQ(first->status, 200);
  EXPECT_EQ(second->status, 0);
  written();
  EXPECT_EQ(second->status, 200);
  EXPECT_EQ(third->status, 200);
  EXPECT_EQ(third->json()["metadata"]["labels"], (Json{{"a", "1"}, {"b", "2"}}));
}

TEST_F(SlowDisk, APatchBehindARefusedOneIsLaidOverWhatIsThere) {
  const auto first = patch(desire("7"));
  const auto second = patch({{"metadata", {{"labels", {{"b", "2"}}}}}});
  written(base::Status(base::Code::unavailable, "full"));
  written();
  EXPECT_EQ(first->status, 503);
  EXPECT_EQ(second->status, 200);
  EXPECT_EQ(outcome(), "1");
}

TEST_F(VerbsTest, AVersionThatIsForgottenIsGone) {
  have("boiler");
  const std::string version = cat(core_.version());
  for (std::size_t i = 0; i < Watches::max_events + 1; ++i) {
    ask("PATCH", "devices/boiler", {{"spec", {{"nodeName", cat("n", i)}}}}, merge);
  }
  const auto old = watch("devices?watch=true&resourceVersion=" + version);
  auto events = old->events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["type"], "ERROR");
  EXPECT_EQ(events[0]["object"]["code"], 410);
  EXPECT_TRUE(old->ended);
  EXPECT_TRUE(watch("devices?watch=true&resourceVersion=99999999")->ended);
  EXPECT_EQ(watch("devices?watch=true&resourceVersion=x")->status, 400);
}

TEST_F(VerbsTest, WatchersSeeOnlyWhatTheySelect) {
  have("boiler", {{"site", "a"}});
  const auto watcher = watch("devices?watch=true&labelSelector=site=a");
  const auto named = watch("devices?watch=true&fieldSelector=metadata.name=kettle");
  EXPECT_THAT(watcher->told(), ElementsAre("ADDED boiler"));
  have("kettle");
  ask("PATCH", "devices/boiler", {{"metadata", {{"labels", {{"site", "b"}}}}}}, merge);
  ask("PATCH", "devices/boiler", {{"metadata", {{"labels", {{"site", "a"}}}}}}, merge);
  EXPECT_THAT(watcher->told(), ElementsAre("DELETED boiler", "ADDED boiler"));
  EXPECT_THAT(named->told(), ElementsAre("ADDED kettle"));
}

TEST_F(VerbsTest, StatusesAreToldAtOnceAndThenTogether) {
  ask("POST", "devicemodels", model_json());
  have("boiler");
  loop_.advance(1s);
  const auto watcher = watch("devicestatuses?watch=true");
  EXPECT_THAT(watcher->told(), ElementsAre("ADDED boiler"));
  report("1");
  EXPECT_THAT(watcher->told(), ElementsAre("MODIFIED boiler"));
  for (int i = 2; i < 50; ++i) report(cat(i));
  EXPECT_THAT(watcher->told(), IsEmpty());
  loop_.advance(100ms);
  const auto events = watcher->events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_THAT(events[0].dump(), HasSubstr("\"49\""));
  have("kettle");
  loop_.advance(200ms);
  ask("DELETE", "devices/boiler");
  EXPECT_THAT(watcher->told(), ElementsAre("ADDED kettle", "DELETED boiler"));
}

TEST_F(VerbsTest, AStatusWatchGoesOnAfterItsVersion) {
  ask("POST", "devicemodels", model_json());
  have("boiler");
  const std::string version = cat(core_.version());
  report("5");
  have("kettle");
  const auto watcher = watch("devicestatuses?watch=true&resourceVersion=" + version);
  EXPECT_THAT(watcher->told(), ElementsAre("MODIFIED boiler", "ADDED kettle"));
}

TEST_F(VerbsTest, BookmarksComeEachMinuteToThoseWhoAsk) {
  have("boiler");
  const auto asked = watch("devices?watch=true&allowWatchBookmarks=true");
  const auto silent = watch("devices?watch=true");
  asked->chunks.clear();
  silent->chunks.clear();
  loop_.advance(61s);
  const auto events = asked->events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["type"], "BOOKMARK");
  EXPECT_EQ(events[0]["object"]["metadata"]["resourceVersion"], cat(core_.version()));
  EXPECT_THAT(silent->chunks, IsEmpty());
}

TEST_F(VerbsTest, InitialEventsEndWithABookmark) {
  have("boiler");
  const auto watcher = watch("devices?watch=true&sendInitialEvents=true&resourceVersion=99999");
  const auto events = watcher->events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

TEST_F(VerbsTest, WatchesEndAfterTheirTimeAndWithTheirClient) {
  const auto timed = watch("devices?watch=true&timeoutSeconds=5");
  const auto leaving = watch("devices?watch=true");
  const auto slow = watch("devices?watch=true");
  EXPECT_EQ(watches_.count(), 3u);
  loop_.advance(6s);
  EXPECT_TRUE(timed->ended);
  leaving->closed();
  EXPECT_EQ(watches_.count(), 1u);
  slow->full = true;
  have("boiler");
  EXPECT_EQ(watches_.count(), 0u);
}

TEST_F(VerbsTest, ThereIsALimitOnWatchers) {
  std::vector<std::shared_ptr<Recorder>> watchers;
  for (std::size_t i = 0; i < Watches::max_watchers; ++i) {
    watchers.push_back(watch("devices?watch=true"));
  }
  const auto refused = watch("devices?watch=true");
  EXPECT_EQ(refused->status, 429);
  EXPECT_THAT(refused->headers, ElementsAre(testing::Pair("Retry-After", "5")));
}

TEST_F(VerbsTest, ATableWatchTellsItsColumnsOnce) {
  have("boiler");
  const std::string table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const auto watcher = ask("GET", "devices?watch=true", nullptr, "", table);
  have("kettle");
  const auto events = watcher->events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_FALSE(events[0]["object"]["columnDefinitions"].empty());
  EXPECT_TRUE(events[1]["object"]["columnDefinitions"].empty());
  EXPECT_EQ(events[1]["object"]["rows"][0]["cells"][0], "kettle");
}

}  // namespace
}  // namespace devicetwin::kube
