// Tells the edge core what sessions have to tell, round robin over devices. Nothing queues but
// names of devices: what is not told yet stands in the twins, where newer values replace older
// ones, so memory is bounded by design and nothing is lost. A device whose reports fail waits by
// itself; the others are told meanwhile.
//
// To an edge core that is ours: batches on one stream, a few on their way; while they are, news
// gather for the next. To a stock one: one call per device, as many as the budget has, in texts
// that it takes; states before values, of which every fourth call at least is one. A property's
// first value since the registration is told twice, because the cloud loses the first.
//
// Threads: all on the loop.
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "base/work_queue.hpp"
#include "budget.hpp"
#include "dmi/wire/dmi.hpp"
#include "fleet.hpp"
#include "inbox.hpp"
#include "stock_report.hpp"

namespace mapper {

class Teller {
 public:
  // Calls on their way. A unix socket has no latency to hide; more would only queue in the peer.
  static constexpr std::size_t max_calls = 8;
  // Before the next batch when the edge core had too much to do.
  static constexpr auto pause = std::chrono::seconds(1);
  // Waits of a device whose reports the edge core does not take now.
  static constexpr auto first_wait = std::chrono::milliseconds(500);
  static constexpr auto most_wait = std::chrono::seconds(15);
  // Calls with a state in a row while values wait: states that flap must not silence them.
  static constexpr int max_states = 3;
  // Devices at which the log says how rarely a stock EdgeCore lets each of them be told.
  static constexpr std::size_t many_devices = 20;
  // An edge core that hears nothing for five of these calls a mapper hung.
  static constexpr auto heartbeat = std::chrono::seconds(1);
  // Without an answer to any batch that is on its way, the edge core is taken for gone: thrice what
  // a call gets.
  static constexpr auto patience = std::chrono::seconds(15);

  // mapper: the name that is registered. away is called when a call found nobody there, or the edge
  // core does not know us. All must outlive this.
  Teller(base::Loop& loop, Inbox& inbox, dmi::wire::ManagerClient& client, Fleet& fleet,
         base::Repeats& repeats, std::string mapper, std::function<void()> away);

  // Registered: calls may go out; extended: in batches. Else the log tells of a stock EdgeCore that
  // has more than many_devices.
  void start(bool extended);
  void stop();  // until start() nothing goes out; what is on its way comes back
  void news(const Session& session);

 private:
  // Devices that wait to be told, in turn, and those that are being told.
  struct Lane {
    explicit Lane(std::uint32_t seed) : queue(first_wait, most_wait, seed) {}
    void push(const dmi::ObjectId& id);  // not while it is being told

    base::WorkQueue<dmi::ObjectId> queue;
    std::set<dmi::ObjectId> calling;
  };
  // What a call said of a device.
  struct Told {
    dmi::ObjectId id;
    Lane* lane = nullptr;
    bool report = false;
    bool state = false;
  };

  void queue(const Session& session);
  void pump();
  void pump_calls();
  void pump_batches();
  bool tell_state(const dmi::ObjectId& id);
  bool tell_report(const dmi::ObjectId& id);
  dmi::wire::Done done(Told told);
  std::vector<dmi::wire::BatchItem> gather(std::vector<Told>& told);
  void send(const std::vector<dmi::wire::BatchItem>& items, std::vector<Told> told);
  void beat();
  void retry_later();
  void answered(const Told& told, const base::Status& status, bool of_device);
  void answered_batch(const std::vector<Told>& told,
                      const base::Result<std::vector<base::Status>>& verdicts);
  void states_unknown();
  void not_told(const Told& told, const base::Status& status, bool of_device);

  base::Loop& loop_;
  Inbox& inbox_;
  dmi::wire::ManagerClient& client_;
  Fleet& fleet_;
  base::Repeats& repeats_;
  const std::string mapper_;
  std::function<void()> away_;
  base::Timer pause_timer_;
  base::Timer retry_timer_;  // of the first device that waits
  base::Timer heartbeat_timer_;
  bool started_ = false;
  Lane states_;   // calls with a state
  Lane reports_;  // calls with values, and batches
  Budget budget_;
  StockReport stock_;
  bool states_known_ = true;  // false: an EdgeCore before 1.18, which has no call for them
  int states_in_row_ = 0;     // calls with a state since one with values
  std::size_t open_ = 0;      // batches without an answer
  base::SteadyTime moved_{};  // when the first of them went out, or the last answer came
  std::uint64_t era_ = 0;     // counts starts and stops: what an older stream says means nothing
  std::unique_ptr<dmi::wire::BatchStream> batches_;  // null: the edge core takes none
};

}  // namespace mapper
