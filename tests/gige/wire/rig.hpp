// A camera of the generator and a client that streams from it.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "generator/camera.hpp"
#include "generator/pattern.hpp"
#include "support/process.hpp"
#include "wire/client.hpp"

namespace wire {

using generator::Camera;
using generator::Faults;
using gvcp::Answer;
using test_support::wait_until;

inline constexpr std::uint32_t ip1 = 0x7F000001;
inline constexpr std::uint32_t ip2 = 0x7F000002;

inline std::unique_ptr<Camera> camera(generator::Options options = {}) {
  auto started = Camera::start(options);
  EXPECT_TRUE(started) << started.status().to_string();
  return std::move(started).value();
}

inline generator::Options small() {
  generator::Options options;
  options.width = 160;
  options.height = 120;
  return options;
}

// A camera, and a client that controls it and gets what `faults` makes of its frames.
struct Streaming {
  explicit Streaming(const Faults& faults, generator::Options options = small())
      : device(camera(options)), client(ip1) {
    device->set(faults);
    client.control();
    client.start();
  }
  std::unique_ptr<Camera> device;
  Client client;
};

inline void expect_whole(std::uint16_t id, const wire::Block& block,
                         std::string_view format = "Mono8") {
  ASSERT_TRUE(block.leader) << id;
  const std::uint32_t code = generator::find_format(format)->code;
  EXPECT_EQ(block.leader->format, code);
  const auto pixels = block.pixels();
  EXPECT_EQ(pixels.size(), generator::image_bytes(code, block.leader->width, block.leader->height));
  EXPECT_EQ(generator::first_wrong(code, id, pixels), std::nullopt);
}

}  // namespace wire
