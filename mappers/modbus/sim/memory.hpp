// The server side of the protocol: the four tables of a unit, and what it answers. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "modbus/pdu.hpp"

namespace modbus_sim {

// Which addresses of a table are there, and which of them may be written. An empty list: all.
struct Access {
  std::vector<bool> exists;
  std::vector<bool> writable;

  bool has(std::size_t first, std::size_t count) const { return all(exists, first, count); }
  bool may_write(std::size_t first, std::size_t count) const {
    return has(first, count) && all(writable, first, count);
  }

 private:
  static bool all(const std::vector<bool>& list, std::size_t first, std::size_t count);
};

// Each table starts at address 0. What is beyond its end, does not exist or may not be written is
// answered with exception 02, and such a write changes nothing.
struct Memory {
  std::vector<bool> coils = {};
  std::vector<bool> discrete_inputs = {};
  std::vector<std::uint16_t> holding = {};
  std::vector<std::uint16_t> input = {};
  std::array<Access, 4> access = {};  // by modbus::Table

  Access& of(modbus::Table table) { return access[static_cast<std::size_t>(table)]; }
  const Access& of(modbus::Table table) const { return access[static_cast<std::size_t>(table)]; }
  std::vector<bool>& bits(modbus::Table table);            // coils, discrete inputs (asserts)
  std::vector<std::uint16_t>& words(modbus::Table table);  // holding, input (asserts)
  std::size_t size(modbus::Table table) const;
};

// Carries out a request (functions 1 to 6, 15, 16, 22, 23) on memory and makes the answer.
modbus::Pdu answer(Memory& memory, modbus::Bytes request);
modbus::Pdu exception(std::uint8_t function, std::uint8_t code);

// The addresses that a request of these functions reads or writes (23: those it reads); count 0:
// it is none of them, or too short to say.
modbus::Range asked_for(modbus::Bytes request);
bool is_write(std::uint8_t function);
// What a write changed (23: the written range); count 0 for the rest.
modbus::Range written_by(modbus::Bytes request);

// A float in two registers, the high word first (as isRegisterSwap false) or last.
void put_float(std::vector<std::uint16_t>& table, std::size_t address, float value,
               bool low_word_first = false);
float get_float(const std::vector<std::uint16_t>& table, std::size_t address);
void put_uint32(std::vector<std::uint16_t>& table, std::size_t address, std::uint32_t value);

}  // namespace modbus_sim
