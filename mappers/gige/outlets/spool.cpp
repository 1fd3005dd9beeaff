#include "outlets/spool.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"

namespace gige {

namespace fs = std::filesystem;
using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

// A temporary file that nobody has written to for so long was left by a process that died.
constexpr auto abandoned = std::chrono::minutes(10);
constexpr std::string_view temporary_end = ".part";
// Names tried for one frame before the folder is called odd.
constexpr int most_names = 1000;

// The text as part of a file name: what is not in a Kubernetes name becomes =XX, so that two
// devices never share one and nothing leads out of the folder.
std::string file_part(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string part;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || (c == '.' && !part.empty());
    if (plain) {
      part += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      part += '=';
      part += digits[byte >> 4];
      part += digits[byte & 15];
    }
  }
  return part;
}

// Takes count digits off the front; 0: at least one, as many as there are.
bool skip_digits(std::string_view& text, std::size_t count) {
  std::size_t found = 0;
  while (found < text.size() && text[found] >= '0' && text[found] <= '9') ++found;
  if (count == 0 ? found == 0 : found < count) return false;
  text.remove_prefix(count == 0 ? found : count);
  return true;
}

bool skip(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

Status not_named(const fs::path& path) {
  return Status(Code::unavailable, cat(path.string(), ": cannot rename: ", std::strerror(errno)));
}

// Renames without ever replacing a file. 0 or errno.
int rename_new(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // File systems that cannot (NFS): a hard link fails too where the name is taken.
  if (::link(from.c_str(), to.c_str()) != 0) return errno;
  ::unlink(from.c_str());
  return 0;
}

}  // namespace

std::string spool_time(std::int64_t ns) {
  const std::int64_t ms = ns / 1'000'000;
  const std::time_t seconds = ms / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[40];
  const auto size = std::strftime(text, sizeof text, "%Y%m%dT%H%M%S", &utc);
  std::string fraction = cat(ms % 1000 + 1000);
  return cat(std::string_view(text, size), '.', std::string_view(fraction).substr(1), 'Z');
}

bool is_spool_name(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return false;
  name.remove_prefix(prefix.size());
  const bool time = skip_digits(name, 8) && skip(name, 'T') && skip_digits(name, 6) &&
                    skip(name, '.') && skip_digits(name, 3) && skip(name, 'Z');
  if (!time || !skip(name, '-') || !skip_digits(name, 0) || !skip(name, '.')) return false;
  if (skip_digits(name, 0) && !skip(name, '.')) return false;  // ".2" of a second process
  constexpr ImageFormat formats[] = {ImageFormat::jpeg, ImageFormat::png, ImageFormat::tiff,
                                     ImageFormat::pnm, ImageFormat::raw};
  return name == "avi" || std::any_of(std::begin(formats), std::end(formats),
                                      [&](ImageFormat f) { return name == extension(f); });
}

Spool::Spool(const dmi::ObjectId& device, SpoolSettings settings)
    : prefix_(cat(file_part(device.space), '_', file_part(device.name), '-')),
      settings_(std::move(settings)) {
  assert(!settings_.folder.empty());
  count();
}

void Spool::count() {
  std::error_code error;
  const std::string hidden = cat('.', prefix_);
  const auto old = fs::file_time_type::clock::now() - abandoned;
  for (fs::directory_iterator each(settings_.folder, error), end; !error && each != end;
       each.increment(error)) {
    std::error_code ignored;
    const std::string name = each->path().filename().string();
    if (!each->is_regular_file(ignored) || each->is_symlink(ignored)) continue;
    if (is_spool_name(prefix_, name)) {
      const std::uint64_t size = each->file_size(ignored);
      if (ignored) continue;
      files_.emplace_back(name, size);
      bytes_ += size;
    } else if (name.starts_with(hidden) && name.find(temporary_end) != name.npos &&
               each->last_write_time(ignored) < old) {
      fs::remove(each->path(), ignored);
    }
  }
  std::sort(files_.begin(), files_.end());
}

Result<fs::path> Spool::temporary() {
  std::error_code error;
  fs::create_directories(settings_.folder, error);
  if (error) {
    return Status(Code::unavailable,
                  cat(settings_.folder, ": cannot make the folder: ", error.message()));
  }
  return fs::path(settings_.folder) /
         cat('.', prefix_, ::getpid(), '-', base::random_hex(4), '-', ++written_, temporary_end);
}

Status Spool::make_room(std::uint64_t size) {
  if (size > settings_.max_bytes) {
    return Status(Code::out_of_range, cat(settings_.folder, ": a file of ", size,
                                          " bytes is larger than maxBytes, ", settings_.max_bytes));
  }
  Status stays;  // one that cannot be removed: the next ones go in its place
  auto file = files_.begin();
  while (files_.size() >= settings_.max_files || bytes_ + size > settings_.max_bytes) {
    if (file == files_.end()) return stays;
    const auto& [name, bytes] = *file;
    std::error_code error;
    // A file that somebody took away already is no error: remove() says false then.
    fs::remove(fs::path(settings_.folder) / name, error);
    if (error) {
      stays = Status(Code::unavailable,
                     cat(settings_.folder, '/', name, ": cannot remove: ", error.message()));
      ++file;
    } else {
      bytes_ -= bytes;
      file = files_.erase(file);
    }
  }
  return Status();
}

Status Spool::save(const Image& image) {
  Status room = make_room(image.bytes.size());
  if (!room.ok()) return room;
  const auto path = temporary();
  if (!path) return path.status();
  const std::string_view content(reinterpret_cast<const char*>(image.bytes.data()),
                                 image.bytes.size());
  Status written = base::write_file(*path, content);
  if (!written.ok()) return written;
  return keep(*path, image.info, extension(image.format));
}

Status Spool::keep(const fs::path& written, const FrameInfo& first, std::string_view extension) {
  std::error_code error;
  const std::uint64_t size = fs::file_size(written, error);
  Status status = error ? Status(Code::unavailable, cat(written.string(), ": ", error.message()))
                        : make_room(size);
  const std::string stem = cat(prefix_, spool_time(first.arrived_ns), '-', first.sequence);
  for (int number = 1; status.ok(); ++number) {
    const std::string name =
        number == 1 ? cat(stem, '.', extension) : cat(stem, '.', number, '.', extension);
    const fs::path path = fs::path(settings_.folder) / name;
    errno = rename_new(written, path);
    if (errno == 0) {
      files_.emplace_back(name, size);
      bytes_ += size;
      return Status();
    }
    if (errno != EEXIST || number >= most_names) status = not_named(path);
  }
  fs::remove(written, error);
  return status;
}

}  // namespace gige
