// What a call passes before its handler: who calls, and whether he calls too often. Any thread.
#pragma once

#include <grpcpp/support/status.h>

#include <atomic>
#include <optional>

#include "accept.hpp"
#include "limit.hpp"

namespace grpc {
class ServerContextBase;
}

namespace dmi::wire {

class Gate {
 public:
  Gate(const Acceptor& acceptor, const ServeSettings& settings)
      : acceptor_(acceptor),
        calls_(settings.calls_per_s),
        registrations_(settings.registrations_per_s) {}

  Caller caller_of(const grpc::ServerContextBase& context) const;
  // nullopt: the call may go on; else what it is answered. Registrations have a budget of their
  // own: reports never lock one out.
  std::optional<grpc::Status> call(const Caller& caller) { return ask(calls_, caller, "calls"); }
  std::optional<grpc::Status> registration(const Caller& caller) {
    return ask(registrations_, caller, "registrations");
  }
  std::uint64_t calls() const { return passed_; }
  std::uint64_t limited() const { return limited_; }

 private:
  std::optional<grpc::Status> ask(Limit& limit, const Caller& caller, const char* what);

  const Acceptor& acceptor_;
  Limit calls_;
  Limit registrations_;
  std::atomic<std::uint64_t> passed_ = 0;
  std::atomic<std::uint64_t> limited_ = 0;
};

}  // namespace dmi::wire
