#include "batch_server.hpp"

#include <deque>

#include "base/text.hpp"
#include "convert.hpp"
#include "rpc.hpp"

namespace dmi::wire {

namespace batch = mapperframework::v1;
using base::Code;
using base::Status;
using Reactor = grpc::ServerBidiReactor<batch::Batch, batch::Verdicts>;

namespace {

// Ends a stream that is not taken.
class Refused final : public Reactor {
 public:
  explicit Refused(const Status& why) { Finish(to_grpc(why)); }
  void OnDone() override { delete this; }
};

Status check(const BatchItem& item) {
  const DeviceReport& report = item.report;
  if (report.device.name.empty()) return Status(Code::invalid, "device has no name");
  if (report.twins.size() <= max_properties) return Status();
  return Status(Code::invalid,
                base::cat("device ", report.device.to_string(), ": ", report.twins.size(),
                          " properties, at most ", max_properties));
}

void refuse(batch::Verdicts& verdicts, std::size_t item, const Status& why) {
  const grpc::Status status = to_grpc(why);
  batch::Refusal& refusal = *verdicts.add_refusals();
  refusal.set_item(static_cast<std::uint32_t>(item));
  refusal.set_code(status.error_code());
  refusal.set_text(status.error_message());
}

// A batch that the handler has.
struct Taken {
  Taken(std::shared_ptr<Open> of, std::size_t size) : open(std::move(of)), bytes(size) {}
  ~Taken() {
    if (counted) open->give(bytes);
  }
  Taken(const Taken&) = delete;

  const std::shared_ptr<Open> open;
  const std::size_t bytes;
  const bool counted = open->take(bytes);
  std::vector<std::size_t> places;  // of the items that went to the handler
  batch::Verdicts verdicts;         // of the others, until it is answered
  bool answered = false;
};

void refuse_all(batch::Verdicts& verdicts, const Status& why) {
  const grpc::Status status = to_grpc(why);
  verdicts.set_code(status.error_code());
  verdicts.set_text(status.error_message());
}

void answer(Taken& taken, const base::Result<std::vector<Status>>& result) {
  taken.answered = true;
  if (!result) return refuse_all(taken.verdicts, result.status());
  if (result->size() != taken.places.size()) {  // who is meant by which?
    return refuse_all(taken.verdicts,
                      Status(Code::internal, base::cat(result->size(), " verdicts on ",
                                                       taken.places.size(), " items")));
  }
  for (std::size_t i = 0; i < result->size(); ++i) {
    if (!(*result)[i].ok()) refuse(taken.verdicts, taken.places[i], (*result)[i]);
  }
}

}  // namespace

// One stream. Kept alive by gRPC until OnDone, and by the completions that the handler holds.
class BatchCall final : public Reactor {
 public:
  BatchCall(BatchService& service, Caller caller)
      : service_(service), caller_(caller), link_(std::make_shared<Link>(this)) {}

  void start() { StartRead(&batch_); }
  void end() { finish(Status(Code::unavailable, "stopping")); }

  void OnReadDone(bool ok) override {
    if (!ok) return finish(Status());
    if (mapper_.empty()) mapper_ = batch_.mapper();
    if (mapper_.empty()) return finish(Status(Code::invalid, "the first batch names no mapper"));
    try {
      take();
    } catch (const std::exception& error) {  // protobuf or the handler, out of memory
      finish(Status(Code::internal, base::cat("batch of mapper ", mapper_, ": ", error.what())));
    }
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return finish(Status());
    bool read = false;
    {
      const std::lock_guard lock(mutex_);
      open_.pop_front();
      writing_ = false;
      if (!finished_ && !reading_ && open_.size() < BatchStream::max_open) read = reading_ = true;
    }
    if (read) StartRead(&batch_);
    write();
  }

  void OnCancel() override { finish(Status(Code::unavailable, "cancelled")); }

  void OnDone() override {
    {
      const std::lock_guard lock(link_->mutex);
      link_->stream = nullptr;
    }
    if (!mapper_.empty()) service_.handler_.batches_ended(mapper_);
    service_.remove(this);
    delete this;
  }

 private:
  // Completions find the stream here, as long as there is one.
  struct Link {
    explicit Link(BatchCall* of) : stream(of) {}
    std::mutex mutex;  // guards stream: it ends on one of gRPC's threads
    BatchCall* stream;
  };

  // Hands what was read to the handler, and reads on while it has not too much.
  void take() {
    std::vector<BatchItem> items;
    const auto taken = std::make_shared<Taken>(service_.open_, batch_.ByteSizeLong());
    if (!taken->counted) return refuse_batch(taken);
    items.reserve(static_cast<std::size_t>(batch_.items_size()));
    for (int i = 0; i < batch_.items_size(); ++i) {
      BatchItem item = from_proto(batch_.items(i));
      if (const Status wrong = check(item); !wrong.ok()) {
        refuse(taken->verdicts, static_cast<std::size_t>(i), wrong);
        continue;
      }
      taken->places.push_back(static_cast<std::size_t>(i));
      items.push_back(std::move(item));
    }
    const bool next = add(taken);
    service_.handler_.report_batch(caller_, mapper_, std::move(items), done_of(taken));
    if (next) StartRead(&batch_);
  }

  // Whether there is room to read another one.
  bool add(const std::shared_ptr<Taken>& taken) {
    const std::lock_guard lock(mutex_);
    open_.push_back(taken);
    return reading_ = !finished_ && open_.size() < BatchStream::max_open;
  }

  // The SDK knows the words, waits, and tells the newest values then.
  void refuse_batch(const std::shared_ptr<Taken>& taken) {
    taken->answered = true;
    refuse_all(taken->verdicts,
               Status(Code::unavailable, base::cat("too many requests: ", Open::max_bytes,
                                                   " bytes are waiting for an answer")));
    const bool next = add(taken);
    write();
    if (next) StartRead(&batch_);
  }

  // Answers unavailable when it is dropped without a call.
  BatchDone done_of(const std::shared_ptr<Taken>& taken) {
    struct Once {
      std::shared_ptr<Link> link;
      std::shared_ptr<Taken> taken;
      ~Once() { call(Status(Code::unavailable, "dropped without an answer")); }
      void call(const base::Result<std::vector<Status>>& result) {
        if (!taken) return;
        const std::lock_guard lock(link->mutex);
        if (link->stream != nullptr) link->stream->answered(*taken, result);
        taken.reset();
      }
    };
    // Not make_shared: clang 14, which fuzzes, has no aggregates in parentheses.
    const std::shared_ptr<Once> once(new Once{link_, taken});
    return [once](const base::Result<std::vector<Status>>& result) { once->call(result); };
  }

  void answered(Taken& taken, const base::Result<std::vector<Status>>& result) {
    {
      const std::lock_guard lock(mutex_);
      answer(taken, result);
    }
    write();
  }

  // The oldest answer, if it is there and none is being written.
  void write() {
    const std::lock_guard lock(mutex_);
    if (finished_ || writing_ || open_.empty() || !open_.front()->answered) return;
    writing_ = true;
    StartWrite(&open_.front()->verdicts);
  }

  void finish(const Status& why) {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(finished_, true)) return;
    }
    Finish(to_grpc(why));
  }

  BatchService& service_;
  const Caller caller_;
  const std::shared_ptr<Link> link_;
  std::string mapper_;  // by reads alone, which follow each other
  batch::Batch batch_;  // of the read that is on its way

  // guards all below: batches are read on gRPC's threads and answered on the handler's
  std::mutex mutex_;
  std::deque<std::shared_ptr<Taken>> open_;  // in order; the first is answered first
  bool reading_ = true;
  bool writing_ = false;
  bool finished_ = false;
};

Reactor* BatchService::Report(grpc::CallbackServerContext* context) {
  auto stream = std::make_unique<BatchCall>(*this, gate_.caller_of(*context));
  if (!add(stream.get())) {
    return new Refused(Status(
        Code::unavailable, base::cat("stopping, or more than ", max_streams, " streams are open")));
  }
  stream->start();
  return stream.release();  // OnDone deletes it
}

bool BatchService::add(BatchCall* stream) {
  const std::lock_guard lock(mutex_);
  return !closed_ && streams_.size() < max_streams && streams_.insert(stream).second;
}

void BatchService::remove(BatchCall* stream) {
  const std::lock_guard lock(mutex_);
  streams_.erase(stream);
  if (streams_.empty()) none_.notify_all();
}

void BatchService::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  // None of them can go while the lock is held: remove() waits.
  for (BatchCall* stream : streams_) stream->end();
  none_.wait(lock, [this] { return streams_.empty(); });
}

}  // namespace dmi::wire
