#include "tools/guess.hpp"

#include <array>
#include <cmath>
#include <cstdio>

#include "base/text.hpp"
#include "dmi/value.hpp"
#include "modbus/codec.hpp"
#include "modbus/place.hpp"

namespace modbus_tools {

using base::cat;
using base::Result;
using dmi::Json;

namespace {

struct Kind {
  const char* data;
  std::uint16_t words;
  bool is_float;
};
constexpr std::array<Kind, 8> kinds = {{{"int16", 1, false},
                                        {"uint16", 1, false},
                                        {"float32", 2, true},
                                        {"int32", 2, false},
                                        {"uint32", 2, false},
                                        {"float64", 4, true},
                                        {"int64", 4, false},
                                        {"uint64", 4, false}}};
constexpr std::array<double, 4> scales = {1, 0.1, 0.01, 0.001};

const char* order_of(const Kind& kind, bool swap_bytes, bool swap_words) {
  if (kind.words == 1) return swap_bytes ? "BA" : "AB";
  if (kind.words == 2) {
    return swap_words ? (swap_bytes ? "DCBA" : "CDAB") : (swap_bytes ? "BADC" : "ABCD");
  }
  return swap_words ? (swap_bytes ? "HGFEDCBA" : "GHEFCDAB")
                    : (swap_bytes ? "BADCFEHG" : "ABCDEFGH");
}

mapper::Point point_of(modbus::Table table, std::uint16_t offset, const Kind& kind, bool swap_bytes,
                       bool swap_words) {
  Json visitor = {{"register", table == modbus::Table::input ? "InputRegister" : "HoldingRegister"},
                  {"offset", offset},
                  {"dataType", kind.data}};
  if (swap_bytes) visitor["isSwap"] = true;
  if (swap_words) visitor["isRegisterSwap"] = true;
  mapper::Point point;
  point.name = "value";
  point.type = kind.is_float ? dmi::Type::float64 : dmi::Type::integer;
  point.visitor = dmi::Config(std::move(visitor), "guess");
  return point;
}

std::string visitor_text(const mapper::Point& point, double scale) {
  const Json& visitor = point.visitor.json();
  std::string text = cat("{register: ", visitor["register"].get<std::string>(),
                         ", offset: ", visitor["offset"].get<int>(),
                         ", dataType: ", visitor["dataType"].get<std::string>());
  if (visitor.contains("isSwap")) text += ", isSwap: true";
  if (visitor.contains("isRegisterSwap")) text += ", isRegisterSwap: true";
  if (scale != 1) text += cat(", scale: ", scale);
  return text + "}";
}

bool is_usual_float(double value) {
  return value == 0 || (std::fabs(value) >= 1e-6 && std::fabs(value) <= 1e9);
}

Guess guess_one(const mapper::Point& point, const Kind& kind, modbus::Bytes payload,
                std::size_t index, const Plausible& plausible) {
  Guess guess;
  guess.data = kind.data;
  const Result<modbus::Place> place = modbus::parse_place(point);
  const Result<dmi::Value> value =
      place ? modbus::decode(*place, payload, index) : Result<dmi::Value>(place.status());
  double number = 0;
  if (value && dmi::to_number(*value, number)) {
    // Wrong guesses are often absurd floats: eight digits and an exponent are enough to see that.
    std::array<char, 32> digits{};
    std::snprintf(digits.data(), digits.size(), "%.8g", number);
    guess.value = kind.is_float ? digits.data() : dmi::to_text(*value, point.type);
    if (!plausible.says_something()) {
      guess.plausible = kind.is_float && is_usual_float(number);
    }
    for (const double scale : scales) {
      if (guess.plausible || !plausible.says_something()) break;
      if (scale != 1 && kind.is_float) break;
      guess.plausible = plausible.holds(number * scale);
      if (guess.plausible) guess.scale = scale;
    }
  }
  guess.visitor = visitor_text(point, guess.scale);
  return guess;
}

}  // namespace

bool Plausible::holds(double value) const {
  for (const double wanted : expected) {
    if (std::fabs(value - wanted) <= 0.01 * std::fabs(wanted)) return true;
  }
  if (!low && !high) return false;
  return (!low || value >= *low) && (!high || value <= *high);
}

std::vector<Guess> guesses(modbus::Table table, std::uint16_t first,
                           std::span<const std::uint16_t> words, const Plausible& plausible) {
  std::vector<std::uint8_t> payload;
  for (const std::uint16_t word : words) {
    payload.push_back(static_cast<std::uint8_t>(word >> 8));
    payload.push_back(static_cast<std::uint8_t>(word & 0xff));
  }
  std::vector<Guess> all;
  for (std::size_t index = 0; index < words.size(); ++index) {
    const auto offset = static_cast<std::uint16_t>(first + index);
    for (const Kind& kind : kinds) {
      if (index + kind.words > words.size()) continue;
      for (const bool swap_words : {false, true}) {
        if (swap_words && kind.words == 1) continue;
        for (const bool swap_bytes : {false, true}) {
          const mapper::Point point = point_of(table, offset, kind, swap_bytes, swap_words);
          Guess guess = guess_one(point, kind, payload, index, plausible);
          guess.offset = offset;
          guess.order = order_of(kind, swap_bytes, swap_words);
          all.push_back(std::move(guess));
        }
      }
    }
  }
  return all;
}

}  // namespace modbus_tools
