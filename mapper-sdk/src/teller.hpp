// Tells the edge core what sessions have to tell: round robin over devices, one call per device and
// a few altogether. Nothing queues but names of devices: what is not told yet stands in the twins,
// where newer values replace older ones, so memory is bounded by design and nothing is lost.
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

  // away is called when a call found nobody there. All must outlive this.
  Teller(base::Loop& loop, Inbox& inbox, dmi::wire::ManagerClient& client, Fleet& fleet,
         base::Repeats& repeats, std::function<void()> away);

  void start();  // registered: calls may go out
  void stop();   // until start() nothing goes out; what is on its way comes back
  void news(const Session& session);

 private:
  void pump();
  bool tell(const dmi::ObjectId& id);
  void answered(const dmi::ObjectId& id, bool state, const base::Status& status);

  base::Loop& loop_;
  Inbox& inbox_;
  dmi::wire::ManagerClient& client_;
  Fleet& fleet_;
  base::Repeats& repeats_;
  std::function<void()> away_;
  base::Timer pause_timer_;
  bool started_ = false;
  std::deque<dmi::ObjectId> queue_;  // devices with news, each once
  std::set<dmi::ObjectId> queued_;
  std::set<dmi::ObjectId> calling_;
};

}  // namespace mapper
