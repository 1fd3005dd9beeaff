// Putting texts together and apart. Pure; any thread.
#pragma once

#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace base {

namespace detail {
inline void append(std::string& to, std::string_view text) { to += text; }
inline void append(std::string& to, char c) { to += c; }
template <class T>
requires(std::is_arithmetic_v<T> && !std::is_same_v<T, char>) void append(std::string& to,
                                                                          T number) {
  if constexpr (std::is_same_v<T, bool>) {
    to += number ? "true" : "false";
  } else {
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
    to.append(buffer, end);
  }
}
}  // namespace detail

// cat("unit ", 7, ": ", status.text()): texts, characters, numbers and bools in a row.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::string text;
  (detail::append(text, parts), ...);
  return text;
}

// "a/b//c" → {"a","b","","c"}; never empty. The views live as long as text.
std::vector<std::string_view> split(std::string_view text, char separator);
std::string lower(std::string_view text);  // ASCII only
// Whole text as a base-10 int64 / as a finite double; false: not one, out is untouched.
bool parse_int(std::string_view text, std::int64_t& out);
bool parse_double(std::string_view text, double& out);
// RFC 4648 §4 (with padding) and §5 (url-safe, without padding).
std::string base64(std::span<const std::uint8_t> bytes);
std::string base64url(std::span<const std::uint8_t> bytes);
// Accepts §5 without padding; false: not that, out is untouched.
bool from_base64url(std::string_view text, std::vector<std::uint8_t>& out);
// Random, from the kernel: "f81d4fae-7dec-41d0-a765-00a0c91e6bf6", and count bytes as hex.
std::string uuid();
std::string random_hex(std::size_t count);
// Whether text is well-formed UTF-8 without NUL.
bool is_utf8(std::string_view text);
// The beginning of text: most bytes of it, or up to three fewer, so that a character of UTF-8 at
// the end is whole. For texts of others in messages.
std::string_view cut(std::string_view text, std::size_t most);

}  // namespace base
