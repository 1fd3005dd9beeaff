#include "outlets/spool.hpp"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "support.hpp"

namespace gige {
namespace {

namespace fs = std::filesystem;
using namespace test;
using base::Code;
using testing::HasSubstr;

Image image_of(std::uint64_t sequence, std::size_t size, ImageFormat format = ImageFormat::jpeg) {
  Image image;
  image.info = info_of(sequence);
  image.format = format;
  image.bytes.assign(size, static_cast<std::uint8_t>(sequence));
  return image;
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& each : fs::directory_iterator(folder)) names.insert(each.path().filename());
  return names;
}

void write(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }

TEST(Spool, MakesItsFolderAndNamesFilesByDeviceTimeAndSequence) {
  TempFolder folder;
  Spool spool(device, {.folder = folder / "a/b"});
  ASSERT_TRUE(spool.save(image_of(1, 10)).ok());
  EXPECT_EQ(names_in(folder / "a/b"),
            std::set<std::string>{"default_cam-20251123T032000.163Z-1.jpg"});
}

TEST(Spool, NeverHoldsMoreThanItsLimitsAndKeepsTheNewest) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(cat("seed ", seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 10; ++round) {
    TempFolder folder;
    const SpoolSettings settings{
        .folder = folder.path(), .max_files = 1 + random() % 8, .max_bytes = 1 + random() % 1000};
    Spool spool(device, settings);
    for (std::uint64_t sequence = 1; sequence <= 40; ++sequence) {
      const std::size_t size = random() % 300;
      const base::Status status = spool.save(image_of(sequence, size));
      EXPECT_EQ(status.ok(), size <= settings.max_bytes) << status.to_string();
      std::uint64_t bytes = 0;
      for (const auto& each : fs::directory_iterator(folder.path())) bytes += each.file_size();
      const auto names = names_in(folder.path());
      ASSERT_LE(names.size(), settings.max_files);
      ASSERT_LE(bytes, settings.max_bytes);
      ASSERT_EQ(spool.files(), names.size());
      ASSERT_EQ(spool.bytes(), bytes);
      if (status.ok()) {
        ASSERT_THAT(*names.rbegin(), HasSubstr(cat("-", sequence, ".jpg")));
      }
    }
  }
}

TEST(Spool, PicturesOf1970DoNotGoBeforeThoseOfYesterday) {
  TempFolder folder;
  const SpoolSettings settings{.folder = folder.path(), .max_files = 2};
  ASSERT_TRUE(Spool(device, settings).save(image_of(1, 10)).ok());
  Spool spool(device, settings);
  for (std::uint64_t sequence : {2, 3}) {
    Image image = image_of(sequence, 10);
    image.info.arrived_ns = static_cast<std::int64_t>(sequence) * 1'000'000'000;
    ASSERT_TRUE(spool.save(image).ok());
  }
  EXPECT_EQ(names_in(folder.path()),
            (std::set<std::string>{"default_cam-19700101T000002.000Z-2.jpg",
                                   "default_cam-19700101T000003.000Z-3.jpg"}));
}

TEST(Spool, FileThatCannotBeRemovedCostsTheOthersNothing) {
  TempFolder folder;
  Spool spool(device, {.folder = folder.path(), .max_files = 3});
  ASSERT_TRUE(spool.save(image_of(1, 10)).ok());
  const fs::path stuck = folder.path() / *names_in(folder.path()).begin();
  fs::remove(stuck);
  fs::create_directories(stuck / "of somebody else");
  for (std::uint64_t i = 2; i <= 9; ++i) {
    const base::Status saved = spool.save(image_of(i, 10));
    ASSERT_TRUE(saved.ok()) << saved.to_string();
  }
  EXPECT_EQ(spool.files(), 3u);  // the newest two, and the one that stays
  EXPECT_THAT(*names_in(folder.path()).rbegin(), HasSubstr("-9.jpg"));
}

TEST(Spool, CountsWhatIsThereAtStart) {
  TempFolder folder;
  const SpoolSettings settings{.folder = folder.path(), .max_files = 3};
  {
    Spool before(device, settings);
    for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(before.save(image_of(i, 10)).ok());
  }
  Spool spool(device, settings);
  EXPECT_EQ(spool.files(), 3u);
  EXPECT_EQ(spool.bytes(), 30u);
  ASSERT_TRUE(spool.save(image_of(4, 10)).ok());
  EXPECT_EQ(names_in(folder.path()).size(), 3u);
}

TEST(Spool, NeverTouchesFilesThatAreNotOfItsDevice) {
  TempFolder folder;
  const std::set<std::string> others = {
      "notes.txt",
      "default_cam-notes.jpg",
      "default_cam-20251123T032000.163Z-1.txt",
      "default_cam-20251123T032000.163Z-x.jpg",
      "default_cam-20251123T032000Z-1.jpg",
      "default_cam2-20251123T032000.163Z-1.jpg",
      "default_cam-2-20251123T032000.163Z-1.jpg",
      "cam-20251123T032000.163Z-1.jpg",
      "default_cam-20251123T032000.163Z-1.2.3.jpg",
  };
  for (const std::string& name : others) write(folder / name, "mine");
  Spool spool(device, {.folder = folder.path(), .max_files = 1, .max_bytes = 20});
  EXPECT_EQ(spool.files(), 0u);
  for (std::uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(spool.save(image_of(i, 10)).ok());
  const auto names = names_in(folder.path());
  for (const std::string& name : others) EXPECT_TRUE(names.contains(name)) << name;
  EXPECT_EQ(names.size(), others.size() + 1);
}

TEST(Spool, DevicesWithSimilarNamesHaveFilesOfTheirOwn) {
  TempFolder folder;
  const SpoolSettings settings{.folder = folder.path(), .max_files = 1};
  std::vector<std::unique_ptr<Spool>> spools;
  for (const dmi::ObjectId& each : {dmi::ObjectId{"a-b", "c"},
                                    {"a", "b-c"},
                                    {"a", "b-c-20251123T032000.163Z"},
                                    {"a", "../x"},
                                    {"a_b", "c"},
                                    {"a", "b_c"}}) {
    spools.push_back(std::make_unique<Spool>(each, settings));
    ASSERT_TRUE(spools.back()->save(image_of(1, 10)).ok());
  }
  for (const auto& spool : spools) ASSERT_TRUE(spool->save(image_of(2, 10)).ok());
  EXPECT_EQ(names_in(folder.path()).size(), spools.size());
}

TEST(Spool, AFrameSavedTwiceAfterARestartIsTwoFiles) {
  TempFolder folder;
  const SpoolSettings settings{.folder = folder.path()};
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Spool(device, settings).save(image_of(1, 10)).ok());
  }
  EXPECT_EQ(names_in(folder.path()).size(), 3u);
  EXPECT_EQ(Spool(device, settings).files(), 3u);
}

TEST(Spool, TwoProcessesNeverWriteOverEachOther) {
  TempFolder folder;
  constexpr int processes = 3;
  constexpr std::uint64_t frames = 40;
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      Spool spool(device, {.folder = folder.path(), .max_files = 1000});
      bool good = true;
      for (std::uint64_t n = 1; n <= frames; ++n) good = spool.save(image_of(n, 10)).ok() && good;
      ::_exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(names_in(folder.path()).size(), processes * frames);
}

TEST(Spool, LeavesNoHalfFileWhenTheDiskIsFullAndGoesOnLater) {
  // A thread of its own, because the file system is mounted for this thread only.
  std::thread([] {
    TempFolder folder;
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
      GTEST_SKIP() << "no right to mount a small disk";
    }
    write(folder / "ballast", std::string(40'000, 'x'));
    Spool spool(device, {.folder = folder.path()});
    ASSERT_TRUE(spool.save(image_of(1, 4000)).ok());
    const base::Status full = spool.save(image_of(2, 40'000));
    EXPECT_EQ(full.code(), Code::unavailable);
    EXPECT_THAT(full.text(), HasSubstr("No space left"));
    EXPECT_EQ(names_in(folder.path()).size(), 2u) << "ballast and frame 1";
    EXPECT_EQ(spool.files(), 1u);
    fs::remove(folder / "ballast");
    EXPECT_TRUE(spool.save(image_of(3, 40'000)).ok());
    EXPECT_EQ(spool.files(), 2u);
    ::umount(folder.path().c_str());
  }).join();
}

TEST(Spool, AFolderThatCannotBeIsUnavailable) {
  TempFolder folder;
  write(folder / "file", "");
  Spool spool(device, {.folder = folder / "file/spool"});
  EXPECT_EQ(spool.save(image_of(1, 10)).code(), Code::unavailable);
  fs::remove(folder / "file");
  EXPECT_TRUE(spool.save(image_of(2, 10)).ok());
}

TEST(Spool, AFileTakenAwayBySomebodyIsNoMistake) {
  TempFolder folder;
  Spool spool(device, {.folder = folder.path(), .max_files = 1});
  ASSERT_TRUE(spool.save(image_of(1, 10)).ok());
  for (const std::string& name : names_in(folder.path())) fs::remove(folder / name);
  EXPECT_TRUE(spool.save(image_of(2, 10)).ok());
  EXPECT_EQ(spool.files(), 1u);
}

TEST(Spool, RemovesWhatAProcessThatDiedLeftHalfWritten) {
  TempFolder folder;
  const auto old = folder / ".default_cam-1-ab-1.part.1.tmp";
  const auto fresh = folder / ".default_cam-2-ab-1.part";
  const auto foreign = folder / ".default_cam2-1-ab-1.part";
  for (const auto& path : {old, fresh, foreign}) write(path, "half");
  const auto hour_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(old, hour_ago);
  fs::last_write_time(foreign, hour_ago);
  Spool spool(device, {.folder = folder.path()});
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(fresh)) << "another process may be writing it";
  EXPECT_TRUE(fs::exists(foreign));
}

}  // namespace
}  // namespace gige
