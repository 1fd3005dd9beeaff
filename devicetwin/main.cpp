// devicetwin: the edge core of one node.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/loop.hpp"
#include "base/text.hpp"
#include "devicetwin/core.hpp"
#include "devicetwin/dmi_link.hpp"
#include "devicetwin/event_bus.hpp"
#include "devicetwin/history.hpp"
#include "devicetwin/history_http.hpp"
#include "devicetwin/kube_api.hpp"
#include "devicetwin/store.hpp"

namespace {

using base::cat;
namespace fs = std::filesystem;

struct Flags {
  std::string dir = "run";
  std::string dmi_socket;
  std::string node = "edge-node";
  std::string kube_address = "127.0.0.1";
  std::uint16_t kube_port = 6550;
  std::string mqtt = "tcp://127.0.0.1:1883";
  std::string mqtt_user;
  std::string mqtt_password_file;
  std::string history;
  std::uint64_t history_quota_mib = 256;
  std::string log_level = "info";
};

constexpr const char* footer = R"(
Files below DIR: devicetwin.db (objects and twins), history.db, kubeconfig, token, ca.crt, server.crt, server.key, dmi.sock.

  kubectl --kubeconfig DIR/kubeconfig get devices,devicemodels,devicestatuses -A

Exit status: 0 ended as told; 1 could not start (the text says why); 2 wrong flags.)";

int parse(int argc, char** argv, Flags& flags) {
  CLI::App app(
      "devicetwin keeps devices and their twins on an edge node: for mappers over DMI, for "
      "applications over MQTT, for kubectl over HTTPS.");
  app.add_option("--dir", flags.dir, "folder for data, certificates and sockets")
      ->capture_default_str();
  app.add_option("--dmi-socket", flags.dmi_socket,
                 "where mappers register (default: DIR/dmi.sock)");
  app.add_option("--mqtt", flags.mqtt, "the MQTT broker")->capture_default_str();
  app.add_option("--mqtt-user", flags.mqtt_user, "user name at the broker (default: none)");
  app.add_option("--mqtt-password-file", flags.mqtt_password_file,
                 "file whose first line is the password at the broker");
  app.add_option("--node", flags.node, "this node's name")->capture_default_str();
  app.add_option("--kube-address", flags.kube_address, "IP address of the HTTPS endpoint")
      ->capture_default_str();
  app.add_option("--kube-port", flags.kube_port, "its port; 0: any free one")
      ->capture_default_str();
  app.add_option("--history", flags.history,
                 "AGE[,COUNT], like 24h or 7d,100000: keep the past of every property, and not "
                 "only of those with historyAge or historyCount in visitors.configData")
      ->check(
          [](const std::string& text) { return dmi::parse_history_rule(text).status().text(); });
  app.add_option("--history-quota", flags.history_quota_mib,
                 "MiB that all of it may take; the oldest go first")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.set_version_flag("--version", "devicetwin 0.1.0");
  app.footer(footer);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return -1;
}

int fail(const base::Status& status) {
  std::fprintf(stderr, "devicetwin: %s\n", status.text().c_str());
  return 1;
}

// The parts, destroyed in reverse: first nobody comes in any more, last the store writes what
// waits.
int run(const Flags& flags) {
  std::error_code error;
  const fs::path dir = fs::absolute(flags.dir);
  fs::create_directories(dir, error);
  if (error) return fail({base::Code::unavailable, cat(dir.string(), ": ", error.message())});

  base::IoLoop loop;
  auto store = devicetwin::Store::open(loop, {.file = dir / "devicetwin.db"});
  if (!store) return fail(store.status());
  devicetwin::Store::Loaded loaded = (*store)->load();
  devicetwin::Core core(loop, **store, flags.node);
  core.load(std::move(loaded.objects), std::move(loaded.rows), std::move(loaded.states),
            loaded.version);
  malloc_trim(0);  // what reading took and is not needed any more: a third of it at 100,000 twins

  devicetwin::History::Settings kept;
  kept.file = dir / "history.db";
  kept.quota_bytes = flags.history_quota_mib << 20;
  if (!flags.history.empty()) kept.everything = dmi::parse_history_rule(flags.history).value();
  devicetwin::History history(core, kept);

  const std::string socket = flags.dmi_socket.empty() ? (dir / "dmi.sock").string()
                                                      : fs::absolute(flags.dmi_socket).string();
  auto dmi = devicetwin::DmiLink::start(core, **store, socket, loaded.notes);
  if (!dmi) return fail(dmi.status());
  devicetwin::EventBus::Settings mqtt;
  mqtt.url = flags.mqtt;
  mqtt.user = flags.mqtt_user;
  mqtt.history = &history;
  if (!flags.mqtt_password_file.empty()) {
    const auto password = base::read_file(flags.mqtt_password_file);
    if (!password) return fail(password.status());
    mqtt.password = password->substr(0, password->find('\n'));
  }
  auto bus = devicetwin::EventBus::start(core, loop, std::move(mqtt));
  if (!bus) return fail(bus.status());
  devicetwin::KubeApi::Settings https;
  https.address = flags.kube_address;
  https.port = flags.kube_port;
  https.folder = dir;
  https.routes.push_back(
      {std::string(devicetwin::history_path), [&](const base::http::Request& request, auto answer) {
         devicetwin::get_history(history, request, std::move(answer));
       }});
  auto kube = devicetwin::KubeApi::listen(core, loop, https);
  if (!kube) return fail(kube.status());

  loop.on_signal([&loop](int signal) {
    base::log_info(cat("signal ", signal, ": stopping"));
    loop.stop();
  });
  base::log_info(cat("ready: kubectl --kubeconfig ", (*kube)->kubeconfig().string(),
                     "; mappers at ", socket, "; ", core.list(devicetwin::Kind::device, "").size(),
                     " devices"));
  loop.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // gRPC's, Paho's and the store's threads would each get a heap of their own; two save 2 MB idle.
  mallopt(M_ARENA_MAX, 2);
  Flags flags;
  if (const int status = parse(argc, argv, flags); status >= 0) return status;
  base::set_log_level(flags.log_level == "debug"     ? base::Level::debug
                      : flags.log_level == "warning" ? base::Level::warning
                      : flags.log_level == "error"   ? base::Level::error
                                                     : base::Level::info);
  return run(flags);
}
