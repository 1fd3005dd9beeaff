#include "base/token.hpp"

#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>

#include "base/file.hpp"
#include "base/text.hpp"

namespace base {

namespace {

// 32 characters are 128 bits of hex: what is shorter was cut off.
constexpr std::size_t least_characters = 32;

// "" when it is too short to be a token.
Result<std::string> stored(const std::filesystem::path& file) {
  auto text = read_trusted(file, Trust::secret);
  if (!text) return text.status();
  while (!text->empty() && std::isspace(static_cast<unsigned char>(text->back()))) {
    text->pop_back();
  }
  return text->size() < least_characters ? "" : std::move(*text);
}

}  // namespace

Result<std::string> token_of(const std::filesystem::path& file) {
  auto token = stored(file);
  if (!token && token.status().code() != Code::not_found) return token;
  if (token && !token->empty()) return token;
  const auto folder = std::filesystem::absolute(file).parent_path();
  if (Status status = own_folder(folder); !status.ok()) return status;
  const std::string fresh = random_hex(32) + "\n";
  if (token) {  // cut off
    if (Status status = write_file(file, fresh, 0600); !status.ok()) return status;
    return stored(file);
  }
  const std::filesystem::path made = cat(file.string(), ".", random_hex(4));
  if (Status status = write_file(made, fresh, 0600); !status.ok()) return status;
  // A link does not replace what another process made meanwhile.
  const int failed = ::link(made.c_str(), file.c_str()) == 0 || errno == EEXIST ? 0 : errno;
  ::unlink(made.c_str());
  if (failed == 0) return stored(file);
  return Status(Code::unavailable, cat(file.string(), ": cannot make it: ", std::strerror(failed)));
}

bool is_bearer(std::string_view authorization, std::string_view token) {
  constexpr std::string_view scheme = "bearer ";
  if (token.empty() || authorization.size() != scheme.size() + token.size()) return false;
  if (lower(authorization.substr(0, scheme.size())) != scheme) return false;
  const std::string_view said = authorization.substr(scheme.size());
  unsigned different = 0;
  for (std::size_t i = 0; i < token.size(); ++i) {
    different |= static_cast<unsigned char>(said[i] ^ token[i]);
  }
  return different == 0;
}

}  // namespace base
