#include "dmi/encoding.hpp"

#include <algorithm>

namespace dmi {

namespace {

constexpr std::string_view escaped_mark = "#:";
constexpr std::string_view cut_mark = "#..";
constexpr std::string_view hex_digits = "0123456789abcdef";

// What stands for itself in an escaped text.
bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.,:/@").find(c) != std::string_view::npos;
}

bool is_allowed(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return is_plain(c) || c == '#'; });
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Bytes of the first character.
std::size_t character(std::string_view text) {
  std::size_t size = 1;
  while (size < text.size() && size < 4 && continues(text[size])) ++size;
  return size;
}

void append_escaped(std::string& to, std::string_view bytes) {
  for (const char c : bytes) {
    if (is_plain(c)) {
      to += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    to += '#';
    to += hex_digits[byte >> 4];
    to += hex_digits[byte & 15];
  }
}

}  // namespace

bool is_stock_text(std::string_view text) {
  return text.size() <= max_stock_text && is_allowed(text);
}

bool is_stock_name(std::string_view name) {
  return !name.empty() && name.size() <= max_stock_name && is_allowed(name);
}

bool is_stock_space(std::string_view space) {
  return std::string_view("$hw/events/device/").find(space) == std::string_view::npos;
}

std::string encode_stock(std::string_view utf8) {
  if (is_stock_text(utf8) && !utf8.starts_with(escaped_mark)) return std::string(utf8);
  std::string encoded(escaped_mark);
  std::size_t fits = encoded.size();  // where a cut text ends, before its mark
  while (!utf8.empty() && encoded.size() <= max_stock_text) {
    const std::size_t size = character(utf8);
    append_escaped(encoded, utf8.substr(0, size));
    utf8.remove_prefix(size);
    if (encoded.size() + cut_mark.size() <= max_stock_text) fits = encoded.size();
  }
  if (encoded.size() > max_stock_text) {
    encoded.resize(fits);
    encoded += cut_mark;
  }
  return encoded;
}

bool is_cut(std::string_view encoded) {
  return encoded.starts_with(escaped_mark) && encoded.ends_with(cut_mark);
}

std::optional<StockText> decode_stock(std::string_view text) {
  if (!text.starts_with(escaped_mark)) return StockText{std::string(text), false};
  text.remove_prefix(escaped_mark.size());
  StockText decoded;
  if (text.ends_with(cut_mark)) {
    decoded.cut = true;
    text.remove_suffix(cut_mark.size());
  }
  while (!text.empty()) {
    if (is_plain(text[0])) {
      decoded.text += text[0];
      text.remove_prefix(1);
      continue;
    }
    if (text[0] != '#' || text.size() < 3) return std::nullopt;
    const std::size_t high = hex_digits.find(text[1]);
    const std::size_t low = hex_digits.find(text[2]);
    if (high == hex_digits.npos || low == hex_digits.npos) return std::nullopt;
    decoded.text += static_cast<char>(high << 4 | low);
    text.remove_prefix(3);
  }
  return decoded;
}

}  // namespace dmi
