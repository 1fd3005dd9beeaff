// devicetwin: the edge core of one node.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "base/build.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/loop.hpp"
#include "base/metrics.hpp"
#include "base/text.hpp"
#include "devicetwin/broker.hpp"
#include "devicetwin/core.hpp"
#include "devicetwin/dmi_link.hpp"
#include "devicetwin/event_bus.hpp"
#include "devicetwin/history.hpp"
#include "devicetwin/history_http.hpp"
#include "devicetwin/kube_api.hpp"
#include "devicetwin/outbox.hpp"
#include "devicetwin/store.hpp"
#include "devicetwin/upload.hpp"
#include "loop_delay.hpp"
#include "metrics.hpp"

namespace {

using base::cat;
namespace fs = std::filesystem;

struct Flags {
  std::string dir = "run";
  std::string dmi_socket;
  devicetwin::DmiLink::Settings dmi;
  std::uint64_t max_value = dmi::max_value_bytes;
  std::string node = "edge-node";
  std::string kube_address = "127.0.0.1";
  std::uint16_t kube_port = 6550;
  std::vector<std::string> kube_names;
  std::string mqtt;  // "": a private broker; "none": no event bus
  std::uint16_t mqtt_port = 1883;
  std::string mqtt_version = "5";
  std::vector<std::string> dmi_allow;
  std::vector<std::string> mqtt_topics;
  devicetwin::EventBus::Settings bus;
  std::uint64_t replay_quota = devicetwin::Outbox::default_quota_bytes;
  double replay_rate = 1000;
  devicetwin::Upload::Settings upload;
  std::uint64_t upload_quota = devicetwin::Outbox::default_quota_bytes;
  std::string history;
  std::uint64_t history_quota_mib = 256;
  double flush_interval_s = 0.1;
  std::string log_level = "info";
};

constexpr const char* footer = R"(
Files below DIR: devicetwin.db (objects and twins), history.db, kubeconfig, token, ca.crt, ca.key, server.crt, server.key, dmi.sock, mqtt/ (private broker).

  kubectl --kubeconfig DIR/kubeconfig get devices,devicemodels,devicestatuses -A

Exit status: 0 ended as told; 1 could not start (the text says why); 2 wrong flags.)";

void add_mqtt(CLI::App& app, Flags& flags) {
  app.add_option("--mqtt", flags.mqtt,
                 "URL of the MQTT broker, tcp:// or ssl://; none: no event bus (default: a private "
                 "Mosquitto on loopback, see DIR/mqtt/README)");
  app.add_option("--mqtt-port", flags.mqtt_port,
                 "port of the private broker; taken: the next free one; 0: any free one")
      ->capture_default_str();
  app.add_option("--mqtt-version", flags.mqtt_version,
                 "5 (and 3.1.1 where the broker refuses it) or 3 (3.1.1)")
      ->check(CLI::IsMember({"3", "5"}))
      ->capture_default_str();
  app.add_option("--mqtt-ca", flags.bus.ca,
                 "PEM file of the CA that signed the broker's certificate (default: the system's)");
  app.add_option("--mqtt-cert", flags.bus.certificate, "PEM file of our certificate at the broker");
  app.add_option("--mqtt-key", flags.bus.key, "PEM file of its key");
  app.add_option("--mqtt-user", flags.bus.user, "user name at the broker (default: none)");
  app.add_option("--mqtt-password-file", flags.bus.password_file,
                 "file whose first line is the password at the broker, read at every connect");
  app.add_option(
         "--mqtt-topic", flags.mqtt_topics,
         "KIND=QOS[,retain] of what is published, repeatable; KIND: update-result, document, "
         "delta, get-result, state, membership, node-state (default: 1, not retained; "
         "node-state 1,retain)")
      ->allow_extra_args(false)
      ->check([&flags](const std::string& text) { return flags.bus.policies.set(text).text(); });
}

void add_outbox(CLI::App& app, Flags& flags) {
  app.add_option("--mqtt-replay-quota", flags.replay_quota,
                 "bytes on disk for changes while the MQTT broker is away, as 64MB; 0: only the "
                 "newest values are told when it is back")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--mqtt-replay-rate", flags.replay_rate, "of them published per second")
      ->check(CLI::Range(1.0, 1e6))
      ->capture_default_str();
  app.add_option("--upload-url", flags.upload.url,
                 "where messages of $hw/events/upload/#, SYS/dis/upload_records and +/user/# are "
                 "POSTed (default: nowhere, not subscribed to)");
  base::PostAccess& access = flags.upload.access;
  app.add_option("--upload-ca", access.ca,
                 "PEM file of the CA of its server (default: the system's)");
  app.add_option("--upload-cert", access.certificate, "PEM file of our certificate at its server");
  app.add_option("--upload-key", access.key, "PEM file of its key");
  app.add_option("--upload-user", access.user, "user name there, HTTP Basic (default: none)");
  app.add_option("--upload-password-file", access.password_file,
                 "file whose first line is the password, read for every request");
  app.add_option("--upload-proxy", access.proxy,
                 "URL of a proxy, or none (default: as https_proxy and no_proxy say)");
  app.add_option("--upload-quota", flags.upload_quota, "bytes on disk for messages that wait")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
}

int parse(int argc, char** argv, Flags& flags) {
  CLI::App app(
      "devicetwin keeps devices and their twins on an edge node: for mappers over DMI, for "
      "applications over MQTT, for kubectl over HTTPS.");
  app.add_option("--dir", flags.dir, "folder for data, certificates and sockets")
      ->capture_default_str();
  app.add_option("--dmi-socket", flags.dmi_socket,
                 "where mappers register (default: DIR/dmi.sock)");
  app.add_option("--dmi-allow", flags.dmi_allow,
                 "USER, UID, @GROUP or @GID that may connect there, repeatable; "
                 "root and our own user always may (default: whom the socket's mode 0660 lets in)")
      ->allow_extra_args(false)
      ->check([&flags](const std::string& who) { return flags.dmi.serve.allow.add(who).text(); });
  app.add_option("--max-value", flags.max_value,
                 "bytes of a desired or reported value, at most 64KB")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{dmi::max_value_bytes}))
      ->capture_default_str();
  add_mqtt(app, flags);
  add_outbox(app, flags);
  app.add_option("--node", flags.node, "this node's name")->capture_default_str();
  app.add_option("--kube-address", flags.kube_address, "IP address of the HTTPS endpoint")
      ->capture_default_str();
  app.add_option("--kube-port", flags.kube_port, "its port; 0: any free one")
      ->capture_default_str();
  app.add_option("--kube-name", flags.kube_names,
                 "name that clients reach it by, repeatable, besides IP addresses, localhost and "
                 "this machine's name; requests for another are answered 421")
      ->allow_extra_args(false);
  app.add_option("--history", flags.history,
                 "AGE[,COUNT], like 24h or 7d,100000: keep the past of every property, and not "
                 "only of those with historyAge or historyCount in visitors.configData")
      ->check(
          [](const std::string& text) { return dmi::parse_history_rule(text).status().text(); });
  app.add_option("--history-quota", flags.history_quota_mib,
                 "MiB that all of it may take; the oldest go first")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--flush-interval", flags.flush_interval_s,
                 "seconds, 0.1 to 60, that reported values may wait for the disk: an SD card lives "
                 "longer, a crash takes more of them (mappers report again). Desired values do not "
                 "wait")
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.set_version_flag("--version", base::version_text("devicetwin"));
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

// Both null where nobody needs them.
struct Durable {
  std::unique_ptr<devicetwin::Outbox> outbox;
  std::unique_ptr<devicetwin::Upload> upload;
};

base::Result<Durable> open_durable(const Flags& flags, const fs::path& dir, base::IoLoop& loop) {
  Durable durable;
  devicetwin::Outbox::Settings settings{.folder = dir};
  if (flags.mqtt == "none") return durable;
  if (flags.replay_quota > 0) settings.quotas["mqtt"] = flags.replay_quota;
  if (!flags.upload.url.empty()) {
    settings.quotas[devicetwin::Upload::consumer] = flags.upload_quota;
  }
  if (settings.quotas.empty()) return durable;
  auto outbox = devicetwin::Outbox::open(loop, std::move(settings));
  if (!outbox) return outbox.status();
  durable.outbox = std::move(*outbox);
  if (flags.upload.url.empty()) return durable;
  devicetwin::Upload::Settings to = flags.upload;
  to.node = flags.node;
  auto upload = devicetwin::Upload::start(loop, *durable.outbox, std::move(to));
  if (!upload) return upload.status();
  durable.upload = std::move(*upload);
  return durable;
}

// Both null with --mqtt none. The bus goes before its broker.
struct Mqtt {
  std::unique_ptr<devicetwin::Broker> broker;
  std::unique_ptr<devicetwin::EventBus> bus;
};

base::Result<Mqtt> start_mqtt(const Flags& flags, const fs::path& dir, devicetwin::Core& core,
                              base::IoLoop& loop, const Durable& durable,
                              devicetwin::History& history) {
  Mqtt mqtt;
  if (flags.mqtt == "none") return mqtt;
  devicetwin::EventBus::Settings settings = flags.bus;
  settings.history = &history;
  settings.mqtt_version = flags.mqtt_version == "3" ? 3 : 0;
  if (flags.mqtt.empty()) {
    auto broker =
        devicetwin::Broker::start(loop, {.folder = dir / "mqtt", .port = flags.mqtt_port});
    if (!broker) return broker.status();
    mqtt.broker = std::move(*broker);
    settings.url = mqtt.broker->url();
    settings.user = mqtt.broker->user();
    settings.password = mqtt.broker->password();
    base::log_info(cat("private MQTT broker at ", settings.url, ": ", mqtt.broker->hint()));
  } else {
    settings.url = flags.mqtt;
  }
  if (flags.replay_quota > 0) settings.outbox = durable.outbox.get();
  settings.replay_per_s = flags.replay_rate;
  if (durable.upload) {
    settings.upload = [&upload = *durable.upload](auto topic, auto payload) {
      upload.take(topic, payload);
    };
  }
  auto bus = devicetwin::EventBus::start(core, loop, std::move(settings));
  if (!bus) return bus.status();
  mqtt.bus = std::move(*bus);
  return mqtt;
}

// The parts, destroyed in reverse: first nobody comes in any more, last the store writes what
// waits.
int run(const Flags& flags) {
  const fs::path dir = fs::absolute(flags.dir);
  if (const base::Status status = base::own_folder(dir); !status.ok()) return fail(status);

  base::IoLoop loop;
  auto store = devicetwin::Store::open(loop, {.file = dir / "devicetwin.db"});
  if (!store) return fail(store.status());
  devicetwin::Store::Loaded loaded = (*store)->load();
  devicetwin::Core core(loop, **store, flags.node);
  core.set_max_value_bytes(flags.max_value);
  core.set_report_window(
      std::chrono::milliseconds(static_cast<std::int64_t>(1000 * flags.flush_interval_s)));
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
  auto dmi = devicetwin::DmiLink::start(core, **store, socket, loaded.notes, flags.dmi);
  if (!dmi) return fail(dmi.status());
  (*store)->set_truth([&core, &link = **dmi] {
    devicetwin::Core::Contents all = core.contents();
    return devicetwin::Store::Loaded{std::move(all.objects), std::move(all.rows),
                                     std::move(all.states), link.notes(), all.version};
  });
  auto durable = open_durable(flags, dir, loop);
  if (!durable) return fail(durable.status());
  auto mqtt = start_mqtt(flags, dir, core, loop, *durable, history);
  if (!mqtt) return fail(mqtt.status());
  devicetwin::KubeApi::Settings https;
  https.address = flags.kube_address;
  https.port = flags.kube_port;
  https.names = flags.kube_names;
  https.folder = dir;
  https.routes.push_back(
      {std::string(devicetwin::history_path), [&](const base::http::Request& request, auto answer) {
         devicetwin::get_history(history, request, std::move(answer));
       }});
  const devicetwin::LoopDelay delay(loop);
  devicetwin::Parts parts{.core = &core,
                          .store = store->get(),
                          .dmi = dmi->get(),
                          .bus = mqtt->bus.get(),
                          .broker = mqtt->broker.get(),
                          .outbox = durable->outbox.get(),
                          .upload = durable->upload.get(),
                          .history = &history,
                          .delay = &delay};
  https.routes.push_back(
      {"/metrics", [&parts](const base::http::Request&, auto answer) {
         answer(base::http::Page{base::Metrics::content_type, devicetwin::metrics_text(parts)});
       }});
  auto kube = devicetwin::KubeApi::listen(core, loop, https);
  if (!kube) return fail(kube.status());
  parts.kube = kube->get();

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
