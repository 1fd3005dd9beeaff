#include "dmi/config.hpp"

#include <algorithm>
#include <cmath>

#include "base/number.hpp"
#include "base/text.hpp"

namespace dmi {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

std::string shown(const Json& value) {
  const std::string text = to_text(value);
  return text.size() <= 40 ? text : cat(base::cut(text, 40), "…");
}

// A number that JSON, DMI's float32 or a user's quotes carry.
bool as_number(const Json& value, double& out) {
  if (value.is_number()) {
    out = value.get<double>();
    return std::isfinite(out);
  }
  return value.is_string() && base::parse_double(value.get_ref<const std::string&>(), out);
}

bool as_integer(const Json& value, std::int64_t& out) {
  if (value.is_number_integer()) return to_int64(value, out);
  if (value.is_string() && base::parse_int(value.get_ref<const std::string&>(), out)) return true;
  double number = 0;
  return as_number(value, number) && base::to_whole(number, out);
}

}  // namespace

Config::Config(Json object, std::string path)
    : object_(std::make_shared<const Json>(object.is_object() ? std::move(object)
                                                              : Json(Json::object()))),
      path_(std::move(path)) {}

Config::Config(std::shared_ptr<const Json> object, std::string path)
    : object_(std::move(object)), path_(std::move(path)) {
  if (!object_->is_object()) object_ = std::make_shared<const Json>(Json::object());
}

const Json* Config::find(std::string_view key) const {
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

bool Config::has(std::string_view key) const { return find(key) != nullptr; }

Status Config::wrong(std::string_view key, std::string_view what) const {
  return Status(Code::invalid, cat(path_, ".", key, ": ", what));
}

Result<std::int64_t> Config::integer(std::string_view key, std::int64_t fallback, std::int64_t low,
                                     std::int64_t high) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  std::int64_t number = 0;
  if (!as_integer(*value, number)) {
    return wrong(key, cat(shown(*value), " is not a whole number (", low, "..", high, ")"));
  }
  if (number < low) {
    return Status(Code::out_of_range, cat(path_, ".", key, ": ", number, " is below ", low));
  }
  if (number > high) {
    return Status(Code::out_of_range, cat(path_, ".", key, ": ", number, " is above ", high));
  }
  return number;
}

Result<double> Config::number(std::string_view key, double fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  double number = 0;
  if (!as_number(*value, number)) return wrong(key, cat(shown(*value), " is not a number"));
  return number;
}

Result<bool> Config::boolean(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  if (value->is_string()) {
    const std::string word = base::lower(value->get_ref<const std::string&>());
    if (word == "true") return true;
    if (word == "false") return false;
  }
  return wrong(key, cat(shown(*value), " is neither true nor false"));
}

Result<std::string> Config::text(std::string_view key, std::string_view fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) return wrong(key, cat(shown(*value), " is not a text"));
  return value->get<std::string>();
}

Result<std::size_t> Config::choice(std::string_view key, std::size_t fallback,
                                   std::initializer_list<std::string_view> words) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_string()) {
    const auto found = std::find(words.begin(), words.end(), value->get_ref<const std::string&>());
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  }
  std::string allowed;
  for (const std::string_view word : words) allowed += cat(allowed.empty() ? "" : ", ", word);
  return wrong(key, cat(shown(*value), " is none of ", allowed));
}

Result<std::int64_t> Config::need_integer(std::string_view key, std::int64_t low,
                                          std::int64_t high) const {
  if (!has(key)) return wrong(key, cat("missing (a whole number ", low, "..", high, ")"));
  return integer(key, 0, low, high);
}

Result<std::string> Config::need_text(std::string_view key) const {
  if (!has(key)) return wrong(key, "missing (a text)");
  return text(key, "");
}

Result<Config> Config::object(std::string_view key) const {
  const std::string path = cat(path_, ".", key);
  const Json* value = find(key);
  if (value == nullptr) return Config(Json::object(), path);
  if (value->is_object()) return Config(*value, path);
  if (value->is_string()) {
    Result<Json> inner = parse_json(value->get_ref<const std::string&>());
    if (inner && inner->is_object()) return Config(std::move(*inner), path);
  }
  return wrong(key, cat(shown(*value), " is not an object"));
}

Status Config::only(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, value] : object_->items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string allowed;
    for (const std::string_view word : known) allowed += cat(allowed.empty() ? "" : ", ", word);
    return wrong(key, cat("unknown key (known: ", allowed, ")"));
  }
  return Status();
}

}  // namespace dmi
