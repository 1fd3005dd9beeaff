#include "uplink.hpp"

#include <sys/stat.h>

#include "base/text.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Status;
using std::chrono::milliseconds;

base::Result<std::unique_ptr<Uplink>> Uplink::start(base::Loop& loop, Opener open,
                                                    Settings settings) {
  std::unique_ptr<Uplink> uplink(new Uplink(loop, std::move(open), std::move(settings)));
  auto server = dmi::wire::serve_mapper(uplink->settings_.info.address, *uplink);
  if (!server) return server.status();
  uplink->server_ = std::move(*server);
  uplink->register_now();
  uplink->look();
  return uplink;
}

Uplink::Uplink(base::Loop& loop, Opener open, Settings settings)
    : loop_(loop),
      settings_(std::move(settings)),
      inbox_(std::make_shared<Inbox>(loop)),
      context_{loop,
               std::move(open),
               settings_.info.protocol,
               repeats_,
               [this](Session& session) { teller_.news(session); },
               true,
               settings_.ledger},
      fleet_(context_),
      client_(dmi::wire::connect_manager(settings_.edgecore_sock)),
      teller_(loop, *inbox_, *client_, fleet_, repeats_, settings_.info.name, [this] { away(); }),
      watch_timer_(loop),
      register_timer_(loop),
      backoff_(milliseconds(100), milliseconds(5000),
               static_cast<std::uint32_t>(std::hash<std::string>()(settings_.info.name))) {
  context_.longest_retry = settings_.longest_retry;
}

Uplink::~Uplink() {
  // With the inbox closed, calls are answered with unavailable and completions end in it.
  inbox_->close();
  teller_.stop();
  server_.reset();
  client_.reset();
}

Uplink::FileId Uplink::file_at(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return {};
  return {file.st_ino, file.st_mtim.tv_sec * 1'000'000'000 + file.st_mtim.tv_nsec};
}

void Uplink::look() {
  watch_timer_.start(watch, [this] { look(); });
  inbox_->drain();
  const FileId now = file_at(settings_.edgecore_sock);
  // Without a file the old one may still serve; its end is noticed by calls.
  if (now.inode == 0 || now == socket_ || calling_ || !registered_) return;
  base::log_info(cat(settings_.edgecore_sock, ": the edge core is another one; registering again"));
  away();
}

void Uplink::away() {
  if (!registered_) return;
  registered_ = false;
  teller_.stop();
  register_soon();
}

void Uplink::register_soon() {
  register_timer_.start(backoff_.next(), [this] { register_now(); });
}

void Uplink::register_now() {
  calling_ = true;
  socket_ = file_at(settings_.edgecore_sock);
  if (socket_.inode == 0) {
    repeats_.warn(loop_.now(), "register",
                  cat("waiting for the edge core at ", settings_.edgecore_sock));
  }
  client_->mapper_register(settings_.info, [this, inbox = inbox_](auto answer) {
    auto kept = std::make_shared<decltype(answer)>(std::move(answer));
    inbox->post([this, kept] { answered(std::move(*kept)); });
  });
}

void Uplink::answered(base::Result<dmi::wire::Registration> answer) {
  calling_ = false;
  if (!answer) {
    run_early();
    repeats_.warn(loop_.now(), "register", cat("registering: ", answer.status().to_string()));
    return register_soon();
  }
  backoff_.reset();
  repeats_.over("register", "the edge core answers");
  base::log_info(cat("registered as ", settings_.info.name, " for ", settings_.info.protocol,
                     " at ", settings_.edgecore_sock, ": ", answer->devices.size(), " devices"));
  registered_ = true;
  registration_ = answer->number;
  context_.loses_first = !answer->extended;
  fleet_.become(std::move(answer->models), std::move(answer->devices));
  run_early();
  for (const auto& [id, session] : fleet_.sessions()) {
    session->retell();
    if (session->has_news()) teller_.news(*session);
  }
  teller_.start(answer->extended);
}

template <class Task>
void Uplink::in_turn(std::int64_t registration, dmi::wire::Done done, Task task) {
  inbox_->post([this, registration, done = std::move(done), task = std::move(task)]() mutable {
    auto run = [this, registration, done = std::move(done), task = std::move(task)]() mutable {
      if (registration == 0 || registration == registration_) return done(task());
      done(Status(Code::stale, cat("made after registration ", registration,
                                   ", which another one has followed")));
    };
    if (registration == 0 || !calling_) return run();
    early_.emplace_back(std::move(run));
  });
}

void Uplink::run_early() {
  for (base::Loop::Task& task : std::exchange(early_, {})) task();
}

void Uplink::register_device(std::int64_t registration, dmi::Device device, dmi::wire::Done done) {
  update_device(registration, std::move(device), std::move(done));
}

void Uplink::update_device(std::int64_t registration, dmi::Device device, dmi::wire::Done done) {
  in_turn(registration, std::move(done),
          [this, device = std::move(device)]() mutable { return fleet_.put(std::move(device)); });
}

// Idempotent: a device that is gone already is what was asked for.
void Uplink::remove_device(std::int64_t registration, dmi::ObjectId device, dmi::wire::Done done) {
  in_turn(registration, std::move(done), [this, device = std::move(device)] {
    const Status gone = fleet_.remove(device);
    return gone.code() == Code::not_found ? Status() : gone;
  });
}

void Uplink::create_model(std::int64_t registration, dmi::DeviceModel model, dmi::wire::Done done) {
  in_turn(registration, std::move(done), [this, model = std::move(model)]() mutable {
    fleet_.put(std::move(model));
    return Status();
  });
}

void Uplink::update_model(std::int64_t registration, dmi::DeviceModel model, dmi::wire::Done done) {
  create_model(registration, std::move(model), std::move(done));
}

void Uplink::remove_model(std::int64_t registration, dmi::ObjectId model, dmi::wire::Done done) {
  in_turn(registration, std::move(done), [this, model = std::move(model)] {
    fleet_.remove_model(model);
    return Status();
  });
}

void Uplink::get_device(
    dmi::ObjectId device,
    std::function<void(base::Result<std::pair<dmi::Device, dmi::DeviceReport>>)> done) {
  inbox_->post([this, device = std::move(device), done = std::move(done)] {
    const Session* session = fleet_.find(device);
    if (session == nullptr) {
      return done(Status(Code::not_found, cat(device.to_string(), ": no such device here")));
    }
    done(std::pair(session->device(), session->full_report()));
  });
}

}  // namespace mapper
