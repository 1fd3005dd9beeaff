// Whether what lies on a disk may be believed: whose it is, and who else may change it. Asked of
// every folder that state, secrets or sockets are kept in, and of every key, token, password and
// certificate, before it is used. Any thread.
//
// Ours is what belongs to our user (the effective one) or to root. A group may write where it is
// root's or one that we are in: volumes of Kubernetes (fsGroup) and services that share a folder
// are made so. Symbolic links are followed, as Kubernetes' secrets are such; what they lead to is
// asked.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/status.hpp"

namespace base {

enum class Trust : std::uint8_t {
  folder,  // what is in it is believed: ours, and nobody else may put anything there
  // Of sockets, which others may keep theirs in: as folder, or everybody may write and the sticky
  // bit keeps what is ours, as in /tmp; or it is shared with a group of ours by its owner.
  shared_folder,
  file,    // believed as it is, and no secret: a certificate, a database
  secret,  // as file; where everybody may read it, that is logged once, with the remedy
};

// refused: it is not ours, or others may write to it; the text has path, owner, mode and remedy.
// not_found: it is absent. unavailable: anything else.
Status trusted(const std::filesystem::path& path, Trust how);
// Of a file that is open.
Status trusted(int fd, const std::filesystem::path& path, Trust how);

// Makes the folder and those above it where they are absent, writable by us alone whatever the
// umask is, then asks as for Trust::folder. A folder above it that everybody may write to, without
// the sticky bit, is logged.
Status own_folder(const std::filesystem::path& path);

}  // namespace base
