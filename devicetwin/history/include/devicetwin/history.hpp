// What properties were: for those that ask for it (dmi/history_rule.hpp) every change of the
// reported value, in one SQLite file of its own. An outlet of Core. Belongs to the loop; the file
// is touched by one thread of its own, so that nothing here ever waits for the disk.
//
// What is promised, in the words in which it is tested:
// - A change is in the file History::window after it was accepted, and then survives kill -9; a
//   loss of power takes at most the last History::sync.
// - Older than a property's age is never answered; the newest `count` samples are kept, and at most
//   a sixteenth more, but while those of before the start are counted, behind it. Past the quota of
//   bytes the oldest of all go first.
// - When the disk does not take it, the newest History::max_queue changes wait in memory, what is
//   dropped is counted, and twins go on as ever. A damaged file is moved aside.
// - Deleting a device deletes its history, also when the process dies in between. A property that
//   asks no more keeps what it has, by the rule it had.
// - Retention by count and bytes, and the order of arrival, do not depend on the clock. Ages do,
// and
//   a wrong clock takes little: nothing at all while it shows a time before the commit's date, and
//   an hour of the past for each minute that it is ahead (src/horizon.hpp). One that jumps back
//   keeps samples longer.
// - A sample that came while the clock was not to be believed has came_ms 0, and goes with the
// first
//   one after it that is over age; as does one that came when the clock was ahead.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "devicetwin/core.hpp"
#include "devicetwin/history_reader.hpp"
#include "dmi/history_rule.hpp"

namespace devicetwin {

class History final : public Outlet, public HistoryReader {
 public:
  static constexpr auto window = std::chrono::milliseconds(100);
  static constexpr auto retry = std::chrono::seconds(1);  // after a failure of the disk
  // How often what is over age leaves the file, and all of it is brought to safety from a loss of
  // power.
  static constexpr auto sync = std::chrono::seconds(10);
  // Changes and their bytes that wait for the disk: three seconds of 20,000 a second.
  static constexpr std::size_t max_queue = 65'536;
  static constexpr std::size_t max_queue_bytes = 16u << 20;
  // Queries that wait; each may read HistoryQuery::most_bytes.
  static constexpr std::size_t max_queries = 64;
  static constexpr std::uint64_t min_quota_bytes = 1u << 20;

  struct Settings {
    std::filesystem::path file;        // DIR/history.db; made when the first sample comes
    dmi::HistoryRule everything = {};  // for properties that say nothing; default: none
    // Of the file; its write-ahead log of some 4 MiB comes on top.
    std::uint64_t quota_bytes = std::uint64_t{256} << 20;
    std::chrono::milliseconds check_after = std::chrono::seconds(10);  // the look for damage begins
  };
  struct Counters {
    std::uint64_t changes = 0;      // that were to be kept
    std::uint64_t written = 0;      // in the file
    std::uint64_t dropped = 0;      // the queue was full
    std::uint64_t failures = 0;     // of writing
    std::uint64_t turns = 0;        // of the file's thread, each with something to do
    std::uint64_t removed = 0;      // over age, count or quota, or their device went
    std::uint64_t wrong_rules = 0;  // keys that say no rule; the property keeps none
    std::uint64_t queries = 0;
    std::uint64_t refused_queries = 0;  // too many waited
    std::uint64_t queued = 0;           // now
    std::uint64_t series = 0;           // now: properties with samples
    std::uint64_t bytes = 0;            // now: of the file that hold something
  };

  // core has its objects loaded, and outlives this; adds itself to its outlets. Cannot fail: a file
  // that cannot be opened is tried again with every retry, and said.
  History(Core& core, Settings settings);
  // Writes what is queued. Answers queries in flight no more.
  ~History() override;

  void changed(const Change& change) override;
  void query(HistoryQuery query, Done done) override;
  Counters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin
