// A core on a manual clock and a history with a real file; both can be started again.
#pragma once

#include <memory>
#include <optional>

#include "base/build.hpp"
#include "devicetwin/core/fixture.hpp"
#include "devicetwin/history.hpp"
#include "support/process.hpp"

namespace devicetwin::test {

using test_support::wait_until;
using Values = std::vector<std::string>;

class HistoryTest : public ::testing::Test {
 protected:
  HistoryTest() { settings_.file = folder_ / "history.db"; }
  ~HistoryTest() override { stop(); }

  void stop() {
    core_.reset();
    history_.reset();
  }
  // With the objects that there were.
  void start() {
    stop();
    core_ = std::make_unique<Core>(loop_, journal_, "edge-node");
    std::vector<Object> objects;
    for (const auto& [key, object] : journal_.objects) objects.push_back(object);
    core_->load(std::move(objects), {}, {}, 0);
    history_ = std::make_unique<History>(*core_, settings_);
  }
  static Json asking(const Json& keys, const std::string& property = "temperature") {
    Json device = device_json();
    for (Json& entry : device["spec"]["properties"]) {
      if (entry["name"] != property || keys.is_null()) continue;
      entry["visitors"] = {{"protocolName", "modbus"}, {"configData", keys}};
    }
    return device;
  }
  // A boiler whose temperature keeps history by keys.
  void make(const Json& keys, const Json& model = model_json()) {
    start();
    ASSERT_TRUE(create(Kind::device_model, model).ok());
    ASSERT_TRUE(create(Kind::device, asking(keys)).ok());
  }
  Status create(Kind kind, const Json& json) {
    Status result(Code::internal, "not answered");
    core_->create(kind, json, Origin::kubernetes, [&](auto done) { result = done.status(); });
    loop_.settle();
    return result;
  }
  Status update(const Json& json) {
    Status result(Code::internal, "not answered");
    core_->update(Kind::device, json, 0, Origin::kubernetes,
                  [&](auto done) { result = done.status(); });
    loop_.settle();
    return result;
  }
  void remove() {
    core_->remove(Kind::device, boiler_, Origin::kubernetes, [](auto) {});
    loop_.settle();
  }
  void report(const std::string& value, std::optional<std::int64_t> time_ms = {},
              Status quality = {}, const std::string& property = "temperature") {
    TwinUpdate update;
    update.properties.push_back(
        {.name = property, .actual = value, .actual_ms = time_ms, .quality = quality});
    Status result(Code::internal, "not answered");
    core_->update_twin(boiler_, std::move(update), Origin::mapper,
                       [&](auto done) { result = done.status(); });
    loop_.settle();
    EXPECT_TRUE(result.ok()) << result.text();
  }
  base::Result<HistoryPage> ask(HistoryQuery query = {}) {
    query.device = boiler_;
    if (query.property.empty()) query.property = "temperature";
    std::optional<base::Result<HistoryPage>> answer;
    history_->query(std::move(query), [&](auto page) { answer = std::move(page); });
    EXPECT_TRUE(wait_until([&] {
      loop_.settle();
      return answer.has_value();
    }));
    return answer.value_or(Status(Code::internal, "no answer"));
  }
  Values values(HistoryQuery query = {}) {
    const auto page = ask(std::move(query));
    EXPECT_TRUE(page.ok()) << page.status().text();
    Values list;
    if (!page.ok()) return list;
    for (const HistorySample& sample : page->samples) list.push_back(sample.value);
    return list;
  }
  template <class Condition>
  bool counted(Condition condition) {
    return wait_until([&] { return condition(history_->counters()); });
  }
  bool kept_aside() const {
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.path().filename().string().starts_with("history.db.damaged-")) return true;
    }
    return false;
  }
  void set_clock(base::Time wall) { loop_.jump(wall - loop_.wall()); }
  std::int64_t now_ms() const { return base::to_ms(loop_.wall()); }

  const ObjectId boiler_{"default", "boiler"};
  test_support::TempFolder folder_;
  History::Settings settings_;
  base::ManualLoop loop_{base::build().date + std::chrono::days(1)};
  MemoryJournal journal_{loop_};
  std::unique_ptr<History> history_;  // outlives the core's last verb
  std::unique_ptr<Core> core_;
};

}  // namespace devicetwin::test
