// modbus-plant: a simulated Modbus TCP plant to try, test and measure against.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/build.hpp"
#include "base/text.hpp"
#include "plant/plant.hpp"
#include "sim/server.hpp"

namespace {

using base::cat;

// Values move in steps of this, fine enough for the eye and for 100 ms cycles.
constexpr auto step = std::chrono::milliseconds(50);

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 1502;
  int units = 4;
  std::size_t block_registers = modbus_plant::Plant::block_registers;
  int answer_delay_ms = 0;
};

// "127.0.0.1:1502" or "[::1]:1502"; "" when it is one, else what is wrong.
std::string parse_listen(const std::string& text, Options& options) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return cat("\"", text, "\" is not ADDRESS:PORT");
  options.address = text.substr(0, colon);
  if (options.address.starts_with('[') && options.address.ends_with(']')) {
    options.address = options.address.substr(1, options.address.size() - 2);
  }
  std::int64_t port = 0;
  if (!base::parse_int(text.substr(colon + 1), port) || port < 0 || port > 65535) {
    return cat("\"", text.substr(colon + 1), "\" is not a port (0..65535)");
  }
  options.port = static_cast<std::uint16_t>(port);
  return "";
}

class Ticker {
 public:
  Ticker(base::Loop& loop, modbus_plant::Plant& plant)
      : loop_(loop), plant_(plant), timer_(loop), last_(loop.now()) {
    tick();
  }

 private:
  void tick() {
    const base::SteadyTime now = loop_.now();
    plant_.advance(now - last_);
    last_ = now;
    timer_.start(step, [this] { tick(); });
  }

  base::Loop& loop_;
  modbus_plant::Plant& plant_;
  base::Timer timer_;
  base::SteadyTime last_;
};

// A thousand clients want more than the 1,024 descriptors a shell gives.
void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int serve(const Options& options) {
  allow_many_descriptors();
  base::IoLoop loop;
  // First of all: who reads "listening on" may end us at once.
  loop.on_signal([&](int) { loop.stop(); });
  modbus_plant::Plant plant(options.units, options.block_registers);
  const auto delay = std::chrono::milliseconds(options.answer_delay_ms);
  const auto server = modbus_sim::Server::listen(
      loop, options.address, options.port,
      [&](const modbus::Adu& request, modbus_sim::Reply& reply) {
        reply.delay = delay;
        reply.frame(request.transaction, request.unit, plant.answer(request.unit, request.pdu));
      });
  if (!server) {
    std::fprintf(stderr, "modbus-plant: %s\n", server.status().text().c_str());
    return 1;
  }
  std::printf("listening on %s:%d\n", options.address.c_str(), int{(*server)->port()});
  std::fflush(stdout);
  const Ticker ticker(loop, plant);
  loop.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "A simulated Modbus TCP plant: unit 1 boiler, 2 meter, 3 conveyor, 4 and up blocks of 1,000 "
      "changing registers. docs/modbus.md has the register map.",
      "modbus-plant");
  app.set_version_flag("--version", base::version_text("modbus-plant"));
  std::string listen = "127.0.0.1:1502";
  app.add_option("--listen", listen, "ADDRESS:PORT; port 0 takes any free one and prints it")
      ->capture_default_str();
  app.add_option("--units", options.units, "how many units answer")
      ->check(CLI::Range(1, modbus_plant::Plant::max_units))
      ->capture_default_str();
  app.add_option("--block-registers", options.block_registers,
                 "registers of each table of a block, two to a float; even")
      ->check(CLI::Range(2, 65536))
      ->capture_default_str();
  app.add_option("--answer-delay-ms", options.answer_delay_ms, "wait before every answer, ms")
      ->check(CLI::Range(0, 60000))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (const std::string wrong = parse_listen(listen, options); !wrong.empty()) {
    std::fprintf(stderr, "modbus-plant: --listen: %s\n", wrong.c_str());
    return 2;
  }
  if (options.block_registers % 2 != 0) {
    std::fprintf(stderr, "modbus-plant: --block-registers: %zu is odd, and a float needs two\n",
                 options.block_registers);
    return 2;
  }
  return serve(options);
}
