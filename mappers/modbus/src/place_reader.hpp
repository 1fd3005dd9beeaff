// Reads a visitor's settings one after another and collects what is wrong with them, so that one
// implementation serves the driver (the first mistake) and lint (all). Confined to its caller.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "dmi/config.hpp"
#include "modbus/place.hpp"

namespace modbus {

class PlaceReader {
 public:
  explicit PlaceReader(const dmi::Config& config) : config_(config) {}

  bool has(std::string_view key) const { return config_.has(key); }
  const dmi::Config& config() const { return config_; }

  // The value of key, or fallback when it is absent or wrong.
  template <class T>
  T integer(std::string_view key, T fallback, std::int64_t low, std::int64_t high) {
    return static_cast<T>(take(config_.integer(key, static_cast<std::int64_t>(fallback), low, high),
                               static_cast<std::int64_t>(fallback)));
  }
  bool boolean(std::string_view key, bool fallback) {
    return take(config_.boolean(key, fallback), fallback);
  }
  std::string text(std::string_view key) { return take(config_.text(key, ""), std::string()); }
  template <class T>
  T choice(std::string_view key, T fallback, std::initializer_list<std::string_view> words) {
    const auto at = static_cast<std::size_t>(fallback);
    return static_cast<T>(take(config_.choice(key, at, words), at));
  }
  Table table(Table fallback, std::string_view key) {
    return choice(key, fallback,
                  {"CoilRegister", "DiscreteInputRegister", "HoldingRegister", "InputRegister"});
  }
  template <class T>
  T take(base::Result<T> read, T fallback) {
    if (read) return std::move(*read);
    fail(read.status());
    return fallback;
  }

  // A number outside its limits is a fault of the spec, like every other one: no retry helps.
  void fail(const base::Status& status) {
    mistakes_.emplace_back(base::Code::invalid, status.text());
  }
  void wrong(std::string_view key, std::string_view what) {
    mistakes_.emplace_back(base::Code::invalid, base::cat(config_.path(), ".", key, ": ", what));
  }
  // One mistake per key that is there although it means nothing here.
  void without(std::initializer_list<std::string_view> keys, std::string_view why) {
    for (const std::string_view key : keys) {
      if (has(key)) wrong(key, why);
    }
  }

  bool ok() const { return mistakes_.empty(); }
  std::size_t count() const { return mistakes_.size(); }
  std::vector<base::Status>& mistakes() { return mistakes_; }

 private:
  const dmi::Config& config_;
  std::vector<base::Status> mistakes_;
};

// The parts of a visitor, in the order they are read. Each fills its part of place and extra.
// dataType, limit, count, bit, bitCount.
void parse_data(PlaceReader& reader, Place& place, bool writable);
// labels, notAvailable, encoding, padding.
void parse_meaning(PlaceReader& reader, const Place& place, Extra& extra);
// The keys of WriteRule.
void parse_write_rule(PlaceReader& reader, const mapper::Point& point, const Place& place,
                      Extra& extra);

}  // namespace modbus
