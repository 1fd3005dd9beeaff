#include "base/trust.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>
#include <vector>

#include "base/log.hpp"
#include "base/text.hpp"

namespace base {

namespace fs = std::filesystem;

namespace {

Status failed(const fs::path& path, const char* what) {
  const int error = errno;
  const Code code = error == ENOENT ? Code::not_found : Code::unavailable;
  return Status(code, cat(path.string(), ": ", what, ": ", std::strerror(error)));
}

std::string user_name(uid_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> space(16u << 10);
  const bool named =
      ::getpwuid_r(uid, &entry, space.data(), space.size(), &found) == 0 && found != nullptr;
  return named ? cat(found->pw_name, " (", uid, ")") : cat(uid);
}

bool in_group(gid_t gid) {
  if (gid == 0 || gid == ::getegid()) return true;
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(0, count)));
  return std::ranges::find(groups, gid) != groups.end();
}

bool everybody_writes(const struct stat& file) { return (file.st_mode & S_IWOTH) != 0; }
bool is_sticky(const struct stat& file) { return (file.st_mode & S_ISVTX) != 0; }

// "it belongs to nobody (65534), mode 0777, and …; look …: chown …"; "": nothing is wrong.
std::string objection(const fs::path& path, const struct stat& file, Trust how) {
  const bool group_writes = (file.st_mode & S_IWGRP) != 0;
  const bool shared = how == Trust::shared_folder;
  const bool ours = file.st_uid == 0 || file.st_uid == ::geteuid() ||
                    (shared && group_writes && !everybody_writes(file) && in_group(file.st_gid));
  char mode[8];
  std::snprintf(mode, sizeof mode, "%04o", file.st_mode & 07777u);
  const std::string is = cat("it belongs to user ", user_name(file.st_uid), ", mode ", mode);
  const char* const look =
      S_ISDIR(file.st_mode) ? "; look at what is in it, then: " : "; look at what it holds, then: ";
  if (!ours) {
    return cat(is, ", and not to us, user ", user_name(::geteuid()), ", or root", look, "chown ",
               ::geteuid(), " ", path.string());
  }
  if (shared && is_sticky(file)) return "";
  if (everybody_writes(file)) {
    return cat(is, ": everybody may write to it", look, "chmod o-w ", path.string());
  }
  if (group_writes && !in_group(file.st_gid)) {
    return cat(is, ": group ", file.st_gid, ", which we are not in, may write to it", look,
               "chmod g-w ", path.string());
  }
  return "";
}

// Whether it was not said of this path before: passwords are read at every connect and request.
bool is_news(const fs::path& path) {
  static std::mutex mutex;  // guards said
  static std::set<fs::path> said;
  const std::lock_guard lock(mutex);
  return said.insert(path).second;
}

Status judge(const fs::path& path, const struct stat& file, Trust how) {
  const bool is_folder = how == Trust::folder || how == Trust::shared_folder;
  if (is_folder && !S_ISDIR(file.st_mode)) {
    return Status(Code::invalid, cat(path.string(), ": is no folder"));
  }
  if (std::string wrong = objection(path, file, how); !wrong.empty()) {
    return Status(Code::refused, cat(path.string(), ": not trusted: ", wrong));
  }
  if (how == Trust::secret && (file.st_mode & S_IROTH) != 0 && is_news(path)) {
    log_warning(cat(path.string(), ": everybody on this machine may read this secret; chmod o-r ",
                    path.string()));
  }
  return Status();
}

// The folder's own check would find a stranger's put in its place, at the next start.
void look_above(const fs::path& folder) {
  const fs::path parent = fs::absolute(folder / "").parent_path().parent_path();
  struct stat above {};
  if (::stat(parent.c_str(), &above) != 0 || !everybody_writes(above) || is_sticky(above)) return;
  log_warning(cat(parent.string(), ": everybody may write to it, and so rename or replace ",
                  folder.string(), "; chmod +t ", parent.string()));
}

}  // namespace

Status trusted(const fs::path& path, Trust how) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return failed(path, "cannot look at it");
  return judge(path, file, how);
}

Status trusted(int fd, const fs::path& path, Trust how) {
  struct stat file {};
  if (::fstat(fd, &file) != 0) return failed(path, "cannot look at it");
  return judge(path, file, how);
}

Status own_folder(const fs::path& path) {
  fs::path made;
  for (const fs::path& part : path) {
    made /= part;
    if (::mkdir(made.c_str(), 0755) == 0) continue;
    const int error = errno;
    struct stat there {};
    if (::stat(made.c_str(), &there) == 0) continue;  // a file in the way is found by the next one
    return Status(Code::unavailable, cat(made.string(), ": cannot create: ", std::strerror(error)));
  }
  Status status = trusted(path, Trust::folder);
  if (status.ok()) look_above(path);
  return status;
}

}  // namespace base
