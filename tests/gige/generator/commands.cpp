#include "generator/commands.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/text.hpp"

namespace generator {

namespace {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

constexpr std::string_view help =
    "loss N, reorder N, duplicate N, foreign N   of 1,000 packets\n"
    "late N [MS]              of 1,000 packets, by so many milliseconds (50)\n"
    "no-leader N, no-trailer N                   of 1,000 frames\n"
    "seed N                   of all that is random\n"
    "resend on|off|corrupt\n"
    "block-ids normal|jump|repeat\n"
    "payload-bytes N          that images have more than they should; negative: fewer\n"
    "max-packet N             larger packets get lost; 0: none\n"
    "absurd-width on|off, absurd-payload on|off\n"
    "sound                    all of the above as at first\n"
    "unplug, plug             the cable\n"
    "power-cycle MS           off for so long; forgets everything\n"
    "move ADDRESS             appears there\n"
    "take-over IP, release    another program has control\n"
    "line1                    an edge on the trigger input\n"
    "temperature C, ptp-status N\n"
    "counters, state\n";

struct Number {
  std::string_view word;
  std::uint32_t Faults::*field;
  std::int64_t max;
};
constexpr Number numbers[] = {
    {"loss", &Faults::loss, 1000},
    {"reorder", &Faults::reorder, 1000},
    {"duplicate", &Faults::duplicate, 1000},
    {"foreign", &Faults::foreign, 1000},
    {"late", &Faults::late, 1000},
    {"no-leader", &Faults::no_leader, 1000},
    {"no-trailer", &Faults::no_trailer, 1000},
    {"seed", &Faults::seed, 0xFFFFFFFF},
    {"max-packet", &Faults::max_packet_size, 65535},
};

struct Line {
  std::string_view word;
  std::vector<std::string_view> arguments;

  std::optional<std::int64_t> number(std::size_t index, std::int64_t min, std::int64_t max) const {
    std::int64_t value = 0;
    if (index >= arguments.size() || !base::parse_int(arguments[index], value)) return {};
    if (value < min || value > max) return {};
    return value;
  }
  // The place of the argument among these; nullopt: none of them.
  std::optional<std::size_t> choice(std::initializer_list<std::string_view> words) const {
    if (arguments.empty()) return {};
    const auto found = std::ranges::find(words, arguments[0]);
    if (found == words.end()) return {};
    return static_cast<std::size_t>(found - words.begin());
  }
};

Status wrong(const Line& line, std::string_view takes) {
  return Status(Code::invalid, cat(line.word, ": takes ", takes));
}

// Commands that change faults; nullopt: none of these.
std::optional<Status> change(Faults& faults, const Line& line) {
  for (const Number& one : numbers) {
    if (line.word != one.word) continue;
    const auto value = line.number(0, 0, one.max);
    if (!value) return wrong(line, cat("0 to ", one.max));
    faults.*one.field = static_cast<std::uint32_t>(*value);
    if (line.word == "late" && line.arguments.size() > 1) {
      const auto by = line.number(1, 0, 60'000);
      if (!by) return wrong(line, "milliseconds up to 60000 second");
      faults.late_by = std::chrono::milliseconds(*by);
    }
    return Status();
  }
  if (line.word == "payload-bytes") {
    const auto value = line.number(0, -1'000'000'000, 1'000'000'000);
    if (!value) return wrong(line, "bytes");
    faults.payload_bytes = static_cast<int>(*value);
    return Status();
  }
  if (line.word == "resend") {
    const auto which = line.choice({"on", "off", "corrupt"});
    if (!which) return wrong(line, "on, off or corrupt");
    faults.resend = static_cast<Faults::Resend>(*which);
    return Status();
  }
  if (line.word == "block-ids") {
    const auto which = line.choice({"normal", "jump", "repeat"});
    if (!which) return wrong(line, "normal, jump or repeat");
    faults.block_ids = static_cast<Faults::BlockIds>(*which);
    return Status();
  }
  if (line.word == "absurd-width" || line.word == "absurd-payload") {
    const auto which = line.choice({"off", "on"});
    if (!which) return wrong(line, "on or off");
    (line.word == "absurd-width" ? faults.absurd_width : faults.absurd_payload) = *which == 1;
    return Status();
  }
  if (line.word == "sound") {
    faults = Faults();
    return Status();
  }
  return std::nullopt;
}

Result<std::string> act(Camera& camera, const Line& line) {
  const auto argument = [&] {
    return line.arguments.empty() ? std::string() : std::string(line.arguments[0]);
  };
  if (line.word == "unplug") {
    camera.unplug();
  } else if (line.word == "plug") {
    camera.plug();
  } else if (line.word == "power-cycle") {
    const auto off = line.number(0, 0, 3'600'000);
    if (!off) return wrong(line, "milliseconds");
    camera.power_cycle(std::chrono::milliseconds(*off));
  } else if (line.word == "move") {
    if (Status status = camera.move(argument()); !status.ok()) return status;
  } else if (line.word == "take-over") {
    if (argument().empty()) return wrong(line, "an IPv4 address");
    camera.take_over(argument());
  } else if (line.word == "release") {
    camera.release();
  } else if (line.word == "line1") {
    camera.line1();
  } else if (line.word == "temperature") {
    double celsius = 0;
    if (!base::parse_double(argument(), celsius)) return wrong(line, "degrees Celsius");
    camera.set_temperature(celsius);
  } else if (line.word == "ptp-status") {
    const auto status = line.number(0, 0, 8);
    if (!status) return wrong(line, "0 to 8");
    camera.set_ptp_status(static_cast<std::uint32_t>(*status));
  } else if (line.word == "counters") {
    const Counters c = camera.counters();
    return cat("frames ", c.frames, " packets ", c.packets, " lost ", c.lost, " resend-asked ",
               c.resend_asked, " resent ", c.resent, " not-held ", c.not_held, " foreign ",
               c.foreign, " triggers-missed ", c.triggers_missed, " refused ", c.refused);
  } else if (line.word == "state") {
    return cat("address ", camera.address(), " controlled ", camera.controlled(), " acquiring ",
               camera.acquiring());
  } else {
    return Status(Code::invalid, cat("\"", line.word, "\": no such command (help lists them)"));
  }
  return std::string("ok");
}

}  // namespace

std::string_view command_help() { return help; }

Result<std::string> command(Camera& camera, std::string_view text) {
  Line line;
  for (const std::string_view part : base::split(text, ' ')) {
    if (part.empty()) continue;
    if (line.word.empty()) {
      line.word = part;
    } else {
      line.arguments.push_back(part);
    }
  }
  Faults faults = camera.faults();
  const std::optional<Status> changed = change(faults, line);
  if (!changed) return act(camera, line);
  if (!changed->ok()) return *changed;
  camera.set(faults);
  return std::string("ok");
}

}  // namespace generator
