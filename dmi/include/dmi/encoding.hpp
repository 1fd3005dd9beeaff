// Texts for the twins of a stock KubeEdge EdgeCore, which drops the whole twin, without a word,
// when a value is neither empty nor 1 to 512 characters of a-z A-Z 0-9 - _ . , : / @ #. Anything
// else travels escaped:
//
//   text        as it is, when it fits the rule and does not begin with "#:"
//   #:text      escaped: a byte outside a-z A-Z 0-9 - _ . , : / @ is '#' and two lower hex digits
//   #:text#..   escaped, and cut to 512 characters at most, at the end of a UTF-8 character
//
// Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dmi {

constexpr std::size_t max_stock_text = 512;  // characters of a value
constexpr std::size_t max_stock_name = 128;  // characters of a property's name

// Whether a stock EdgeCore takes this as a value; the empty text is one.
bool is_stock_text(std::string_view text);
// Whether a stock EdgeCore takes this as the name of a property.
bool is_stock_name(std::string_view name);
// Whether a stock EdgeCore hears devices of this namespace. It looks for the name in
// "$hw/events/device/NAMESPACE/…" and takes the first place, so that "dev", "event" or "hw" are
// found where they are not meant.
bool is_stock_space(std::string_view space);

// The text as above; always is_stock_text(). Any bytes; in what is not UTF-8, a byte and up to
// three continuation bytes after it count as a character.
std::string encode_stock(std::string_view utf8);
// Whether encode_stock() had to cut what it made this of.
bool is_cut(std::string_view encoded);

struct StockText {
  std::string text;
  bool cut = false;  // text is only the beginning
};
// The way back. Text that is not escaped comes back as it is, whatever it holds. nullopt: begins
// with "#:" and is not what encode_stock() writes: another byte than the above, or a '#' without
// two lower hex digits.
std::optional<StockText> decode_stock(std::string_view text);

}  // namespace dmi
