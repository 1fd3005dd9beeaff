// From exec to the first /readyz 200 and to the first DMI answer, with the files out of the page
// cache (POSIX_FADV_DONTNEED): with nothing but 1,000 twins, the same with 235 MiB waiting in the
// outbox, the same with 235 MiB of history; and with 100,000 properties in 10,000 devices. Median
// of 7 starts in turns. The broker does not answer, so that the outbox stays as it is.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>

#include "bench/report.hpp"
#include "bench/twin_rig.hpp"
#include "devicetwin/outbox.hpp"
#include "history_file.hpp"

namespace {

using base::cat;
using bench::Clock;
using bench::fail;
using bench::seconds_since;
namespace fs = std::filesystem;

constexpr int rounds = 7;
constexpr std::uint64_t full_bytes = 235u << 20;

std::vector<std::string> flags(std::uint16_t port) {
  return {"--kube-port", cat(port), "--mqtt", "tcp://127.0.0.1:1", "--log-level", "warning"};
}

void live(const fs::path& folder, int devices, int properties) {
  bench::TwinDaemon daemon(folder, {"--mqtt", "tcp://127.0.0.1:1"});
  bench::create_devices(daemon, devices, properties);
  bench::report_all(daemon, devices, properties, 1);
  daemon.stop();
}

void fill_outbox(const fs::path& folder) {
  base::ManualLoop loop;
  auto outbox =
      devicetwin::Outbox::open(loop, {.folder = folder,
                                      .quotas = {{"mqtt", devicetwin::Outbox::default_quota_bytes}},
                                      .check_after = std::chrono::hours(1)});
  if (!outbox) fail(outbox.status().text());
  const std::string payload(900, 'x');
  for (std::uint64_t bytes = 0; bytes < full_bytes;) {
    for (int i = 0; i < 4000; ++i) {
      (*outbox)->append("mqtt", 1, "default/device-0", payload);
      bytes += payload.size() + 80;
    }
    bool flushed = false;
    (*outbox)->flush([&](const base::Status& status) {
      if (!status.ok()) fail(status.text());
      flushed = true;
    });
    while (!flushed) loop.settle();
  }
}

void fill_history(const fs::path& folder, int devices, int properties) {
  auto file = devicetwin::HistoryFile::open(folder / "history.db", 256u << 20);
  if (!file) fail(file.status().text());
  constexpr int together = 100;  // samples of a series, which are neighbours in the file
  std::int64_t time = bench::now_ms() - 3'600'000;
  for (; (*file)->bytes() < full_bytes; time += together) {
    for (int device = 0; device < devices; ++device) {
      std::deque<devicetwin::NewSample> samples;
      for (int i = 0; i < together * properties; ++i) {
        samples.push_back({{"default", bench::device_name(device)},
                           bench::property_name(i / together),
                           {86'400'000, 1'000'000},
                           {time + i % together, time, "20.125", "float", {}}});
      }
      if (auto status = (*file)->write({}, samples); !status.ok()) fail(status.text());
    }
  }
}

void out_of_cache(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ::fsync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

bool accepts(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool open = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return open;
}

struct Measured {
  std::vector<double> ready_ms;
  std::vector<double> dmi_ms;
};

void start_once(const fs::path& folder, Measured& into) {
  out_of_cache(folder);
  const std::uint16_t port = test_support::free_port();
  const std::string socket = (folder / "dmi.sock").string();
  fs::remove(folder / "kubeconfig");
  std::vector<std::string> arguments = {test_support::built("devicetwin/devicetwin"), "--dir",
                                        folder.string()};
  for (std::string& flag : flags(port)) arguments.push_back(std::move(flag));
  const auto begun = Clock::now();
  test_support::Process process(std::move(arguments));
  double dmi_ms = 0;
  std::thread mapper([&] {
    while (!accepts(socket)) {
      if (seconds_since(begun) > 120) fail("no DMI:\n" + process.output());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    bench::Reporter reporter(socket, 1);
    reporter.send(bench::report_of(0, 0, cat(seconds_since(begun))));
    reporter.drain();
    dmi_ms = 1000 * seconds_since(begun);
    reporter.take_latencies_us();
  });
  while (!fs::exists(folder / "kubeconfig") || !test_support::listens(port)) {
    if (seconds_since(begun) > 120) fail("not ready:\n" + process.output());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  test_support::KubeClient kube(folder);
  while (kube.get("/readyz").status != 200) {
    if (seconds_since(begun) > 120) fail("not ready:\n" + process.output());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  into.ready_ms.push_back(1000 * seconds_since(begun));
  mapper.join();
  into.dmi_ms.push_back(dmi_ms);
  if (process.stop(std::chrono::seconds(60)) != 0) fail(process.output());
}

double median(const std::vector<double>& values) { return bench::percentile(values, 0.5); }

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  struct Case {
    const char* name;
    const char* what;
    Measured measured = {};
    test_support::TempFolder folder = {};
  };
  std::array<Case, 4> cases = {{{"empty", "1,000 twins, nothing else"},
                                {"full_outbox", "235 MiB in the outbox"},
                                {"full_history", "235 MiB of history"},
                                {"100k", "100,000 properties in 10,000 devices"}}};
  for (std::size_t i = 0; i < 3; ++i) live(cases[i].folder.path(), 10, 100);
  fill_outbox(cases[1].folder.path());
  fill_history(cases[2].folder.path(), 10, 100);
  live(cases[3].folder.path(), 10'000, 10);
  for (int round = 0; round < rounds; ++round) {
    for (Case& each : cases) start_once(each.folder.path(), each.measured);
  }
  const double empty = median(cases[0].measured.ready_ms);
  for (const Case& each : cases) {
    const bool many = each.name == std::string("100k");
    report.add(cat("start.ready_", each.name, "_ms"), cat("exec to /readyz, ", each.what),
               median(each.measured.ready_ms), "ms", many ? "aim <= 1,000" : "");
    report.add(cat("start.dmi_", each.name, "_ms"), "  to the first DMI answer",
               median(each.measured.dmi_ms), "ms", many ? "aim <= 1,000" : "");
    if (&each == &cases[0] || many) continue;
    report.add(cat("start.more_", each.name, "_ms"), "  more than empty",
               median(each.measured.ready_ms) - empty, "ms", "aim <= 300");
  }
  return 0;
}
