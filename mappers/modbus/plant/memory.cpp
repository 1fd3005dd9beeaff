#include "plant/memory.hpp"

#include <bit>
#include <cassert>

namespace modbus_plant {

using modbus::Bytes;
using modbus::Function;
using modbus::Pdu;

namespace {

Pdu read_bits(const std::vector<bool>& table, Bytes request) {
  const std::size_t first = modbus::word_at(request.subspan(1), 0);
  const std::size_t count = modbus::word_at(request.subspan(3), 0);
  if (count < 1 || count > modbus::max_read_bits) {
    return exception(request[0], modbus::illegal_data_value);
  }
  if (first + count > table.size()) return exception(request[0], modbus::illegal_data_address);
  Pdu pdu;
  pdu.byte(request[0]);
  pdu.byte(static_cast<std::uint8_t>((count + 7) / 8));
  for (std::size_t i = 0; i < count; i += 8) {
    unsigned packed = 0;
    for (std::size_t bit = 0; bit < 8 && i + bit < count; ++bit) {
      packed |= table[first + i + bit] ? 1u << bit : 0;
    }
    pdu.byte(static_cast<std::uint8_t>(packed));
  }
  return pdu;
}

Pdu read_registers(const std::vector<std::uint16_t>& table, Bytes request) {
  const std::size_t first = modbus::word_at(request.subspan(1), 0);
  const std::size_t count = modbus::word_at(request.subspan(3), 0);
  if (count < 1 || count > modbus::max_read_registers) {
    return exception(request[0], modbus::illegal_data_value);
  }
  if (first + count > table.size()) return exception(request[0], modbus::illegal_data_address);
  Pdu pdu;
  pdu.byte(request[0]);
  pdu.byte(static_cast<std::uint8_t>(count * 2));
  for (std::size_t i = 0; i < count; ++i) pdu.word(table[first + i]);
  return pdu;
}

// A write repeats the first five bytes of its request, a mask write all seven.
Pdu echo(Bytes request, std::size_t size = 5) {
  Pdu pdu;
  for (const std::uint8_t byte : request.first(size)) pdu.byte(byte);
  return pdu;
}

Pdu write_coil(Memory& memory, Bytes request) {
  const std::size_t address = modbus::word_at(request.subspan(1), 0);
  const std::uint16_t value = modbus::word_at(request.subspan(3), 0);
  if (value != 0 && value != 0xff00) return exception(request[0], modbus::illegal_data_value);
  if (address >= memory.coils.size()) return exception(request[0], modbus::illegal_data_address);
  memory.coils[address] = value != 0;
  return echo(request);
}

Pdu write_register(Memory& memory, Bytes request) {
  const std::size_t address = modbus::word_at(request.subspan(1), 0);
  if (address >= memory.holding.size()) return exception(request[0], modbus::illegal_data_address);
  memory.holding[address] = modbus::word_at(request.subspan(3), 0);
  return echo(request);
}

Pdu mask_write(Memory& memory, Bytes request) {
  const std::size_t address = modbus::word_at(request.subspan(1), 0);
  if (address >= memory.holding.size()) return exception(request[0], modbus::illegal_data_address);
  const std::uint16_t and_mask = modbus::word_at(request.subspan(3), 0);
  const std::uint16_t or_mask = modbus::word_at(request.subspan(5), 0);
  std::uint16_t& word = memory.holding[address];
  word = static_cast<std::uint16_t>((word & and_mask) | (or_mask & ~and_mask));
  return echo(request, 7);
}

Pdu write_many(Memory& memory, Bytes request) {
  const bool bits = request[0] == static_cast<std::uint8_t>(Function::write_coils);
  const std::size_t first = modbus::word_at(request.subspan(1), 0);
  const std::size_t count = modbus::word_at(request.subspan(3), 0);
  const std::size_t most = bits ? modbus::max_write_bits : modbus::max_write_registers;
  const std::size_t bytes = bits ? (count + 7) / 8 : count * 2;
  if (count < 1 || count > most || request.size() != 6 + bytes || request[5] != bytes) {
    return exception(request[0], modbus::illegal_data_value);
  }
  const std::size_t size = bits ? memory.coils.size() : memory.holding.size();
  if (first + count > size) return exception(request[0], modbus::illegal_data_address);
  const Bytes values = request.subspan(6);
  for (std::size_t i = 0; i < count; ++i) {
    if (bits) {
      memory.coils[first + i] = modbus::bit_at(values, i);
    } else {
      memory.holding[first + i] = modbus::word_at(values, i);
    }
  }
  return echo(request);
}

}  // namespace

Pdu exception(std::uint8_t function, std::uint8_t code) {
  Pdu pdu;
  pdu.byte(function | 0x80);
  pdu.byte(code);
  return pdu;
}

Pdu answer(Memory& memory, Bytes request) {
  assert(!request.empty());
  const bool many = request[0] == static_cast<std::uint8_t>(Function::write_coils) ||
                    request[0] == static_cast<std::uint8_t>(Function::write_registers);
  const bool mask = request[0] == static_cast<std::uint8_t>(Function::mask_write);
  if (many ? request.size() < 6 : request.size() != (mask ? 7 : 5)) {
    const bool known = many || mask || (request[0] >= 1 && request[0] <= 6);
    return exception(request[0], known ? modbus::illegal_data_value : modbus::illegal_function);
  }
  switch (static_cast<Function>(request[0])) {
    case Function::read_coils:
      return read_bits(memory.coils, request);
    case Function::read_discrete_inputs:
      return read_bits(memory.discrete_inputs, request);
    case Function::read_holding:
      return read_registers(memory.holding, request);
    case Function::read_input:
      return read_registers(memory.input, request);
    case Function::write_coil:
      return write_coil(memory, request);
    case Function::write_register:
      return write_register(memory, request);
    case Function::write_coils:
    case Function::write_registers:
      return write_many(memory, request);
    case Function::mask_write:
      return mask_write(memory, request);
  }
  return exception(request[0], modbus::illegal_function);
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

}  // namespace modbus_plant
