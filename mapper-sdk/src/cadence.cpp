#include "cadence.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"

namespace mapper {

using base::cat;

void Cadence::skipped(const dmi::ObjectId& device, std::uint64_t cycles) {
  skips_ += cycles;
  of_minute_[device] += cycles;
  if (!timer_.running()) timer_.start(window, [this] { base::log_info(summary()); });
}

std::string Cadence::summary() {
  const auto minute = std::exchange(of_minute_, {});
  std::vector<std::pair<std::uint64_t, std::string>> worst;
  std::uint64_t all = 0;
  for (const auto& [device, cycles] : minute) {
    all += cycles;
    worst.emplace_back(cycles, device.to_string());
  }
  if (all == 0) return "";
  const std::size_t named = std::min(worst.size(), max_named);
  std::ranges::partial_sort(worst, worst.begin() + static_cast<std::ptrdiff_t>(named),
                            std::ranges::greater(), [](const auto& one) { return one.first; });
  std::string text = cat(all, " cycles skipped in the last minute:");
  for (std::size_t i = 0; i < named; ++i) {
    text += cat(i == 0 ? " " : ", ", worst[i].second, " ", worst[i].first);
  }
  if (worst.size() > named) text += cat(" and ", worst.size() - named, " more devices");
  return text;
}

std::vector<Reading> Batches::take() {
  if (spare_.empty()) return {};
  std::vector<Reading> batch = std::move(spare_.back());
  spare_.pop_back();
  return batch;
}

void Batches::give(std::vector<Reading> batch) {
  batch.clear();
  if (batch.capacity() != 0 && spare_.size() < max_spare) spare_.push_back(std::move(batch));
}

}  // namespace mapper
