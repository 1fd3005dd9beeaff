#include "local.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace mapper {

using base::cat;

namespace {

// Seconds with milliseconds, UTC.
std::string shown_time(base::Time time) {
  const std::string seconds = base::to_rfc3339(time);
  const auto ms = base::to_ms(time) % 1000;
  return cat(seconds.substr(0, seconds.size() - 1), ".", ms < 100 ? "0" : "", ms < 10 ? "0" : "",
             ms, "Z");
}

// A table has one line a row.
std::string shown_value(std::string text) {
  constexpr std::size_t most = 60;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return text.size() > most ? text.substr(0, most) + "…" : text;
}

// printf counts bytes; this counts characters, as "°C" has two.
std::string padded(const std::string& text, std::size_t width, bool left = false) {
  const auto is_start = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  const auto characters =
      static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_start));
  const std::string gap(width > characters ? width - characters : 0, ' ');
  return left ? gap + text : text + gap;
}

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
               false},
      timer_(loop),
      fleet_(context_) {
  for (dmi::DeviceModel& model : objects.models) {
    for (const dmi::ModelProperty& property : model.properties) {
      unit_width_ = std::max(unit_width_, property.unit.size());
    }
    fleet_.put(std::move(model));
  }
  for (const dmi::Device& device : objects.devices) {
    device_width_ = std::max(device_width_, device.id.to_string().size());
    for (const dmi::DeviceProperty& property : device.properties) {
      property_width_ = std::max(property_width_, property.name.size());
    }
  }
  print_row("TIME", "DEVICE", "PROPERTY", "VALUE", "UNIT", "STATUS");
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
    print_row(
        shown_time(base::from_ms(ms)), session.device().id.to_string(), twin.property,
        twin.reported->value.empty() && !code.empty() ? "-" : shown_value(twin.reported->value),
        point == points.end() ? "" : point->unit,
        code.empty() ? "ok" : cat(code, ": ", metadata(*twin.reported, "reason")));
    failed_ = failed_ || !code.empty();
  }
  std::fflush(out_);
}

void Local::print_row(const std::string& time, const std::string& device,
                      const std::string& property, const std::string& value,
                      const std::string& unit, const std::string& status) {
  std::fprintf(out_, "%s  %s  %s  %s  %s  %s\n", padded(time, 24).c_str(),
               padded(device, device_width_).c_str(), padded(property, property_width_).c_str(),
               padded(value, 12, true).c_str(), padded(unit, unit_width_).c_str(), status.c_str());
}

// A device is printed once every point has spoken.
void Local::print_once(Session& session) {
  const dmi::Twin& twin = session.twin();
  for (std::size_t point = 0; point < twin.size(); ++point) {
    if (!twin.reported(point)) return;
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
      if (session->twin().reported(point)) continue;
      print_row(shown_time(loop_.wall()), id.to_string(), session->target().points[point].name, "-",
                "", cat("timeout: no sample within ", seconds, " s"));
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
