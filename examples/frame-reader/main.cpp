// A consumer of frames in a page: prints frames per second and what it skipped, each second. It
// looks at every byte of every whole frame, as a program that inspects pictures would.
//   frame-reader RING [--count N]     N: end after that many frames
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "gige/frame_reader.hpp"

namespace {

double mean(const gige_frames::View& frame) {
  const std::uint8_t* const end = frame.pixels + frame.info.size;
  const auto sum = std::accumulate(frame.pixels, end, std::uint64_t{0});
  return static_cast<double>(sum) / static_cast<double>(frame.info.size);
}

struct Second {
  int frames = 0;
  int not_whole = 0;
  int overwritten = 0;
  double brightness = 0;
};

// Returns how many frames came.
int watch_for_a_second(gige_frames::Reader& reader, int at_most, Second& second) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::seconds(1);
  int came = 0;
  while (came < at_most) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) break;
    const auto frame = reader.wait(left);
    if (!frame) continue;
    ++came;
    if (frame->info.status != gige_frames::Status::complete || frame->info.size == 0) {
      ++second.not_whole;
      continue;
    }
    const double brightness = mean(*frame);
    if (frame->still_valid()) {
      ++second.frames;
      second.brightness = brightness;
    } else {
      ++second.overwritten;
    }
  }
  return came;
}

}  // namespace

int main(int argc, char** argv) {
  const bool counted = argc == 4 && std::strcmp(argv[2], "--count") == 0;
  if (argc != 2 && !counted) {
    std::fprintf(stderr, "usage: frame-reader RING [--count N]\n");
    return 2;
  }
  int left = counted ? std::atoi(argv[3]) : -1;
  gige_frames::Reader reader(argv[1], gige_frames::Order::next);
  while (left != 0) {
    Second second;
    const int came = watch_for_a_second(reader, left > 0 ? left : 1 << 30, second);
    if (left > 0) left -= came;
    std::printf("%4d frames/s  mean %6.2f  %d not whole  %d overwritten  %llu skipped in all  %s\n",
                second.frames, second.brightness, second.not_whole, second.overwritten,
                static_cast<unsigned long long>(reader.skipped()), reader.problem().c_str());
    std::fflush(stdout);
  }
  return 0;
}
