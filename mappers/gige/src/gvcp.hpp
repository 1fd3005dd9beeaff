// GVCP, the control protocol of GigE Vision 2.0, as far as we speak it ourselves beside Aravis:
// discovery, reading registers, reading memory, and their answers. Pure; any thread. Everything is
// big-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gige::gvcp {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

inline constexpr std::uint16_t port = 3956;
inline constexpr std::size_t header_bytes = 8;
// GigE Vision 2.0, section 14.5.5: a packet carries 536 bytes of memory and 4 of its address. 512
// is what every camera manages, and what its URL registers hold.
inline constexpr std::size_t max_memory_bytes = 512;
inline constexpr std::size_t max_registers = 134;
inline constexpr std::size_t max_datagram_bytes = 576;

// Bootstrap registers, GigE Vision 2.0 section 28.
namespace reg {
inline constexpr std::uint32_t first_url = 0x0200;   // 512 bytes of text
inline constexpr std::uint32_t second_url = 0x0400;  // 512
inline constexpr std::size_t url_bytes = 512;
inline constexpr std::uint32_t heartbeat = 0x0938;          // ms
inline constexpr std::uint32_t control_privilege = 0x0A00;  // bit 0 exclusive, bit 1 control
inline constexpr std::uint32_t controller_port = 0x0A04;    // lower 16 bits; optional
inline constexpr std::uint32_t controller_ip = 0x0A14;      // optional
inline constexpr std::uint32_t packet_size = 0x0D04;        // lower 16 bits
inline constexpr std::uint32_t packet_delay = 0x0D08;       // ticks of the timestamp
}  // namespace reg
inline constexpr std::uint32_t privilege_mask = 0x3;

enum class Command : std::uint16_t {
  discovery = 0x0002,
  read_register = 0x0080,
  read_memory = 0x0084,
};

inline constexpr std::uint16_t status_success = 0x0000;
inline constexpr std::uint16_t status_access_denied = 0x8006;
// "access denied", "invalid address" …; "status 0x8FFF" for one without a name.
std::string status_text(std::uint16_t status);

// Commands, all of which want an answer. id: not 0, comes back with the answer.
// may_broadcast: the answer may be a broadcast, for cameras whose address is of another network.
Bytes discovery(std::uint16_t id, bool may_broadcast);
Bytes read_registers(std::uint16_t id, std::span<const std::uint32_t> addresses);  // 1..134
Bytes read_memory(std::uint16_t id, std::uint32_t address, std::uint16_t count);   // multiple of 4

struct Answer {
  std::uint16_t status = 0;
  std::uint16_t answer = 0;  // the command's number + 1; 0x0089: PENDING
  std::uint16_t id = 0;
  View payload;  // of the datagram

  bool pending() const { return answer == 0x0089; }
  bool to(Command command) const { return answer == static_cast<std::uint16_t>(command) + 1; }
};
// nullopt: shorter than its header, or its length is not what the header says.
std::optional<Answer> parse(View datagram);

// What an answer carries; nullopt: it is not of the length that the question asks for.
std::optional<std::vector<std::uint32_t>> registers(const Answer& answer, std::size_t count);
std::optional<View> memory(const Answer& answer, std::uint32_t address, std::size_t count);

// A discovery's answer. Texts end at the first NUL and have no control characters.
struct Discovered {
  std::string mac;  // "00:30:53:1a:2b:3c"
  std::uint32_t ip = 0;
  std::uint32_t mask = 0;
  std::string manufacturer;
  std::string model;
  std::string version;
  std::string serial;
  std::string user_name;
};
std::optional<Discovered> discovered(const Answer& answer);

}  // namespace gige::gvcp
