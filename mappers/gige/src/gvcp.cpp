#include "src/gvcp.hpp"

#include <array>
#include <cassert>
#include <cstdio>
#include <utility>

namespace gige::gvcp {

namespace {

constexpr std::uint8_t key = 0x42;
constexpr std::uint8_t wants_answer = 0x01;
constexpr std::uint8_t answer_may_broadcast = 0x10;
constexpr std::size_t discovery_bytes = 0xF8;

std::uint16_t read16(View bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
std::uint32_t read32(View bytes, std::size_t at) {
  return std::uint32_t{read16(bytes, at)} << 16 | read16(bytes, at + 2);
}
void put16(Bytes& to, std::uint32_t value) {
  to.push_back(static_cast<std::uint8_t>(value >> 8));
  to.push_back(static_cast<std::uint8_t>(value));
}
void put32(Bytes& to, std::uint32_t value) {
  put16(to, value >> 16);
  put16(to, value);
}

Bytes command(Command which, std::uint8_t flags, std::uint16_t id, std::size_t payload) {
  assert(id != 0);
  Bytes bytes{key, flags};
  put16(bytes, static_cast<std::uint16_t>(which));
  put16(bytes, static_cast<std::uint32_t>(payload));
  put16(bytes, id);
  return bytes;
}

// Bytes that are no ASCII become '?': what one camera means by them, another does not.
std::string text(View bytes, std::size_t at, std::size_t length) {
  std::string out;
  for (const std::uint8_t byte : bytes.subspan(at, length)) {
    if (byte == 0) break;
    out += byte >= 0x20 && byte < 0x7F ? static_cast<char>(byte) : '?';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

std::string status_text(std::uint16_t status) {
  // GigE Vision 2.0, table 19-1.
  static constexpr std::array<std::pair<std::uint16_t, const char*>, 9> names{{
      {0x0000, "success"},
      {0x8001, "not implemented"},
      {0x8002, "invalid parameter"},
      {0x8003, "invalid address"},
      {0x8004, "write protected"},
      {0x8005, "bad alignment"},
      {0x8006, "access denied"},
      {0x8007, "busy"},
      {0x800F, "not implemented"},
  }};
  for (const auto& [number, name] : names) {
    if (number == status) return name;
  }
  char unknown[24];
  std::snprintf(unknown, sizeof unknown, "status 0x%04X", static_cast<unsigned>(status));
  return unknown;
}

Bytes discovery(std::uint16_t id, bool may_broadcast) {
  const int flags = wants_answer | (may_broadcast ? answer_may_broadcast : 0);
  return command(Command::discovery, static_cast<std::uint8_t>(flags), id, 0);
}

Bytes read_registers(std::uint16_t id, std::span<const std::uint32_t> addresses) {
  assert(!addresses.empty() && addresses.size() <= max_registers);
  Bytes bytes = command(Command::read_register, wants_answer, id, 4 * addresses.size());
  for (const std::uint32_t address : addresses) put32(bytes, address);
  return bytes;
}

Bytes read_memory(std::uint16_t id, std::uint32_t address, std::uint16_t count) {
  assert(count > 0 && count % 4 == 0 && count <= max_memory_bytes);
  Bytes bytes = command(Command::read_memory, wants_answer, id, 8);
  put32(bytes, address);
  put32(bytes, count);
  return bytes;
}

std::optional<Answer> parse(View datagram) {
  if (datagram.size() < header_bytes) return std::nullopt;
  Answer answer;
  answer.status = read16(datagram, 0);
  answer.answer = read16(datagram, 2);
  answer.id = read16(datagram, 6);
  const std::size_t length = read16(datagram, 4);
  if (length > datagram.size() - header_bytes) return std::nullopt;
  answer.payload = datagram.subspan(header_bytes, length);
  return answer;
}

std::optional<std::vector<std::uint32_t>> registers(const Answer& answer, std::size_t count) {
  if (answer.payload.size() != 4 * count) return std::nullopt;
  std::vector<std::uint32_t> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = read32(answer.payload, 4 * i);
  return values;
}

std::optional<View> memory(const Answer& answer, std::uint32_t address, std::size_t count) {
  if (answer.payload.size() != 4 + count || read32(answer.payload, 0) != address) {
    return std::nullopt;
  }
  return answer.payload.subspan(4);
}

std::optional<Discovered> discovered(const Answer& answer) {
  const View bytes = answer.payload;
  if (bytes.size() < discovery_bytes) return std::nullopt;
  Discovered camera;
  char mac[18];
  std::snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[10], bytes[11], bytes[12],
                bytes[13], bytes[14], bytes[15]);
  camera.mac = mac;
  camera.ip = read32(bytes, 0x24);
  camera.mask = read32(bytes, 0x34);
  camera.manufacturer = text(bytes, 0x48, 32);
  camera.model = text(bytes, 0x68, 32);
  camera.version = text(bytes, 0x88, 32);
  camera.serial = text(bytes, 0xD8, 16);
  camera.user_name = text(bytes, 0xE8, 16);
  return camera;
}

}  // namespace gige::gvcp
