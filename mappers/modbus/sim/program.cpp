#include "sim/program.hpp"

#include <cstdio>

#include "base/text.hpp"
#include "mapper/objects.hpp"

namespace modbus_sim {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using modbus::Endpoint;
using modbus::Transport;

struct Program::Site {
  struct Held {
    std::uint8_t unit;
    Device device;
  };
  Site(base::IoLoop& loop, Faults& faults) : simulator(loop, faults) {}

  std::vector<Endpoint> endpoints;
  Simulator simulator;
  std::vector<Held> devices;
};

Program::Program(base::IoLoop& loop, const Options& options)
    : loop_(loop),
      options_(options),
      faults_(loop, options.seed),
      random_(options.seed),
      timer_(loop),
      began_(loop.now()) {}
Program::~Program() = default;

Result<std::unique_ptr<Program>> Program::start(base::IoLoop& loop, const Options& options) {
  std::unique_ptr<Program> program(new Program(loop, options));
  for (const std::string& text : options.faults) {
    const Result<std::uint32_t> added = program->faults_.add(text);
    if (!added) return Status(Code::invalid, cat("--fault: ", added.status().text()));
  }
  std::vector<dmi::Device> devices;
  const auto targets = mapper::load_targets(options.files, "modbus", &devices);
  if (!targets) return targets.status();
  for (const auto& step :
       {std::function<Status()>([&] { return program->load(*targets, devices); }),
        std::function<Status()>([&] { return program->open_all(); }),
        std::function<Status()>([&] { return program->open_control(); })}) {
    if (const Status status = step(); !status.ok()) return status;
  }
  std::fflush(stdout);
  if (options.change != Change::stay) program->tick();
  return program;
}

Program::Site& Program::site_of(const Endpoint& endpoint) {
  for (const auto& site : sites_) {
    if (!options_.listen.empty() || site->endpoints.front() == endpoint) return *site;
  }
  sites_.push_back(std::make_unique<Site>(loop_, faults_));
  Site& site = *sites_.back();
  site.endpoints.push_back(endpoint);
  site.simulator.on_write([&site](std::uint8_t unit, const modbus::Range& range) {
    for (Site::Held& held : site.devices) {
      if (held.unit == unit) held.device.written(range);
    }
  });
  return site;
}

Status Program::load(const std::vector<mapper::Target>& targets,
                     const std::vector<dmi::Device>& devices) {
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Result<modbus::Settings> settings = modbus::parse_settings(targets[i].protocol);
    if (!settings) return settings.status();
    Site& site = site_of(settings->endpoint);
    Memory& memory = site.simulator.unit(settings->unit);
    Result<Device> device = Device::make(targets[i], devices[i], memory);
    if (!device) return device.status();
    site.devices.push_back({settings->unit, std::move(*device)});
  }
  if (!options_.whole_tables) return Status();
  for (const auto& site : sites_) {
    for (const Site::Held& held : site->devices) open_whole_tables(site->simulator.unit(held.unit));
  }
  return Status();
}

Status Program::open_all() {
  for (const auto& site : sites_) {
    if (options_.listen.empty()) {
      Endpoint endpoint = site->endpoints.front();
      if (!options_.pty.empty() && endpoint.transport == Transport::serial) {
        endpoint.serial.port = options_.pty;
      }
      if (const Status status = open(*site, std::move(endpoint)); !status.ok()) return status;
      continue;
    }
    for (const std::string& url : options_.listen) {
      const Result<Endpoint> endpoint = parse_url(url);
      if (!endpoint) return Status(Code::invalid, cat("--listen: ", endpoint.status().text()));
      if (const Status status = open(*site, *endpoint); !status.ok()) return status;
    }
  }
  return Status();
}

Status Program::open(Site& site, Endpoint endpoint) {
  if (endpoint.transport == Transport::tls) {
    endpoint.tls = options_.tls;
    if (endpoint.tls.cert_file.empty() || endpoint.tls.key_file.empty()) {
      return Status(Code::invalid, cat(url_of(endpoint), ": needs --cert and --key"));
    }
  }
  const Result<Endpoint> opened = site.simulator.open(endpoint);
  if (!opened) {
    const bool elsewhere = options_.listen.empty();
    return Status(opened.status().code(),
                  cat(opened.status().text(),
                      elsewhere ? "; --listen URL serves the devices somewhere else" : ""));
  }
  const bool dials = opened->transport == Transport::listen;
  std::printf("%s %s\n", dials ? "dialling" : "listening on", url_of(*opened).c_str());
  return Status();
}

Status Program::open_control() {
  if (options_.control.empty()) return Status();
  const Result<Endpoint> where = parse_url("tcp://" + options_.control);
  if (!where) return Status(Code::invalid, cat("--control: ", where.status().text()));
  auto control = Control::listen(loop_, where->host, where->port, faults_, pointers());
  if (!control) return control.status();
  control_ = std::move(*control);
  std::printf("control on http://%s:%d\n", where->host.c_str(), int{control_->port()});
  return Status();
}

std::vector<Simulator*> Program::pointers() const {
  std::vector<Simulator*> all;
  for (const auto& site : sites_) all.push_back(&site->simulator);
  return all;
}

void Program::tick() {
  for (const auto& site : sites_) {
    for (Site::Held& held : site->devices) {
      held.device.change(options_.change, loop_.now() - began_, random_,
                         site->simulator.unit(held.unit));
    }
  }
  timer_.start(options_.every, [this] { tick(); });
}

}  // namespace modbus_sim
