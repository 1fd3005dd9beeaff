#include "codec_text.hpp"

#include <algorithm>
#include <span>

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Value;

namespace {

constexpr std::size_t max_listed = 10;

const Text& text_of(const Place& place) {
  static const Text usual;
  return place.extra ? place.extra->text : usual;
}

// The bytes in the order they are meant, or back: swapping twice changes nothing.
std::string swapped(const Text& text, std::string bytes) {
  if (text.swap_words) std::reverse(bytes.begin(), bytes.end());
  // A reversed text has its words in the asked order, and the two bytes of each swapped.
  if (text.swap_bytes != text.swap_words) {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) std::swap(bytes[i], bytes[i + 1]);
  }
  return bytes;
}

std::string trimmed(Padding padding, std::string bytes) {
  // Behind a NUL devices leave what was there before.
  if (padding == Padding::nul) return bytes.substr(0, bytes.find('\0'));
  const std::size_t last = bytes.find_last_not_of(std::string_view(" \0", 2));
  return bytes.substr(0, last == std::string::npos ? 0 : last + 1);
}

std::string from_latin1(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xc0 | byte >> 6);
      text += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return text;
}

// text is well-formed UTF-8. false: a character above U+00FF.
bool to_latin1(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      out += text[i];
    } else if (byte <= 0xc3) {
      out += static_cast<char>(byte << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
    } else {
      return false;
    }
  }
  return true;
}

Status not_text(const Place& place, std::string_view what) {
  return Status(Code::malformed, cat("the text in ", place.range.to_string(), " ", what));
}

std::size_t first_not_ascii(std::string_view bytes) {
  const auto found =
      std::ranges::find_if(bytes, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  return static_cast<std::size_t>(found - bytes.begin());
}

Result<Value> characters(const Place& place, const std::string& bytes) {
  if (bytes.find('\0') != std::string::npos) return not_text(place, "has a NUL in it");
  switch (text_of(place).encoding) {
    case Encoding::latin1:
      return Value(from_latin1(bytes));
    case Encoding::utf8:
      if (!base::is_utf8(bytes)) return not_text(place, "is not UTF-8");
      return Value(bytes);
    case Encoding::ascii:
      break;
  }
  const std::size_t at = first_not_ascii(bytes);
  if (at == bytes.size()) return Value(bytes);
  return not_text(place, cat("is not ASCII: byte ", at + 1, " is ",
                             static_cast<int>(static_cast<unsigned char>(bytes[at])),
                             " (encoding latin1 or utf-8?)"));
}

Written words_from(const std::string& bytes) {
  Written out;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    out.words.push_back(static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[i]) << 8 |
                                                   static_cast<unsigned char>(bytes[i + 1])));
  }
  return out;
}

Result<Written> encode_bytes(const Place& place, const Value& value, std::size_t room) {
  const auto* const bytes = std::get_if<dmi::Bytes>(&value);
  if (bytes == nullptr) return Status(Code::invalid, "only bytes can be written to bytes");
  if (bytes->size() != room) {
    return Status(Code::out_of_range, cat(bytes->size(), " bytes do not fit in ",
                                          place.range.to_string(), " (", room, ")"));
  }
  return words_from(swapped(text_of(place), std::string(bytes->begin(), bytes->end())));
}

Result<std::string> encoded(const std::string& text, Encoding encoding) {
  if (!base::is_utf8(text)) return Status(Code::invalid, "the text is not UTF-8 without NUL");
  if (encoding == Encoding::utf8) return text;
  std::string bytes;
  if (encoding == Encoding::latin1) {
    if (to_latin1(text, bytes)) return bytes;
    return Status(Code::out_of_range, "the text has a character that is not in latin1");
  }
  if (first_not_ascii(text) == text.size()) return text;
  return Status(Code::out_of_range, "the text has a character that is not in ascii");
}

}  // namespace

Result<Value> decode_text(const Place& place, Bytes bytes) {
  const Text& text = text_of(place);
  std::string meant = swapped(text, std::string(bytes.begin(), bytes.end()));
  if (place.data == DataType::bytes) return Value(dmi::Bytes(meant.begin(), meant.end()));
  return characters(place, trimmed(text.padding, std::move(meant)));
}

Result<Written> encode_text(const Place& place, const Value& value) {
  const std::size_t room = std::size_t{2} * place.range.count;
  if (place.data == DataType::bytes) return encode_bytes(place, value, room);
  const Text& text = text_of(place);
  const auto* const written = std::get_if<std::string>(&value);
  if (written == nullptr) return Status(Code::invalid, "only a text can be written to a string");
  const Result<std::string> made = encoded(*written, text.encoding);
  if (!made) return made.status();
  std::string bytes = *made;
  if (bytes.size() > room) {
    return Status(Code::out_of_range, cat("a text of ", bytes.size(), " bytes does not fit in ",
                                          place.range.to_string(), " (", room, ")"));
  }
  if (text.padding == Padding::space && bytes.ends_with(' ')) {
    return Status(Code::invalid, "the text ends with the padding: it would be read back shorter");
  }
  bytes.resize(room, text.padding == Padding::space ? ' ' : '\0');
  return words_from(swapped(text, std::move(bytes)));
}

std::string list_of(const std::vector<Label>& labels) {
  std::string text;
  for (std::size_t i = 0; i < labels.size() && i < max_listed; ++i) {
    text += cat(i == 0 ? "" : ", ", labels[i].text);
  }
  return labels.size() > max_listed ? text + ", …" : text;
}

}  // namespace modbus
