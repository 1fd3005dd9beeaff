// The Modbus protocol data unit: a function code and its data, the same on every transport.
// Requests are built and answers checked here. Pure; nothing allocates but error texts.
// Source of all numbers: Modbus Application Protocol V1.1b3, section 6.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.hpp"

namespace modbus {

using Bytes = std::span<const std::uint8_t>;

// The four address spaces of a unit.
enum class Table : std::uint8_t { coils, discrete_inputs, holding, input };
std::string_view name(Table table);  // "coils", "discrete inputs", "holding", "input"
constexpr bool is_bits(Table table) { return table <= Table::discrete_inputs; }
constexpr bool is_writable(Table table) { return table == Table::coils || table == Table::holding; }

enum class Function : std::uint8_t {
  read_coils = 1,
  read_discrete_inputs = 2,
  read_holding = 3,
  read_input = 4,
  write_coil = 5,
  write_register = 6,
  write_coils = 15,
  write_registers = 16,
  mask_write = 22,
};

// "illegal data address (exception 02)"; unknown ones are "exception 99".
std::string exception_text(std::uint8_t code);
enum Exception : std::uint8_t {
  illegal_function = 1,
  illegal_data_address = 2,
  illegal_data_value = 3,
  device_failure = 4,  // some units say it of addresses that they do not have
  acknowledge = 5,     // accepted, but it takes a while
  gateway_no_path = 10,
  gateway_no_answer = 11,
};

// Set in the function of an answer that is an exception.
inline constexpr std::uint8_t exception_bit = 0x80;

inline constexpr std::size_t max_pdu_bytes = 253;
inline constexpr std::uint16_t max_read_registers = 125;
inline constexpr std::uint16_t max_read_bits = 2000;
inline constexpr std::uint16_t max_write_registers = 123;
inline constexpr std::uint16_t max_write_bits = 1968;
inline constexpr std::uint32_t max_address = 65535;

// count addresses from first on (0-based, as on the wire).
struct Range {
  Table table = Table::holding;
  std::uint16_t first = 0;
  std::uint16_t count = 1;

  std::uint32_t end() const { return std::uint32_t{first} + count; }  // one past the last
  std::string to_string() const;                                      // "holding 40..52"
  friend bool operator==(const Range&, const Range&) = default;
};

// A PDU by value: at most 253 bytes, no heap.
class Pdu {
 public:
  Bytes bytes() const { return Bytes(bytes_.data(), size_); }
  std::size_t size() const { return size_; }
  void clear() { size_ = 0; }
  void byte(std::uint8_t value);   // appends; past 253 bytes is a bug and asserts
  void word(std::uint16_t value);  // appends, high byte first

 private:
  std::array<std::uint8_t, max_pdu_bytes> bytes_;
  std::size_t size_ = 0;
};

// Requests. Counts beyond the limits above are bugs of the caller and assert.
Pdu read_request(const Range& range);
Pdu write_coil_request(std::uint16_t address, bool value);                         // 5
Pdu write_register_request(std::uint16_t address, std::uint16_t value);            // 6
Pdu write_coils_request(std::uint16_t first, std::span<const bool> values);        // 15
Pdu write_registers_request(std::uint16_t first, std::span<const std::uint16_t>);  // 16
// 22, one register: becomes (present AND and_mask) OR (or_mask AND NOT and_mask).
Pdu mask_write_request(std::uint16_t address, std::uint16_t and_mask, std::uint16_t or_mask);

// Whether answer is what request asks for. refused: an exception, the text names it; malformed:
// another function, a wrong length, an echo that differs.
base::Status check_answer(Bytes request, Bytes answer);
// The exception code of an answer; 0: it is none.
std::uint8_t exception_of(Bytes answer);
// The registers or bits of a read answer that passed check_answer().
inline Bytes payload(Bytes answer) { return answer.subspan(2); }

inline std::uint16_t word_at(Bytes bytes, std::size_t index) {
  return static_cast<std::uint16_t>(bytes[2 * index] << 8 | bytes[2 * index + 1]);
}
// Bits are packed from the lowest bit of the first byte on.
inline bool bit_at(Bytes bytes, std::size_t index) {
  return (bytes[index / 8] >> (index % 8) & 1) != 0;
}

}  // namespace modbus
