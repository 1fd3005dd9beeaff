// How fast frames are received, and what it costs: the mapper's camera (gige::Camera, frames into
// shared memory) beside a bare Aravis client that throws buffers away, one after the other against
// the same sender. Senders: Aravis' fake camera as fast as it goes, and the generator as fast as it
// goes and at the pace of 1 and 10 Gbit/s links. All on lo of a network namespace of its own.
//
// Once a receiver has no buffer left, Aravis counts an underrun at every packet. At 640x480 as fast
// as it goes (3,000 fps) runs were seen, with either client, that hardly received anything from
// then on; others lost nothing. Such a row says so by its frames lost.
//
// Without the kernel's packet ring a receiver's socket buffer holds 90 packets; only the paced
// sender is a fair one to it, and CPU per Gbit/s is compared there, too.
//
//   --quick: spans of 1 s in place of 4 s.
#include "bench/gige_rig.hpp"
#include "bench/report.hpp"
#include "support/own_network.hpp"

namespace {

using bench::Case;
using bench::cat;
using bench::Got;

struct Size {
  int width;
  int height;
};
constexpr Size sizes[] = {{640, 480}, {1920, 1080}, {4096, 3000}};

std::string name(const Size& size) { return cat(size.width, "x", size.height); }

void show(bench::Report& report, const std::string& metric, const std::string& what,
          const Got& mapper, const Got& bare) {
  const auto metric_of = [&](std::string_view end) {
    return metric.empty() ? std::string() : cat(metric, end);
  };
  report.add(metric_of("_fps"), cat(what, ", frames"), mapper.fps, "1/s",
             cat("bare ", static_cast<int>(bare.fps)));
  report.add(metric_of("_mb_s"), cat(what, ", pixels"), mapper.mb_s, "MB/s",
             cat("bare ", static_cast<int>(bare.mb_s)));
  report.add(metric_of("_lost"), cat(what, ", frames lost"), mapper.lost, "",
             cat("aim 0, bare ", static_cast<int>(bare.lost)));
  report.add(metric_of("_cpu"), cat(what, ", CPU of a core per Gbit/s"), mapper.cpu_per_gbit, "%",
             cat("bare ", static_cast<int>(bare.cpu_per_gbit * 100) / 100.0));
  if (bare.cpu_per_gbit <= 0) return;
  report.add(metric_of("_cpu_ratio"), cat(what, ", CPU of bare Aravis'"),
             mapper.cpu_per_gbit / bare.cpu_per_gbit, "x", "aim <= 1.5");
}

struct Kind {
  std::string_view metric;
  std::string_view what;
  bool fake;
  int link_mbit;  // of the generator
  bool ring;
  int packet_size;
};
constexpr Kind kinds[] = {
    {"fake", "fake camera, ring", true, 0, true, 1500},
    {"full", "generator, ring", false, 0, true, 1500},
    {"10g", "generator at 10 Gbit/s, ring, 9000 B", false, 10'000, true, 9000},
    {"1g", "generator at 1 Gbit/s, ring", false, 1000, true, 1500},
    {"1g_socket", "generator at 1 Gbit/s, socket", false, 1000, false, 1500},
};

}  // namespace

int main(int argc, char** argv) {
  test_support::enter_own_network(1);
  bench::Report report(argc, argv);
  const bench::Seconds span(bench::has_flag(argc, argv, "--quick") ? 1 : 4);
  for (const Size& size : sizes) {
    for (const Kind& kind : kinds) {
      const auto sender = kind.fake
                              ? bench::fake_camera()
                              : bench::generator({"--fps", "0", "--link", cat(kind.link_mbit)});
      Case what;
      what.width = size.width;
      what.height = size.height;
      what.packet_size = kind.packet_size;
      what.packet_ring = kind.ring;
      what.free_run = kind.fake;
      what.sender = sender.get();
      (void)bench::found("127.0.0.1");
      const Got bare = bench::bare(what, span);
      const Got mapper = bench::ours(what, span);
      show(report, cat("gige.stream_", kind.metric, "_", name(size)),
           cat(name(size), ", ", kind.what), mapper, bare);
      report.add("", cat(name(size), ", ", kind.what, ", sender's CPU"), mapper.sender_cpu, "%",
                 kind.link_mbit == 0 ? "100: it is the limit" : "");
    }
  }
  return 0;
}
