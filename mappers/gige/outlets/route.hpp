// What a URL of the cameras' HTTP server asks for. The path is only ever compared and taken apart,
// never made into a file's name. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dmi/device.hpp"
#include "gige/encode.hpp"

namespace gige {

struct Route {
  enum class Kind : std::uint8_t {
    none,     // nothing of ours
    page,     // /
    cameras,  // /cameras
    latest,   // /cameras/NAMESPACE/NAME/latest.EXTENSION
    stream,   // /cameras/NAMESPACE/NAME/stream.mjpg
    frame,    // /cameras/NAMESPACE/NAME/frames/SEQUENCE.EXTENSION
    command,  // /cameras/NAMESPACE/NAME/commands/COMMAND
  };
  Kind kind = Kind::none;
  dmi::ObjectId device;                    // latest, stream, frame, command
  ImageFormat format = ImageFormat::jpeg;  // latest, frame
  std::uint64_t sequence = 0;              // frame
  std::string command;                     // command; not empty
};

// path: decoded (base::http::Request::path).
Route route(std::string_view path);

// The path of a frame, encoded for a URL: what route() takes for Kind::frame.
std::string frame_path(const dmi::ObjectId& device, std::uint64_t sequence, ImageFormat format);
// "/cameras/NAMESPACE/NAME", encoded for a URL.
std::string device_path(const dmi::ObjectId& device);

}  // namespace gige
