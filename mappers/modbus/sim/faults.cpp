// When faults strike, and what they make of an answer.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "sim/fault.hpp"
#include "sim/framing.hpp"
#include "sim/memory.hpp"

namespace modbus_sim {

using modbus::Adu;
using modbus::Framing;
using modbus::Pdu;

base::Result<std::uint32_t> Faults::add(const Fault& fault) {
  if (entries_.size() >= max_faults) {
    return base::Status(base::Code::unavailable,
                        base::cat("there are ", max_faults, " faults already"));
  }
  const auto until = fault.lasts ? loop_.now() + *fault.lasts : base::SteadyTime::max();
  entries_.push_back({++last_id_, fault, until});
  return last_id_;
}

base::Result<std::uint32_t> Faults::add(std::string_view text) {
  const base::Result<Fault> fault = parse_fault(text);
  if (!fault) return fault.status();
  return add(*fault);
}

bool Faults::remove(std::uint32_t id) {
  return std::erase_if(entries_, [&](const Entry& entry) { return entry.id == id; }) != 0;
}

const Fault* Faults::strike(const Adu& request) {
  for (Entry& entry : entries_) {
    if (!matches(entry.fault, request) || !due(entry)) continue;
    ++entry.struck;
    ++struck_[name(entry.fault.kind)];
    return &entry.fault;
  }
  return nullptr;
}

bool Faults::matches(const Fault& fault, const Adu& request) {
  if (fault.unit && *fault.unit != request.unit) return false;
  if (fault.function && *fault.function != request.pdu[0]) return false;
  if (!fault.table && fault.first_address == 0 && fault.last_address == 65535) return true;
  const modbus::Range asked = asked_for(request.pdu);
  if (asked.count == 0 || (fault.table && *fault.table != asked.table)) return false;
  return asked.first <= fault.last_address && asked.end() > fault.first_address;
}

bool Faults::due(Entry& entry) {
  if (entry.struck >= entry.fault.count || loop_.now() >= entry.until) return false;
  ++entry.matching;
  if (entry.matching % entry.fault.every != 0) return false;
  return entry.fault.probability >= 1 || chance() < entry.fault.probability;
}

// Not std::uniform_real_distribution: its results differ between standard libraries.
double Faults::chance() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
std::uint8_t Faults::random_byte() { return static_cast<std::uint8_t>(random_() >> 56); }

// Nothing guards the data of an MBAP frame but TCP itself, so noise within one falls on its header:
// behind it no client could tell noise from data.
void Faults::add_noise(const Fault& fault, Reply& reply) {
  std::vector<std::uint8_t> made(fault.bytes.value_or(1 + random_byte() % 16));
  for (std::uint8_t& byte : made) byte = random_byte();
  const std::size_t within = reply.framing == Framing::mbap ? 2 : reply.bytes.size() / 2;
  const std::size_t at = fault.where == Fault::Where::before  ? 0
                         : fault.where == Fault::Where::after ? reply.bytes.size()
                                                              : within;
  reply.bytes.insert(reply.bytes.begin() + static_cast<std::ptrdiff_t>(at), made.begin(),
                     made.end());
}

void Faults::spoil(const Fault& fault, const Adu& request, const Pdu& answer, Reply& reply) {
  switch (fault.kind) {
    case Kind::late:
      reply.delay += fault.ms;
      reply.after_next = fault.after_next;
      break;
    case Kind::split:
      split(fault, reply);
      break;
    case Kind::duplicated:
      reply.rest.push_back({fault.ms, reply.bytes});
      break;
    case Kind::foreign:
      foreign(fault, request, answer, reply);
      break;
    case Kind::truncated:
      reply.bytes.resize(
          std::min(fault.bytes.value_or(reply.bytes.size() / 2), reply.bytes.size()));
      break;
    case Kind::wrong_crc:
      if (reply.framing == Framing::rtu) reply.bytes.back() ^= 0x55;
      break;
    case Kind::exception:
      reply.bytes.clear();
      reply.frame(request.transaction, request.unit, exception(request.pdu[0], fault.code));
      break;
    case Kind::silence:
    case Kind::dead:
      reply.bytes.clear();
      break;
    case Kind::reset:
      reply.bytes.clear();
      reply.close = true;
      break;
    case Kind::noise:
      add_noise(fault, reply);
      break;
    case Kind::garbage_length:
      lie_about_length(reply);
      break;
  }
}

void Faults::split(const Fault& fault, Reply& reply) {
  const std::vector<std::uint8_t> whole = std::exchange(reply.bytes, {});
  const std::size_t pieces = std::min<std::size_t>(fault.pieces, whole.size());
  for (std::size_t i = 0; i < pieces; ++i) {
    const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(whole.size() * i / pieces);
    const auto end = whole.begin() + static_cast<std::ptrdiff_t>(whole.size() * (i + 1) / pieces);
    if (i == 0) {
      reply.bytes.assign(begin, end);
    } else {
      reply.rest.push_back({fault.ms, {begin, end}});
    }
  }
}

// An answer in the right form whose data are another's: every data byte is inverted, so that a
// client that takes it is seen to. RTU has no transaction, and there the unit is another.
void Faults::foreign(const Fault& fault, const Adu& request, const Pdu& answer, Reply& reply) {
  const bool unsolicited = fault.what == Fault::What::unsolicited;
  const bool rtu = reply.framing == Framing::rtu;
  Pdu other;
  for (std::size_t i = 0; i < answer.size(); ++i) {
    const std::uint8_t byte = answer.bytes()[i];
    if (i == 0 && fault.what == Fault::What::function) {
      other.byte(byte == 3 ? 4 : 3);
    } else {
      other.byte(i < 2 ? byte : static_cast<std::uint8_t>(~byte));
    }
  }
  const bool other_transaction = fault.what == Fault::What::transaction || unsolicited;
  const bool other_unit = fault.what == Fault::What::unit || (rtu && other_transaction);
  const auto transaction =
      static_cast<std::uint16_t>(request.transaction + (other_transaction ? 7777 : 0));
  const auto unit = static_cast<std::uint8_t>(request.unit + (other_unit ? 100 : 0));
  const std::vector<std::uint8_t> right = std::exchange(reply.bytes, {});
  reply.frame(transaction, unit, other);
  if (unsolicited) reply.bytes.insert(reply.bytes.end(), right.begin(), right.end());
}

void Faults::lie_about_length(Reply& reply) {
  // Not by more than a frame: a length that no frame can have is found out too easily.
  const auto lie = static_cast<std::uint8_t>(1 + random_byte() % 40);
  if (reply.framing == Framing::mbap) {
    reply.bytes[5] = static_cast<std::uint8_t>(reply.bytes[5] + lie);
    return;
  }
  reply.bytes[2] = static_cast<std::uint8_t>(reply.bytes[2] + lie);
  const std::uint16_t crc = modbus::crc16(modbus::Bytes(reply.bytes).first(reply.bytes.size() - 2));
  reply.bytes[reply.bytes.size() - 2] = static_cast<std::uint8_t>(crc & 0xff);
  reply.bytes.back() = static_cast<std::uint8_t>(crc >> 8);
}

}  // namespace modbus_sim
