// The promise of the whole mapper, against every fault the simulator has: a value delivered is
// never stale, foreign or half-updated.
//
// Every register tells where it is and when it was made: two bits of unit, six of address, eight of
// generation. A new generation begins with every request that reaches the device, so a value of
// words that are not one another's neighbours in time, of another place, or of a request before
// this one, is seen.
#include <gmock/gmock.h>

#include "modbus/breaker.hpp"
#include "modbus/rig.hpp"
#include "modbus/settings.hpp"
#include "modbus/unit.hpp"
#include "sim/simulator.hpp"
#include "support/process.hpp"

namespace modbus_test {
namespace {

using base::cat;
using dmi::Type;
using dmi::Value;

constexpr unsigned addresses = 64;
constexpr unsigned units = 2;
constexpr int baud = 115200;
constexpr std::chrono::milliseconds thinking_time{20};
constexpr auto longer_than_any_window = modbus::Breaker::longest_window + std::chrono::seconds(10);
constexpr int all_points = units * 11;  // see points()

std::uint16_t word(unsigned unit, unsigned address, unsigned generation) {
  return static_cast<std::uint16_t>((unit - 1) << 14 | address << 8 | (generation & 0xff));
}

struct CheckedWire {
  const char* name;
  const char* url;        // of the simulator; a pty's is completed with its path
  const char* transport;  // of the driver's settings; "" the default
  const char* framing;
};

struct Case {
  const char* name;
  const char* fault;
  double time_outs = 0;  // not 0: the fault's ms, in time-outs of the wire
};

bool is_serial(const CheckedWire& wire) { return std::string_view(wire.transport) == "serial"; }
bool has_ids(const CheckedWire& wire) { return *wire.framing == 0 && !is_serial(wire); }

class Invariant : public Rig, public ::testing::WithParamInterface<std::tuple<CheckedWire, Case>> {
 protected:
  Invariant() : faults_(loop_, 7), simulator_(loop_, faults_) {
    for (unsigned unit = 1; unit <= units; ++unit) {
      simulator_.unit(static_cast<std::uint8_t>(unit)).holding.resize(addresses);
    }
    simulator_.on_request([this](const Adu&) { begin_generation(); });
  }

  void begin_generation() {
    ++generation_;
    for (unsigned unit = 1; unit <= units; ++unit) {
      auto& holding = simulator_.unit(static_cast<std::uint8_t>(unit)).holding;
      for (unsigned at = 0; at < addresses; ++at) holding[at] = word(unit, at, generation_);
    }
  }

  // How long an answer to a read of all registers is waited for: with the time of its characters.
  static std::chrono::milliseconds time_out(const CheckedWire& wire) {
    constexpr std::size_t answer = 2 + 2 * addresses;
    modbus::Settings settings;
    settings.timeout = thinking_time;
    settings.endpoint.framing = has_ids(wire) ? modbus::Framing::mbap : modbus::Framing::rtu;
    if (!is_serial(wire)) return modbus::Unit(settings).timeout(5, answer);
    settings.endpoint.transport = modbus::Transport::serial;
    settings.endpoint.serial.baud = baud;
    return thinking_time + std::chrono::ceil<std::chrono::milliseconds>(
                               modbus::byte_time(settings.endpoint) *
                               modbus::frame_bytes(modbus::Framing::rtu, answer));
  }

  std::string fault() const {
    const auto& [wire, tried] = GetParam();
    if (tried.time_outs == 0) return tried.fault;
    return cat(tried.fault, " ms=",
               static_cast<int>(tried.time_outs * static_cast<double>(time_out(wire).count())));
  }

  Json settings(unsigned unit) {
    const CheckedWire& wire = std::get<0>(GetParam());
    Json json{{"slaveID", unit}, {"timeout", thinking_time.count()}};
    if (is_serial(wire)) {
      json["serialPort"] = (folder_ / "plc").string();
      json["baudRate"] = baud;
      return json;
    }
    json["ip"] = "127.0.0.1";
    json["port"] = modbus_sim::parse_url(url_)->port;
    if (*wire.transport != 0) json["transport"] = wire.transport;
    if (*wire.framing != 0) json["framing"] = wire.framing;
    return json;
  }

  void open_all() {
    const CheckedWire& wire = std::get<0>(GetParam());
    auto url =
        simulator_.open(is_serial(wire) ? cat(wire.url, (folder_ / "plc").string()) : wire.url);
    ASSERT_TRUE(url.ok()) << url.status().text();
    url_ = *url;
    for (unsigned unit = 1; unit <= units; ++unit) {
      targets_.push_back(std::make_unique<mapper::Target>(target_of(points(), settings(unit))));
      drivers_.push_back(open(*targets_.back()));
      ASSERT_NE(drivers_.back(), nullptr);
    }
  }

  // Words, pairs and quads, some joined and some with a gap between them.
  static std::vector<mapper::Point> points() {
    std::vector<mapper::Point> made;
    const auto add = [&](int offset, int words) {
      made.push_back(
          point(Type::integer,
                Json{{"register", "HoldingRegister"}, {"offset", offset}, {"limit", words}}, false,
                cat("p", offset)));
    };
    for (const int at : {0, 1, 2, 40}) add(at, 1);
    for (const int at : {4, 6, 20, 50}) add(at, 2);
    for (const int at : {8, 30, 60}) add(at, 4);
    return made;
  }

  // What one read of all units at once brought.
  struct Harvest {
    int values = 0;
    int quarantined = 0;  // points that say so instead
  };
  Harvest cycle() {
    const unsigned before = generation_;
    std::vector<std::vector<mapper::Reading>> batches;
    for (const auto& target : targets_) batches.push_back(batch_of(*target));
    unsigned done = 0;
    for (unsigned i = 0; i < units; ++i) {
      drivers_[i]->read(batches[i], [&](const Status&) { ++done; });
    }
    EXPECT_TRUE(run_until([&] { return done == units; }));
    Harvest harvest;
    for (unsigned i = 0; i < units; ++i) {
      for (const mapper::Reading& reading : batches[i]) {
        if (!reading.sample) continue;
        if (reading.sample->value) {
          ++harvest.values;
          judge(i + 1, reading, before);
        } else if (reading.sample->status.text().find("quarantined") != std::string::npos) {
          ++harvest.quarantined;
        }
      }
    }
    return harvest;
  }

  void judge(unsigned unit, const mapper::Reading& reading, unsigned before) {
    const auto number = static_cast<std::uint64_t>(std::get<std::int64_t>(*reading.sample->value));
    const Json& visitor = reading.point.visitor.json();
    const unsigned first = visitor["offset"].get<unsigned>();
    const unsigned count = visitor["limit"].get<unsigned>();
    const auto word_of = [&](unsigned i) {
      return static_cast<std::uint16_t>(number >> (16 * (count - 1 - i)) & 0xffff);
    };
    const unsigned made = word_of(0) & 0xffu;
    for (unsigned i = 0; i < count; ++i) {
      ASSERT_EQ(word_of(i) >> 8, word(unit, first + i, 0) >> 8) << "foreign: unit " << unit;
      ASSERT_EQ(word_of(i) & 0xffu, made) << "half-updated: unit " << unit << " at " << first;
    }
    // Generations that began since the read did; 256 of them never fit in one cycle.
    ASSERT_LE((generation_ - made) & 0xffu, generation_ - before - 1)
        << "stale: unit " << unit << " at " << first << ": " << made << " of " << generation_;
  }

  test_support::TempFolder folder_;
  modbus_sim::Faults faults_;
  modbus_sim::Simulator simulator_;
  std::string url_;
  unsigned generation_ = 0;
  std::vector<std::unique_ptr<mapper::Target>> targets_;
  std::vector<std::unique_ptr<mapper::AsyncDriver>> drivers_;
};

TEST_P(Invariant, ADeliveredValueIsNeverStaleForeignOrHalfUpdated) {
  open_all();
  const auto added = faults_.add(std::string_view(fault()));
  ASSERT_TRUE(added.ok()) << added.status().text();
  // Units that do not answer are left alone for a while, so it goes by strikes and by values, not
  // by cycles: the fault has struck often, and in between values came.
  const auto struck = [&] { return faults_.entries()[0].struck; };
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  int values = 0;
  while ((struck() < 6 || values < 500) && std::chrono::steady_clock::now() < end) {
    values += cycle().values;
    if (HasFailure()) return;
  }
  EXPECT_GE(struck(), 6u);
  EXPECT_GE(values, 500);
  faults_.clear();
  // And when the fault is over, everything is read again but what is said to be in quarantine: an
  // address that was refused or silent again and again is asked anew after a minute.
  EXPECT_TRUE(run_until(
      [&] {
        const Harvest last = cycle();
        return (last.values > 0 && last.values + last.quarantined == all_points) || HasFailure();
      },
      longer_than_any_window));
}

// Rare enough that a unit seldom fails twice in a row: it would be left alone for a while.
constexpr Case cases[] = {
    {"late", "late probability=0.1", 1.25},
    {"lateAFullCycle", "late probability=0.1", 6},
    {"behindTheNext", "late after=next probability=0.1"},
    {"split", "split pieces=4 ms=2 probability=0.1"},
    {"splitAndTooLate", "split pieces=3 probability=0.1", 0.6},
    {"duplicated", "duplicated probability=0.1"},
    {"duplicatedLater", "duplicated probability=0.1", 1.25},
    {"foreignTransaction", "foreign what=transaction probability=0.1"},
    {"foreignUnit", "foreign what=unit probability=0.1"},
    {"foreignFunction", "foreign what=function probability=0.1"},
    {"unsolicited", "foreign what=unsolicited probability=0.1"},
    {"truncated", "truncated probability=0.1"},
    {"wrongCrc", "wrong-crc probability=0.1"},
    {"exception", "exception code=6 probability=0.1"},
    {"exceptionOfAnAddress", "exception code=4 probability=0.1"},
    {"silence", "silence probability=0.1"},
    {"reset", "reset probability=0.1"},
    {"dead", "dead unit=2 probability=0.5"},
    {"noiseBefore", "noise probability=0.1"},
    {"noiseWithin", "noise where=within probability=0.1"},
    {"noiseAfter", "noise where=after probability=0.1"},
    {"garbageLength", "garbage-length probability=0.1"},
};

constexpr CheckedWire wires[] = {
    {"tcp", "tcp://127.0.0.1:0", "", ""},
    {"udp", "udp://127.0.0.1:0", "udp", ""},
    {"rtuTcp", "rtu+tcp://127.0.0.1:0", "", "rtu"},
    {"rtuUdp", "rtu+udp://127.0.0.1:0", "udp", "rtu"},
    {"serial", "pty://", "serial", ""},
};

// RTU has no transaction ids. A repeated answer that comes while another request of the same unit,
// function and length is on the line is that request's answer, as far as anybody can see; and so is
// one that is later than twice the time-out (docs/modbus.md, "What a line guarantees").
std::vector<std::tuple<CheckedWire, Case>> combinations() {
  std::vector<std::tuple<CheckedWire, Case>> made;
  for (const CheckedWire& wire : wires) {
    for (const Case& tried : cases) {
      const std::string_view name = tried.name;
      if (!has_ids(wire) && (name == "duplicatedLater" || name == "lateAFullCycle")) continue;
      if (is_serial(wire) && name == "reset") continue;  // no connection
      made.emplace_back(wire, tried);
    }
  }
  return made;
}

INSTANTIATE_TEST_SUITE_P(Wires, Invariant, ::testing::ValuesIn(combinations()),
                         [](const auto& test) {
                           return cat(std::get<0>(test.param).name, "_",
                                      std::get<1>(test.param).name);
                         });

}  // namespace
}  // namespace modbus_test
