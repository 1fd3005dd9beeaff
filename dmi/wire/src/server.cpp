#include <dmi.grpc.pb.h>
#include <grpcpp/server_builder.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "answers.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "batch_server.hpp"
#include "convert.hpp"
#include "rpc.hpp"

namespace dmi::wire {

using base::Code;
using base::Status;

// ---- answers ---------------------------------------------------------------------------------

Answer::Answer(std::shared_ptr<Answers> open, grpc::ServerUnaryReactor& reactor, const char* method)
    : open_(std::move(open)), reactor_(reactor), method_(method) {}

Answer::~Answer() {
  finish(Status(Code::unavailable, base::cat(method_, ": dropped without an answer")));
}

void Answer::finish(Status status, const std::function<void()>& fill) {
  if (answered_.exchange(true)) return;
  try {
    if (status.ok() && fill) fill();
  } catch (const std::exception& error) {  // protobuf or JSON, out of memory
    status = Status(Code::internal, base::cat(method_, ": ", error.what()));
  }
  reactor_.Finish(to_grpc(status));
  open_->forget(this);
}

std::shared_ptr<Answer> Answers::take(grpc::ServerUnaryReactor& reactor, const char* method) {
  auto answer = std::make_shared<Answer>(shared_from_this(), reactor, method);
  {
    const std::lock_guard lock(mutex_);
    if (!closed_ && open_.size() < max_open) {
      open_.emplace(answer.get(), answer);
      return answer;
    }
  }
  answer->finish(Status(Code::unavailable, base::cat(method, ": stopping, or more than ", max_open,
                                                     " calls are waiting")));
  return nullptr;
}

void Answers::close(std::chrono::milliseconds grace) {
  std::vector<std::shared_ptr<Answer>> late;
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    empty_.wait_for(lock, grace, [this] { return open_.empty(); });
    for (const auto& [_, answer] : open_) late.push_back(answer.lock());
  }
  for (const auto& answer : late) {
    if (answer) answer->finish(Status(Code::unavailable, "stopping before the call was answered"));
  }
}

void Answers::forget(const Answer* answer) {
  const std::lock_guard lock(mutex_);
  open_.erase(answer);
  if (open_.empty()) empty_.notify_all();
}

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
template <class Run>
Reactor* take(Context* context, Answers& answers, const char* method, Run run) {
  Reactor* reactor = context->DefaultReactor();
  const std::shared_ptr<Answer> answer = answers.take(*reactor, method);
  if (!answer) return reactor;
  try {
    run(answer);
  } catch (const std::exception& error) {  // gRPC's thread ends here
    answer->finish(Status(Code::internal, base::cat(method, ": ", error.what())));
  }
  return reactor;
}

Status absent(const char* what) { return Status(Code::invalid, base::cat(what, " is absent")); }

Status check(const char* what, const ObjectId& id, std::size_t properties = 0) {
  if (id.name.empty()) return Status(Code::invalid, base::cat(what, " has no name"));
  if (properties <= max_properties) return Status();
  return Status(Code::invalid, base::cat(what, " ", id.to_string(), ": ", properties,
                                         " properties, at most ", max_properties));
}

// ---- services --------------------------------------------------------------------------------

class ManagerService final : public v1beta1::DeviceManagerService::CallbackService {
 public:
  using Handler = ManagerHandler;
  ManagerService(Handler& handler, Answers& answers)
      : handler_(handler), answers_(answers), batches_(handler) {}

  void add_to(grpc::ServerBuilder& builder) {
    builder.RegisterService(this);
    builder.RegisterService(&batches_);
  }
  void close() { batches_.close(); }

  Reactor* MapperRegister(Context* context, const v1beta1::MapperRegisterRequest* request,
                          v1beta1::MapperRegisterResponse* response) override {
    if (context->client_metadata().contains(extended_key)) {
      context->AddInitialMetadata(extended_key, "1");
    }
    return take(context, answers_, "MapperRegister", [&](std::shared_ptr<Answer> answer) {
      if (!request->has_mapper()) return answer->finish(absent("mapper"));
      handler_.mapper_register(Caller(), from_proto(request->mapper()), request->withdata(),
                               [answer, response](base::Result<Registration> result) {
                                 answer->finish(result.status(),
                                                [&] { *response = to_proto(*result); });
                               });
    });
  }

  Reactor* ReportDeviceStatus(Context* context, const v1beta1::ReportDeviceStatusRequest* request,
                              v1beta1::ReportDeviceStatusResponse*) override {
    return take(context, answers_, "ReportDeviceStatus", [&](std::shared_ptr<Answer> answer) {
      DeviceReport report = from_proto(*request);
      const Status checked = check("device", report.device, report.twins.size());
      if (!checked.ok()) return answer->finish(checked);
      handler_.report_status(Caller(), std::move(report), done_of(answer));
    });
  }

  Reactor* ReportDeviceStates(Context* context, const v1beta1::ReportDeviceStatesRequest* request,
                              v1beta1::ReportDeviceStatesResponse*) override {
    return take(context, answers_, "ReportDeviceStates", [&](std::shared_ptr<Answer> answer) {
      ObjectId device = id_of(request->devicenamespace(), request->devicename());
      const Status checked = check("device", device);
      if (!checked.ok()) return answer->finish(checked);
      if (request->state().empty()) return answer->finish(absent("state"));
      handler_.report_state(Caller(), std::move(device), request->state(), done_of(answer));
    });
  }

 private:
  Handler& handler_;
  Answers& answers_;
  BatchService batches_;
};

class MapperService final : public v1beta1::DeviceMapperService::CallbackService {
 public:
  using Handler = MapperHandler;
  MapperService(Handler& handler, Answers& answers) : handler_(handler), answers_(answers) {}

  void add_to(grpc::ServerBuilder& builder) { builder.RegisterService(this); }
  void close() {}

  Reactor* RegisterDevice(Context* context, const v1beta1::RegisterDeviceRequest* request,
                          v1beta1::RegisterDeviceResponse* response) override {
    return take(context, answers_, "RegisterDevice", [&](std::shared_ptr<Answer> answer) {
      with_device(*request, *answer, [&](Device device) {
        auto fill = [response, id = device.id] {
          response->set_devicename(id.name);
          response->set_devicenamespace(id.space);
        };
        handler_.register_device(std::move(device), done_of(answer, std::move(fill)));
      });
    });
  }

  Reactor* UpdateDevice(Context* context, const v1beta1::UpdateDeviceRequest* request,
                        v1beta1::UpdateDeviceResponse*) override {
    return take(context, answers_, "UpdateDevice", [&](std::shared_ptr<Answer> answer) {
      with_device(*request, *answer, [&](Device device) {
        handler_.update_device(std::move(device), done_of(answer));
      });
    });
  }

  Reactor* RemoveDevice(Context* context, const v1beta1::RemoveDeviceRequest* request,
                        v1beta1::RemoveDeviceResponse*) override {
    return take(context, answers_, "RemoveDevice", [&](std::shared_ptr<Answer> answer) {
      ObjectId id = id_of(request->devicenamespace(), request->devicename());
      const Status checked = check("device", id);
      if (!checked.ok()) return answer->finish(checked);
      handler_.remove_device(std::move(id), done_of(answer));
    });
  }

  Reactor* CreateDeviceModel(Context* context, const v1beta1::CreateDeviceModelRequest* request,
                             v1beta1::CreateDeviceModelResponse* response) override {
    return take(context, answers_, "CreateDeviceModel", [&](std::shared_ptr<Answer> answer) {
      with_model(*request, *answer, [&](DeviceModel model) {
        auto fill = [response, id = model.id] {
          response->set_devicemodelname(id.name);
          response->set_devicemodelnamespace(id.space);
        };
        handler_.create_model(std::move(model), done_of(answer, std::move(fill)));
      });
    });
  }

  Reactor* UpdateDeviceModel(Context* context, const v1beta1::UpdateDeviceModelRequest* request,
                             v1beta1::UpdateDeviceModelResponse*) override {
    return take(context, answers_, "UpdateDeviceModel", [&](std::shared_ptr<Answer> answer) {
      with_model(*request, *answer, [&](DeviceModel model) {
        handler_.update_model(std::move(model), done_of(answer));
      });
    });
  }

  Reactor* RemoveDeviceModel(Context* context, const v1beta1::RemoveDeviceModelRequest* request,
                             v1beta1::RemoveDeviceModelResponse*) override {
    return take(context, answers_, "RemoveDeviceModel", [&](std::shared_ptr<Answer> answer) {
      ObjectId id = id_of(request->modelnamespace(), request->modelname());
      const Status checked = check("model", id);
      if (!checked.ok()) return answer->finish(checked);
      handler_.remove_model(std::move(id), done_of(answer));
    });
  }

  Reactor* GetDevice(Context* context, const v1beta1::GetDeviceRequest* request,
                     v1beta1::GetDeviceResponse* response) override {
    return take(context, answers_, "GetDevice", [&](std::shared_ptr<Answer> answer) {
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
  Listener(std::string path, base::FileLock lock, typename Service::Handler& handler)
      : path_(std::move(path)), lock_(std::move(lock)), service_(handler, *answers_) {}

  Status start() {
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(max_message_bytes);
    builder.AddListeningPort(target_of(path_), grpc::InsecureServerCredentials());
    service_.add_to(builder);
    server_ = builder.BuildAndStart();
    if (!server_) {
      return Status(Code::unavailable, base::cat("socket ", path_, ": gRPC cannot listen there"));
    }
    // Until here the umask decides, which lets no more in than 0660 does to write.
    if (::chmod(path_.c_str(), 0660) == 0) return Status();
    return Status(Code::unavailable,
                  base::cat("socket ", path_, ": cannot chmod: ", std::strerror(errno)));
  }

  // Not on one of gRPC's threads, that is in no completion: it would wait for itself.
  ~Listener() override {
    if (!server_) return;
    service_.close();
    answers_->close(grace);
    server_->Shutdown(std::chrono::system_clock::now() + flush);
    server_.reset();
    ::unlink(path_.c_str());  // ours while lock_ lives
  }

 private:
  std::string path_;
  base::FileLock lock_;
  std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();
  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

template <class Service>
base::Result<std::unique_ptr<Server>> serve(const std::string& path,
                                            typename Service::Handler& handler) {
  if (const Status wrong = check_place(path); !wrong.ok()) return wrong;
  base::Result<base::FileLock> lock = base::FileLock::take(path + ".lock");
  if (!lock) return lock.status();
  if (is_served(path)) {
    return Status(Code::conflict, base::cat("socket ", path, ": another process serves there"));
  }
  auto server = std::make_unique<Listener<Service>>(path, std::move(*lock), handler);
  if (const Status failed = server->start(); !failed.ok()) return failed;
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace

base::Result<std::unique_ptr<Server>> serve_manager(const std::string& socket_path,
                                                    ManagerHandler& handler) {
  return serve<ManagerService>(socket_path, handler);
}

base::Result<std::unique_ptr<Server>> serve_mapper(const std::string& socket_path,
                                                   MapperHandler& handler) {
  return serve<MapperService>(socket_path, handler);
}

}  // namespace dmi::wire
