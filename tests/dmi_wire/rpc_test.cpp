// Both services over real unix sockets.
#include <dmi.grpc.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "base/file.hpp"
#include "base/text.hpp"
#include "dmi/wire/dmi.hpp"
#include "support/process.hpp"

namespace dmi::wire {
namespace {

using base::Code;
using base::Status;
using std::chrono::steady_clock;
using namespace std::chrono_literals;

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/dmi-wire-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& file) const { return path_ + "/" + file; }

 private:
  std::string path_;
};

// Answers everything at once, unless `hold` is set: then completions are kept in held.
class Manager : public ManagerHandler {
 public:
  void mapper_register(const Caller& caller, MapperInfo mapper, bool with_data,
                       std::function<void(base::Result<Registration>)> done) override {
    ordered = caller.ordered;
    info = std::move(mapper);
    asked_for_data = with_data;
    done(registration);
  }
  void report_batch(const Caller&, const std::string&, std::vector<BatchItem>, BatchDone) override {
  }
  void batches_ended(const std::string&) override {}
  void report_status(const Caller&, DeviceReport report, Done done) override {
    if (report.device.name == "throws") throw std::runtime_error("a bug");
    if (report.device.name == "loses") return;
    const std::lock_guard lock(mutex);
    reports.push_back(std::move(report));
    if (!hold) return done(Status());
    held.push_back(std::move(done));
    arrived.notify_all();
  }
  void report_state(const Caller&, ObjectId device, std::string state, Done done) override {
    state_of = std::move(device);
    if (state == "ok" || state == "online") return done(Status());
    done(Status(base::code_of(state), "the reason for " + state));
  }
  std::vector<Done> wait_for_held(std::size_t count) {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(arrived.wait_for(lock, 10s, [&] { return held.size() >= count; }));
    return held;
  }

  MapperInfo info;
  bool asked_for_data = false;
  bool ordered = false;
  Registration registration;
  ObjectId state_of;
  std::mutex mutex;
  std::condition_variable arrived;
  bool hold = false;
  std::vector<DeviceReport> reports;
  std::vector<Done> held;
};

class Mapper : public MapperHandler {
 public:
  void register_device(std::int64_t registration, Device device, Done done) override {
    after = registration;
    devices.push_back(std::move(device));
    done(Status());
  }
  void update_device(std::int64_t, Device device, Done done) override {
    devices.push_back(std::move(device));
    done(Status());
  }
  void remove_device(std::int64_t, ObjectId device, Done done) override {
    removed.push_back(std::move(device));
    done(Status());
  }
  void create_model(std::int64_t, DeviceModel model, Done done) override {
    models.push_back(std::move(model));
    done(Status());
  }
  void update_model(std::int64_t, DeviceModel model, Done done) override {
    models.push_back(std::move(model));
    done(Status());
  }
  void remove_model(std::int64_t, ObjectId model, Done done) override {
    removed.push_back(std::move(model));
    done(Status(Code::not_found, "no model " + removed.back().to_string()));
  }
  void get_device(
      ObjectId device,
      std::function<void(base::Result<std::pair<Device, DeviceReport>>)> done) override {
    if (devices.empty()) return done(Status(Code::not_found, "no device " + device.to_string()));
    done(std::pair(devices.back(),
                   DeviceReport{device, {{"temp", {}, TwinValue{"21.5", {{"type", "float"}}}}}}));
  }

  std::int64_t after = -1;
  std::vector<Device> devices;
  std::vector<DeviceModel> models;
  std::vector<ObjectId> removed;
};

// The answer of call(done), which must come within 10 s.
template <class Answer = Status, class Call>
Answer answer(Call call) {
  auto promise = std::make_shared<std::promise<Answer>>();
  auto future = promise->get_future();
  call([promise](Answer got) { promise->set_value(std::move(got)); });
  if (future.wait_for(10s) == std::future_status::ready) return future.get();
  ADD_FAILURE() << "no answer within 10 s";
  return Status(Code::internal, "no answer within 10 s");
}

DeviceReport report_of(const std::string& device) {
  return {{"default", device}, {{"temp", {}, TwinValue{"21.5", {{"type", "float"}}}}}};
}
Status report(ManagerClient& client, const std::string& device = "boiler") {
  return answer([&](Done done) { client.report_status(report_of(device), std::move(done)); });
}

Device boiler() {
  Device device;
  device.id = {"plant", "boiler"};
  device.model = "boiler-model";
  device.protocol = {"modbus", {{"port", 502}, {"scale", 0.123456789012}}};
  DeviceProperty property;
  property.name = "temp";
  property.desired = TwinValue{"5", {}};
  property.visitors = ProtocolConfig{"modbus", {{"offset", 40001}}};
  property.push = {{"mqtt", {{"topic", "t"}}}};
  device.properties.push_back(property);
  return device;
}

template <class Stub, class Request, class Response>
grpc::Status raw(const std::string& socket, const Request& request, Response& response,
                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                 const std::string& authority = "localhost") {
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, authority);
  Stub stub(
      grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 10s);
  return (stub.*method)(&context, request, &response);
}

using ManagerStub = v1beta1::DeviceManagerService::Stub;
using MapperStub = v1beta1::DeviceMapperService::Stub;

TEST(Manager, RegistrationCarriesMapperDevicesAndModels) {
  const Folder folder;
  Manager manager;
  manager.registration.devices = {boiler()};
  manager.registration.models = {DeviceModel{{"plant", "boiler-model"}, "", Json::object(), {}}};
  const auto server = serve_manager(folder / "dmi.sock", manager);
  ASSERT_TRUE(server.ok()) << server.status().to_string();
  const auto client = connect_manager(folder / "dmi.sock");
  const MapperInfo info{"m", "v1", "v1", "modbus", folder / "m.sock", "ok"};
  const auto got = answer<base::Result<Registration>>(
      [&](auto done) { client->mapper_register(info, std::move(done)); });
  ASSERT_TRUE(got.ok()) << got.status().to_string();
  EXPECT_EQ(got->devices, manager.registration.devices);
  EXPECT_EQ(got->models, manager.registration.models);
  EXPECT_EQ(manager.info, info);
  EXPECT_TRUE(manager.asked_for_data);
}

// A peer of ours is told the registration's number, and of each call after which one it was made. A
// stock one is sent nothing of it, nor is one of ours from before 0.7.
TEST(Manager, RegistrationIsNumberedForPeersOfOursAlone) {
  const Folder folder;
  Manager manager;
  Mapper mapper;
  manager.registration.number = 77;
  const auto server = serve_manager(folder / "dmi.sock", manager);
  const auto mappers = serve_mapper(folder / "m.sock", mapper);
  const MapperInfo info{"m", "v1", "v1", "modbus", folder / "m.sock", "ok"};
  const auto manager_client = connect_manager(folder / "dmi.sock");
  const auto got = answer<base::Result<Registration>>(
      [&](auto done) { manager_client->mapper_register(info, std::move(done)); });
  ASSERT_TRUE(got.ok()) << got.status().to_string();
  EXPECT_EQ(got->number, 77);
  EXPECT_TRUE(manager.ordered);
  v1beta1::MapperRegisterRequest request;
  request.mutable_mapper()->set_name("stock");
  v1beta1::MapperRegisterResponse response;
  EXPECT_TRUE(raw(folder / "dmi.sock", request, response, &ManagerStub::MapperRegister).ok());
  EXPECT_FALSE(manager.ordered);
  const auto client = connect_mapper(folder / "m.sock");
  EXPECT_EQ(answer([&](Done done) { client->register_device(boiler(), done); }), Status());
  EXPECT_EQ(mapper.after, 0);
  client->after(78);
  EXPECT_EQ(answer([&](Done done) { client->register_device(boiler(), done); }), Status());
  EXPECT_EQ(mapper.after, 78);
}

TEST(Manager, ReportsAndStatesArrive) {
  const Folder folder;
  Manager manager;
  const auto server = serve_manager(folder / "dmi.sock", manager);
  const auto client = connect_manager(folder / "dmi.sock");
  EXPECT_EQ(report(*client), Status());
  EXPECT_EQ(manager.reports.at(0), report_of("boiler"));
  EXPECT_EQ(answer([&](Done done) {
              client->report_state({"plant", "boiler"}, "online", done);
            }),
            Status());
  EXPECT_EQ(manager.state_of, (ObjectId{"plant", "boiler"}));
}

TEST(Manager, EveryCodeComesBackAsItselfWithItsText) {
  const Folder folder;
  Manager manager;
  const auto server = serve_manager(folder / "dmi.sock", manager);
  const auto client = connect_manager(folder / "dmi.sock");
  for (const Code code : {Code::timeout, Code::unavailable, Code::invalid, Code::unsupported,
                          Code::not_found, Code::conflict, Code::refused, Code::malformed,
                          Code::out_of_range, Code::stale, Code::internal}) {
    const std::string word(base::name(code));
    const Status got = answer([&](Done done) {
      client->report_state({"default", "d"}, word, done);
    });
    EXPECT_EQ(got.code(), code) << word;
    EXPECT_NE(got.text().find("the reason for " + word), std::string::npos) << got.text();
  }
}

TEST(Manager, AbsentAndAbsurdFieldsAreInvalidAndNothingElse) {
  const Folder folder;
  Manager manager;
  const std::string socket = folder / "dmi.sock";
  const auto server = serve_manager(socket, manager);
  v1beta1::MapperRegisterResponse registration;
  EXPECT_EQ(
      raw(socket, v1beta1::MapperRegisterRequest(), registration, &ManagerStub::MapperRegister)
          .error_code(),
      grpc::StatusCode::INVALID_ARGUMENT);
  v1beta1::ReportDeviceStatusResponse reported;
  EXPECT_EQ(
      raw(socket, v1beta1::ReportDeviceStatusRequest(), reported, &ManagerStub::ReportDeviceStatus)
          .error_code(),
      grpc::StatusCode::INVALID_ARGUMENT);
  v1beta1::ReportDeviceStatesRequest state;
  state.set_devicename("d");
  v1beta1::ReportDeviceStatesResponse stated;
  EXPECT_EQ(raw(socket, state, stated, &ManagerStub::ReportDeviceStates).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(report(*connect_manager(socket)), Status());
}

TEST(Manager, TheAuthorityOfGoMappersIsAccepted) {
  const Folder folder;
  Manager manager;
  const std::string socket = folder / "dmi.sock";
  const auto server = serve_manager(socket, manager);
  v1beta1::ReportDeviceStatesRequest request;
  request.set_devicename("old");
  request.set_state("ok");
  v1beta1::ReportDeviceStatesResponse response;
  EXPECT_TRUE(raw(socket, request, response, &ManagerStub::ReportDeviceStates,
                  "%2Fetc%2Fkubeedge%2Fdmi.sock")
                  .ok());
  EXPECT_EQ(manager.state_of, (ObjectId{"default", "old"}));
}

TEST(Manager, AHandlerThatThrowsOrLosesItsCompletionAnswersAllTheSame) {
  const Folder folder;
  Manager manager;
  const auto server = serve_manager(folder / "dmi.sock", manager);
  const auto client = connect_manager(folder / "dmi.sock");
  const Status thrown = report(*client, "throws");
  EXPECT_EQ(thrown.code(), Code::internal);
  EXPECT_NE(thrown.text().find("a bug"), std::string::npos) << thrown.text();
  EXPECT_EQ(report(*client, "loses").code(), Code::unavailable);
  EXPECT_EQ(report(*client), Status());
}

TEST(Manager, AThousandCallsOverlap) {
  const Folder folder;
  Manager manager;
  manager.hold = true;
  const auto server = serve_manager(folder / "dmi.sock", manager);
  const auto client = connect_manager(folder / "dmi.sock");
  std::atomic<int> good = 0;
  std::promise<void> all;
  for (int i = 0; i < 1000; ++i) {
    client->report_status(report_of("boiler"), [&](Status status) {
      if (status.ok() && ++good == 1000) all.set_value();
    });
  }
  for (const Done& done : manager.wait_for_held(1000)) done(Status());
  EXPECT_EQ(all.get_future().wait_for(10s), std::future_status::ready);
}

TEST(Manager, AMessageAboveTheLimitIsInvalidAndNotWorthAnotherTry) {
  const Folder folder;
  Manager manager;
  const auto server = serve_manager(folder / "dmi.sock", manager);
  const auto client = connect_manager(folder / "dmi.sock");
  DeviceReport large = report_of("boiler");
  large.twins[0].reported->value.assign(17u << 20, 'x');
  EXPECT_EQ(answer([&](Done done) { client->report_status(large, done); }).code(), Code::invalid);
  large.twins[0].reported->value.assign(15u << 20, 'x');
  EXPECT_EQ(answer([&](Done done) { client->report_status(large, done); }), Status());
}

// Requests that nobody has answered yet take a bounded number of bytes together; what is above it
// hears the words after which mappers pause.
TEST(Manager, CallsThatWaitTakeABoundedNumberOfBytes) {
  const Folder folder;
  Manager manager;
  manager.hold = true;
  const auto server = serve_manager(folder / "dmi.sock", manager);
  const auto client = connect_manager(folder / "dmi.sock");
  DeviceReport report{{"plant", "boiler"}, {}};
  for (int i = 0; i < 3000; ++i) {
    report.twins.push_back({cat("p", i), {}, TwinValue{std::string(4000, 'x'), {}}});
  }
  std::mutex mutex;
  std::vector<Status> refused;
  constexpr std::size_t calls = 10;
  for (std::size_t i = 0; i < calls; ++i) {
    client->report_status(report, [&](Status status) {
      const std::lock_guard lock(mutex);
      if (!status.ok()) refused.push_back(std::move(status));
    });
  }
  ASSERT_TRUE(test_support::wait_until([&] {
    const std::scoped_lock lock(mutex, manager.mutex);
    return refused.size() + manager.held.size() == calls;
  }));
  EXPECT_EQ(manager.held.size(), 5u);  // of 12 MB each
  EXPECT_LE((*server)->counters().open_bytes, std::uint64_t{64} << 20);
  EXPECT_EQ(refused[0].code(), Code::unavailable);
  EXPECT_NE(refused[0].text().find("too many request"), std::string::npos) << refused[0].text();
  manager.hold = false;
  for (const Done& done : manager.held) done(Status());
  EXPECT_TRUE(test_support::wait_until([&] { return (*server)->counters().open_bytes == 0; }));
  EXPECT_EQ(answer([&](Done done) { client->report_status(report, done); }), Status());
}

TEST(Mapper, EveryCallArrives) {
  const Folder folder;
  Mapper mapper;
  const auto server = serve_mapper(folder / "m.sock", mapper);
  ASSERT_TRUE(server.ok()) << server.status().to_string();
  const auto client = connect_mapper(folder / "m.sock");
  const DeviceModel model{
      {"plant", "boiler-model"}, "", Json::object(), {{"temp", "", "INT", "", "", "", "", {}}}};
  Device changed = boiler();
  changed.properties[0].desired->value = "6";
  const ObjectId id{"plant", "boiler"};
  EXPECT_EQ(answer([&](Done done) { client->create_model(model, done); }), Status());
  EXPECT_EQ(answer([&](Done done) { client->update_model(model, done); }), Status());
  EXPECT_EQ(answer([&](Done done) { client->register_device(boiler(), done); }), Status());
  EXPECT_EQ(answer([&](Done done) { client->update_device(changed, done); }), Status());
  EXPECT_EQ(answer([&](Done done) { client->remove_device(id, done); }), Status());
  EXPECT_EQ(answer([&](Done done) { client->remove_model(model.id, done); }),
            Status(Code::not_found, "no model plant/boiler-model"));
  EXPECT_EQ(mapper.models, (std::vector{model, model}));
  EXPECT_EQ(mapper.devices, (std::vector{boiler(), changed}));
  EXPECT_EQ(mapper.removed, (std::vector{id, model.id}));
}

TEST(Mapper, GetDeviceAnswersTheDeviceWithItsTwins) {
  const Folder folder;
  Mapper mapper;
  const std::string socket = folder / "m.sock";
  const auto server = serve_mapper(socket, mapper);
  v1beta1::GetDeviceRequest request;
  request.set_devicename("boiler");
  v1beta1::GetDeviceResponse response;
  EXPECT_EQ(raw(socket, request, response, &MapperStub::GetDevice).error_code(),
            grpc::StatusCode::NOT_FOUND);
  mapper.devices.push_back(boiler());
  ASSERT_TRUE(raw(socket, request, response, &MapperStub::GetDevice).ok());
  EXPECT_EQ(response.device().name(), "boiler");
  ASSERT_EQ(response.device().status().twins_size(), 1);
  EXPECT_EQ(response.device().status().twins(0).reported().value(), "21.5");
  EXPECT_TRUE(response.device().status().twins(0).has_observeddesired());
}

TEST(Mapper, RegisterDeviceAnswersItsName) {
  const Folder folder;
  Mapper mapper;
  const std::string socket = folder / "m.sock";
  const auto server = serve_mapper(socket, mapper);
  v1beta1::RegisterDeviceRequest request;
  request.mutable_device()->set_name("boiler");
  v1beta1::RegisterDeviceResponse response;
  ASSERT_TRUE(raw(socket, request, response, &MapperStub::RegisterDevice).ok());
  EXPECT_EQ(response.devicename(), "boiler");
  EXPECT_EQ(response.devicenamespace(), "default");
}

TEST(Mapper, AbsentDevicesModelsAndNamesAreInvalid) {
  const Folder folder;
  Mapper mapper;
  const std::string socket = folder / "m.sock";
  const auto server = serve_mapper(socket, mapper);
  const auto code =
      [&]<class Request, class Response>(
          grpc::Status (MapperStub::*method)(grpc::ClientContext*, const Request&, Response*),
          const Request& request = Request()) {
        Response response;
        return raw(socket, request, response, method).error_code();
      };
  using grpc::StatusCode::INVALID_ARGUMENT;
  EXPECT_EQ(code(&MapperStub::RegisterDevice), INVALID_ARGUMENT);
  EXPECT_EQ(code(&MapperStub::UpdateDevice), INVALID_ARGUMENT);
  EXPECT_EQ(code(&MapperStub::RemoveDevice), INVALID_ARGUMENT);
  EXPECT_EQ(code(&MapperStub::CreateDeviceModel), INVALID_ARGUMENT);
  EXPECT_EQ(code(&MapperStub::UpdateDeviceModel), INVALID_ARGUMENT);
  EXPECT_EQ(code(&MapperStub::RemoveDeviceModel), INVALID_ARGUMENT);
  EXPECT_EQ(code(&MapperStub::GetDevice), INVALID_ARGUMENT);
  v1beta1::RegisterDeviceRequest many;
  many.mutable_device()->set_name("many");
  for (std::size_t i = 0; i <= max_properties; ++i)
    many.mutable_device()->mutable_spec()->add_properties();
  EXPECT_EQ(code(&MapperStub::RegisterDevice, many), INVALID_ARGUMENT);
  EXPECT_TRUE(mapper.devices.empty());
}

// ---- sockets -----------------------------------------------------------------------------------

TEST(Socket, ASecondServerIsRefusedAndTheFirstGoesOn) {
  const Folder folder;
  Manager manager;
  const auto first = serve_manager(folder / "dmi.sock", manager);
  const auto client = connect_manager(folder / "dmi.sock");
  ASSERT_EQ(report(*client), Status());
  Manager other;
  const auto second = serve_manager(folder / "dmi.sock", other);
  EXPECT_EQ(second.status().code(), Code::conflict);
  EXPECT_NE(second.status().text().find(folder / "dmi.sock"), std::string::npos);
  EXPECT_EQ(report(*client), Status());
  EXPECT_EQ(report(*connect_manager(folder / "dmi.sock")), Status());
  EXPECT_EQ(manager.reports.size(), 3u);
}

// What a stock EdgeCore does: no lock, every error UNKNOWN.
class StockEdgeCore : public v1beta1::DeviceManagerService::Service {
 public:
  explicit StockEdgeCore(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  grpc::Status ReportDeviceStatus(grpc::ServerContext*,
                                  const v1beta1::ReportDeviceStatusRequest* request,
                                  v1beta1::ReportDeviceStatusResponse*) override {
    return grpc::Status(grpc::StatusCode::UNKNOWN, request->devicename());
  }

 private:
  std::unique_ptr<grpc::Server> server_;
};

TEST(Socket, AServerThatTakesNoLockIsNotRobbedEither) {
  const Folder folder;
  const StockEdgeCore stock(folder / "dmi.sock");
  Manager manager;
  EXPECT_EQ(serve_manager(folder / "dmi.sock", manager).status().code(), Code::conflict);
  EXPECT_EQ(report(*connect_manager(folder / "dmi.sock")).code(), Code::internal);
}

TEST(Client, ErrorsOfAStockEdgeCoreAreBusyOrInternal) {
  const Folder folder;
  const StockEdgeCore stock(folder / "dmi.sock");
  const auto client = connect_manager(folder / "dmi.sock");
  const std::string busy = "fail to report device status because of too many request: boiler";
  const Status got = report(*client, busy);
  EXPECT_EQ(got.code(), Code::unavailable);
  EXPECT_NE(got.text().find(busy), std::string::npos) << got.text();
  EXPECT_EQ(report(*client, "does not have twin data"),
            Status(Code::internal, "does not have twin data"));
  EXPECT_EQ(answer([&](Done done) {
              client->report_state({"default", "d"}, "ok", done);
            }).code(),
            Code::unsupported);  // as from an EdgeCore before 1.18
}

TEST(Socket, AStaleFileIsReplacedAndTheModeIsForOwnerAndGroup) {
  const Folder folder;
  const std::string socket = folder / "dmi.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(fd);
  ASSERT_TRUE(std::filesystem::exists(socket));
  Manager manager;
  const auto server = serve_manager(socket, manager);
  ASSERT_TRUE(server.ok()) << server.status().to_string();
  struct stat info {};
  ASSERT_EQ(::stat(socket.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0660u);
  EXPECT_EQ(report(*connect_manager(socket)), Status());
}

TEST(Socket, PathsThatCannotWorkAreInvalidAndNamed) {
  const Folder folder;
  Manager manager;
  ASSERT_TRUE(base::write_file(folder / "file", "not a socket").ok());
  const std::string long_path = folder / std::string(100, 'x');
  for (const std::string& path : {long_path, folder / "no/dmi.sock", std::string("dmi.sock"),
                                  std::string(), folder / "file", folder / ""}) {
    const auto server = serve_manager(path, manager);
    ASSERT_FALSE(server.ok()) << path;
    EXPECT_EQ(server.status().code(), Code::invalid) << path;
    EXPECT_NE(server.status().text().find(path), std::string::npos) << server.status().text();
  }
  EXPECT_EQ(*base::read_file(folder / "file"), "not a socket");
}

TEST(Socket, AFolderWhereStrangersMayReplaceItIsRefused) {
  const Folder folder;
  Manager manager;
  ASSERT_EQ(::chmod((folder / "").c_str(), 0777), 0);
  const auto refused = serve_manager(folder / "dmi.sock", manager);
  EXPECT_EQ(refused.status().code(), Code::refused);
  EXPECT_NE(refused.status().text().find("chmod o-w "), std::string::npos);
  ASSERT_EQ(::chmod((folder / "").c_str(), 01777), 0);
  EXPECT_TRUE(serve_manager(folder / "dmi.sock", manager).ok());
}

TEST(Socket, PathsOf107CharactersAndOddOnesWork) {
  const Folder folder;
  const std::string prefix = folder / "";
  for (const std::string& name :
       {std::string(107 - prefix.size(), 'x'), std::string("a b%20ü?#.sock")}) {
    Manager manager;
    const auto server = serve_manager(prefix + name, manager);
    ASSERT_TRUE(server.ok()) << server.status().to_string();
    EXPECT_TRUE(std::filesystem::exists(prefix + name));
    EXPECT_EQ(report(*connect_manager(prefix + name)), Status());
  }
}

// ---- ends and restarts -------------------------------------------------------------------------

TEST(Socket, AServerThatEndsLeavesNoSocketAndCanStartAgain) {
  const Folder folder;
  Manager manager;
  for (int round = 0; round < 3; ++round) {
    const auto server = serve_manager(folder / "dmi.sock", manager);
    ASSERT_TRUE(server.ok()) << server.status().to_string();
    EXPECT_EQ(report(*connect_manager(folder / "dmi.sock")), Status());
    EXPECT_TRUE(std::filesystem::exists(folder / "dmi.sock"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "dmi.sock"));
}

TEST(Client, AWaitingCallGoesThroughWithinASecondOfTheServersReturn) {
  const Folder folder;
  Manager manager;
  auto server = serve_manager(folder / "dmi.sock", manager);
  const auto client = connect_manager(folder / "dmi.sock");
  ASSERT_EQ(report(*client), Status());
  server = Status(Code::unavailable, "away");
  std::promise<Status> promise;
  client->report_status(report_of("boiler"), [&](Status got) { promise.set_value(got); });
  auto future = promise.get_future();
  EXPECT_EQ(future.wait_for(1500ms), std::future_status::timeout);
  server = serve_manager(folder / "dmi.sock", manager);
  ASSERT_TRUE(server.ok()) << server.status().to_string();
  ASSERT_EQ(future.wait_for(1s), std::future_status::ready);
  EXPECT_EQ(future.get(), Status());
}

TEST(Client, AMapperThatReturnsIsReachedWithinASecond) {
  const Folder folder;
  Mapper mapper;
  auto server = serve_mapper(folder / "m.sock", mapper);
  const auto client = connect_mapper(folder / "m.sock");
  const auto call = [&] {
    return answer([&](Done done) { client->register_device(boiler(), done); });
  };
  ASSERT_EQ(call(), Status());
  server = Status(Code::unavailable, "away");
  EXPECT_EQ(call().code(), Code::unavailable);
  server = serve_mapper(folder / "m.sock", mapper);
  ASSERT_TRUE(server.ok()) << server.status().to_string();
  const auto until = steady_clock::now() + 1s;
  Status last(Code::unavailable, "not tried");
  while (!last.ok() && steady_clock::now() < until) last = call();
  EXPECT_EQ(last, Status());
}

TEST(Client, ASocketThatIsNotThereIsUnavailableAtOnceAndNamed) {
  const Folder folder;
  const auto client = connect_mapper(folder / "none.sock");
  const auto start = steady_clock::now();
  const Status got = answer([&](Done done) { client->register_device(boiler(), done); });
  EXPECT_EQ(got.code(), Code::unavailable);
  EXPECT_NE(got.text().find(folder / "none.sock"), std::string::npos) << got.text();
  EXPECT_LT(steady_clock::now() - start, 2s);
}

TEST(Client, ASocketPathThatCannotWorkIsInvalidInEveryCall) {
  const Folder folder;
  const std::string long_path = folder / std::string(200, 'x');
  for (const std::string& path : {long_path, std::string(), std::string("m.sock")}) {
    const auto mapper = connect_mapper(path);
    const Status got = answer([&](Done done) { mapper->register_device(boiler(), done); });
    EXPECT_EQ(got.code(), Code::invalid) << got.to_string();
    EXPECT_NE(got.text().find(path), std::string::npos) << got.text();
  }
  EXPECT_EQ(report(*connect_manager(long_path)).code(), Code::invalid);
}

TEST(Client, AMapperWaitsForTheEdgeCoreUntilItsDeadline) {
  const Folder folder;
  const auto client = connect_manager(folder / "none.sock");
  const Status got = report(*client);
  EXPECT_EQ(got, Status(Code::timeout, base::cat(folder / "none.sock",
                                                 ": no answer to ReportDeviceStatus within 5000 "
                                                 "ms")));
}

TEST(Client, DestroyingItCompletesWhatIsInFlightBefore) {
  const Folder folder;
  Manager manager;
  manager.hold = true;
  auto server = serve_manager(folder / "dmi.sock", manager);
  auto client = connect_manager(folder / "dmi.sock");
  std::vector<Status> got;
  std::mutex mutex;
  for (int i = 0; i < 20; ++i) {
    client->report_status(report_of("boiler"), [&](Status status) {
      const std::lock_guard lock(mutex);
      got.push_back(std::move(status));
    });
  }
  const std::vector<Done> held = manager.wait_for_held(20);
  client.reset();
  ASSERT_EQ(got.size(), 20u);
  for (const Status& status : got) {
    EXPECT_EQ(status,
              Status(Code::unavailable, folder / "dmi.sock: closed during ReportDeviceStatus"));
  }
  for (const Done& done : held) done(Status());
}

TEST(Client, ItMayEndRightAfterACompletion) {
  const Folder folder;
  for (int round = 0; round < 100; ++round) {
    Manager manager;
    const auto server = serve_manager(folder / "dmi.sock", manager);
    ASSERT_EQ(report(*connect_manager(folder / "dmi.sock")), Status());
    ASSERT_EQ(answer([&](Done done) {
                connect_mapper(folder / "none.sock")->register_device(boiler(), done);
              }).code(),
              Code::unavailable);
  }
}

TEST(Server, AnAnswerWithinTheGraceIsStillDelivered) {
  const Folder folder;
  Manager manager;
  manager.hold = true;
  auto server = serve_manager(folder / "dmi.sock", manager);
  const auto client = connect_manager(folder / "dmi.sock");
  std::promise<Status> promise;
  client->report_status(report_of("boiler"), [&](Status got) { promise.set_value(got); });
  const std::vector<Done> held = manager.wait_for_held(1);
  std::thread stopping([&] { server = Status(Code::unavailable, "away"); });
  // A new call is refused as soon as the end has begun.
  const auto still_open = [&] {
    return answer([&](Done done) { client->report_state({"default", "d"}, "ok", done); }).ok();
  };
  while (still_open()) {
  }
  held[0](Status());
  stopping.join();
  auto future = promise.get_future();
  ASSERT_EQ(future.wait_for(1s), std::future_status::ready);
  EXPECT_EQ(future.get(), Status());
}

TEST(Server, ItsEndDoesNotWaitForAHandlerThatNeverAnswersAndALateAnswerIsHarmless) {
  const Folder folder;
  Manager manager;
  manager.hold = true;
  auto server = serve_manager(folder / "dmi.sock", manager);
  const auto client = connect_manager(folder / "dmi.sock");
  std::promise<Status> promise;
  client->report_status(report_of("boiler"), [&](Status got) { promise.set_value(got); });
  const std::vector<Done> held = manager.wait_for_held(1);
  const auto start = steady_clock::now();
  server = Status(Code::unavailable, "away");
  EXPECT_LT(steady_clock::now() - start, 4s);
  EXPECT_FALSE(std::filesystem::exists(folder / "dmi.sock"));
  EXPECT_EQ(promise.get_future().get().code(), Code::unavailable);
  held[0](Status());
  held[0](Status());
}

}  // namespace
}  // namespace dmi::wire
