// Read-only view of a protocol's or visitor's JSON object. Every error carries the path and the
// limit it broke: "boiler.properties.temp.visitors.configData.offset: 70000 is above 65535".
// Copies share the document. Any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.hpp"
#include "dmi/json.hpp"

namespace dmi {

class Config {
 public:
  Config() : Config(Json::object(), "") {}
  // object: a JSON object (anything else counts as an empty one). path: where it stands, for
  // errors.
  Config(Json object, std::string path);
  // The same without a copy: object is shared, not null, and not changed by anybody.
  Config(std::shared_ptr<const Json> object, std::string path);

  const std::string& path() const { return path_; }
  const Json& json() const { return *object_; }
  bool has(std::string_view key) const;  // present and not null

  // The value of key; fallback when it is absent or null. Keys are compared exactly.
  // invalid: another type. A whole number may be written 5, 5.0 or "5" — DMI carries every JSON
  // number as float32, and users write their numbers quoted. out_of_range: outside [low, high].
  base::Result<std::int64_t> integer(std::string_view key, std::int64_t fallback, std::int64_t low,
                                     std::int64_t high) const;
  base::Result<double> number(std::string_view key, double fallback) const;  // finite
  base::Result<bool> boolean(std::string_view key, bool fallback) const;  // true/false, "true"…
  base::Result<std::string> text(std::string_view key, std::string_view fallback) const;
  // One of words (exact); the position in words. fallback: absent.
  base::Result<std::size_t> choice(std::string_view key, std::size_t fallback,
                                   std::initializer_list<std::string_view> words) const;
  // As above, and invalid when the key is absent.
  base::Result<std::int64_t> need_integer(std::string_view key, std::int64_t low,
                                          std::int64_t high) const;
  base::Result<std::string> need_text(std::string_view key) const;
  // An inner object; empty when absent. A string that holds a JSON object counts as that object:
  // DMI cannot carry nested settings in any other way.
  base::Result<Config> object(std::string_view key) const;

  // invalid, naming the first key that is none of these: a misspelt key must not pass unseen.
  base::Status only(std::initializer_list<std::string_view> known) const;

 private:
  const Json* find(std::string_view key) const;
  base::Status wrong(std::string_view key, std::string_view what) const;

  std::shared_ptr<const Json> object_;
  std::string path_;
};

}  // namespace dmi
