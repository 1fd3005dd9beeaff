// What the outbox promises when processes die and disks fail.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "base/file.hpp"
#include "base/text.hpp"
#include "fixture.hpp"

namespace devicetwin {
namespace {

using base::cat;
using base::Code;
using test_support::wait_until;

class OutboxFaultTest : public test::OutboxTest {
 protected:
  pid_t lock_writers_out();
  // Overwrites a piece of the file in its middle.
  void damage(std::streamoff at, std::size_t bytes) {
    std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file << std::string(bytes, '\xa5');
    ASSERT_TRUE(file.good());
  }
};

// A child process that holds SQLite's lock for writers (WAL_WRITE_LOCK, byte 120 of the -shm file).
pid_t OutboxFaultTest::lock_writers_out() {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int shm = ::open((file_.string() + "-shm").c_str(), O_RDWR | O_CLOEXEC);
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 120;
    lock.l_len = 1;
    if (shm < 0 || ::fcntl(shm, F_SETLKW, &lock) != 0) ::_exit(1);
    if (::write(ends[1], "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 1);
  ::close(ends[0]);
  return pid;
}

// A child appends and flushes, and tells through a pipe what was flushed; then it is killed at any
// moment.
class KilledOutboxTest : public OutboxFaultTest {
 protected:
  struct Lived {
    std::uint64_t flushed = 0;  // records, as the child was told
  };

  [[noreturn]] void child(int out, std::uint64_t first) {
    base::ManualLoop loop;
    auto outbox = Outbox::open(loop, {.folder = folder_.path(), .quotas = {{"mqtt", 64u << 20}}});
    if (!outbox.ok()) ::_exit(1);
    for (std::uint64_t i = first;; ++i) {
      (*outbox)->append("mqtt", static_cast<std::int64_t>(i), "t", cat(i));
      bool flushed = false;
      if (i % 3 != 0) continue;
      (*outbox)->flush([&](const base::Status& status) { flushed = status.ok(); });
      while (!flushed) loop.settle();
      if (::write(out, &i, sizeof i) != sizeof i) ::_exit(2);
    }
  }
  // The last payload number that a child that died after so many flushes had been promised.
  std::uint64_t live(std::uint64_t first, unsigned flushes) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t pid = ::fork();
    if (pid == 0) child(ends[1], first);
    ::close(ends[1]);
    std::uint64_t promised = 0;
    std::uint64_t told = 0;
    while (flushes > 0 && ::read(ends[0], &told, sizeof told) == sizeof told) {
      promised = told;
      --flushes;
    }
    ::kill(pid, SIGKILL);
    while (::read(ends[0], &told, sizeof told) == sizeof told) promised = told;
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << status;
    return promised;
  }
};

TEST_F(KilledOutboxTest, NothingFlushedIsLostAndNoNumberIsGivenTwice) {
  std::mt19937 random(7);
  std::map<std::uint64_t, std::string> seen;  // number: what it stands for
  std::uint64_t first = 1;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t promised = live(first, 1 + static_cast<unsigned>(random() % 40));
    auto outbox = Outbox::open(loop_, {.folder = folder_.path(), .quotas = {{"mqtt", 64u << 20}}});
    ASSERT_TRUE(outbox.ok()) << outbox.status().text();
    std::uint64_t last = 0;
    std::uint64_t number = 0;
    for (const Record& record : read(**outbox)) {
      EXPECT_GT(record.sequence, number);
      number = record.sequence;
      const std::string text = record.gap ? cause_text(record.gap->causes) : record.payload;
      const auto [entry, added] = seen.try_emplace(record.sequence, text);
      EXPECT_EQ(entry->second, text) << "number " << record.sequence << " was given twice";
      if (!record.gap) last = std::max<std::uint64_t>(last, std::stoull(record.payload));
    }
    EXPECT_GE(last, promised);
    // The first half of what waits is taken, so that numbers go on also without rows to see.
    (*outbox)->acknowledge("mqtt", round % 3 == 0 ? number : number / 2);
    ASSERT_TRUE(flush(**outbox).ok());
    first = last + 1;
  }
  std::set<std::string> payloads;
  for (const auto& [number, text] : seen) {
    if (text == "crash") continue;
    EXPECT_TRUE(payloads.insert(text).second) << text;
  }
}

TEST_F(KilledOutboxTest, KillWhileRecordsWaitLeavesAMarkerOfUnknownSizeAfterThem) {
  live(1, 3);
  auto outbox = Outbox::open(loop_, {.folder = folder_.path(), .quotas = {{"mqtt", 64u << 20}}});
  const auto records = read(**outbox);
  ASSERT_GE(records.size(), 10u);
  const Record& marker = records.back();
  ASSERT_TRUE(marker.gap.has_value());
  EXPECT_EQ(marker.gap->causes, unsigned{Gap::crash});
  EXPECT_TRUE(marker.gap->at_least);
  EXPECT_EQ(marker.gap->from, marker.gap->to);
}

TEST_F(OutboxFaultTest, OrderlyEndLeavesNoMarker) {
  {
    auto outbox = open();
    outbox->append("mqtt", 1, "t", "p");
  }
  auto outbox = open();
  const auto records = read(*outbox);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_FALSE(records[0].gap.has_value());
}

TEST_F(OutboxFaultTest, DamagedFileIsKeptAsideAndEveryConsumerHearsOfIt) {
  std::uint64_t last = 0;
  {
    auto outbox = open();
    for (int i = 0; i < 10; ++i) outbox->append("mqtt", i, "t", "p");
    ASSERT_TRUE(flush(*outbox).ok());
    last = read(*outbox).back().sequence;
  }
  damage(0, 4096);
  auto outbox = open();
  EXPECT_TRUE(damaged_file_is_kept());
  outbox->append("mqtt", 1, "t", "new");
  ASSERT_TRUE(flush(*outbox).ok());
  const auto records = read(*outbox);
  ASSERT_EQ(records.size(), 2u);
  ASSERT_TRUE(records[0].gap.has_value());
  EXPECT_EQ(records[0].gap->causes, unsigned{Gap::damage});
  EXPECT_TRUE(records[0].gap->at_least);
  EXPECT_EQ(records[0].gap->from, 1u);
  EXPECT_GE(records[0].gap->to, last);
  EXPECT_GT(records[1].sequence, last);
}

TEST_F(OutboxFaultTest, FileThatIsDeletedTakesNoNumbersWithIt) {
  {
    auto outbox = open();
    outbox->append("mqtt", 1, "t", "p");
  }
  std::filesystem::remove(file_);
  auto outbox = open();
  const auto records = read(*outbox);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].gap.value().causes, unsigned{Gap::damage});
  EXPECT_GT(records[0].sequence, 1u);
}

TEST_F(OutboxFaultTest, NumbersRiseAlsoWhenTheCeilingsAreLostWithADamagedFile) {
  {
    auto outbox = open();
    outbox->append("mqtt", 1, "t", "p");
  }
  damage(0, 4096);
  std::filesystem::remove(folder_ / "outbox.sequence");
  auto outbox = open();
  EXPECT_GT(read(*outbox).at(0).sequence, std::uint64_t{1'000'000});
}

TEST_F(OutboxFaultTest, FileThatIsDamagedInsideWhileItIsOpenIsReplacedAndAppendedGoesToTheNew) {
  auto outbox = open(64u << 20);
  for (int i = 0; i < 6000; ++i) outbox->append("mqtt", i, "t", std::string(1000, 'x'));
  ASSERT_TRUE(flush(*outbox).ok());
  // All pages but the first, which SQLite keeps; its cache holds no more than 1 MiB.
  damage(4096, static_cast<std::size_t>(std::filesystem::file_size(file_)) - 4096);
  std::filesystem::resize_file(file_.string() + "-wal", 0);
  for (int i = 0; i < 100; ++i) outbox->append("mqtt", i, "t", "after");
  outbox->acknowledge("mqtt", 1000);
  EXPECT_TRUE(wait_until([&] { return flush(*outbox).ok(); }));
  std::vector<Record> records;
  EXPECT_TRUE(wait_until([&] {
    records = read(*outbox);
    return std::ranges::count(records, "after", &Record::payload) == 100;
  }));
  EXPECT_TRUE(std::ranges::any_of(records, [](const Record& record) {
    return record.gap && (record.gap->causes & Gap::damage) != 0;
  }));
  EXPECT_TRUE(damaged_file_is_kept());
}

// What a database of the last release lacks is counted once, behind the start.
TEST_F(OutboxFaultTest, FileOfSchemaVersion1IsTakenOverWithItsSums) {
  {
    auto outbox = open();
    for (int i = 0; i < 10; ++i) outbox->append("mqtt", i, "t", "payload");
  }
  const auto aged = test_support::run(
      {test_support::find_program("sqlite3"), file_.string(),
       "ALTER TABLE consumers DROP COLUMN rows; ALTER TABLE consumers DROP COLUMN bytes; "
       "PRAGMA user_version=1;"});
  ASSERT_EQ(aged.exit, 0) << aged.output;
  auto outbox = open();
  EXPECT_EQ(read(*outbox).size(), 10u);
  EXPECT_EQ(outbox->counters("mqtt").waiting, 10u);
  EXPECT_EQ(outbox->counters("mqtt").bytes, 10 * (Outbox::row_bytes + 8));
  outbox->acknowledge("mqtt", 4);
  ASSERT_TRUE(flush(*outbox).ok());
  EXPECT_EQ(outbox->counters("mqtt").waiting, 6u);
}

TEST_F(OutboxFaultTest, SumsOfWhatWaitsAreThereWithoutReadingIt) {
  {
    auto outbox = open(1u << 20);
    for (int i = 0; i < 100; ++i) outbox->append("mqtt", i, "t", std::string(20'000, 'x'));
    ASSERT_TRUE(flush(*outbox).ok());
    outbox->acknowledge("mqtt", 60);
    outbox->append("upload", 1, "t", "p");
  }
  auto before = open(1u << 20);
  const auto counters = before->counters("mqtt");
  const auto records = read(*before);
  EXPECT_EQ(counters.waiting, records.size());
  std::uint64_t bytes = 0;
  for (const Record& record : records) {
    bytes += Outbox::row_bytes + record.topic.size() + record.payload.size();
  }
  EXPECT_EQ(counters.bytes, bytes);
}

TEST_F(OutboxFaultTest, StartOnAFileWithNothingToTellWritesNothing) {
  {
    auto outbox = open();
    outbox->append("mqtt", 1, "t", "p");
    ASSERT_TRUE(flush(*outbox).ok());
    outbox->acknowledge("mqtt", 1);
  }
  auto outbox = open();
  EXPECT_TRUE(read(*outbox).empty());
  EXPECT_EQ(std::filesystem::file_size(file_.string() + "-wal"), 0u);
}

// The table of records is whole: nothing that is read or written meets what is damaged.
TEST_F(OutboxFaultTest, DamageThatOnlyALookFindsIsFoundBehindAndTheFileIsReplaced) {
  {
    auto outbox = open();
    for (int i = 0; i < 10; ++i) outbox->append("mqtt", i, "t", "p");
  }
  // A tree that nobody else uses, and its root is damaged.
  ASSERT_EQ(test_support::run({test_support::find_program("sqlite3"), file_.string(),
                               "CREATE TABLE other(x); INSERT INTO other VALUES(1);"})
                .exit,
            0);
  const auto root = test_support::run({test_support::find_program("sqlite3"), file_.string(),
                                       "SELECT rootpage FROM sqlite_schema WHERE name='other'"});
  damage((std::stol(root.output) - 1) * 4096, 4096);
  check_after_ = std::chrono::milliseconds(0);
  auto outbox = open();
  EXPECT_TRUE(wait_until([&] { return damaged_file_is_kept(); }));
  outbox->append("mqtt", 1, "t", "new");
  ASSERT_TRUE(flush(*outbox).ok());
  const auto records = read(*outbox);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].gap.value().causes, unsigned{Gap::damage});
  EXPECT_EQ(records[1].payload, "new");
}

TEST_F(OutboxFaultTest, FullDiskIsToldToWhoFlushesAndWhatWasAppendedComesWhenThereIsRoom) {
  const std::uint64_t quota = 64u << 20;
  auto outbox = open(quota, quota, 1u << 20);
  for (int i = 0; i < 500; ++i) outbox->append("mqtt", i, "t", std::string(1000, 'x'));
  ASSERT_TRUE(flush(*outbox).ok());
  for (int i = 0; i < 900; ++i) outbox->append("mqtt", i, "late", std::string(1000, 'y'));
  const base::Status full = flush(*outbox);
  EXPECT_EQ(full.code(), Code::unavailable);
  EXPECT_NE(full.text().find("full"), std::string::npos) << full.text();
  EXPECT_GE(outbox->counters("mqtt").failed_writes, 1u);
  EXPECT_EQ(read(*outbox).size(), 500u);  // what is stored is whole
  EXPECT_EQ(outbox->counters("mqtt").waiting, 1400u);
  outbox.reset();
  // The disk has grown.
  outbox = open(quota, quota);
  EXPECT_EQ(read(*outbox).front().sequence, 1u);
}

TEST_F(OutboxFaultTest, AcknowledgementMakesRoomOnAFullDisk) {
  const std::uint64_t quota = 64u << 20;
  auto outbox = open(quota, quota, 1u << 20);
  for (int i = 0; i < 600; ++i) outbox->append("mqtt", i, "t", std::string(1000, 'x'));
  ASSERT_TRUE(flush(*outbox).ok());
  for (int i = 0; i < 400; ++i) outbox->append("mqtt", i, "late", std::string(1000, 'y'));
  ASSERT_FALSE(flush(*outbox).ok());
  outbox->acknowledge("mqtt", 600);
  EXPECT_TRUE(flush(*outbox).ok());
  const auto records = read(*outbox);
  ASSERT_EQ(records.size(), 400u);
  EXPECT_EQ(records[0].sequence, 601u);
  EXPECT_EQ(outbox->counters("mqtt").dropped_disk, 0u);
}

TEST_F(OutboxFaultTest, MemoryIsBoundedWhileTheDiskIsFullAndWhatWentIsAGapInItsPlace) {
  const std::uint64_t quota = 64u << 20;
  auto outbox = open(quota, quota, 1u << 20);
  for (int i = 0; i < 600; ++i) outbox->append("mqtt", i, "t", std::string(1000, 'x'));
  ASSERT_TRUE(flush(*outbox).ok());
  const int many = 3 * static_cast<int>(Outbox::max_pending_bytes / 1000);
  for (int i = 0; i < many; ++i) {
    outbox->append("mqtt", i, "late", cat(i, ' ', std::string(1000, 'y')));
    if (i % 1000 == 999) {
      ASSERT_FALSE(flush(*outbox).ok()) << i;
    }
    ASSERT_LE(outbox->counters("mqtt").bytes, (2u << 20) + Outbox::max_pending_bytes);
  }
  const auto dropped = outbox->counters("mqtt").dropped_disk;
  EXPECT_GT(dropped, static_cast<std::uint64_t>(many) / 2);
  outbox.reset();
}

TEST_F(OutboxFaultTest, WriterThatIsLockedOutGoesOnWithAGapInOrder) {
  // Another process that holds the file is the same to the writer as a disk that takes nothing.
  auto outbox = open(64u << 20);
  outbox->append("mqtt", 1, "t", "first");
  ASSERT_TRUE(flush(*outbox).ok());
  const pid_t locker = lock_writers_out();
  const int many = 2 * static_cast<int>(Outbox::max_pending_bytes / 1000);
  const int taken = many / 8;
  for (int i = 0; i < taken; ++i) outbox->append("mqtt", 100 + i, "t", std::string(1000, 'y'));
  // The rest comes while the writer has these in its hands, and is trimmed before they come back.
  std::optional<base::Status> failed;
  outbox->flush([&](base::Status status) { failed = std::move(status); });
  ASSERT_TRUE(wait_until([&] { return outbox->counters("mqtt").waiting == 1; }));
  for (int i = taken; i < many; ++i) outbox->append("mqtt", 100 + i, "t", std::string(1000, 'y'));
  ASSERT_TRUE(wait_until([&] {
    loop_.settle();
    return failed.has_value();
  }));
  EXPECT_EQ(failed->code(), Code::unavailable);
  outbox->append("mqtt", 7, "t", "last");
  ::kill(locker, SIGKILL);
  ::waitpid(locker, nullptr, 0);
  EXPECT_TRUE(wait_until([&] { return flush(*outbox).ok(); }));
  const auto records = read(*outbox);
  EXPECT_EQ(records.front().payload, "first");
  ASSERT_TRUE(records.at(1).gap.has_value());
  const Gap& gap = *records[1].gap;
  EXPECT_EQ(gap.causes, unsigned{Gap::disk});
  EXPECT_EQ(gap.from, 2u);
  EXPECT_EQ(gap.count, gap.to - gap.from + 1);
  EXPECT_EQ(gap.count, outbox->counters("mqtt").dropped_disk);
  EXPECT_EQ(gap.first_ms, 100);
  EXPECT_EQ(records.at(2).sequence, gap.to + 1);
  EXPECT_EQ(records.back().payload, "last");
  EXPECT_EQ(records.back().sequence, static_cast<std::uint64_t>(many) + 2);
}

TEST_F(OutboxFaultTest, FileThatCannotBeWrittenIsRefusedWithItsName) {
  std::filesystem::create_directory(file_);
  const auto outbox = Outbox::open(loop_, {.folder = folder_.path(), .quotas = {{"mqtt", 1000}}});
  EXPECT_EQ(outbox.status().code(), Code::unavailable);
  EXPECT_NE(outbox.status().text().find("outbox.db"), std::string::npos);
}

TEST_F(OutboxFaultTest, ReadOnlyFileIsRefusedWithItsName) {
  {
    auto outbox = open();
    outbox->append("mqtt", 1, "t", "p");
  }
  std::filesystem::permissions(file_, std::filesystem::perms::owner_read);
  const pid_t pid = ::fork();
  if (pid == 0) {
    constexpr uid_t nobody = 65534;  // root may write whatever the mode says
    for (const auto& path : {folder_.path(), folder_ / "outbox.lock", file_}) {
      if (::getuid() == 0 && ::chown(path.c_str(), nobody, nobody) != 0) ::_exit(2);
    }
    if (::getuid() == 0 && ::setuid(nobody) != 0) ::_exit(3);
    const auto outbox = Outbox::open(loop_, {.folder = folder_.path(), .quotas = {{"mqtt", 1000}}});
    const std::string text = outbox.status().text();
    const bool said =
        outbox.status().code() == Code::unavailable && text.find("outbox.db") != text.npos;
    if (!said) std::fprintf(stderr, "%s\n", text.c_str());
    ::_exit(said ? 0 : 1);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(OutboxFaultTest, FileOfANewerSchemaIsRefusedAndLeftAsItIs) {
  open().reset();
  ASSERT_EQ(test_support::run(
                {test_support::find_program("sqlite3"), file_.string(), "PRAGMA user_version=99;"})
                .exit,
            0);
  const auto outbox = Outbox::open(loop_, {.folder = folder_.path(), .quotas = {{"mqtt", 1000}}});
  EXPECT_EQ(outbox.status().code(), Code::unsupported);
  EXPECT_FALSE(damaged_file_is_kept());
}

TEST_F(OutboxFaultTest, RowsOfForeignBytesAreGapsAndTheRestOfTheQueueGoesOn) {
  {
    auto outbox = open();
    for (int i = 1; i <= 3; ++i) outbox->append("mqtt", i, "t", cat(i));
  }
  ASSERT_EQ(test_support::run(
                {test_support::find_program("sqlite3"), file_.string(),
                 "UPDATE records SET kind=77, payload=x'ff00' WHERE key%9007199254740992=2;"})
                .exit,
            0);
  auto outbox = open();
  const auto records = read(*outbox);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1].gap.value().causes, unsigned{Gap::damage});
  EXPECT_EQ(records[2].payload, "3");
}

}  // namespace
}  // namespace devicetwin
