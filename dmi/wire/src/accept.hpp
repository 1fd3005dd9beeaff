// The socket of a server: who connects is looked at before gRPC hears of him, and remembered, so
// that calls have a Caller. One thread of its own; methods from any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "base/log.hpp"
#include "base/status.hpp"
#include "dmi/wire/allow.hpp"
#include "dmi/wire/dmi.hpp"

namespace dmi::wire {

class Acceptor {
 public:
  // Connections that wait to be accepted; a mapper dials once, a Go mapper once per report.
  static constexpr int backlog = 512;

  // take gets the connected socket, non-blocking, and owns it; called on the acceptor's thread.
  using Take = std::function<void(int fd)>;

  // Replaces a file that is there, in one step: who calls has made sure that nobody serves it, and
  // that path fits. Mode 0660; with an allow list 0666, because then the list decides. Makes path +
  // "~" on the way. unavailable: the system's reason.
  static base::Result<std::unique_ptr<Acceptor>> listen(const std::string& path, Allow allow);
  ~Acceptor();  // stops; the file is gone

  void start(Take take);
  void stop();  // nobody is accepted after this

  // peer: as gRPC names the connection of a call, "fd:N".
  Caller caller_of(const std::string& peer) const;
  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t refused() const { return refused_; }

 private:
  Acceptor(std::string path, Allow allow, int socket, int stop);
  base::Status place();
  void run();
  void accept_one();

  const std::string path_;
  const Allow allow_;
  const int socket_;
  const int stop_;       // an eventfd
  bool placed_ = false;  // the file at path_ is ours
  Take take_;
  base::Repeats refusals_;  // of the acceptor's thread
  std::atomic<std::uint64_t> accepted_ = 0;
  std::atomic<std::uint64_t> refused_ = 0;
  mutable std::mutex mutex_;  // guards callers_: it is written here and read on gRPC's threads
  // By descriptor. One that is closed stays until its number is given again, which the kernel does
  // soon: it gives the lowest.
  std::unordered_map<int, Caller> callers_;
  std::thread thread_;
};

}  // namespace dmi::wire
