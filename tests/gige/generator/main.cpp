// gige-generator: a simulated GigE Vision camera for tests and benchmarks. Faults come as flags
// (--do "loss 50"), and as lines on stdin while it runs.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "base/build.hpp"
#include "generator/camera.hpp"
#include "generator/commands.hpp"

namespace {

struct Arguments {
  generator::Options options;
  std::string description = "sound";
  std::vector<std::string> commands;
};

void describe(CLI::App& app, Arguments& arguments) {
  generator::Options& options = arguments.options;
  app.footer(std::string("Commands (--do, and lines on stdin, answered on stdout):\n") +
             std::string(generator::command_help()));
  app.add_option("-a,--address", options.address, "of an interface of this machine")
      ->capture_default_str();
  app.add_option("-s,--serial", options.serial, "DeviceSerialNumber")->capture_default_str();
  app.add_option("--user-name", options.user_name, "DeviceUserID");
  app.add_option("--model", options.model, "DeviceModelName")->capture_default_str();
  app.add_option("--width", options.width, "pixels, multiple of 16")->capture_default_str();
  app.add_option("--height", options.height, "pixels, multiple of 2")->capture_default_str();
  app.add_option("--format", options.format, "PixelFormat")->capture_default_str();
  app.add_option("--fps", options.frame_rate, "frames a second, 0: as fast as it goes")
      ->capture_default_str();
  app.add_option("--packet-size", options.packet_size, "bytes with IP header, at first")
      ->capture_default_str();
  app.add_option("--packet-delay", options.packet_delay, "ticks between packets, at first")
      ->capture_default_str();
  app.add_option("--link", options.link_mbit, "Mbit/s that packets do not exceed, 0: no limit")
      ->capture_default_str();
  app.add_option("--tick-hz", options.tick_hz, "of the camera's clock")->capture_default_str();
  app.add_flag("--ptp", options.ptp, "the camera's clock is the host's");
  app.add_option("--description", arguments.description,
                 "GenICam: " + std::string(generator::description_words()))
      ->capture_default_str();
  app.add_option("--do", arguments.commands, "a command before anybody connects; repeatable");
}

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "gige-generator: %s\n", why.c_str());
  std::exit(1);
}

// Until SIGTERM or SIGINT; an end of stdin is no end of the camera.
void serve(generator::Camera& camera) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  std::thread([&camera] {
    for (std::string line; std::getline(std::cin, line);) {
      if (line.empty()) continue;
      if (line == "help") {
        std::cout << generator::command_help() << std::flush;
        continue;
      }
      const auto answer = generator::command(camera, line);
      std::cout << (answer ? *answer : answer.status().to_string()) << std::endl;
    }
  }).detach();
  int got = 0;
  sigwait(&ends, &got);
  const auto counters = generator::command(camera, "counters");
  std::printf("%s\n", counters->c_str());
  std::fflush(stdout);
  // The thread that reads stdin cannot be woken, so the process ends under it.
  std::_Exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A simulated GigE Vision camera, for tests and benchmarks: no device at all."};
  Arguments arguments;
  describe(app, arguments);
  app.set_version_flag("--version", base::version_text("gige-generator"));
  CLI11_PARSE(app, argc, argv);
  if (!generator::parse_description(arguments.description, arguments.options.description)) {
    fail("--description: one of " + std::string(generator::description_words()));
  }
  // Before any thread, so that all of them leave these signals to sigwait().
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  auto camera = generator::Camera::start(arguments.options);
  if (!camera) fail(camera.status().to_string());
  for (const std::string& line : arguments.commands) {
    const auto answer = generator::command(**camera, line);
    if (!answer) fail("--do: " + answer.status().to_string());
  }
  std::printf("simulated camera %s at %s\n", arguments.options.serial.c_str(),
              arguments.options.address.c_str());
  std::fflush(stdout);
  serve(**camera);
}
