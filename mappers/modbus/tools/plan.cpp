// `plan`: the requests a device will be read with, before anybody asks it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <optional>

#include "base/log.hpp"
#include "base/text.hpp"
#include "mapper/objects.hpp"
#include "mapper/verb.hpp"
#include "modbus/forecast.hpp"
#include "tools/tools.hpp"
#include "tools/units.hpp"

namespace modbus_tools {

using base::cat;
using base::Result;
using mapper::exit_failed;
using mapper::exit_usage;
using mapper::parse_flags;
using mapper::usage;
using modbus::Forecast;
using modbus::ForecastCycle;
using modbus::ForecastRequest;

namespace {

constexpr const char* plan_manual =
    R"(The device is not asked: sizes are the protocol's, times are predicted from roundTrip or from the
serial line's speed. Sizes are whole Modbus frames, without Ethernet, IP and TCP.

REQUEST  table and addresses (zero-based, as on the wire)
POINTS   properties in it
FILLED   addresses that no property asked for: read because that is cheaper than another request
OUT, IN  bytes of the request and of its answer
TIME     predicted, from sending to the whole answer
THEN     why the next request is not joined with this one

Exit status: 0 printed; 1 properties were left out, or the line cannot keep up (above 100 %);
2 wrong flags or files.)";

struct PlanFlags {
  std::vector<std::string> files;
  std::string device;
  bool points = false;
};

std::optional<int> parse(int argc, char** argv, PlanFlags& flags) {
  CLI::App app("Tells which requests Modbus devices will be read with, and what they cost.",
               argv[0]);
  app.footer(plan_manual);
  app.add_option("FILE", flags.files, "files with Device and DeviceModel objects")
      ->required()
      ->type_name("FILE...");
  app.add_option("--device", flags.device, "only this device of the files")
      ->type_name("[NAMESPACE/]NAME");
  app.add_flag("--points", flags.points, "also name the properties of every request");
  return parse_flags(app, argc, argv);
}

double ms(std::chrono::microseconds time) { return static_cast<double>(time.count()) / 1000; }

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += cat(text.empty() ? "" : ", ", word);
  return text;
}

void print(const ForecastRequest& request, bool points) {
  std::printf(
      "    %-28s %7zu %7d %6zu %6zu %9.2f ms  %s\n", request.range.to_string().c_str(),
      request.points.size(), int{request.filled}, request.bytes_out, request.bytes_in,
      ms(request.time),
      request.split == modbus::Split::last ? "" : std::string(modbus::text(request.split)).c_str());
  if (!request.pins.empty()) std::printf("      pinned: %s\n", joined(request.pins).c_str());
  if (points) std::printf("      %s\n", joined(request.points).c_str());
}

void print(const ForecastCycle& cycle, bool points) {
  std::size_t filled = 0;
  for (const ForecastRequest& request : cycle.requests) filled += request.filled;
  std::printf(
      "  every %lld ms: %s in %s, %zu bytes out, %zu in, %zu addresses "
      "filled, "
      "%.2f ms (%.1f %% of the cycle)\n",
      static_cast<long long>(cycle.cycle.count()), counted(cycle.points, "point").c_str(),
      counted(cycle.requests.size(), "request").c_str(), cycle.bytes_out, cycle.bytes_in, filled,
      ms(cycle.time), cycle.utilisation_pct);
  std::printf("    %-28s %7s %7s %6s %6s %12s  %s\n", "REQUEST", "POINTS", "FILLED", "OUT", "IN",
              "TIME", "THEN");
  for (const ForecastRequest& request : cycle.requests) print(request, points);
}

// Whether every property is in it and the line keeps up.
bool print(const mapper::Target& target, const Forecast& forecast, bool points) {
  std::printf("%s at %s, unit %d\n", target.id.to_string().c_str(), forecast.endpoint.c_str(),
              int{forecast.settings.unit});
  for (const ForecastCycle& cycle : forecast.cycles) print(cycle, points);
  std::printf("  the line is busy %.1f %% of the time with this device\n",
              forecast.utilisation_pct);
  for (const base::Status& mistake : forecast.mistakes) {
    std::printf("  left out: %s\n", mistake.text().c_str());
  }
  return forecast.mistakes.empty() && forecast.utilisation_pct <= 100;
}

}  // namespace

int plan_verb(int argc, char** argv) {
  PlanFlags flags;
  if (const std::optional<int> status = parse(argc, argv, flags)) return *status;
  base::set_log_level(base::Level::warning);
  const Result<std::vector<mapper::Target>> targets = mapper::load_targets(flags.files, "modbus");
  if (!targets) return usage(targets.status().text());
  bool good = true;
  bool found = false;
  std::map<std::string, std::pair<double, std::size_t>> lines;  // utilisation and devices
  for (const mapper::Target& target : *targets) {
    if (!flags.device.empty() && flags.device != target.id.name &&
        flags.device != target.id.to_string()) {
      continue;
    }
    found = true;
    const Result<Forecast> forecast = modbus::forecast(target);
    if (!forecast) return usage(forecast.status().text());
    good = print(target, *forecast, flags.points) && good;
    auto& [busy, devices] = lines[forecast->endpoint];
    busy += forecast->utilisation_pct;
    ++devices;
  }
  if (!found) return usage(cat("--device ", flags.device, ": not in the files"));
  for (const auto& [endpoint, line] : lines) {
    if (line.second < 2) continue;
    std::printf("line %s: %s, busy %.1f %% of the time\n", endpoint.c_str(),
                counted(line.second, "device").c_str(), line.first);
    good = good && line.first <= 100;
  }
  return good ? 0 : exit_failed;
}

}  // namespace modbus_tools
