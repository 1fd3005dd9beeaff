// What a property of a camera is: visitors.configData.
#include "visitor.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "feature_names.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

struct Word {
  std::string_view name;
  Source source;
};

// FeatureName of what is no feature. A camera's own feature of such a name: "Camera.NAME".
constexpr std::array<Word, 27> words{{
    {"Image", Source::image_reference},
    {"ImageId", Source::image_id},
    {"ImageSize", Source::image_size},
    {"ImageHash", Source::image_hash},
    {"ImageTime", Source::image_time},
    {"ImageTrigger", Source::image_trigger},
    {"ImageFormat", Source::image_format},
    {"ImageURL", Source::image_url},
    {"FrameRate", Source::frame_rate},
    {"FrameRateAsked", Source::frame_rate_asked},
    {"FramesComplete", Source::frames_complete},
    {"FramesMissingPackets", Source::frames_missing_packets},
    {"FramesAborted", Source::frames_aborted},
    {"FramesUnderrun", Source::frames_underrun},
    {"FramesMalformed", Source::frames_malformed},
    {"PacketsResent", Source::packets_resent},
    {"PacketsLost", Source::packets_lost},
    {"PacketsForeign", Source::packets_foreign},
    {"LinkSpeed", Source::link_speed},
    {"LinkShare", Source::link_share},
    {"Temperature", Source::temperature},
    {"Controller", Source::controller},
    {"CameraAddress", Source::address},
    {"ClockOffset", Source::clock_offset},
    {"ClockStatus", Source::clock_status},
    {"saveFrame", Source::save_frame},
    {"saveVideo", Source::save_video},
}};
constexpr std::string_view own_prefix = "Camera.";

const std::vector<std::string>& property_keys() {
  static const std::vector<std::string> keys{
      "FeatureName",   "selectors", "format", "outputDir",   "frameCount",
      "frameInterval", "videoNum",  "scale",  "valueOffset", "writeOnce"};
  return keys;
}

Status wrong(const dmi::Config& config, std::string_view key, std::string_view what) {
  return Status(Code::invalid, cat(config.path(), ".", key, ": ", what));
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// {GainSelector: Red} or "GainSelector=Red,…".
Status read_selectors(const dmi::Config& config, Selection& selection) {
  if (!config.has("selectors")) return Status();
  const dmi::Json& stated = config.json().at("selectors");
  if (stated.is_object()) {
    for (const auto& [selector, entry] : stated.items()) {
      if (!entry.is_string() && !entry.is_number_integer()) {
        return wrong(config, "selectors", cat(selector, " needs the name of an entry"));
      }
      selection.emplace_back(selector, entry.is_string() ? entry.get<std::string>() : entry.dump());
    }
    return Status();
  }
  if (!stated.is_string()) return wrong(config, "selectors", "{GainSelector: Red}");
  for (const std::string_view part : base::split(stated.get_ref<const std::string&>(), ',')) {
    const std::size_t equals = part.find('=');
    const std::string_view selector = trimmed(part.substr(0, equals));
    if (equals == part.npos || selector.empty()) {
      return wrong(config, "selectors", cat("\"", part, "\" is not like GainSelector=Red"));
    }
    selection.emplace_back(selector, trimmed(part.substr(equals + 1)));
  }
  return Status();
}

// KubeEdge's keys of saveFrame and saveVideo. The folder is the spool's, so that it is bounded.
void read_save(const dmi::Config& config, SaveSettings& save, std::vector<Status>& mistakes) {
  const auto whole = [&](std::string_view key, std::int64_t fallback, std::int64_t low,
                         std::int64_t high) {
    const Result<std::int64_t> value = config.integer(key, fallback, low, high);
    if (!value) mistakes.emplace_back(Code::invalid, value.status().text());
    return value ? *value : fallback;
  };
  save.frames = static_cast<std::size_t>(whole("frameCount", 1, 1, 100'000));
  save.interval = std::chrono::nanoseconds(whole("frameInterval", 0, 0, 86'400'000'000'000));
  if (!config.integer("videoNum", 1, 1, 1)) {
    mistakes.push_back(wrong(config, "videoNum", "one video at a time: leave it out"));
  }
  const Result<std::string> format = config.text("format", "");
  if (format) {
    save.format = *format;
  } else {
    mistakes.push_back(format.status());
  }
}

void read_feature(const mapper::Point& point, Visitor& visitor, std::vector<Status>& mistakes) {
  const dmi::Config& config = point.visitor;
  // KubeEdge's STREAM properties say by their name what they are.
  const bool named =
      point.type == dmi::Type::stream && (point.name == "saveFrame" || point.name == "saveVideo");
  const Result<std::string> feature = named && !config.has("FeatureName")
                                          ? Result<std::string>(point.name)
                                          : config.need_text("FeatureName");
  if (!feature) return mistakes.push_back(feature.status());
  if (feature->empty()) return mistakes.push_back(wrong(config, "FeatureName", "is empty"));
  const auto word = std::ranges::find(words, *feature, &Word::name);
  if (word != words.end()) visitor.source = word->source;
  if (word != words.end() && config.has("selectors")) {
    mistakes.push_back(wrong(config, "selectors",
                             cat(*feature,
                                 " is the mapper's own word, only features have some; a "
                                 "camera's own is ",
                                 own_prefix, *feature)));
  }
  visitor.feature =
      feature->starts_with(own_prefix) ? feature->substr(own_prefix.size()) : *feature;
}

}  // namespace

double SaveSettings::rate() const {
  return interval.count() > 0 ? 1e9 / static_cast<double>(interval.count()) : 25.0;
}

std::vector<Status> read_visitor(const mapper::Point& point, Visitor& visitor) {
  const dmi::Config& config = point.visitor;
  std::vector<Status> mistakes;
  for (const auto& [key, value] : config.json().items()) {
    if (std::ranges::find(property_keys(), key) != property_keys().end()) continue;
    mistakes.push_back(wrong(config, key, cat("unknown key", nearest(key, property_keys()))));
  }
  read_feature(point, visitor, mistakes);
  if (Status failed = read_selectors(config, visitor.selection); !failed.ok()) {
    mistakes.push_back(std::move(failed));
  }
  read_save(config, visitor.save, mistakes);
  return mistakes;
}

Result<Visitor> parse_visitor(const mapper::Point& point) {
  Visitor visitor;
  const std::vector<Status> mistakes = read_visitor(point, visitor);
  if (!mistakes.empty()) return mistakes.front();
  return visitor;
}

}  // namespace gige
