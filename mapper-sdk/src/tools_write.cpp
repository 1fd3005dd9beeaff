// `write`: properties of one device, checked as desired values are, written and read back.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "base/log.hpp"
#include "base/text.hpp"
#include "leave.hpp"
#include "mapper/verb.hpp"
#include "print.hpp"
#include "refine.hpp"
#include "tools.hpp"
#include "tools_device.hpp"

namespace mapper {

using base::cat;
using base::Result;
using base::Status;

namespace {

constexpr const char* write_manual =
    R"(Arguments with "=" are values for properties, as the model describes them: scaled, typed, within its
limits; all others are files with Device and DeviceModel objects. One device is written: name it
when there are several. Everything is checked before anything is sent: one wrong value, and nothing
is written. Afterwards the properties are read back.

Outcomes: applied – the device holds the value; overridden – it took the value and holds another;
failed – with the reason; not sent – because another value was wrong.

Exit status: 0 all applied; 1 not all; 2 wrong flags or files.)";

struct WriteFlags {
  std::vector<std::string> arguments;
  std::string device;
};

// One PROPERTY=VALUE, and what became of it.
struct Assignment {
  std::size_t point = 0;
  dmi::Value wanted;
  dmi::Value raw;
  Status status;
};

std::optional<int> parse(int argc, char** argv, const Protocol& protocol, WriteFlags& flags) {
  CLI::App app(cat("Writes properties of a ", protocol.name, " device and reads them back."),
               argv[0]);
  app.footer(write_manual);
  app.add_option("ARGUMENT", flags.arguments, "files, and values")
      ->required()
      ->type_name("FILE... PROPERTY=VALUE...");
  app.add_option("--device", flags.device, "this device of the files")
      ->type_name("[NAMESPACE/]NAME");
  return parse_flags(app, argc, argv);
}

// invalid: no such property, or twice. A value that the model forbids is in the assignment's
// status.
Result<std::vector<Assignment>> assignments_of(const Target& target,
                                               const std::vector<std::string>& texts) {
  std::vector<Assignment> assignments;
  for (const std::string& text : texts) {
    const std::string name = text.substr(0, text.find('='));
    const auto point = std::find_if(target.points.begin(), target.points.end(),
                                    [&](const Point& each) { return each.name == name; });
    if (point == target.points.end()) {
      return Status(base::Code::invalid,
                    cat(target.id.to_string(), " has no property \"", name, '"'));
    }
    for (const Assignment& other : assignments) {
      if (other.point != point->index) continue;
      return Status(base::Code::invalid, cat(name, ": is given twice"));
    }
    Assignment assignment;
    assignment.point = point->index;
    const Result<dmi::Value> wanted =
        dmi::parse_value(std::string_view(text).substr(name.size() + 1), point->type);
    if (wanted) {
      assignment.wanted = *wanted;
      const Result<dmi::Value> raw = to_raw(*point, *wanted);
      assignment.status = raw.status();
      if (raw) assignment.raw = *raw;
    } else {
      assignment.status = Status(wanted.status().code(), cat(name, ": ", wanted.status().text()));
    }
    assignments.push_back(std::move(assignment));
  }
  return assignments;
}

void print(const std::string& name, const std::string& outcome) {
  std::printf("%s  %s\n", name.c_str(), outcome.c_str());
}

class WriteVerb {
 public:
  WriteVerb(const Protocol& protocol, Target target, std::vector<Assignment> assignments)
      : program_(protocol),
        assignments_(std::move(assignments)),
        device_(
            std::make_unique<ToolDevice>(program_.loop(), program_.opener(), std::move(target))) {}

  int run() {
    return program_.run([this] { write(); }, [this] { program_.end(exit_failed); },
                        [this] { device_.reset(); });
  }

 private:
  void write() {
    std::vector<ToolDevice::Wish> wishes;
    for (const Assignment& each : assignments_) wishes.push_back({each.point, each.raw});
    device_->write(std::move(wishes), [this](std::vector<Status> statuses) {
      for (std::size_t i = 0; i < statuses.size(); ++i) assignments_[i].status = statuses[i];
      read_back();
    });
  }

  void read_back() {
    std::vector<std::size_t> points;
    for (const Assignment& each : assignments_) points.push_back(each.point);
    device_->read(std::move(points), [this](std::vector<dmi::Sample> samples) {
      bool failed = false;
      for (std::size_t i = 0; i < samples.size(); ++i) {
        if (!tell(assignments_[i], samples[i])) failed = true;
      }
      program_.end(failed ? exit_failed : 0);
    });
  }

  // Whether the device holds what was wanted.
  bool tell(const Assignment& assignment, const dmi::Sample& seen) const {
    const Point& point = device_->target().points[assignment.point];
    const std::string shown = seen.value ? cat(shown_value(dmi::to_text(*seen.value, point.type)),
                                               point.unit.empty() ? "" : " ", point.unit)
                                         : cat("- (", seen.status.to_string(), ")");
    const bool held = seen.value && holds(point, *seen.value, assignment.wanted);
    if (!assignment.status.ok()) {
      print(point.name, cat("failed: ", assignment.status.to_string(), "; it holds ", shown));
      return false;
    }
    print(point.name, cat(held         ? "applied: it holds "
                          : seen.value ? "overridden by the device: it holds "
                                       : "written, but not read back: ",
                          shown));
    return held;
  }

  ToolProgram program_;
  std::vector<Assignment> assignments_;
  std::unique_ptr<ToolDevice> device_;
};

}  // namespace

int write_verb(int argc, char** argv, const Protocol& protocol) {
  WriteFlags flags;
  if (const std::optional<int> status = parse(argc, argv, protocol, flags)) return *status;
  base::set_log_level(base::Level::warning);
  const auto middle = std::stable_partition(
      flags.arguments.begin(), flags.arguments.end(),
      [](const std::string& text) { return text.find('=') == std::string::npos; });
  const std::vector<std::string> files(flags.arguments.begin(), middle);
  const std::vector<std::string> texts(middle, flags.arguments.end());
  if (files.empty()) return usage("no file among the arguments");
  if (texts.empty()) return usage("no PROPERTY=VALUE among the arguments");
  Result<std::vector<Target>> targets = chosen_targets(files, protocol.name, flags.device);
  if (!targets) return usage(targets.status().text());
  if (targets->size() > 1) {
    return usage(cat("the files have ", targets->size(), " devices: say which with --device"));
  }
  Target& target = targets->front();
  Result<std::vector<Assignment>> assignments = assignments_of(target, texts);
  if (!assignments) return usage(assignments.status().text());

  const bool forbidden = std::any_of(assignments->begin(), assignments->end(),
                                     [](const Assignment& each) { return !each.status.ok(); });
  if (forbidden) {
    for (const Assignment& each : *assignments) {
      print(target.points[each.point].name,
            each.status.ok() ? "not sent" : cat("failed: ", each.status.to_string()));
    }
    return exit_failed;
  }
  return WriteVerb(protocol, std::move(target), std::move(*assignments)).run();
}

}  // namespace mapper
