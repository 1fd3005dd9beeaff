#include "base/text.hpp"

#include <sys/random.h>

#include <array>
#include <cmath>
#include <cstdlib>

namespace base {

namespace {

std::string encode64(std::span<const std::uint8_t> bytes, const char* alphabet, bool pad) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) {
      if (k <= count) {
        text += alphabet[group >> (18 - 6 * k) & 63];
      } else if (pad) {
        text += '=';
      }
    }
  }
  return text;
}

constexpr char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void fill_random(std::span<std::uint8_t> bytes) {
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
}

// The length of the UTF-8 sequence at text[0], 0 when it is not well-formed (RFC 3629).
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead == 0) return 0;
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && at(1) < 0xA0) || (lead == 0xF0 && at(1) < 0x90);
  const bool surrogate = lead == 0xED && at(1) > 0x9F;
  const bool too_large = lead == 0xF4 && at(1) > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  for (;;) {
    const std::size_t end = text.find(separator, start);
    parts.push_back(text.substr(start, end - start));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool parse_int(std::string_view text, std::int64_t& out) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return false;
  out = number;
  return true;
}

bool parse_double(std::string_view text, double& out) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return false;
  if (!std::isfinite(number)) return false;
  out = number;
  return true;
}

std::string base64(std::span<const std::uint8_t> bytes) { return encode64(bytes, standard, true); }
std::string base64url(std::span<const std::uint8_t> bytes) {
  return encode64(bytes, url_safe, false);
}

bool from_base64url(std::string_view text, std::vector<std::uint8_t>& out) {
  if (text.size() % 4 == 1) return false;
  std::vector<std::uint8_t> bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const std::string_view alphabet(url_safe, 64);
    const std::size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) return false;
    group = (group << 6 | static_cast<std::uint32_t>(digit)) & 0xFFFFFF;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<std::uint8_t>(group >> bits & 0xFF));
    }
  }
  if ((group & ((1u << bits) - 1)) != 0) return false;  // one value, one text
  out = std::move(bytes);
  return true;
}

std::string random_hex(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  fill_random(bytes);
  std::string text;
  text.reserve(2 * count);
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string uuid() {
  std::string hex = random_hex(16);
  hex[12] = '4';                                         // RFC 9562 §5.4: version 4,
  hex[16] = "89ab"[static_cast<unsigned>(hex[16]) & 3];  // variant 10
  return cat(std::string_view(hex).substr(0, 8), '-', std::string_view(hex).substr(8, 4), '-',
             std::string_view(hex).substr(12, 4), '-', std::string_view(hex).substr(16, 4), '-',
             std::string_view(hex).substr(20));
}

std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  // What comes after it is no continuation byte: then the last character is whole.
  std::size_t end = most;
  while (end > 0 && most - end < 3 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  const bool between = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
  return text.substr(0, between ? end : most);
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace base
