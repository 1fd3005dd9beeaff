#include "refine.hpp"

#include <cmath>
#include <limits>

#include "base/number.hpp"
#include "base/text.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Type;
using dmi::Value;

namespace {

Status malformed(const Point& point, std::string_view what) {
  return Status(Code::malformed, cat(point.name, ": ", what));
}

bool is_scaled(const Point& point) { return point.scale != 1 || point.value_offset != 0; }

// A number as the wire would show it, for texts.
std::string shown(double number) { return dmi::to_text(Value(number), Type::float64); }

Status check_limits(const Point& point, const Value& value) {
  double number = 0;
  if ((!point.minimum && !point.maximum) || !dmi::to_number(value, number)) return Status();
  const bool low = point.minimum && number < *point.minimum;
  const bool high = point.maximum && number > *point.maximum;
  if (!low && !high) return Status();
  return Status(Code::out_of_range, cat(point.name, ": ", dmi::to_text(value, point.type),
                                        low ? " is below the minimum " : " is above the maximum ",
                                        shown(low ? *point.minimum : *point.maximum), " (",
                                        point.minimum ? shown(*point.minimum) : "", "..",
                                        point.maximum ? shown(*point.maximum) : "", ")"));
}

Result<Value> to_integer(const Point& point, const Value& raw) {
  const auto* integer = std::get_if<std::int64_t>(&raw);
  if (integer != nullptr && !is_scaled(point)) return raw;
  double number = 0;
  dmi::to_number(raw, number);
  // long double holds every int64, so that a large counter with an offset keeps its last digits.
  const long double exact =
      integer != nullptr ? static_cast<long double>(*integer) : static_cast<long double>(number);
  const long double scaled =
      exact * static_cast<long double>(point.scale) + static_cast<long double>(point.value_offset);
  const long double whole = std::nearbyint(scaled);
  if (!is_scaled(point) && whole != scaled) {
    return malformed(point, cat(shown(number), " is not a whole number"));
  }
  std::int64_t fits = 0;
  if (!base::to_whole(whole, fits)) {
    return Status(Code::out_of_range, cat(point.name, ": beyond a 64-bit integer"));
  }
  return Value(fits);
}

Result<Value> to_float(const Point& point, double raw) {
  double number = raw * point.scale + point.value_offset;
  if (point.type == Type::float32 && std::isfinite(number)) {
    if (std::fabs(number) > static_cast<double>(std::numeric_limits<float>::max())) {
      return Status(Code::out_of_range, cat(point.name, ": ", shown(number), " is beyond FLOAT"));
    }
    number = static_cast<double>(static_cast<float>(number));
  }
  if (!std::isfinite(number)) return malformed(point, "not a finite number");
  return Value(number);
}

Result<Value> to_boolean(const Point& point, const Value& raw) {
  if (std::holds_alternative<bool>(raw)) return raw;
  double number = 0;
  if (dmi::to_number(raw, number) && (number == 0 || number == 1)) return Value(number == 1);
  return malformed(point, "neither 0 nor 1");
}

Result<Value> to_string(const Point& point, Value raw) {
  if (std::holds_alternative<dmi::Bytes>(raw)) return malformed(point, "bytes, not a text");
  if (!std::holds_alternative<std::string>(raw)) {
    return Value(dmi::to_text(raw, Type::float64));
  }
  const auto& text = std::get<std::string>(raw);
  if (text.size() > dmi::max_value_bytes) {
    return malformed(point, cat(text.size(), " bytes, above ", dmi::max_value_bytes));
  }
  if (!base::is_utf8(text)) return malformed(point, "not UTF-8");
  return raw;
}

Result<Value> to_type(const Point& point, Value raw) {
  if (is_number(point.type)) {
    double number = 0;
    if (!dmi::to_number(raw, number)) return malformed(point, "not a number");
    if (!std::isfinite(number)) return malformed(point, "not a finite number");
    return point.type == Type::integer ? to_integer(point, raw) : to_float(point, number);
  }
  if (point.type == Type::boolean) return to_boolean(point, raw);
  if (point.type != Type::bytes) return to_string(point, std::move(raw));
  const auto* bytes = std::get_if<dmi::Bytes>(&raw);
  if (bytes == nullptr) return malformed(point, "not bytes");
  if (bytes->size() > dmi::max_value_bytes) {
    return malformed(point, cat(bytes->size(), " bytes, above ", dmi::max_value_bytes));
  }
  return raw;
}

bool is_within(const Point& point, double number) {
  return !(point.minimum && number < *point.minimum) && !(point.maximum && number > *point.maximum);
}

// The way of nearly every sample: a good number within its limits. false: it is not that, and
// nothing was done.
bool refine_plain(const Point& point, dmi::Sample& sample) {
  if (!sample.value || !sample.status.ok()) return false;
  if (point.type == Type::integer) {
    const auto* integer = std::get_if<std::int64_t>(&*sample.value);
    return integer != nullptr && !is_scaled(point) &&
           is_within(point, static_cast<double>(*integer));
  }
  auto* real = std::get_if<double>(&*sample.value);
  if (real == nullptr || (point.type != Type::float32 && point.type != Type::float64)) return false;
  double number = *real * point.scale + point.value_offset;
  if (point.type == Type::float32) number = static_cast<double>(static_cast<float>(number));
  if (!std::isfinite(number) || !is_within(point, number)) return false;
  *real = number;
  return true;
}

// Whether the alternative of value is the one its type has (dmi::Value).
bool is_of(const Value& value, Type type) {
  switch (type) {
    case Type::integer:
      return std::holds_alternative<std::int64_t>(value);
    case Type::float32:
    case Type::float64:
      return std::holds_alternative<double>(value);
    case Type::boolean:
      return std::holds_alternative<bool>(value);
    case Type::bytes:
      return std::holds_alternative<dmi::Bytes>(value);
    case Type::string:
    case Type::stream:
      break;
  }
  return std::holds_alternative<std::string>(value);
}

Status check_wanted(const Point& point, const Value& value) {
  if (!is_of(value, point.type)) {
    const auto* text = std::get_if<std::string>(&value);
    const Status why = text != nullptr ? dmi::parse_value(*text, point.type).status() : Status();
    if (!why.ok()) return Status(why.code(), cat(point.name, ": ", why.text()));
    return Status(Code::invalid, cat(point.name, ": not of type ", dmi::name(point.type)));
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text != nullptr && text->size() > dmi::max_value_bytes) {
    return Status(Code::out_of_range,
                  cat(point.name, ": ", text->size(), " bytes, above ", dmi::max_value_bytes));
  }
  return check_limits(point, value);
}

// A number that is whole but for what the division lost.
double snapped(double number) {
  const double whole = std::nearbyint(number);
  return std::fabs(number - whole) <= 1e-9 * std::fmax(1, std::fabs(number)) ? whole : number;
}

}  // namespace

bool is_number(Type type) {
  return type == Type::integer || type == Type::float32 || type == Type::float64;
}

void refine(const Point& point, dmi::Sample& sample) {
  if (refine_plain(point, sample)) return;
  if (!sample.value) {
    if (sample.status.ok()) {
      sample.status = malformed(point, "the driver gave neither value nor reason");
    }
    return;
  }
  Result<Value> value = to_type(point, std::move(*sample.value));
  sample.value.reset();
  if (!value) {
    if (sample.status.ok()) sample.status = value.status();
    return;
  }
  if (sample.status.ok()) sample.status = check_limits(point, *value);
  sample.value = std::move(*value);
}

Result<Value> to_raw(const Point& point, const Value& value) {
  if (!point.writable) {
    return Status(Code::unsupported, cat(point.name, ": the model says ReadOnly"));
  }
  if (Status wrong = check_wanted(point, value); !wrong.ok()) return wrong;
  if (!is_scaled(point)) return value;
  double number = 0;
  if (!dmi::to_number(value, number)) return value;
  const double raw = snapped((number - point.value_offset) / point.scale);
  if (!std::isfinite(raw)) {
    return Status(Code::out_of_range, cat(point.name, ": ", shown(number), " cannot be unscaled"));
  }
  const bool whole = raw == std::nearbyint(raw) && std::fabs(raw) < 9007199254740992.0;
  if (point.type == Type::integer && whole) return Value(static_cast<std::int64_t>(raw));
  return Value(raw);
}

bool holds(const Point& point, const Value& seen, const Value& wanted) {
  if (seen == wanted) return true;
  const auto* a = std::get_if<double>(&seen);
  const auto* b = std::get_if<double>(&wanted);
  if (a == nullptr || b == nullptr) return false;
  const double precision = point.type == Type::float32 ? 1e-6 : 1e-12;
  return std::fabs(*a - *b) <= precision * std::fmax(std::fabs(*a), std::fabs(*b));
}

bool is_rounded(const Point& point, const Value& seen, const Value& wanted) {
  double a = 0;
  double b = 0;
  if (!is_scaled(point) || !dmi::to_number(seen, a) || !dmi::to_number(wanted, b)) return false;
  return std::fabs(a - b) <= std::fabs(point.scale) * (0.5 + 1e-9);
}

}  // namespace mapper
