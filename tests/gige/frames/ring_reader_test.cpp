// The C++ reader against rings as they should be, as they go, and as they must not be.
#include "gige/frame_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <fstream>
#include <random>
#include <thread>

#include "base/file.hpp"
#include "frames/ring_layout.hpp"
#include "ring_support.hpp"
#include "support/process.hpp"

namespace {

using gige_frames::Order;
using gige_frames::Reader;
using gige_frames::View;
using ring_test::Child;
using ring_test::Name;
using ring_test::Writer;
using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr std::size_t size = 4000;
constexpr milliseconds now{0};
constexpr milliseconds long_enough{20'000};

bool whole(const View& view) {
  return ring_test::is(view.pixels, view.info.size, view.info.sequence) && view.still_valid();
}

// Whether a thread of this process sleeps in the kernel: proc(5), the third field of stat.
bool asleep(pid_t thread) {
  const auto stat = base::read_file(base::cat("/proc/self/task/", thread, "/stat"));
  return stat && stat->find(") S ") != std::string::npos;
}

TEST(FrameReader, LayoutIsTheWritersOwn) {
  namespace ours = gige::layout;
  namespace theirs = gige_frames::detail;
  static_assert(theirs::magic == ours::magic && theirs::version == ours::version);
  static_assert(theirs::header_bytes == ours::headers_at);
  static_assert(theirs::slot_header_bytes == sizeof(ours::SlotHeader));
  static_assert(theirs::at_version == offsetof(ours::RingHeader, version));
  static_assert(theirs::at_slots == offsetof(ours::RingHeader, slots));
  static_assert(theirs::at_slot_bytes == offsetof(ours::RingHeader, slot_bytes));
  static_assert(theirs::at_slot_stride == offsetof(ours::RingHeader, slot_stride));
  static_assert(theirs::at_headers_at == offsetof(ours::RingHeader, headers_at));
  static_assert(theirs::at_header_stride == offsetof(ours::RingHeader, header_stride));
  static_assert(theirs::at_writer_pid == offsetof(ours::RingHeader, writer_pid));
  static_assert(theirs::at_pixels_at == offsetof(ours::RingHeader, pixels_at));
  static_assert(theirs::at_state == offsetof(ours::RingHeader, state));
  static_assert(theirs::at_wake == offsetof(ours::RingHeader, wake));
  static_assert(theirs::at_newest == offsetof(ours::RingHeader, newest));
  static_assert(theirs::at_writer == offsetof(ours::RingHeader, writer));
  static_assert(theirs::writer_bytes == sizeof(ours::RingHeader::writer));
  static_assert(theirs::state_live == ours::live);
  static_assert(sizeof(gige_frames::Info) == sizeof(gige::FrameInfo));
}

TEST(FrameReader, GivesEveryFieldAndByteAsWritten) {
  const Name name;
  Writer writer(name.text(), 4, size);
  writer.write(gige::FrameStatus::missing_packets);
  Reader reader(name.text());
  const auto view = reader.wait(now);
  ASSERT_TRUE(view);
  gige::FrameInfo expected = ring_test::info(1, size);
  expected.status = gige::FrameStatus::missing_packets;
  EXPECT_EQ(std::memcmp(&view->info, &expected, sizeof expected), 0);
  EXPECT_TRUE(whole(*view));
  EXPECT_EQ(reader.problem(), "");
  EXPECT_TRUE(reader.live());
}

TEST(FrameReader, NextGivesEachFrameOnceInOrderFirstTheOldestThere) {
  const Name name;
  Writer writer(name.text(), 4, size);
  writer.write(6);
  Reader reader(name.text(), Order::next);
  for (std::uint64_t sequence = 3; sequence <= 6; ++sequence) {
    const auto view = reader.wait(now);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->info.sequence, sequence);
    EXPECT_TRUE(whole(*view));
  }
  EXPECT_FALSE(reader.wait(now));
  EXPECT_EQ(reader.skipped(), 0u);
}

TEST(FrameReader, NextCountsWhatTheRingNoLongerHas) {
  const Name name;
  Writer writer(name.text(), 4, size);
  writer.write(1);
  Reader reader(name.text(), Order::next);
  ASSERT_EQ(reader.wait(now)->info.sequence, 1u);
  writer.write(10);
  ASSERT_EQ(reader.wait(now)->info.sequence, 8u);
  EXPECT_EQ(reader.skipped(), 6u);
}

TEST(FrameReader, NewestGivesTheNewestAndCountsWhatItLeftOut) {
  const Name name;
  Writer writer(name.text(), 4, size);
  writer.write(3);
  Reader reader(name.text(), Order::newest);
  ASSERT_EQ(reader.wait(now)->info.sequence, 3u);
  EXPECT_EQ(reader.skipped(), 0u);
  EXPECT_FALSE(reader.wait(now));
  writer.write(3);
  ASSERT_EQ(reader.wait(now)->info.sequence, 6u);
  EXPECT_EQ(reader.skipped(), 2u);
}

TEST(FrameReader, WaitEndsWithAFrameOrItsTimeout) {
  const Name name;
  Writer writer(name.text(), 4, size);
  Reader reader(name.text());
  EXPECT_FALSE(reader.wait(milliseconds(30)));
  std::thread other([&] { writer.write(1); });
  const auto view = reader.wait(long_enough);
  other.join();
  ASSERT_TRUE(view);
  EXPECT_TRUE(whole(*view));
}

TEST(FrameReader, SlowReaderNeverBlocksTheWriterAndNoticesTheOverwrite) {
  const Name name;
  Writer writer(name.text(), 4, size);
  writer.write(1);
  Reader reader(name.text());
  const auto view = reader.wait(now);
  ASSERT_TRUE(view && view->still_valid());
  writer.write(3);
  EXPECT_TRUE(view->still_valid());  // the ring has four slots
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(writer.write());
    ASSERT_FALSE(view->still_valid());
  }
}

TEST(FrameReader, SlotTakenForTheNextFrameIsNoticedBeforeItsFirstByte) {
  const Name name;
  Writer writer(name.text(), 4, size);
  writer.write(2);
  Reader reader(name.text(), Order::next);
  const auto view = reader.wait(now);
  ASSERT_EQ(writer.ring().reclaim(1), 0u);
  EXPECT_FALSE(view->still_valid());
}

TEST(FrameReader, WaitsForARingThatIsNotThereYet) {
  const Name name;
  Reader reader(name.text());
  EXPECT_FALSE(reader.open());
  EXPECT_THAT(reader.problem(), HasSubstr("No such file"));
  EXPECT_FALSE(reader.wait(milliseconds(30)));
  Writer writer(name.text(), 4, size);
  writer.write(1);
  EXPECT_TRUE(reader.wait(long_enough));
  EXPECT_EQ(reader.problem(), "");
}

TEST(FrameReader, FollowsAReplacedRingAfterTheLastFrameOfTheFormer) {
  const Name name;
  auto former = std::make_unique<Writer>(name.text(), 4, size);
  former->write(2);
  Reader reader(name.text(), Order::next);
  ASSERT_EQ(reader.wait(now)->info.sequence, 1u);
  const gige::FramePtr kept = former->ring().newest();
  former = nullptr;  // the ring lives on with the frame
  Writer writer(name.text(), 4, 2 * size, 2);
  writer.write(1);
  const auto second = reader.wait(long_enough);
  const auto third = reader.wait(long_enough);
  ASSERT_TRUE(second && third);
  EXPECT_EQ(second->info.sequence, 2u);
  EXPECT_EQ(third->info.sequence, 3u);
  EXPECT_EQ(third->info.size, 2 * size);
  EXPECT_TRUE(whole(*second) && whole(*third));
  EXPECT_EQ(reader.skipped(), 0u);
}

// A mapper's container is restarted, and process 1 again: its sequences go on from nowhere.
TEST(FrameReader, SequencesOfAnotherProcessWithTheSamePidDoNotGoOn) {
  const Name name;
  auto former = std::make_unique<Writer>(name.text(), 4, size);
  former->write(1);
  Reader reader(name.text());
  ASSERT_EQ(reader.wait(now)->info.sequence, 1u);
  former = nullptr;
  Writer writer(name.text(), 4, size, 99);
  const int fd = ::open(name.path().c_str(), O_RDWR | O_CLOEXEC);
  const std::string number = base::random_hex(16);
  ASSERT_EQ(::pwrite(fd, number.data(), number.size(), gige_frames::detail::at_writer), 32);
  ::close(fd);
  writer.write(1);
  const auto view = reader.wait(long_enough);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->info.sequence, 100u);
  EXPECT_EQ(reader.skipped(), 0u);
}

TEST(FrameReader, ReaderThatSleepsIsWokenByTheRingsReplacement) {
  const Name name;
  Writer former(name.text(), 4, size);  // stays as it is, and silent
  Reader reader(name.text());
  EXPECT_FALSE(reader.wait(now));
  std::atomic<bool> came{false};
  std::thread sleeper([&] { came = reader.wait(long_enough).has_value(); });
  Writer writer(name.text(), 4, size);
  writer.write(1);
  sleeper.join();
  EXPECT_TRUE(came);
}

TEST(FrameReader, PublishedFrameAndTheRingsEndWakeWhoSleeps) {
  const Name name;
  auto writer = std::make_unique<Writer>(name.text(), 4, size);
  std::string problem;
  const auto ring = gige_frames::detail::Ring::open(name.path(), problem);
  ASSERT_NE(ring, nullptr) << problem;
  for (const bool end : {false, true}) {
    std::atomic<pid_t> thread{0};
    std::atomic<bool> woken{false};
    std::thread sleeper([&, seen = ring->wake()] {
      thread = ::gettid();
      woken = ring->sleep(seen, long_enough);
    });
    EXPECT_TRUE(test_support::wait_until([&] { return thread != 0 && asleep(thread); }));
    if (end) {
      writer = nullptr;
    } else {
      writer->write(1);
    }
    sleeper.join();
    EXPECT_TRUE(woken);
  }
}

TEST(FrameReader, FormerRingIsMarkedReplacedAndAnEndedOneEnded) {
  const Name name;
  auto former = std::make_unique<Writer>(name.text(), 4, size);
  std::string problem;
  const auto first = gige_frames::detail::Ring::open(name.path(), problem);
  EXPECT_EQ(first->state(), gige::layout::live);
  auto writer = std::make_unique<Writer>(name.text(), 4, size);
  const auto second = gige_frames::detail::Ring::open(name.path(), problem);
  EXPECT_EQ(first->state(), gige::layout::replaced);
  former = nullptr;
  EXPECT_EQ(first->state(), gige::layout::replaced);
  EXPECT_EQ(second->state(), gige::layout::live);
  writer = nullptr;
  EXPECT_EQ(second->state(), gige::layout::ended);
}

TEST(FrameReader, EndedRingIsSaidAndItsFramesStayReadable) {
  const Name name;
  auto writer = std::make_unique<Writer>(name.text(), 4, size);
  writer->write(1);
  Reader reader(name.text());
  const auto view = reader.wait(now);
  writer = nullptr;
  EXPECT_TRUE(whole(*view));
  EXPECT_FALSE(reader.wait(now));
  EXPECT_FALSE(reader.live());
  EXPECT_NE(reader.problem(), "");
  Writer next(name.text(), 4, size, 1);
  next.write(1);
  EXPECT_EQ(reader.wait(long_enough)->info.sequence, 2u);
  EXPECT_TRUE(whole(*view));
}

TEST(FrameReader, RingOfAKilledMapperIsReadToItsEndAndTheNextMappersFollowed) {
  const Name name;
  Child mapper([&]() -> int {
    Writer writer(name.text(), 4, size);
    writer.write(5);
    for (;;) ::pause();
  });
  Reader reader(name.text(), Order::next);
  ASSERT_TRUE(reader.wait(long_enough));
  EXPECT_TRUE(reader.live());
  mapper.kill();
  EXPECT_FALSE(reader.live());
  EXPECT_TRUE(std::filesystem::exists(name.path()));
  Writer next(name.text(), 4, size);
  next.write(1);
  std::uint64_t last = 0;
  do {
    const auto view = reader.wait(long_enough);
    ASSERT_TRUE(view);
    EXPECT_TRUE(whole(*view));
    last = view->info.sequence;
  } while (last != 1);
  EXPECT_TRUE(reader.live());
}

TEST(FrameReader, FollowsARingWhoseFileWasRemovedByHand) {
  const Name name;
  Writer former(name.text(), 4, size);
  former.write(1);
  Reader reader(name.text());
  ASSERT_TRUE(reader.wait(now));
  std::filesystem::remove(name.path());
  Writer writer(name.text(), 4, size, 5);
  writer.write(1);
  EXPECT_EQ(reader.wait(long_enough)->info.sequence, 6u);
}

// ---- rings that nobody should trust ----

std::string bytes_of(const Name& name) { return base::read_file(name.path()).value(); }

template <class T>
std::string with(std::string bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
  return bytes;
}

std::string problem_of(const std::string& bytes) {
  const Name name;
  std::ofstream(name.path(), std::ios::binary) << bytes;
  Reader reader(name.text());
  return reader.open() ? "" : reader.problem();
}

std::string sound_ring() {
  const Name name;
  Writer writer(name.text(), 4, 100);
  writer.write(3);
  return bytes_of(name);
}

TEST(FrameReader, AbsurdHeadersAreRefusedWithTheReason) {
  using gige::layout::RingHeader;
  const std::string sound = sound_ring();
  ASSERT_EQ(problem_of(sound), "");
  EXPECT_THAT(problem_of(""), HasSubstr("0 bytes are no frame ring"));
  EXPECT_THAT(problem_of(sound.substr(0, 255)), HasSubstr("no frame ring"));
  EXPECT_THAT(problem_of(sound.substr(0, sound.size() - 1)), HasSubstr("do not fit"));
  EXPECT_THAT(problem_of(with(sound, 0, 'g')), HasSubstr("no frame ring"));
  EXPECT_THAT(problem_of(with(sound, 8, std::uint32_t{2})), HasSubstr("version 2"));
  const auto refuses = [&](std::size_t offset, auto value) {
    EXPECT_THAT(problem_of(with(sound, offset, value)), HasSubstr("do not fit")) << offset;
  };
  for (const std::uint32_t slots : {0u, 5u, 65u, ~0u}) refuses(offsetof(RingHeader, slots), slots);
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    refuses(offsetof(RingHeader, slot_bytes), value);
    refuses(offsetof(RingHeader, slot_stride), value);
    refuses(offsetof(RingHeader, headers_at), value);
    if (value != 0) refuses(offsetof(RingHeader, pixels_at), value);
  }
  for (const std::uint32_t stride : {0u, 8u, 129u, ~0u}) {
    refuses(offsetof(RingHeader, header_stride), stride);
  }
}

TEST(FrameReader, FrameLargerThanItsSlotIsLeftOutAndSaid) {
  const std::size_t info = gige::layout::headers_at + 2 * sizeof(gige::layout::SlotHeader) + 8;
  const Name name;
  std::ofstream(name.path(), std::ios::binary)
      << with(sound_ring(), info + offsetof(gige::FrameInfo, size), std::uint64_t{101});
  Reader reader(name.text());
  EXPECT_FALSE(reader.wait(now));
  EXPECT_THAT(reader.problem(), HasSubstr("frame 3 of 101 bytes"));
}

// Whatever stands in the file: the reader ends, and stays within the mapping.
TEST(FrameReader, GarbageNeverCrashesIt) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::string sound = sound_ring();
  const Name name;
  int opened = 0;
  volatile unsigned sum = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = sound;
    const std::size_t reach = round % 2 == 0 ? 80 : 1024;  // the header only, or slots' too
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      const std::size_t at = random() % reach;
      bytes[at] = random() % 2 == 0 ? static_cast<char>(random()) : '\xFF';
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    std::ofstream(name.path(), std::ios::binary | std::ios::trunc) << bytes;
    Reader reader(name.text(), round % 3 == 0 ? Order::newest : Order::next);
    opened += reader.open();
    for (int i = 0; i < 5; ++i) {
      const auto view = reader.wait(now);
      if (!view) break;
      for (std::size_t at = 0; at < view->info.size; ++at) sum = sum + view->pixels[at];
      (void)view->still_valid();
    }
  }
  EXPECT_GT(opened, 100);
  EXPECT_LT(opened, 2900);
}

}  // namespace
