#include "devicetwin/store.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <random>
#include <thread>

#include "base/file.hpp"
#include "base/text.hpp"
#include "batch.hpp"
#include "support/process.hpp"

namespace devicetwin {
namespace {

using base::cat;
using base::Code;
using base::Status;
using dmi::ObjectId;
using test_support::wait_until;

const ObjectId boiler{"default", "boiler"};

Object object_of(const std::string& name, const std::string& text, std::uint64_t version = 1) {
  return {Kind::device, {"default", name}, "uid", version, Text(text)};
}

TwinRow full_row() {
  TwinRow row;
  row.name = "temperature";
  row.type = "float";
  row.optional = false;
  row.expected = {true, "21", 5, {1, 2}, "mqtt"};
  row.actual = {true, "", 6, {3, 4}, "mapper m"};
  row.observed = "20";
  row.observed_ms = 7;
  row.quality = Status(Code::timeout, "unit 7 did not answer");
  row.refusal = Status(Code::refused, "no");
  return row;
}

class StoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> open(std::uint64_t max_bytes = std::uint64_t{1} << 30,
                              std::chrono::milliseconds check_after = std::chrono::hours(1)) {
    auto store = Store::open(loop_, {file_, max_bytes, check_after});
    EXPECT_TRUE(store.ok()) << store.status().text();
    return store.ok() ? std::move(*store) : nullptr;
  }
  Status flush(Store& store) {
    std::optional<Status> answer;
    store.flush([&](Status status) { answer = status; });
    EXPECT_TRUE(wait_until([&] {
      loop_.settle();
      return answer.has_value();
    }));
    return answer.value_or(Status(Code::internal, "no answer"));
  }

  void overwrite(std::streamoff from, std::size_t bytes) {
    std::fstream out(file_, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(from);
    out << std::string(bytes, '\x5a');
    ASSERT_TRUE(out.good());
  }
  bool kept_aside() const {
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.path().filename().string().starts_with("devicetwin.db.damaged-")) return true;
    }
    return false;
  }
  // A file of several pages, closed.
  void live() {
    auto store = open();
    for (int i = 0; i < 200; ++i) {
      store->put_object(object_of(cat("d", i), std::string(1000, 'x')));
    }
    store->put_row(boiler, full_row());
    ASSERT_TRUE(flush(*store).ok());
  }
  static Store::Loaded everything() {
    Store::Loaded all;
    for (int i = 0; i < 200; ++i) all.objects.push_back(object_of(cat("d", i), "{}", 7));
    all.rows.emplace_back(boiler, full_row());
    all.states.emplace_back(boiler, DeviceState{"online", "", ""});
    all.notes["mapper/modbus"] = "text";
    all.version = 1000;
    return all;
  }
  void expect_everything() {
    const auto loaded = open()->load();
    EXPECT_EQ(loaded.objects.size(), 200u);
    ASSERT_EQ(loaded.rows.size(), 1u);
    EXPECT_EQ(loaded.rows[0].second, full_row());
    ASSERT_EQ(loaded.states.size(), 1u);
    EXPECT_EQ(loaded.notes.at("mapper/modbus"), "text");
    EXPECT_EQ(loaded.version, 1000u);
  }

  base::ManualLoop loop_;
  test_support::TempFolder folder_;
  const std::filesystem::path file_ = folder_ / "devicetwin.db";
};

TEST_F(StoreTest, EverythingThatWasPutComesBackAsItWas) {
  {
    auto store = open();
    store->put_object(object_of("boiler", "{\"a\":\"ö\"}", 42));
    store->put_row(boiler, full_row());
    store->put_state(boiler, {"online", "2026-01-01T00:00:00Z", ""});
    store->put_note("mapper/modbus", "text");
    store->put_version(1000);
    EXPECT_TRUE(flush(*store).ok());
  }
  const auto loaded = open()->load();
  ASSERT_EQ(loaded.objects.size(), 1u);
  EXPECT_EQ(loaded.objects[0].text.str(), "{\"a\":\"ö\"}");
  EXPECT_EQ(loaded.objects[0].version, 42u);
  ASSERT_EQ(loaded.rows.size(), 1u);
  EXPECT_EQ(loaded.rows[0].first, boiler);
  EXPECT_EQ(loaded.rows[0].second, full_row());
  EXPECT_EQ(loaded.states.at(0).second.state, "online");
  EXPECT_EQ(loaded.notes.at("mapper/modbus"), "text");
  EXPECT_EQ(loaded.version, 1000u);
}

TEST_F(StoreTest, DeletedThingsStayDeleted) {
  {
    auto store = open();
    store->put_object(object_of("boiler", "{}"));
    store->put_row(boiler, full_row());
    store->put_note("n", "x");
    ASSERT_TRUE(flush(*store).ok());
    store->delete_object(Kind::device, boiler);
    store->delete_twins(boiler);
    store->put_note("n", "");
    ASSERT_TRUE(flush(*store).ok());
  }
  const auto loaded = open()->load();
  EXPECT_TRUE(loaded.objects.empty());
  EXPECT_TRUE(loaded.rows.empty());
  EXPECT_TRUE(loaded.notes.empty());
}

TEST_F(StoreTest, RowsReachTheDiskWithinTheWindowWithoutAFlush) {
  auto store = open();
  store->put_row(boiler, full_row());
  const auto wal = file_.string() + "-wal";
  EXPECT_TRUE(wait_until([&] {
    std::error_code error;
    return std::filesystem::file_size(wal, error) > 0 && !error;
  }));
}

TEST_F(StoreTest, StateThatIsKeptCostsNoWriteAndGoesWithTheNext) {
  auto store = open();
  store->keep_state(boiler, {"online", "2026-01-01T00:00:00Z", ""});
  const auto transactions = store->counters().transactions;
  store->put_row({"default", "other"}, full_row());
  ASSERT_TRUE(flush(*store).ok());
  EXPECT_EQ(store->counters().transactions, transactions + 1);
  EXPECT_EQ(transactions, 0u);
  store->keep_state(boiler, {"online", "2026-01-01T00:01:00Z", ""});
  store.reset();
  EXPECT_EQ(open()->load().states.at(0).second.last_online, "2026-01-01T00:01:00Z");
}

TEST_F(StoreTest, SecondProcessOnTheFolderIsTurnedAwayWithThePidOfTheFirst) {
  auto store = open();
  const auto second = Store::open(loop_, {file_});
  EXPECT_EQ(second.status().code(), Code::conflict);
  EXPECT_NE(second.status().text().find(cat("pid ", ::getpid())), std::string::npos);
}

// Whoever wrote it, or may, says what devices are there and what is written to them.
TEST_F(StoreTest, AFileThatOthersMayWriteIsNotTrusted) {
  open().reset();
  ASSERT_EQ(::chmod(file_.c_str(), 0666), 0);
  const auto store = Store::open(loop_, {file_});
  ASSERT_FALSE(store.ok());
  EXPECT_NE(store.status().text().find("chmod o-w " + file_.string()), std::string::npos)
      << store.status().text();
}

TEST_F(StoreTest, DamagedFileIsKeptAsideAndAFreshOneWorks) {
  ASSERT_TRUE(base::write_file(file_, std::string(8192, 'x')).ok());
  {
    auto store = open();
    EXPECT_TRUE(store->load().objects.empty());
    store->put_object(object_of("boiler", "{}"));
    EXPECT_TRUE(flush(*store).ok());
  }
  EXPECT_TRUE(kept_aside());
  EXPECT_EQ(open()->load().objects.size(), 1u);
}

TEST_F(StoreTest, FileThatIsDamagedInsideIsNoticed) {
  live();
  overwrite(4096 * 5, 4096 * 20);
  EXPECT_TRUE(open()->load().objects.empty());
  EXPECT_TRUE(kept_aside());
}

// The index of names, which no start reads: the root page of the second tree.
TEST_F(StoreTest, DamageThatOnlyALookFindsIsFoundBehindAndAFileWithEverythingTakesItsPlace) {
  live();
  overwrite(4096 * 2, 4096);
  {
    auto store = open(1 << 30, std::chrono::milliseconds(0));
    EXPECT_EQ(store->load().objects.size(), 200u) << "serves at once";
    store->set_truth(everything);
    EXPECT_TRUE(wait_until([&] {
      loop_.settle();
      return kept_aside();
    }));
    EXPECT_TRUE(flush(*store).ok());
  }
  expect_everything();
}

TEST_F(StoreTest, DamageThatAWriteFindsIsReplacedAndTheWriteIsInTheNewFile) {
  live();
  auto store = open();
  store->set_truth(everything);
  overwrite(4096, 4096 * 60);
  store->put_object(object_of("d0", "newer", 8));
  EXPECT_TRUE(flush(*store).ok());
  EXPECT_TRUE(kept_aside());
  store->put_object(object_of("d0", "{}", 9));
  EXPECT_TRUE(flush(*store).ok());
  store.reset();
  expect_everything();
}

TEST_F(StoreTest, UndamagedFileIsLookedThroughAndLeft) {
  live();
  auto store = open(1 << 30, std::chrono::milliseconds(0));
  for (int i = 0; i < 50; ++i) {
    store->put_row(boiler, full_row());
    ASSERT_TRUE(flush(*store).ok());
  }
  EXPECT_FALSE(kept_aside());
}

TEST_F(StoreTest, DamagedFileThatCannotBeReplacedYetIsTriedAgain) {
  live();
  auto store = open();
  overwrite(4096, 4096 * 60);
  store->put_object(object_of("d0", "newer", 8));
  EXPECT_EQ(flush(*store).code(), Code::unavailable) << "nobody says what belongs into it";
  EXPECT_FALSE(kept_aside());
  store->set_truth(everything);
  EXPECT_TRUE(wait_until([&] {
    loop_.settle();
    return kept_aside();
  }));
  store.reset();
  expect_everything();
}

TEST_F(StoreTest, ReplacementThatDiedInTheMiddleIsFinishedAtTheNextStart) {
  live();
  std::filesystem::rename(file_, file_.string() + ".renewed");
  ASSERT_TRUE(base::write_file(file_, std::string(8192, 'x')).ok());
  EXPECT_EQ(open()->load().objects.size(), 200u);
  EXPECT_TRUE(kept_aside());
}

TEST_F(StoreTest, StartWritesNothing) {
  live();
  const auto before = base::read_file(file_);
  auto store = open();
  EXPECT_EQ(std::filesystem::file_size(file_.string() + "-wal"), 0u);
  EXPECT_EQ(*base::read_file(file_), *before);
}

TEST_F(StoreTest, NewerSchemaIsRefusedAndLeftAlone) {
  { open(); }
  {
    std::fstream out(file_, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(60);  // user_version, SQLite file format section 1.3
    out.write("\0\0\0\x63", 4);
  }
  const auto store = Store::open(loop_, {file_});
  EXPECT_EQ(store.status().code(), Code::unsupported);
  EXPECT_NE(store.status().text().find("99"), std::string::npos) << store.status().text();
}

TEST_F(StoreTest, FullDiskIsAnsweredAndLaterFlushesWorkAndNothingStoredIsLost) {
  {
    auto store = open(256 << 10);
    store->put_object(object_of("kept", std::string(1000, 'k')));
    store->put_object(object_of("big", std::string(100 << 10, 'b')));
    ASSERT_TRUE(flush(*store).ok());
    store->put_row(boiler, full_row());
    store->put_object(object_of("huge", std::string(400 << 10, 'h')));
    const Status full = flush(*store);
    EXPECT_EQ(full.code(), Code::unavailable);
    EXPECT_NE(full.text().find("full"), std::string::npos) << full.text();
    store->delete_object(Kind::device, {"default", "big"});
    EXPECT_TRUE(flush(*store).ok());
    store->put_object(object_of("after", "{}"));
    EXPECT_TRUE(flush(*store).ok());
  }
  const auto loaded = open()->load();
  std::vector<std::string> names;
  for (const Object& object : loaded.objects) names.push_back(object.id.name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"after", "kept"}));
  EXPECT_EQ(loaded.rows.size(), 1u);
}

// Another process that holds the file is the same to the writer as a disk that takes nothing.
TEST_F(StoreTest, FlushThatComesWhileItsObjectsAreBeingWrittenIsToldOfTheirFailure) {
  auto store = open();
  ASSERT_TRUE(flush(*store).ok());
  test_support::Process locker({"python3", "-c",
                                "import sqlite3, sys, time\n"
                                "db = sqlite3.connect(sys.argv[1])\n"
                                "db.execute('BEGIN IMMEDIATE')\n"
                                "print('locked', flush=True)\n"
                                "time.sleep(600)",
                                file_.string()});
  ASSERT_TRUE(locker.wait_for_output("locked"));
  store->put_object(object_of("boiler", "{}"));
  store->put_row(boiler, full_row());
  ASSERT_TRUE(wait_until([&] { return store->counters().waiting == 0; })) << "it is in hand";
  std::optional<Status> answer;
  store->flush([&](Status status) { answer = status; });
  ASSERT_TRUE(wait_until([&] { return store->counters().failed > 0; }));
  locker.kill();
  ASSERT_TRUE(wait_until([&] {
    loop_.settle();
    return answer.has_value();
  }));
  EXPECT_EQ(answer->code(), Code::unavailable);
  store.reset();
  EXPECT_TRUE(open()->load().objects.empty());
}

TEST_F(StoreTest, AFileOfSchemaVersion1IsTakenOverWithItsRows) {
  {
    auto store = open();
    store->put_row(boiler, [] {
      TwinRow row;
      row.name = "temperature";
      row.actual = {true, "21.5", 1000, {0, 3}, ""};
      return row;
    }());
  }
  const auto aged = test_support::run(
      {"python3", "-c",
       "import sqlite3, sys\n"
       "sqlite3.connect(sys.argv[1]).executescript('ALTER TABLE rows DROP COLUMN expected_by;"
       "ALTER TABLE rows DROP COLUMN actual_by; PRAGMA user_version=1')",
       file_.string()});
  ASSERT_EQ(aged.exit, 0) << aged.output;
  auto store = open();
  const auto loaded = store->load();
  ASSERT_EQ(loaded.rows.size(), 1u);
  EXPECT_EQ(loaded.rows[0].second.actual.value, "21.5");
  EXPECT_EQ(loaded.rows[0].second.actual.by, "");
  TwinRow row = loaded.rows[0].second;
  row.actual.by = "mqtt";
  store->put_row(boiler, row);
  store.reset();
  EXPECT_EQ(open()->load().rows.at(0).second.actual.by, "mqtt");
}

TwinRow observed(const std::string& name, const std::string& value) {
  TwinRow row;
  row.name = name;
  row.observed = value;
  return row;
}

TEST_F(StoreTest, FailedBatchGoesUnderTheNewerOneWithoutItsObjects) {
  Batch older;
  older.objects[{Kind::device, boiler}] = object_of("boiler", "{}");
  older.twins[boiler].rows = {observed("b", "old"), observed("a", "old")};
  older.twins[{"default", "gone"}].rows = {observed("a", "old")};
  Batch newer;
  newer.twins[boiler].rows = {observed("a", "new"), observed("a", "newest")};
  newer.twins[{"default", "gone"}].wipe = true;
  newer.put_under(older);
  EXPECT_TRUE(newer.objects.empty());
  EXPECT_EQ(newer.twins[boiler].rows,
            (std::vector<TwinRow>{observed("a", "newest"), observed("b", "old")}));
  EXPECT_TRUE((newer.twins[{"default", "gone"}].rows.empty()));
}

// Writes one object after another and acknowledges each on the pipe, until it is killed.
[[noreturn]] void write_until_killed(const std::filesystem::path& file, int pipe, int start) {
  base::IoLoop loop;
  auto store = Store::open(loop, {file});
  if (!store.ok()) ::_exit(1);
  std::function<void(int)> next = [&](int number) {
    (*store)->put_object(object_of(cat("d", number % 50), cat(number)));
    (*store)->flush([&next, pipe, number](Status status) {
      if (!status.ok() || ::write(pipe, &number, sizeof number) != sizeof number) ::_exit(2);
      next(number + 1);
    });
  };
  loop.post([&] { next(start); });
  loop.run();
  ::_exit(3);
}

TEST_F(StoreTest, EverythingAcknowledgedIsThereAfterKill9AtAnyMoment) {
  std::mt19937 random(20261122);
  int acknowledged = 0;
  for (int round = 0; round < 8; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(pipe[0]);
      write_until_killed(file_, pipe[1], acknowledged + 1);
    }
    ::close(pipe[1]);
    const int least = acknowledged + 1 + static_cast<int>(random() % 60);
    for (int number = 0; ::read(pipe[0], &number, sizeof number) == sizeof number;) {
      acknowledged = number;
      if (number == least) {
        // Somewhere within the next transactions.
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
        ::kill(child, SIGKILL);
      }
    }
    ::close(pipe[0]);
    int exit = 0;
    ::waitpid(child, &exit, 0);
    ASSERT_TRUE(WIFSIGNALED(exit)) << exit;
    std::int64_t highest = 0;
    for (const Object& object : open()->load().objects) {
      std::int64_t number = 0;
      ASSERT_TRUE(base::parse_int(object.text.str(), number));
      highest = std::max(highest, number);
    }
    EXPECT_GE(highest, acknowledged);
    EXPECT_LE(highest, acknowledged + 1);
    acknowledged = static_cast<int>(highest);
  }
  EXPECT_GT(acknowledged, 50);
}

}  // namespace
}  // namespace devicetwin
