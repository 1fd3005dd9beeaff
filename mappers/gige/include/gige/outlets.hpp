// Where frames go beside shared memory: HTTP (latest image, MJPEG), files in a bounded spool, POST
// to a URL, MQTT. All of them take encoded images, and a frame is encoded once per format however
// many want it. Encoding, files and posts have threads of their own; none of them ever makes the
// camera wait: what comes too fast is left out and counted.
//
// Threads: put() on the stream's thread; everything else any, unless it says otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mqtt.hpp"
#include "base/post.hpp"
#include "base/status.hpp"
#include "dmi/config.hpp"
#include "dmi/device.hpp"
#include "gige/encode.hpp"
#include "gige/frame_ring.hpp"

namespace gige {

struct SpoolSettings {
  std::string folder;  // "": no spool
  std::size_t max_files = 200;
  std::uint64_t max_bytes = std::uint64_t{1} << 30;
  std::chrono::milliseconds every{0};  // one frame each …; 0: only when asked (saveFrame)
};
struct PostSettings {
  std::string url;                     // "": none. http or https
  base::PostAccess access = {};        // user and certificate: for url's server alone
  std::chrono::milliseconds every{0};  // 0: only when asked
  int retries = 5;                     // then it is dropped and counted
};
struct MqttSettings {
  base::MqttAccess broker;                // url "": none
  std::string topic;                      // "": cameras/NAMESPACE/NAME/frame
  bool image = false;                     // the image itself; else JSON: metadata and link
  std::chrono::milliseconds every{1000};  // 0: every frame
};
struct OutletSettings {
  EncodeOptions encode;  // of what is saved, posted, published and linked to
  SpoolSettings spool;
  PostSettings post;
  MqttSettings mqtt;
};
// The keys imageFormat, jpegQuality, spool {folder, maxFiles, maxBytes, every}, post {url, every,
// retries, user, passwordFile, caFile, certFile, keyFile, proxy} and mqtt {broker, topic, image,
// every, user, passwordFile, caFile, certFile, keyFile} of protocol.configData; other keys of
// protocol are the caller's, other keys of the inner objects are mistakes. Pure: files are looked
// at when they are used. invalid, out_of_range: path, value and limit.
base::Result<OutletSettings> parse_outlets(const dmi::Config& protocol);

// An image file of a frame, kept for a while under a name of its own.
struct Image {
  FrameInfo info;
  ImageFormat format = ImageFormat::jpeg;
  std::vector<std::uint8_t> bytes;
  std::string sha256;  // lower-case hex, of bytes
  std::string link;    // where HTTP serves exactly these bytes; "" when HTTP is off
};
using ImagePtr = std::shared_ptr<const Image>;

struct OutletCounters {
  std::uint64_t saved = 0;
  std::uint64_t posted = 0;
  std::uint64_t published = 0;
  std::uint64_t left_out = 0;  // came faster than they could be encoded or sent
  std::uint64_t failed = 0;    // given up after the retries, or the disk refused
};

// One camera's way to its outlets. Lives while the device does, over reconnects.
class Feed {
 public:
  virtual ~Feed() = default;

  // A new frame; returns within microseconds. Holds the ring no longer than an encoding takes.
  virtual void put(const std::shared_ptr<FrameRing>& ring, const FrameInfo& info) = 0;
  // Encodes the newest complete frame, or returns the image of it that is there already. Blocks.
  // Its link serves exactly these bytes until 16 more images were asked for (or 128 MiB of them).
  // stale: there is none yet, or none since `newer_than` (sequence) within patience; unavailable:
  // the process ends; timeout: the encoder is 10 s behind; else what encode() says.
  virtual base::Result<ImagePtr> image(std::uint64_t newer_than,
                                       std::chrono::milliseconds patience) = 0;
  virtual void set_format(ImageFormat format) = 0;  // ImageFormat
  virtual ImageFormat format() const = 0;
  virtual void set_post_url(const std::string& url) = 0;  // ImageURL; posts one image at once
  virtual std::string post_url() const = 0;
  // The next `frames` frames (1 to 100,000), `interval` apart on average, as files of the spool;
  // saveVideo: as an AVI (MJPEG). Return at once. unsupported: no spool folder is set;
  // out_of_range; conflict: a video is being recorded already (save_frames begins anew instead).
  virtual base::Status save_frames(std::size_t frames, std::chrono::milliseconds interval) = 0;
  virtual base::Status save_video(std::size_t frames, double frames_per_s) = 0;
  // What HTTP may run (POST …/commands/NAME): asked on a worker thread, one at a time. not_found:
  // there is no such command. Empty function: nothing. A run of the former function may still be
  // under way when this returns: it must stay harmless when its driver is gone.
  virtual void on_command(std::function<base::Status(const std::string& name)> run) = 0;
  virtual void set_online(bool online, const std::string& why) = 0;  // shown by HTTP
  virtual OutletCounters counters() const = 0;
};

// Where a service keeps what is its own: $STATE_DIRECTORY of systemd, else $XDG_STATE_HOME, else
// ~/.local/state, and below it gige-mapper/http.token. "": none of them is set.
std::string default_token_file();

// All outlets of the process.
class Outlets {
 public:
  struct Options {
    std::string http = "127.0.0.1:8090";  // "off": none; port 0: any free one
    std::string public_url;               // of links; default: http://ADDRESS:PORT
    // Names, comma-separated, that browsers may reach it by, besides IP addresses, localhost, the
    // machine's name and public_url's.
    std::string http_names = {};
    // What commands (POST) have to show: the token in this file, made when absent. "", or one that
    // cannot be used: commands are refused, and the log says why.
    std::string http_token = {};
  };
  // unavailable, conflict: the address cannot be listened on (the text says why and the flag).
  static base::Result<std::unique_ptr<Outlets>> start(Options options);
  virtual ~Outlets() = default;  // finishes what is queued for at most 2 s, then ends its threads
  virtual std::shared_ptr<Feed> feed(const dmi::ObjectId& device,
                                     const OutletSettings& settings) = 0;
  virtual std::string url() const = 0;  // "" when HTTP is off
};

}  // namespace gige
