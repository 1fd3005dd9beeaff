// The recorded exchanges between EdgeCore 1.23.1 and Go mappers, with our devicetwin in EdgeCore's
// place: the program itself, on its socket, with the objects that were applied then. What Go
// mappers sent is sent byte for byte (but for their socket's path); what devicetwin sends must be
// what EdgeCore sent, but for the differences that recorded::normalize and each test name.
#include <dmi.grpc.pb.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/message_differencer.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>

#include "recorded.hpp"
#include "support/plane.hpp"

namespace {

using base::cat;
using dmi::Json;
using recorded::Message;
using recorded::pb::util::MessageDifferencer;
using test_support::api;
using test_support::wait_until;

std::string bytes_of(const std::string& file) {
  return base::read_file(cat(TEST_DATA "/dmi/", file, ".bin")).value();
}
template <class M>
M recording(const std::string& file) {
  M message;
  EXPECT_TRUE(message.ParseFromString(bytes_of(file))) << file;
  return message;
}

// A mapper that keeps what it is told, and confirms it.
class Listener final : public v1beta1::DeviceMapperService::Service {
 public:
  explicit Listener(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Listener() override { server_->Shutdown(std::chrono::system_clock::now()); }

  using Context = grpc::ServerContext;
#define KEEP(Method)                                                     \
  grpc::Status Method(Context*, const v1beta1::Method##Request* request, \
                      v1beta1::Method##Response*) override {             \
    return keep(*request);                                               \
  }
  KEEP(RegisterDevice)
  KEEP(UpdateDevice)
  KEEP(RemoveDevice)
  KEEP(CreateDeviceModel)
  KEEP(UpdateDeviceModel)
  KEEP(RemoveDeviceModel)
#undef KEEP

  // The next message, of whatever type; nullptr: none came.
  std::unique_ptr<Message> next() {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, std::chrono::seconds(20), [&] { return !kept_.empty(); })) {
      return nullptr;
    }
    auto message = std::move(kept_.front());
    kept_.erase(kept_.begin());
    return message;
  }

 private:
  grpc::Status keep(const Message& message) {
    const std::lock_guard lock(mutex_);
    kept_.emplace_back(message.New());
    kept_.back()->CopyFrom(message);
    came_.notify_all();
    return grpc::Status::OK;
  }
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<std::unique_ptr<Message>> kept_;
  std::unique_ptr<grpc::Server> server_;
};

// Raw bytes to devicetwin's socket.
class RawClient {
 public:
  explicit RawClient(const std::string& socket)
      : stub_(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials())) {}

  grpc::Status call(const std::string& method, const std::string& bytes, std::string* answer) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub_.UnaryCall(&context, "/v1beta1.DeviceManagerService/" + method, grpc::StubOptions(),
                    &request, &response, [&](grpc::Status status) { done.set_value(status); });
    const grpc::Status status = done.get_future().get();
    grpc::Slice whole;
    if (status.ok() && response.DumpToSingleSlice(&whole).ok()) {
      answer->assign(reinterpret_cast<const char*>(whole.begin()), whole.size());
    }
    return status;
  }

 private:
  grpc::GenericStub stub_;
};

// EdgeCore sends every number as a float32, which some of the recorded device's settings are not:
// here they travel exactly (docs/decisions/0006), and one beyond float32 as the largest of it.
void make_exact(v1beta1::Device& device) {
  auto& data = *device.mutable_spec()->mutable_protocol()->mutable_configdata()->mutable_data();
  if (!data.contains("bigInt")) return;
  data["bigInt"].set_value("9007199254740993");
  data["int32max"].set_value("2147483647");
  data["floatHuge"].set_type_url("number");
  data["floatHuge"].set_value("3.4028235e+38");
}
void make_exact(Message& message) {
  if (auto* in = dynamic_cast<v1beta1::RegisterDeviceRequest*>(&message)) {
    make_exact(*in->mutable_device());
  } else if (auto* update = dynamic_cast<v1beta1::UpdateDeviceRequest*>(&message)) {
    make_exact(*update->mutable_device());
  } else if (auto* answer = dynamic_cast<v1beta1::MapperRegisterResponse*>(&message)) {
    for (v1beta1::Device& device : *answer->mutable_devicelist()) make_exact(device);
  }
}

class Replay : public ::testing::Test {
 protected:
  void SetUp() override {
    plane_.start_devicetwin();
    client_ = std::make_unique<RawClient>((plane_.folder() / "dmi.sock").string());
  }

  void apply(const std::string& file) {
    const auto text = base::read_file(cat(TEST_DATA "/dmi/yaml/", file, ".yaml"));
    const auto applied = plane_.apply(text.value());
    ASSERT_EQ(applied.exit, 0) << applied.output;
  }
  // The recorded registration from another socket, which listens.
  v1beta1::MapperRegisterResponse enroll(const std::string& file) {
    auto request = recording<v1beta1::MapperRegisterRequest>(file);
    const std::string socket = (plane_.folder() / "m.sock").string();
    if (!mapper_) mapper_ = std::make_unique<Listener>(socket);
    request.mutable_mapper()->set_address(socket);
    std::string answer;
    const auto status = client_->call("MapperRegister", request.SerializeAsString(), &answer);
    EXPECT_TRUE(status.ok()) << status.error_message();
    v1beta1::MapperRegisterResponse response;
    EXPECT_TRUE(response.ParseFromString(answer));
    return response;
  }
  grpc::Status send(const std::string& method, const std::string& file) {
    std::string answer;
    return client_->call(method, bytes_of(file), &answer);
  }

  static void expect_same(std::unique_ptr<Message> want, std::unique_ptr<Message> have,
                          const std::string& file) {
    recorded::normalize(*want);
    recorded::normalize(*have);
    make_exact(*want);
    std::string differences;
    MessageDifferencer differencer;
    differencer.ReportDifferencesToString(&differences);
    EXPECT_TRUE(want->GetDescriptor() == have->GetDescriptor() && differencer.Compare(*want, *have))
        << file << ":\n"
        << differences << have->GetDescriptor()->name();
  }
  static void expect_registration(const std::string& file,
                                  const v1beta1::MapperRegisterResponse& have) {
    using Response = v1beta1::MapperRegisterResponse;
    expect_same(std::make_unique<Response>(recording<Response>(file)),
                std::make_unique<Response>(have), file);
  }
  // Sets the desired value alone; what else is in `desired` stays.
  void desire(const std::string& value) {
    const Json operation = {
        {"op", "replace"}, {"path", "/spec/properties/1/desired/value"}, {"value", value}};
    ASSERT_EQ(plane_.kube().patch(cat(api, "devices/trace-dev"), Json::array({operation})).status,
              200);
  }
  // The mapper is told next what a mapper was told then.
  void expect_next(const std::string& file) {
    auto have = mapper_->next();
    ASSERT_TRUE(have) << "nothing came instead of " << file;
    auto want = recorded::blank(file + ".bin");
    ASSERT_TRUE(want && want->ParseFromString(bytes_of(file)));
    expect_same(std::move(want), std::move(have), file);
  }

  test_support::Plane plane_;
  std::unique_ptr<Listener> mapper_;
  std::unique_ptr<RawClient> client_;
};

TEST_F(Replay, ObjectsReachAMapperAsFromEdgeCore) {
  expect_registration("dmi-live/002_MapperRegisterResponse",
                      enroll("dmi-live/001_MapperRegisterRequest"));
  apply("model");
  apply("device");
  expect_next("dmi-live/003_CreateDeviceModelRequest");
  expect_next("dmi-live/004_RegisterDeviceRequest");
  desire("150");
  expect_next("dmi-live/005_UpdateDeviceRequest");
  desire("160");
  expect_next("dmi-live/006_UpdateDeviceRequest");
  apply("device-null-protocol");
  expect_next("dmi-live/007_RegisterDeviceRequest");
  apply("device-no-config");
  expect_next("dmi-live/008_RegisterDeviceRequest");
}

TEST_F(Replay, ModelChangeReachesAMapperAsFromEdgeCore) {
  apply("model");
  apply("device");
  enroll("dmi-live/001_MapperRegisterRequest");
  const Json higher = {{"op", "replace"}, {"path", "/spec/properties/0/maximum"}, {"value", "140"}};
  ASSERT_EQ(plane_.kube().patch(cat(api, "devicemodels/trace-model"), Json::array({higher})).status,
            200);
  expect_next("dmi-live/009_UpdateDeviceModelRequest");
  desire("170");
  expect_next("dmi-live/010_UpdateDeviceRequest");
}

// A mapper that comes back is answered with what it should have. EdgeCore then removed the model
// before its device; here devices go first, because they use it.
TEST_F(Replay, MapperThatComesBackIsAnsweredAndRemovalsReachItAsFromEdgeCore) {
  apply("model");
  apply("device");
  desire("170");
  const Json higher = {{"op", "replace"}, {"path", "/spec/properties/0/maximum"}, {"value", "140"}};
  ASSERT_EQ(plane_.kube().patch(cat(api, "devicemodels/trace-model"), Json::array({higher})).status,
            200);
  expect_registration("dmi-reregister/002_MapperRegisterResponse",
                      enroll("dmi-reregister/001_MapperRegisterRequest"));
  ASSERT_EQ(plane_.kubectl({"delete", "device", "trace-dev"}).exit, 0);
  expect_next("dmi-reregister/004_RemoveDeviceRequest");
  ASSERT_EQ(plane_.kubectl({"delete", "devicemodel", "trace-model"}).exit, 0);
  expect_next("dmi-reregister/003_RemoveDeviceModelRequest");
}

TEST_F(Replay, RemovalsReachAMapperAsFromEdgeCore) {
  apply("model");
  enroll("dmi-live/001_MapperRegisterRequest");
  const std::vector<std::pair<std::string, std::string>> removals = {
      {"device-no-config", "011"},       {"device-null-protocol", "012"},
      {"device-nested-protocol", "013"}, {"device-list-protocol", "014"},
      {"device-nested-visitor", "015"},  {"device-key-data-string", "016"},
      {"device-key-data-map", "017"}};
  for (const auto& [file, number] : removals) {
    SCOPED_TRACE(file);
    apply(file);
    for (auto told = mapper_->next(); told; told = mapper_->next()) {  // its model comes first once
      if (told->GetDescriptor()->name() == "RegisterDeviceRequest") break;
    }
    const auto text = base::read_file(cat(TEST_DATA "/dmi/yaml/", file, ".yaml")).value();
    const auto deleted = plane_.kubectl({"delete", "-f", "-"}, text);
    ASSERT_EQ(deleted.exit, 0) << deleted.output;
    expect_next(cat("dmi-live/", number, "_RemoveDeviceRequest"));
  }
}

TEST_F(Replay, GoMapperRegistersAndReportsAsToEdgeCore) {
  apply("simple");
  expect_registration("reg-tmpl/002_MapperRegisterResponse",
                      enroll("gomapper-to-edge/001_MapperRegisterRequest"));
  for (const char* number :
       {"002", "004", "005", "006", "007", "008", "009", "010", "011", "012"}) {
    const auto verdict =
        send("ReportDeviceStatus", cat("gomapper-to-edge/", number, "_ReportDeviceStatusRequest"));
    EXPECT_TRUE(verdict.ok()) << number << verdict.error_message();
  }
  const auto state = send("ReportDeviceStates", "gomapper-to-edge/003_ReportDeviceStatesRequest");
  EXPECT_TRUE(state.ok()) << state.error_message();
  const Json status = plane_.kube().get(cat(api, "devicestatuses/simple-dev")).body["status"];
  EXPECT_EQ(status["state"], "ok");
}

TEST_F(Replay, GoModbusMapperRegistersAndReportsAsToEdgeCore) {
  apply("modbus");
  expect_registration("reg-modbus/002_MapperRegisterResponse",
                      enroll("gomodbus-to-edge/001_MapperRegisterRequest"));
  for (const char* number : {"002", "003", "004", "005"}) {
    const std::string file = cat("gomodbus-to-edge/", number, "_ReportDeviceStatusRequest");
    const auto verdict = send("ReportDeviceStatus", file);
    EXPECT_TRUE(verdict.ok()) << number << verdict.error_message();
    const auto report = recording<v1beta1::ReportDeviceStatusRequest>(file);
    const auto& twin = report.reporteddevice().twins(0);
    EXPECT_EQ(plane_.reported(report.devicename(), twin.propertyname()), twin.reported().value());
  }
}

}  // namespace
