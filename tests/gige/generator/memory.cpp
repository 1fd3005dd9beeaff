#include "generator/memory.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>

#include "generator/pattern.hpp"
#include "generator/registers.hpp"

namespace generator {

Memory::Memory(const Options& options, std::uint32_t ip)
    : options_(options), bootstrap_(reg::bootstrap_end), own_(reg::own_end - reg::own) {
  Described described = describe(options.description);
  description_ = std::move(described.bytes);
  // READMEM takes multiples of four.
  description_.resize((description_.size() + 3) / 4 * 4);

  set(reg::version, 0x00020000);
  set(reg::device_mode, 0x80000001);  // big-endian, UTF-8
  set(reg::mac_high, 0x0247);         // locally administered
  set(reg::mac_low, ip ^ 0x56000000);
  set(reg::supported_ip_modes, 0x80000007);
  set(reg::current_ip_mode, 0x00000005);
  set(reg::current_ip, ip);
  set(reg::current_mask, 0xFF000000);
  set_text(reg::manufacturer, 32, "Simulator");
  set_text(reg::model, 32, options.model);
  set_text(reg::device_version, 32, "1.0");
  set_text(reg::manufacturer_info, 48, "simulated camera for tests");
  set_text(reg::serial, 16, options.serial);
  set_text(reg::user_name, 16, options.user_name);
  set_text(reg::first_url, 512, described.url);
  set(reg::interfaces, 1);
  set(reg::link_speed, options.link_mbit == 0 ? 1000 : options.link_mbit);
  set(reg::stream_channels, 1);
  // User-defined name, serial number, heartbeat can be disabled, link speed; PACKETRESEND, WRITEMEM
  // and several registers a command.
  set(reg::control_capability, 0xF8000007);
  set(reg::heartbeat, options.heartbeat_ms);
  set_wide(reg::tick_frequency_high, options.tick_hz);
  set(reg::stream_packet_size, options.packet_size);
  set(reg::stream_packet_delay, options.packet_delay);

  const PixelFormat* format = find_format(options.format);
  assert(format != nullptr);
  set(reg::width_max, options.width_max);
  set(reg::height_max, options.height_max);
  set(reg::width, options.width);
  set(reg::height, options.height);
  set(reg::pixel_format, format->code);
  set(reg::acquisition_frames, 1);
  set(reg::frame_rate_enable, options.frame_rate > 0 ? 1 : 0);
  set_real(reg::frame_rate, options.frame_rate > 0 ? options.frame_rate : 25);
  set_real(reg::exposure_time, 10'000);
  set_real(reg::temperature, 41.5);
  set(reg::ptp_enable, options.ptp ? 1 : 0);
  constexpr std::uint32_t disabled = 2;
  constexpr std::uint32_t slave = 8;
  set(reg::ptp_status, options.ptp ? slave : disabled);
  update_payload();
}

const std::uint8_t* Memory::at(std::uint32_t address) const {
  if (address < reg::bootstrap_end) return &bootstrap_[address];
  if (address >= reg::own && address < reg::own_end) return &own_[address - reg::own];
  assert(address >= reg::description && address - reg::description < description_.size());
  return &description_[address - reg::description];
}
std::uint8_t* Memory::at(std::uint32_t address) {
  return const_cast<std::uint8_t*>(std::as_const(*this).at(address));
}

bool Memory::readable(std::uint32_t address, std::size_t bytes) const {
  const std::uint64_t end = std::uint64_t{address} + bytes;
  return end <= reg::bootstrap_end || (address >= reg::own && end <= reg::own_end) ||
         (address >= reg::description && end <= reg::description + description_.size());
}

Bytes Memory::read(std::uint32_t address, std::size_t bytes) const {
  assert(readable(address, bytes));
  Bytes out(at(address), at(address) + bytes);
  const auto put = [&](std::uint32_t where, std::uint32_t value) {
    if (where < address || where + 4 > address + bytes) return;
    for (std::size_t i = 0; i < 4; ++i) {
      out[where - address + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
    }
  };
  if (absurd_width_) put(reg::width, 0x7FFFFFFF);
  if (absurd_payload_) put(reg::payload_size, 0xFFFFFFFF);
  return out;
}

bool Memory::writable(std::uint32_t address) const {
  const auto within = [&](std::uint32_t from, std::uint32_t bytes) {
    return address >= from && address < from + bytes;
  };
  if (address >= reg::own && address < reg::own_end) {
    return !within(reg::payload_size, 12) && !within(reg::temperature, 8) &&
           !within(reg::ptp_status, 4) && !within(reg::ptp_offset, 4);
  }
  constexpr std::array singles{
      reg::heartbeat,           reg::timestamp_control,  reg::control_configuration,
      reg::control_privilege,   reg::stream_port,        reg::stream_packet_size,
      reg::stream_packet_delay, reg::stream_destination, reg::persistent_ip,
      reg::persistent_mask,     reg::persistent_gateway, reg::current_ip_mode};
  return within(reg::user_name, 16) ||
         std::ranges::any_of(singles, [&](std::uint32_t one) { return within(one, 4); });
}

bool Memory::locked_by_stream(std::uint32_t address) const {
  return address == reg::width || address == reg::height || address == reg::pixel_format ||
         address == reg::acquisition_mode || address == reg::stream_packet_size;
}

void Memory::write(std::uint32_t address, View bytes) {
  assert(readable(address, bytes.size()));
  std::copy(bytes.begin(), bytes.end(), at(address));
}

std::uint32_t Memory::get(std::uint32_t address) const {
  if (!readable(address, 4)) return 0;
  return read32(View(at(address), 4), 0);
}
double Memory::get_real(std::uint32_t address) const {
  const std::uint64_t bits = static_cast<std::uint64_t>(get(address)) << 32 | get(address + 4);
  return std::bit_cast<double>(bits);
}
void Memory::set(std::uint32_t address, std::uint32_t value) {
  Bytes bytes;
  put32(bytes, value);
  write(address, bytes);
}
void Memory::set_wide(std::uint32_t high, std::uint64_t value) {
  set(high, static_cast<std::uint32_t>(value >> 32));
  set(high + 4, static_cast<std::uint32_t>(value));
}
void Memory::set_real(std::uint32_t address, double value) {
  set_wide(address, std::bit_cast<std::uint64_t>(value));
}
void Memory::set_text(std::uint32_t address, std::size_t bytes, std::string_view text) {
  Bytes field(bytes);
  std::copy_n(text.begin(), std::min(text.size(), bytes - 1), field.begin());
  write(address, field);
}

bool Memory::accept(std::uint32_t address, std::uint32_t value) {
  const std::uint32_t x = get(reg::offset_x);
  const std::uint32_t y = get(reg::offset_y);
  const auto size = [](std::uint32_t asked, std::uint32_t step, std::uint32_t max) {
    return asked >= step && asked <= max && asked % step == 0;
  };
  switch (address) {
    case reg::width:
      if (!size(value, 16, options_.width_max)) return false;
      set(reg::offset_x, std::min(x, options_.width_max - value));
      break;
    case reg::height:
      if (!size(value, 2, options_.height_max)) return false;
      set(reg::offset_y, std::min(y, options_.height_max - value));
      break;
    case reg::offset_x:
      if (value % 16 != 0 || value > options_.width_max - get(reg::width)) return false;
      break;
    case reg::offset_y:
      if (value % 2 != 0 || value > options_.height_max - get(reg::height)) return false;
      break;
    case reg::pixel_format:
      if (find_format(value) == nullptr) return false;
      break;
    case reg::heartbeat:
      value = std::max(value, std::uint32_t{500});
      break;
    case reg::stream_packet_size: {
      const std::uint32_t bytes = value & 0xFFFF;
      if (bytes < 64 || bytes > 65535 - 20) return false;
      break;
    }
    case reg::gain_selector:
      if (value > 3) return false;
      break;
    case reg::trigger_selector:
      if (value > 1) return false;
      break;
    default:
      break;
  }
  set(address, value);
  update_payload();
  return true;
}

void Memory::update_payload() {
  const std::size_t bytes = image_bytes(get(reg::pixel_format), get(reg::width), get(reg::height));
  set(reg::payload_size, static_cast<std::uint32_t>(bytes));
}

FramePlan Memory::plan() const {
  FramePlan plan;
  plan.format = get(reg::pixel_format);
  plan.width = get(reg::width);
  plan.height = get(reg::height);
  plan.x = get(reg::offset_x);
  plan.y = get(reg::offset_y);
  plan.packet_size = get(reg::stream_packet_size) & 0xFFFF;
  plan.packet_delay_ns =
      get(reg::stream_packet_delay) * std::uint64_t{1'000'000'000} / options_.tick_hz;
  plan.destination = get(reg::stream_destination);
  plan.port = static_cast<std::uint16_t>(get(reg::stream_port));
  plan.frame_rate = get(reg::frame_rate_enable) != 0 ? get_real(reg::frame_rate) : 0;
  plan.triggered = get(reg::trigger_mode) != 0;  // of FrameStart
  const std::uint32_t mode = get(reg::acquisition_mode);
  plan.count = mode == 0 ? 0 : mode == 1 ? 1 : std::max(get(reg::acquisition_frames), 1U);
  return plan;
}

}  // namespace generator
