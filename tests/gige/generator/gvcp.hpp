// GVCP, the control protocol of GigE Vision 2.0, as a camera sees it: commands in, answers out.
// Pure; any thread. Everything is big-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace generator {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

std::uint16_t read16(View bytes, std::size_t at);
std::uint32_t read32(View bytes, std::size_t at);
void put16(Bytes& to, std::uint32_t value);  // the lower 16 bits
void put32(Bytes& to, std::uint32_t value);

namespace gvcp {

inline constexpr std::uint16_t port = 3956;
inline constexpr std::uint8_t key = 0x42;
inline constexpr std::size_t header_bytes = 8;
// GigE Vision 2.0, section 14.5.5: a READMEM or WRITEMEM carries at most 536 bytes.
inline constexpr std::size_t max_memory_bytes = 536;

enum class Type : std::uint16_t {
  discovery = 0x0002,
  force_ip = 0x0004,
  packet_resend = 0x0040,
  read_register = 0x0080,
  write_register = 0x0082,
  read_memory = 0x0084,
  write_memory = 0x0086,
};

// Status of an answer.
enum class Answer : std::uint16_t {
  success = 0x0000,
  not_implemented = 0x8001,
  invalid_parameter = 0x8002,
  invalid_address = 0x8003,
  write_protect = 0x8004,
  bad_alignment = 0x8005,
  access_denied = 0x8006,
  busy = 0x8007,
};

inline constexpr std::uint8_t flag_acknowledge = 0x01;
inline constexpr std::uint8_t flag_extended_ids = 0x10;  // of PACKETRESEND

struct Command {
  Type type = Type::discovery;
  std::uint8_t flags = 0;
  std::uint16_t id = 0;
  Bytes payload;
};

// nullopt: not a GVCP command (wrong key, shorter than its header says, id 0).
std::optional<Command> parse(View datagram);
Bytes serialize(const Command& command);
Bytes answer(const Command& to, Answer status, View payload);

struct Write {
  std::uint32_t address = 0;
  std::uint32_t value = 0;
  friend bool operator==(const Write&, const Write&) = default;
};
struct MemoryRead {
  std::uint32_t address = 0;
  std::uint16_t count = 0;
};
struct MemoryWrite {
  std::uint32_t address = 0;
  View data;  // of the command's payload
};
// Packets first to last of a block, both included.
struct Resend {
  std::uint16_t channel = 0;
  std::uint64_t block = 0;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  friend bool operator==(const Resend&, const Resend&) = default;
};

// What is in a command's payload; nullopt: it is too short, or not a multiple of what it must be.
std::optional<std::vector<std::uint32_t>> read_register(const Command& command);  // addresses
std::optional<std::vector<Write>> write_register(const Command& command);
std::optional<MemoryRead> read_memory(const Command& command);
std::optional<MemoryWrite> write_memory(const Command& command);
std::optional<Resend> packet_resend(const Command& command);
Command make(const Resend& resend, std::uint16_t id);

}  // namespace gvcp
}  // namespace generator
