// The SQLite file of the history: series, their samples, and how these go again. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/status.hpp"
#include "devicetwin/history_reader.hpp"
#include "dmi/history_rule.hpp"

namespace devicetwin {

// A change on its way to the file.
struct NewSample {
  dmi::ObjectId device;
  std::string property;
  dmi::HistoryRule rule;
  HistorySample sample;

  std::size_t bytes() const {
    return sizeof *this + property.size() + sample.value.size() + sample.quality.text().size();
  }
};

class HistoryFile {
 public:
  static constexpr int schema_version = 1;
  // Samples that leave the file in one transaction, so that a query waits for no more.
  static constexpr int prune_step = 4096;
  static constexpr std::int64_t never_ms = std::numeric_limits<std::int64_t>::max();

  // A damaged file is moved aside as FILE.damaged-SECONDS, said loudly, and an empty one takes its
  // place. unsupported: a newer schema; unavailable: anything else.
  static base::Result<std::unique_ptr<HistoryFile>> open(const std::filesystem::path& file,
                                                         std::uint64_t quota_bytes);
  ~HistoryFile();
  // Moves a damaged file, which nobody has open, aside as open() does. why: for the log.
  static base::Status replace(const std::filesystem::path& file, const base::Status& why);

  // One transaction, all or nothing: the devices go, then the samples come.
  // malformed: the file is damaged: destroy this, and replace() it.
  base::Status write(const std::set<dmi::ObjectId>& gone, const std::deque<NewSample>& samples);
  // Forgets devices that keep() does not name.
  base::Status retain(const std::set<dmi::ObjectId>& devices);
  // The latest time at which no sample is over its age; never_ms: there is none that could be.
  base::Result<std::int64_t> nothing_over_ms();
  // Removes what is over age at now_ms (nullopt: nothing is) or over quota, in steps. true: there
  // is more to remove. A sample whose time of arrival nobody knew (0), or that lies ahead, goes
  // with the first one after it that is over age.
  base::Result<bool> prune(std::optional<std::int64_t> now_ms);
  // Samples that were there at the start are counted in steps; till then no rule of count is kept.
  // true: there is more to count.
  base::Result<bool> count_some();
  // Brings what is written to safety from a loss of power.
  base::Status sync();

  // not_found: no sample of the property was ever here, or all are gone.
  base::Result<HistoryPage> read(const HistoryQuery& query, std::int64_t now_ms);

  std::uint64_t removed() const;  // since open()
  std::uint64_t series() const;
  std::uint64_t bytes() const;

 private:
  struct Impl;
  explicit HistoryFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The place in a series that a continue token names.
struct HistoryPlace {
  bool newest_first = false;
  std::int64_t time_ms = 0;
  std::int64_t sequence = 0;
  std::string to_token() const;
  static base::Result<HistoryPlace> of(std::string_view token);
};

}  // namespace devicetwin
