// Writing a feature: what a value means for its kind, and whether the camera allows it now.
#include <cmath>
#include <limits>
#include <optional>

#include "base/number.hpp"
#include "base/text.hpp"
#include "feature_node.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Value;

namespace {

// Of one type with the value, so that integers are compared to their last bit.
template <class Number>
struct Limits {
  std::optional<Number> minimum;
  std::optional<Number> maximum;
  std::optional<Number> increment;  // of integers
  std::string unit;
};

std::string quoted(std::int64_t value) { return cat(value); }
std::string quoted(double value) { return dmi::to_text(value, dmi::Type::float64); }

template <class Number>
std::string bounds(const Limits<Number>& limits) {
  const auto one = [](const std::optional<Number>& value) { return value ? quoted(*value) : "…"; };
  return cat("; the camera allows ", one(limits.minimum), "..", one(limits.maximum),
             limits.unit.empty() ? "" : " ", limits.unit, " now");
}

template <class Number>
Status within(std::string_view name, Number number, const Limits<Number>& limits) {
  const auto refuse = [&](std::string_view how, Number bound) {
    return Status(Code::out_of_range,
                  cat(name, ": ", quoted(number), " is ", how, " ", quoted(bound), bounds(limits)));
  };
  if (limits.minimum && number < *limits.minimum) return refuse("below", *limits.minimum);
  if (limits.maximum && number > *limits.maximum) return refuse("above", *limits.maximum);
  return Status();
}

Status in_steps(std::string_view name, std::int64_t number, const Limits<std::int64_t>& limits) {
  if (!limits.increment || *limits.increment <= 1) return Status();
  // The difference fits unsigned: number is not below the minimum.
  const std::int64_t from = limits.minimum.value_or(0);
  const bool fits = number >= from
                        ? (static_cast<std::uint64_t>(number) - static_cast<std::uint64_t>(from)) %
                                  static_cast<std::uint64_t>(*limits.increment) ==
                              0
                        : number % *limits.increment == 0;
  if (fits) return Status();
  return Status(Code::out_of_range,
                cat(name, ": ", quoted(number), " is not in steps of ", quoted(*limits.increment),
                    " from ", quoted(from), bounds(limits)));
}

// A limit; nothing where the description gives none that can be evaluated. What the camera leaves
// unanswered goes to silent: a write whose limits are not known is not sent.
template <class Number, class Node>
std::optional<Number> ask(Number (*call)(Node*, GError**), Node* node, Status& silent) {
  Error error;
  const Number value = call(node, error.out());
  if (!error) return value;
  if (error.code() != Code::refused && silent.ok()) silent = Status(error.code(), error.text());
  return std::nullopt;
}

Result<std::int64_t> whole_of(std::string_view name, const Value& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  double number = 0;
  if (const auto* text = std::get_if<std::string>(&value)) {
    const Result<Value> parsed = dmi::parse_value(*text, dmi::Type::integer);
    if (!parsed) return Status(parsed.status().code(), cat(name, ": ", parsed.status().text()));
    return std::get<std::int64_t>(*parsed);
  }
  if (!dmi::to_number(value, number)) return Status(Code::invalid, cat(name, " is a number"));
  if (!std::isfinite(number) || number != std::floor(number)) {
    return Status(Code::invalid, cat(name, ": ", quoted(number), " is not whole"));
  }
  std::int64_t whole = 0;
  if (!base::to_whole(number, whole)) {
    return Status(Code::out_of_range, cat(name, ": ", quoted(number), " is beyond 64 bits"));
  }
  return whole;
}

Result<double> number_of(std::string_view name, const Value& value) {
  double number = 0;
  if (const auto* text = std::get_if<std::string>(&value)) {
    const Result<Value> parsed = dmi::parse_value(*text, dmi::Type::float64);
    if (!parsed) return Status(parsed.status().code(), cat(name, ": ", parsed.status().text()));
    return std::get<double>(*parsed);
  }
  if (!dmi::to_number(value, number)) return Status(Code::invalid, cat(name, " is a number"));
  // No limit would hold back what compares with nothing.
  if (!std::isfinite(number)) {
    return Status(Code::invalid, cat(name, ": ", quoted(number), " is no finite number"));
  }
  return number;
}

Result<Value> write_integer(ArvGcInteger* node, std::string_view name, const Value& value) {
  const Result<std::int64_t> number = whole_of(name, value);
  if (!number) return number.status();
  Status silent;
  Limits<std::int64_t> limits;
  limits.minimum = ask<std::int64_t>(arv_gc_integer_get_min, node, silent);
  limits.maximum = ask<std::int64_t>(arv_gc_integer_get_max, node, silent);
  limits.increment = ask<std::int64_t>(arv_gc_integer_get_inc, node, silent);
  // The type's own ends are no limits of the camera's.
  if (limits.minimum == std::numeric_limits<std::int64_t>::min()) limits.minimum.reset();
  if (limits.maximum == std::numeric_limits<std::int64_t>::max()) limits.maximum.reset();
  limits.unit = text_of(arv_gc_integer_get_unit(node));
  if (!silent.ok()) return Status(silent.code(), cat(name, ": ", silent.text()));
  if (Status failed = within(name, *number, limits); !failed.ok()) return failed;
  if (Status failed = in_steps(name, *number, limits); !failed.ok()) return failed;
  Error error;
  arv_gc_integer_set_value(node, *number, error.out());
  if (error) return wrong(name, error);
  return Value(*number);
}

Result<Value> write_float(ArvGcFloat* node, std::string_view name, const Value& value) {
  const Result<double> number = number_of(name, value);
  if (!number) return number.status();
  Status silent;
  Limits<double> limits;
  limits.minimum = ask<double>(arv_gc_float_get_min, node, silent);
  limits.maximum = ask<double>(arv_gc_float_get_max, node, silent);
  limits.unit = text_of(arv_gc_float_get_unit(node));
  if (!silent.ok()) return Status(silent.code(), cat(name, ": ", silent.text()));
  if (Status failed = within(name, *number, limits); !failed.ok()) return failed;
  Error error;
  arv_gc_float_set_value(node, *number, error.out());
  if (error) return wrong(name, error);
  return Value(*number);
}

Result<Value> write_boolean(ArvGcBoolean* node, std::string_view name, const Value& value) {
  const Result<Value> flag =
      std::holds_alternative<std::string>(value)
          ? dmi::parse_value(std::get<std::string>(value), dmi::Type::boolean)
          : Result<Value>(value);
  double number = 0;
  if (!flag || !dmi::to_number(*flag, number) || (number != 0 && number != 1)) {
    return Status(Code::invalid, cat(name, " is true or false"));
  }
  Error error;
  arv_gc_boolean_set_value(node, number != 0, error.out());
  if (error) return wrong(name, error);
  return Value(number != 0);
}

// The position of the entry that value means: its name, in any case when that is clear, or number.
std::optional<std::size_t> entry_of(const Entries& entries, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text != nullptr) {
    for (std::size_t i = 0; i < entries.names.size(); ++i) {
      if (entries.names[i] == *text) return i;
    }
    for (std::size_t i = 0; i < entries.names.size(); ++i) {
      if (base::lower(entries.names[i]) == base::lower(*text)) return i;
    }
  }
  if (std::holds_alternative<bool>(value)) return std::nullopt;
  const Result<std::int64_t> number = whole_of("", value);
  for (std::size_t i = 0; number && i < entries.numbers.size(); ++i) {
    if (entries.numbers[i] == *number) return i;
  }
  return std::nullopt;
}

Result<Value> write_enumeration(ArvGcEnumeration* node, std::string_view name, const Value& value) {
  Error error;
  const Entries entries = entries_of(node, error);
  if (error) return wrong(name, error);
  const std::optional<std::size_t> entry = entry_of(entries, value);
  if (!entry) {
    std::string all;
    for (const std::string& each : entries.names) all += (all.empty() ? "" : ", ") + each;
    return Status(Code::invalid,
                  cat(name, ": \"", base::cut(dmi::to_text(value, dmi::Type::float64), 40),
                      "\" is none of the camera's entries: ", all));
  }
  arv_gc_enumeration_set_string_value(node, entries.names[*entry].c_str(), error.out());
  if (error) return wrong(name, error);
  return Value(entries.names[*entry]);
}

Result<Value> write_string(ArvGcString* node, std::string_view name, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return Status(Code::invalid, cat(name, " is a text"));
  if (text->find('\0') != text->npos) {
    return Status(Code::invalid, cat(name, ": a text for a camera has no zero byte"));
  }
  Status silent;
  const auto longest = ask<std::int64_t>(arv_gc_string_get_max_length, node, silent);
  if (!silent.ok()) return Status(silent.code(), cat(name, ": ", silent.text()));
  if (longest && *longest > 0 && text->size() > static_cast<std::uint64_t>(*longest)) {
    return Status(Code::out_of_range, cat(name, ": ", text->size(), " bytes are above ", *longest,
                                          ", the camera's longest text"));
  }
  Error error;
  arv_gc_string_set_value(node, text->c_str(), error.out());
  if (error) return wrong(name, error);
  return value;
}

// Yields what the camera should say from now on.
Result<Value> write_kind(ArvGcFeatureNode* node, Kind kind, std::string_view name,
                         const Value& value) {
  switch (kind) {
    case Kind::integer:
      return write_integer(ARV_GC_INTEGER(node), name, value);
    case Kind::floating:
      return write_float(ARV_GC_FLOAT(node), name, value);
    case Kind::boolean:
      return write_boolean(ARV_GC_BOOLEAN(node), name, value);
    case Kind::enumeration:
      return write_enumeration(ARV_GC_ENUMERATION(node), name, value);
    case Kind::string:
      return write_string(ARV_GC_STRING(node), name, value);
    case Kind::command: {
      Error error;
      arv_gc_command_execute(ARV_GC_COMMAND(node), error.out());
      if (error) return wrong(name, error);
      return value;
    }
    case Kind::bytes:
      break;
  }
  return Status(Code::unsupported, cat(name, ": bytes of a register are not written"));
}

// Whether a value that is what it was before can only mean that the write was ignored. Not of a
// float, which may have been rounded to what it was, nor of a boolean, which may have fallen back
// by itself, as "Once" does among entries.
bool keeps(Kind kind) {
  return kind == Kind::integer || kind == Kind::string || kind == Kind::enumeration;
}

}  // namespace

Status write_node(ArvGcFeatureNode* node, const Value& value) {
  const std::string name = text_of(arv_gc_feature_node_get_name(node));
  const Kind kind = kind_of(node);
  Error error;
  const bool watched = keeps(kind) && readable(access_of(node, kind, error));
  if (error) return wrong(name, error);
  std::optional<Value> before;
  if (watched) {
    // What cannot be read just now can still be written.
    if (const Result<Value> now = read_node(node, name)) before = *now;
  }
  const Result<Value> written = write_kind(node, kind, name, value);
  if (!written) return written.status();
  if (!before || *written == *before || *written == Value(std::string("Once"))) return Status();
  const Result<Value> after = read_node(node, name);
  // Written it was; a camera that falls silent now is told by the next question.
  if (!after || *after != *before) return Status();
  return Status(Code::refused,
                cat(name, ": the camera took ", dmi::to_text(*written, dmi::Type::float64),
                    " and is still ", dmi::to_text(*after, dmi::Type::float64)));
}

}  // namespace gige
