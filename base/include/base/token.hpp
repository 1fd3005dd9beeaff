// A token that a server asks for, kept in a file. Any thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/status.hpp"

namespace base {

// The file's token; where it is absent, or too short to be one, 256 random bits in hex are written
// to it (0600), and its folder is made. Of processes that do so at the same time all get the same.
// refused: the file is not to be trusted. unavailable: it cannot be read or written; one that is
// there is never replaced then.
Result<std::string> token_of(const std::filesystem::path& file);

// Whether the header is "Bearer TOKEN" (RFC 6750); never for an empty token. Takes the same time
// wherever the two differ.
bool is_bearer(std::string_view authorization, std::string_view token);

}  // namespace base
