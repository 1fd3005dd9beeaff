// Who connects to a server's socket, and how often he may call.
#include <dmi.grpc.pb.h>
#include <grp.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <retry.pb.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>

#include "accept.hpp"
#include "base/text.hpp"
#include "dmi/wire/dmi.hpp"
#include "limit.hpp"
#include "rpc.hpp"
#include "support/process.hpp"

namespace dmi::wire {
namespace {

using base::Code;
using base::Status;
using namespace std::chrono_literals;

class AcceptManager : public ManagerHandler {
 public:
  void mapper_register(const Caller& caller, MapperInfo, bool,
                       std::function<void(base::Result<Registration>)> done) override {
    caller_.set_value(caller);
    done(Registration());
  }
  void report_status(const Caller& caller, DeviceReport report, Done done) override {
    if (report.device.name != "held") return done(Status());
    held = std::move(done);
    caller_.set_value(caller);
  }
  void report_state(const Caller&, ObjectId, std::string, Done done) override { done(Status()); }
  void report_batch(const Caller& caller, const std::string&, std::vector<BatchItem>,
                    BatchDone done) override {
    caller_.set_value(caller);
    done(std::vector<Status>());
  }
  void batches_ended(const std::string&) override {}
  Caller wait_for_caller() {
    auto future = caller_.get_future();
    EXPECT_EQ(future.wait_for(20s), std::future_status::ready);
    return future.get();
  }

  void forget_caller() { caller_ = {}; }

  Done held;  // of the report of that name; written before the caller is known

 private:
  std::promise<Caller> caller_;
};

class Accept : public ::testing::Test {
 protected:
  Accept() {
    char name[] = "/tmp/dmi-accept-XXXXXX";
    folder_ = ::mkdtemp(name);
    ::chmod(folder_.c_str(), 0755);
  }
  ~Accept() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/dmi.sock"; }
  void serve(const ServeSettings& settings = {}) {
    auto server = serve_manager(path(), manager_, settings);
    ASSERT_TRUE(server.ok()) << server.status().text();
    server_ = std::move(*server);
  }
  std::unique_ptr<v1beta1::DeviceManagerService::Stub> stub() const {
    return v1beta1::DeviceManagerService::NewStub(
        grpc::CreateChannel(target_of(path()), grpc::InsecureChannelCredentials()));
  }
  // -1: nobody accepts there.
  int connect_to_server() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path().c_str());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    ::close(fd);
    return -1;
  }
  // Whether there is now a socket's file that nobody serves.
  static bool leave_socket(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int failed = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::close(fd);
    return failed == 0;
  }
  // Whether a process of another user, who is nobody here, is let in.
  bool nobody_gets_in() const {
    const pid_t child = ::fork();
    if (child == 0) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::strcpy(address.sun_path, path().c_str());
      const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
      if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(2);
      if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) ::_exit(1);
      char byte = 0;
      ::_exit(::read(fd, &byte, 1) == 1 ? 0 : 1);  // gRPC speaks first; who is refused reads an end
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_NE(WEXITSTATUS(status), 2);
    return WEXITSTATUS(status) == 0;
  }

  std::string folder_;
  AcceptManager manager_;
  std::unique_ptr<Server> server_;
};

TEST_F(Accept, HandlersLearnWhichProcessCalls) {
  serve();
  const auto client = connect_manager(path());
  client->mapper_register({"m", "", "", "p", "/tmp/m.sock", ""}, [](const auto&) {});
  const Caller caller = manager_.wait_for_caller();
  EXPECT_EQ(caller.pid, ::getpid());
  EXPECT_EQ(caller.uid, ::getuid());
  EXPECT_EQ(caller.gid, ::getgid());
}

TEST_F(Accept, HandlersLearnWhichProcessSendsBatches) {
  serve();
  const auto client = connect_manager(path());
  const auto stream = client->open_batches("m", [](const Status&) {});
  stream->send({}, [](const auto&) {});
  EXPECT_EQ(manager_.wait_for_caller().pid, ::getpid());
}

TEST_F(Accept, WhoIsNotOnTheListIsRefusedAndCounted) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ServeSettings settings;
  ASSERT_TRUE(settings.allow.add("12345").ok());
  serve(settings);
  EXPECT_FALSE(nobody_gets_in());
  EXPECT_EQ(server_->counters().refused_peers, 1u);
  server_.reset();
  ASSERT_TRUE(settings.allow.add("65534").ok());
  serve(settings);
  EXPECT_TRUE(nobody_gets_in());
  EXPECT_EQ(server_->counters().refused_peers, 0u);
}

TEST_F(Accept, AGroupIsOnTheListToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ServeSettings settings;
  ASSERT_TRUE(settings.allow.add("@65534").ok());
  serve(settings);
  EXPECT_TRUE(nobody_gets_in());
}

TEST_F(Accept, WithoutAListTheModeOfTheSocketDecides) {
  serve();
  struct stat file {};
  ASSERT_EQ(::stat(path().c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0660u);
  if (::geteuid() == 0) {
    EXPECT_FALSE(nobody_gets_in());
  }
}

TEST(AllowTest, NamesThatDoNotExistAreSaid) {
  Allow allow;
  EXPECT_TRUE(allow.add("root").ok());
  EXPECT_TRUE(allow.add("@0").ok());
  const Status wrong = allow.add("nobody-of-this-name");
  EXPECT_EQ(wrong.code(), Code::invalid);
  EXPECT_NE(wrong.text().find("nobody-of-this-name: there is no such user"), std::string::npos);
  EXPECT_NE(allow.add("@-5").text().find("no such group"), std::string::npos);
}

TEST_F(Accept, CallsPastTheLimitAreToldWhenToTryAgainAndRegistrationsPass) {
  ServeSettings settings;
  settings.calls_per_s = 5;
  serve(settings);
  const auto client = stub();
  grpc::Status refused;
  for (int i = 0; i < 1000 && refused.ok(); ++i) {
    grpc::ClientContext context;
    v1beta1::ReportDeviceStatusRequest request;
    request.set_devicename("d");
    v1beta1::ReportDeviceStatusResponse response;
    refused = client->ReportDeviceStatus(&context, request, &response);
  }
  ASSERT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(refused.error_message().find("too many request"), std::string::npos);
  EXPECT_NE(refused.error_message().find("more than 5 calls a second"), std::string::npos);
  mapperframework::v1::RpcStatus status;
  ASSERT_TRUE(status.ParseFromString(refused.error_details()));
  EXPECT_EQ(status.code(), 8);
  ASSERT_EQ(status.details_size(), 1);
  EXPECT_EQ(status.details(0).type_url(), "type.googleapis.com/google.rpc.RetryInfo");
  mapperframework::v1::RetryInfo retry;
  ASSERT_TRUE(retry.ParseFromString(status.details(0).value()));
  EXPECT_EQ(retry.retry_delay().seconds(), 0);
  EXPECT_GT(retry.retry_delay().nanos(), 0);
  EXPECT_EQ(from_grpc(refused).code(), Code::unavailable) << "to be tried again";
  EXPECT_GE(server_->counters().limited, 1u);

  grpc::ClientContext context;
  v1beta1::MapperRegisterRequest request;
  request.mutable_mapper()->set_name("m");
  v1beta1::MapperRegisterResponse response;
  EXPECT_TRUE(client->MapperRegister(&context, request, &response).ok());
}

TEST_F(Accept, ConnectionsThatEndLeaveNothing) {
  serve();
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  const auto before = open_files();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path().c_str());
  for (int i = 0; i < 2000; ++i) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(fd);
  }
  EXPECT_TRUE(test_support::wait_until([&] { return server_->counters().connections == 2000; }));
  EXPECT_TRUE(test_support::wait_until([&] { return open_files() <= before + 2; }));
}

TEST_F(Accept, ConnectionsThatEndAreForgottenWithTheirNumber) {
  auto acceptor = Acceptor::listen(path(), {});
  ASSERT_TRUE(acceptor.ok()) << acceptor.status().text();
  std::atomic<int> taken = 0;
  std::atomic<int> highest = 0;
  (*acceptor)->start([&](int fd) {
    highest = std::max(highest.load(), fd);
    ::close(fd);
    ++taken;
  });
  for (int i = 0; i < 2000; ++i) {
    const int fd = connect_to_server();
    ASSERT_GE(fd, 0);
    ASSERT_TRUE(test_support::wait_until([&] { return taken == i + 1; }));
    ::close(fd);
  }
  (*acceptor)->stop();
  int known = 0;
  for (int fd = 0; fd <= highest; ++fd) {
    if ((*acceptor)->caller_of("fd:" + std::to_string(fd)).pid != 0) ++known;
  }
  EXPECT_GE(known, 1);
  EXPECT_LE(known, 8) << "one connection at a time, and what else this process opened meanwhile";
}

TEST_F(Accept, AStaleSocketIsReplacedInOneStep) {
  // What a server that was killed leaves, and what one leaves that was killed while it started.
  ASSERT_TRUE(leave_socket(path()));
  ASSERT_TRUE(leave_socket(path() + "~"));
  const int watch = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  ASSERT_GE(::inotify_add_watch(watch, folder_.c_str(), IN_CREATE | IN_DELETE | IN_MOVED_TO), 0);
  serve();
  std::vector<std::uint32_t> seen;  // what happened to the socket's name
  alignas(inotify_event) char events[16384];
  const ssize_t size = ::read(watch, events, sizeof events);
  ::close(watch);
  for (ssize_t at = 0; at < size;) {
    const auto* event = reinterpret_cast<const inotify_event*>(events + at);
    if (std::string(event->name) == "dmi.sock") seen.push_back(event->mask);
    at += static_cast<ssize_t>(sizeof *event + event->len);
  }
  EXPECT_EQ(seen, std::vector<std::uint32_t>{IN_MOVED_TO}) << "never deleted, never made anew";
  EXPECT_FALSE(std::filesystem::exists(path() + "~"));
  const int fd = connect_to_server();
  EXPECT_GE(fd, 0);
  ::close(fd);
}

// Not a test: the process that the next one kills.
TEST(AcceptChild, DISABLED_ReportsAndWaits) {
  const char* path = std::getenv("DMI_ACCEPT_SOCKET");
  ASSERT_NE(path, nullptr);
  const auto stub = v1beta1::DeviceManagerService::NewStub(
      grpc::CreateChannel(target_of(path), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1beta1::ReportDeviceStatusRequest request;
  request.set_devicename("held");
  v1beta1::ReportDeviceStatusResponse response;
  stub->ReportDeviceStatus(&context, request, &response);
}

// A stock edge core is told at the registration alone, in metadata that it does not look at.
TEST_F(Accept, AProcessOfOursSaysItsNumberInEveryCallOnceThePeerIsOurs) {
  serve();
  const std::string number = base::random_hex(16);
  const auto client = connect_manager(path(), number);
  std::promise<Status> before, registered, after;
  client->report_status({{"default", "held"}, {}}, [&](Status s) { before.set_value(s); });
  EXPECT_EQ(manager_.wait_for_caller().instance, "");
  manager_.held(Status());
  EXPECT_TRUE(before.get_future().get().ok());
  manager_.forget_caller();
  client->mapper_register({"m", "v1", "v1", "p", "/m.sock", "ok"},
                          [&](const auto& answer) { registered.set_value(answer.status()); });
  EXPECT_EQ(manager_.wait_for_caller().instance, number);
  EXPECT_TRUE(registered.get_future().get().ok());
  manager_.forget_caller();
  client->report_status({{"default", "held"}, {}}, [&](Status s) { after.set_value(s); });
  EXPECT_EQ(manager_.wait_for_caller().instance, number);
  manager_.held(Status());
  EXPECT_TRUE(after.get_future().get().ok());
  manager_.forget_caller();
  std::promise<void> ended;
  const auto stream = client->open_batches("m", [&](const Status&) { ended.set_value(); });
  stream->send({}, [](const auto&) {});
  EXPECT_EQ(manager_.wait_for_caller().instance, number);
  server_.reset();
  ended.get_future().get();
}

TEST_F(Accept, AClientThatIsKilledAmidACallHurtsNobody) {
  serve();
  test_support::Process child({"/proc/self/exe", "--gtest_also_run_disabled_tests",
                               "--gtest_filter=AcceptChild.DISABLED_ReportsAndWaits"},
                              {{"DMI_ACCEPT_SOCKET", path()}});
  EXPECT_EQ(manager_.wait_for_caller().pid, child.pid());
  child.kill();
  manager_.held(Status());  // nobody is there to read it
  const auto client = stub();
  grpc::ClientContext context;
  v1beta1::ReportDeviceStatusRequest request;
  request.set_devicename("d");
  v1beta1::ReportDeviceStatusResponse response;
  EXPECT_TRUE(client->ReportDeviceStatus(&context, request, &response).ok());
  EXPECT_EQ(server_->counters().calls, 2u);
  EXPECT_EQ(server_->counters().overflow, 0u);
}

TEST(LimitTest, HoldsASecondsCallsAndFillsAtTheRate) {
  Limit limit(10);
  const Caller caller{7, 0, 0};
  Limit::Clock::time_point now{};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limit.take(caller, now), 0ns);
  EXPECT_NEAR(static_cast<double>(limit.take(caller, now).count()), 1e8, 1e6);
  EXPECT_EQ(limit.take({8, 0, 0}, now), 0ns) << "another process has its own";
  now += 101ms;
  EXPECT_EQ(limit.take(caller, now), 0ns);
  EXPECT_GT(limit.take(caller, now), 0ns);
  now += 1h;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limit.take(caller, now), 0ns);
  EXPECT_GT(limit.take(caller, now), 0ns) << "no more than a second's is saved up";
}

TEST(LimitTest, ProcessesThatAreNotSeenShareTheirUsers) {
  Limit limit(1);
  EXPECT_EQ(limit.take({0, 1000, 0}, {}), 0ns);
  EXPECT_GT(limit.take({0, 1000, 0}, {}), 0ns);
  EXPECT_EQ(limit.take({0, 1001, 0}, {}), 0ns);
}

TEST(LimitTest, RemembersSoManyAndForgetsWhoCalledLongestAgo) {
  Limit limit(1);
  Limit::Clock::time_point now{};
  for (std::int64_t pid = 1; pid <= 2 * static_cast<std::int64_t>(Limit::max_callers); ++pid) {
    EXPECT_EQ(limit.take({pid, 0, 0}, now += 1us), 0ns);
  }
  EXPECT_GT(limit.take({2 * static_cast<std::int64_t>(Limit::max_callers), 0, 0}, now), 0ns);
  EXPECT_EQ(limit.take({1, 0, 0}, now), 0ns) << "forgotten: anew";
}

}  // namespace
}  // namespace dmi::wire
