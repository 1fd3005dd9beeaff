// The program modbus-sim without its flags: devices of YAML files, served and changing.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "sim/control.hpp"
#include "sim/device.hpp"
#include "sim/simulator.hpp"

namespace modbus_sim {

struct Options {
  std::vector<std::string> files;
  std::vector<std::string> listen;  // URLs; none: where the devices' settings say
  std::vector<std::string> faults;
  std::string pty;      // in place of the devices' serialPort; "" as it stands
  std::string control;  // "127.0.0.1:8080"; "" none
  modbus::TlsSettings tls;
  Change change = Change::stay;
  std::chrono::milliseconds every{1000};
  bool whole_tables = false;
  std::uint64_t seed = 1;
  bool verbose = false;
};

class Program {
 public:
  // Loads, opens and prints "listening on URL" for every endpoint. Errors are texts for the user.
  static base::Result<std::unique_ptr<Program>> start(base::IoLoop& loop, const Options& options);
  ~Program();
  std::string summary() const { return counters_json(faults_, pointers()); }

 private:
  struct Site;  // devices with one set of endpoints
  Program(base::IoLoop& loop, const Options& options);

  base::Status load(const std::vector<mapper::Target>& targets,
                    const std::vector<dmi::Device>& devices);
  base::Status open(Site& site, modbus::Endpoint endpoint);
  base::Status open_all();
  base::Status open_control();
  Site& site_of(const modbus::Endpoint& endpoint);
  std::vector<Simulator*> pointers() const;
  void tick();

  base::IoLoop& loop_;
  const Options& options_;
  Faults faults_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Site>> sites_;
  std::unique_ptr<Control> control_;
  base::Timer timer_;
  const base::SteadyTime began_;
};

}  // namespace modbus_sim
