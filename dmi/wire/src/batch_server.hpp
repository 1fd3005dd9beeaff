// The edge core's end of streams of batches.
#pragma once

#include <batch.grpc.pb.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "answers.hpp"
#include "dmi/wire/dmi.hpp"
#include "gate.hpp"

namespace dmi::wire {

class BatchCall;

class BatchService final : public mapperframework::v1::BatchService::CallbackService {
 public:
  // Streams at the same time. A node has a mapper per protocol, and a few more.
  static constexpr std::size_t max_streams = 256;

  // open: what the requests of the server may take together.
  BatchService(ManagerHandler& handler, const Gate& gate, std::shared_ptr<Open> open)
      : handler_(handler), gate_(gate), open_(std::move(open)) {}

  grpc::ServerBidiReactor<mapperframework::v1::Batch, mapperframework::v1::Verdicts>* Report(
      grpc::CallbackServerContext* context) override;

  // Refuses new streams and ends the open ones; returns when gRPC is done with them. Not on one of
  // gRPC's threads.
  void close();

 private:
  friend class BatchCall;
  bool add(BatchCall* stream);
  void remove(BatchCall* stream);

  ManagerHandler& handler_;
  const Gate& gate_;
  const std::shared_ptr<Open> open_;
  // guards all below: streams come and go on gRPC's threads
  std::mutex mutex_;
  std::condition_variable none_;
  std::set<BatchCall*> streams_;
  bool closed_ = false;
};

}  // namespace dmi::wire
