// modbus-sim: the devices of YAML files as simulated devices, on every transport, with faults.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/build.hpp"
#include "sim/program.hpp"

namespace {

constexpr const char* about =
    "Serves the Modbus devices of YAML files, as they are written for the mapper.\n\n"
    "Every device is a unit (slaveID) with exactly the registers its properties name; devices of\n"
    "one endpoint share a server. Prints \"listening on URL\" for each endpoint, port 0 resolved.";

constexpr const char* more =
    "URLs:    tcp://127.0.0.1:1502  rtu+tcp://…  udp://…  rtu+udp://…  tls://…  rtu+tls://…\n"
    "         dial://127.0.0.1:1502 (dials in to a listening mapper)  rtu+dial://…\n"
    "         pty:///tmp/plc0  pty:///tmp/plc0?9600-8E1 (keeps the character times of 9,600 baud)\n"
    "Faults:  KIND [unit=N] [table=coils|discrete-inputs|holding|input] [address=N|N..M]\n"
    "         [function=N] [every=N] [probability=0.2|20%] [count=N] [for=10s|500ms] [HOW]\n"
    "         late ms=1000 | late after=next, split pieces=2 ms=20, duplicated ms=0,\n"
    "         foreign what=transaction|unit|function|unsolicited, truncated bytes=N, wrong-crc,\n"
    "         exception code=2, silence, reset, dead, noise bytes=N where=before|within|after,\n"
    "         garbage-length. The first fault of the list that strikes is the one.\n"
    "Control: GET|POST|DELETE /faults, DELETE /faults/ID, GET /counters, DELETE /connections,\n"
    "         GET|PUT /units/7/holding/40 (?count=N, ?at=URL)\n"
    "Example: modbus-sim plant.yaml --listen tcp://127.0.0.1:1502 --change sine \\\n"
    "           --fault 'late ms=800 unit=3 every=5' --control 127.0.0.1:8080";

// A thousand clients want more than the 1,024 descriptors a shell gives.
void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int serve(const modbus_sim::Options& options) {
  allow_many_descriptors();
  base::IoLoop loop;
  // First of all: who reads "listening on" may end us at once, and links are to be taken away.
  loop.on_signal([&](int) { loop.stop(); });
  const auto program = modbus_sim::Program::start(loop, options);
  if (!program) {
    std::fprintf(stderr, "modbus-sim: %s\n", program.status().text().c_str());
    return program.status().code() == base::Code::invalid ? 2 : 1;
  }
  loop.run();
  if (options.verbose) std::printf("%s\n", (*program)->summary().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  modbus_sim::Options options;
  CLI::App app(about, "modbus-sim");
  app.set_version_flag("--version", base::version_text("modbus-sim"));
  app.footer(more);
  app.add_option("DEVICE.yaml", options.files, "devices and their models, as for kubectl apply")
      ->required();
  app.add_option("--listen", options.listen,
                 "serve all devices at this URL, not where their settings say; repeatable")
      ->allow_extra_args(false);
  app.add_option("--pty", options.pty, "path of the pty's link, in place of serialPort");
  app.add_option("--cert", options.tls.cert_file, "the server's certificate chain (PEM), for tls");
  app.add_option("--key", options.tls.key_file, "its key (PEM)");
  app.add_option("--ca", options.tls.ca_file,
                 "demand a client certificate that this authority (PEM) has signed");
  std::string change = "static";
  app.add_option("--change", change, "how values move between minimum and maximum")
      ->check(CLI::IsMember({"static", "count", "sine", "random"}))
      ->capture_default_str();
  int every_ms = 1000;
  app.add_option("--every", every_ms, "and how often, ms")
      ->check(CLI::Range(1, 3'600'000))
      ->capture_default_str();
  app.add_flag("--whole-tables", options.whole_tables,
               "all 65,536 addresses of every table exist; those no property names hold 0");
  app.add_option("--fault", options.faults, "a fault, see below; repeatable")
      ->allow_extra_args(false);
  app.add_option("--control", options.control, "ADDRESS:PORT for HTTP, see below; port 0: any");
  app.add_option("--seed", options.seed, "of all chance: the same seed, the same run")
      ->capture_default_str();
  app.add_flag("--verbose", options.verbose, "print the counters as JSON at the end");
  CLI11_PARSE(app, argc, argv);
  const std::string_view names[] = {"static", "count", "sine", "random"};
  options.change = static_cast<modbus_sim::Change>(
      std::find(std::begin(names), std::end(names), change) - std::begin(names));
  options.every = std::chrono::milliseconds(every_ms);
  return serve(options);
}
