// grab: frames into image files.
#include <CLI/CLI.hpp>
#include <condition_variable>
#include <mutex>

#include "base/file.hpp"
#include "base/text.hpp"
#include "gige/encode.hpp"
#include "gige/features.hpp"
#include "mapper/verb.hpp"
#include "tools/tools.hpp"

namespace gige_tools {

namespace {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using gige::Camera;
using gige::FrameInfo;
using gige::FramePtr;
using gige::FrameRing;

// The newest complete frame, from the stream's thread to ours.
class Basket {
 public:
  void put(const std::shared_ptr<FrameRing>& ring, const FrameInfo& info) {
    const std::lock_guard lock(mutex_);
    if (info.status != gige::FrameStatus::complete) {
      ++broken_;
    } else {
      newest_ = ring->newest();
      ++count_;
    }
    changed_.notify_all();
  }
  // A frame that was not given before; null: none in time.
  FramePtr wait(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [this] { return count_ != given_; });
    if (count_ == given_) return nullptr;
    given_ = count_;
    return std::move(newest_);
  }
  std::uint64_t broken() const {
    const std::lock_guard lock(mutex_);
    return broken_;
  }

 private:
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  FramePtr newest_;
  std::uint64_t count_ = 0;
  std::uint64_t given_ = 0;
  std::uint64_t broken_ = 0;
};

struct GrabFlags {
  std::string camera;
  std::string interface;
  std::string file;
  std::string format;
  int count = 1;
  int timeout_ms = 5000;
  bool trigger = false;
  std::vector<std::string> set;
};

std::optional<int> parse(int argc, char** argv, GrabFlags& flags) {
  CLI::App app("Takes frames of a camera into image files.", argv[0]);
  app.footer(
      "--trigger leaves TriggerMode Off afterwards. With --count above 1 a number comes before the "
      "file's ending: picture-1.png …\n"
      "The format is the file's ending (jpg png tif pnm raw), or --format. A camera that a mapper "
      "controls\n"
      "is asked for its picture over the mapper's HTTP instead.\n"
      "Exit status: 0 all were taken; 1 one was not; 2 wrong flags.");
  app.add_option("CAMERA", flags.camera, "serial number, IP, MAC, user name, or first")
      ->required()
      ->type_name("CAMERA");
  app.add_option("-o,--output", flags.file, "where the image goes")->required()->type_name("FILE");
  app.add_option("--format", flags.format, "jpeg, png, tiff, pnm or raw")->type_name("FORMAT");
  app.add_option("--count", flags.count, "so many frames")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--timeout", flags.timeout_ms, "wait so long for each, ms")
      ->check(CLI::Range(1, 3'600'000))
      ->capture_default_str()
      ->type_name("MS");
  app.add_flag("--trigger", flags.trigger, "trigger each by software");
  app.add_option("--set", flags.set, "set this first, as `set` does")->type_name("FEATURE=VALUE");
  app.add_option("--interface", flags.interface, "only there: eth1, or our own address on it")
      ->type_name("IF");
  return mapper::parse_flags(app, argc, argv);
}

std::string numbered(const std::string& file, int number, int count) {
  if (count == 1) return file;
  const std::size_t dot = file.find_last_of("./");
  const bool ending = dot != std::string::npos && file[dot] == '.';
  const std::string stem = ending ? file.substr(0, dot) : file;
  return cat(stem, "-", number, ending ? file.substr(dot) : "");
}

Status prepare(gige::Features& features, const GrabFlags& flags) {
  std::vector<std::string> wishes = flags.set;
  if (flags.trigger) {
    wishes.insert(wishes.end(), {"TriggerSource=Software", "TriggerMode=On"});
  }
  for (const std::string& wish : wishes) {
    std::string name;
    std::string value;
    if (!split_assignment(wish, name, value)) {
      return Status(Code::invalid, cat("--set ", wish, ": is not like ExposureTime=5000"));
    }
    if (Status wrong = features.write(name, dmi::Value(value)); !wrong.ok()) return wrong;
  }
  return Status();
}

Status take(Basket& basket, gige::Features& features, const GrabFlags& flags,
            const std::string& file, gige::ImageFormat format) {
  if (flags.trigger) {
    if (Status wrong = features.write("TriggerSoftware", dmi::Value(true)); !wrong.ok())
      return wrong;
  }
  const FramePtr frame = basket.wait(std::chrono::milliseconds(flags.timeout_ms));
  if (!frame) {
    return Status(Code::timeout, cat("no whole frame within ", flags.timeout_ms, " ms (",
                                     basket.broken(), " had gaps); `doctor` tells why"));
  }
  const auto image = gige::encode(*frame, {format, 95});
  if (!image) return image.status();
  const auto* bytes = reinterpret_cast<const char*>(image->data());
  if (Status wrong = base::write_file(file, {bytes, image->size()}); !wrong.ok()) return wrong;
  std::printf("%s: frame %llu, %u x %u, %zu bytes\n", file.c_str(),
              static_cast<unsigned long long>(frame->info.id), frame->info.width,
              frame->info.height, image->size());
  return Status();
}

}  // namespace

int grab_verb(int argc, char** argv) {
  GrabFlags flags;
  if (const auto status = parse(argc, argv, flags)) return *status;
  const std::size_t dot = flags.file.find_last_of("./");
  const bool ending = dot != std::string::npos && flags.file[dot] == '.';
  if (flags.format.empty()) flags.format = ending ? flags.file.substr(dot + 1) : "jpeg";
  const Result<gige::ImageFormat> format = gige::image_format(flags.format);
  if (!format) return mapper::usage(format.status().text());
  const Result<gige::CameraInfo> info = find_camera(flags.camera, flags.interface);
  if (!info) return failed(info.status());
  auto camera = Camera::open(*info, {});
  if (!camera) return failed(camera.status());
  gige::Features features((*camera)->device());
  if (Status wrong = prepare(features, flags); !wrong.ok()) return failed(wrong);
  Basket basket;
  const Status started = (*camera)->start(cat("gige-grab-", getpid()), 0,
                                          [&](const std::shared_ptr<FrameRing>& ring,
                                              const FrameInfo& frame) { basket.put(ring, frame); });
  if (!started.ok()) return failed(started);
  int status = 0;
  for (int i = 1; i <= flags.count && status == 0; ++i) {
    const Status taken =
        take(basket, features, flags, numbered(flags.file, i, flags.count), *format);
    if (!taken.ok()) status = failed(taken);
  }
  if (flags.trigger)
    static_cast<void>(features.write("TriggerMode", dmi::Value(std::string("Off"))));
  const Status stopped = (*camera)->stop();
  return stopped.ok() ? status : failed(stopped);
}

}  // namespace gige_tools
