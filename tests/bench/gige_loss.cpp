// Frames that come through when packets get lost: 0, 1, 5 and 20 %, with and without asking for
// them again (resent packets get lost as often). 640x480 at 50 fps and 1500 B packets, 212 packets
// a frame, paced as on a 1 Gbit/s link. And the same of Aravis' fake camera, which never resends.
//
//   --quick: spans of 2 s in place of 6 s.
#include "bench/gige_rig.hpp"
#include "bench/report.hpp"
#include "support/own_network.hpp"

namespace {

using bench::Case;
using bench::cat;
using bench::Got;

constexpr int losses[] = {0, 10, 50, 200};  // of 1,000 packets

void show(bench::Report& report, const std::string& metric, const std::string& what, const Got& got,
          bench::Seconds span) {
  const double seen = got.fps * span.count() + got.lost;
  const double complete = seen > 0 ? 100 * got.fps * span.count() / seen : 0;
  report.add(metric.empty() ? metric : cat(metric, "_complete_pct"), cat(what, ", complete"),
             complete, "%", cat(static_cast<int>(seen), " frames"));
  if (got.resent > 0) report.add("", cat(what, ", packets resent"), got.resent / seen, "a frame");
}

}  // namespace

int main(int argc, char** argv) {
  test_support::enter_own_network(1);
  bench::Report report(argc, argv);
  const bench::Seconds span(bench::has_flag(argc, argv, "--quick") ? 2 : 6);
  for (const int loss : losses) {
    for (const bool resend : {true, false}) {
      const auto sender = bench::generator({"--fps", "50", "--do", cat("loss ", loss)});
      Case what;
      what.resend = resend;
      show(report, cat("gige.loss_", loss, resend ? "_resend" : "_plain"),
           cat(loss / 10, " % lost, ", resend ? "resend" : "no resend"), bench::ours(what, span),
           span);
    }
  }
  for (const int loss : losses) {
    const auto sender = bench::fake_camera(loss);
    (void)bench::found("127.0.0.1");
    show(report, "", cat(loss / 10, " % lost, fake camera"), bench::ours({}, span), span);
  }
  return 0;
}
