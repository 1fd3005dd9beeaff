// Registers and bits to values, and back. Pure. Decoding a number allocates nothing but error
// texts.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/status.hpp"
#include "dmi/value.hpp"
#include "modbus/pdu.hpp"
#include "modbus/place.hpp"

namespace modbus {

// The value of place in the payload of a read answer, in which place.hull starts index addresses
// after the first. The hull must lie whole in the payload (asserts).
// The value is of place.type: bool, int64, double, string (texts, labels, JSON of arrays) or bytes.
// An INT property gets a double from float registers and from a negative power of ten, for the SDK
// to scale and round.
// out_of_range: not available; not finite; an unsigned 64-bit number beyond int64; a number without
// a label; no usable scale factor. malformed: digits that are not BCD; bytes that are not text.
base::Result<dmi::Value> decode(const Place& place, Bytes payload, std::size_t index);
// The same for plain numbers in registers, straight into out. false: it is no such place, or has no
// good value: decode() knows.
bool decode_plain(const Place& place, Bytes payload, std::size_t index, dmi::Value& out);

// The power of ten that place's scale factor register holds in a payload as of decode(). 0 for a
// place without one. out_of_range: not available, or outside -10..10.
base::Result<int> exponent_of(const Place& place, Bytes payload, std::size_t index);

// A value on its way out.
struct Written {
  std::vector<std::uint16_t> words;  // in wire order; of coils: 0 or 1 each
  std::uint16_t mask = 0xffff;       // bits of words[0] that are the point's own; others stay
};

// What makes place hold value; what decode() gives is taken back unchanged. exponent: of
// exponent_of(), needed by a place with a scale factor (asserts). A number for integer registers is
// rounded to the nearest, because undoing a scale of 0.1 leaves 215.00…03.
// out_of_range: it does not fit, the text names the limits; nothing is cut. invalid: not a value
// of that kind.
base::Result<Written> encode(const Place& place, const dmi::Value& value,
                             std::optional<int> exponent);

// The request that writes it: function 5, 6, 15, 16 or 22, as the place's rule says. For
// BitWrite::read_modify_write merge() first.
Pdu write_request(const Place& place, const Written& written);
// A register's present word with the point's bits replaced: to be written whole.
Written merge(const Written& written, std::uint16_t present);

// Whether seen, as decoded after a write of wanted, confirms it: the same registers, or both
// numbers and within the rule's tolerance.
bool confirms(const Place& place, const dmi::Value& wanted, const dmi::Value& seen,
              std::optional<int> exponent);

}  // namespace modbus
