// `read`: properties of devices, printed as a table or as JSON lines.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "base/log.hpp"
#include "base/text.hpp"
#include "dmi/json.hpp"
#include "leave.hpp"
#include "mapper/verb.hpp"
#include "print.hpp"
#include "tools.hpp"
#include "tools_device.hpp"

namespace mapper {

using base::cat;
using base::Result;
using base::Status;
using dmi::Json;

namespace {

constexpr const char* read_manual =
    R"(Arguments that end in .yaml, .yml or .json are files with Device and DeviceModel objects, as for
kubectl apply; all others are names of properties (default: every property). Nothing is written to
the device. A value is shown as the model describes it: scaled, typed, with its unit.

--json prints one object a line: time, device, property, value (absent when there is none), unit,
status ("ok" or a code) and, if it is not ok, reason.

Exit status: 0 every property was read; 1 one failed; 2 wrong flags or files. With --repeat the last
round counts; Ctrl-C ends it.)";

struct ReadFlags {
  std::vector<std::string> arguments;
  std::string device;
  bool json = false;
  int repeat_ms = 0;
};

Json to_json(const dmi::Value& value, dmi::Type type) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  // A FLOAT has the digits of a float, not those of the double that carries it.
  if (type == dmi::Type::float32) return dmi::parse_json(dmi::to_text(value, type)).value();
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return dmi::to_text(value, type);
}

void print_json(const Target& target, const Point& point, const dmi::Sample& sample) {
  Json line = {{"time", shown_time(sample.time)},
               {"device", target.id.to_string()},
               {"property", point.name},
               {"unit", point.unit},
               {"status", base::name(sample.status.code())}};
  if (sample.value) line["value"] = to_json(*sample.value, point.type);
  if (!sample.status.ok()) line["reason"] = sample.status.text();
  std::printf("%s\n", dmi::to_text(line).c_str());
}

// Reads all devices at once and prints them in their order; again after the pause.
class ReadVerb {
 public:
  struct Job {
    std::unique_ptr<ToolDevice> device;
    std::vector<std::size_t> points;
    std::vector<dmi::Sample> samples;
  };

  ReadVerb(const Protocol& protocol, const ReadFlags& flags) : program_(protocol), flags_(flags) {}

  void add(Target target, std::vector<std::size_t> points) {
    for (const std::size_t index : points) {
      const Point& point = target.points[index];
      table_.widen(target.id.to_string(), point.name, point.unit);
    }
    auto device =
        std::make_unique<ToolDevice>(program_.loop(), program_.opener(), std::move(target));
    jobs_.push_back({std::move(device), std::move(points), {}});
  }

  int run() {
    timer_ = std::make_unique<base::Timer>(program_.loop());
    return program_.run(
        [this] {
          if (!flags_.json) table_.head(stdout);
          round();
        },
        [this] { program_.end(rounds_ == 0 || failed_ ? exit_failed : 0); },
        [this] {
          timer_.reset();
          jobs_.clear();
        });
  }

 private:
  void round() {
    started_ = program_.loop().now();
    open_ = jobs_.size();
    for (Job& job : jobs_) {
      job.device->read(job.points, [this, &job](std::vector<dmi::Sample> samples) {
        job.samples = std::move(samples);
        if (--open_ == 0) finish_round();
      });
    }
  }

  void finish_round() {
    failed_ = false;
    for (const Job& job : jobs_) print(job);
    std::fflush(stdout);
    ++rounds_;
    if (flags_.repeat_ms == 0) return program_.end(failed_ ? exit_failed : 0);
    // The rounds keep their beat; one that took longer than the pause is followed at once.
    const base::Duration rest =
        std::chrono::milliseconds(flags_.repeat_ms) - (program_.loop().now() - started_);
    timer_->start(std::max(rest, base::Duration::zero()), [this] { round(); });
  }

  void print(const Job& job) {
    const Target& target = job.device->target();
    for (std::size_t i = 0; i < job.points.size(); ++i) {
      const Point& point = target.points[job.points[i]];
      const dmi::Sample& sample = job.samples[i];
      failed_ = failed_ || !sample.status.ok();
      if (flags_.json) {
        print_json(target, point, sample);
        continue;
      }
      table_.row(stdout, shown_time(sample.time), target.id.to_string(), point.name,
                 sample.value ? shown_value(dmi::to_text(*sample.value, point.type)) : "-",
                 point.unit, sample.status.to_string());
    }
  }

  ToolProgram program_;
  const ReadFlags& flags_;
  SampleTable table_;
  std::vector<Job> jobs_;
  std::unique_ptr<base::Timer> timer_;
  base::SteadyTime started_;
  std::size_t open_ = 0;
  std::uint64_t rounds_ = 0;
  bool failed_ = false;
};

// The points of a target that are meant: all when no names are given.
std::vector<std::size_t> chosen_points(const Target& target, const std::vector<std::string>& names,
                                       std::vector<bool>& found) {
  std::vector<std::size_t> points;
  for (const Point& point : target.points) {
    const auto name = std::find(names.begin(), names.end(), point.name);
    if (name != names.end()) found[static_cast<std::size_t>(name - names.begin())] = true;
    if (names.empty() || name != names.end()) points.push_back(point.index);
  }
  return points;
}

std::optional<int> parse(int argc, char** argv, const Protocol& protocol, ReadFlags& flags) {
  CLI::App app(cat("Reads properties of ", protocol.name, " devices and prints them."), argv[0]);
  app.footer(read_manual);
  app.add_option("ARGUMENT", flags.arguments, "files, and names of properties")
      ->required()
      ->type_name("FILE... [PROPERTY...]");
  app.add_option("--device", flags.device, "only this device of the files")
      ->type_name("[NAMESPACE/]NAME");
  app.add_flag("--json", flags.json, "one JSON object a line");
  app.add_option("--repeat", flags.repeat_ms, "again every so many milliseconds, until Ctrl-C")
      ->check(CLI::Range(10, 86'400'000))
      ->type_name("MS");
  return parse_flags(app, argc, argv);
}

}  // namespace

int read_verb(int argc, char** argv, const Protocol& protocol) {
  ReadFlags flags;
  if (const std::optional<int> status = parse(argc, argv, protocol, flags)) return *status;
  base::set_log_level(base::Level::warning);
  const auto middle =
      std::stable_partition(flags.arguments.begin(), flags.arguments.end(), is_file_argument);
  const std::vector<std::string> files(flags.arguments.begin(), middle);
  const std::vector<std::string> names(middle, flags.arguments.end());
  if (files.empty()) return usage("no file among the arguments: its name ends in .yaml or .json");
  Result<std::vector<Target>> targets = chosen_targets(files, protocol.name, flags.device);
  if (!targets) return usage(targets.status().text());

  ReadVerb verb(protocol, flags);
  std::vector<bool> found(names.size());
  for (Target& target : *targets) {
    std::vector<std::size_t> points = chosen_points(target, names, found);
    if (!points.empty()) verb.add(std::move(target), std::move(points));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!found[i]) return usage(cat("no device of the files has a property \"", names[i], '"'));
  }
  return verb.run();
}

}  // namespace mapper
