// Streams of batches whose verdicts are not what was asked for: nothing may count as taken by
// mistake, and no batch may wait for ever.
#include <batch.grpc.pb.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "dmi/wire/dmi.hpp"
#include "rpc.hpp"

namespace dmi::wire {
namespace {

namespace batch = mapperframework::v1;
using base::Code;
using base::Status;
using namespace std::chrono_literals;
using Verdicts = base::Result<std::vector<Status>>;

// Answers every batch with all of these.
class Peer final : public batch::BatchService::Service {
 public:
  std::vector<batch::Verdicts> answers;

 private:
  grpc::Status Report(grpc::ServerContext*,
                      grpc::ServerReaderWriter<batch::Verdicts, batch::Batch>* stream) override {
    batch::Batch message;
    while (stream->Read(&message)) {
      for (const batch::Verdicts& answer : answers) stream->Write(answer);
    }
    return grpc::Status::OK;
  }
};

// Answers with as many good verdicts as it is told to.
class Counting final : public ManagerHandler {
 public:
  std::size_t verdicts = 0;

  void mapper_register(const Caller&, MapperInfo, bool,
                       std::function<void(base::Result<Registration>)> done) override {
    done(Registration());
  }
  void report_status(const Caller&, DeviceReport, Done done) override { done(Status()); }
  void report_state(const Caller&, ObjectId, std::string, Done done) override { done(Status()); }
  void report_batch(const Caller&, const std::string&, std::vector<BatchItem>,
                    BatchDone done) override {
    done(std::vector<Status>(verdicts));
  }
  void batches_ended(const std::string&) override {}
};

class UnexpectedVerdict : public ::testing::Test {
 protected:
  UnexpectedVerdict() {
    char name[] = "/tmp/dmi-verdicts-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~UnexpectedVerdict() override {
    stream_.reset();
    client_.reset();
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/dmi.sock"; }
  void serve() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(target_of(path()), grpc::InsecureServerCredentials());
    builder.RegisterService(&peer_);
    server_ = builder.BuildAndStart();
  }
  void open() {
    client_ = connect_manager(path());
    stream_ = client_->open_batches("m", [this](const Status& why) { ended_.set_value(why); });
  }
  Verdicts send(std::size_t items) {
    const auto promise = std::make_shared<std::promise<Verdicts>>();
    std::vector<BatchItem> batch(items);
    for (BatchItem& item : batch) item.report.device = {"default", "d"};
    stream_->send(batch, [promise](Verdicts verdicts) { promise->set_value(std::move(verdicts)); });
    auto future = promise->get_future();
    if (future.wait_for(20s) == std::future_status::ready) return future.get();
    return Status(Code::internal, "no answer within 20 s");
  }
  // The peer refuses an item of a batch with this code.
  Verdicts refused(std::size_t items, std::uint32_t item, int code) {
    batch::Refusal& refusal = *peer_.answers.emplace_back().add_refusals();
    refusal.set_item(item);
    refusal.set_code(code);
    refusal.set_text("no");
    serve();
    open();
    return send(items);
  }

  std::string folder_;
  Peer peer_;
  std::unique_ptr<grpc::Server> server_;
  std::promise<Status> ended_;
  std::unique_ptr<ManagerClient> client_;
  std::unique_ptr<BatchStream> stream_;
};

TEST_F(UnexpectedVerdict, AnswerToNothingEndsTheStreamByItself) {
  peer_.answers.resize(2);
  serve();
  open();
  auto ended = ended_.get_future();
  EXPECT_TRUE(send(1));
  ASSERT_EQ(ended.wait_for(20s), std::future_status::ready);
  EXPECT_EQ(send(1).status().code(), Code::unavailable) << "at once, after the end";
}

TEST_F(UnexpectedVerdict, RefusalOfAnItemThatIsNotThereIsNoVerdictOnThoseThatAre) {
  EXPECT_EQ(refused(2, 2, grpc::StatusCode::NOT_FOUND).status().code(), Code::malformed);
}

TEST_F(UnexpectedVerdict, RefusalWithoutACodeIsNone) {
  EXPECT_EQ(refused(2, 1, grpc::StatusCode::OK).status().code(), Code::malformed);
}

TEST_F(UnexpectedVerdict, CodeThatGrpcDoesNotHaveIsARefusal) {
  const Verdicts verdicts = refused(2, 1, 99);
  ASSERT_TRUE(verdicts);
  EXPECT_TRUE((*verdicts)[0].ok());
  EXPECT_EQ((*verdicts)[1].code(), Code::internal);
}

TEST_F(UnexpectedVerdict, FewerOrMoreOfTheHandlerThanItemsAnswerNone) {
  Counting handler;
  const auto server = std::move(*serve_manager(path(), handler));
  open();
  for (const std::size_t count : {1u, 3u}) {
    handler.verdicts = count;
    EXPECT_EQ(send(2).status().code(), Code::internal) << count;
  }
  handler.verdicts = 2;
  EXPECT_TRUE(send(2));
  stream_.reset();
  client_.reset();
}

}  // namespace
}  // namespace dmi::wire
