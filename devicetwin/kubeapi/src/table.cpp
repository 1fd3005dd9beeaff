#include "table.hpp"

#include <ctime>
#include <span>

#include "base/text.hpp"

namespace devicetwin::kube {

using base::cat;
using dmi::Json;

namespace {

struct Column {
  const char* name;
  const char* type;
  int priority;  // 1: only with -o wide
  const char* description;
};

constexpr Column device_columns[] = {
    {"Name", "string", 0, "Name of the device"},
    {"Model", "string", 0, "Its DeviceModel"},
    {"Protocol", "string", 0, "How it is reached"},
    {"Node", "string", 0, "The edge node it is attached to"},
    {"State", "string", 0, "What its mapper says of it"},
    {"Pending", "integer", 1, "Desired values that are not applied"},
    {"Reason", "string", 1, "Why it waits, or why a desired value is not applied"},
    {"Age", "string", 0, "Time since it was created"},
};
constexpr Column model_columns[] = {
    {"Name", "string", 0, "Name of the model"},
    {"Protocol", "string", 0, "The protocol of its devices"},
    {"Properties", "integer", 0, "How many properties it has"},
    {"Age", "string", 0, "Time since it was created"},
};
constexpr Column status_columns[] = {
    {"Name", "string", 0, "Name of the device"},
    {"State", "string", 0, "What its mapper says of it"},
    {"Twins", "integer", 0, "Properties that are known"},
    {"Pending", "integer", 0, "Desired values that are not applied"},
    {"Last Online", "string", 1, "When it was last online"},
    {"Reason", "string", 1, "Why it waits, or why a desired value is not applied"},
    {"Age", "string", 0, "Time since it was created"},
};

std::span<const Column> columns_of(Kind kind) {
  switch (kind) {
    case Kind::device:
      return device_columns;
    case Kind::device_model:
      return model_columns;
    case Kind::device_status:
      break;
  }
  return status_columns;
}

// What the cells need of an object, without the properties that make most of its text.
Json without_properties(std::string_view text) {
  const auto keep = [](int depth, Json::parse_event_t event, Json& parsed) {
    return event != Json::parse_event_t::key || depth != 2 || parsed != "properties";
  };
  return Json::parse(text, keep, false);
}

std::string text_at(const Json& object, const char* pointer) {
  const Json::json_pointer path(pointer);
  return object.contains(path) && object[path].is_string() ? object[path].get<std::string>() : "";
}

std::string age_of(const Json& object, base::Time now) {
  const std::string created = text_at(object, "/metadata/creationTimestamp");
  std::tm parts{};
  const char* end = ::strptime(created.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (end == nullptr) return "<unknown>";
  return age_text(now - std::chrono::system_clock::from_time_t(::timegm(&parts)));
}

struct Progress {
  std::string state = "unknown";
  std::string last_online;
  std::size_t twins = 0;
  std::size_t pending = 0;
  std::string reason;
};

// The first reason that stands between what is desired and what is.
std::string reason_of(const DeviceState* state, const std::optional<Twins>& rows) {
  if (state != nullptr && !state->waiting.empty()) return state->waiting;
  if (!rows) return "";
  std::string refusal;
  std::string quality;
  rows->for_each([&](const TwinRow& row) {
    if (row.deleted) return;
    if (refusal.empty() && !row.refusal.ok())
      refusal = cat(row.name, ": ", row.refusal.to_string());
    if (quality.empty() && !row.quality.ok())
      quality = cat(row.name, ": ", row.quality.to_string());
  });
  return refusal.empty() ? quality : refusal;
}

Progress progress_of(const Core& core, const dmi::ObjectId& id) {
  Progress progress;
  const DeviceState* state = core.state(id);
  const auto rows = core.rows(id);
  if (state != nullptr && !state->state.empty()) progress.state = state->state;
  if (state != nullptr) progress.last_online = state->last_online;
  if (rows) {
    rows->for_each([&progress](const TwinRow& row) {
      if (row.deleted) return;
      ++progress.twins;
      const auto how_far = row.progress();
      if (how_far == devicetwin::Progress::pending || how_far == devicetwin::Progress::failed) {
        ++progress.pending;
      }
    });
  }
  progress.reason = reason_of(state, rows);
  return progress;
}

Json cells_of(const Core& core, Kind kind, const dmi::ObjectId& id, const Json& object,
              std::string age) {
  if (kind == Kind::device_model) {
    const Json::json_pointer properties("/spec/properties");
    const bool any = object.contains(properties) && object[properties].is_array();
    return {id.name, text_at(object, "/spec/protocol"), any ? object[properties].size() : 0,
            std::move(age)};
  }
  Progress progress = progress_of(core, id);
  if (kind == Kind::device_status) {
    return {id.name,         progress.state, progress.twins, progress.pending, progress.last_online,
            progress.reason, std::move(age)};
  }
  return {id.name,
          text_at(object, "/spec/deviceModelRef/name"),
          text_at(object, "/spec/protocol/protocolName"),
          text_at(object, "/spec/nodeName"),
          progress.state,
          progress.pending,
          progress.reason,
          std::move(age)};
}

std::string one_unit(std::int64_t count, char unit) { return cat(count, unit); }

std::string two_units(std::int64_t large, char large_unit, std::int64_t small, char small_unit) {
  return small == 0 ? one_unit(large, large_unit) : cat(large, large_unit, small, small_unit);
}

}  // namespace

Form form_of(std::string_view accept, std::string_view include_object) {
  if (accept.find("as=Table") == accept.npos) return Form::objects;
  if (include_object == "Object") return Form::table_object;
  if (include_object == "None") return Form::table_none;
  return Form::table_metadata;
}

Table::Table(const Core& core, const Resource& resource, Form form, bool with_columns,
             base::Time now)
    : core_(core), resource_(resource), form_(form), now_(now) {
  Json columns = Json::array();
  if (with_columns) {
    for (const Column& column : columns_of(resource.kind)) {
      columns.push_back({{"name", column.name},
                         {"type", column.type},
                         {"format", columns.empty() ? "name" : ""},
                         {"priority", column.priority},
                         {"description", column.description}});
    }
  }
  columns_ = dmi::to_text(columns);
}

void Table::add(const dmi::ObjectId& id, std::string_view object_text) {
  const Json object = resource_.kind == Kind::device_model
                          ? Json::parse(object_text, nullptr, false)
                          : without_properties(object_text);
  const Json cells = cells_of(core_, resource_.kind, id, object, age_of(object, now_));
  rows_ += cat(rows_.empty() ? "" : ",", "{\"cells\":", dmi::to_text(cells));
  if (form_ == Form::table_object) {
    rows_ += cat(",\"object\":", object_text);
  } else if (form_ == Form::table_metadata) {
    const bool any = object.is_object() && object.contains("metadata");
    rows_ +=
        cat(",\"object\":{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\"",
            ",\"metadata\":", any ? dmi::to_text(object["metadata"]) : "{}", "}");
  }
  rows_ += '}';
}

std::string Table::text(std::uint64_t version) && {
  return cat("{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{",
             "\"resourceVersion\":\"", version, "\"},\"columnDefinitions\":", columns_,
             ",\"rows\":[", rows_, "]}");
}

// The thresholds are those of k8s.io/apimachinery/pkg/util/duration, so that columns look alike.
std::string age_text(base::Duration age) {
  const std::int64_t seconds =
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(age).count());
  const std::int64_t minutes = seconds / 60;
  const std::int64_t hours = seconds / 3600;
  const std::int64_t days = hours / 24;
  if (seconds < 120) return one_unit(seconds, 's');
  if (minutes < 10) return two_units(minutes, 'm', seconds % 60, 's');
  if (hours < 3) return one_unit(minutes, 'm');
  if (hours < 8) return two_units(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return one_unit(hours, 'h');
  if (days < 8) return two_units(days, 'd', hours % 24, 'h');
  if (days < 730) return one_unit(days, 'd');
  if (days < 365 * 8) return two_units(days / 365, 'y', days % 365, 'd');
  return one_unit(days / 365, 'y');
}

}  // namespace devicetwin::kube
