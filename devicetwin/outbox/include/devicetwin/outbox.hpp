// What consumers have not taken yet, on disk: per consumer one queue of records in order, one
// SQLite file for all, one writer thread, group commit.
//
// What is promised, in the words in which it is tested:
// - What a flush() answered ok for survives kill -9 and, as far as the disk tells the truth, a loss
//   of power (WAL, synchronous=FULL). What was appended without flush is on disk at most
//   Outbox::window later, or with the next flush.
// - A record gets its sequence number with the transaction that writes it, and is read only after
//   it: no number that anybody saw is ever given again, after a crash, a damaged file or a clock
//   that jumps. Numbers of a queue rise by one; clocks do not enter into order.
// - What a consumer does not get is told in its place: a record with a Gap takes the numbers of
//   those that went. Over the quota the oldest go; while the disk does not take records the newest
//   wait in memory (max_pending_bytes) and older ones go; a damaged file is moved aside, said
//   loudly, and everything up to there is a Gap of unknown size, and so is a process that was
//   killed while records waited (what it lost is at most the window's).
// - A failed write changes nothing that is stored; it is tried again every second.
// - A start reads the file's head alone, however much waits in it, and writes behind: a disk that
//   takes nothing costs writes alone. Damage is looked for behind as well (devicetwin/sqlite).
// - Memory: max_pending_bytes per consumer and what readers ask for.
//
// Methods are called on the loop; the file is touched by the writer thread alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"

namespace devicetwin {

// Records that went before their consumer took them.
struct Gap {
  // Why: bits, because joined gaps may have several.
  // refused: the consumer would never take it.
  enum Cause : unsigned { quota = 1, disk = 2, size = 4, damage = 8, crash = 16, refused = 32 };

  std::uint64_t from = 0;  // sequence numbers, both included
  std::uint64_t to = 0;
  std::uint64_t count = 0;    // records known to be lost
  bool at_least = false;      // there may have been more: damage, crash
  std::uint64_t bytes = 0;    // of those counted: topics and payloads
  std::int64_t first_ms = 0;  // source times of the first and the last of them; 0: unknown
  std::int64_t last_ms = 0;
  unsigned causes = 0;

  friend bool operator==(const Gap&, const Gap&) = default;
};
// "quota", "disk+quota".
std::string cause_text(unsigned causes);
// {"from":1,"to":9,"count":9,"at_least":false,"bytes":512,"first":ms,"last":ms,"cause":"quota"}
std::string gap_text(const Gap& gap);

struct Record {
  std::uint64_t sequence = 0;   // of a gap: its last
  std::int64_t time_ms = 0;     // source time, milliseconds since 1970
  std::string topic = {};       // what the consumer knows the kind of the record by
  std::string payload = {};     // any bytes
  std::optional<Gap> gap = {};  // set: nothing else is

  friend bool operator==(const Record&, const Record&) = default;
};

class Outbox {
 public:
  // As Store's: one fsync per window keeps flash alive.
  static constexpr auto window = std::chrono::milliseconds(100);
  static constexpr auto retry = std::chrono::seconds(1);
  static constexpr int schema_version = 2;
  // A topic and payload past this is refused: MQTT's own requests end at 1 MiB too.
  static constexpr std::size_t max_record_bytes = 1u << 20;
  // What waits in memory per consumer while the disk does not take it; past it the oldest go.
  static constexpr std::size_t max_pending_bytes = 8u << 20;
  static constexpr std::uint64_t default_quota_bytes = std::uint64_t{256} << 20;
  // What a record costs the quota besides its topic and payload, and what a gap costs.
  static constexpr std::uint64_t row_bytes = 64;

  struct Settings {
    std::filesystem::path folder;  // must exist; gets outbox.db, outbox.sequence and outbox.lock
    std::map<std::string, std::uint64_t> quotas = {};  // consumers: the bytes each may have waiting
    // Of all consumers; past it the one that has most gives its oldest.
    std::uint64_t max_bytes = std::uint64_t{1} << 30;
    // The file's limit, beyond which writes fail as on a full disk; 0: what the quotas need.
    std::uint64_t max_file_bytes = 0;
    std::chrono::milliseconds check_after = std::chrono::seconds(10);  // the look for damage begins
  };
  struct Counters {
    std::uint64_t appended = 0;      // since the start, as all below but waiting and bytes
    std::uint64_t acknowledged = 0;  // records
    std::uint64_t dropped_quota = 0;
    std::uint64_t dropped_disk = 0;
    std::uint64_t dropped_size = 0;
    std::uint64_t waiting = 0;        // records on disk and in memory
    std::uint64_t bytes = 0;          // of them, as the quota counts
    std::uint64_t next = 0;           // the next sequence number
    std::uint64_t failed_writes = 0;  // of the file, not of this consumer alone
  };

  // conflict: another process has the folder; unsupported: the file is of a newer schema;
  // unavailable: it may not be written, and the text says why.
  static base::Result<std::unique_ptr<Outbox>> open(base::Loop& loop, Settings settings);
  // Writes what is queued and waits for it. Answers nothing any more.
  ~Outbox();

  // Returns at once. consumer is one of Settings::quotas.
  void append(const std::string& consumer, std::int64_t time_ms, std::string topic,
              std::string payload);
  // done on the loop: everything appended before is on disk, or why not (it is tried again).
  void flush(std::function<void(base::Status)> done);
  // Records on disk with numbers above `after`, oldest first, until max_bytes are reached (at least
  // one); none: empty. unavailable: the file cannot be read now. done on the loop.
  void read(const std::string& consumer, std::uint64_t after, std::size_t max_bytes,
            std::function<void(base::Result<std::vector<Record>>)> done);
  // Forgets records up to and including that number, within the window.
  void acknowledge(const std::string& consumer, std::uint64_t up_to);
  // Called on the loop when records of the consumer came to disk. One per consumer; {} removes it.
  void watch(const std::string& consumer, std::function<void()> written);
  Counters counters(const std::string& consumer) const;
  std::vector<std::string> consumers() const;

 private:
  struct Impl;
  explicit Outbox(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin
