#include "queue_file.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>

#include "base/build.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "ceilings.hpp"
#include "devicetwin/sqlite_file.hpp"
#include "record.hpp"

namespace devicetwin::outbox {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

// A record's key is its consumer's id and its number: a table of integer keys keeps records of up
// to 4,061 bytes in its leaves, where an index would give each above 1,002 bytes a page of its own.
constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS consumers(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, next INTEGER NOT NULL,
  open INTEGER NOT NULL, rows INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS records(
  key INTEGER PRIMARY KEY, kind INTEGER NOT NULL, time_ms INTEGER NOT NULL,
  cost INTEGER NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL);
)";

// What a file of schema version 1 lacks: sums that only reading all records told.
constexpr const char* since_version_1 = R"(
ALTER TABLE consumers ADD COLUMN rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE consumers ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
)";

// Numbers stay below this, which every JSON reader can hold; so 1,023 consumers fit.
constexpr std::int64_t numbers = std::int64_t{1} << 53;

std::int64_t key_of(const Lane& lane, std::uint64_t sequence) {
  return lane.id * numbers +
         static_cast<std::int64_t>(std::min<std::uint64_t>(sequence, numbers - 1));
}

// Free pages that are worth giving back to the disk, and how many of them in one transaction.
constexpr int many_free_pages = 1024;
// The file beyond what the quotas count: the tree's inner pages and half-full leaves.
constexpr std::uint64_t file_overhead = 2;
constexpr std::uint64_t least_file_bytes = 32u << 20;  // one batch of every consumer comes first

std::uint64_t file_limit(const Outbox::Settings& settings) {
  if (settings.max_file_bytes != 0) return settings.max_file_bytes;
  std::uint64_t quotas = 0;
  for (const auto& [name, quota] : settings.quotas) quotas += quota;
  return file_overhead * std::min(quotas, settings.max_bytes) + least_file_bytes;
}

// The records of a lane with numbers above `above`, up to and including `last`.
void bind_range(SQLite::Statement& statement, const Lane& lane, std::uint64_t above,
                std::uint64_t last = numbers) {
  statement.bind(1, key_of(lane, above));
  statement.bind(2, key_of(lane, last));
}

void run(SQLite::Statement& statement) {
  statement.exec();
  statement.reset();
}

struct Statements {
  SQLite::Statement put, remove, sums, oldest, read, set_lane;

  explicit Statements(SQLite::Database& db)
      : put(db, "INSERT OR REPLACE INTO records VALUES(?,?,?,?,?,?)"),
        remove(db, "DELETE FROM records WHERE key>? AND key<=?"),
        sums(db, "SELECT count(*),coalesce(sum(cost),0) FROM records WHERE key>? AND key<=?"),
        oldest(db,
               "SELECT key,kind,time_ms,cost,CASE kind WHEN 0 THEN '' ELSE payload END "
               "FROM records WHERE key>? AND key<=? ORDER BY key"),
        read(db,
             "SELECT key,kind,time_ms,topic,payload FROM records WHERE key>? AND key<=? "
             "ORDER BY key"),
        set_lane(db, "UPDATE consumers SET next=?,open=?,rows=?,bytes=? WHERE id=?") {}
  void reset() {
    for (auto* statement : {&put, &remove, &sums, &oldest, &read, &set_lane}) {
      statement->tryReset();
    }
  }
};

}  // namespace

struct QueueFile::Impl {
  Outbox::Settings settings;
  std::filesystem::path file;
  Ceilings ceilings;
  std::unique_ptr<SQLite::Database> db;
  std::unique_ptr<Statements> statements;
  std::map<std::string, Lane> lanes;

  explicit Impl(const Outbox::Settings& wanted)
      : settings(wanted),
        file(wanted.folder / "outbox.db"),
        ceilings(wanted.folder / "outbox.sequence") {}

  Status open();
  void open_once();
  void read_lanes();
  void begin();
  void begin_lane(const std::string& name, Lane& lane);
  void begin_after_loss(Lane& lane, const std::string& name);
  void put(Lane& lane, const Record& record);
  void append(Lane& lane, Record record);
  void acknowledge(Lane& lane, std::uint64_t up_to);
  void keep_quota(Lane& lane, std::uint64_t quota);
  void keep_quotas();
  void save(Lane& lane);
  void shrink();
  void write_all(const Batch& batch);
  Status transact(const Batch& batch);
  Status replace(const Status& why);
  Status open_again();
  std::vector<Record> read(const Lane& lane, std::uint64_t after_number, std::size_t max_bytes);
  int found = 0;         // the file's schema version when it was opened
  bool begun = false;    // the first transaction on it is over
  bool damaged = false;  // a file was moved aside before the one that is open
};

// ---- opening ----

// Writes nothing where a file is: that is left to the first transaction.
void QueueFile::Impl::open_once() {
  begun = false;
  db = std::make_unique<SQLite::Database>(
      open_sqlite(file, {.max_bytes = file_limit(settings), .incremental_vacuum = true}));
  found = schema_of(*db, Outbox::schema_version);
  if (found == 0) return;
  read_lanes();
  if (found == Outbox::schema_version) statements = std::make_unique<Statements>(*db);
}

void QueueFile::Impl::read_lanes() {
  SQLite::Statement all(*db, "SELECT name,id,next,open,* FROM consumers");
  while (all.executeStep()) {
    const auto known = lanes.find(all.getColumn(0).getString());
    if (known == lanes.end()) continue;
    const auto number = [&](int column) {
      return static_cast<std::uint64_t>(
          std::max<std::int64_t>(0, all.getColumn(column).getInt64()));
    };
    Lane& lane = known->second;
    lane.id = all.getColumn(1).getInt64();
    lane.next = std::max<std::uint64_t>(1, number(2));
    lane.open = all.getColumn(3).getInt() != 0;
    if (found == 1) continue;
    lane.rows = number(8);
    lane.bytes = number(9);
  }
}

// In the first transaction on a file: what it lacks, and what the end of the last process and of
// the last file say of losses.
void QueueFile::Impl::begin() {
  if (found == 0) db->exec(schema);
  if (found == 1) db->exec(since_version_1);
  if (found != Outbox::schema_version) {
    db->exec(cat("PRAGMA user_version=", Outbox::schema_version));
    statements = std::make_unique<Statements>(*db);
  }
  for (auto& [name, lane] : lanes) begin_lane(name, lane);
}

void QueueFile::Impl::begin_lane(const std::string& name, Lane& lane) {
  if (lane.id == 0) {
    SQLite::Statement add(*db, "INSERT INTO consumers(name,next,open) VALUES(?,1,0)");
    add.bind(1, name);
    add.exec();
    lane.id = db->getLastInsertRowid();
    if (found == 0) begin_after_loss(lane, name);
    return save(lane);
  }
  if (found == 1) {
    bind_range(statements->sums, lane, 0);
    statements->sums.executeStep();
    lane.rows = static_cast<std::uint64_t>(statements->sums.getColumn(0).getInt64());
    lane.bytes = static_cast<std::uint64_t>(statements->sums.getColumn(1).getInt64());
    statements->sums.reset();
  }
  if (lane.open) append(lane, {.gap = Gap{.at_least = true, .causes = Gap::crash}});
  if (found == 1 || lane.rows > 0) save(lane);
}

// The file is new. Numbers below the ceiling may have been given by one that is gone; where the
// ceiling is lost as well, the calendar is far above any count, but for one that shows 1970.
void QueueFile::Impl::begin_after_loss(Lane& lane, const std::string& name) {
  std::uint64_t ceiling = ceilings.of(name);
  if (ceiling == 0 && damaged && !ceilings.known()) {
    const base::Time now = base::believed(std::chrono::system_clock::now());
    ceiling = static_cast<std::uint64_t>(base::to_ms(now));
  }
  if (ceiling == 0) return;
  lane.next = ceiling + 1;
  const Gap gap{.from = 1, .to = ceiling, .at_least = true, .causes = Gap::damage};
  put(lane, {.sequence = ceiling, .gap = gap});
}

// ok also when the disk takes nothing now: then there is no file yet, and writing tries again.
Status QueueFile::Impl::open() {
  for (bool second_try : {false, true}) {
    Status status;
    try {
      lanes.clear();
      for (const auto& [name, quota] : settings.quotas) lanes[name].quota = quota;
      open_once();
      return Status();
    } catch (const SQLite::Exception& error) {
      status = sqlite_failed(file, error);
      statements.reset();
      db.reset();
      if (disk_takes_nothing(error)) {
        base::log_warning(cat("the outbox is not open yet: ", status.text()));
        return Status();
      }
    }
    if (second_try || status.code() != Code::malformed) return status;
    if (Status moved = replace(status); !moved.ok()) return moved;
  }
  return Status(Code::internal, "not reached");
}

// Closes the file and moves it aside, loudly.
Status QueueFile::Impl::replace(const Status& why) {
  statements.reset();
  db.reset();
  const auto aside = move_sqlite_aside(file);
  if (!aside && aside.status().code() != Code::not_found) return aside.status();
  damaged = true;
  base::log_error(cat("OUTBOX DAMAGED: ", why.text(), aside.ok() ? "; it is kept as " : "",
                      aside.ok() ? aside->string() : "",
                      "; an empty one takes its place, and consumers get a gap marker for what "
                      "waited in it"));
  return Status();
}

Result<std::unique_ptr<QueueFile>> QueueFile::open(const Outbox::Settings& settings) {
  auto impl = std::make_unique<Impl>(settings);
  if (Status status = impl->open(); !status.ok()) return status;
  return std::unique_ptr<QueueFile>(new QueueFile(std::move(impl)));
}

QueueFile::QueueFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

QueueFile::~QueueFile() {
  if (!impl_->db || !impl_->begun) return;
  try {
    impl_->db->exec("UPDATE consumers SET open=0 WHERE open<>0");
  } catch (const SQLite::Exception&) {
    // The next start tells consumers of a crash that was none: a marker too many.
  }
}

// ---- writing ----

void QueueFile::Impl::put(Lane& lane, const Record& record) {
  const Row row = encode(record);
  SQLite::Statement& put = statements->put;
  put.bind(1, key_of(lane, record.sequence));
  put.bind(2, row.kind);
  put.bind(3, row.time_ms);
  put.bind(4, static_cast<std::int64_t>(cost(record)));
  put.bindNoCopy(5, row.topic);
  put.bindNoCopy(6, row.payload.data(), static_cast<int>(row.payload.size()));
  run(put);
  ++lane.rows;
  lane.bytes += cost(record);
}

// Gives the number. A gap takes as many as it has records, and one where that is not known.
void QueueFile::Impl::append(Lane& lane, Record record) {
  if (record.gap) {
    record.gap->from = lane.next;
    record.gap->to = lane.next + std::max<std::uint64_t>(record.gap->count, 1) - 1;
    record.sequence = record.gap->to;
  } else {
    record.sequence = lane.next;
  }
  lane.next = record.sequence + 1;
  put(lane, record);
}

void QueueFile::Impl::acknowledge(Lane& lane, std::uint64_t up_to) {
  const std::uint64_t last = std::min(up_to, lane.next - 1);
  bind_range(statements->sums, lane, 0, last);
  statements->sums.executeStep();
  const auto rows = static_cast<std::uint64_t>(statements->sums.getColumn(0).getInt64());
  lane.bytes -=
      std::min(lane.bytes, static_cast<std::uint64_t>(statements->sums.getColumn(1).getInt64()));
  statements->sums.reset();
  lane.rows -= std::min(lane.rows, rows);
  lane.acknowledged += rows;
  bind_range(statements->remove, lane, 0, last);
  run(statements->remove);
}

// The oldest go, gaps among them, until the rest and the gap that stands for them fit.
void QueueFile::Impl::keep_quota(Lane& lane, std::uint64_t quota) {
  if (lane.bytes <= quota) return;
  std::optional<Gap> gone;
  bool grown = false;  // more than a gap went
  std::uint64_t bytes = lane.bytes;
  std::uint64_t rows = lane.rows;
  SQLite::Statement& oldest = statements->oldest;
  bind_range(oldest, lane, 0);
  while (bytes + (gone ? Outbox::row_bytes : 0) > quota && oldest.executeStep()) {
    const auto row_cost = static_cast<std::uint64_t>(oldest.getColumn(3).getInt64());
    Record record =
        decode({oldest.getColumn(0).getInt64() % numbers, oldest.getColumn(1).getInt64(),
                oldest.getColumn(2).getInt64(), "", oldest.getColumn(4).getString()});
    Gap gap = gap_of(record, Gap::quota);
    if (!record.gap) {
      gap.bytes = row_cost - Outbox::row_bytes;
      ++lane.dropped_quota;
      grown = true;
    }
    if (gone) {
      join(*gone, gap);
    } else {
      gone = gap;
    }
    bytes -= std::min(bytes, row_cost);
    --rows;
  }
  oldest.reset();
  if (!gone || (!grown && rows + 1 == lane.rows)) return;  // a gap alone: nothing smaller is left
  bind_range(statements->remove, lane, 0, gone->to);
  run(statements->remove);
  lane.bytes = bytes;
  lane.rows = rows;
  put(lane, {.sequence = gone->to, .gap = gone});
}

void QueueFile::Impl::keep_quotas() {
  std::uint64_t all = 0;
  for (auto& [name, lane] : lanes) {
    keep_quota(lane, lane.quota);
    all += lane.bytes;
  }
  if (all <= settings.max_bytes || lanes.empty()) return;
  Lane& most = std::ranges::max_element(lanes, {}, [](const auto& entry) {
                 return entry.second.bytes;
               })->second;
  const std::uint64_t over = all - settings.max_bytes;
  keep_quota(most, most.bytes - std::min(over, most.bytes));
}

void QueueFile::Impl::save(Lane& lane) {
  lane.open = lane.rows > 0;
  statements->set_lane.bind(1, static_cast<std::int64_t>(lane.next));
  statements->set_lane.bind(2, lane.open ? 1 : 0);
  statements->set_lane.bind(3, static_cast<std::int64_t>(lane.rows));
  statements->set_lane.bind(4, static_cast<std::int64_t>(lane.bytes));
  statements->set_lane.bind(5, lane.id);
  run(statements->set_lane);
}

void QueueFile::Impl::write_all(const Batch& batch) {
  // What deletes goes first, so that a full disk can be emptied in one transaction.
  for (const auto& [name, work] : batch) {
    if (work.acknowledge != 0) acknowledge(lanes.at(name), work.acknowledge);
  }
  for (const auto& [name, work] : batch) {
    for (const Record& record : work.append) append(lanes.at(name), record);
  }
  keep_quotas();
}

Status QueueFile::Impl::transact(const Batch& batch) {
  const auto before = lanes;
  const bool anew = !begun;
  try {
    SQLite::Transaction transaction(*db);
    if (anew) begin();
    write_all(batch);
    for (auto& [name, lane] : lanes) {
      const Lane& was = before.at(name);
      if (lane.next != was.next || lane.rows != was.rows || lane.bytes != was.bytes) save(lane);
    }
    // Before the numbers can be seen.
    for (const auto& [name, lane] : lanes) {
      const Status covered = ceilings.cover(name, lane.next);
      if (!covered.ok()) throw SQLite::Exception(covered.text(), SQLITE_FULL);
    }
    transaction.commit();
    begun = true;
  } catch (const SQLite::Exception& error) {
    // The transaction's destructor has rolled back; a statement that failed holds its error.
    lanes = before;
    if (anew && found != Outbox::schema_version) {
      statements.reset();
    } else {
      statements->reset();
    }
    return sqlite_failed(file, error);
  }
  shrink();
  return Status();
}

// A queue that was long once gives the disk back, a piece per transaction.
void QueueFile::Impl::shrink() {
  try {
    if (db->execAndGet("PRAGMA freelist_count").getInt() < many_free_pages) return;
    db->exec(cat("PRAGMA incremental_vacuum(", many_free_pages, ")"));
  } catch (const SQLite::Exception&) {
    // Tried again after the next transaction.
  }
}

// Opens a file that is not open; counters go on.
Status QueueFile::Impl::open_again() {
  const auto totals = lanes;
  const Status status = open();
  for (const auto& [name, lane] : totals) {
    lanes[name].acknowledged = lane.acknowledged;
    lanes[name].dropped_quota = lane.dropped_quota;
  }
  if (!status.ok() || db) return status;
  return Status(Code::unavailable, file.string() + ": not open");
}

Status QueueFile::write(const Batch& batch) {
  if (!impl_->db) {  // a disk that took nothing, or a damaged file that was moved aside
    if (Status opened = impl_->open_again(); !opened.ok()) return opened;
  }
  return impl_->transact(batch);
}

Status QueueFile::replace(const Status& why) { return impl_->replace(why); }

// ---- reading ----

// Throws what SQLite throws.
std::vector<Record> QueueFile::Impl::read(const Lane& lane, std::uint64_t after_number,
                                          std::size_t max_bytes) {
  std::vector<Record> records;
  SQLite::Statement& rows = statements->read;
  bind_range(rows, lane, after_number);
  std::size_t bytes = 0;
  while (bytes < max_bytes && rows.executeStep()) {
    Record record = decode({rows.getColumn(0).getInt64() % numbers, rows.getColumn(1).getInt64(),
                            rows.getColumn(2).getInt64(), rows.getColumn(3).getString(),
                            rows.getColumn(4).getString()});
    if (record.gap) record.gap = after(*record.gap, after_number);
    bytes += cost(record);
    records.push_back(std::move(record));
  }
  rows.reset();
  return records;
}

Result<std::vector<Record>> QueueFile::read(const std::string& consumer, std::uint64_t after_number,
                                            std::size_t max_bytes) {
  if (!impl_->statements) return Status(Code::unavailable, impl_->file.string() + ": not open");
  try {
    return impl_->read(impl_->lanes.at(consumer), after_number, max_bytes);
  } catch (const SQLite::Exception& error) {
    impl_->statements->reset();
    return sqlite_failed(impl_->file, error);
  }
}

const std::map<std::string, Lane>& QueueFile::lanes() const { return impl_->lanes; }

}  // namespace devicetwin::outbox
