// One device: opens its driver, keeps its schedule, writes its desired values, and knows what is to
// be told of it. The driver is thrown away when the device is not reached, and another is opened
// after 1, 2, 4 … 60 s; the path after a failure is the path at start.
//
// Order: settings first. On opening, points with a pending desired value are read; those the device
// already holds are accepted without a write (docs/decisions/0005). Then pending values are
// written, then read back; only then polling goes on. One call at a time is with the driver.
//
// A desired value is sent once; again only after a lost answer or a reopened link, and only if the
// device is then seen not to hold it. One that the device was seen to change by itself is overruled
// and never sent again; one of a writeOnce point is not, come what may (docs/decisions/0008).
//
// Threads: all on the loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.hpp"
#include "base/log.hpp"
#include "base/loop.hpp"
#include "blueprint.hpp"
#include "cadence.hpp"
#include "dmi/device.hpp"
#include "dmi/twin.hpp"
#include "ledger.hpp"
#include "mailbox.hpp"
#include "mapper/driver.hpp"
#include "open.hpp"

namespace mapper {

class Session;

// What all sessions of a mapper share. Outlives them.
struct SessionContext {
  base::Loop& loop;
  Opener open;
  std::string protocol;  // as registered
  base::Repeats& repeats;
  // Something is to be told of this session. Called on the loop; must not destroy the session.
  std::function<void(Session&)> news;
  // Whether first reads are spread over the cycle (at most 1 s) by a hash of the device's id.
  bool spread = true;
  Ledger ledger = {};
  Blueprints blueprints = {};
  Batches batches = {};
  Cadence cadence{loop};
  std::chrono::milliseconds longest_retry{60'000};  // as Protocol's
  // The listener loses the first value of each point it is told (see first_told()).
  bool loses_first = false;
};

class Session {
 public:
  // A driver that has not answered for this long is said to be stuck: its points turn to timeout.
  static constexpr auto stall_limit = std::chrono::seconds(30);
  static constexpr auto first_retry = std::chrono::milliseconds(1000);

  Session(SessionContext& context, dmi::ObjectId id);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes a new specification; model null: it is not known yet, and the device waits for it. Does
  // what differs: nothing for an equal one; a new desired value is written; anything else that the
  // driver sees closes it and opens another.
  void update(dmi::Device device, std::shared_ptr<const dmi::DeviceModel> model);

  const dmi::ObjectId& id() const { return id_; }
  const dmi::ObjectId& model_id() const { return model_id_; }
  dmi::Device device() const;  // as in the last update; put together anew
  // Whether an update to these would change nothing.
  bool is(const dmi::Device& device, const dmi::DeviceModel* model) const;
  const Target& target() const { return *target_; }
  const dmi::Twin& twin() const { return twin_; }
  // ok, or why the device cannot be opened before its specification changes.
  const base::Status& broken() const { return broken_; }
  // "unknown" before it was tried, "online", "offline", "unhealthy" (the specification is wrong).
  std::string_view state() const { return state_; }
  std::uint64_t overruns() const { return overruns_; }  // cycles skipped because reads took longer

  // ---- telling -------------------------------------------------------------------------------
  bool has_news() const { return has_state_news() || has_report_news(); }
  bool has_state_news() const { return state_ != told_state_; }
  bool has_report_news() const { return has_untold_; }
  // What changed since it was told; marks it as told. No twins: nothing.
  dmi::DeviceReport take_report();
  // "" when the state was told already; marks it as told.
  std::string take_state();
  // What was taken last did not arrive: it is to be told again, with the newest values.
  void untell_report();
  void untell_state() { told_state_.clear(); }
  // What was taken last did arrive, at a listener that loses the first value of each point: those
  // of which it was the first since retell() are to be told once more.
  void first_told();
  // A new listener knows nothing.
  void retell();
  // Everything that was ever seen, as in take_report.
  dmi::DeviceReport full_report() const;

 private:
  enum class Phase { broken, waiting, opening, idle, verifying, writing, reading };
  struct Group {  // points of one cycle
    base::Duration cycle;
    base::SteadyTime due;
    std::span<const std::uint32_t> points;  // of the blueprint
    bool on_grid = false;                   // due is a place of the device's own grid
    bool reading = false;                   // part of the batch that is with the driver
  };

  // session_spec.cpp: the specification
  void adopt(Target target);
  void brake(base::Status why, Points names);
  void desire_all();
  bool desire(std::size_t point, const std::string& text);
  void recall();
  void pend_again();
  base::Duration first_delay() const;

  // session.cpp: the driver
  void open();
  void opened(base::Result<std::unique_ptr<AsyncDriver>> driver);
  bool in_call() const;
  void close();
  void step();
  void sleep();
  void begin(Phase phase);
  void end_call();
  void stalled();
  void lost(base::Status why);
  void reached();
  void pushed();

  // session_io.cpp: batches
  bool start_verify();
  void accept_held();
  bool start_write();
  void fill_commands();
  void refuse(std::size_t point, const dmi::Value& value, base::Status why);
  void finish_write(base::Status status);
  base::Status settle_once(std::size_t point, base::Status outcome);
  void hold(std::size_t point);
  void watch(std::size_t point);
  std::string ledger_key(std::size_t point) const;
  std::string desired_text(std::size_t point) const;
  void skip(Group& group, base::SteadyTime now);
  base::SteadyTime next_place(const Group& group) const;
  bool start_read();
  void read_batch(Phase phase);
  void finish_read(base::Status status);
  void hurry();
  void take_sample(std::size_t point, dmi::Sample&& sample, base::SteadyTime now);
  void fill_batch(const std::vector<std::size_t>& points);
  void drop_batch();
  void fail_all(const base::Status& why, bool only_unread = false);
  base::Status named(base::Status status) const;

  // session_report.cpp
  dmi::TwinReport twin_report(std::size_t point) const;

  void tell();
  void untell(const std::vector<std::size_t>& points);
  void note_first();
  void forget_told();

  SessionContext& context_;
  base::Timer timer_;
  const dmi::ObjectId id_;
  dmi::ObjectId model_id_;
  // What was updated last is device_ and, for its properties, blueprint_ and desired_.
  struct Desired {
    std::uint32_t property;
    dmi::TwinValue value;
  };
  dmi::Device device_;
  std::shared_ptr<const Blueprint> blueprint_;
  std::vector<Desired> desired_;
  std::shared_ptr<const Target> target_;  // shared: a driver on its bus may outlive the session
  dmi::Twin twin_{0};
  base::Status broken_;

  Phase phase_ = Phase::broken;
  std::shared_ptr<Sink::Mailbox> mailbox_;  // one per opening
  std::unique_ptr<AsyncDriver> driver_;
  base::Backoff backoff_;
  std::shared_ptr<bool> opening_;  // gone: nobody waits for the answer of that opening any more
  bool openable_ = false;          // target_ is a checked one, not only names
  bool tried_ = false;

  std::vector<Group> groups_;
  std::vector<Reading> batch_;     // what the driver reads; from the pool
  std::vector<Command> commands_;  // what the driver writes, and next to it what was desired
  std::vector<dmi::Value> wanted_;
  std::vector<std::size_t> verify_;     // pending when the link opened
  std::vector<std::size_t> read_back_;  // just written
  std::vector<std::size_t> held_;       // failed to write in a way that may pass: not before…
  base::SteadyTime held_until_{};
  // A read is cut short for a write, and the next one is not, so that writes never end polling.
  enum class Haste : std::uint8_t { possible, asked, used };
  Haste haste_ = Haste::possible;
  bool settled_ = false;   // the driver was told
  bool may_pend_ = false;  // false: twin_.pending() is empty or held, no need to look
  std::uint64_t overruns_ = 0;

  std::string state_ = "unknown";
  std::string told_state_ = "unknown";
  bool has_untold_ = false;
  std::vector<std::size_t> taken_;   // points of the last report
  std::vector<std::size_t> untold_;  // points of reports that did not arrive
  // Only for a listener that loses the first value:
  std::vector<std::size_t> first_;  // of taken_, points whose value was never told
  std::vector<bool> told_once_;     // by point; empty: none
};

}  // namespace mapper
