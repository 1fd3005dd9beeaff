// How far the sequence numbers of each consumer may have been given, in a small file of its own
// beside the database, so that a database that is lost does not take them with it. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/status.hpp"

namespace devicetwin::outbox {

class Ceilings {
 public:
  // Numbers taken at once: the file is written once per so many records.
  static constexpr std::uint64_t block = 1'000'000;

  explicit Ceilings(std::filesystem::path file);
  // 0: none was ever given, as far as is known.
  std::uint64_t of(const std::string& consumer) const;
  // Whether the file was there and made sense.
  bool known() const { return known_; }
  // Makes sure, on disk, that numbers below next are covered.
  base::Status cover(const std::string& consumer, std::uint64_t next);

 private:
  std::filesystem::path file_;
  std::map<std::string, std::uint64_t> ceilings_;
  bool known_ = false;
};

}  // namespace devicetwin::outbox
