// What the properties of a camera read: its features, and what the mapper knows of it.
#include <cmath>
#include <fstream>

#include "base/number.hpp"
#include "base/text.hpp"
#include "driver.hpp"
#include "gige/bandwidth.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Value;

namespace {

// A picture in the twin is at most one frame old; who asks waits this long for the first.
constexpr auto image_patience = std::chrono::milliseconds(0);

std::string time_text(std::int64_t ns) {
  return base::to_rfc3339(
      base::Time(std::chrono::duration_cast<base::Time::duration>(std::chrono::nanoseconds(ns))));
}

std::int64_t whole(std::uint64_t count) { return static_cast<std::int64_t>(count); }

}  // namespace

Result<Value> converted(const Value& value, dmi::Type type) {
  double number = 0;
  std::int64_t whole = 0;
  switch (type) {
    case dmi::Type::float32:
    case dmi::Type::float64:
      if (dmi::to_number(value, number)) return Value(number);
      break;
    case dmi::Type::integer:
      if (std::holds_alternative<std::int64_t>(value)) return value;
      // 2^53: up to there a double is exact.
      if (dmi::to_number(value, number) && base::to_whole(number, whole) &&
          std::abs(number) <= 9007199254740992.0) {
        return Value(whole);
      }
      break;
    case dmi::Type::boolean:
      if (std::holds_alternative<bool>(value)) return value;
      if (dmi::to_number(value, number) && (number == 0 || number == 1)) return Value(number == 1);
      break;
    case dmi::Type::string:
    case dmi::Type::stream:
      if (const auto* flag = std::get_if<bool>(&value)) {
        return Value(std::string(*flag ? "true" : "false"));
      }
      if (const auto* count = std::get_if<std::int64_t>(&value)) return Value(cat(*count));
      if (const auto* real = std::get_if<double>(&value)) {
        return Value(dmi::to_text(*real, dmi::Type::float64));
      }
      if (std::holds_alternative<std::string>(value)) return value;
      break;
    case dmi::Type::bytes:
      if (std::holds_alternative<dmi::Bytes>(value)) return value;
      break;
  }
  return Status(Code::malformed,
                cat("what the camera says is no ", dmi::name(type), ": give it another type"));
}

Result<Value> CameraDriver::value_of(const mapper::Point& point) {
  const Visitor& source = visitor(point);
  Result<Value> value = source.source == Source::feature
                            ? features_.read(source.feature, source.selection)
                            : known(source);
  if (!value) return value;
  return converted(*value, point.type);
}

Result<Value> CameraDriver::known(const Visitor& visitor) {
  switch (visitor.source) {
    case Source::image_trigger:
      if (const Status failed = trigger(); !failed.ok()) return failed;
      return image_value(Source::image_reference);
    case Source::image_format:
      return Value(std::string(name(station_->feed->format())));
    case Source::image_url:
      return Value(station_->feed->post_url());
    case Source::frame_rate:
      return Value(station_->rate.rate(std::chrono::steady_clock::now()));
    case Source::frame_rate_asked:
      return frame_rate_asked();
    case Source::link_speed:
      return link_speed();
    case Source::link_share:
      return link_share();
    case Source::temperature:
      return features_.read("DeviceTemperature");
    case Source::controller:
      return Value(who_controls());
    case Source::address:
      return Value(camera_->info().ip);
    case Source::clock_offset:
    case Source::clock_status:
      return clock(visitor.source);
    case Source::save_frame:
    case Source::save_video:
      return Value(whole(station_->feed->counters().saved));
    case Source::image_reference:
    case Source::image_id:
    case Source::image_size:
    case Source::image_hash:
    case Source::image_time:
      return image_value(visitor.source);
    default:
      return counter(visitor.source);
  }
}

Result<Value> CameraDriver::counter(Source source) const {
  const StreamCounters all = station_->total() + camera_->counters();
  switch (source) {
    case Source::frames_complete:
      return Value(whole(all.complete));
    case Source::frames_missing_packets:
      return Value(whole(all.missing_packets));
    case Source::frames_aborted:
      return Value(whole(all.aborted));
    case Source::frames_underrun:
      return Value(whole(all.underrun));
    case Source::frames_malformed:
      return Value(whole(all.malformed));
    case Source::packets_resent:
      return Value(whole(all.resent_packets));
    case Source::packets_lost:
      return Value(whole(all.lost_packets));
    case Source::packets_foreign:
      return Value(whole(all.foreign_packets));
    default:
      return Status(Code::internal, "a source without a value");
  }
}

// The properties of one picture agree with each other while one batch is read: a new picture is
// taken over with the reference, which stands first in the twin of who wants all of them.
Result<Value> CameraDriver::image_value(Source source) {
  if (!no_stream_.ok()) return no_stream_;
  const bool next = source == Source::image_reference || !image_;
  if (next) {
    Result<ImagePtr> image = station_->feed->image(0, image_patience);
    if (!image) return image.status();
    image_ = std::move(*image);
  }
  switch (source) {
    case Source::image_id:
      return Value(whole(image_->info.id));
    case Source::image_size:
      return Value(whole(image_->bytes.size()));
    case Source::image_hash:
      return Value(image_->sha256);
    case Source::image_time:
      return Value(time_text(image_->info.arrived_ns));
    default:
      // Only characters that a stock EdgeCore lets through in a twin.
      return Value(cat(image_->link, "#id:", image_->info.id, ",size:", image_->bytes.size(),
                       ",sha256:", image_->sha256, ",time:", time_text(image_->info.arrived_ns)));
  }
}

Result<Value> CameraDriver::frame_rate_asked() {
  const Result<Value> triggered = features_.read("TriggerMode");
  if (triggered && *triggered == Value(std::string("On"))) {
    return Status(Code::unsupported, "frames come when triggered: TriggerMode is On");
  }
  return features_.read("AcquisitionFrameRate");
}

Result<Value> CameraDriver::link_speed() {
  double number = 0;
  const Result<Value> megabits = features_.read("GevLinkSpeed");
  if (megabits && dmi::to_number(*megabits, number)) return Value(number);
  const Result<Value> bytes = features_.read("DeviceLinkSpeed");  // SFNC: bytes per second
  if (bytes && dmi::to_number(*bytes, number)) return Value(number * 8 / 1e6);
  std::ifstream file(cat("/sys/class/net/", camera_->info().interface_name, "/speed"));
  if (file >> number && number > 0) return Value(number);
  return Status(Code::unsupported,
                cat("neither the camera nor ", camera_->info().interface_name, " tells its speed"));
}

// What a second of frames takes on the wire, of what the link carries in a second.
Result<Value> CameraDriver::link_share() {
  const Result<Value> speed = link_speed();
  if (!speed) return speed;
  const FrameInfo newest = station_->newest();
  double rate = 0;
  const Result<Value> asked = frame_rate_asked();
  if (asked) {
    dmi::to_number(*asked, rate);
  } else {
    rate = station_->rate.rate(std::chrono::steady_clock::now());
  }
  if (newest.size == 0) return Status(Code::stale, "no frame has come yet");
  double megabits = 0;
  dmi::to_number(*speed, megabits);
  return Value(budget({{"", newest.size, rate, camera_->packet_size()}}, megabits).percent);
}

Result<Value> CameraDriver::clock(Source source) {
  const FrameInfo newest = station_->newest();
  if (source == Source::clock_offset) {
    if (newest.exposed_ns == 0) return Status(Code::stale, "no frame has told the camera's time");
    return Value(newest.exposed_ns - newest.camera_ns);
  }
  for (const char* feature : {"PtpStatus", "GevIEEE1588Status"}) {
    const Result<Value> status = features_.read(feature);
    if (status && std::holds_alternative<std::string>(*status)) {
      return Value(cat("ptp ", std::get<std::string>(*status)));
    }
  }
  return Value(std::string(newest.exposed_ns == 0 ? "none" : "mapped"));
}

std::string CameraDriver::who_controls() {
  const Controller controller = camera_->controller();
  switch (controller.who) {
    case Controller::Who::us:
      return "us";
    case Controller::Who::nobody:
      return "nobody";
    case Controller::Who::another:
      return controller.ip.empty() ? "another" : controller.ip;
    default:
      return "unknown";
  }
}

}  // namespace gige
