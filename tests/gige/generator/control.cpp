#include "generator/control.hpp"

#include <algorithm>
#include <bit>

namespace generator {

using gvcp::Answer;
using gvcp::Command;

namespace {

// A double that may only be written within its limits, as camera_xml.cpp tells them.
struct Limited {
  std::uint32_t first;
  std::uint32_t last;
  double min;
  double max;
};
constexpr Limited limits[] = {
    {reg::exposure_time, reg::exposure_time, 10, 1'000'000},
    {reg::frame_rate, reg::frame_rate, 0.1, 10'000},
    {reg::gain, reg::gain + 24, 0, 24},
};

bool within_limits(std::uint32_t address, View data) {
  if (data.size() != 8) return true;
  const std::uint64_t bits = static_cast<std::uint64_t>(read32(data, 0)) << 32 | read32(data, 4);
  const double value = std::bit_cast<double>(bits);
  return std::ranges::none_of(limits, [&](const Limited& one) {
    return address >= one.first && address <= one.last && !(value >= one.min && value <= one.max);
  });
}

}  // namespace

Control::Control(const Options& options, std::uint32_t ip, std::uint16_t stream_port,
                 Stream& stream, Link& link, Ticks& ticks)
    : options_(options),
      ip_(ip),
      stream_port_(stream_port),
      stream_(stream),
      link_(link),
      ticks_(ticks),
      memory_(options, ip) {
  memory_.set(reg::stream_source_port, stream_port);
}

Bytes Control::handle(const Command& command, Peer from) {
  if (controller_ == from && !usurped_) heard_ = Clock::now();
  switch (command.type) {
    case gvcp::Type::discovery:
      return gvcp::answer(command, Answer::success, memory_.read(0, reg::discovery_bytes));
    case gvcp::Type::packet_resend: {
      // From the program's stream socket: another port than the one it controls from.
      const auto resend = gvcp::packet_resend(command);
      if (resend && from.ip == memory_.get(reg::stream_destination)) stream_.resend(*resend);
      return {};
    }
    case gvcp::Type::read_register:
    case gvcp::Type::read_memory:
      if (!may_read(from)) return refuse(command, Answer::access_denied);
      return command.type == gvcp::Type::read_register ? read_registers(command)
                                                       : read_memory(command);
    case gvcp::Type::write_register:
      return write_registers(command, from);
    case gvcp::Type::write_memory:
      return write_memory(command, from);
    case gvcp::Type::force_ip:
      break;
  }
  return refuse(command, Answer::not_implemented);
}

Bytes Control::refuse(const Command& command, Answer why) {
  ++refused_;
  return gvcp::answer(command, why, {});
}

bool Control::may_read(Peer from) const {
  const bool exclusive = (memory_.get(reg::control_privilege) & 1) != 0;
  return !exclusive || !controller_ || *controller_ == from;
}

Bytes Control::read_registers(const Command& command) {
  const auto addresses = gvcp::read_register(command);
  if (!addresses) return refuse(command, Answer::invalid_parameter);
  Bytes out;
  for (const std::uint32_t address : *addresses) {
    if (address % 4 != 0) return refuse(command, Answer::bad_alignment);
    if (!memory_.readable(address, 4)) return refuse(command, Answer::invalid_address);
    const Bytes word = memory_.read(address, 4);
    out.insert(out.end(), word.begin(), word.end());
  }
  return gvcp::answer(command, Answer::success, out);
}

Bytes Control::read_memory(const Command& command) {
  const auto asked = gvcp::read_memory(command);
  if (!asked) return refuse(command, Answer::invalid_parameter);
  if (asked->address % 4 != 0 || asked->count % 4 != 0) {
    return refuse(command, Answer::bad_alignment);
  }
  if (!memory_.readable(asked->address, asked->count)) {
    return refuse(command, Answer::invalid_address);
  }
  Bytes out;
  put32(out, asked->address);
  const Bytes data = memory_.read(asked->address, asked->count);
  out.insert(out.end(), data.begin(), data.end());
  return gvcp::answer(command, Answer::success, out);
}

Bytes Control::write_registers(const Command& command, Peer from) {
  const auto writes = gvcp::write_register(command);
  if (!writes) return refuse(command, Answer::invalid_parameter);
  Answer status = Answer::success;
  std::uint32_t done = 0;
  for (const gvcp::Write& one : *writes) {
    status = write(one.address, one.value, from);
    if (status != Answer::success) break;
    ++done;
  }
  if (status != Answer::success) ++refused_;
  Bytes out;
  put32(out, done);
  return gvcp::answer(command, status, out);
}

Bytes Control::write_memory(const Command& command, Peer from) {
  const auto asked = gvcp::write_memory(command);
  if (!asked) return refuse(command, Answer::invalid_parameter);
  if (asked->data.size() % 4 != 0) return refuse(command, Answer::bad_alignment);
  if (!within_limits(asked->address, asked->data)) {
    return refuse(command, Answer::invalid_parameter);
  }
  for (std::size_t at = 0; at < asked->data.size(); at += 4) {
    const Answer status =
        write(asked->address + static_cast<std::uint32_t>(at), read32(asked->data, at), from);
    if (status != Answer::success) return refuse(command, status);
  }
  Bytes out;
  put32(out, static_cast<std::uint32_t>(asked->data.size()));
  return gvcp::answer(command, Answer::success, out);
}

Answer Control::write(std::uint32_t address, std::uint32_t value, Peer from) {
  if (address % 4 != 0) return Answer::bad_alignment;
  if (address == reg::control_privilege) return claim(value, from);
  if (controller_ != from || usurped_) return Answer::access_denied;
  if (!memory_.readable(address, 4)) return Answer::invalid_address;
  if (!memory_.writable(address)) return Answer::write_protect;
  if (stream_.running() && memory_.locked_by_stream(address)) return Answer::access_denied;
  const bool test = address == reg::stream_packet_size && (value & reg::fire_test_packet) != 0;
  if (!memory_.accept(address, test ? value & ~reg::fire_test_packet : value)) {
    return Answer::invalid_parameter;
  }
  if (test) stream_.test_packet(memory_.plan());
  act(address, value);
  return Answer::success;
}

Answer Control::claim(std::uint32_t privilege, Peer from) {
  if (usurped_ || (controller_ && *controller_ != from)) return Answer::access_denied;
  if ((privilege & 3) == 0) {
    forget_controller();
    return Answer::success;
  }
  controller_ = from;
  heard_ = Clock::now();
  memory_.set(reg::control_privilege, privilege & 3);
  memory_.set(reg::controller_ip, from.ip);
  memory_.set(reg::controller_port, from.port);
  return Answer::success;
}

// What a write sets going; the register has the value already.
void Control::act(std::uint32_t address, std::uint32_t value) {
  switch (address) {
    case reg::acquisition_start:
      return stream_.begin(memory_.plan());
    case reg::acquisition_stop:
      return stream_.end();
    case reg::trigger_software:
      return trigger(0);
    case reg::stream_port:
      if (value == 0) stream_.abort();
      break;
    case reg::timestamp_control:
      if ((value & 1) != 0) ticks_.reset();
      if ((value & 2) != 0) memory_.set_wide(reg::timestamp_high, ticks_.now());
      return;
    case reg::reset:
      return power_cycle(std::chrono::milliseconds(500));
    case reg::ptp_enable:
      return memory_.set(reg::ptp_status, value != 0 ? 8 : 2);
    case reg::ptp_latch:
      return memory_.set(reg::ptp_offset, static_cast<std::uint32_t>(-42));
    default:
      break;
  }
  if (stream_.running()) stream_.update(memory_.plan());
}

void Control::trigger(std::uint32_t source) {
  if (memory_.get(reg::trigger_source) == source) stream_.trigger();
}
void Control::line1() { trigger(1); }

void Control::watch_heartbeat() {
  if (!controller_ || usurped_ || (memory_.get(reg::control_configuration) & 1) != 0) return;
  const auto limit = std::chrono::milliseconds(memory_.get(reg::heartbeat));
  if (Clock::now() - heard_ > limit) forget_controller();
}

void Control::forget_controller() {
  stream_.abort();
  controller_.reset();
  usurped_ = false;
  for (const std::uint32_t address : {reg::control_privilege, reg::controller_ip,
                                      reg::controller_port, reg::stream_port, reg::locked}) {
    memory_.set(address, 0);
  }
}

void Control::power_cycle(std::chrono::milliseconds off) {
  link_.dark_until(Clock::now() + off);
  stream_.forget();
  controller_.reset();
  usurped_ = false;
  ticks_.reset();
  memory_ = Memory(options_, ip_);
  memory_.set(reg::stream_source_port, stream_port_);
}

void Control::take_over(std::uint32_t by) {
  forget_controller();
  usurped_ = true;
  controller_ = Peer{by, 40000};
  memory_.set(reg::control_privilege, 2);
  memory_.set(reg::controller_ip, by);
  memory_.set(reg::controller_port, controller_->port);
}
void Control::release() {
  if (usurped_) forget_controller();
}

}  // namespace generator
