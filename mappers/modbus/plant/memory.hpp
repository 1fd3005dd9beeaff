// The server side of the protocol: the four tables of a unit, and what it answers. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "modbus/pdu.hpp"

namespace modbus_plant {

// Each table starts at address 0; what is beyond its end is answered with exception 02.
struct Memory {
  std::vector<bool> coils;
  std::vector<bool> discrete_inputs;
  std::vector<std::uint16_t> holding;
  std::vector<std::uint16_t> input;
};

// Carries out a request (functions 1 to 6, 15, 16) on memory and makes the answer.
modbus::Pdu answer(Memory& memory, modbus::Bytes request);
modbus::Pdu exception(std::uint8_t function, std::uint8_t code);

// A float in two registers, the high word first (as isRegisterSwap false) or last.
void put_float(std::vector<std::uint16_t>& table, std::size_t address, float value,
               bool low_word_first = false);
float get_float(const std::vector<std::uint16_t>& table, std::size_t address);
void put_uint32(std::vector<std::uint16_t>& table, std::size_t address, std::uint32_t value);

}  // namespace modbus_plant
