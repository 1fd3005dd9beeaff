#include "devicetwin/sqlite_file.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <ctime>

#include "base/text.hpp"
#include "base/trust.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;

namespace {

// Another process that looks into the file holds a writer up for no longer.
constexpr int busy_ms = 2000;

}  // namespace

SQLite::Database open_sqlite(const std::filesystem::path& file, const SqliteOptions& options) {
  for (const char* part : {"", "-wal", "-shm"}) {
    const Status trust = base::trusted(file.string() + part, base::Trust::file);
    if (trust.code() == Code::refused) throw SQLite::Exception(trust.text(), SQLITE_PERM);
  }
  // To SQLite a file of no bytes is a fresh one, and what it held would be gone without a word.
  std::error_code error;
  if (std::filesystem::exists(file, error) && std::filesystem::file_size(file, error) == 0) {
    throw SQLite::Exception("empty: its end was lost, or the start that made it was killed",
                            SQLITE_CORRUPT);
  }
  SQLite::Database db(file.string(),
                      SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX, busy_ms);
  // Before the first table; later it does nothing.
  if (options.incremental_vacuum) db.exec("PRAGMA auto_vacuum=INCREMENTAL");
  const auto check = db.execAndGet("PRAGMA quick_check(1)").getString();
  if (check != "ok") throw SQLite::Exception(check, SQLITE_CORRUPT);
  db.exec("PRAGMA journal_mode=WAL");
  db.exec(options.survives_power_loss ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
  db.exec("PRAGMA cache_size=-1024");            // KiB
  db.exec("PRAGMA journal_size_limit=4194304");  // gives a grown WAL back to the disk
  if (options.max_bytes > 0) {
    db.exec(cat("PRAGMA max_page_count=", options.max_bytes / sqlite_page_bytes));
  }
  return db;
}

Status sqlite_failed(const std::filesystem::path& file, const SQLite::Exception& error) {
  const int code = error.getErrorCode() & 0xff;
  const bool damaged = code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
  std::string text = cat(file.string(), ": ", error.what());
  std::replace(text.begin(), text.end(), '\n', ' ');  // quick_check's findings have lines
  return Status(damaged ? Code::malformed : Code::unavailable, std::move(text));
}

std::filesystem::path move_sqlite_aside(const std::filesystem::path& file) {
  const std::string name = cat(file.string(), ".damaged-", std::time(nullptr));
  std::filesystem::path aside = name;
  std::error_code error;
  for (int i = 1; std::filesystem::exists(aside, error); ++i) aside = cat(name, "-", i);
  std::filesystem::rename(file, aside, error);
  for (const char* part : {"-wal", "-shm"}) {
    std::filesystem::rename(file.string() + part, aside.string() + part, error);
  }
  return aside;
}

}  // namespace devicetwin
