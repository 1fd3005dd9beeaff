// Requests in, answers and news out: the event bus without its broker. Belongs to the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "devicetwin/core.hpp"
#include "history_topic.hpp"
#include "request.hpp"
#include "topic.hpp"

namespace devicetwin::bus {

class Dispatcher final : public Outlet {
 public:
  using Publish = std::function<void(std::string topic, std::string payload)>;

  // Adds itself to core's outlets. publish is called on the loop.
  Dispatcher(Core& core, Publish publish);

  void message(std::string_view topic, std::string_view payload);
  void changed(const Change& change) override;
  // While nobody listens, changes of twins are not queued but remembered per property: when
  // somebody does again he hears one document per device, from the first value he missed to the
  // newest.
  void set_listening(bool listening);
  void set_history(HistoryReader* reader) { history_.set_reader(reader); }

  std::uint64_t ignored() const { return ignored_; }

 private:
  using Missed = std::map<std::string, std::optional<TwinRow>>;
  using Rows = std::vector<const Change::Row*>;  // by name

  void twin_update(const Topic& topic, std::string_view payload);
  void twin_get(const Topic& topic, std::string_view payload);
  void state_update(const Topic& topic, std::string_view payload);
  void membership_get(std::string_view payload);
  void membership_changed(const Change& change);
  void twins_changed(const Change& change);
  void tell_document(const dmi::ObjectId& device, const std::string& event_id, const Rows& rows);
  void tell_delta(const dmi::ObjectId& device, const Rows& rows);
  void tell_state(const dmi::ObjectId& device, bool bare);
  void tell_missed();
  // News go to both forms of a device's topic once a client has used the old one.
  void publish_news(const dmi::ObjectId& device, std::string_view suffix, const std::string& text);
  std::int64_t now_ms() { return base::to_ms(core_.loop().wall()); }

  Core& core_;
  Publish publish_;
  HistoryTopic history_;
  std::set<dmi::ObjectId> bare_;  // devices that are known by their bare name too
  // What the last delta of a device said: a delta is told when this changes.
  std::map<dmi::ObjectId, std::map<std::string, std::string>> deltas_;
  bool listening_ = true;
  std::map<dmi::ObjectId, Missed> missed_;  // rows as listeners know them; absent: not at all
  std::set<dmi::ObjectId> missed_states_;
  std::uint64_t ignored_ = 0;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace devicetwin::bus
