// Streams of batches over real unix sockets.
#include <batch.grpc.pb.h>
#include <dmi.grpc.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>

#include "base/text.hpp"
#include "convert.hpp"
#include "dmi/wire/dmi.hpp"
#include "rpc.hpp"

namespace dmi::wire {
namespace {

namespace batch = mapperframework::v1;
using base::Code;
using base::Status;
using namespace std::chrono_literals;
using Verdicts = base::Result<std::vector<Status>>;

// Keeps what it was given; a batch is answered by the test, or at once by `verdict` per item.
class BatchManager : public ManagerHandler {
 public:
  void mapper_register(const Caller&, MapperInfo, bool,
                       std::function<void(base::Result<Registration>)> done) override {
    done(Registration());
  }
  void report_status(const Caller&, DeviceReport, Done done) override { done(Status()); }
  void report_state(const Caller&, ObjectId, std::string, Done done) override { done(Status()); }
  void report_batch(const Caller&, const std::string& mapper, std::vector<BatchItem> items,
                    BatchDone done) override {
    if (!items.empty() && items.front().state == "throws") throw std::runtime_error("a bug");
    if (!items.empty() && items.front().state == "loses") return;
    std::unique_lock lock(mutex_);
    from_.push_back(mapper);
    batches_.push_back(items);
    if (hold_) {
      held_.push_back(std::move(done));
      return changed_.notify_all();
    }
    lock.unlock();
    std::vector<Status> verdicts;
    for (const BatchItem& item : items) {
      const bool good = item.report.device.name != "unknown";
      verdicts.push_back(good ? Status() : Status(Code::not_found, "no device unknown"));
    }
    done(std::move(verdicts));
  }
  void batches_ended(const std::string& mapper) override {
    const std::lock_guard lock(mutex_);
    ended_.push_back(mapper);
    changed_.notify_all();
  }

  void hold() { hold_ = true; }
  std::vector<BatchDone> wait_for_held(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 20s, [&] { return held_.size() >= count; }));
    return held_;
  }
  std::vector<std::string> wait_for_end() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 20s, [&] { return !ended_.empty(); }));
    return ended_;
  }
  std::vector<std::vector<BatchItem>> batches() {
    const std::lock_guard lock(mutex_);
    return batches_;
  }
  std::vector<std::string> from() {
    const std::lock_guard lock(mutex_);
    return from_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool hold_ = false;
  std::vector<std::vector<BatchItem>> batches_;
  std::vector<std::string> from_;
  std::vector<std::string> ended_;
  std::vector<BatchDone> held_;
};

class Batch : public ::testing::Test {
 protected:
  Batch() {
    char name[] = "/tmp/dmi-batch-XXXXXX";
    folder_ = ::mkdtemp(name);
    server_ = std::move(*serve_manager(path(), manager_));
    client_ = connect_manager(path());
  }
  ~Batch() override {
    stream_.reset();
    client_.reset();
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/dmi.sock"; }
  void open(const std::string& mapper = "m") {
    stream_ = client_->open_batches(mapper, [this](const Status& why) { ended_.set_value(why); });
  }
  std::future<Verdicts> send(const std::vector<BatchItem>& items) {
    const auto promise = std::make_shared<std::promise<Verdicts>>();
    stream_->send(items, [promise](Verdicts verdicts) { promise->set_value(std::move(verdicts)); });
    return promise->get_future();
  }
  static Verdicts wait(std::future<Verdicts> future) {
    if (future.wait_for(20s) == std::future_status::ready) return future.get();
    ADD_FAILURE() << "no answer within 20 s";
    return Status(Code::internal, "no answer within 20 s");
  }
  Status end() {
    auto future = ended_.get_future();
    if (future.wait_for(20s) == std::future_status::ready) return future.get();
    ADD_FAILURE() << "the stream does not end";
    return Status();
  }
  static BatchItem item(const std::string& device, std::string state = "") {
    return {{{"default", device},
             {{"t", {}, TwinValue{"21.5", {{"type", "float"}, {"timestamp", "1700000000000"}}}}}},
            std::move(state)};
  }

  std::string folder_;
  BatchManager manager_;
  std::promise<Status> ended_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<ManagerClient> client_;
  std::unique_ptr<BatchStream> stream_;
};

TEST_F(Batch, ArrivesAsItWasSentWithTimeTypeQualityAndReason) {
  BatchItem sent = item("boiler", "online");
  sent.report.twins.push_back(
      {"bad", TwinValue{"7", {{"type", "int"}}},
       TwinValue{"", {{"reason", "wire: “cut”"}, {"status", "timeout"}, {"type", "int"}}}});
  sent.report.twins.push_back({"observed only", TwinValue{"x", {}}, {}});
  open("modbus-1");
  ASSERT_TRUE(wait(send({sent, item("pump")})));
  ASSERT_EQ(manager_.batches().size(), 1u);
  const auto came = manager_.batches().front();
  ASSERT_EQ(came.size(), 2u);
  EXPECT_EQ(came[0].report, sent.report);
  EXPECT_EQ(came[0].state, "online");
  EXPECT_EQ(came[1].report, item("pump").report);
  EXPECT_EQ(came[1].state, "");
  EXPECT_EQ(manager_.from(), std::vector<std::string>{"modbus-1"});
}

TEST_F(Batch, EachItemHasItsVerdict) {
  open();
  BatchItem nameless = item("");
  BatchItem large = item("large");
  large.report.twins.assign(max_properties + 1, large.report.twins.front());
  const Verdicts verdicts = wait(send({nameless, item("a"), item("unknown"), large, item("b")}));
  ASSERT_TRUE(verdicts) << verdicts.status().text();
  ASSERT_EQ(verdicts->size(), 5u);
  EXPECT_EQ((*verdicts)[0].code(), Code::invalid);
  EXPECT_TRUE((*verdicts)[1].ok());
  EXPECT_EQ((*verdicts)[2].code(), Code::not_found);
  EXPECT_EQ((*verdicts)[2].text(), "no device unknown");
  EXPECT_EQ((*verdicts)[3].code(), Code::invalid);
  EXPECT_TRUE((*verdicts)[4].ok());
  EXPECT_EQ(manager_.batches().front().size(), 3u) << "the wrong ones do not reach the handler";
}

TEST_F(Batch, EmptyOneSaysThatTheMapperLives) {
  open("alive");
  ASSERT_TRUE(wait(send({})));
  EXPECT_EQ(manager_.from(), std::vector<std::string>{"alive"});
}

TEST_F(Batch, AnswersComeInTheOrderOfTheBatchesWhateverTheHandlerDoes) {
  manager_.hold();
  open();
  std::vector<std::future<Verdicts>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(send({item(base::cat("d", i))}));
  const auto held = manager_.wait_for_held(3);
  held[2](std::vector<Status>{Status(Code::invalid, "2")});
  held[1](std::vector<Status>{Status(Code::invalid, "1")});
  held[0](Verdicts(Status(Code::refused, "not registered")));
  EXPECT_EQ(wait(std::move(futures[0])).status(), Status(Code::refused, "not registered"));
  EXPECT_EQ(wait(std::move(futures[1]))->front().text(), "1");
  EXPECT_EQ(wait(std::move(futures[2]))->front().text(), "2");
}

TEST_F(Batch, HandlerHasNoMoreThanTheWindow) {
  manager_.hold();
  open();
  std::vector<std::future<Verdicts>> futures;
  for (std::size_t i = 0; i < 2 * BatchStream::max_open; ++i) futures.push_back(send({}));
  auto held = manager_.wait_for_held(BatchStream::max_open);
  EXPECT_EQ(held.size(), BatchStream::max_open);
  held[0](std::vector<Status>());
  EXPECT_TRUE(wait(std::move(futures[0])));
  held = manager_.wait_for_held(BatchStream::max_open + 1);
  EXPECT_EQ(held.size(), BatchStream::max_open + 1);
}

TEST_F(Batch, CompletionThatIsDroppedAnswersUnavailable) {
  open();
  EXPECT_EQ(wait(send({item("d", "loses")})).status().code(), Code::unavailable);
  EXPECT_TRUE(wait(send({item("d")}))) << "the stream lives on";
}

TEST_F(Batch, HandlerThatThrowsEndsItsStreamAlone) {
  open();
  auto lost = send({item("d", "throws")});
  EXPECT_EQ(wait(std::move(lost)).status().code(), Code::unavailable);
  EXPECT_EQ(end().code(), Code::internal);
  ended_ = {};
  stream_.reset();
  open();
  EXPECT_TRUE(wait(send({item("d")})));
}

TEST_F(Batch, EndOfTheServerAnswersWhatIsOnItsWayAndSaysSo) {
  manager_.hold();
  open();
  auto lost = send({item("d")});
  const auto held = manager_.wait_for_held(1);
  server_.reset();
  EXPECT_EQ(wait(std::move(lost)).status().code(), Code::unavailable);
  EXPECT_EQ(end().code(), Code::unavailable);
  EXPECT_EQ(wait(send({item("d")})).status().code(), Code::unavailable) << "at once, after the end";
  held.front()(std::vector<Status>{Status()});  // late, and harmless
  EXPECT_EQ(manager_.wait_for_end(), std::vector<std::string>{"m"});
}

TEST_F(Batch, EndOfTheClientIsToldToTheHandlerAndALateAnswerIsHarmless) {
  manager_.hold();
  open("gone");
  auto lost = send({item("d")});
  const auto held = manager_.wait_for_held(1);
  stream_.reset();
  EXPECT_EQ(wait(std::move(lost)).status().code(), Code::unavailable);
  EXPECT_EQ(manager_.wait_for_end(), std::vector<std::string>{"gone"});
  held.front()(std::vector<Status>{Status()});
}

TEST_F(Batch, FirstOneNamesTheMapper) {
  const auto channel = grpc::CreateChannel(target_of(path()), grpc::InsecureChannelCredentials());
  const auto stub = batch::BatchService::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->Report(&context);
  stream->Write(batch::Batch());
  batch::Verdicts verdicts;
  EXPECT_FALSE(stream->Read(&verdicts));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(Batch, ExtensionIsAgreedOnAtTheRegistration) {
  std::promise<bool> extended;
  client_->mapper_register({"m", "", "", "p", "/tmp/m.sock", ""}, [&](const auto& registration) {
    extended.set_value(registration->extended);
  });
  EXPECT_TRUE(extended.get_future().get());
}

TEST_F(Batch, StockMapperIsToldNothingOfIt) {
  const auto channel = grpc::CreateChannel(target_of(path()), grpc::InsecureChannelCredentials());
  const auto stub = v1beta1::DeviceManagerService::NewStub(channel);
  grpc::ClientContext context;
  v1beta1::MapperRegisterRequest request;
  request.mutable_mapper()->set_name("m");
  v1beta1::MapperRegisterResponse response;
  ASSERT_TRUE(stub->MapperRegister(&context, request, &response).ok());
  for (const auto& [key, value] : context.GetServerInitialMetadata()) {
    EXPECT_FALSE(key.starts_with("mapper-framework")) << std::string(key.data(), key.size());
  }
  for (const auto& [key, value] : context.GetServerTrailingMetadata()) {
    EXPECT_FALSE(key.starts_with("mapper-framework")) << std::string(key.data(), key.size());
  }
}

// As EdgeCore: knows nothing of extensions.
class Stock final : public v1beta1::DeviceManagerService::Service {
  grpc::Status MapperRegister(grpc::ServerContext*, const v1beta1::MapperRegisterRequest*,
                              v1beta1::MapperRegisterResponse*) override {
    return grpc::Status::OK;
  }
};

TEST_F(Batch, StockEdgeCoreIsNotExtended) {
  Stock stock;
  const std::string place = folder_ + "/stock.sock";
  grpc::ServerBuilder builder;
  builder.AddListeningPort(target_of(place), grpc::InsecureServerCredentials());
  builder.RegisterService(&stock);
  const auto server = builder.BuildAndStart();
  const auto client = connect_manager(place);
  std::promise<base::Result<Registration>> answer;
  client->mapper_register({"m", "", "", "p", "/tmp/m.sock", ""},
                          [&](const auto& registration) { answer.set_value(registration); });
  const auto registration = answer.get_future().get();
  ASSERT_TRUE(registration);
  EXPECT_FALSE(registration->extended);
}

}  // namespace
}  // namespace dmi::wire
