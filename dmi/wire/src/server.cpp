#include <absl/synchronization/mutex.h>
#include <dmi.grpc.pb.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "accept.hpp"
#include "answers.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "batch_server.hpp"
#include "convert.hpp"
#include "rpc.hpp"

namespace dmi::wire {

using base::Code;
using base::Status;

namespace {

using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;

// ---- requests --------------------------------------------------------------------------------

Done done_of(std::shared_ptr<Answer> answer, std::function<void()> fill = nullptr) {
  return [answer = std::move(answer), fill = std::move(fill)](Status status) {
    answer->finish(std::move(status), fill);
  };
}

// Runs run(answer) unless the server is closing; what it throws is the call's answer.
template <class Request, class Run>
Reactor* take(Context* context, Answers& answers, const char* method, const Request& request,
              Run run) {
  Reactor* reactor = context->DefaultReactor();
  const std::shared_ptr<Answer> answer = answers.take(*reactor, method, request.ByteSizeLong());
  if (!answer) return reactor;
  try {
    run(answer);
  } catch (const std::exception& error) {  // gRPC's thread ends here
    answer->finish(Status(Code::internal, base::cat(method, ": ", error.what())));
  }
  return reactor;
}

Reactor* refuse(Context* context, const grpc::Status& status) {
  Reactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

Status absent(const char* what) { return Status(Code::invalid, base::cat(what, " is absent")); }

Status check(const char* what, const ObjectId& id, std::size_t properties = 0) {
  if (id.name.empty()) return Status(Code::invalid, base::cat(what, " has no name"));
  if (properties <= max_properties) return Status();
  return Status(Code::invalid, base::cat(what, " ", id.to_string(), ": ", properties,
                                         " properties, at most ", max_properties));
}

std::int64_t registration_of(const Context& context) {
  std::int64_t number = 0;
  if (const auto text = metadata_of(context.client_metadata(), registration_key))
    base::parse_int(*text, number);
  return number;
}

// ---- services --------------------------------------------------------------------------------

class ManagerService final : public v1beta1::DeviceManagerService::CallbackService {
 public:
  using Handler = ManagerHandler;
  ManagerService(Handler& handler, Answers& answers, Gate& gate)
      : handler_(handler),
        answers_(answers),
        gate_(gate),
        batches_(handler, gate, answers.open()) {}

  void add_to(grpc::ServerBuilder& builder) {
    builder.RegisterService(this);
    builder.RegisterService(&batches_);
  }
  void close() { batches_.close(); }

  Reactor* MapperRegister(Context* context, const v1beta1::MapperRegisterRequest* request,
                          v1beta1::MapperRegisterResponse* response) override {
    Caller caller = gate_.caller_of(*context);
    if (const auto ours = metadata_of(context->client_metadata(), extended_key)) {
      context->AddInitialMetadata(extended_key, "1");
      caller.ordered = *ours == ordered_value;
    }
    if (const auto busy = gate_.registration(caller)) return refuse(context, *busy);
    return take(context, answers_, "MapperRegister", *request, [&](std::shared_ptr<Answer> answer) {
      if (!request->has_mapper()) return answer->finish(absent("mapper"));
      handler_.mapper_register(caller, from_proto(request->mapper()), request->withdata(),
                               [answer, context, response](base::Result<Registration> result) {
                                 answer->finish(result.status(), [&] {
                                   *response = to_proto(*result);
                                   if (result->number == 0) return;
                                   context->AddInitialMetadata(registration_key,
                                                               base::cat(result->number));
                                 });
                               });
    });
  }

  Reactor* ReportDeviceStatus(Context* context, const v1beta1::ReportDeviceStatusRequest* request,
                              v1beta1::ReportDeviceStatusResponse*) override {
    const Caller caller = gate_.caller_of(*context);
    if (const auto busy = gate_.call(caller)) return refuse(context, *busy);
    return take(context, answers_, "ReportDeviceStatus", *request,
                [&](std::shared_ptr<Answer> answer) {
                  DeviceReport report = from_proto(*request);
                  const Status checked = check("device", report.device, report.twins.size());
                  if (!checked.ok()) return answer->finish(checked);
                  handler_.report_status(caller, std::move(report), done_of(answer));
                });
  }

  Reactor* ReportDeviceStates(Context* context, const v1beta1::ReportDeviceStatesRequest* request,
                              v1beta1::ReportDeviceStatesResponse*) override {
    const Caller caller = gate_.caller_of(*context);
    if (const auto busy = gate_.call(caller)) return refuse(context, *busy);
    return take(
        context, answers_, "ReportDeviceStates", *request, [&](std::shared_ptr<Answer> answer) {
          ObjectId device = id_of(request->devicenamespace(), request->devicename());
          const Status checked = check("device", device);
          if (!checked.ok()) return answer->finish(checked);
          if (request->state().empty()) return answer->finish(absent("state"));
          handler_.report_state(caller, std::move(device), request->state(), done_of(answer));
        });
  }

 private:
  Handler& handler_;
  Answers& answers_;
  Gate& gate_;
  BatchService batches_;
};

class MapperService final : public v1beta1::DeviceMapperService::CallbackService {
 public:
  using Handler = MapperHandler;
  MapperService(Handler& handler, Answers& answers, Gate&) : handler_(handler), answers_(answers) {}

  void add_to(grpc::ServerBuilder& builder) { builder.RegisterService(this); }
  void close() {}

  Reactor* RegisterDevice(Context* context, const v1beta1::RegisterDeviceRequest* request,
                          v1beta1::RegisterDeviceResponse* response) override {
    return take(context, answers_, "RegisterDevice", *request, [&](std::shared_ptr<Answer> answer) {
      with_device(*request, *answer, [&](Device device) {
        auto fill = [response, id = device.id] {
          response->set_devicename(id.name);
          response->set_devicenamespace(id.space);
        };
        handler_.register_device(registration_of(*context), std::move(device),
                                 done_of(answer, std::move(fill)));
      });
    });
  }

  Reactor* UpdateDevice(Context* context, const v1beta1::UpdateDeviceRequest* request,
                        v1beta1::UpdateDeviceResponse*) override {
    return take(context, answers_, "UpdateDevice", *request, [&](std::shared_ptr<Answer> answer) {
      with_device(*request, *answer, [&](Device device) {
        handler_.update_device(registration_of(*context), std::move(device), done_of(answer));
      });
    });
  }

  Reactor* RemoveDevice(Context* context, const v1beta1::RemoveDeviceRequest* request,
                        v1beta1::RemoveDeviceResponse*) override {
    return take(context, answers_, "RemoveDevice", *request, [&](std::shared_ptr<Answer> answer) {
      ObjectId id = id_of(request->devicenamespace(), request->devicename());
      const Status checked = check("device", id);
      if (!checked.ok()) return answer->finish(checked);
      handler_.remove_device(registration_of(*context), std::move(id), done_of(answer));
    });
  }

  Reactor* CreateDeviceModel(Context* context, const v1beta1::CreateDeviceModelRequest* request,
                             v1beta1::CreateDeviceModelResponse* response) override {
    return take(context, answers_, "CreateDeviceModel", *request,
                [&](std::shared_ptr<Answer> answer) {
                  with_model(*request, *answer, [&](DeviceModel model) {
                    auto fill = [response, id = model.id] {
                      response->set_devicemodelname(id.name);
                      response->set_devicemodelnamespace(id.space);
                    };
                    handler_.create_model(registration_of(*context), std::move(model),
                                          done_of(answer, std::move(fill)));
                  });
                });
  }

  Reactor* UpdateDeviceModel(Context* context, const v1beta1::UpdateDeviceModelRequest* request,
                             v1beta1::UpdateDeviceModelResponse*) override {
    return take(
        context, answers_, "UpdateDeviceModel", *request, [&](std::shared_ptr<Answer> answer) {
          with_model(*request, *answer, [&](DeviceModel model) {
            handler_.update_model(registration_of(*context), std::move(model), done_of(answer));
          });
        });
  }

  Reactor* RemoveDeviceModel(Context* context, const v1beta1::RemoveDeviceModelRequest* request,
                             v1beta1::RemoveDeviceModelResponse*) override {
    return take(context, answers_, "RemoveDeviceModel", *request,
                [&](std::shared_ptr<Answer> answer) {
                  ObjectId id = id_of(request->modelnamespace(), request->modelname());
                  const Status checked = check("model", id);
                  if (!checked.ok()) return answer->finish(checked);
                  handler_.remove_model(registration_of(*context), std::move(id), done_of(answer));
                });
  }

  Reactor* GetDevice(Context* context, const v1beta1::GetDeviceRequest* request,
                     v1beta1::GetDeviceResponse* response) override {
    return take(context, answers_, "GetDevice", *request, [&](std::shared_ptr<Answer> answer) {
      ObjectId id = id_of(request->devicenamespace(), request->devicename());
      const Status checked = check("device", id);
      if (!checked.ok()) return answer->finish(checked);
      using Seen = base::Result<std::pair<Device, DeviceReport>>;
      handler_.get_device(std::move(id), [answer, response](const Seen& seen) {
        answer->finish(seen.status(), [&] {
          *response->mutable_device() = to_proto(seen->first);
          // The report has what the device accepted, and what was seen beside it.
          response->mutable_device()->mutable_status()->clear_twins();
          fill_twins(seen->second, *response->mutable_device()->mutable_status());
        });
      });
    });
  }

 private:
  template <class Request, class Use>
  static void with_device(const Request& request, Answer& answer, Use use) {
    if (!request.has_device()) return answer.finish(absent("device"));
    Device device = from_proto(request.device());
    const Status checked = check("device", device.id, device.properties.size());
    if (!checked.ok()) return answer.finish(checked);
    use(std::move(device));
  }

  template <class Request, class Use>
  static void with_model(const Request& request, Answer& answer, Use use) {
    if (!request.has_model()) return answer.finish(absent("model"));
    DeviceModel model = from_proto(request.model());
    const Status checked = check("model", model.id, model.properties.size());
    if (!checked.ok()) return answer.finish(checked);
    use(std::move(model));
  }

  Handler& handler_;
  Answers& answers_;
};

// ---- sockets ---------------------------------------------------------------------------------

// Whether somebody accepts connections there: a stock EdgeCore takes no lock. path fits.
bool is_served(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const int failed = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const bool served = failed == 0 || errno == EAGAIN;  // EAGAIN: its queue is full
  ::close(fd);
  return served;
}

Status check_place(const std::string& path) {
  if (Status wrong = check_path(path); !wrong.ok()) return wrong;
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!std::filesystem::is_directory(folder, ignored)) {
    return Status(Code::invalid,
                  base::cat("socket ", path, ": there is no folder ", folder.string()));
  }
  // Who could replace the socket would be taken for us.
  if (const Status stranger = base::trusted(folder, base::Trust::shared_folder); !stranger.ok()) {
    return Status(stranger.code(), base::cat("socket ", path, ": ", stranger.text()));
  }
  const auto file = std::filesystem::symlink_status(path, ignored);
  if (std::filesystem::exists(file) && !std::filesystem::is_socket(file)) {
    return Status(Code::invalid, base::cat("socket ", path, ": is there and is not a socket"));
  }
  return Status();
}

// Calls in flight at the end get this long; mappers answer in milliseconds or are stuck.
constexpr auto grace = std::chrono::seconds(2);
// For the answers themselves to be sent; past it gRPC cuts the connections.
constexpr auto flush = std::chrono::milliseconds(500);

template <class Service>
class Listener final : public Server {
 public:
  Listener(base::FileLock lock, std::unique_ptr<Acceptor> acceptor,
           typename Service::Handler& handler, const ServeSettings& settings)
      : lock_(std::move(lock)),
        acceptor_(std::move(acceptor)),
        gate_(*acceptor_, settings),
        service_(handler, *answers_, gate_) {}

  Status start() {
    // Debian's Abseil looks for deadlocks at every lock of gRPC's: 3 % of the daemon's time.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(max_message_bytes);
    // What is on the wire and not a whole message yet; past it gRPC reads no further.
    grpc::ResourceQuota quota("dmi");
    quota.Resize(max_wire_bytes);
    builder.SetResourceQuota(quota);
    service_.add_to(builder);
    server_ = builder.BuildAndStart();
    if (!server_) return Status(Code::unavailable, "gRPC does not start a server");
    acceptor_->start([this](int fd) { grpc::AddInsecureChannelFromFd(server_.get(), fd); });
    return Status();
  }

  // Not on one of gRPC's threads, that is in no completion: it would wait for itself.
  ~Listener() override {
    if (!server_) return;
    acceptor_->stop();
    service_.close();
    answers_->close(grace);
    server_->Shutdown(std::chrono::system_clock::now() + flush);
    server_.reset();
  }

  Counters counters() const override {
    return {acceptor_->accepted(), acceptor_->refused(), gate_.calls(),
            gate_.limited(),       answers_->overflow(), answers_->open()->bytes()};
  }

 private:
  base::FileLock lock_;  // the socket's file is ours while it lives
  std::unique_ptr<Acceptor> acceptor_;
  Gate gate_;
  std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();
  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

template <class Service>
base::Result<std::unique_ptr<Server>> serve(const std::string& path,
                                            typename Service::Handler& handler,
                                            const ServeSettings& settings) {
  if (const Status wrong = check_place(path); !wrong.ok()) return wrong;
  base::Result<base::FileLock> lock = base::FileLock::take(path + ".lock");
  if (!lock) return lock.status();
  if (is_served(path)) {
    return Status(Code::conflict, base::cat("socket ", path, ": another process serves there"));
  }
  auto acceptor = Acceptor::listen(path, settings.allow);
  if (!acceptor) return acceptor.status();
  auto server = std::make_unique<Listener<Service>>(std::move(*lock), std::move(*acceptor), handler,
                                                    settings);
  if (const Status failed = server->start(); !failed.ok()) return failed;
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace

base::Result<std::unique_ptr<Server>> serve_manager(const std::string& socket_path,
                                                    ManagerHandler& handler,
                                                    const ServeSettings& settings) {
  return serve<ManagerService>(socket_path, handler, settings);
}

base::Result<std::unique_ptr<Server>> serve_mapper(const std::string& socket_path,
                                                   MapperHandler& handler) {
  return serve<MapperService>(socket_path, handler, ServeSettings());
}

}  // namespace dmi::wire
