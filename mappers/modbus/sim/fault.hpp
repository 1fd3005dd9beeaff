// Faults on demand: what goes wrong, for which requests, and how often. A fault is one line of
// text, "late ms=800 unit=3 every=5"; docs/modbus.md lists kinds and words.
//
// A list of faults belongs to one loop; time and seed come in, so that a run can be repeated.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "modbus/mbap.hpp"
#include "sim/reply.hpp"

namespace modbus_sim {

enum class Kind : std::uint8_t {
  late,        // the answer comes after ms, or behind the next answer
  split,       // in pieces, ms between them
  duplicated,  // twice, ms between
  foreign,     // somebody else's: another unit, transaction or function; or one nobody asked for
  truncated,   // only its first bytes
  wrong_crc,   // RTU only
  exception,   // an exception with code
  silence,     // no answer
  reset,       // the connection is reset instead of an answer; elsewhere: silence
  dead,        // the unit is not there: no answer, and nothing is carried out
  noise,       // random bytes before, within or after the answer
  garbage_length,  // MBAP: the header's length lies; RTU: the byte count does, with a right CRC
};
inline constexpr std::size_t kinds = 12;
std::string_view name(Kind kind);

struct Fault {
  enum class What : std::uint8_t { transaction, unit, function, unsolicited };
  enum class Where : std::uint8_t { before, within, after };

  Kind kind = Kind::silence;
  // For which requests; none of them: all.
  std::optional<std::uint8_t> unit;
  std::optional<std::uint8_t> function;
  std::optional<modbus::Table> table;
  std::uint16_t first_address = 0;  // of those that touch first..last
  std::uint16_t last_address = 65535;
  // How often, among those.
  std::uint32_t every = 1;
  double probability = 1;
  std::uint64_t count = UINT64_MAX;                // at most
  std::optional<std::chrono::milliseconds> lasts;  // since it was given
  // How. Defaults are parse_fault()'s, by kind.
  std::chrono::milliseconds ms{0};
  bool after_next = false;
  std::uint32_t pieces = 2;
  std::optional<std::size_t> bytes;
  std::uint8_t code = modbus::illegal_data_address;
  What what = What::transaction;
  Where where = Where::before;

  std::string to_string() const;  // reads back as the same fault
};

// invalid: the text names the word that is wrong and what is allowed.
base::Result<Fault> parse_fault(std::string_view text);

class Faults {
 public:
  struct Entry {
    std::uint32_t id = 0;
    Fault fault;
    base::SteadyTime until;      // SteadyTime::max(): for ever
    std::uint64_t matching = 0;  // requests it was for
    std::uint64_t struck = 0;
  };

  explicit Faults(base::Loop& loop, std::uint64_t seed = 1) : loop_(loop), random_(seed) {}

  // Faults a list holds. Each is looked at for every request.
  static constexpr std::size_t max_faults = 256;
  // Its id; unavailable: the list is full.
  base::Result<std::uint32_t> add(const Fault& fault);
  base::Result<std::uint32_t> add(std::string_view text);
  bool remove(std::uint32_t id);
  void clear() { entries_.clear(); }
  const std::vector<Entry>& entries() const { return entries_; }
  const std::map<std::string_view, std::uint64_t>& struck() const { return struck_; }

  // The first fault of the list that strikes for this request, if one does: the caller asks once
  // per request. Valid until the list changes.
  const Fault* strike(const modbus::Adu& request);
  // Makes reply, which holds the frame of answer, what the fault makes of it.
  void spoil(const Fault& fault, const modbus::Adu& request, const modbus::Pdu& answer,
             Reply& reply);

 private:
  static bool matches(const Fault& fault, const modbus::Adu& request);
  bool due(Entry& entry);
  double chance();
  std::uint8_t random_byte();
  void add_noise(const Fault& fault, Reply& reply);
  void foreign(const Fault& fault, const modbus::Adu& request, const modbus::Pdu& answer,
               Reply& reply);
  void lie_about_length(Reply& reply);
  static void split(const Fault& fault, Reply& reply);

  base::Loop& loop_;
  std::mt19937_64 random_;
  std::vector<Entry> entries_;
  std::map<std::string_view, std::uint64_t> struck_;  // by kind, all that ever were
  std::uint32_t last_id_ = 0;
};

}  // namespace modbus_sim
