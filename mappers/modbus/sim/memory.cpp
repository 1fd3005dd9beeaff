#include "sim/memory.hpp"

#include <bit>
#include <cassert>

namespace modbus_sim {

using modbus::Bytes;
using modbus::Pdu;
using modbus::Range;
using modbus::Table;

namespace {

// Modbus Application Protocol V1.1b3, sections 6.16 and 6.17.
constexpr std::uint8_t mask_write = 22;
constexpr std::uint8_t read_write = 23;
constexpr std::size_t max_read_write_registers = 121;  // the written half of 23

Table table_of(std::uint8_t function) {
  switch (function) {
    case 1:
    case 5:
    case 15:
      return Table::coils;
    case 2:
      return Table::discrete_inputs;
    case 4:
      return Table::input;
    default:
      return Table::holding;
  }
}

bool holds(const Memory& memory, const Range& range) {
  return range.end() <= memory.size(range.table) &&
         memory.of(range.table).has(range.first, range.count);
}
bool takes(const Memory& memory, const Range& range) {
  return range.end() <= memory.size(range.table) &&
         memory.of(range.table).may_write(range.first, range.count);
}

Pdu read_bits(Memory& memory, Bytes request) {
  const Range range = asked_for(request);
  if (range.count < 1 || range.count > modbus::max_read_bits) {
    return exception(request[0], modbus::illegal_data_value);
  }
  if (!holds(memory, range)) return exception(request[0], modbus::illegal_data_address);
  const std::vector<bool>& table = memory.bits(range.table);
  Pdu pdu;
  pdu.byte(request[0]);
  pdu.byte(static_cast<std::uint8_t>((range.count + 7) / 8));
  for (std::size_t i = 0; i < range.count; i += 8) {
    unsigned packed = 0;
    for (std::size_t bit = 0; bit < 8 && i + bit < range.count; ++bit) {
      packed |= table[range.first + i + bit] ? 1u << bit : 0;
    }
    pdu.byte(static_cast<std::uint8_t>(packed));
  }
  return pdu;
}

Pdu read_registers(Memory& memory, Bytes request) {
  const Range range = asked_for(request);
  if (range.count < 1 || range.count > modbus::max_read_registers) {
    return exception(request[0], modbus::illegal_data_value);
  }
  if (!holds(memory, range)) return exception(request[0], modbus::illegal_data_address);
  const std::vector<std::uint16_t>& table = memory.words(range.table);
  Pdu pdu;
  pdu.byte(request[0]);
  pdu.byte(static_cast<std::uint8_t>(range.count * 2));
  for (std::size_t i = 0; i < range.count; ++i) pdu.word(table[range.first + i]);
  return pdu;
}

// A write repeats the first bytes of its request.
Pdu echo(Bytes request, std::size_t size) {
  Pdu pdu;
  for (const std::uint8_t byte : request.first(size)) pdu.byte(byte);
  return pdu;
}

Pdu write_one(Memory& memory, Bytes request) {
  const Range range = written_by(request);
  const std::uint16_t value = modbus::word_at(request.subspan(3), 0);
  const bool bit = range.table == Table::coils;
  if (bit && value != 0 && value != 0xff00) {
    return exception(request[0], modbus::illegal_data_value);
  }
  if (!takes(memory, range)) return exception(request[0], modbus::illegal_data_address);
  if (bit) {
    memory.coils[range.first] = value != 0;
  } else {
    memory.holding[range.first] = value;
  }
  return echo(request, 5);
}

void store(Memory& memory, const Range& range, Bytes values) {
  for (std::size_t i = 0; i < range.count; ++i) {
    if (range.table == Table::coils) {
      memory.coils[range.first + i] = modbus::bit_at(values, i);
    } else {
      memory.holding[range.first + i] = modbus::word_at(values, i);
    }
  }
}

Pdu write_many(Memory& memory, Bytes request) {
  const Range range = written_by(request);
  const bool bits = range.table == Table::coils;
  const std::size_t most = bits ? modbus::max_write_bits : modbus::max_write_registers;
  const std::size_t bytes = bits ? (range.count + 7u) / 8 : range.count * 2u;
  if (range.count < 1 || range.count > most || request.size() != 6 + bytes || request[5] != bytes) {
    return exception(request[0], modbus::illegal_data_value);
  }
  if (!takes(memory, range)) return exception(request[0], modbus::illegal_data_address);
  store(memory, range, request.subspan(6));
  return echo(request, 5);
}

Pdu write_masked(Memory& memory, Bytes request) {
  const Range range = written_by(request);
  if (!takes(memory, range)) return exception(request[0], modbus::illegal_data_address);
  const unsigned keep = modbus::word_at(request.subspan(3), 0);
  const unsigned set = modbus::word_at(request.subspan(5), 0);
  const unsigned now = memory.holding[range.first];
  memory.holding[range.first] = static_cast<std::uint16_t>((now & keep) | (set & ~keep));
  return echo(request, 7);
}

Pdu write_and_read(Memory& memory, Bytes request) {
  const Range written = written_by(request);
  const std::size_t bytes = written.count * 2u;
  if (written.count < 1 || written.count > max_read_write_registers ||
      request.size() != 10 + bytes || request[9] != bytes) {
    return exception(request[0], modbus::illegal_data_value);
  }
  if (!takes(memory, written) || !holds(memory, asked_for(request))) {
    return exception(request[0], modbus::illegal_data_address);
  }
  store(memory, written, request.subspan(10));
  return read_registers(memory, request);
}

// The bytes of a request that must be there before its values; 0: an unknown function.
std::size_t fixed_bytes(std::uint8_t function) {
  if (function >= 1 && function <= 6) return 5;
  if (function == 15 || function == 16) return 6;
  if (function == mask_write) return 7;
  return function == read_write ? 10 : 0;
}

}  // namespace

bool Access::all(const std::vector<bool>& list, std::size_t first, std::size_t count) {
  if (list.empty()) return true;
  if (first + count > list.size()) return false;
  for (std::size_t i = first; i < first + count; ++i) {
    if (!list[i]) return false;
  }
  return true;
}

std::vector<bool>& Memory::bits(Table table) {
  assert(is_bits(table));
  return table == Table::coils ? coils : discrete_inputs;
}
std::vector<std::uint16_t>& Memory::words(Table table) {
  assert(!is_bits(table));
  return table == Table::holding ? holding : input;
}
std::size_t Memory::size(Table table) const {
  switch (table) {
    case Table::coils:
      return coils.size();
    case Table::discrete_inputs:
      return discrete_inputs.size();
    case Table::holding:
      return holding.size();
    case Table::input:
      break;
  }
  return input.size();
}

bool is_write(std::uint8_t function) {
  return function == 5 || function == 6 || function == 15 || function == 16 ||
         function == mask_write || function == read_write;
}

Range asked_for(Bytes request) {
  const std::size_t fixed = request.empty() ? 0 : fixed_bytes(request[0]);
  if (fixed == 0 || request.size() < fixed) return {Table::holding, 0, 0};
  const bool one = request[0] == 5 || request[0] == 6 || request[0] == mask_write;
  return {table_of(request[0]), modbus::word_at(request.subspan(1), 0),
          one ? std::uint16_t{1} : modbus::word_at(request.subspan(3), 0)};
}

Range written_by(Bytes request) {
  Range range = asked_for(request);
  if (range.count == 0 || !is_write(request[0])) return {range.table, 0, 0};
  if (request[0] == read_write) {
    range.first = modbus::word_at(request.subspan(5), 0);
    range.count = modbus::word_at(request.subspan(7), 0);
  }
  return range;
}

Pdu exception(std::uint8_t function, std::uint8_t code) {
  Pdu pdu;
  pdu.byte(function | 0x80);
  pdu.byte(code);
  return pdu;
}

Pdu answer(Memory& memory, Bytes request) {
  assert(!request.empty());
  const std::uint8_t function = request[0];
  const std::size_t fixed = fixed_bytes(function);
  if (fixed == 0) return exception(function, modbus::illegal_function);
  const bool carries_values = function == 15 || function == 16 || function == read_write;
  if (carries_values ? request.size() < fixed : request.size() != fixed) {
    return exception(function, modbus::illegal_data_value);
  }
  switch (function) {
    case 1:
    case 2:
      return read_bits(memory, request);
    case 3:
    case 4:
      return read_registers(memory, request);
    case 5:
    case 6:
      return write_one(memory, request);
    case mask_write:
      return write_masked(memory, request);
    case read_write:
      return write_and_read(memory, request);
    default:
      return write_many(memory, request);
  }
}

void put_float(std::vector<std::uint16_t>& table, std::size_t address, float value,
               bool low_word_first) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  table[address + (low_word_first ? 1 : 0)] = static_cast<std::uint16_t>(bits >> 16);
  table[address + (low_word_first ? 0 : 1)] = static_cast<std::uint16_t>(bits & 0xffff);
}

float get_float(const std::vector<std::uint16_t>& table, std::size_t address) {
  return std::bit_cast<float>(std::uint32_t{table[address]} << 16 | table[address + 1]);
}

void put_uint32(std::vector<std::uint16_t>& table, std::size_t address, std::uint32_t value) {
  table[address] = static_cast<std::uint16_t>(value >> 16);
  table[address + 1] = static_cast<std::uint16_t>(value & 0xffff);
}

}  // namespace modbus_sim
