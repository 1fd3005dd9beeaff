// Where things stand in the memory of a camera: GigE Vision 2.0's bootstrap registers, and from
// 0x10000 on our own, that only the GenICam description tells of.
#pragma once

#include <cstdint>

namespace generator::reg {

// GigE Vision 2.0, chapter 17.
inline constexpr std::uint32_t version = 0x0000;
inline constexpr std::uint32_t device_mode = 0x0004;
inline constexpr std::uint32_t mac_high = 0x0008;
inline constexpr std::uint32_t mac_low = 0x000C;
inline constexpr std::uint32_t supported_ip_modes = 0x0010;
inline constexpr std::uint32_t current_ip_mode = 0x0014;
inline constexpr std::uint32_t current_ip = 0x0024;
inline constexpr std::uint32_t current_mask = 0x0034;
inline constexpr std::uint32_t current_gateway = 0x0044;
inline constexpr std::uint32_t manufacturer = 0x0048;       // 32 bytes
inline constexpr std::uint32_t model = 0x0068;              // 32
inline constexpr std::uint32_t device_version = 0x0088;     // 32
inline constexpr std::uint32_t manufacturer_info = 0x00A8;  // 48
inline constexpr std::uint32_t serial = 0x00D8;             // 16
inline constexpr std::uint32_t user_name = 0x00E8;          // 16
inline constexpr std::uint32_t discovery_bytes = 0x00F8;    // all above: a discovery's answer
inline constexpr std::uint32_t first_url = 0x0200;          // 512
inline constexpr std::uint32_t second_url = 0x0400;         // 512
inline constexpr std::uint32_t interfaces = 0x0600;
inline constexpr std::uint32_t persistent_ip = 0x064C;
inline constexpr std::uint32_t persistent_mask = 0x065C;
inline constexpr std::uint32_t persistent_gateway = 0x066C;
inline constexpr std::uint32_t link_speed = 0x0670;  // Mbit/s
inline constexpr std::uint32_t message_channels = 0x0900;
inline constexpr std::uint32_t stream_channels = 0x0904;
inline constexpr std::uint32_t stream_capability = 0x092C;
inline constexpr std::uint32_t control_capability = 0x0934;
inline constexpr std::uint32_t heartbeat = 0x0938;  // ms
inline constexpr std::uint32_t tick_frequency_high = 0x093C;
inline constexpr std::uint32_t tick_frequency_low = 0x0940;
inline constexpr std::uint32_t timestamp_control = 0x0944;  // 1 resets, 2 latches
inline constexpr std::uint32_t timestamp_high = 0x0948;
inline constexpr std::uint32_t timestamp_low = 0x094C;
inline constexpr std::uint32_t control_configuration = 0x0954;  // 1: no heartbeat
inline constexpr std::uint32_t control_privilege = 0x0A00;      // 1 exclusive, 2 control
inline constexpr std::uint32_t controller_port = 0x0A04;
inline constexpr std::uint32_t controller_ip = 0x0A14;
inline constexpr std::uint32_t stream_port = 0x0D00;
inline constexpr std::uint32_t stream_packet_size = 0x0D04;
inline constexpr std::uint32_t stream_packet_delay = 0x0D08;  // ticks
inline constexpr std::uint32_t stream_destination = 0x0D18;
inline constexpr std::uint32_t stream_source_port = 0x0D1C;
inline constexpr std::uint32_t bootstrap_end = 0x1000;

inline constexpr std::uint32_t fire_test_packet = 0x80000000;
inline constexpr std::uint32_t do_not_fragment = 0x40000000;

// Ours.
inline constexpr std::uint32_t own = 0x10000;
inline constexpr std::uint32_t width = 0x10000;
inline constexpr std::uint32_t height = 0x10004;
inline constexpr std::uint32_t offset_x = 0x10008;
inline constexpr std::uint32_t offset_y = 0x1000C;
inline constexpr std::uint32_t pixel_format = 0x10010;
inline constexpr std::uint32_t payload_size = 0x10014;
inline constexpr std::uint32_t width_max = 0x10018;
inline constexpr std::uint32_t height_max = 0x1001C;
inline constexpr std::uint32_t acquisition_mode = 0x10020;  // 0 continuous, 1 single, 2 multi
inline constexpr std::uint32_t acquisition_frames = 0x10024;
inline constexpr std::uint32_t acquisition_start = 0x10028;
inline constexpr std::uint32_t acquisition_stop = 0x1002C;
inline constexpr std::uint32_t frame_rate_enable = 0x10030;
inline constexpr std::uint32_t frame_rate = 0x10038;        // double, 1/s
inline constexpr std::uint32_t trigger_selector = 0x10040;  // 0 FrameStart, 1 AcquisitionStart
inline constexpr std::uint32_t trigger_mode = 0x10044;      // of both selectors
inline constexpr std::uint32_t trigger_source = 0x1004C;    // of both: 0 Software, 1 Line1
inline constexpr std::uint32_t trigger_software = 0x10054;
inline constexpr std::uint32_t trigger_activation = 0x10058;
inline constexpr std::uint32_t exposure_time = 0x10060;  // double, us
inline constexpr std::uint32_t exposure_auto = 0x10068;
inline constexpr std::uint32_t gain_selector = 0x1006C;  // 0 All, 1 Red, 2 Green, 3 Blue
inline constexpr std::uint32_t gain = 0x10070;           // double, dB; of each selector
inline constexpr std::uint32_t gain_auto = 0x10090;
inline constexpr std::uint32_t black_level = 0x10094;
inline constexpr std::uint32_t temperature = 0x10098;  // double, degrees Celsius
inline constexpr std::uint32_t locked = 0x100A0;       // TLParamsLocked
inline constexpr std::uint32_t reset = 0x100A4;        // DeviceReset
inline constexpr std::uint32_t ptp_enable = 0x100A8;
inline constexpr std::uint32_t ptp_status = 0x100AC;
inline constexpr std::uint32_t ptp_latch = 0x100B0;
inline constexpr std::uint32_t ptp_offset = 0x100B4;  // ns, signed
inline constexpr std::uint32_t reverse_x = 0x100B8;
inline constexpr std::uint32_t own_end = 0x10100;

// The GenICam description.
inline constexpr std::uint32_t description = 0x100000;

}  // namespace generator::reg
