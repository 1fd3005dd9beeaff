// features, get, set: what a camera can do, is set to, and is to be set to.
#include "gige/features.hpp"

#include <CLI/CLI.hpp>

#include "base/text.hpp"
#include "dmi/json.hpp"
#include "mapper/verb.hpp"
#include "tools/tools.hpp"

namespace gige_tools {

namespace {

using base::cat;
using base::Result;
using base::Status;
using gige::Camera;
using gige::CameraInfo;
using gige::Feature;
using gige::Features;

struct CameraFlags {
  std::string camera;
  std::string interface;
  std::vector<std::string> words;
  std::vector<std::string> selectors;
  std::string visibility = "Expert";
  bool json = false;
  bool yaml = false;
  bool values = false;
};

void add_camera(CLI::App& app, CameraFlags& flags) {
  app.add_option("CAMERA", flags.camera, "serial number, IP, MAC, user name, or first")
      ->required()
      ->type_name("CAMERA");
  app.add_option("--interface", flags.interface, "only there: eth1, or our own address on it")
      ->type_name("IF");
}

Result<std::unique_ptr<Camera>> open(const CameraFlags& flags, bool control) {
  const Result<CameraInfo> info = find_camera(flags.camera, flags.interface);
  if (!info) return info.status();
  return Camera::open(*info, {}, control);
}

std::string text_of(const dmi::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return cat(*whole);
  return dmi::to_text(value, dmi::Type::float64);
}

std::string number(const std::optional<double>& value) {
  return value ? dmi::to_text(*value, dmi::Type::float64) : "";
}

std::string range_of(const Feature& feature) {
  if (!feature.entries.empty()) {
    std::string all;
    for (const std::string& entry : feature.entries) all += (all.empty() ? "" : " ") + entry;
    return all;
  }
  if (!feature.minimum && !feature.maximum) return "";
  std::string text = number(feature.minimum) + ".." + number(feature.maximum);
  if (feature.increment && *feature.increment != 1) text += " step " + number(feature.increment);
  return text;
}

dmi::Json json_of(const Feature& feature) {
  dmi::Json json{{"name", feature.name},
                 {"category", feature.category},
                 {"type", gige::name(feature.kind)},
                 {"access", gige::name(feature.access)},
                 {"visibility", feature.visibility},
                 {"description", feature.description}};
  if (!feature.unit.empty()) json["unit"] = feature.unit;
  if (feature.minimum) json["minimum"] = *feature.minimum;
  if (feature.maximum) json["maximum"] = *feature.maximum;
  if (feature.increment) json["increment"] = *feature.increment;
  if (!feature.entries.empty()) json["entries"] = feature.entries;
  if (!feature.selectors.empty()) json["selectors"] = feature.selectors;
  if (feature.value) json["value"] = text_of(*feature.value);
  return json;
}

int level(std::string_view visibility) {
  constexpr std::string_view levels[] = {"Beginner", "Expert", "Guru", "Invisible"};
  for (int i = 0; i < 4; ++i) {
    if (base::lower(levels[i]) == base::lower(visibility)) return i;
  }
  return -1;
}

void print(const std::vector<Feature>& features, bool values) {
  std::vector<std::vector<std::string>> rows{
      {"CATEGORY", "FEATURE", "TYPE", "ACCESS", "RANGE", "UNIT"}};
  if (values) rows.front().insert(rows.front().begin() + 2, "VALUE");
  for (const Feature& feature : features) {
    std::vector<std::string> row{feature.category,
                                 feature.name,
                                 std::string(gige::name(feature.kind)),
                                 std::string(gige::name(feature.access)),
                                 range_of(feature),
                                 feature.unit};
    if (values) row.insert(row.begin() + 2, feature.value ? text_of(*feature.value) : "");
    rows.push_back(std::move(row));
  }
  print_table(rows);
}

Status parse_selection(const std::vector<std::string>& words, gige::Selection& selection) {
  for (const std::string& word : words) {
    std::string name;
    std::string value;
    if (!split_assignment(word, name, value)) {
      return Status(base::Code::invalid, cat("--select ", word, ": is not like GainSelector=Red"));
    }
    selection.emplace_back(name, value);
  }
  return Status();
}

}  // namespace

int features_verb(int argc, char** argv) {
  CameraFlags flags;
  std::string filter;
  CLI::App app("Prints all that a camera can do. Reads only: works beside a running mapper.",
               argv[0]);
  app.footer("Exit status: 0 printed; 1 the camera was not reached; 2 wrong flags.");
  add_camera(app, flags);
  app.add_option("FILTER", filter, "only features with this in their name, category or description")
      ->type_name("TEXT");
  app.add_flag("--values", flags.values, "also what each is now");
  app.add_flag("--json", flags.json, "for programs");
  app.add_flag("--yaml", flags.yaml, "a DeviceModel and a Device for kubectl apply or --local");
  app.add_option("--visibility", flags.visibility, "up to: Beginner, Expert, Guru, Invisible")
      ->capture_default_str()
      ->type_name("LEVEL");
  if (const auto status = mapper::parse_flags(app, argc, argv)) return *status;
  if (level(flags.visibility) < 0) {
    return mapper::usage(
        cat("--visibility ", flags.visibility, ": Beginner, Expert, Guru or Invisible"));
  }
  auto camera = open(flags, false);
  if (!camera) return failed(camera.status());
  std::vector<Feature> features = Features((*camera)->device()).list(flags.values || flags.json);
  std::erase_if(features, [&](const Feature& feature) {
    const std::string all =
        base::lower(cat(feature.name, " ", feature.category, " ", feature.description));
    return level(feature.visibility) > level(flags.visibility) ||
           all.find(base::lower(filter)) == std::string::npos;
  });
  if (flags.yaml) {
    std::printf("%s", gige::to_device_model((*camera)->info(), features).c_str());
  } else if (flags.json) {
    dmi::Json list = dmi::Json::array();
    for (const Feature& feature : features) list.push_back(json_of(feature));
    std::printf("%s\n", list.dump(2, ' ', false, dmi::Json::error_handler_t::replace).c_str());
  } else {
    print(features, flags.values);
  }
  return 0;
}

int get_verb(int argc, char** argv) {
  CameraFlags flags;
  CLI::App app("Reads features of a camera. Works beside a running mapper.", argv[0]);
  app.footer("Exit status: 0 all were read; 1 one was not; 2 wrong flags.");
  add_camera(app, flags);
  app.add_option("FEATURE", flags.words, "names as `features` prints them")->required();
  app.add_option("--select", flags.selectors,
                 "set this selector first: GainSelector=Red (needs "
                 "control of the camera)")
      ->type_name("SELECTOR=ENTRY");
  if (const auto status = mapper::parse_flags(app, argc, argv)) return *status;
  gige::Selection selection;
  if (Status wrong = parse_selection(flags.selectors, selection); !wrong.ok()) {
    return mapper::usage(wrong.text());
  }
  auto camera = open(flags, !selection.empty());
  if (!camera) return failed(camera.status());
  Features features((*camera)->device());
  int status = 0;
  for (const std::string& name : flags.words) {
    const Result<dmi::Value> value = features.read(name, selection);
    if (value) {
      std::printf("%s=%s\n", name.c_str(), text_of(*value).c_str());
    } else {
      status = failed(value.status());
    }
  }
  return status;
}

int set_verb(int argc, char** argv) {
  CameraFlags flags;
  CLI::App app(
      "Writes features of a camera, in the given order; values beyond the camera's limits "
      "are refused. A command is executed by any value.",
      argv[0]);
  app.footer(
      "A camera that a mapper controls is set through its Device object instead.\n"
      "Exit status: 0 all were written; 1 one was not; 2 wrong flags.");
  add_camera(app, flags);
  app.add_option("FEATURE=VALUE", flags.words, "ExposureTime=5000 TriggerSoftware=1")->required();
  app.add_option("--select", flags.selectors, "set this selector first: GainSelector=Red")
      ->type_name("SELECTOR=ENTRY");
  if (const auto status = mapper::parse_flags(app, argc, argv)) return *status;
  gige::Selection selection;
  if (Status wrong = parse_selection(flags.selectors, selection); !wrong.ok()) {
    return mapper::usage(wrong.text());
  }
  std::vector<std::pair<std::string, std::string>> wishes(flags.words.size());
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    if (!split_assignment(flags.words[i], wishes[i].first, wishes[i].second)) {
      return mapper::usage(cat(flags.words[i], ": is not like ExposureTime=5000"));
    }
  }
  auto camera = open(flags, true);
  if (!camera) return failed(camera.status());
  Features features((*camera)->device());
  int status = 0;
  for (const auto& [name, value] : wishes) {
    const Result<dmi::Value> before = features.read(name, selection);
    if (Status wrong = features.write(name, dmi::Value(value), selection); !wrong.ok()) {
      status = failed(wrong);
      continue;
    }
    const Result<dmi::Value> after = features.read(name, selection);
    const Result<Feature> feature = features.describe(name);
    if (feature && feature->kind == gige::Kind::command) {
      std::printf("%s executed\n", name.c_str());
    } else {
      std::printf("%s=%s (was %s)\n", name.c_str(), after ? text_of(*after).c_str() : "?",
                  before ? text_of(*before).c_str() : "?");
    }
  }
  return status;
}

}  // namespace gige_tools
