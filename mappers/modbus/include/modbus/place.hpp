// Where a point lies in a unit, how its bits become a value and how it is written. Parsed once from
// the visitor's configData. Pure. A device may have thousands of points: what few of them have
// stands apart in Extra.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "mapper/driver.hpp"
#include "modbus/pdu.hpp"

namespace modbus {

// How the registers of a point are to be read.
enum class DataType : std::uint8_t {
  boolean,
  int16,
  uint16,
  int32,
  uint32,
  int48,
  uint48,
  int64,
  uint64,
  float32,
  float64,
  bcd16,
  bcd32,
  bcd64,
  string,
  bytes,
};
std::string_view name(DataType type);  // "bool", "int16" ...
// Registers of one value; 0: as many as `limit` says (string, bytes).
std::uint16_t words_of(DataType type);
constexpr bool is_float(DataType type) {
  return type == DataType::float32 || type == DataType::float64;
}
constexpr bool is_bcd(DataType type) { return type >= DataType::bcd16 && type <= DataType::bcd64; }
constexpr bool is_text(DataType type) { return type >= DataType::string; }

// How the bits of a point are cut.
enum class Shape : std::uint8_t {
  number,  // one value of Place::data
  field,   // some bits of it, or some coils in a row
  array,   // Place::elements values in a row
  text,    // characters or bytes
};

enum class Encoding : std::uint8_t { ascii, latin1, utf8 };
enum class Padding : std::uint8_t { nul, space };
struct Text {
  Encoding encoding = Encoding::ascii;
  Padding padding = Padding::nul;
  bool swap_bytes = false;  // isSwap: the two bytes of every register
  bool swap_words = false;  // isRegisterSwap: the order of all registers
  friend bool operator==(const Text&, const Text&) = default;
};

struct Label {
  std::int64_t number;
  std::string text;
  friend bool operator==(const Label&, const Label&) = default;
};

enum class WriteFunction : std::uint8_t {
  automatic,  // 5 or 6 for one coil or register, 15 or 16 for several
  single,     // 5 or 6
  multiple,   // 15 or 16, for one as well
};
enum class BitWrite : std::uint8_t {
  mask,               // function 22: the unit itself keeps the other bits
  read_modify_write,  // for units without it: another writer's bits may get lost in between
};
struct WriteRule {
  WriteFunction function = WriteFunction::automatic;
  BitWrite bits = BitWrite::mask;
  bool broadcast = false;  // to unit 0; nobody answers
  // The driver itself reads back until the value is there or verify_timeout has passed.
  bool verify = false;
  std::optional<Range> verify_range = {};  // where; none: the value's own
  // In the unit of decode()'s values. None: 1e-6 of the value for floats, else 0.
  std::optional<double> tolerance = {};
  std::chrono::milliseconds verify_timeout{2000};
  friend bool operator==(const WriteRule&, const WriteRule&) = default;
};

struct Extra {
  Text text;
  std::vector<Label> labels;                       // by number; empty: none
  std::vector<std::uint64_t> not_available;        // raw bits of one value
  bool nan_not_available = false;                  // every NaN
  std::optional<std::uint16_t> scale_offset = {};  // register of the power of ten, same table
  WriteRule write;
  friend bool operator==(const Extra&, const Extra&) = default;
};

struct Place {
  Range range;  // of the value
  DataType data = DataType::uint16;
  dmi::Type type = dmi::Type::integer;  // what the value becomes
  // range and what must be read with it (its scale factor): one request, one table.
  Range hull = {};
  // Where on the wire each byte of a number stands, the most significant first: isSwap,
  // isRegisterSwap and byteOrder in one. Only the first bytes of a short number count.
  std::array<std::uint8_t, 8> order = {0, 1, 2, 3, 4, 5, 6, 7};
  Shape shape = Shape::number;
  std::uint8_t bit = 0;                     // of a field: its lowest bit
  std::uint8_t bit_count = 0;               // of a field
  std::uint16_t elements = 0;               // of an array
  std::shared_ptr<const Extra> extra = {};  // null: all defaults. Shared by copies
  std::string pin = {};  // points with the same one are read in one request; "" with any or none
  friend bool operator==(const Place&, const Place&) = default;  // extra: by address
};
static_assert(sizeof(Place) <= 96);

// The rule of a place; the defaults if it has none. Lives as long as place.
const WriteRule& write_rule(const Place& place);
// What to read to verify a write: place itself, or the same value at verify_range.
Place read_back_place(const Place& place);

// The place a visitor describes; the manual says what each key means. Every error is invalid or
// unsupported and carries the path and the limit it broke.
base::Result<Place> parse_place(const mapper::Point& point);
// Every mistake of the visitor, the one parse_place() names first; none: empty.
std::vector<base::Status> check_place(const mapper::Point& point);

}  // namespace modbus
