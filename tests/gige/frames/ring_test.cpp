// The writer's side of a frame ring: names, sizes, memory, who holds which slot.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "gige/frame_reader.hpp"
#include "ring_support.hpp"

namespace {

using base::Code;
using gige::FramePtr;
using gige::FrameRing;
using gige::FrameStatus;
using ring_test::Child;
using ring_test::Name;
using ring_test::Writer;
using testing::HasSubstr;

unsigned mode(const Name& name) {
  struct stat file {};
  return ::stat(name.path().c_str(), &file) == 0 ? file.st_mode & 07777 : 0;
}

TEST(FrameRing, NamesWithSlashesDotsFirstOrTooManyCharactersAreInvalid) {
  for (const std::string& bad :
       {std::string(), std::string("a/b"), std::string("../x"), std::string(".hidden"),
        std::string("a b"), std::string("a\0b", 3), std::string("ä"), std::string(201, 'a')}) {
    const auto ring = FrameRing::create(bad, 4, 1);
    EXPECT_EQ(ring.status().code(), Code::invalid) << bad;
  }
  const std::string longest = Name().text() + std::string(200 - Name().text().size(), 'x');
  EXPECT_TRUE(FrameRing::create(longest, 4, 1).ok());
}

TEST(FrameRing, SlotsAndBytesOutsideTheLimitsAreRefusedWithNumbers) {
  const Name name;
  for (const auto& [slots, bytes] : std::map<std::size_t, std::size_t>{
           {3, 1}, {65, 1}, {4, 0}, {5, FrameRing::max_bytes / 5 + 1}, {6, ~std::size_t{0}}}) {
    const auto ring = FrameRing::create(name.text(), slots, bytes);
    EXPECT_EQ(ring.status().code(), Code::out_of_range);
    EXPECT_THAT(ring.status().text(), HasSubstr(base::cat(slots, " slots")));
  }
  EXPECT_FALSE(std::filesystem::exists(name.path()));
}

TEST(FrameRing, SlotsBeginAtPagesAndHoldTheirBytes) {
  const Name name;
  for (const std::size_t slots : {4u, 30u, 31u, 64u}) {
    const auto ring = FrameRing::create(name.text(), slots, 5000).value();
    EXPECT_EQ(ring->slots(), slots);
    EXPECT_EQ(ring->slot_bytes(), 5000u);
    for (std::size_t i = 0; i < slots; ++i) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(ring->slot(i)) % 4096, 0u);
      std::memset(ring->slot(i), int(i + 1), 5000);
    }
    for (std::size_t i = 0; i < slots; ++i) {
      EXPECT_EQ(ring->slot(i)[0], i + 1);
      EXPECT_EQ(ring->slot(i)[4999], i + 1);
    }
  }
}

TEST(FrameRing, FileIsForItsOwnerAndGroupWhateverTheUmask) {
  for (const mode_t mask : {0000u, 0022u, 0077u}) {
    const Name name;
    const mode_t before = ::umask(mask);
    const auto ring = FrameRing::create(name.text(), 4, 100);
    ::umask(before);
    EXPECT_EQ(mode(name), 0640u);
  }
}

TEST(FrameRing, NameIsGoneWithTheLastFrameOfIt) {
  const Name name;
  FramePtr frame;
  {
    Writer writer(name.text(), 4, 800);
    writer.write(2);
    frame = writer.ring().newest();
  }
  EXPECT_TRUE(std::filesystem::exists(name.path()));
  EXPECT_TRUE(ring_test::is(frame->pixels.data(), frame->pixels.size(), 2));
  frame = nullptr;
  EXPECT_FALSE(std::filesystem::exists(name.path()));
}

TEST(FrameRing, FormerRingOfThisProcessIsReplacedAndDoesNotRemoveTheNewOnesName) {
  const Name name;
  FramePtr old;
  {
    Writer former(name.text(), 4, 800);
    former.write(1);
    old = former.ring().newest();
  }
  Writer now(name.text(), 4, 800, 1);
  EXPECT_TRUE(ring_test::is(old->pixels.data(), old->pixels.size(), 1));
  old = nullptr;
  EXPECT_TRUE(std::filesystem::exists(name.path()));
}

TEST(FrameRing, RingOfAnotherLivingProcessIsAConflictThatNamesIt) {
  const Name name;
  int made[2];
  ASSERT_EQ(::pipe(made), 0);
  Child other([&] {
    Writer writer(name.text(), 4, 800);
    if (::write(made[1], "x", 1) != 1) return 1;
    for (;;) ::pause();
  });
  char byte = 0;
  ASSERT_EQ(::read(made[0], &byte, 1), 1);
  const auto refused = FrameRing::create(name.text(), 4, 800);
  EXPECT_EQ(refused.status().code(), Code::conflict);
  EXPECT_THAT(refused.status().text(), HasSubstr("writes it"));
  EXPECT_TRUE(std::filesystem::exists(name.path()));
  other.kill();
  EXPECT_TRUE(FrameRing::create(name.text(), 4, 800).ok());
  ::close(made[0]);
  ::close(made[1]);
}

// Of another container, where it is process 1 as we are in ours: what is not our own number at
// offset 80 is not our ring, whatever its pid says.
TEST(FrameRing, RingOfAProcessWithOurPidInAnotherContainerIsAConflict) {
  const Name name;
  std::optional<Writer> theirs(std::in_place, name.text(), 4, 800);
  const int fd = ::open(name.path().c_str(), O_RDWR | O_CLOEXEC);
  const std::string number = base::random_hex(16);
  ASSERT_EQ(::pwrite(fd, number.data(), number.size(), 80), 32);
  EXPECT_EQ(FrameRing::create(name.text(), 4, 800).status().code(), Code::conflict);
  const std::string none(32, '\0');  // a writer of before
  ASSERT_EQ(::pwrite(fd, none.data(), none.size(), 80), 32);
  EXPECT_EQ(FrameRing::create(name.text(), 4, 800).status().code(), Code::conflict);
  ::close(fd);
  theirs.reset();
  EXPECT_TRUE(FrameRing::create(name.text(), 4, 800).ok());
}

// It could be cut short while it is looked at, which is a SIGBUS.
TEST(FrameRing, RingOfAnotherUserIsRefused) {
  const Name name;
  { std::ofstream(name.path()) << std::string(5000, 'x'); }
  if (::chown(name.path().c_str(), 65'534, 65'534) != 0) {
    GTEST_SKIP() << "only root gives files away";
  }
  const auto refused = FrameRing::create(name.text(), 4, 800);
  EXPECT_EQ(refused.status().code(), Code::refused);
  EXPECT_THAT(refused.status().text(), HasSubstr(name.path().string() + ": not trusted"));
}

TEST(FrameRing, FileThatIsNoRingIsLeftAlone) {
  const Name name;
  std::ofstream(name.path()) << std::string(5000, 'x');
  const auto refused = FrameRing::create(name.text(), 4, 800);
  EXPECT_EQ(refused.status().code(), Code::conflict);
  EXPECT_THAT(refused.status().text(), HasSubstr("no frame ring"));
  EXPECT_EQ(std::filesystem::file_size(name.path()), 5000u);
}

// With a /dev/shm of 1 MiB of the child's own. Exit 77: mounts are not allowed here.
int in_small_shm(const std::function<int()>& body) {
  Child child([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") != 0) {
      return 77;
    }
    return body();
  });
  return child.wait();
}

bool refused_with_numbers(const base::Status& status, const char* need, const char* all) {
  return status.code() == Code::out_of_range && status.text().find(need) != std::string::npos &&
         status.text().find(all) != std::string::npos &&
         status.text().find("--shm-size") != std::string::npos &&
         std::filesystem::is_empty("/dev/shm");
}

TEST(FrameRing, MoreThanTheMemoryOfDevShmIsRefusedAtCreationAndLeavesNothing) {
  const int exit = in_small_shm([] {
    const auto large = FrameRing::create("large", 4, 1u << 20);
    if (!refused_with_numbers(large.status(), "needs 5 MiB", "of 1:")) return 1;
    // Fits as such, but not beside what is there.
    auto first = FrameRing::create("first", 4, 150'000);
    if (!first) return 2;
    if (FrameRing::create("second", 4, 150'000).status().code() != Code::out_of_range) return 3;
    for (std::size_t i = 0; i < 4; ++i) std::memset(first.value()->slot(i), 1, 150'000);
    // The memory of a former ring of the same name is there for the new one.
    first = base::Status(Code::stale, "let go");
    for (int i = 0; i < 3; ++i) {
      if (!FrameRing::create("first", 4, 200'000).ok()) return 4;
    }
    return 0;
  });
  if (exit == 77) GTEST_SKIP() << "no mount namespaces here";
  EXPECT_EQ(exit, 0);
}

TEST(FrameRing, NewestIsTheNewestCompleteFrame) {
  const Name name;
  Writer writer(name.text(), 4, 800);
  EXPECT_EQ(writer.ring().newest(), nullptr);
  writer.write(FrameStatus::aborted);
  EXPECT_EQ(writer.ring().newest(), nullptr);
  writer.write();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(writer.write(FrameStatus::missing_packets));
    const FramePtr frame = writer.ring().newest();
    ASSERT_NE(frame, nullptr);
    EXPECT_EQ(frame->info.sequence, 2u);
    EXPECT_TRUE(ring_test::is(frame->pixels.data(), frame->pixels.size(), 2));
  }
}

TEST(FrameRing, ReclaimGivesTheOldestThatNobodyHoldsAsLongAsMoreThanKeepArePublished) {
  const Name name;
  Writer writer(name.text(), 4, 800);
  writer.write(1);
  const FramePtr first = writer.ring().newest();
  writer.write(3);
  EXPECT_EQ(writer.ring().reclaim(4), std::nullopt);
  EXPECT_EQ(writer.ring().reclaim(3), 1u);  // slot 0 is held
  EXPECT_EQ(writer.ring().reclaim(3), std::nullopt);
  EXPECT_EQ(writer.ring().reclaim(0), 2u);
  EXPECT_EQ(writer.ring().reclaim(0), std::nullopt);  // the newest complete one stays
}

// Against a model, over random publishing, reclaiming, holding and letting go.
TEST(FrameRing, SlotThatIsHeldIsNeverGivenAndHeldPixelsNeverChange) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const Name name;
  constexpr std::size_t slots = 8, size = 512;
  const auto ring = FrameRing::create(name.text(), slots, size).value();
  std::vector<std::size_t> free;
  for (std::size_t i = 0; i < slots; ++i) free.push_back(i);
  std::vector<FramePtr> held;
  std::uint64_t sequence = 0;
  for (int step = 0; step < 20'000; ++step) {
    switch (random() % 4) {
      case 0:
        if (free.empty()) break;
        ring_test::fill(ring->slot(free.back()), size, ++sequence);
        ring->publish(free.back(), ring_test::info(sequence, size));
        free.pop_back();
        break;
      case 1:
        if (const auto slot = ring->reclaim(random() % 4)) {
          for (const FramePtr& frame : held) ASSERT_NE(frame->pixels.data(), ring->slot(*slot));
          std::memset(ring->slot(*slot), 0, size);
          free.push_back(*slot);
        }
        break;
      case 2:
        if (FramePtr frame = ring->newest(); frame && held.size() < 20) {
          ASSERT_EQ(frame->info.sequence, sequence);
          held.push_back(std::move(frame));
        }
        break;
      default:
        if (!held.empty()) held.erase(held.begin() + std::ptrdiff_t(random() % held.size()));
    }
    for (const FramePtr& frame : held) {
      ASSERT_TRUE(ring_test::is(frame->pixels.data(), size, frame->info.sequence));
    }
  }
}

// For ThreadSanitizer: readers within the process are ordered, not only lucky.
TEST(FrameRing, ThreadsOfThisProcessReadWhatTheyHoldWhileTheWriterGoesOn) {
  const Name name;
  Writer writer(name.text(), 8, 4096);
  writer.write();
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> read{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        const FramePtr frame = writer.ring().newest();
        if (!ring_test::is(frame->pixels.data(), 4096, frame->info.sequence)) ++wrong;
        ++read;
      }
    });
  }
  int written = 0;
  while (written < 5000 || read < 1000) {
    if (writer.write()) ++written;  // each of three may hold one: a free slot comes back soon
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
