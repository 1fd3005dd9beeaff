#include "devicetwin/sqlite_file.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <ctime>

#include "base/file.hpp"
#include "base/text.hpp"
#include "base/trust.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace fs = std::filesystem;

namespace {

// Another process that looks into the file holds a writer up for no longer.
constexpr int busy_ms = 2000;

// Of a path in an URI.
std::string escaped(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      out += c == '%' ? "%25" : c == '?' ? "%3f" : "%23";
    } else {
      out += c;
    }
  }
  return out;
}

// Throws where the file or what belongs to it is a stranger's.
void ask_trust(const fs::path& file) {
  for (const char* part : {"", "-wal", "-shm"}) {
    const Status trust = base::trusted(file.string() + part, base::Trust::file);
    if (trust.code() == Code::refused) throw SQLite::Exception(trust.text(), SQLITE_PERM);
  }
}

}  // namespace

SQLite::Database open_sqlite(const fs::path& file, const SqliteOptions& options) {
  ask_trust(file);
  std::error_code error;
  const bool fresh = !fs::exists(file, error);
  // To SQLite a file of no bytes is a fresh one, and what it held would be gone without a word.
  if (!fresh && fs::file_size(file, error) == 0) {
    throw SQLite::Exception("empty: its end was lost, or the start that made it was killed",
                            SQLITE_CORRUPT);
  }
  try {
    SQLite::Database db(file.string(),
                        SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX,
                        busy_ms);
    if (sqlite3_db_readonly(db.getHandle(), "main") == 1) {
      throw SQLite::Exception("may not be written", SQLITE_READONLY);
    }
    // Before the first table; later it does nothing.
    if (fresh && options.incremental_vacuum) db.exec("PRAGMA auto_vacuum=INCREMENTAL");
    db.exec("PRAGMA journal_mode=WAL");
    db.exec(options.survives_power_loss ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    db.exec("PRAGMA cache_size=-1024");            // KiB
    db.exec("PRAGMA secure_delete=FAST");          // Debian's default writes zeros over what goes
    db.exec("PRAGMA journal_size_limit=4194304");  // gives a grown WAL back to the disk
    if (options.max_bytes > 0) {
      db.exec(cat("PRAGMA max_page_count=", options.max_bytes / sqlite_page_bytes));
    }
    return db;
  } catch (const SQLite::Exception&) {
    // Or the next try would take it for a damaged one.
    if (fresh && fs::file_size(file, error) == 0) fs::remove(file, error);
    throw;
  }
}

SQLite::Database open_sqlite_as_it_is(const fs::path& file) {
  ask_trust(file);
  std::error_code error;
  const fs::path log = file.string() + "-wal";
  if (fs::exists(log, error) && fs::file_size(log, error) > 0) {
    throw SQLite::Exception(cat("what ", log.string(), " has cannot be read now"), SQLITE_IOERR);
  }
  return SQLite::Database(cat("file:", escaped(file.string()), "?immutable=1"),
                          SQLite::OPEN_READONLY | SQLite::OPEN_NOMUTEX | SQLite::OPEN_URI);
}

int schema_of(SQLite::Database& db, int known) {
  const int found = db.execAndGet("PRAGMA user_version").getInt();
  if (found <= known) return found;
  throw SQLite::Exception(cat("schema version ", found, " is newer than ", known,
                              ", which is all this program knows; move it away"),
                          SQLITE_MISMATCH);
}

Status sqlite_failed(const fs::path& file, const SQLite::Exception& error) {
  const int code = error.getErrorCode() & 0xff;
  const Code why = code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? Code::malformed
                   : code == SQLITE_MISMATCH                       ? Code::unsupported
                                                                   : Code::unavailable;
  return Status(why, cat(file.string(), ": ", error.what()));
}

bool disk_takes_nothing(const SQLite::Exception& error) {
  const int code = error.getErrorCode() & 0xff;
  return code == SQLITE_FULL || code == SQLITE_IOERR || code == SQLITE_BUSY;
}

// The log goes first: a file without its log is an older state of it, a log beside another file is
// nothing that can be read.
Result<fs::path> move_sqlite_aside(const fs::path& file) {
  const std::string name = cat(file.string(), ".damaged-", std::time(nullptr));
  fs::path aside = name;
  std::error_code error;
  for (int i = 1; fs::exists(aside, error); ++i) aside = cat(name, "-", i);
  const fs::path log = file.string() + "-wal";
  const fs::path log_aside = aside.string() + "-wal";
  const auto failed = [&](const fs::path& what) {
    const bool absent = error == std::errc::no_such_file_or_directory;
    return Status(
        absent ? Code::not_found : Code::unavailable,
        cat(what.string(), ": cannot be moved to ", aside.string(), ": ", error.message()));
  };
  fs::rename(log, log_aside, error);
  const bool has_log = !error;
  if (error && error != std::errc::no_such_file_or_directory) return failed(log);
  fs::rename(file, aside, error);
  if (error) {
    const Status status = failed(file);
    if (has_log) fs::rename(log_aside, log, error);
    return status;
  }
  fs::remove(file.string() + "-shm", error);  // made anew from the log
  // Or a loss of power brings it back, and the damage is found again.
  (void)base::sync_folder(file.parent_path());
  return aside;
}

}  // namespace devicetwin
