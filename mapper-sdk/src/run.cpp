// The program around a protocol: flags, configuration, signals, and an orderly end.
#include <CLI/CLI.hpp>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "base/build.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "bus.hpp"
#include "config.hpp"
#include "leave.hpp"
#include "local.hpp"
#include "mapper/verb.hpp"
#include "open.hpp"
#include "tools.hpp"
#include "uplink.hpp"

namespace mapper {

using base::cat;
using base::Result;
using base::Status;

namespace {

constexpr const char* manual =
    R"(Without --local the mapper serves its own socket, registers with the edge core and runs until
SIGINT or SIGTERM; an edge core that is not there yet is waited for.

Configuration file, KubeEdge's format; every key may be left out:
  grpc_server:
    socket_path: /etc/kubeedge/PROTOCOL.sock   # where the edge core calls this mapper
  common:
    name: PROTOCOL-mapper                      # known to the edge core by this name
    protocol: PROTOCOL                         # as in Device.spec.protocol.protocolName
    version: v1.0.0
    api_version: v1.0.0
    edgecore_sock: /etc/kubeedge/dmi.sock      # the edge core's DMI socket
    address: 127.0.0.1                         # taken and not used, as is http_port
Flags win over the file.

Exit status: 0 ended as told; 1 could not start, a point failed with --once, or a driver did not
close within 5 s; 2 wrong flags or files. The log goes to stderr, samples to stdout.)";

struct Flags {
  std::string config_file;
  std::string edgecore_sock;
  std::string socket;
  std::vector<std::string> local;
  bool once = false;
  std::string ledger;
  base::Level level = base::Level::info;
};

// nullopt: go on with flags; otherwise the exit status.
std::optional<int> parse(int argc, char** argv, const Protocol& protocol, Flags& flags) {
  CLI::App app(cat("Mapper for ", protocol.name,
                   " devices: reads and writes them as Device objects say, over KubeEdge's DMI."));
  app.footer(cat(verbs_manual(protocol), "\n", manual));
  app.set_version_flag("--version",
                       base::version_text(std::filesystem::path(argv[0]).filename().string()));
  app.add_option("--config-file", flags.config_file,
                 "configuration (default: ./config.yaml if there is one)")
      ->type_name("FILE");
  app.add_option("--edgecore-sock", flags.edgecore_sock,
                 "the edge core's DMI socket (default: /etc/kubeedge/dmi.sock)")
      ->type_name("PATH");
  app.add_option("--socket", flags.socket,
                 cat("this mapper's own socket (default: /etc/kubeedge/", protocol.name, ".sock)"))
      ->type_name("PATH");
  CLI::Option* local =
      app.add_option("--local", flags.local,
                     "no edge core: run the Device and DeviceModel objects of these YAML files and "
                     "print every sample that is new")
          ->type_name("FILE...");
  app.add_flag("--once", flags.once,
               "with --local: read every point once, write nothing, print, end")
      ->needs(local);
  const std::map<std::string, base::Level> levels{{"debug", base::Level::debug},
                                                  {"info", base::Level::info},
                                                  {"warning", base::Level::warning},
                                                  {"error", base::Level::error}};
  app.add_option("--ledger", flags.ledger,
                 "where desired values of writeOnce properties are noted before they are sent, so "
                 "that a mapper that was killed sends none twice (default: memory only)")
      ->type_name("FILE");
  app.add_option("--log-level", flags.level, "debug, info, warning or error (default: info)")
      ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case).description(""))
      ->type_name("LEVEL");
  for (const Option& option : protocol.options) {
    app.add_option(option.name, *option.value, option.summary)->type_name(option.type_name);
  }
  return parse_flags(app, argc, argv);
}

Result<MapperConfig> configuration(const Protocol& protocol, const Flags& flags) {
  MapperConfig config = default_config(protocol.name, protocol.version);
  std::string file = flags.config_file;
  if (file.empty() && std::filesystem::exists("config.yaml")) file = "config.yaml";
  if (!file.empty()) {
    Result<MapperConfig> loaded = load_config(file, std::move(config));
    if (!loaded) return loaded.status();
    config = std::move(*loaded);
  }
  if (!flags.edgecore_sock.empty()) config.edgecore_sock = flags.edgecore_sock;
  if (!flags.socket.empty()) config.socket_path = flags.socket;
  config.edgecore_sock = std::filesystem::absolute(config.edgecore_sock).string();
  config.socket_path = std::filesystem::absolute(config.socket_path).string();
  return config;
}

// Everything that lives while the loop runs.
class Program {
 public:
  explicit Program(const Protocol& protocol) : protocol_(protocol), buses_(loop_, protocol) {}

  int run(MapperConfig config, std::optional<Objects> objects, bool once, Ledger ledger) {
    ledger_ = std::move(ledger);
    loop_.on_signal([this](int) { end(0); });
    loop_.after(base::Duration::zero(), [&] {
      if (objects) {
        start_local(config.protocol, std::move(*objects), once);
      } else {
        start_uplink(config);
      }
    });
    loop_.run();
    return leave(buses_, status_);
  }

 private:
  Opener opener() {
    return protocol_.open_async ? async_opener(loop_, protocol_) : buses_.opener();
  }

  void start_local(const std::string& protocol, Objects objects, bool once) {
    local_ = std::make_unique<Local>(
        loop_, opener(), Local::Settings{protocol, once, ledger_, protocol_.longest_retry},
        std::move(objects), stdout, [this](int status) { end(status); });
  }

  void start_uplink(const MapperConfig& config) {
    const dmi::MapperInfo info{config.name,     config.version,     config.api_version,
                               config.protocol, config.socket_path, "ok"};
    auto uplink = Uplink::start(loop_, opener(),
                                {info, config.edgecore_sock, ledger_, protocol_.longest_retry});
    if (!uplink) {
      base::log_error(uplink.status().text());
      return end(exit_failed);
    }
    uplink_ = std::move(*uplink);
  }

  // Stop intake, end the sessions (which sends their drivers to be closed), then the loop.
  void end(int status) {
    if (ending_) return;
    ending_ = true;
    status_ = status;
    // Not at once: this may be called by what is to be destroyed.
    loop_.after(base::Duration::zero(), [this] {
      uplink_.reset();
      local_.reset();
      loop_.stop();
    });
  }

  const Protocol& protocol_;
  base::IoLoop loop_;
  Buses buses_;
  Ledger ledger_;
  std::unique_ptr<Uplink> uplink_;
  std::unique_ptr<Local> local_;
  bool ending_ = false;
  int status_ = 0;
};

}  // namespace

int run(int argc, char** argv, const Protocol& protocol) {
  assert(!protocol.name.empty());
  assert(static_cast<bool>(protocol.open) != static_cast<bool>(protocol.open_async));
  if (const std::optional<int> status = run_verb(argc, argv, protocol)) return *status;
  Flags flags;
  if (const std::optional<int> status = parse(argc, argv, protocol, flags)) return *status;
  base::set_log_level(flags.level);

  Result<MapperConfig> config = configuration(protocol, flags);
  if (!config) return usage(config.status().text());
  std::optional<Objects> objects;
  if (!flags.local.empty()) {
    Result<Objects> loaded = load_objects(flags.local);
    if (!loaded) return usage(loaded.status().text());
    objects = std::move(*loaded);
  }
  Result<Ledger> ledger =
      flags.ledger.empty() ? Result<Ledger>(Ledger()) : Ledger::open(flags.ledger);
  if (!ledger) return usage(ledger.status().text());
  return Program(protocol).run(std::move(*config), std::move(objects), flags.once,
                               std::move(*ledger));
}

}  // namespace mapper
