// The SQLite file of the outbox: schema, one transaction per batch, quota, reading. One thread at a
// time.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "devicetwin/outbox.hpp"

namespace devicetwin::outbox {

// What one transaction does to one consumer's queue.
struct Work {
  std::deque<Record> append;      // without numbers; gaps of them too
  std::uint64_t acknowledge = 0;  // up to this number; 0: nothing
  bool empty() const { return append.empty() && acknowledge == 0; }
};
using Batch = std::map<std::string, Work>;

// A consumer's queue as it is on disk.
struct Lane {
  std::int64_t id = 0;
  std::uint64_t quota = 0;
  std::uint64_t next = 1;   // the number of the next record
  std::uint64_t rows = 0;   // that wait, gaps too
  std::uint64_t bytes = 0;  // cost() of them
  bool open = false;        // rows wait, and whoever dies now may take others with him
  // Since the start:
  std::uint64_t acknowledged = 0;
  std::uint64_t dropped_quota = 0;
};

class QueueFile {
 public:
  // As Outbox::open says, without the lock.
  static base::Result<std::unique_ptr<QueueFile>> open(const Outbox::Settings& settings);
  // The end of a process that was not killed: no gap tells of it at the next start.
  ~QueueFile();

  // All of the batch or nothing. The first one after open(), if only of {}, makes what the file
  // lacks, and tells of what was lost. malformed: the file is damaged.
  base::Status write(const Batch& batch);
  // Moves the file aside; the next write() makes a new one. why: for the log.
  base::Status replace(const base::Status& why);
  // unavailable: the file cannot be read now; malformed: it is damaged.
  base::Result<std::vector<Record>> read(const std::string& consumer, std::uint64_t after,
                                         std::size_t max_bytes);
  const std::map<std::string, Lane>& lanes() const;

 private:
  struct Impl;
  explicit QueueFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin::outbox
