// `probe`: which units answer, at which speed, and what their registers may mean.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "base/log.hpp"
#include "base/text.hpp"
#include "mapper/verb.hpp"
#include "tools/guess.hpp"
#include "tools/tools.hpp"
#include "tools/units.hpp"
#include "tools/url.hpp"
#include "tools/wire.hpp"

namespace modbus_tools {

using base::cat;
using base::Result;
using base::Status;
using mapper::exit_failed;
using mapper::exit_usage;
using mapper::parse_flags;
using mapper::usage;
using modbus::Endpoint;
using modbus::Range;
using modbus::Table;
using std::chrono::milliseconds;

namespace {

constexpr const char* probe_manual =
    R"(Every unit is asked to read one register. Whatever it answers, even that it refuses, says that it is
there; a gateway's exceptions 10 and 11 say that it is not. On a serial port without a stated speed
the usual speeds are tried first, with the first 16 of the units. How long all may take is told
before. Nothing is ever written.

With --offset the registers there are read and shown as every type in every order of bytes;
those that agree with --expect or --plausible are marked and printed once more as visitors. Whole
numbers are also tried as tenths, hundredths and thousandths.

  modbus-mapper probe 10.0.0.5
  modbus-mapper probe /dev/ttyUSB0 --units 1..10
  modbus-mapper probe 10.0.0.5 --units 7 --offset 100 --plausible 20..30

Exit status: 0 a unit answers (and, with --expect or --plausible, a value fits); 1 none; 2 wrong
flags. What is found goes to stdout, how far it is to stderr. Ctrl-C ends it, with what was found.)";

// Units that are asked at every speed: the first that answers ends the search.
constexpr std::size_t units_per_speed = 16;
// Most common first.
constexpr std::array<int, 7> bauds = {9600, 19200, 38400, 57600, 115200, 4800, 2400};
constexpr std::array<char, 2> parities = {'N', 'E'};
constexpr auto progress_pause = std::chrono::seconds(2);

struct ProbeFlags {
  std::string url;
  std::string units = "1..247";
  int timeout_ms = 300;
  std::string table = "holding";
  int offset = -1;
  int count = 4;
  std::vector<double> expected;
  std::string plausible;
};

struct Probe {
  Endpoint endpoint;
  bool search_speed = false;
  std::vector<std::uint8_t> units;
  milliseconds timeout{300};
  Table table = Table::holding;
  std::optional<std::uint16_t> offset;
  std::uint16_t count = 4;
  Plausible plausible;
};

std::optional<int> parse(int argc, char** argv, ProbeFlags& flags) {
  CLI::App app("Finds the units behind a Modbus line, and what their registers mean.", argv[0]);
  app.footer(probe_manual);
  app.add_option("ENDPOINT", flags.url, url_help)->required()->type_name("");
  app.add_option("--units", flags.units, "which to ask: 7, 1..247, 1,5,10..20")
      ->type_name("LIST")
      ->capture_default_str();
  app.add_option("--timeout", flags.timeout_ms, "how long to wait for an answer")
      ->check(CLI::Range(10, 60000))
      ->type_name("MS")
      ->capture_default_str();
  app.add_option("--table", flags.table, "which registers to read")
      ->check(CLI::IsMember({"holding", "input"}))
      ->capture_default_str();
  app.add_option("--offset", flags.offset, "show what stands here (zero-based, as on the wire)")
      ->check(CLI::Range(0, 65535))
      ->type_name("ADDRESS");
  app.add_option("--count", flags.count, "registers to show")
      ->check(CLI::Range(1, 125))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--expect", flags.expected, "the value, as the device's display shows it (1 %)")
      ->type_name("VALUE...");
  app.add_option("--plausible", flags.plausible, "between which numbers the value is")
      ->type_name("LOW..HIGH");
  return parse_flags(app, argc, argv);
}

Status parse_plausible(const std::string& text, Plausible& plausible) {
  if (text.empty()) return Status();
  const std::size_t dots = text.find("..");
  double low = 0;
  double high = 0;
  if (dots == text.npos || !base::parse_double(std::string_view(text).substr(0, dots), low) ||
      !base::parse_double(std::string_view(text).substr(dots + 2), high) || low > high) {
    return Status(base::Code::invalid,
                  cat("--plausible: \"", base::cut(text, 40), "\" is not LOW..HIGH, as 20..30"));
  }
  plausible.low = low;
  plausible.high = high;
  return Status();
}

Result<Probe> probe_of(const ProbeFlags& flags) {
  Probe probe;
  const Result<Endpoint> endpoint = parse_url(flags.url);
  if (!endpoint) return endpoint.status();
  const Result<std::vector<std::uint8_t>> units = parse_units(flags.units);
  if (!units) return Status(units.status().code(), cat("--units: ", units.status().text()));
  probe.endpoint = *endpoint;
  probe.search_speed = endpoint->transport == modbus::Transport::serial && !states_speed(flags.url);
  probe.units = *units;
  probe.timeout = milliseconds(flags.timeout_ms);
  probe.table = flags.table == "input" ? Table::input : Table::holding;
  if (flags.offset >= 0) probe.offset = static_cast<std::uint16_t>(flags.offset);
  if (flags.offset + flags.count > 65536) {
    return Status(base::Code::invalid, "--offset and --count end beyond address 65535");
  }
  probe.count = static_cast<std::uint16_t>(flags.count);
  probe.plausible.expected = flags.expected;
  if (!probe.offset && (probe.plausible.says_something() || !flags.plausible.empty())) {
    return Status(base::Code::invalid, "--expect and --plausible need --offset");
  }
  if (Status wrong = parse_plausible(flags.plausible, probe.plausible); !wrong.ok()) return wrong;
  return probe;
}

// How far it is, now and then.
class Progress {
 public:
  void tell(const std::string& text) {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < progress_pause) return;
    last_ = now;
    std::fprintf(stderr, "%s\n", text.c_str());
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

class Prober {
 public:
  explicit Prober(Probe probe) : probe_(std::move(probe)) {}

  int run() {
    announce();
    if (probe_.search_speed && !find_speed()) {
      std::printf("no unit answers at any of %zu speeds\n", bauds.size() * parities.size());
      return exit_failed;
    }
    if (Status status = find_units(); !status.ok()) {
      std::printf("%s\n", status.text().c_str());
      return exit_failed;
    }
    std::printf("%zu of %s answer%s%s\n", alive_.size(), counted(tried_, "unit").c_str(),
                alive_.empty() ? "" : ": ", shown(alive_).c_str());
    if (alive_.empty()) return exit_failed;
    if (!probe_.offset) return 0;
    bool fits = false;
    for (const std::uint8_t unit : alive_) {
      if (!loop_.interrupted()) fits = guess(unit) || fits;
    }
    return fits || !probe_.plausible.says_something() ? 0 : exit_failed;
  }

 private:
  modbus::Pdu question() const {
    return modbus::read_request(Range{probe_.table, probe_.offset.value_or(0), 1});
  }

  void announce() const {
    const std::size_t speeds = probe_.search_speed ? bauds.size() * parities.size() : 0;
    const std::size_t requests =
        probe_.units.size() + speeds * std::min(units_per_speed, probe_.units.size());
    // A serial line has to be opened anew for every speed, any other once.
    const auto longest = requests * probe_.timeout +
                         (speeds + 1) * std::chrono::milliseconds(modbus::connect_timeout);
    std::printf("probing %s: %s, %s %d, %lld ms each: at most %lld s\n",
                probe_.search_speed ? probe_.endpoint.serial.port.c_str()
                                    : probe_.endpoint.to_string().c_str(),
                counted(probe_.units.size(), "unit").c_str(),
                std::string(modbus::name(probe_.table)).c_str(), int{probe_.offset.value_or(0)},
                static_cast<long long>(probe_.timeout.count()),
                static_cast<long long>(longest.count() / 1000 + 1));
    std::fflush(stdout);
  }

  bool find_speed() {
    for (const int baud : bauds) {
      for (const char parity : parities) {
        probe_.endpoint.serial.baud = baud;
        probe_.endpoint.serial.parity = parity;
        if (loop_.interrupted()) return false;
        if (answers_at_speed()) return true;
      }
    }
    return false;
  }

  // At a wrong speed a unit's answer is noise: only a frame that is right counts.
  bool answers_at_speed() {
    const modbus::SerialSettings& serial = probe_.endpoint.serial;
    Wire wire(loop_, probe_.endpoint);
    for (std::size_t i = 0; i < std::min(units_per_speed, probe_.units.size()); ++i) {
      if (loop_.interrupted()) return false;
      const Wire::Answer answer = wire.ask(probe_.units[i], question(), probe_.timeout);
      if (answer.status.code() == base::Code::unavailable && answer.pdu.empty()) {
        std::printf("%d 8%c1: %s\n", serial.baud, serial.parity, answer.status.text().c_str());
        return false;
      }
      if (!answer.is_alive() || answer.status.code() == base::Code::malformed) continue;
      std::printf("%d 8%c1: unit %d answers\n", serial.baud, serial.parity, int{probe_.units[i]});
      return true;
    }
    std::printf("%d 8%c1: nothing\n", serial.baud, serial.parity);
    std::fflush(stdout);
    return false;
  }

  Status find_units() {
    wire_ = std::make_unique<Wire>(loop_, probe_.endpoint);
    if (Status status = wire_->connect(); !status.ok()) return status;
    Progress progress;
    for (const std::uint8_t unit : probe_.units) {
      if (loop_.interrupted()) break;
      const Wire::Answer answer = wire_->ask(unit, question(), probe_.timeout);
      if (loop_.interrupted()) break;
      ++tried_;
      if (answer.is_alive()) tell(unit, answer);
      progress.tell(
          cat("asked ", tried_, " of ", probe_.units.size(), " units, ", alive_.size(), " answer"));
    }
    return Status();
  }

  void tell(std::uint8_t unit, const Wire::Answer& answer) {
    alive_.insert(std::upper_bound(alive_.begin(), alive_.end(), unit), unit);
    const std::string what =
        answer.status.ok()
            ? cat("holds ", modbus::word_at(modbus::payload(modbus::Bytes(answer.pdu)), 0))
            : answer.status.text();
    std::printf("unit %d answers after %.2f ms: %s\n", int{unit},
                static_cast<double>(answer.time.count()) / 1000, what.c_str());
    std::fflush(stdout);
  }

  // Whether a value of that unit is plausible.
  bool guess(std::uint8_t unit) {
    const Range range{probe_.table, *probe_.offset, probe_.count};
    const Result<std::vector<std::uint16_t>> words = wire_->read(unit, range, probe_.timeout);
    if (!words) {
      std::printf("%s\n", words.status().text().c_str());
      return false;
    }
    std::printf("unit %d, %s:", int{unit}, range.to_string().c_str());
    for (const std::uint16_t word : *words) std::printf(" %04X", unsigned{word});
    std::printf("\n  %-6s  %-8s %-8s  %24s\n", "OFFSET", "TYPE", "ORDER", "VALUE");
    std::string visitors;
    for (const Guess& guess : guesses(range.table, range.first, *words, probe_.plausible)) {
      std::printf("%s %-6d  %-8s %-8s  %24s", guess.plausible ? "*" : " ", int{guess.offset},
                  guess.data.c_str(), guess.order.c_str(),
                  guess.value.empty() ? "-" : guess.value.c_str());
      if (guess.scale != 1) std::printf("  x %g", guess.scale);
      std::printf("\n");
      if (guess.plausible) visitors += cat("  ", guess.visitor, "\n");
    }
    std::printf("%s%s", visitors.empty() ? "nothing plausible\n" : "plausible as configData:\n",
                visitors.c_str());
    return !visitors.empty();
  }

  Probe probe_;
  ToolLoop loop_;
  std::unique_ptr<Wire> wire_;
  std::vector<std::uint8_t> alive_;
  std::size_t tried_ = 0;
};

}  // namespace

int probe_verb(int argc, char** argv) {
  ProbeFlags flags;
  if (const std::optional<int> status = parse(argc, argv, flags)) return *status;
  base::set_log_level(base::Level::error);
  Result<Probe> probe = probe_of(flags);
  if (!probe) {
    std::fprintf(stderr, "%s\n", probe.status().text().c_str());
    return exit_usage;
  }
  return Prober(std::move(*probe)).run();
}

}  // namespace modbus_tools
