#include "dmi/value.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/number.hpp"
#include "base/text.hpp"

namespace dmi {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

struct Names {
  std::string_view crd;
  std::string_view metadata;
};
constexpr std::array<Names, 7> names = {{{"INT", "int"},
                                         {"FLOAT", "float"},
                                         {"DOUBLE", "double"},
                                         {"STRING", "string"},
                                         {"BOOLEAN", "boolean"},
                                         {"BYTES", "bytes"},
                                         {"STREAM", "stream"}}};

std::string quoted(std::string_view text) {
  return text.size() <= 40 ? cat('"', text, '"') : cat('"', base::cut(text, 40), "…\"");
}

Status not_a(std::string_view text, Type type) {
  return Status(Code::invalid, cat(quoted(text), " is not of type ", name(type)));
}

// Longest text: 5e-324 in fixed notation has 326 characters.
template <class Number>
std::string fixed_text(Number number) {
  std::array<char, 400> buffer;
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::fixed);
  return error == std::errc() ? std::string(buffer.data(), end) : std::string();
}

Result<Value> parse_integer(std::string_view text) {
  std::int64_t integer = 0;
  if (base::parse_int(text, integer)) return Value(integer);
  double number = 0;  // "1e3" and "5.0" are whole numbers; DMI peers write them
  if (!base::parse_double(text, number)) {
    const bool digits = !text.empty() && text.find_first_not_of("+-0123456789") == text.npos;
    if (!digits) return not_a(text, Type::integer);
    return Status(Code::out_of_range, cat(quoted(text), " is beyond a 64-bit integer"));
  }
  if (number != std::floor(number)) return not_a(text, Type::integer);
  if (!base::to_whole(number, integer)) {
    return Status(Code::out_of_range, cat(quoted(text), " is beyond a 64-bit integer"));
  }
  return Value(integer);
}

Result<Value> parse_float(std::string_view text, Type type) {
  const std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || end != digits.data() + digits.size()) return not_a(text, type);
  const bool small = type == Type::float32;
  if (error == std::errc() && small) {
    // Read as float: going through double would round twice.
    float single = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), single);
    if (read.ec == std::errc()) {
      number = static_cast<double>(single);
    } else if (std::fabs(number) < 1) {
      number = 0;  // below the smallest float
    } else {
      number = std::numeric_limits<double>::infinity();
    }
  }
  if (error != std::errc() || !std::isfinite(number)) {
    return Status(Code::out_of_range, cat(quoted(text), " is beyond ", name(type)));
  }
  return Value(number);
}

Result<Value> parse_boolean(std::string_view text) {
  const std::string word = base::lower(text);
  if (word == "true" || word == "1") return Value(true);
  if (word == "false" || word == "0") return Value(false);
  return not_a(text, Type::boolean);
}

}  // namespace

std::string_view name(Type type) { return names[static_cast<std::size_t>(type)].crd; }
std::string_view metadata_name(Type type) { return names[static_cast<std::size_t>(type)].metadata; }

Result<Type> type_of(std::string_view text) {
  const std::string word = base::lower(text);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (word == names[i].metadata) return static_cast<Type>(i);
  }
  if (word == "integer") return Type::integer;
  if (word == "bool") return Type::boolean;
  return Status(Code::invalid, cat("type ", quoted(text),
                                   " is none of INT, FLOAT, DOUBLE, STRING, "
                                   "BOOLEAN, BYTES, STREAM"));
}

std::string to_text(const Value& value, Type type) {
  struct Visitor {
    Type type;
    std::string operator()(bool yes) const { return yes ? "true" : "false"; }
    std::string operator()(std::int64_t integer) const { return cat(integer); }
    std::string operator()(double number) const {
      return type == Type::float32 ? fixed_text(static_cast<float>(number)) : fixed_text(number);
    }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const Bytes& bytes) const { return base::base64url(bytes); }
  };
  return std::visit(Visitor{type}, value);
}

Result<Value> parse_value(std::string_view text, Type type) {
  switch (type) {
    case Type::integer:
      return parse_integer(text);
    case Type::float32:
    case Type::float64:
      return parse_float(text, type);
    case Type::boolean:
      return parse_boolean(text);
    case Type::bytes: {
      Bytes bytes;
      if (!base::from_base64url(text, bytes)) return not_a(text, type);
      return Value(std::move(bytes));
    }
    case Type::string:
    case Type::stream:
      break;
  }
  return Value(std::string(text));
}

bool to_number(const Value& value, double& out) {
  if (const bool* yes = std::get_if<bool>(&value)) {
    out = *yes ? 1 : 0;
  } else if (const std::int64_t* integer = std::get_if<std::int64_t>(&value)) {
    out = static_cast<double>(*integer);
  } else if (const double* number = std::get_if<double>(&value)) {
    out = *number;
  } else {
    return false;
  }
  return true;
}

}  // namespace dmi
