// Tells the edge core what sessions have to tell, round robin over devices. Nothing queues but
// names of devices: what is not told yet stands in the twins, where newer values replace older
// ones, so memory is bounded by design and nothing is lost.
//
// To an edge core that is ours: batches on one stream, a few on their way; while they are, news
// gather for the next. To a stock one: one call per device and a few altogether.
//
// Threads: all on the loop.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <set>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "dmi/wire/dmi.hpp"
#include "fleet.hpp"
#include "inbox.hpp"

namespace mapper {

class Teller {
 public:
  // Calls on their way. A unix socket has no latency to hide; more would only queue in the peer.
  static constexpr std::size_t max_calls = 8;
  // A stock EdgeCore grants one call a second, of which it saves up 100.
  static constexpr auto pause = std::chrono::seconds(1);
  // An edge core that hears nothing for five of these calls a mapper hung.
  static constexpr auto heartbeat = std::chrono::seconds(1);

  // mapper: the name that is registered. away is called when a call found nobody there, or the edge
  // core does not know us. All must outlive this.
  Teller(base::Loop& loop, Inbox& inbox, dmi::wire::ManagerClient& client, Fleet& fleet,
         base::Repeats& repeats, std::string mapper, std::function<void()> away);

  // Registered: calls may go out; extended: in batches.
  void start(bool extended);
  void stop();  // until start() nothing goes out; what is on its way comes back
  void news(const Session& session);

 private:
  // What a call said of a device.
  struct Told {
    dmi::ObjectId id;
    bool report = false;
    bool state = false;
  };

  void pump();
  void pump_batches();
  bool tell(const dmi::ObjectId& id);
  void queue(const dmi::ObjectId& id);
  dmi::ObjectId next();
  std::vector<dmi::wire::BatchItem> gather(std::vector<Told>& told);
  void send(const std::vector<dmi::wire::BatchItem>& items, std::vector<Told> told);
  void beat();
  void answered(const Told& told, const base::Status& status);
  void answered_batch(const std::vector<Told>& told,
                      const base::Result<std::vector<base::Status>>& verdicts);
  void not_told(const std::string& whom, const base::Status& status);

  base::Loop& loop_;
  Inbox& inbox_;
  dmi::wire::ManagerClient& client_;
  Fleet& fleet_;
  base::Repeats& repeats_;
  const std::string mapper_;
  std::function<void()> away_;
  base::Timer pause_timer_;
  base::Timer heartbeat_timer_;
  bool started_ = false;
  std::deque<dmi::ObjectId> queue_;  // devices with news, each once
  std::set<dmi::ObjectId> queued_;
  std::set<dmi::ObjectId> calling_;
  std::size_t open_ = 0;   // batches without an answer
  std::uint64_t era_ = 0;  // counts streams: what an older one says means nothing
  std::unique_ptr<dmi::wire::BatchStream> batches_;  // null: the edge core takes none
};

}  // namespace mapper
