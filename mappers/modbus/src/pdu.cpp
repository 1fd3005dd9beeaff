#include "modbus/pdu.hpp"

#include <algorithm>
#include <cassert>

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Status;

namespace {

Function read_function(Table table) {
  switch (table) {
    case Table::coils:
      return Function::read_coils;
    case Table::discrete_inputs:
      return Function::read_discrete_inputs;
    case Table::holding:
      return Function::read_holding;
    case Table::input:
      break;
  }
  return Function::read_input;
}

Pdu start(Function function, std::uint16_t first, std::uint16_t second) {
  Pdu pdu;
  pdu.byte(static_cast<std::uint8_t>(function));
  pdu.word(first);
  pdu.word(second);
  return pdu;
}

Status malformed(std::string text) { return Status(Code::malformed, std::move(text)); }

Status check_read(Bytes request, Bytes answer) {
  const std::size_t count = word_at(request.subspan(3), 0);
  const bool bits = request[0] <= static_cast<std::uint8_t>(Function::read_discrete_inputs);
  const std::size_t expected = bits ? (count + 7) / 8 : count * 2;
  if (answer.size() < 2 || answer[1] != expected || answer.size() != 2 + expected) {
    return malformed(cat("the answer has ", answer.size(), " bytes instead of ", 2 + expected));
  }
  return Status();
}

}  // namespace

std::string_view name(Table table) {
  switch (table) {
    case Table::coils:
      return "coils";
    case Table::discrete_inputs:
      return "discrete inputs";
    case Table::holding:
      return "holding";
    case Table::input:
      break;
  }
  return "input";
}

std::string exception_text(std::uint8_t code) {
  std::string_view text;
  switch (code) {
    case 1:
      text = "illegal function";
      break;
    case 2:
      text = "illegal data address";
      break;
    case 3:
      text = "illegal data value";
      break;
    case 4:
      text = "server device failure";
      break;
    case 5:
      text = "acknowledge";
      break;
    case 6:
      text = "server device busy";
      break;
    case 8:
      text = "memory parity error";
      break;
    case 10:
      text = "gateway path unavailable";
      break;
    case 11:
      text = "gateway target device failed to respond";
      break;
    default:
      return cat("exception ", static_cast<int>(code));
  }
  return cat(text, " (exception ", code < 10 ? "0" : "", static_cast<int>(code), ")");
}

std::string Range::to_string() const {
  if (count == 1) return cat(name(table), " ", first);
  return cat(name(table), " ", first, "..", end() - 1);
}

void Pdu::byte(std::uint8_t value) {
  assert(size_ < bytes_.size());
  bytes_[size_++] = value;
}

void Pdu::word(std::uint16_t value) {
  byte(static_cast<std::uint8_t>(value >> 8));
  byte(static_cast<std::uint8_t>(value & 0xff));
}

Pdu read_request(const Range& range) {
  assert(range.count >= 1 && range.end() <= max_address + 1);
  assert(range.count <= (is_bits(range.table) ? max_read_bits : max_read_registers));
  return start(read_function(range.table), range.first, range.count);
}

Pdu write_coil_request(std::uint16_t address, bool value) {
  return start(Function::write_coil, address, value ? 0xff00 : 0);
}

Pdu write_register_request(std::uint16_t address, std::uint16_t value) {
  return start(Function::write_register, address, value);
}

Pdu write_coils_request(std::uint16_t first, std::span<const bool> values) {
  assert(!values.empty() && values.size() <= max_write_bits);
  Pdu pdu = start(Function::write_coils, first, static_cast<std::uint16_t>(values.size()));
  pdu.byte(static_cast<std::uint8_t>((values.size() + 7) / 8));
  for (std::size_t i = 0; i < values.size(); i += 8) {
    unsigned packed = 0;
    for (std::size_t bit = 0; bit < 8 && i + bit < values.size(); ++bit) {
      packed |= values[i + bit] ? 1u << bit : 0;
    }
    pdu.byte(static_cast<std::uint8_t>(packed));
  }
  return pdu;
}

Pdu write_registers_request(std::uint16_t first, std::span<const std::uint16_t> values) {
  assert(!values.empty() && values.size() <= max_write_registers);
  Pdu pdu = start(Function::write_registers, first, static_cast<std::uint16_t>(values.size()));
  pdu.byte(static_cast<std::uint8_t>(values.size() * 2));
  for (const std::uint16_t value : values) pdu.word(value);
  return pdu;
}

Pdu mask_write_request(std::uint16_t address, std::uint16_t and_mask, std::uint16_t or_mask) {
  Pdu pdu = start(Function::mask_write, address, and_mask);
  pdu.word(or_mask);
  return pdu;
}

std::uint8_t exception_of(Bytes answer) {
  return answer.size() == 2 && (answer[0] & exception_bit) != 0 ? answer[1] : std::uint8_t{0};
}

Status check_answer(Bytes request, Bytes answer) {
  assert(request.size() >= 5);
  if (answer.empty()) return malformed("the answer is empty");
  const std::uint8_t function = request[0];
  if ((answer[0] & ~exception_bit) != function) {
    return malformed(cat("function ", function, " was answered with function ", answer[0]));
  }
  if ((answer[0] & exception_bit) != 0) {
    const std::uint8_t code = exception_of(answer);
    if (code == 0) return malformed("an exception without a code");
    return Status(Code::refused, exception_text(code));
  }
  if (function <= static_cast<std::uint8_t>(Function::read_input)) {
    return check_read(request, answer);
  }
  // A write answers with its first five bytes: address and value, or address and count; a mask
  // write with all seven.
  const bool whole = function == static_cast<std::uint8_t>(Function::mask_write);
  if (!std::ranges::equal(answer, whole ? request : request.first(5))) {
    return malformed("the answer to a write does not repeat it");
  }
  return Status();
}

}  // namespace modbus
