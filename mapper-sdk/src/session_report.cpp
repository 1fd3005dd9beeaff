// What a session tells of its points, in the words of DMI.
#include <algorithm>

#include "base/text.hpp"
#include "session.hpp"

namespace mapper {

namespace {

// Reasons travel in metadata of every bad point; a peer's essay is cut.
constexpr std::size_t max_reason_bytes = 512;

dmi::TwinValue twin_value(const Point& point, const std::optional<dmi::Value>& value,
                          const base::Status& status) {
  dmi::TwinValue out;
  if (value) out.value = dmi::to_text(*value, point.type);
  out.metadata.emplace("type", dmi::metadata_name(point.type));
  if (status.ok()) return out;
  out.metadata.emplace("status", base::name(status.code()));
  out.metadata.emplace("reason", base::cut(status.text(), max_reason_bytes));
  return out;
}

}  // namespace

// A bad sample without value is an empty text with a reason: never the old number
// (docs/decisions/0002).
dmi::TwinReport Session::twin_report(std::size_t index) const {
  const Point& point = target_->points[index];
  dmi::TwinReport report{point.name, {}, {}};
  if (twin_.desired(index) || twin_.observed(index)) {
    report.observed = twin_value(point, twin_.observed(index), twin_.refusal(index));
  }
  if (const std::optional<dmi::Sample> sample = twin_.reported(index)) {
    report.reported = twin_value(point, sample->value, sample->status);
    report.reported->metadata.emplace("timestamp", base::cat(base::to_ms(sample->time)));
  }
  return report;
}

dmi::DeviceReport Session::take_report() {
  std::vector<std::size_t> points = twin_.untold();
  if (!untold_.empty()) {
    std::vector<std::size_t> all;
    std::set_union(points.begin(), points.end(), untold_.begin(), untold_.end(),
                   std::back_inserter(all));
    points.swap(all);
    untold_.clear();
  }
  dmi::DeviceReport report{id_, {}};
  report.twins.reserve(points.size());
  for (const std::size_t point : points) {
    report.twins.push_back(twin_report(point));
    twin_.told(point, context_.loop.now());
  }
  taken_ = std::move(points);
  has_untold_ = false;
  note_first();
  return report;
}

std::string Session::take_state() {
  if (state_ == told_state_) return "";
  told_state_ = state_;
  return state_;
}

void Session::untell(const std::vector<std::size_t>& points) {
  if (points.empty()) return;
  std::vector<std::size_t> all;
  std::set_union(points.begin(), points.end(), untold_.begin(), untold_.end(),
                 std::back_inserter(all));
  untold_.swap(all);
  has_untold_ = true;
}

void Session::untell_report() {
  untell(taken_);
  taken_.clear();
  first_.clear();
}

// When it is taken, not when it has arrived: by then a point of which only the observed value was
// told may have one to report.
void Session::note_first() {
  first_.clear();
  if (!context_.loses_first) return;
  for (const std::size_t point : taken_) {
    const bool known = point < told_once_.size() && told_once_[point];
    if (!known && twin_.is_reported(point)) first_.push_back(point);
  }
}

void Session::first_told() {
  if (first_.empty()) return;
  told_once_.resize(twin_.size());
  for (const std::size_t point : first_) told_once_[point] = true;
  untell(first_);
  first_.clear();
}

void Session::forget_told() {
  taken_.clear();
  untold_.clear();
  first_.clear();
  told_once_.clear();
}

void Session::retell() {
  first_.clear();
  told_once_.clear();
  twin_.retell();
  has_untold_ = has_untold_ || !twin_.untold().empty();
  if (state_ != "unknown") told_state_.clear();
}

dmi::DeviceReport Session::full_report() const {
  dmi::DeviceReport report{id_, {}};
  report.twins.reserve(twin_.size());
  for (std::size_t point = 0; point < twin_.size(); ++point) {
    report.twins.push_back(twin_report(point));
  }
  return report;
}

}  // namespace mapper
