// Registers per second on a serial line, against what its baud rate allows. The line is a pty; its
// other side is a thread that keeps the times of a real one: a request takes its characters' time,
// then come 3.5 characters of silence, then the answer's characters as they would arrive, 16 at a
// time like a UART's FIFO; unit turnaround is zero. Characters are 11 bits (8E1). The mapper's side
// is what modbus-mapper runs: sessions, driver, bus, serial line.
//
// Theory: request 8 characters + t3.5 + answer 5 + 2n characters + t3.5; t3.5 is 1.75 ms above
// 19,200 baud. Modbus over Serial Line V1.02, section 2.5.1.1.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "base/text.hpp"
#include "bench/measure.hpp"
#include "bench/report.hpp"
#include "modbus/driver.hpp"
#include "open.hpp"
#include "session.hpp"

namespace {

using base::cat;
using bench::fail;
using dmi::Json;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr int registers = 125;
constexpr int bits_per_character = 11;

Clock::duration characters(int count, int baud) {
  return std::chrono::duration_cast<Clock::duration>(
      Seconds(static_cast<double>(count * bits_per_character) / baud));
}
Clock::duration silence(int baud) {
  if (baud > 19200) return std::chrono::microseconds(1750);
  return std::chrono::duration_cast<Clock::duration>(Seconds(3.5 * bits_per_character / baud));
}
double theory(int baud) {  // registers per second
  const Seconds cycle = characters(8 + 5 + 2 * registers, baud) + 2 * silence(baud);
  return registers / cycle.count();
}

std::uint16_t crc(const std::uint8_t* bytes, std::size_t count) {
  std::uint16_t sum = 0xFFFF;
  for (std::size_t i = 0; i < count; ++i) {
    sum = static_cast<std::uint16_t>(sum ^ bytes[i]);
    for (int bit = 0; bit < 8; ++bit) {
      sum = static_cast<std::uint16_t>(sum & 1 ? (sum >> 1) ^ 0xA001 : sum >> 1);
    }
  }
  return sum;
}

// The units of a line, at the pace of its baud rate.
class Units {
 public:
  Units(int baud, std::set<int> dead) : baud_(baud), dead_(std::move(dead)) {
    master_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0) fail("no pty");
    path_ = ::ptsname(master_);
    // Held open, so that the line does not hang up between two openings; and raw from the start.
    slave_ = ::open(path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    termios raw{};
    ::tcgetattr(slave_, &raw);
    ::cfmakeraw(&raw);
    ::tcsetattr(slave_, TCSANOW, &raw);
    thread_ = std::thread([this] { run(); });
  }
  ~Units() {
    stop_ = true;
    thread_.join();
    ::close(slave_);
    ::close(master_);
  }
  Units(const Units&) = delete;
  Units& operator=(const Units&) = delete;

  const std::string& path() const { return path_; }
  std::uint64_t answered() const { return answered_; }    // blocks
  std::uint64_t too_early() const { return too_early_; }  // requests within t3.5 of an answer
  std::uint64_t unanswered() const { return unanswered_; }

 private:
  void run() {
    std::vector<std::uint8_t> got;
    Clock::time_point began;
    while (!stop_) {
      pollfd ready{master_, POLLIN, 0};
      if (::poll(&ready, 1, 20) <= 0) continue;
      std::uint8_t bytes[256];
      const ssize_t count = ::read(master_, bytes, sizeof bytes);
      if (count <= 0) continue;
      if (got.empty()) began = Clock::now();
      got.insert(got.end(), bytes, bytes + count);
      if (got.size() < 8) continue;
      if (crc(got.data(), 6) != (got[6] | got[7] << 8) || got.size() > 8) fail("a bad request");
      answer(got, began);
      got.clear();
    }
  }

  void answer(const std::vector<std::uint8_t>& request, Clock::time_point began) {
    if (began < quiet_until_) ++too_early_;
    if (dead_.contains(request[0])) {
      ++unanswered_;
      return;
    }
    const int count = request[4] << 8 | request[5];
    std::vector<std::uint8_t> reply{request[0], request[1], static_cast<std::uint8_t>(2 * count)};
    for (int i = 0; i < count; ++i) {
      reply.push_back(static_cast<std::uint8_t>(i >> 8));
      reply.push_back(static_cast<std::uint8_t>(i));
    }
    const std::uint16_t sum = crc(reply.data(), reply.size());
    reply.push_back(static_cast<std::uint8_t>(sum));
    reply.push_back(static_cast<std::uint8_t>(sum >> 8));
    const Clock::time_point start = began + characters(8, baud_) + silence(baud_);
    constexpr std::size_t fifo = 16;
    for (std::size_t sent = 0; sent < reply.size();) {
      const std::size_t next = std::min(reply.size(), sent + fifo);
      std::this_thread::sleep_until(start + characters(static_cast<int>(next), baud_));
      if (::write(master_, reply.data() + sent, next - sent) < 0) fail("the pty is gone");
      sent = next;
    }
    // As the wire would be quiet; that this thread woke up late is not the mapper's gain.
    quiet_until_ = start + characters(static_cast<int>(reply.size()), baud_) + silence(baud_);
    ++answered_;
  }

  const int baud_;
  const std::set<int> dead_;
  int master_ = -1;
  int slave_ = -1;
  std::string path_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<std::uint64_t> too_early_{0};
  std::atomic<std::uint64_t> unanswered_{0};
  Clock::time_point quiet_until_{};
  std::thread thread_;
};

dmi::DeviceModel model() {
  dmi::DeviceModel made;
  made.id = {"default", "block"};
  for (int i = 0; i < registers; ++i) {
    made.properties.push_back({cat("r", i), "", "INT", "ReadOnly", "", "", "", {}});
  }
  return made;
}

dmi::Device device(int unit, int baud, const std::string& path) {
  dmi::Device made;
  made.id = {"default", cat("unit", unit)};
  made.model = "block";
  made.protocol = {"modbus", Json{{"serialPort", path},
                                  {"baudRate", baud},
                                  {"dataBits", 8},
                                  {"parity", "even"},
                                  {"stopBits", 1},
                                  {"slaveID", unit}}};
  for (int i = 0; i < registers; ++i) {
    dmi::DeviceProperty property;
    property.name = cat("r", i);
    property.collect_cycle_ms = 10;  // sooner than any answer: back to back
    property.visitors =
        dmi::ProtocolConfig{"modbus", Json{{"register", "HoldingRegister"}, {"offset", i}}};
    made.properties.push_back(property);
  }
  return made;
}

struct Outcome {
  std::vector<double> registers_per_s;  // of each span
  std::uint64_t too_early = 0;
  std::uint64_t unanswered = 0;
};

// units 1..count polled back to back, over one span after the other.
Outcome measure(int baud, int count, const std::set<int>& dead, std::vector<Seconds> spans) {
  Units units(baud, dead);
  base::IoLoop loop;
  const mapper::Protocol protocol = modbus::protocol();
  base::Repeats repeats;
  mapper::SessionContext context{loop,
                                 mapper::async_opener(loop, protocol),
                                 "modbus",
                                 repeats,
                                 [](mapper::Session& session) { (void)session.take_report(); },
                                 false};
  const auto block = std::make_shared<const dmi::DeviceModel>(model());
  std::vector<std::unique_ptr<mapper::Session>> sessions;
  for (int unit = 1; unit <= count; ++unit) {
    sessions.push_back(
        std::make_unique<mapper::Session>(context, dmi::ObjectId{"default", cat("unit", unit)}));
    sessions.back()->update(device(unit, baud, units.path()), block);
    if (!sessions.back()->broken().ok()) fail(sessions.back()->broken().to_string());
  }
  Outcome outcome;
  std::uint64_t before = 0;
  Clock::time_point since = Clock::now();
  std::function<void()> next = [&] {
    const Seconds took = Clock::now() - since;
    const std::uint64_t answered = units.answered();
    outcome.registers_per_s.push_back(static_cast<double>((answered - before) * registers) /
                                      took.count());
    before = answered;
    since = Clock::now();
    if (outcome.registers_per_s.size() == spans.size()) return loop.stop();
    loop.after(std::chrono::duration_cast<base::Duration>(spans[outcome.registers_per_s.size()]),
               next);
  };
  loop.after(std::chrono::duration_cast<base::Duration>(spans[0]), next);
  loop.run();
  outcome.too_early = units.too_early();
  outcome.unanswered = units.unanswered();
  for (const auto& session : sessions) {
    const auto unit = static_cast<int>(&session - &sessions[0]) + 1;
    if (dead.contains(unit)) continue;
    const auto& sample = session->twin().reported(registers - 1);
    if (!sample || sample->value != dmi::Value(std::int64_t{registers - 1})) {
      fail(cat("unit ", unit, " was not read right"));
    }
  }
  sessions.clear();
  return outcome;
}

void efficiency(bench::Report& report, int baud, Seconds span) {
  // The first second is opening the port.
  const Outcome outcome = measure(baud, 1, {}, {Seconds(1), span});
  const double got = outcome.registers_per_s.back();
  report.add("", cat(baud, " baud, theory"), theory(baud), "registers/s");
  report.add("", cat(baud, " baud, read"), got, "registers/s");
  report.add(cat("rtu.efficiency_", baud), cat(baud, " baud, of theory"), 100 * got / theory(baud),
             "%", "aim >= 95");
  report.add("", cat(baud, " baud, requests that began within t3.5 of an answer"),
             static_cast<double>(outcome.too_early), "");
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  std::printf("  blocks of %d registers back to back, 8E1\n", registers);
  efficiency(report, 9600, Seconds(10));
  efficiency(report, 115200, Seconds(5));

  const Outcome healthy = measure(9600, 3, {}, {Seconds(1), Seconds(30)});
  const Outcome with_dead = measure(9600, 4, {4}, {Seconds(60), Seconds(60)});
  const auto loss = [&](double got) { return 100 * (1 - got / healthy.registers_per_s.back()); };
  report.add("", "three units at 9600 baud", healthy.registers_per_s.back(), "registers/s");
  report.add("rtu.loss_with_dead_unit_pct", "a fourth that is dead: lost in its first minute",
             loss(with_dead.registers_per_s[0]), "%", "time-out 1 s");
  report.add("", "a fourth that is dead: lost in its second minute",
             loss(with_dead.registers_per_s[1]), "%");
  report.add("", "requests the dead one got in both", static_cast<double>(with_dead.unanswered),
             "");
  return 0;
}
