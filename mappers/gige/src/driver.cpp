#include "driver.hpp"

#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "gige/driver.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

void say_where(const std::string& device, Station& station, const std::string& ip) {
  const std::string former = station.moved_to(ip);
  if (!former.empty() && former != ip) {
    base::log_warning(cat(device, ": the camera was at ", former, " and is at ", ip, " now"));
  }
}

}  // namespace

Result<std::unique_ptr<mapper::Driver>> CameraDriver::open(const mapper::Target& target,
                                                           const mapper::Sink& sink,
                                                           Stations& stations) {
  Result<Settings> settings = parse_settings(target);
  if (!settings) return settings.status();
  std::vector<Visitor> visitors;
  for (const mapper::Point& point : target.points) {
    Result<Visitor> visitor = parse_visitor(point);
    if (!visitor) return visitor.status();
    visitors.push_back(std::move(*visitor));
  }
  auto station = stations.get(target.id, settings->outlets, target.protocol.json().dump());
  if (!station) return station.status();
  const auto offline = [&](const Status& why) {
    (*station)->feed->set_online(false, why.text());
    return why;
  };
  const Result<CameraInfo> info = find(settings->camera, search);
  if (!info) return offline(info.status());
  say_where(target.id.to_string(), **station, info->ip);
  Result<std::unique_ptr<Camera>> camera = Camera::open(*info, settings->link);
  if (!camera) return offline(camera.status());
  return std::unique_ptr<mapper::Driver>(new CameraDriver(target, sink, std::move(*settings),
                                                          std::move(visitors), std::move(*station),
                                                          std::move(*camera)));
}

CameraDriver::CameraDriver(const mapper::Target& target, mapper::Sink sink, Settings settings,
                           std::vector<Visitor> visitors, std::shared_ptr<Station> station,
                           std::unique_ptr<Camera> camera)
    : target_(target),
      sink_(std::move(sink)),
      settings_(std::move(settings)),
      visitors_(std::move(visitors)),
      station_(std::move(station)),
      camera_(std::move(camera)),
      features_(camera_->device()) {
  station_->lost("");
  station_->feed->set_online(true, "");
  door_->driver = this;
  station_->feed->on_command([door = door_](const std::string& name) {
    const std::lock_guard lock(door->mutex);
    return door->driver ? door->driver->run_command(name)
                        : Status(Code::unavailable, "the camera is not connected");
  });
  camera_->watch([sink = sink_, station = station_, gone = gone_](const Status& why) {
    station->lost(why.text());
    *gone = true;
    sink.lost(why);
  });
}

CameraDriver::~CameraDriver() {
  {
    const std::lock_guard lock(door_->mutex);
    door_->driver = nullptr;
  }
  const std::string why = station_->reason();
  station_->feed->set_online(false, why.empty() ? "closed" : why);
  // A camera that is gone cannot be told to stop.
  static_cast<void>(camera_->stop());
  station_->add(camera_->counters());
  station_->rate.reset();
}

// ok also when it cannot stream as it is set now: its features can still be read and mended.
Status CameraDriver::start() {
  no_stream_ = camera_->start(
      settings_.ring_name, station_->sequence,
      [station = station_](const std::shared_ptr<FrameRing>& ring, const FrameInfo& info) {
        station->took(info);
        station->feed->put(ring, info);
      });
  if (no_stream_.ok()) return Status();
  if (no_stream_.retriable()) return no_stream_;
  base::log_warning(cat(target_.id.to_string(), ": no stream: ", no_stream_.text()));
  return Status();
}

void CameraDriver::settled() {
  const std::lock_guard lock(mutex_);
  if (!settings_.stream) return;
  streams_ = true;
  if (const Status failed = start(); !failed.ok()) {
    station_->lost(failed.text());
    return sink_.lost(failed);
  }
  if (!station_->first_start()) return;
  for (const Visitor& visitor : visitors_) {
    if (visitor.source != Source::save_frame && visitor.source != Source::save_video) continue;
    if (const Status failed = save(visitor); !failed.ok()) {
      base::log_warning(cat(target_.id.to_string(), ": nothing is saved: ", failed.text()));
    }
  }
}

Status CameraDriver::read(std::span<mapper::Reading> batch) {
  const std::lock_guard lock(mutex_);
  for (mapper::Reading& reading : batch) {
    if (*gone_) return Status(Code::unavailable, station_->reason());
    Result<dmi::Value> value = value_of(reading.point);
    const base::Time now = std::chrono::system_clock::now();
    if (value) {
      reading.sample.emplace(std::move(*value), now);
      continue;
    }
    // Every further question would take seconds too.
    const Code code = value.status().code();
    if (code == Code::timeout || code == Code::unavailable) return value.status();
    reading.sample.emplace(value.status(), now);
  }
  return Status();
}

mapper::Protocol protocol() {
  // What the flags set. Shared with the protocol's copies, which outlive main()'s locals.
  const auto flags = std::make_shared<Outlets::Options>();
  flags->http_token = default_token_file();
  const auto stations = std::make_shared<Stations>([flags] { return *flags; });
  mapper::Protocol protocol;
  protocol.name = "GigEVision";
  protocol.longest_retry = std::chrono::milliseconds(500);
  protocol.open = [stations](const mapper::Target& target, const mapper::Sink& sink) {
    return CameraDriver::open(target, sink, *stations);
  };
  protocol.check = check;
  protocol.options = {
      {"--http", "ADDRESS:PORT",
       cat("where latest images and MJPEG streams are served; off: nowhere (default: ", flags->http,
           ")"),
       &flags->http},
      {"--public-url", "URL",
       "how others reach that address, for the links in twins (default: http://ADDRESS:PORT)",
       &flags->public_url},
      {"--http-names", "NAME,...",
       "names that browsers may reach it by (default: IP addresses, localhost, the machine's name "
       "and that of --public-url)",
       &flags->http_names},
      {"--http-token", "FILE",
       cat("whose token commands over HTTP have to show; made when absent (default: ",
           flags->http_token, ")"),
       &flags->http_token}};
  return protocol;
}

}  // namespace gige
