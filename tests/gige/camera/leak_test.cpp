// A camera that comes and goes for months must not cost memory or descriptors.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cameras.hpp"

namespace gige {
namespace {

using namespace gige::testing;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int cycles = 60;
constexpr bool memory_counts = false;  // the sanitizer keeps freed memory, and sees leaks itself
#else
constexpr int cycles = 1000;
constexpr bool memory_counts = true;
#endif

std::size_t open_files() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  double total = 0;
  double resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

void cycle(const CameraInfo& info, bool stream) {
  LinkSettings link;
  link.packet_size = 1500;
  link.buffers = 4;
  auto camera = Camera::open(info, link);
  ASSERT_TRUE(camera.ok()) << camera.status().to_string();
  (*camera)->watch([](const base::Status& status) { ADD_FAILURE() << status.to_string(); });
  if (!stream) return;
  std::atomic<int> frames{0};
  const auto count = [&](const std::shared_ptr<FrameRing>&, const FrameInfo&) { ++frames; };
  ASSERT_TRUE((*camera)->start(ring_name("leak"), 0, count).ok());
  ASSERT_TRUE(test_support::wait_until([&] { return frames > 0; }));
}

TEST(Leak, OpeningAndClosingAThousandTimesCostsNothing) {
  generator::Options options;
  options.address = "127.0.0.2";
  options.width = 64;
  options.height = 64;
  options.frame_rate = 200;
  const auto source = own_camera(options);
  ASSERT_TRUE(source);
  const auto info = find_at("127.0.0.2");
  ASSERT_TRUE(info.ok());
  const int warm = cycles / 5;
  for (int i = 0; i < warm; ++i) cycle(*info, i % 5 == 0);
  const std::size_t files = open_files();
  const double memory = resident_mib();
  for (int i = warm; i < cycles && !HasFailure(); ++i) cycle(*info, i % 5 == 0);
  std::printf("%.1f MiB, then %.1f MiB\n", memory, resident_mib());
  EXPECT_EQ(open_files(), files);
  if (memory_counts) {
    EXPECT_LT(resident_mib() - memory, 4);
  }
}

}  // namespace
}  // namespace gige
