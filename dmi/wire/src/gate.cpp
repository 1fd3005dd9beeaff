#include "gate.hpp"

#include <grpcpp/server_context.h>

#include "base/text.hpp"
#include "rpc.hpp"

namespace dmi::wire {

Caller Gate::caller_of(const grpc::ServerContextBase& context) const {
  Caller caller = acceptor_.caller_of(context.peer());
  const auto told = metadata_of(context.client_metadata(), instance_key);
  // 128 bits in hex; whatever else comes there is not ours.
  if (told && told->size() == 32) caller.instance = *told;
  return caller;
}

std::optional<grpc::Status> Gate::ask(Limit& limit, const Caller& caller, const char* what) {
  const std::chrono::nanoseconds wait = limit.take(caller, Limit::Clock::now());
  if (wait == std::chrono::nanoseconds::zero()) {
    ++passed_;
    return std::nullopt;
  }
  ++limited_;
  return exhausted(base::cat("too many requests: process ", caller.pid, " of user ", caller.uid,
                             " makes more than ", static_cast<std::int64_t>(limit.per_s()), ' ',
                             what, " a second"),
                   wait);
}

}  // namespace dmi::wire
