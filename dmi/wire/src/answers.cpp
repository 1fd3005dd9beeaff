#include "answers.hpp"

#include <vector>

#include "base/text.hpp"
#include "rpc.hpp"

namespace dmi::wire {

using base::Code;
using base::Status;

namespace {

// What is waiting is answered in milliseconds, unless the handler is stuck.
constexpr auto overflow_retry = std::chrono::milliseconds(100);

}  // namespace

Answer::Answer(std::shared_ptr<Answers> open, grpc::ServerUnaryReactor& reactor, const char* method,
               std::size_t bytes)
    : open_(std::move(open)), reactor_(reactor), method_(method), bytes_(bytes) {}

Answer::~Answer() {
  finish(Status(Code::unavailable, base::cat(method_, ": dropped without an answer")));
}

void Answer::finish(Status status, const std::function<void()>& fill) {
  if (answered_.exchange(true)) return;
  try {
    if (status.ok() && fill) fill();
  } catch (const std::exception& error) {  // protobuf or JSON, out of memory
    status = Status(Code::internal, base::cat(method_, ": ", error.what()));
  }
  reactor_.Finish(to_grpc(status));
  open_->forget(this);
}

std::shared_ptr<Answer> Answers::take(grpc::ServerUnaryReactor& reactor, const char* method,
                                      std::size_t bytes) {
  bool closed = false;
  {
    const std::lock_guard lock(mutex_);
    if (!closed_ && open_.size() < max_open && bytes_->take(bytes)) {
      auto answer = std::make_shared<Answer>(shared_from_this(), reactor, method, bytes);
      open_.emplace(answer.get(), answer);
      return answer;
    }
    closed = closed_;
  }
  if (closed) {
    reactor.Finish(to_grpc(Status(Code::unavailable, base::cat(method, ": stopping"))));
  } else {
    ++overflow_;
    reactor.Finish(exhausted(base::cat(method, ": too many requests: ", max_open, " of them or ",
                                       Open::max_bytes, " bytes are waiting for an answer"),
                             overflow_retry));
  }
  return nullptr;
}

void Answers::close(std::chrono::milliseconds grace) {
  std::vector<std::shared_ptr<Answer>> late;
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    empty_.wait_for(lock, grace, [this] { return open_.empty(); });
    for (const auto& [_, answer] : open_) late.push_back(answer.lock());
  }
  for (const auto& answer : late) {
    if (answer) answer->finish(Status(Code::unavailable, "stopping before the call was answered"));
  }
}

void Answers::forget(const Answer* answer) {
  const std::lock_guard lock(mutex_);
  bytes_->give(answer->bytes_);
  open_.erase(answer);
  if (open_.empty()) empty_.notify_all();
}

}  // namespace dmi::wire
