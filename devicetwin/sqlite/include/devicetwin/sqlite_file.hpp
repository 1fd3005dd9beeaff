// What every SQLite file of devicetwin needs: opened and checked, damage told from other trouble,
// and a damaged file moved out of the way. For the folders that know SQLite alone
// (tests/lint/layers.sh). Any thread, one at a time per file.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <filesystem>

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

// Opens, makes where there is none, and checks the file: WAL, 1 MiB of pages in memory. No mutex of
// SQLite's: the locks of every bound value were a tenth of a writer's time. A file of no bytes is a
// damaged one, a stranger's is not trusted. Throws SQLite::Exception.
SQLite::Database open_sqlite(const std::filesystem::path& file, const SqliteOptions& options);

// malformed: the file is damaged; unavailable: anything else. The text begins with the file and has
// one line.
base::Status sqlite_failed(const std::filesystem::path& file, const SQLite::Exception& error);

// Renames the file and what belongs to it to FILE.damaged-SECONDS, which is returned; -N where that
// is there already.
std::filesystem::path move_sqlite_aside(const std::filesystem::path& file);

}  // namespace devicetwin
