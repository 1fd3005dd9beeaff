// What benchmarks of cameras share: senders as child processes, and two receivers in this process,
// one bare Aravis, one gige::Camera, measured alike. In main(): enter_own_network() first.
#pragma once

#include <arv.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/text.hpp"
#include "bench/measure.hpp"
#include "gige/camera.hpp"
#include "gige/find.hpp"
#include "support/process.hpp"

namespace bench {

using base::cat;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

inline bool has_flag(int argc, char** argv, std::string_view flag) {
  for (int i = 1; i < argc; ++i) {
    if (argv[i] == flag) return true;
  }
  return false;
}

// What is asked of a camera and of the receiver.
struct Case {
  int width = 640;
  int height = 480;
  int packet_size = 1500;
  bool packet_ring = true;
  bool resend = true;
  bool free_run = false;  // of the fake camera: as fast as it goes
  const test_support::Process* sender = nullptr;

  // Buffers for 64 MiB, 8 to 64: small frames come by the thousand a second, and whoever takes them
  // sleeps for milliseconds at times.
  int buffers() const { return std::clamp((64 << 20) / (width * height), 8, 64); }
  int packets() const { return width * height / (packet_size - 36) + 3; }  // of a frame
};

// What came of it in a span.
struct Got {
  double fps = 0;
  double mb_s = 0;
  double lost = 0;          // frames that were not complete
  double resent = 0;        // packets
  double cpu_per_gbit = 0;  // percent of a core for each Gbit/s of pixels
  double sender_cpu = 0;    // percent of a core
};

// Seen from the camera's address on, at 127.0.0.1.
inline std::unique_ptr<test_support::Process> fake_camera(int lost_permille = 0) {
  const std::string program = test_support::find_program("arv-fake-gv-camera-0.8");
  if (program.empty()) fail("arv-fake-gv-camera-0.8 is not installed (scripts/install)");
  return std::make_unique<test_support::Process>(
      std::vector<std::string>{program, "-i", "127.0.0.1", "-s", "FAKE", "-r", cat(lost_permille)});
}
inline std::unique_ptr<test_support::Process> generator(const std::vector<std::string>& flags,
                                                        const std::string& ip = "127.0.0.1") {
  std::vector<std::string> arguments{cat(PROJECT_BINARY, "/tests/gige-generator"), "-a", ip};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  auto made = std::make_unique<test_support::Process>(arguments);
  if (!made->wait_for_output("simulated camera")) fail(made->output());
  return made;
}

inline gige::CameraInfo found(const std::string& ip) {
  gige::CameraQuery query;
  query.ip = ip;
  auto camera = gige::find(query, std::chrono::seconds(10));
  if (!camera) fail(camera.status().to_string());
  return *camera;
}

inline void set_size(ArvDevice* device, const Case& what) {
  arv_device_set_integer_feature_value(device, "Width", what.width, nullptr);
  arv_device_set_integer_feature_value(device, "Height", what.height, nullptr);
  if (what.free_run) {
    arv_device_set_float_feature_value(device, "AcquisitionFrameRate", 100'000, nullptr);
  }
}

// Takes `look` before and after a span, and CPU time with it.
template <class Look>
Got over(Seconds span, const Case& what, Look look) {
  std::this_thread::sleep_for(span / 4);  // starting up is not measured
  const Got before = look();
  const double cpu = cpu_seconds();
  const auto sender_cpu = [&] {
    return what.sender == nullptr ? 0 : Seconds(what.sender->cpu_time()).count();
  };
  const double sender = sender_cpu();
  const Clock::time_point since = Clock::now();
  std::this_thread::sleep_for(span);
  const Got after = look();
  const double took = Seconds(Clock::now() - since).count();
  const double used = cpu_seconds() - cpu;
  const double frames = after.fps - before.fps;
  const double bytes = frames * what.width * what.height;
  Got out;
  out.fps = frames / took;
  out.mb_s = bytes / took / 1e6;
  out.sender_cpu = 100 * (sender_cpu() - sender) / took;
  out.lost = after.lost - before.lost;
  out.resent = after.resent - before.resent;
  if (bytes > 0) out.cpu_per_gbit = 100 * used / (bytes * 8 / 1e9);
  return out;
}

// As little as a program can do with Aravis: take buffers, give them back.
inline Got bare(const Case& what, Seconds span) {
  ArvCamera* camera = arv_camera_new("127.0.0.1", nullptr);
  if (camera == nullptr) fail("Aravis finds no camera at 127.0.0.1");
  set_size(arv_camera_get_device(camera), what);
  arv_camera_gv_set_packet_size(camera, what.packet_size, nullptr);
  if (!what.packet_ring) {
    arv_camera_gv_set_stream_options(camera, ARV_GV_STREAM_OPTION_PACKET_SOCKET_DISABLED);
  }
  ArvStream* stream = arv_camera_create_stream(camera, nullptr, nullptr, nullptr);
  if (stream == nullptr) fail("Aravis makes no stream");
  g_object_set(stream, "packet-resend",
               what.resend ? ARV_GV_STREAM_PACKET_RESEND_ALWAYS : ARV_GV_STREAM_PACKET_RESEND_NEVER,
               nullptr);
  const auto payload = static_cast<std::size_t>(arv_camera_get_payload(camera, nullptr));
  for (int i = 0; i < what.buffers(); ++i)
    arv_stream_push_buffer(stream, arv_buffer_new(payload, nullptr));
  std::atomic<bool> stop{false};
  arv_camera_start_acquisition(camera, nullptr);
  std::thread consumer([&] {
    while (!stop) {
      ArvBuffer* buffer = arv_stream_timeout_pop_buffer(stream, 100'000);
      if (buffer != nullptr) arv_stream_push_buffer(stream, buffer);
    }
  });
  const Got got = over(span, what, [&] {
    guint64 complete = 0;
    guint64 failures = 0;
    guint64 underruns = 0;
    guint64 resent = 0;
    guint64 missing = 0;
    arv_stream_get_statistics(stream, &complete, &failures, &underruns);
    arv_gv_stream_get_statistics(ARV_GV_STREAM(stream), &resent, &missing);
    // Aravis counts an underrun for each packet of a frame that has no buffer.
    const double without = static_cast<double>(underruns) / what.packets();
    return Got{static_cast<double>(complete), 0, static_cast<double>(failures) + without,
               static_cast<double>(resent),   0, 0};
  });
  stop = true;
  consumer.join();
  arv_camera_stop_acquisition(camera, nullptr);
  g_object_unref(stream);
  g_object_unref(camera);
  return got;
}

inline gige::LinkSettings link_of(const Case& what) {
  gige::LinkSettings link;
  link.packet_size = what.packet_size;
  link.resend = what.resend;
  link.buffers = static_cast<std::size_t>(what.buffers());
  link.packet_socket = what.packet_ring ? gige::LinkSettings::PacketSocket::on
                                        : gige::LinkSettings::PacketSocket::off;
  return link;
}

inline double incomplete(const gige::StreamCounters& counters) {
  return static_cast<double>(counters.missing_packets + counters.aborted + counters.underrun +
                             counters.malformed);
}

inline Got ours(const Case& what, Seconds span) {
  auto camera = gige::Camera::open(found("127.0.0.1"), link_of(what));
  if (!camera) fail(camera.status().to_string());
  set_size((*camera)->device(), what);
  const base::Status started =
      (*camera)->start(cat("gige-bench-", ::getpid()), 0, [](const auto&, const auto&) {});
  if (!started.ok()) fail(started.to_string());
  return over(span, what, [&] {
    const gige::StreamCounters counters = (*camera)->counters();
    return Got{static_cast<double>(counters.complete),       0, incomplete(counters),
               static_cast<double>(counters.resent_packets), 0, 0};
  });
}

}  // namespace bench
