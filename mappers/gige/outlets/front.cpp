#include "outlets/front.hpp"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.hpp"
#include "base/text.hpp"
#include "base/token.hpp"
#include "outlets/image.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

constexpr std::string_view text_type = "text/plain; charset=utf-8";
// One picture of a slow viewer: nothing more is ever written to him before he has taken it.
constexpr std::size_t max_backlog_bytes = std::size_t{256} << 20;
constexpr std::size_t max_connections = 256;
// Requests have no bodies worth reading.
constexpr std::size_t max_body_bytes = 4096;
// Streams of cameras that are gone are ended within:
constexpr auto sweep_every = std::chrono::seconds(1);
constexpr double max_fps = 1000;

void refuse(const std::shared_ptr<base::http::Response>& answer, int status, std::string text,
            base::http::Response::Headers headers = {}) {
  answer->send(status, text_type, text + "\n", std::move(headers));
}

int http_status(const Status& status) {
  switch (status.code()) {
    case Code::stale:
    case Code::unavailable:
    case Code::timeout:
      return 503;
    case Code::unsupported:
      return 501;
    default:
      return 500;
  }
}

void send_image(const std::shared_ptr<base::http::Response>& answer, const std::string& known,
                const Image& image) {
  base::http::Response::Headers all = headers(image.info);
  const std::string etag = cat('"', image.sha256, '"');
  all.emplace_back("ETag", etag);
  // To be asked for again each time; with the ETag that costs no picture when it is the same.
  all.emplace_back("Cache-Control", "no-cache");
  all.emplace_back("X-Content-Type-Options", "nosniff");
  if (known == "*" || known.find(etag) != std::string::npos) {
    return answer->send(304, "", "", std::move(all));
  }
  answer->send(200, media_type(image.format), std::string(image.bytes.begin(), image.bytes.end()),
               std::move(all));
}

// "127.0.0.1:8090", "[::1]:8090".
Status parse_address(const std::string& text, base::http::Options& options) {
  const std::size_t colon = text.rfind(':');
  std::int64_t port = 0;
  const bool good = colon != text.npos && base::parse_int(text.substr(colon + 1), port) &&
                    port >= 0 && port <= 65535;
  if (!good) {
    return Status(Code::invalid, cat("http: ", text, " is not of the form IP:PORT (--http)"));
  }
  options.address = text.substr(0, colon);
  if (options.address.starts_with('[') && options.address.ends_with(']')) {
    options.address = options.address.substr(1, options.address.size() - 2);
  }
  options.port = static_cast<std::uint16_t>(port);
  return Status();
}

// "https://gate.plant:8443/cams" → "gate.plant".
std::string host_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == url.npos) return "";
  url.remove_prefix(scheme + 3);
  return std::string(url.substr(0, url.find_first_of(":/")));
}

std::vector<std::string> names_of(const Outlets::Options& options) {
  std::vector<std::string> names;
  for (const std::string_view name : base::split(options.http_names, ',')) {
    if (!name.empty()) names.emplace_back(name);
  }
  if (std::string host = host_of(options.public_url); !host.empty()) names.push_back(host);
  return names;
}

}  // namespace

std::string default_token_file() {
  const auto set = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  std::string folder = set("STATE_DIRECTORY");
  folder = folder.substr(0, folder.find(':'));
  if (folder.empty()) folder = set("XDG_STATE_HOME");
  if (folder.empty() && !set("HOME").empty()) folder = set("HOME") + "/.local/state";
  return folder.empty() ? "" : folder + "/gige-mapper/http.token";
}

Result<std::unique_ptr<Front>> Front::start(const Outlets::Options& wanted, Registry& registry) {
  const std::string& address = wanted.http;
  base::http::Options options;
  options.max_backlog_bytes = max_backlog_bytes;
  options.max_connections = max_connections;
  options.max_body_bytes = max_body_bytes;
  if (Status status = parse_address(address, options); !status.ok()) return status;
  options.names = names_of(wanted);
  options.names_flag = "--http-names";
  std::unique_ptr<Front> front(new Front(registry));
  front->names_ = options.names;
  front->load_token(wanted.http_token);
  auto server = base::http::Server::listen(
      front->loop_, options, [self = front.get()](const Request& request, const Answer& answer) {
        self->handle(request, answer);
      });
  if (!server) {
    return Status(
        server.status().code(),
        cat(server.status().text(), "; choose another address with --http, or --http off"));
  }
  front->server_ = std::move(*server);
  front->address_ = cat(address.substr(0, address.rfind(':')), ':', front->server_->port());
  front->thread_ = std::thread([self = front.get()] { self->loop_.run(); });
  ::pthread_setname_np(front->thread_.native_handle(), "gige-http");
  front->loop_.post([self = front.get()] { self->sweep(); });
  return front;
}

Front::~Front() {
  if (!thread_.joinable()) return;
  loop_.post([this] {
    for (const auto& [device, stream] : streams_) {
      if (const auto feed = stream.feed.lock()) feed->watch(nullptr, {});
    }
    streams_.clear();
    later_.clear();
    sweep_.stop();
    server_.reset();
    loop_.stop();
  });
  thread_.join();
}

void Front::handle(const Request& request, const Answer& answer) {
  const Route asked = route(request.path);
  if (asked.kind == Route::Kind::none) {
    return refuse(answer, 404, "there is nothing here; / lists the cameras");
  }
  const bool command = asked.kind == Route::Kind::command;
  const bool allowed =
      command ? request.method == "POST" : request.method == "GET" || request.method == "HEAD";
  if (!allowed) {
    return refuse(answer, 405, command ? "a command is run with POST" : "this can only be read",
                  {{"Allow", command ? "POST" : "GET, HEAD"}});
  }
  command ? this->command(asked, request, answer) : get(asked, request, answer);
}

void Front::get(const Route& route, const Request& request, const Answer& answer) {
  std::vector<dmi::Json> cameras;
  switch (route.kind) {
    case Route::Kind::latest:
      return latest(route, request, answer);
    case Route::Kind::frame:
      return frame(route, request, answer);
    case Route::Kind::stream:
      return stream(route, request, answer);
    default:
      break;
  }
  for (const auto& feed : registry_.all()) {
    cameras.push_back(feed->describe());
    const auto stream = streams_.find(feed->device());
    cameras.back()["viewers"] = stream == streams_.end() ? 0 : stream->second.viewers.size();
  }
  if (route.kind == Route::Kind::page) {
    return answer->send(200, "text/html; charset=utf-8", page(cameras),
                        {{"Cache-Control", "no-store"}});
  }
  answer->send(200, "application/json", dmi::to_text(dmi::Json(cameras)) + "\n",
               {{"Cache-Control", "no-store"}});
}

std::uint64_t Front::later(const Answer& answer) {
  const std::uint64_t number = next_++;
  later_.emplace(number, answer);
  answer->on_closed([this, number] { later_.erase(number); });
  return number;
}

Front::Answer Front::take(std::uint64_t number) {
  const auto node = later_.extract(number);
  return node ? node.mapped() : nullptr;
}

void Front::latest(const Route& route, const Request& request, const Answer& answer) {
  const auto feed = registry_.find(route.device);
  if (!feed) return refuse(answer, 404, cat("there is no camera ", route.device.to_string()));
  feed->request(route.format, [this, number = later(answer),
                               known = std::string(request.header("if-none-match"))](
                                  const Result<ImagePtr>& image) {
    loop_.post([this, number, known, image] {
      const Answer waiting = take(number);
      if (!waiting) return;
      if (image) return send_image(waiting, known, **image);
      refuse(waiting, http_status(image.status()), image.status().text(), {{"Retry-After", "1"}});
    });
  });
}

void Front::frame(const Route& route, const Request& request, const Answer& answer) {
  const auto feed = registry_.find(route.device);
  if (!feed) return refuse(answer, 404, cat("there is no camera ", route.device.to_string()));
  const ImagePtr image = feed->reference(route.sequence, route.format);
  if (image) return send_image(answer, std::string(request.header("if-none-match")), *image);
  if (route.sequence > feed->newest()) {
    return refuse(answer, 404, cat("frame ", route.sequence, " has not come yet"));
  }
  refuse(answer, 410,
         cat("frame ", route.sequence, " is gone: the last ", References::max_images,
             " images that were asked for by link are kept, and of this one none was, or it was "
             "long ago"));
}

void Front::stream(const Route& route, const Request& request, const Answer& answer) {
  const auto feed = registry_.find(route.device);
  if (!feed) return refuse(answer, 404, cat("there is no camera ", route.device.to_string()));
  base::Duration every{};
  if (request.has_parameter("fps")) {
    double fps = 0;
    if (!base::parse_double(request.parameter("fps"), fps) || !(fps > 0) || fps > max_fps) {
      return refuse(answer, 400, cat("fps is a number above 0, to ", max_fps));
    }
    // Below one picture a day there is none.
    const std::chrono::duration<double> interval(std::min(1 / fps, 86'400.0));
    every = std::chrono::duration_cast<base::Duration>(interval);
  }
  if (request.method == "HEAD") return answer->send(200, Viewers::content_type, "");
  sweep();  // a former feed's stream of this device: it begins anew, and so may its sequences
  Stream& stream = streams_.try_emplace(route.device, loop_).first->second;
  stream.feed = feed;
  stream.viewers.add(answer, every);
  // By address only: the Response holds this function, and must not hold itself.
  answer->on_closed([this, device = route.device, viewer = answer.get()] {
    const auto found = streams_.find(device);
    if (found == streams_.end()) return;
    found->second.viewers.remove(viewer);
    watch_anew(device);
  });
  watch_anew(route.device);
  // The picture that is there already, for a camera that takes one an hour.
  feed->request(ImageFormat::jpeg, [this, device = route.device](const Result<ImagePtr>& image) {
    if (!image) return;
    loop_.post([this, device, picture = *image] {
      const auto found = streams_.find(device);
      if (found != streams_.end()) found->second.viewers.show(picture);
    });
  });
}

void Front::watch_anew(const dmi::ObjectId& device) {
  const auto found = streams_.find(device);
  const auto feed = found->second.feed.lock();
  if (found->second.viewers.size() == 0) {
    if (feed) feed->watch(nullptr, {});
    streams_.erase(found);
    return;
  }
  if (!feed) return;
  feed->watch(
      [this, device](const ImagePtr& picture) {
        loop_.post([this, device, picture] {
          const auto stream = streams_.find(device);
          if (stream != streams_.end()) stream->second.viewers.show(picture);
        });
      },
      found->second.viewers.fastest());
}

// A camera that was removed, or whose settings were changed: its viewers ask again.
void Front::sweep() {
  std::erase_if(streams_, [this](const auto& each) {
    const auto feed = each.second.feed.lock();
    const bool former = registry_.find(each.first) != feed;
    if (feed && former) feed->watch(nullptr, {});
    return !feed || former;
  });
  sweep_.start(sweep_every, [this] { sweep(); });
}

void Front::load_token(const std::string& file) {
  const auto token = file.empty() ? Result<std::string>(Status(Code::invalid, "no file is set"))
                                  : base::token_of(file);
  if (token) {
    token_ = *token;
    remedy_ = cat("commands need the token in ", file,
                  ": Authorization: Bearer TOKEN (--http-token names another file)");
    base::log_info(cat("http: ", remedy_));
  } else {
    remedy_ = cat("commands are refused, there is no token: ", token.status().text(),
                  "; --http-token FILE");
    base::log_warning(cat("http: ", remedy_));
  }
}

bool Front::may_command(const Request& request, const Answer& answer) const {
  // A page of somebody else's, open in a browser beside us, must not move cameras.
  if (base::http::is_cross_site(request, names_)) {
    refuse(answer, 403, "commands are not taken from other sites' pages");
  } else if (token_.empty()) {
    refuse(answer, 403, remedy_);
  } else if (!base::is_bearer(request.header("authorization"), token_)) {
    refuse(answer, 401, remedy_, {{"WWW-Authenticate", "Bearer"}});
  } else {
    return true;
  }
  return false;
}

void Front::command(const Route& route, const Request& request, const Answer& answer) {
  if (!may_command(request, answer)) return;
  const auto feed = registry_.find(route.device);
  if (!feed) return refuse(answer, 404, cat("there is no camera ", route.device.to_string()));
  const std::uint64_t number = later(answer);
  const bool taken = feed->run_command(route.command, [this, number](const Status& status) {
    loop_.post([this, number, status] {
      const Answer waiting = take(number);
      if (!waiting) return;
      if (status.ok()) return refuse(waiting, 200, "done");
      refuse(waiting, status.code() == Code::not_found ? 404 : 409, status.text());
    });
  });
  if (!taken) refuse(take(number), 503, "too many commands wait already");
}

}  // namespace gige
