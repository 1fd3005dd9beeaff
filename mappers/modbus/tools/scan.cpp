// `scan`: the SunSpec models of devices, as DeviceModel and Device objects.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "mapper/verb.hpp"
#include "tools/sunspec.hpp"
#include "tools/sunspec_yaml.hpp"
#include "tools/tools.hpp"
#include "tools/units.hpp"
#include "tools/url.hpp"
#include "tools/wire.hpp"

namespace modbus_tools {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Json;
using mapper::exit_failed;
using mapper::exit_usage;
using mapper::parse_flags;
using mapper::usage;
using modbus::Endpoint;
using modbus::Range;
using modbus::Table;
using std::chrono::milliseconds;
using sunspec::Found;
using sunspec::Point;

namespace {

constexpr const char* scan_manual =
    R"(Looks for the mark "SunS" at holding registers 40000, 0 and 50000 of every unit, follows the chain of
models behind it, and prints a DeviceModel and a Device for each unit, ready for kubectl apply. What
the points of a model are is read from the public definition files of the SunSpec Alliance
(github.com/sunspec/models, folder json): DIR/model_103.json and so on. A model without a
file is left out; its number is told. Nothing is written to the device.

  modbus-mapper scan 10.0.0.5 --units 1..10 --models models/json >inverter.yaml
  modbus-mapper lint inverter.yaml && modbus-mapper read inverter.yaml

Objects go to stdout, what was found and left out to stderr.
Exit status: 0 objects were printed; 1 no SunSpec device, or none with a known model; 2 wrong
flags. Ctrl-C ends it.)";

constexpr std::size_t max_definition_bytes = 4u << 20;  // the largest public one has 400 kB

struct ScanFlags {
  std::string url;
  std::string units = "1";
  std::string models;
  std::string name;
  std::string space = "default";
  int timeout_ms = 1000;
};

std::optional<int> parse(int argc, char** argv, ScanFlags& flags) {
  CLI::App app("Finds SunSpec models and prints them as DeviceModel and Device.", argv[0]);
  app.footer(scan_manual);
  app.add_option("ENDPOINT", flags.url, url_help)->required()->type_name("");
  app.add_option("--units", flags.units, "which to look at: 1, 1..10, 1,5,126")
      ->type_name("LIST")
      ->capture_default_str();
  app.add_option("--models", flags.models, "the folder with model_N.json files")
      ->required()
      ->check(CLI::ExistingDirectory)
      ->type_name("DIR");
  app.add_option("--name", flags.name,
                 "the device's name (default: from maker, model and serial number); with several "
                 "units -UNIT is appended")
      ->type_name("NAME");
  app.add_option("--namespace", flags.space, "the objects' namespace")
      ->type_name("NS")
      ->capture_default_str();
  app.add_option("--timeout", flags.timeout_ms, "how long to wait for an answer")
      ->check(CLI::Range(10, 60000))
      ->type_name("MS")
      ->capture_default_str();
  return parse_flags(app, argc, argv);
}

void note(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

class Scanner {
 public:
  Scanner(const ScanFlags& flags, Endpoint endpoint, std::vector<std::uint8_t> units)
      : flags_(flags),
        endpoint_(std::move(endpoint)),
        units_(std::move(units)),
        wire_(loop_, endpoint_) {}

  int run() {
    const auto longest = units_.size() * sunspec::bases.size() * timeout();
    note(cat("scanning ", endpoint_.to_string(), ": ", counted(units_.size(), "unit"),
             "; those that are silent cost at most ", longest.count() / 1000 + 1, " s"));
    if (Status status = wire_.connect(); !status.ok()) {
      note(status.text());
      return exit_failed;
    }
    for (const std::uint8_t unit : units_) {
      if (!loop_.interrupted()) scan(unit);
    }
    if (printed_ == 0) note("no SunSpec device with a known model");
    return printed_ == 0 || loop_.interrupted() ? exit_failed : 0;
  }

 private:
  milliseconds timeout() const { return milliseconds(flags_.timeout_ms); }

  // The address behind the marker.
  std::optional<std::uint32_t> find_marker(std::uint8_t unit) {
    for (const std::uint16_t base : sunspec::bases) {
      const auto words = wire_.read(unit, Range{Table::holding, base, 2}, timeout());
      if (words && (std::uint32_t{(*words)[0]} << 16 | (*words)[1]) == sunspec::marker) {
        note(cat("unit ", int{unit}, ": SunSpec at ", base));
        return base + 2u;
      }
      if (loop_.interrupted()) break;
      // Who says nothing at one address will not at another.
      if (!words && words.status().code() == Code::timeout) break;
    }
    return std::nullopt;
  }

  // The models behind the marker. A chain that breaks is followed to where it does.
  std::vector<Found> walk(std::uint8_t unit, std::uint32_t address) {
    std::vector<Found> models;
    const auto broken = [&](const std::string& why) {
      note(cat("unit ", int{unit}, ": the chain of models breaks at ", address, ": ", why));
    };
    while (models.size() < sunspec::max_models) {
      if (address + 2 > 65536) {
        broken("the end of the address space");
        return models;
      }
      const Range head{Table::holding, static_cast<std::uint16_t>(address), 2};
      auto words = wire_.read(unit, head, timeout());
      if (!words) {
        broken(words.status().text());
        return models;
      }
      const Found found{(*words)[0], head.first, (*words)[1], {}};
      if (found.id == sunspec::end_model) return models;
      const std::uint32_t end = address + 2 + found.length;
      if (end > 65536) {
        broken(cat("model ", found.id, " of ", found.length, " registers ends beyond 65535"));
        return models;
      }
      models.push_back(found);
      address = end;
    }
    broken(cat("more than ", sunspec::max_models, " models"));
    return models;
  }

  // nullptr: there is none, or it is no use; told once.
  const Json* definition(std::uint16_t id) {
    const auto known = definitions_.find(id);
    if (known != definitions_.end()) return known->second ? &*known->second : nullptr;
    auto& slot = definitions_[id];
    const auto path = std::filesystem::path(flags_.models) / cat("model_", id, ".json");
    const Result<std::string> text = base::read_file(path, max_definition_bytes);
    if (!text) {
      note(cat("model ", id, " is left out: ", text.status().text()));
      return nullptr;
    }
    Result<Json> json = dmi::parse_json(*text);
    if (!json) {
      note(cat("model ", id, " is left out: ", path.string(), ": ", json.status().text()));
      return nullptr;
    }
    slot = std::move(*json);
    return &*slot;
  }

  void scan(std::uint8_t unit) {
    const std::optional<std::uint32_t> begin = find_marker(unit);
    if (!begin) return note(cat("unit ", int{unit}, ": no SunSpec device"));
    std::vector<Found> models = walk(unit, *begin);
    std::vector<Point> points;
    for (std::size_t i = 0; i < models.size(); ++i) {
      if (loop_.interrupted()) return;
      read_model(unit, models[i], i, points);
    }
    if (points.empty()) return note(cat("unit ", int{unit}, ": no model with a definition"));
    if (points.size() > dmi::max_properties) {
      note(cat("unit ", int{unit}, ": ", points.size(), " points, the first ", dmi::max_properties,
               " are printed: a device has no more"));
      points.resize(dmi::max_properties);
    }
    const sunspec::Named named{name_of(unit, models, points), flags_.space, unit};
    std::printf("%s%s", printed_ == 0 ? "" : "---\n",
                sunspec::to_yaml(named, endpoint_, models, std::move(points)).c_str());
    std::fflush(stdout);
    ++printed_;
  }

  void read_model(std::uint8_t unit, Found& model, std::size_t index, std::vector<Point>& points) {
    note(cat("unit ", int{unit}, ": model ", model.id, " at ", model.address, ", ", model.length,
             " registers"));
    const Json* json = definition(model.id);
    if (json == nullptr) return;
    const auto size = static_cast<std::uint16_t>(std::min(model.length + 2, 65535));
    auto words = wire_.read(unit, Range{Table::holding, model.address, size}, timeout());
    if (!words) return note(cat("model ", model.id, " is left out: ", words.status().text()));
    model.words = std::move(*words);
    auto found = sunspec::points_of(*json, model, note);
    if (!found) return note(cat("model ", model.id, " is left out: ", found.status().text()));
    for (Point& point : *found) {
      point.found = index;
      points.push_back(std::move(point));
    }
  }

  // Maker, model and serial number stand in model 1.
  std::string name_of(std::uint8_t unit, const std::vector<Found>& models,
                      const std::vector<Point>& points) const {
    const std::string suffix = units_.size() > 1 ? cat("-", int{unit}) : "";
    if (!flags_.name.empty()) return flags_.name + suffix;
    std::string text;
    for (const char* part : {"Mn", "Md", "SN"}) {
      for (const Point& point : points) {
        if (models[point.found].id != 1 || point.name != part || point.type != "string") continue;
        text += cat(text.empty() ? "" : "-", sunspec::text_of(models[point.found], point));
      }
    }
    const std::string name = sunspec::kubernetes_name(text);
    return name.empty() ? cat("sunspec-", int{unit}) : name;
  }

  const ScanFlags& flags_;
  const Endpoint endpoint_;
  const std::vector<std::uint8_t> units_;
  ToolLoop loop_;
  Wire wire_;
  std::map<std::uint16_t, std::optional<Json>> definitions_;
  std::size_t printed_ = 0;
};

}  // namespace

int scan_verb(int argc, char** argv) {
  ScanFlags flags;
  if (const std::optional<int> status = parse(argc, argv, flags)) return *status;
  base::set_log_level(base::Level::error);
  const Result<Endpoint> endpoint = parse_url(flags.url);
  if (!endpoint) return usage(endpoint.status().text());
  Result<std::vector<std::uint8_t>> units = parse_units(flags.units);
  if (!units) return usage(cat("--units: ", units.status().text()));
  for (const auto& [flag, text] : {std::pair{"--name", flags.name}, {"--namespace", flags.space}}) {
    if (sunspec::kubernetes_name(text) == text) continue;
    return usage(cat(flag, ": \"", base::cut(text, 80),
                     "\" is no Kubernetes name (small letters, digits and -, at most 63)"));
  }
  return Scanner(flags, *endpoint, std::move(*units)).run();
}

}  // namespace modbus_tools
