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
  open INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records(
  key INTEGER PRIMARY KEY, kind INTEGER NOT NULL, time_ms INTEGER NOT NULL,
  cost INTEGER NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL);
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
        set_lane(db, "UPDATE consumers SET next=?,open=? WHERE id=?") {}
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
  void load_lane(const std::string& name, bool fresh, bool damaged);
  void begin_after_loss(Lane& lane, const std::string& name, bool damaged);
  void put(Lane& lane, const Record& record);
  void append(Lane& lane, Record record);
  void acknowledge(Lane& lane, std::uint64_t up_to);
  void keep_quota(Lane& lane, std::uint64_t quota);
  void keep_quotas();
  void save(Lane& lane);
  void shrink();
  void write_all(const Batch& batch);
  Status transact(const Batch& batch);
  Status replace();
  std::vector<Record> read(const Lane& lane, std::uint64_t after_number, std::size_t max_bytes);
  bool damaged = false;  // a file was moved aside before the one that is open
};

// ---- opening ----

void QueueFile::Impl::open_once() {
  db = std::make_unique<SQLite::Database>(
      open_sqlite(file, {.max_bytes = file_limit(settings), .incremental_vacuum = true}));
  const int found = db->execAndGet("PRAGMA user_version").getInt();
  if (found > Outbox::schema_version) {
    throw SQLite::Exception(cat("schema version ", found, " is newer than ", Outbox::schema_version,
                                ", which is all this program knows"),
                            SQLITE_MISMATCH);
  }
  SQLite::Transaction transaction(*db);
  db->exec(schema);
  db->exec(cat("PRAGMA user_version=", Outbox::schema_version));
  statements = std::make_unique<Statements>(*db);
  for (const auto& [name, quota] : settings.quotas) load_lane(name, found == 0, damaged);
  transaction.commit();
}

// A consumer's row, made where there is none; what the numbers and the end of the last process
// say of losses becomes a gap.
void QueueFile::Impl::load_lane(const std::string& name, bool fresh, bool damaged_before) {
  Lane& lane = lanes[name];
  lane.quota = settings.quotas.at(name);
  SQLite::Statement find(*db, "SELECT id,next,open FROM consumers WHERE name=?");
  find.bind(1, name);
  if (find.executeStep()) {
    lane.id = find.getColumn(0).getInt64();
    lane.next = static_cast<std::uint64_t>(std::max<std::int64_t>(1, find.getColumn(1).getInt64()));
    lane.open = find.getColumn(2).getInt() != 0;
    bind_range(statements->sums, lane, 0);
    statements->sums.executeStep();
    lane.rows = static_cast<std::uint64_t>(statements->sums.getColumn(0).getInt64());
    lane.bytes = static_cast<std::uint64_t>(statements->sums.getColumn(1).getInt64());
    statements->sums.reset();
    if (lane.open) {
      append(lane, {.gap = Gap{.at_least = true, .causes = Gap::crash}});
    }
  } else {
    SQLite::Statement add(*db, "INSERT INTO consumers(name,next,open) VALUES(?,1,0)");
    add.bind(1, name);
    add.exec();
    lane.id = db->getLastInsertRowid();
    lane.next = 1;
    lane.rows = lane.bytes = 0;
    if (fresh) begin_after_loss(lane, name, damaged_before);
  }
  save(lane);
}

// The file is new. Numbers below the ceiling may have been given by one that is gone; where the
// ceiling is lost as well, the calendar is far above any count, but for one that shows 1970.
void QueueFile::Impl::begin_after_loss(Lane& lane, const std::string& name, bool damaged_before) {
  std::uint64_t ceiling = ceilings.of(name);
  if (ceiling == 0 && damaged_before && !ceilings.known()) {
    const base::Time now = base::believed(std::chrono::system_clock::now());
    ceiling = static_cast<std::uint64_t>(base::to_ms(now));
  }
  if (ceiling == 0) return;
  lane.next = ceiling + 1;
  const Gap gap{.from = 1, .to = ceiling, .at_least = true, .causes = Gap::damage};
  put(lane, {.sequence = ceiling, .gap = gap});
}

Status QueueFile::Impl::open() {
  for (bool second_try : {false, true}) {
    try {
      lanes.clear();
      open_once();
      for (const auto& [name, lane] : lanes) {
        if (Status status = ceilings.cover(name, lane.next); !status.ok()) return status;
      }
      return Status();
    } catch (const SQLite::Exception& error) {
      const Status status = sqlite_failed(file, error);
      const bool newer = (error.getErrorCode() & 0xff) == SQLITE_MISMATCH;
      statements.reset();
      db.reset();
      if (newer) return Status(Code::unsupported, status.text());
      if (second_try || status.code() != Code::malformed) {
        return Status(Code::unavailable, status.text());
      }
      const auto aside = move_sqlite_aside(file);
      damaged = true;
      base::log_error(cat("OUTBOX DAMAGED: ", status.text(), "; it is kept as ", aside.string(),
                          " and an empty one takes its place: consumers get a gap marker for what "
                          "waited in it"));
    }
  }
  return Status(Code::internal, "not reached");
}

Result<std::unique_ptr<QueueFile>> QueueFile::open(const Outbox::Settings& settings) {
  auto impl = std::make_unique<Impl>(settings);
  if (Status status = impl->open(); !status.ok()) return status;
  return std::unique_ptr<QueueFile>(new QueueFile(std::move(impl)));
}

QueueFile::QueueFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

QueueFile::~QueueFile() {
  if (!impl_->db) return;
  try {
    impl_->db->exec("UPDATE consumers SET open=0");
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
  lane.bytes -= static_cast<std::uint64_t>(statements->sums.getColumn(1).getInt64());
  statements->sums.reset();
  lane.rows -= rows;
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
  statements->set_lane.bind(3, lane.id);
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
  for (const auto& [name, work] : batch) save(lanes.at(name));
}

Status QueueFile::Impl::transact(const Batch& batch) {
  for (const auto& [name, work] : batch) {
    // Losses kept in memory stand for more numbers than they are records.
    std::uint64_t numbers = 0;
    for (const Record& record : work.append) {
      numbers += record.gap ? std::max<std::uint64_t>(record.gap->count, 1) : 1;
    }
    if (Status status = ceilings.cover(name, lanes.at(name).next + numbers); !status.ok()) {
      return status;
    }
  }
  const auto before = lanes;
  try {
    SQLite::Transaction transaction(*db);
    write_all(batch);
    transaction.commit();
  } catch (const SQLite::Exception& error) {
    // The transaction's destructor has rolled back; a statement that failed holds its error.
    lanes = before;
    statements->reset();
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

// Opens the file anew, which moves a damaged one aside; counters go on.
Status QueueFile::Impl::replace() {
  const auto totals = lanes;
  statements.reset();
  db.reset();
  const Status status = open();
  for (const auto& [name, lane] : totals) {
    if (!status.ok()) lanes[name] = lane;
    lanes[name].acknowledged = lane.acknowledged;
    lanes[name].dropped_quota = lane.dropped_quota;
  }
  return status;
}

Status QueueFile::write(const Batch& batch) {
  if (!impl_->db) {  // a damaged file that could not be replaced then
    if (Status status = impl_->replace(); !status.ok()) return status;
  }
  const Status status = impl_->transact(batch);
  if (status.code() != Code::malformed) return status;
  if (Status replaced = impl_->replace(); !replaced.ok()) return replaced;
  return impl_->transact(batch);
}

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
  if (!impl_->db) return Status(Code::unavailable, impl_->file.string() + ": not open");
  for (bool second_try : {false, true}) {
    try {
      return impl_->read(impl_->lanes.at(consumer), after_number, max_bytes);
    } catch (const SQLite::Exception& error) {
      impl_->statements->reset();
      const Status status = sqlite_failed(impl_->file, error);
      if (second_try || status.code() != Code::malformed) {
        return Status(Code::unavailable, status.text());
      }
      if (Status replaced = impl_->replace(); !replaced.ok()) return replaced;
    }
  }
  return Status(Code::internal, "not reached");
}

const std::map<std::string, Lane>& QueueFile::lanes() const { return impl_->lanes; }

}  // namespace devicetwin::outbox
