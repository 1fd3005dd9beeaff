// What a Device object says of a camera: protocol.configData and visitors.configData, checked.
// docs/gige.md has the tables. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/status.hpp"
#include "dmi/config.hpp"
#include "gige/camera.hpp"
#include "gige/features.hpp"
#include "gige/outlets.hpp"
#include "mapper/driver.hpp"

namespace gige {

struct Settings {
  CameraQuery camera;
  LinkSettings link;
  bool stream = true;     // false: features only
  std::string ring_name;  // of /dev/shm; default gige-NAMESPACE-NAME
  OutletSettings outlets;
};

// What a property of the device is: a feature of the camera, or something the mapper knows of it.
enum class Source : std::uint8_t {
  feature,
  // Pseudo features, by name (FeatureName of the visitor):
  image_reference,  // "Image": link, size, hash and time of the newest frame, in one text
  image_id,
  image_size,
  image_hash,
  image_time,
  image_trigger,  // "ImageTrigger" (KubeEdge): reading or writing it takes one frame
  image_format,   // "ImageFormat" (KubeEdge): jpeg png tiff raw pnm
  image_url,      // "ImageURL" (KubeEdge): where frames are posted to
  frame_rate,     // achieved, 1/s, over the last second or five frames
  frame_rate_asked,
  frames_complete,
  frames_missing_packets,
  frames_aborted,
  frames_underrun,
  frames_malformed,
  packets_resent,
  packets_lost,
  packets_foreign,
  link_speed,    // Mbit/s
  link_share,    // of the link's speed that this camera's settings ask for, percent
  temperature,   // degrees Celsius
  controller,    // "us", "10.0.0.9", "nobody"
  address,       // the camera's IP now
  clock_offset,  // camera clock to host, ns
  clock_status,  // "ptp Slave", "mapped", "none"
  save_frame,    // "saveFrame" (KubeEdge STREAM visitor): frames into files when written
  save_video,    // "saveVideo"
};

// What saveFrame and saveVideo save when the device starts, and whenever they are written.
struct SaveSettings {
  std::size_t frames = 1;                // frameCount
  std::chrono::nanoseconds interval{0};  // frameInterval, ns as in KubeEdge
  std::string format;                    // taken and not used: imageFormat says it, videos are AVI
  double rate() const;                   // of a video, frames/s: 1 / interval, or 25
};

struct Visitor {
  Source source = Source::feature;
  std::string feature;  // GenICam name
  SaveSettings save;
  Selection selection;  // visitor key selectors: {GainSelector: Red}
};

// Every key with its unit, range and default is in docs/gige.md. invalid, out_of_range: path,
// key, value and limit. An unknown key is a mistake.
base::Result<Settings> parse_settings(const mapper::Target& target);
base::Result<Visitor> parse_visitor(const mapper::Point& point);
// All mistakes of a device at once, for `lint`.
std::vector<base::Status> check(const mapper::Target& target);

}  // namespace gige
