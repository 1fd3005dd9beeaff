// What every SQLite file of devicetwin needs: opened, damage told from other trouble, and a damaged
// file moved out of the way. For the folders that know SQLite alone (tests/lint/layers.sh). Any
// thread, one at a time per file.
//
// Opening reads the file's head and no more, however large it is: sqlite_check.hpp looks at the
// rest while the file serves, and what it misses is found by whoever reads it.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/status.hpp"

namespace devicetwin {

struct SqliteOptions {
  // false: kill -9 harms nothing that is committed, a loss of power costs what came since the last
  // checkpoint; the flash is written once for many commits.
  bool survives_power_loss = true;
  std::uint64_t max_bytes = 0;  // of the file, past which writes fail as on a full disk; 0: none
  bool incremental_vacuum = false;  // decided when the file is made
};
inline constexpr std::uint64_t sqlite_page_bytes = 4096;

// Opens the file, or makes one where there is none: WAL, 1 MiB of pages in memory. One that is
// there is not written to. No mutex of SQLite's: the locks of every bound value were a tenth of a
// writer's time. A file of no bytes is a damaged one; one that may not be written is none of ours;
// a stranger's is not trusted. Throws SQLite::Exception.
SQLite::Database open_sqlite(const std::filesystem::path& file, const SqliteOptions& options);
// To read what is there where the disk has no room for what opening takes (FILE-shm). Nobody writes
// meanwhile. Throws SQLite::Exception, also when the file's log has what the file lacks.
SQLite::Database open_sqlite_as_it_is(const std::filesystem::path& file);

// PRAGMA user_version; 0: the file is new. Throws, with SQLITE_MISMATCH, when it is above known.
int schema_of(SQLite::Database& db, int known);

// malformed: the file is damaged; unsupported: schema_of() threw; unavailable: anything else. The
// text begins with the file and has one line.
base::Status sqlite_failed(const std::filesystem::path& file, const SQLite::Exception& error);
// The disk takes nothing now, and may later: no reason not to start.
bool disk_takes_nothing(const SQLite::Exception& error);

// Renames the file and its log to FILE.damaged-SECONDS, which is returned; -N where that is there
// already. Nobody has it open. not_found: no file; unavailable: it is where it was.
base::Result<std::filesystem::path> move_sqlite_aside(const std::filesystem::path& file);

}  // namespace devicetwin
