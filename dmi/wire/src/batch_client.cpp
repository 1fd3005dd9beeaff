#include "batch_client.hpp"

#include <batch.grpc.pb.h>
#include <grpcpp/support/client_callback.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/text.hpp"
#include "convert.hpp"
#include "rpc.hpp"

namespace dmi::wire {

namespace {

namespace batch = mapperframework::v1;
using base::Code;
using base::Status;

// The verdict of each of count items. malformed: the answer is not one to this batch, so it says
// nothing of any of its items.
base::Result<std::vector<Status>> verdicts_of(const batch::Verdicts& message, std::size_t count) {
  const auto status = [](int code, const std::string& text) {
    const bool known = code >= 0 && code <= grpc::StatusCode::UNAUTHENTICATED;  // the last one
    return from_grpc(grpc::Status(
        known ? static_cast<grpc::StatusCode>(code) : grpc::StatusCode::INTERNAL, text));
  };
  if (message.code() != 0) return status(message.code(), message.text());
  std::vector<Status> verdicts(count);
  for (const batch::Refusal& refusal : message.refusals()) {
    if (refusal.item() >= count || refusal.code() == 0) {
      return Status(Code::malformed, base::cat("verdict ", refusal.code(), " on item ",
                                               refusal.item(), " of a batch of ", count));
    }
    verdicts[refusal.item()] = status(refusal.code(), refusal.text());
  }
  return verdicts;
}

// gRPC's side of the stream; lives until gRPC has said that it is done with it.
class Stream final : public grpc::ClientBidiReactor<batch::Batch, batch::Verdicts> {
 public:
  Stream(const std::shared_ptr<grpc::Channel>& channel, std::string path,
         const std::string& instance, const std::string& mapper, Done ended)
      : path_(std::move(path)),
        mapper_(mapper),
        stub_(batch::BatchService::NewStub(channel)),
        ended_(std::move(ended)) {
    if (!instance.empty()) context_.AddMetadata(instance_key, instance);
    stub_->async()->Report(&context_, this);
    StartRead(&verdicts_);
    AddHold();  // send() starts writes from outside of this reactor
    StartCall();
  }

  void send(const std::vector<BatchItem>& items, BatchDone done) {
    auto message = std::make_unique<batch::Batch>();
    message->mutable_items()->Reserve(static_cast<int>(items.size()));
    for (const BatchItem& item : items) fill_item(item, *message->add_items());
    std::unique_lock lock(mutex_);
    if (closed_) {
      lock.unlock();
      return done(gone());
    }
    if (!named_) message->set_mapper(valid_text(mapper_));
    named_ = true;
    waiting_.push_back({items.size(), std::move(done)});
    unsent_.push_back(std::move(message));
    if (unsent_.size() == 1) StartWrite(unsent_.front().get());
  }

  // Returns when gRPC is done with the stream and all completions were called.
  void end() {
    context_.TryCancel();
    close();
    std::unique_lock lock(mutex_);
    over_.wait(lock, [this] { return done_; });
  }

  void OnReadDone(bool ok) override {
    if (!ok) return close();
    Waiting first;
    if (!take(first)) {  // an answer to nothing: not our peer
      context_.TryCancel();
      return close();
    }
    first.done(verdicts_of(verdicts_, first.items));
    StartRead(&verdicts_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return close();
    const std::lock_guard lock(mutex_);
    unsent_.pop_front();
    if (!unsent_.empty() && !closed_) StartWrite(unsent_.front().get());
  }

  void OnDone(const grpc::Status& status) override {
    close();
    std::deque<Waiting> lost;
    {
      const std::lock_guard lock(mutex_);
      lost.swap(waiting_);
    }
    for (Waiting& one : lost) one.done(gone());
    Status why = from_grpc(status);
    ended_(why.ok() ? gone() : Status(why.code(), base::cat(path_, ": batches: ", why.text())));
    const std::lock_guard lock(mutex_);
    done_ = true;
    over_.notify_all();  // under the lock: who waits destroys this
  }

 private:
  struct Waiting {
    std::size_t items = 0;
    BatchDone done;
  };

  Status gone() const {
    return Status(Code::unavailable, base::cat(path_, ": the stream of batches has ended"));
  }
  bool take(Waiting& first) {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return false;
    first = std::move(waiting_.front());
    waiting_.pop_front();
    return true;
  }
  // No write starts after this.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(closed_, true)) return;
    }
    RemoveHold();
  }

  const std::string path_;
  const std::string mapper_;
  grpc::ClientContext context_;
  std::unique_ptr<batch::BatchService::Stub> stub_;
  Done ended_;
  batch::Verdicts verdicts_;  // of the read that is on its way

  // guards all below: the owner sends, gRPC's threads answer
  std::mutex mutex_;
  std::condition_variable over_;
  std::deque<Waiting> waiting_;                       // for verdicts
  std::deque<std::unique_ptr<batch::Batch>> unsent_;  // the first is being written
  bool named_ = false;
  bool closed_ = false;
  bool done_ = false;
};

class OwnedStream final : public BatchStream {
 public:
  template <class... Arguments>
  explicit OwnedStream(Arguments&&... arguments) : stream_(std::forward<Arguments>(arguments)...) {}
  ~OwnedStream() override { stream_.end(); }
  void send(const std::vector<BatchItem>& items, BatchDone done) override {
    stream_.send(items, std::move(done));
  }

 private:
  Stream stream_;
};

}  // namespace

std::unique_ptr<BatchStream> open_batches(const std::shared_ptr<grpc::Channel>& channel,
                                          const std::string& socket_path,
                                          const std::string& instance, const std::string& mapper,
                                          Done ended) {
  return std::make_unique<OwnedStream>(channel, socket_path, instance, mapper, std::move(ended));
}

}  // namespace dmi::wire
