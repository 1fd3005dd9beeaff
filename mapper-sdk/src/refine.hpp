// Raw values as a driver reads and writes them ↔ values as the model describes them: scale, offset,
// type and limits. Pure; any thread.
#pragma once

#include "base/status.hpp"
#include "dmi/sample.hpp"
#include "dmi/value.hpp"
#include "mapper/driver.hpp"

namespace mapper {

// INT, FLOAT, DOUBLE: what has a scale and limits.
bool is_number(dmi::Type type);

// value = raw * scale + value_offset, as the point's type. INT rounds to nearest when it is scaled;
// FLOAT keeps the precision of a float. A status that the driver set stays.
// out_of_range: outside the model's limits, value present; or beyond the type, value absent.
// malformed, value absent: not of the type, NaN or infinite, not UTF-8, above max_value_bytes.
// In place, as it is done a million times a second.
void refine(const Point& point, dmi::Sample& sample);

// What to hand to the driver for a desired value. A whole result of an INT is an int64, any other
// number a double; a double within 1e-9 of a whole number is that number, so that 100.4 at scale
// 0.1 is 1004 and not 1004.0000000000001.
// unsupported: ReadOnly; out_of_range: outside the model's limits; invalid: not of the point's type
// (a text for a number says what parse_value says of it).
base::Result<dmi::Value> to_raw(const Point& point, const dmi::Value& value);

// Whether a device that reports `seen` holds `wanted`: numbers within the point's precision.
bool holds(const Point& point, const dmi::Value& seen, const dmi::Value& wanted);
// Whether `seen` is what a register of whole steps of the point's scale makes of `wanted`.
bool is_rounded(const Point& point, const dmi::Value& seen, const dmi::Value& wanted);

}  // namespace mapper
