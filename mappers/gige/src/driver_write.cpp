// What is written to a camera: features, checked against its own limits, and what the mapper does
// for it. Features that a streaming camera keeps locked are written between a stop and a start.
#include <algorithm>
#include <thread>

#include "base/log.hpp"
#include "base/text.hpp"
#include "driver.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Value;

namespace {

bool unreachable(const Status& status) {
  return status.code() == Code::timeout || status.code() == Code::unavailable;
}

}  // namespace

Status CameraDriver::write(std::span<mapper::Command> batch) {
  const std::lock_guard lock(mutex_);
  bool locked = false;
  for (const mapper::Command& command : batch) {
    const Visitor& to = visitor(command.point);
    locked = locked || (to.source == Source::feature && features_.needs_stop(to.feature));
  }
  // no_stream_: it may be what is written here that lets it stream.
  const bool pause = streams_ && (locked || !no_stream_.ok());
  if (pause) {
    if (Status failed = camera_->stop(); unreachable(failed)) return failed;
  }
  const Status reached = write_all(batch);
  if (!reached.ok()) return reached;
  return pause ? start() : Status();
}

// In the order of the batch; what is refused is tried once more when the rest is written, because
// one feature's limits hang on another's value (Width and OffsetX).
Status CameraDriver::write_all(std::span<mapper::Command> batch) {
  for (int round = 0; round < 2; ++round) {
    for (mapper::Command& command : batch) {
      const bool again = command.status && (command.status->code() == Code::out_of_range ||
                                            command.status->code() == Code::refused);
      if (round == 0 ? command.status.has_value() : !again) continue;
      if (*gone_) return Status(Code::unavailable, station_->reason());
      const Visitor& to = visitor(command.point);
      Status status = to.source == Source::feature
                          ? features_.write(to.feature, command.value, to.selection)
                          : write_known(to, command.value);
      const bool gone = unreachable(status);
      command.status = status;
      if (gone) return status;
    }
  }
  return Status();
}

Status CameraDriver::write_known(const Visitor& to, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  switch (to.source) {
    case Source::image_trigger:
      return trigger();
    case Source::image_format: {
      if (!text) return Status(Code::invalid, "ImageFormat is a text: jpeg, png, tiff, pnm or raw");
      const Result<ImageFormat> format = image_format(*text);
      if (!format) return format.status();
      station_->feed->set_format(*format);
      return Status();
    }
    case Source::image_url:
      if (!text ||
          !(text->empty() || text->starts_with("http://") || text->starts_with("https://"))) {
        return Status(Code::invalid, "ImageURL is http://… or https://…, or empty for none");
      }
      station_->feed->set_post_url(*text);
      return Status();
    case Source::save_frame:
    case Source::save_video:
      return save(to);
    default:
      return Status(Code::unsupported, "it is measured, not set: accessMode must be ReadOnly");
  }
}

// With TriggerMode On and source Software the camera is triggered; otherwise it runs free, and the
// next frame is as good as any. Waits for the frame, so that who reads next sees it.
Status CameraDriver::trigger() {
  if (!no_stream_.ok()) return no_stream_;
  if (!streams_) return Status(Code::unsupported, "the device does not stream: stream is false");
  const std::uint64_t before = station_->sequence;
  const Result<Value> mode = features_.read("TriggerMode");
  if (mode && *mode == Value(std::string("On"))) {
    const Result<Value> source = features_.read("TriggerSource");
    if (source && *source == Value(std::string("Software"))) {
      if (Status failed = features_.write("TriggerSoftware", Value(true)); !failed.ok()) {
        return failed;
      }
    }
  }
  const Result<ImagePtr> image = station_->feed->image(before, trigger_patience);
  return image ? Status() : image.status();
}

Status CameraDriver::save(const Visitor& to) {
  return to.source == Source::save_video
             ? station_->feed->save_video(to.save.frames, to.save.rate())
             : station_->feed->save_frames(
                   to.save.frames,
                   std::chrono::duration_cast<std::chrono::milliseconds>(to.save.interval));
}

// HTTP's way to a command: only to those that the device has as a writable property.
Status CameraDriver::run_command(const std::string& property) {
  const std::lock_guard lock(mutex_);
  for (const mapper::Point& point : target_.points) {
    const Visitor& to = visitor(point);
    if (point.name != property || !point.writable) continue;
    if (to.source == Source::image_trigger) return trigger();
    if (to.source == Source::save_frame || to.source == Source::save_video) return save(to);
    if (to.source != Source::feature) break;
    const Result<Feature> feature = features_.describe(to.feature);
    if (!feature) return feature.status();
    if (feature->kind != Kind::command) break;
    return features_.write(to.feature, Value(true), to.selection);
  }
  return Status(Code::not_found, cat("no command ", property, " among the writable properties of ",
                                     target_.id.to_string()));
}

}  // namespace gige
