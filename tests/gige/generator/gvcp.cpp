#include "generator/gvcp.hpp"

#include <cassert>

namespace generator {

std::uint16_t read16(View bytes, std::size_t at) {
  assert(at + 2 <= bytes.size());
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
std::uint32_t read32(View bytes, std::size_t at) {
  return static_cast<std::uint32_t>(read16(bytes, at)) << 16 | read16(bytes, at + 2);
}
void put16(Bytes& to, std::uint32_t value) {
  to.push_back(static_cast<std::uint8_t>(value >> 8));
  to.push_back(static_cast<std::uint8_t>(value));
}
void put32(Bytes& to, std::uint32_t value) {
  put16(to, value >> 16);
  put16(to, value);
}

namespace gvcp {

std::optional<Command> parse(View datagram) {
  if (datagram.size() < header_bytes || datagram[0] != key) return std::nullopt;
  const std::size_t length = read16(datagram, 4);
  Command command;
  command.type = static_cast<Type>(read16(datagram, 2));
  command.flags = datagram[1];
  command.id = read16(datagram, 6);
  if (command.id == 0 || datagram.size() < header_bytes + length) return std::nullopt;
  const View payload = datagram.subspan(header_bytes, length);
  command.payload.assign(payload.begin(), payload.end());
  return command;
}

Bytes serialize(const Command& command) {
  Bytes out{key, command.flags};
  put16(out, static_cast<std::uint16_t>(command.type));
  put16(out, static_cast<std::uint32_t>(command.payload.size()));
  put16(out, command.id);
  out.insert(out.end(), command.payload.begin(), command.payload.end());
  return out;
}

Bytes answer(const Command& to, Answer status, View payload) {
  Bytes out;
  put16(out, static_cast<std::uint16_t>(status));
  // An answer's number is its command's plus one.
  put16(out, static_cast<std::uint32_t>(to.type) + 1);
  put16(out, static_cast<std::uint32_t>(payload.size()));
  put16(out, to.id);
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

std::optional<std::vector<std::uint32_t>> read_register(const Command& command) {
  const View in = command.payload;
  if (in.empty() || in.size() % 4 != 0 || in.size() > max_memory_bytes) return std::nullopt;
  std::vector<std::uint32_t> out;
  for (std::size_t at = 0; at < in.size(); at += 4) out.push_back(read32(in, at));
  return out;
}

std::optional<std::vector<Write>> write_register(const Command& command) {
  const View in = command.payload;
  if (in.empty() || in.size() % 8 != 0 || in.size() > max_memory_bytes) return std::nullopt;
  std::vector<Write> out;
  for (std::size_t at = 0; at < in.size(); at += 8) {
    out.push_back({read32(in, at), read32(in, at + 4)});
  }
  return out;
}

std::optional<MemoryRead> read_memory(const Command& command) {
  const View in = command.payload;
  if (in.size() != 8) return std::nullopt;
  const MemoryRead out{read32(in, 0), read16(in, 6)};
  if (out.count == 0 || out.count > max_memory_bytes) return std::nullopt;
  return out;
}

std::optional<MemoryWrite> write_memory(const Command& command) {
  const View in = command.payload;
  if (in.size() <= 4 || in.size() > 4 + max_memory_bytes) return std::nullopt;
  return MemoryWrite{read32(in, 0), in.subspan(4)};
}

std::optional<Resend> packet_resend(const Command& command) {
  const View in = command.payload;
  const bool extended = (command.flags & flag_extended_ids) != 0;
  if (in.size() < (extended ? 20U : 12U)) return std::nullopt;
  Resend out;
  out.channel = read16(in, 0);
  out.block = read16(in, 2);
  out.first = read32(in, 4);
  out.last = read32(in, 8);
  if (extended) {
    out.block = static_cast<std::uint64_t>(read32(in, 12)) << 32 | read32(in, 16);
  } else {
    out.first &= 0xFFFFFF;  // 24 bits; 0xFFFFFF as the last one: to the end of the block
    out.last &= 0xFFFFFF;
  }
  if (out.first > out.last) return std::nullopt;
  return out;
}

Command make(const Resend& resend, std::uint16_t id) {
  Command out{Type::packet_resend, 0, id, {}};
  const bool extended = resend.block > 0xFFFF;
  put16(out.payload, resend.channel);
  put16(out.payload, extended ? 0 : static_cast<std::uint32_t>(resend.block));
  put32(out.payload, resend.first);
  put32(out.payload, resend.last);
  if (extended) {
    out.flags = flag_extended_ids;
    put32(out.payload, static_cast<std::uint32_t>(resend.block >> 32));
    put32(out.payload, static_cast<std::uint32_t>(resend.block));
  }
  return out;
}

}  // namespace gvcp
}  // namespace generator
