#include "devicetwin/sqlite_check.hpp"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <compare>
#include <vector>

#include "base/log.hpp"
#include "base/text.hpp"
#include "devicetwin/sqlite_file.hpp"

namespace devicetwin {

using base::cat;
using base::Status;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto piece = std::chrono::milliseconds(5);
constexpr int rest = 3;  // of a piece's time
constexpr int wait_ms = 2000;

// The idle class of the disk, and the last place for the processor; of this thread alone.
void give_way() {
  constexpr int who_process = 1;
  constexpr int idle = 3 << 13;  // ioprio_set(2)
  ::syscall(SYS_ioprio_set, who_process, 0, idle);
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 19);
}

// A column of a key, in SQLite's order of values.
struct Part {
  int rank = 0;  // NULL, numbers, text, blobs
  std::int64_t number = 0;
  std::string text = {};
  std::strong_ordering operator<=>(const Part&) const = default;
};
using Key = std::vector<Part>;

Key key_of(SQLite::Statement& row, int columns) {
  Key key;
  for (int i = 0; i < columns; ++i) {
    const SQLite::Column column = row.getColumn(i);
    if (column.isNull()) {
      key.push_back({});
    } else if (column.isInteger() || column.isFloat()) {
      key.push_back({1, column.getInt64()});
    } else {
      key.push_back({column.isText() ? 2 : 3, 0, column.getString()});
    }
  }
  return key;
}

void bind_key(SQLite::Statement& statement, const Key& key) {
  int index = 0;
  for (const Part& part : key) {
    ++index;
    if (part.rank == 0) {
      statement.bind(index);
    } else if (part.rank == 1) {
      statement.bind(index, part.number);
    } else if (part.rank == 2) {
      statement.bind(index, part.text);
    } else {
      statement.bind(index, part.text.data(), static_cast<int>(part.text.size()));
    }
  }
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += cat(text.empty() ? "" : ",", name);
  return text;
}

std::string quoted(const std::string& name) { return cat('"', name, '"'); }

std::vector<std::string> column_of(SQLite::Database& db, const std::string& sql,
                                   const std::string& of) {
  SQLite::Statement rows(db, sql);
  rows.bind(1, of);
  std::vector<std::string> values;
  while (rows.executeStep()) values.push_back(rows.getColumn(0).getString());
  return values;
}

}  // namespace

// A table or an index, in the order of its key.
struct SqliteCheck::Walk {
  SQLite::Database& db;
  std::string name;
  std::vector<std::string> key;
  std::string all;   // what a row is read whole with
  std::string from;  // the table, and which of its trees

  std::string sql(bool first) const {
    const std::string columns = listed(key);
    std::string places;
    for (std::size_t i = 0; i < key.size(); ++i) places += i == 0 ? "?" : ",?";
    return cat("SELECT ", columns, all, " FROM ", from,
               first ? std::string() : cat(" WHERE (", columns, ")>(", places, ')'), " ORDER BY ",
               columns);
  }

  static std::vector<Walk> all_of(SQLite::Database& db) {
    std::vector<Walk> walks;
    const char* const tables = "SELECT name FROM pragma_table_list WHERE schema='main' AND type=?";
    const char* const own_key =
        "SELECT '\"'||name||'\"' FROM pragma_table_info(?) WHERE pk>0 ORDER BY pk";
    const char* const without_rowid =
        "SELECT name FROM pragma_table_list WHERE schema='main' AND wr=1 AND name=?";
    const char* const indexes =
        "SELECT name FROM pragma_index_list(?1) WHERE origin<>'pk' OR ?1 NOT IN (SELECT name FROM "
        "pragma_table_list WHERE wr=1)";
    const char* const indexed =
        "SELECT iif(cid=-1,'rowid','\"'||name||'\"') FROM pragma_index_xinfo(?) ORDER BY seqno";
    for (const std::string& table : column_of(db, tables, "table")) {
      const bool rowid = column_of(db, without_rowid, table).empty();
      walks.push_back({db, table,
                       rowid ? std::vector<std::string>{"rowid"} : column_of(db, own_key, table),
                       ",*", quoted(table) + (rowid ? " NOT INDEXED" : "")});
      for (const std::string& index : column_of(db, indexes, table)) {
        walks.push_back({db, index, column_of(db, indexed, index), "",
                         cat(quoted(table), " INDEXED BY ", quoted(index))});
      }
    }
    return walks;
  }
};

// false: broken off. Each piece is a read of its own, as rows come and go between them.
bool SqliteCheck::follow(const Walk& walk) {
  SQLite::Statement first(walk.db, walk.sql(true));
  SQLite::Statement next(walk.db, walk.sql(false));
  Key last;
  for (bool more = true; more;) {
    const auto begun = Clock::now();
    SQLite::Statement& rows = last.empty() ? first : next;
    if (!last.empty()) bind_key(next, last);
    while ((more = rows.executeStep())) {
      Key key = key_of(rows, static_cast<int>(walk.key.size()));
      if (key <= last) {
        throw SQLite::Exception(cat(walk.name, " is out of order"), SQLITE_CORRUPT);
      }
      last = std::move(key);
      if (Clock::now() - begun > piece) break;
    }
    rows.reset();
    if (!pause(rest * (Clock::now() - begun))) return false;
  }
  return true;
}

void SqliteCheck::look() {
  Status status;
  try {
    SQLite::Database db(file_.string(), SQLite::OPEN_READONLY | SQLite::OPEN_NOMUTEX, wait_ms);
    db.exec("PRAGMA cache_size=-256");  // KiB
    db.exec("PRAGMA cell_size_check=ON");
    for (const Walk& walk : Walk::all_of(db)) {
      if (!follow(walk)) return;
    }
    return;
  } catch (const SQLite::Exception& error) {
    status = sqlite_failed(file_, error);
  }
  if (status.code() != base::Code::malformed) {
    return base::log_warning(cat("not looked through for damage: ", status.text()));
  }
  {
    const std::lock_guard guard(mutex_);
    if (stopping_) return;
  }
  damaged_(status.text());
}

bool SqliteCheck::pause(std::chrono::nanoseconds time) {
  std::unique_lock guard(mutex_);
  return !wake_.wait_for(guard, time, [this] { return stopping_; });
}

void SqliteCheck::run(std::chrono::milliseconds delay) {
  give_way();
  if (pause(delay)) look();
}

SqliteCheck::SqliteCheck(std::filesystem::path file, std::chrono::milliseconds delay,
                         std::function<void(const std::string& why)> damaged)
    : file_(std::move(file)), damaged_(std::move(damaged)) {
  thread_ = std::thread([this, delay] { run(delay); });
  ::pthread_setname_np(thread_.native_handle(), "check");
}

SqliteCheck::~SqliteCheck() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

}  // namespace devicetwin
