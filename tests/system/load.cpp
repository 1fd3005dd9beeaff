#include "system/load.hpp"

#include <csignal>

#include "base/text.hpp"

namespace system_test {

using base::cat;
using dmi::Json;
using std::chrono::milliseconds;
using test_support::wait_until;

namespace {

std::vector<std::string> alpha_keys(int settings) {
  std::vector<std::string> keys;
  for (int i = 0; i < settings; ++i) keys.push_back(cat("alpha/s", i));
  keys.push_back("alpha/command");
  return keys;
}

constexpr const char* device_head = R"(---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: NAME, namespace: default}
spec:
  deviceModelRef: {name: recorder}
  protocol: {protocolName: modbus, configData: {ip: 127.0.0.1, port: PORT, slaveID: 1, timeout: 10000}}
  properties:
)";

std::string head(const std::string& name, std::uint16_t port) {
  std::string text = device_head;
  text.replace(text.find("NAME"), 4, name);
  text.replace(text.find("PORT"), 4, cat(port));
  return text;
}

std::string setting_yaml(const std::string& name, int offset, bool command) {
  return cat("  - {name: ", name, ", collectCycle: 200, visitors: {protocolName: modbus, ",
             "configData: {register: HoldingRegister, offset: ", offset, ", limit: 2",
             command ? ", writeOnce: true" : "", "}}}\n");
}

}  // namespace

Load::Load(Settings settings)
    : settings_(settings),
      random_(settings.seed),
      alpha_(recorder_, alpha_keys(settings.settings)),
      beta_(recorder_, {"beta/s0"}) {}

Load::~Load() { end_clients(); }

std::vector<std::string> Load::keys() const {
  std::vector<std::string> keys = alpha_keys(settings_.settings);
  keys.push_back("beta/s0");
  return keys;
}

std::string Load::objects() const {
  std::string model = R"(apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: recorder, namespace: default}
spec:
  protocol: modbus
  properties:
)";
  const auto property = [&](const std::string& name, bool writable) {
    model += cat("  - {name: ", name,
                 ", type: INT, accessMode: ", writable ? "ReadWrite" : "ReadOnly", "}\n");
  };
  std::string alpha = head("alpha", alpha_.port());
  for (int i = 0; i < settings_.settings; ++i) {
    property(cat("s", i), true);
    alpha += setting_yaml(cat("s", i), 2 * i, false);
  }
  property("command", true);
  alpha += setting_yaml("command", 2 * settings_.settings, true);
  for (int i = 0; i < settings_.moving; ++i) {
    property(cat("m", i), false);
    alpha += cat("  - {name: m", i, ", collectCycle: 100, visitors: {protocolName: modbus, ",
                 "configData: {register: InputRegister, offset: ", i, ", limit: 1}}}\n");
  }
  return model + alpha + head("beta", beta_.port()) + setting_yaml("s0", 0, false);
}

void Load::start_mapper() {
  plane_.start_mapper({"--ledger", (plane_.folder() / "ledger").string()});
}

bool Load::start() {
  plane_.start_broker();
  plane_.start_devicetwin();
  start_mapper();
  if (plane_.apply(objects()).exit != 0) return false;
  return wait_until(
      [&] { return plane_.reported("alpha", "s0") != "" && plane_.reported("beta", "s0") != ""; });
}

void Load::begin_clients() {
  stop_ = false;
  for (unsigned i = 0; i < 2; ++i) {
    clients_.emplace_back([this, i] { kube_writer(settings_.seed * 10 + i); });
    clients_.emplace_back([this, i] { mqtt_writer(settings_.seed * 10 + 5 + i); });
  }
  clients_.emplace_back([this] { kube_reader(); });
  clients_.emplace_back([this] { mqtt_reader(); });
  clients_.emplace_back([this] { disk_reader(); });
}

void Load::end_clients() {
  stop_ = true;
  for (std::thread& client : clients_) client.join();
  clients_.clear();
}

std::string Load::unexpected_end() {
  const auto ended = [](const char* name, test_support::Process& process) {
    return process.running() ? std::string()
                             : cat(name, " ended by itself, exit status ", process.wait(), ":\n",
                                   process.output());
  };
  return ended("mosquitto", plane_.broker()) + ended("devicetwin", plane_.devicetwin()) +
         ended("modbus-mapper", plane_.mapper());
}

void Load::pause(int most_ms) {
  std::this_thread::sleep_for(milliseconds(random_() % static_cast<unsigned>(most_ms)));
}

std::string Load::strike(bool kills) {
  pause(500);
  if (std::string wrong = unexpected_end(); !wrong.empty()) return wrong;
  if (kills && random_() % 10 < 6) {
    kill_something();
  } else {
    disturb();
  }
  return "";
}

void Load::kill_something() {
  switch (random_() % 6) {
    case 0:
    case 1:
    case 2:
      ++struck_["devicetwin killed"];
      recorder_.add(What::devicetwin_killed);
      plane_.devicetwin().kill();
      pause(200);
      plane_.start_devicetwin();
      break;
    case 3:
    case 4:
      ++struck_["mapper killed"];
      plane_.mapper().kill();
      recorder_.add(What::mapper_killed);
      pause(200);
      start_mapper();
      break;
    default:
      ++struck_["broker killed"];
      recorder_.add(What::broker_killed);
      plane_.broker().kill();
      pause(settings_.long_faults ? 4000 : 300);
      plane_.start_broker();
  }
}

void Load::disturb() {
  const int longest = settings_.long_faults ? 4000 : 300;
  switch (random_() % (settings_.long_faults ? 5 : 4)) {
    case 0:
    case 1:
      ++struck_["setting turned at the device"];
      alpha_.turn(random_() % static_cast<unsigned>(settings_.settings), ++last_panel_value_);
      break;
    case 2:
      ++struck_["answer of the device lost"];
      alpha_.lose_next_answer();
      break;
    case 3: {
      RecordingDevice& device = random_() % 2 == 0 ? alpha_ : beta_;
      ++struck_["device dead"];
      device.die();
      pause(longest);
      device.revive();
      break;
    }
    default:
      ++struck_["broker stopped"];
      plane_.broker().signal(SIGSTOP);
      pause(longest);
      plane_.broker().signal(SIGCONT);
  }
}

bool Load::becomes_quiet(std::chrono::seconds deadline) {
  return wait_until(
      [&] {
        ends_.clear();
        for (const std::string& key : keys()) {
          if (!note_end(key)) return false;
        }
        for (const Violation& violation : check(history())) {
          if (violation.rule == Rule::device_follows) return false;
        }
        return true;
      },
      deadline);
}

// What is desired now and what the device holds. false: devicetwin does not say.
bool Load::note_end(const std::string& key) {
  const std::string device = key.substr(0, key.find('/'));
  const std::string property = key.substr(device.size() + 1);
  const auto answer = plane_.kube().get(cat(test_support::api, "devices/", device));
  if (answer.status != 200) return false;
  const Json& properties = answer.body["spec"]["properties"];
  for (std::size_t i = 0; i < properties.size(); ++i) {
    if (properties[i]["name"] != property) continue;
    const Json none = Json::object();
    const std::string desired = properties[i].value("desired", none).value("value", "");
    const RecordingDevice& recording = device == "alpha" ? alpha_ : beta_;
    ends_.push_back({key, desired, cat(recording.held(i))});
    return true;
  }
  return false;
}

void Load::next_round() {
  recorder_.restart(carried_over(history(), recorder_.now()));
  ends_.clear();
}

History Load::history() const {
  History history = recorder_.copy();
  history.commands = {"alpha/command"};
  history.ends = ends_;
  return history;
}

std::string Load::diagnosis() {
  return cat("---- devicetwin ----\n", plane_.devicetwin().output(), "---- mapper ----\n",
             plane_.mapper().output());
}

std::string Load::summary() const {
  const History history = recorder_.copy();
  std::size_t accepted = 0, refused = 0;
  for (const Write& write : history.writes) {
    accepted += write.answer == Answer::accepted;
    refused += write.answer == Answer::refused;
  }
  return cat(history.writes.size(), " writes (", accepted, " accepted, ", refused, " refused), ",
             history.sights.size(), " sights, ", history.actuations.size(), " actuations, ",
             history.panel.size(), " panel changes, ", history.faults.size(), " faults");
}

}  // namespace system_test
