// Files that matter: written whole or not at all, locked so that only one process owns them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/status.hpp"
#include "base/trust.hpp"

namespace base {

// The whole file. not_found: absent; invalid: longer than max_bytes; unavailable: anything else.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes = 16u << 20);
// As read_file, of a file that is believed: refused, unless it is trusted (Trust::file or secret).
Result<std::string> read_trusted(const std::filesystem::path& path, Trust how,
                                 std::size_t max_bytes = 64u << 10);
// Writes beside path, under a name that nobody knows beforehand, flushes, renames, and flushes the
// folder: ok survives a loss of power. Writes nothing where our file of that content and mode is
// there already. On failure the old content stands, or, where it is the folder that cannot be
// flushed, the new one until the power goes. mode as in chmod.
Status write_file(const std::filesystem::path& path, std::string_view content,
                  unsigned mode = 0644);
// Brings what was made, renamed and removed in a folder to safety from a loss of power.
Status sync_folder(const std::filesystem::path& folder);

// Holds an exclusive lock on a file (created if absent, never deleted) while it lives.
class FileLock {
 public:
  // conflict: another process holds it; the text names its pid, where the disk had room for it.
  // refused: the file is a stranger's or a link, which would have us write into something else.
  static Result<FileLock> take(const std::filesystem::path& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace base
