#include "local.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace mapper {

using base::cat;

namespace {

std::string metadata(const dmi::TwinValue& value, const std::string& key) {
  const auto found = value.metadata.find(key);
  return found == value.metadata.end() ? "" : found->second;
}

}  // namespace

Local::Local(base::Loop& loop, Opener open, Settings settings, Objects objects, std::FILE* out,
             std::function<void(int)> finished)
    : loop_(loop),
      settings_(std::move(settings)),
      out_(out),
      finished_(std::move(finished)),
      context_{loop,
               std::move(open),
               settings_.protocol,
               repeats_,
               [this](Session& session) { news(session); },
               false,
               settings_.ledger},
      timer_(loop),
      fleet_(context_) {
  context_.longest_retry = settings_.longest_retry;
  for (dmi::DeviceModel& model : objects.models) {
    for (const dmi::ModelProperty& property : model.properties) {
      table_.widen("", "", property.unit);
    }
    fleet_.put(std::move(model));
  }
  for (const dmi::Device& device : objects.devices) {
    for (const dmi::DeviceProperty& property : device.properties) {
      table_.widen(device.id.to_string(), property.name, "");
    }
  }
  table_.head(out_);
  for (dmi::Device& device : objects.devices) {
    if (settings_.once) {
      for (dmi::DeviceProperty& property : device.properties) property.desired.reset();
    }
    const base::Status refused = fleet_.put(std::move(device));
    if (!refused.ok()) base::log_error(refused.text());
  }
  if (settings_.once) {
    timer_.start(patience, [this] { timed_out(); });
    finish_when_done();
  }
}

void Local::news(Session& session) {
  if (settings_.once) return print_once(session);
  session.take_state();
  print(session, session.take_report());
}

void Local::print(const Session& session, const dmi::DeviceReport& report) {
  for (const dmi::TwinReport& twin : report.twins) {
    if (!twin.reported) continue;
    std::int64_t ms = 0;
    base::parse_int(metadata(*twin.reported, "timestamp"), ms);
    const auto& points = session.target().points;
    const auto point = std::find_if(points.begin(), points.end(), [&](const Point& candidate) {
      return candidate.name == twin.property;
    });
    const std::string code = metadata(*twin.reported, "status");
    table_.row(
        out_, shown_time(base::from_ms(ms)), session.id().to_string(), twin.property,
        twin.reported->value.empty() && !code.empty() ? "-" : shown_value(twin.reported->value),
        point == points.end() ? "" : point->unit,
        code.empty() ? "ok" : cat(code, ": ", metadata(*twin.reported, "reason")));
    failed_ = failed_ || !code.empty();
  }
  std::fflush(out_);
}

// A device is printed once every point has spoken.
void Local::print_once(Session& session) {
  const dmi::Twin& twin = session.twin();
  for (std::size_t point = 0; point < twin.size(); ++point) {
    if (!twin.is_reported(point)) return;
  }
  if (std::find(printed_.begin(), printed_.end(), &session) != printed_.end()) return;
  printed_.push_back(&session);
  print(session, session.full_report());
  finish_when_done();
}

void Local::timed_out() {
  failed_ = true;
  for (const auto& [id, session] : fleet_.sessions()) {
    if (std::find(printed_.begin(), printed_.end(), session.get()) != printed_.end()) continue;
    print(*session, session->full_report());
    const auto seconds = std::chrono::seconds(patience).count();
    for (std::size_t point = 0; point < session->twin().size(); ++point) {
      if (session->twin().is_reported(point)) continue;
      table_.row(out_, shown_time(loop_.wall()), id.to_string(),
                 session->target().points[point].name, "-", "",
                 cat("timeout: no sample within ", seconds, " s"));
    }
  }
  std::fflush(out_);
  finished_(1);
}

// The last device may be done while the constructor still adds: it asks again.
void Local::finish_when_done() {
  std::size_t open = 0;
  for (const auto& [id, session] : fleet_.sessions()) open += session->twin().size() == 0 ? 0 : 1;
  if (printed_.size() < open || !timer_.running()) return;
  timer_.stop();
  finished_(failed_ ? 1 : 0);
}

}  // namespace mapper
