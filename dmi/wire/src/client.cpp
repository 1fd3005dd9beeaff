#include <dmi.grpc.pb.h>
#include <grpcpp/create_channel.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>

#include "base/text.hpp"
#include "batch_client.hpp"
#include "convert.hpp"
#include "rpc.hpp"

namespace dmi::wire {

using base::Code;
using base::Status;

namespace {

struct Call;

// The calls of one client that are on their way. Any thread.
//
// A client must not end before its last Call is destroyed, which happens on one of gRPC's threads
// shortly after the completion: the last one to let go of a channel joins these threads, and one
// that joins itself crashes (gRPC 1.51, CallbackAlternativeCQ).
class Calls {
 public:
  // false: closed.
  bool add(const std::shared_ptr<Call>& call) {
    const std::lock_guard lock(mutex_);
    if (!closed_) open_.insert(call);
    return !closed_;
  }
  void remove(const std::shared_ptr<Call>& call) {
    const std::lock_guard lock(mutex_);
    open_.erase(call);
  }
  bool closed() {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  // Refuses new calls, cancels the open ones and waits until all are completed and destroyed.
  void close();

 private:
  friend class Alive;
  void count(int change) {
    const std::lock_guard lock(mutex_);
    alive_ += change;
    if (alive_ == 0) none_.notify_all();
  }

  // guards all below: calls start on the owner's thread and end on gRPC's
  std::mutex mutex_;
  std::condition_variable none_;
  std::set<std::shared_ptr<Call>> open_;
  int alive_ = 0;
  bool closed_ = false;
};

// Counts one call.
class Alive {
 public:
  explicit Alive(std::shared_ptr<Calls> calls) : calls_(std::move(calls)) { calls_->count(1); }
  ~Alive() { calls_->count(-1); }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;

 private:
  std::shared_ptr<Calls> calls_;  // shared: the client may be gone once the last one is counted
};

struct Call {
  explicit Call(std::shared_ptr<Calls> calls) : alive(std::move(calls)) {}
  virtual ~Call() = default;
  Alive alive;  // first, and so destroyed last: by then context has let go of the channel
  grpc::ClientContext context;
};
template <class Request, class Response, class Finish>
struct CallOf final : Call {
  CallOf(std::shared_ptr<Calls> calls, Request to_send, Finish last)
      : Call(std::move(calls)), request(std::move(to_send)), finish(std::move(last)) {}
  Request request;
  Response response;
  Finish finish;
};

void Calls::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  auto cancelled = open_;  // copied: a completion may run inside TryCancel and wants mutex_
  lock.unlock();
  for (const auto& call : cancelled) call->context.TryCancel();
  cancelled.clear();
  lock.lock();
  none_.wait(lock, [this] { return alive_ == 0; });
}

std::shared_ptr<grpc::Channel> channel_to(const std::string& socket_path) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);  // really the time to connect
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 300);
  // A new client starts fresh instead of inheriting the back-off of an old one to the same path.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetMaxReceiveMessageSize(max_answer_bytes);
  return grpc::CreateCustomChannel(target_of(socket_path), grpc::InsecureChannelCredentials(),
                                   arguments);
}

// One channel and its calls.
//
// Destroying it completes what is open with unavailable and waits for these completions; so it must
// not happen inside one of them, which would wait for itself.
template <class Service>
class Client {
 public:
  // instance: "" for who tells none.
  Client(const std::string& socket_path, std::chrono::milliseconds deadline, bool wait,
         std::string instance)
      : path_(socket_path),
        deadline_(deadline),
        wait_(wait),
        instance_(std::move(instance)),
        channel_(channel_to(socket_path)),
        stub_(Service::NewStub(channel_)) {}
  ~Client() { calls_->close(); }

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const std::string& path() const { return path_; }
  void after(std::int64_t registration) { registration_ = registration; }
  const std::string& instance() const { return instance_; }
  // Whether the peer is ours, and is told in every call who we are. Any thread.
  void set_extended(bool extended) { extended_ = extended; }

  // Starts method; finish(status, response, context) is called once, on one of gRPC's threads, or
  // at once here when the client is being destroyed.
  template <class Async, class Request, class Response, class Finish>
  void start(void (Async::*method)(grpc::ClientContext*, const Request*, Response*,
                                   std::function<void(grpc::Status)>),
             const char* name, Request request, Finish finish) {
    auto call = std::make_shared<CallOf<Request, Response, Finish>>(calls_, std::move(request),
                                                                    std::move(finish));
    if (!calls_->add(call)) return call->finish(closed(name), call->response, call->context);
    call->context.set_wait_for_ready(wait_);
    constexpr bool registers = std::is_same_v<Request, v1beta1::MapperRegisterRequest>;
    if (registers) call->context.AddMetadata(extended_key, ordered_value);
    if (!instance_.empty() && (registers || extended_)) {
      call->context.AddMetadata(instance_key, instance_);
    }
    if (registration_ != 0) call->context.AddMetadata(registration_key, base::cat(registration_));
    call->context.set_deadline(std::chrono::system_clock::now() + deadline_);
    (stub_->async()->*method)(
        &call->context, &call->request, &call->response, [this, call, name](grpc::Status answer) {
          call->finish(status_of(answer, name), call->response, call->context);
          calls_->remove(call);
        });
  }

 private:
  Status closed(const char* name) const {
    return Status(Code::unavailable, base::cat(path_, ": closed during ", name));
  }

  Status status_of(const grpc::Status& answer, const char* name) const {
    Status status = from_grpc(answer);
    if (status.ok()) return status;
    if (Status wrong = check_path(path_); !wrong.ok()) return wrong;
    // gRPC's own texts name neither socket nor call.
    if (status.code() == Code::timeout && answer.error_message() == "Deadline Exceeded") {
      return Status(Code::timeout, base::cat(path_, ": no answer to ", name, " within ",
                                             deadline_.count(), " ms"));
    }
    if (answer.error_code() == grpc::StatusCode::CANCELLED && calls_->closed()) return closed(name);
    if (status.code() != Code::unavailable) return status;
    return Status(Code::unavailable, base::cat(path_, ": ", name, ": ", status.text()));
  }

  const std::string path_;
  const std::chrono::milliseconds deadline_;
  const bool wait_;
  std::int64_t registration_ = 0;  // told with each call; 0: none
  const std::string instance_;
  std::atomic<bool> extended_ = false;  // set on gRPC's threads
  const std::shared_ptr<Calls> calls_ = std::make_shared<Calls>();
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<typename Service::Stub> stub_;
};

// Most responses say nothing but that they came.
auto ignoring_response(Done done) {
  return [done = std::move(done)](Status status, const auto&, const auto&) {
    done(std::move(status));
  };
}

template <class Request>
Request for_device(const ObjectId& device) {
  Request request;
  request.set_devicename(valid_text(device.name));
  request.set_devicenamespace(valid_text(device.space));
  return request;
}

template <class Request>
Request with_device(const Device& device) {
  Request request;
  *request.mutable_device() = to_proto(device);
  return request;
}

template <class Request>
Request with_model(const DeviceModel& model) {
  Request request;
  *request.mutable_model() = to_proto(model);
  return request;
}

class GrpcMapperClient final : public MapperClient {
 public:
  // As EdgeCore's; not waiting: a mapper that is not there answers at once.
  explicit GrpcMapperClient(const std::string& path)
      : client_(path, std::chrono::seconds(10), false, "") {}

  void after(std::int64_t registration) override { client_.after(registration); }
  void register_device(const Device& device, Done done) override {
    start(&Async::RegisterDevice, "RegisterDevice",
          with_device<v1beta1::RegisterDeviceRequest>(device), std::move(done));
  }
  void update_device(const Device& device, Done done) override {
    start(&Async::UpdateDevice, "UpdateDevice", with_device<v1beta1::UpdateDeviceRequest>(device),
          std::move(done));
  }
  void remove_device(const ObjectId& device, Done done) override {
    start(&Async::RemoveDevice, "RemoveDevice", for_device<v1beta1::RemoveDeviceRequest>(device),
          std::move(done));
  }
  void create_model(const DeviceModel& model, Done done) override {
    start(&Async::CreateDeviceModel, "CreateDeviceModel",
          with_model<v1beta1::CreateDeviceModelRequest>(model), std::move(done));
  }
  void update_model(const DeviceModel& model, Done done) override {
    start(&Async::UpdateDeviceModel, "UpdateDeviceModel",
          with_model<v1beta1::UpdateDeviceModelRequest>(model), std::move(done));
  }
  void remove_model(const ObjectId& model, Done done) override {
    v1beta1::RemoveDeviceModelRequest request;
    request.set_modelname(valid_text(model.name));
    request.set_modelnamespace(valid_text(model.space));
    start(&Async::RemoveDeviceModel, "RemoveDeviceModel", std::move(request), std::move(done));
  }

 private:
  using Service = v1beta1::DeviceMapperService;
  using Async = Service::StubInterface::async_interface;

  template <class Request, class Response>
  void start(void (Async::*method)(grpc::ClientContext*, const Request*, Response*,
                                   std::function<void(grpc::Status)>),
             const char* name, Request request, Done done) {
    client_.start(method, name, std::move(request), ignoring_response(std::move(done)));
  }

  Client<Service> client_;
};

class GrpcManagerClient final : public ManagerClient {
 public:
  GrpcManagerClient(const std::string& path, const std::string& instance)
      : client_(path, std::chrono::seconds(5), true, instance) {}

  void mapper_register(const MapperInfo& mapper,
                       std::function<void(base::Result<Registration>)> done) override {
    v1beta1::MapperRegisterRequest request;
    request.set_withdata(true);  // without it a stock EdgeCore never calls the mapper
    *request.mutable_mapper() = to_proto(mapper);
    client_.start(&Async::MapperRegister, "MapperRegister", std::move(request),
                  [this, done = std::move(done)](Status status, const auto& response,
                                                 const grpc::ClientContext& context) {
                    if (!status.ok()) return done(std::move(status));
                    Registration registration = from_proto(response);
                    const auto& metadata = context.GetServerInitialMetadata();
                    registration.extended = metadata.contains(extended_key);
                    if (const auto told = metadata_of(metadata, registration_key)) {
                      base::parse_int(*told, registration.number);
                    }
                    client_.set_extended(registration.extended);
                    done(std::move(registration));
                  });
  }
  void report_status(const DeviceReport& report, Done done) override {
    client_.start(&Async::ReportDeviceStatus, "ReportDeviceStatus", to_proto(report),
                  ignoring_response(std::move(done)));
  }
  void report_state(const ObjectId& device, const std::string& state, Done done) override {
    auto request = for_device<v1beta1::ReportDeviceStatesRequest>(device);
    request.set_state(valid_text(state));
    client_.start(&Async::ReportDeviceStates, "ReportDeviceStates", std::move(request),
                  ignoring_response(std::move(done)));
  }
  std::unique_ptr<BatchStream> open_batches(const std::string& mapper, Done ended) override {
    return dmi::wire::open_batches(client_.channel(), client_.path(), client_.instance(), mapper,
                                   std::move(ended));
  }

 private:
  using Service = v1beta1::DeviceManagerService;
  using Async = Service::StubInterface::async_interface;

  Client<Service> client_;
};

}  // namespace

std::unique_ptr<MapperClient> connect_mapper(const std::string& socket_path) {
  return std::make_unique<GrpcMapperClient>(socket_path);
}

std::unique_ptr<ManagerClient> connect_manager(const std::string& socket_path,
                                               const std::string& instance) {
  return std::make_unique<GrpcManagerClient>(socket_path, instance);
}

}  // namespace dmi::wire
