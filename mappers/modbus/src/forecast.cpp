#include "modbus/forecast.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "modbus/driver.hpp"
#include "modbus/layout.hpp"

namespace modbus {

using base::Result;
using base::Status;
using mapper::Reading;
using mapper::Target;

namespace {

std::size_t value_bytes(const Range& range) {
  return is_bits(range.table) ? (range.count + 7u) / 8u : std::size_t{range.count} * 2;
}

std::chrono::microseconds rounded(std::chrono::nanoseconds time) {
  return std::chrono::round<std::chrono::microseconds>(time);
}

// Addresses of range that are in none of wanted, which are sorted by address.
std::uint16_t filled(const Range& range, std::span<const Range> wanted) {
  std::uint32_t unasked = 0;
  std::uint32_t end = range.first;
  for (const Range& one : wanted) {
    if (one.first > end) unasked += one.first - end;
    end = std::max(end, one.end());
  }
  return static_cast<std::uint16_t>(unasked);
}

Split why_apart(const Range& one, const Range& next, const Limits& limits) {
  if (one.table != next.table) return Split::table;
  const std::uint32_t gap = next.first > one.end() ? next.first - one.end() : 0;
  const Range between{one.table, static_cast<std::uint16_t>(one.end() - 1),
                      static_cast<std::uint16_t>(gap + 2)};
  if (std::ranges::any_of(limits.forbidden, [&](const Range& f) { return overlap(f, between); })) {
    return Split::forbidden;
  }
  const std::uint32_t longest = limits.longest(one.table);
  if (gap >= longest) return Split::limit;
  if (gap > (is_bits(one.table) ? 16u * limits.max_gap : limits.max_gap)) return Split::gap_cap;
  const std::size_t bytes = is_bits(one.table) ? gap / 8 : std::size_t{gap} * 2;
  if (limits.cost.byte * static_cast<std::int64_t>(bytes) > limits.cost.request) {
    return Split::gap_cost;
  }
  return std::max(one.end(), next.end()) - one.first > longest ? Split::limit : Split::gap_cost;
}

class Forecaster {
 public:
  Forecaster(const Target& target, const Settings& settings)
      : target_(target), settings_(settings), layout_(make_layout(target, settings)) {}

  ForecastCycle cycle_of(std::chrono::milliseconds cycle) {
    ForecastCycle made;
    made.cycle = cycle;
    std::vector<Reading> batch;
    for (const mapper::Point& point : target_.points) {
      if (point.cycle == cycle) batch.push_back({point, std::nullopt});
    }
    const CyclePlan planned = layout_.make(batch, {}, {});
    std::chrono::nanoseconds total{0};
    for (const Request& request : planned.plan.requests) {
      made.requests.push_back(explain(batch, planned, request));
      made.points += made.requests.back().points.size();
      made.bytes_out += made.requests.back().bytes_out;
      made.bytes_in += made.requests.back().bytes_in;
      total += layout_.limits().cost.of(request.range);
    }
    for (std::size_t i = 0; i + 1 < made.requests.size(); ++i) {
      made.requests[i].split =
          why_apart(made.requests[i].range, made.requests[i + 1].range, layout_.limits());
    }
    made.time = rounded(total);
    made.utilisation_pct = 100.0 * std::chrono::duration<double>(total).count() /
                           std::chrono::duration<double>(cycle).count();
    return made;
  }

  std::vector<Status> mistakes() const {
    std::vector<Status> mistakes;
    for (const Result<Place>& place : layout_.places()) {
      if (!place) mistakes.push_back(place.status());
    }
    return mistakes;
  }

 private:
  ForecastRequest explain(std::span<const Reading> batch, const CyclePlan& planned,
                          const Request& request) const {
    ForecastRequest made;
    made.range = request.range;
    std::set<std::string> pins;
    std::vector<std::pair<Range, std::string>> points;
    for (const std::uint32_t at : planned.plan.members_of(request)) {
      const Place& place = *layout_.place(planned.due[at]);
      points.emplace_back(place.hull, batch[at].point.name);
      if (!place.pin.empty()) pins.insert(place.pin);
    }
    std::ranges::stable_sort(points, {}, [](const auto& one) { return one.first.first; });
    std::vector<Range> wanted;
    for (auto& [range, name] : points) {
      wanted.push_back(range);
      made.points.push_back(std::move(name));
    }
    made.pins.assign(pins.begin(), pins.end());
    made.filled = filled(request.range, wanted);
    made.bytes_out = frame_bytes(settings_.endpoint.framing, 5);
    made.bytes_in = frame_bytes(settings_.endpoint.framing, 2 + value_bytes(request.range));
    made.time = rounded(layout_.limits().cost.of(request.range));
    return made;
  }

  const Target& target_;
  const Settings& settings_;
  Layout layout_;
};

}  // namespace

std::string_view text(Split split) {
  switch (split) {
    case Split::last:
      return "the last one";
    case Split::table:
      return "the next one is in another table";
    case Split::limit:
      return "the limit of one request";
    case Split::forbidden:
      return "a forbidden range comes next";
    case Split::gap_cap:
      return "the gap is wider than maxGap";
    case Split::gap_cost:
      break;
  }
  return "the gap costs more than a request";
}

Result<Forecast> forecast(const Target& target) {
  Result<Settings> settings = parse_settings(target.protocol);
  if (!settings) return settings.status();
  Forecast made;
  made.settings = std::move(*settings);
  made.endpoint = made.settings.endpoint.to_string();
  Forecaster forecaster(target, made.settings);
  made.mistakes = forecaster.mistakes();
  std::set<std::chrono::milliseconds> cycles;
  for (const mapper::Point& point : target.points) cycles.insert(point.cycle);
  for (const std::chrono::milliseconds cycle : cycles) {
    made.cycles.push_back(forecaster.cycle_of(cycle));
    made.utilisation_pct += made.cycles.back().utilisation_pct;
  }
  return made;
}

}  // namespace modbus
