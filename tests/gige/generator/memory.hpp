// The registers of the camera and what they say of a frame to be sent. Not thread-safe: control.cpp
// guards it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "generator/camera.hpp"
#include "generator/gvcp.hpp"

namespace generator {

// What a frame is made and sent with, as the registers are when it begins.
struct FramePlan {
  std::uint32_t format = 0;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t x = 0;
  std::uint32_t y = 0;
  std::uint32_t packet_size = 0;
  std::uint64_t packet_delay_ns = 0;
  std::uint32_t destination = 0;  // host order
  std::uint16_t port = 0;
  double frame_rate = 0;    // 0: as fast as it goes
  bool triggered = false;   // one frame for every trigger
  std::uint32_t count = 0;  // frames until it stops by itself; 0: none
};

class Memory {
 public:
  // mac: made of the address.
  Memory(const Options& options, std::uint32_t ip);

  bool readable(std::uint32_t address, std::size_t bytes) const;
  Bytes read(std::uint32_t address, std::size_t bytes) const;  // must be readable
  // Whether a program may write there: only what the standard and the description say is writable.
  bool writable(std::uint32_t address) const;
  // Sizes and format of the image, which are not to be written while it streams.
  bool locked_by_stream(std::uint32_t address) const;
  void write(std::uint32_t address, View bytes);

  std::uint32_t get(std::uint32_t address) const;
  double get_real(std::uint32_t address) const;
  void set(std::uint32_t address, std::uint32_t value);
  void set_real(std::uint32_t address, double value);
  void set_wide(std::uint32_t high, std::uint64_t value);
  void set_text(std::uint32_t address, std::size_t bytes, std::string_view text);

  // Keeps Width, Height and offsets within what the sensor has and PayloadSize true.
  // false: this value is none (the register is left as it was).
  bool accept(std::uint32_t address, std::uint32_t value);
  FramePlan plan() const;
  void absurd(bool width, bool payload) {
    absurd_width_ = width;
    absurd_payload_ = payload;
  }

 private:
  const std::uint8_t* at(std::uint32_t address) const;
  std::uint8_t* at(std::uint32_t address);
  void update_payload();

  Options options_;
  Bytes bootstrap_;
  Bytes own_;
  Bytes description_;
  bool absurd_width_ = false;
  bool absurd_payload_ = false;
};

}  // namespace generator
