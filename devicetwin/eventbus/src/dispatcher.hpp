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
#include "message.hpp"
#include "request.hpp"
#include "topic.hpp"

namespace devicetwin::bus {

class Dispatcher final : public Outlet {
 public:
  using Publish = std::function<void(Message message)>;

  // A retained document of a device is at most this old.
  static constexpr auto retain_delay = std::chrono::seconds(1);

  // To be added to core's outlets. publish is called on the loop; it may call set_listening.
  Dispatcher(Core& core, Publish publish, TopicPolicies policies = {});

  void message(std::string_view topic, std::string_view payload);
  // The same in two halves, for payloads that take long to read. read() is pure, any thread.
  static bool is_request(const Topic& topic);  // of those that read() reads
  static Request read(const Topic& topic, std::string_view payload);
  void carry_out(const Topic& topic, const Request& request);
  // Answers 429 where the topic has answers: more comes than is read.
  void refuse(std::string_view topic);
  void changed(const Change& change) override;
  // While nobody listens, or the broker is slow, changes of twins are not queued but remembered
  // per property: when somebody does again he hears one document per device, from the first value
  // he missed to the newest; devices in the order in which they were first missed. Answers and
  // membership are published always.
  void set_listening(bool listening);
  // A broker was found: it may have lost what it retained. Retained documents are told anew.
  void greet();
  // A retained message about a device that a broker had kept: cleared when there is no such device.
  void retained(std::string_view topic);

  // Called with the changes of twins that are not published but remembered.
  void on_missed(
      std::function<void(const dmi::ObjectId&, const std::vector<const Change::Row*>&)> keep) {
    keep_ = std::move(keep);
  }
  void set_history(HistoryReader* reader) { history_.set_reader(reader); }

  std::uint64_t ignored() const { return ignored_; }
  // Changes that were not published because a newer one of the same property replaced them.
  std::uint64_t conflated() const { return conflated_; }

 private:
  struct Missed {
    std::uint64_t number = 0;                            // key in missed_order_
    std::map<std::string, std::optional<TwinRow>> rows;  // as listeners know them; absent: not
    bool state = false;
  };
  using Rows = std::vector<const Change::Row*>;  // by name

  void twin_update(const Topic& topic, const Request& request);
  void twin_get(const Topic& topic, const Request& request);
  void state_update(const Topic& topic, const Request& request);
  void membership_get(const Request& request);
  void know_bare(const Topic& topic);
  void membership_changed(const Change& change);
  void twins_changed(const Change& change);
  void tell_document(const dmi::ObjectId& device, const std::string& event_id, const Rows& rows);
  void tell_delta(const dmi::ObjectId& device, const Rows& rows);
  void tell_state(const dmi::ObjectId& device, bool bare);
  void tell_missed();
  void miss(const Change& change, const Rows& rows);
  void tell_retained();
  void mark_retained(const dmi::ObjectId& device);
  void clear_retained(const dmi::ObjectId& device);
  void publish(TopicKind kind, std::string topic, std::string payload);
  // News go to both forms of a device's topic once a client has used the old one.
  void publish_news(TopicKind kind, const dmi::ObjectId& device, std::string_view suffix,
                    const std::string& text, bool retain);
  std::int64_t now_ms() { return base::to_ms(core_.loop().wall()); }

  Core& core_;
  Publish publish_;
  TopicPolicies policies_;
  HistoryTopic history_;
  std::set<dmi::ObjectId> bare_;  // devices that are known by their bare name too
  // What the last delta of a device said: a delta is told when this changes.
  std::map<dmi::ObjectId, std::map<std::string, std::string>> deltas_;
  bool listening_ = true;
  std::function<void(const dmi::ObjectId&, const Rows&)> keep_;
  std::map<dmi::ObjectId, Missed> missed_;
  std::map<std::uint64_t, dmi::ObjectId> missed_order_;
  std::uint64_t next_missed_ = 1;
  std::set<dmi::ObjectId> stale_;  // whose retained document is not the current one
  dmi::ObjectId last_retained_;
  base::Timer retain_timer_;
  std::uint64_t ignored_ = 0;
  std::uint64_t conflated_ = 0;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace devicetwin::bus
