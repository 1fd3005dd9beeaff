#include "support/plane.hpp"

#include <curl/curl.h>

#include <stdexcept>

#include "base/file.hpp"
#include "base/text.hpp"

namespace test_support {

using base::cat;
using dmi::Json;

namespace {

std::string must_read(const std::filesystem::path& path) {
  auto content = base::read_file(path);
  if (!content) throw std::runtime_error(content.status().to_string());
  return std::move(content).value();
}

// The value of the first "key: value" line of a kubeconfig.
std::string line_value(const std::string& text, std::string_view key) {
  const std::size_t start = text.find(key);
  if (start == text.npos) throw std::runtime_error(cat("no ", key, " in the kubeconfig"));
  const std::size_t value = text.find_first_not_of(" \"", start + key.size());
  return text.substr(value, text.find_first_of("\"\n", value) - value);
}

std::size_t append_body(char* data, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

}  // namespace

struct KubeClient::Impl {
  ~Impl() { curl_easy_cleanup(curl); }
  CURL* curl = curl_easy_init();
  std::string server;
  std::string authorization;
  std::string authority_file;
};

KubeClient::KubeClient(const std::filesystem::path& folder) : impl_(std::make_unique<Impl>()) {
  impl_->server = line_value(must_read(folder / "kubeconfig"), "server:");
  std::string token = must_read(folder / "token");
  token.erase(token.find_last_not_of(" \n") + 1);
  impl_->authorization = cat("Authorization: Bearer ", token);
  impl_->authority_file = (folder / "ca.crt").string();
}

KubeClient::~KubeClient() = default;

KubeClient::Answer KubeClient::request(const char* method, const std::string& path,
                                       const std::string& body, const char* content_type) {
  CURL* const curl = impl_->curl;
  curl_easy_reset(curl);
  const std::string url = impl_->server + path;
  std::string received;
  curl_slist* headers = curl_slist_append(nullptr, impl_->authorization.c_str());
  headers = curl_slist_append(headers, cat("Content-Type: ", content_type).c_str());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(curl, CURLOPT_CAINFO, impl_->authority_file.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 10000L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  if (!body.empty()) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  }
  Answer answer;
  if (curl_easy_perform(curl) == CURLE_OK) {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    const auto json = dmi::parse_json(received);
    if (json) answer.body = *json;
  }
  curl_slist_free_all(headers);
  return answer;
}

KubeClient::Answer KubeClient::get(const std::string& path) {
  return request("GET", path, "", "application/json");
}

KubeClient::Answer KubeClient::patch(const std::string& path, const Json& patch) {
  return request("PATCH", path, dmi::to_text(patch),
                 patch.is_array() ? "application/json-patch+json" : "application/merge-patch+json");
}

KubeClient::Answer KubeClient::post(const std::string& path, const Json& body) {
  return request("POST", path, dmi::to_text(body), "application/json");
}

KubeClient::Answer KubeClient::put(const std::string& path, const Json& body) {
  return request("PUT", path, dmi::to_text(body), "application/json");
}

std::string built(std::string_view program) { return cat(PROJECT_BINARY, '/', program); }

std::string plant_yaml(std::uint16_t port) {
  std::string yaml = must_read(std::filesystem::path(PROJECT_SOURCE) / "examples/plant/plant.yaml");
  const std::string_view stated = "port: 1502";
  for (std::size_t at = yaml.find(stated); at != yaml.npos; at = yaml.find(stated, at + 1)) {
    yaml.replace(at, stated.size(), cat("port: ", port));
  }
  return yaml;
}

Plane::Plane() : broker_port_(free_port()), kube_port_(free_port()) {}

void Plane::start_broker() {
  const auto config = folder() / "mosquitto.conf";
  const std::string text =
      cat("listener ", broker_port_, " 127.0.0.1\nallow_anonymous true\npersistence false\n");
  if (!base::write_file(config, text).ok()) throw std::runtime_error("cannot write mosquitto.conf");
  broker_ = std::make_unique<Process>(
      std::vector<std::string>{find_program("mosquitto"), "-c", config.string()});
  if (!wait_until([&] { return listens(broker_port_); })) {
    throw std::runtime_error("mosquitto did not start: " + broker_->output());
  }
}

void Plane::start_devicetwin() {
  kube_.reset();
  devicetwin_ = std::make_unique<Process>(std::vector<std::string>{
      built("devicetwin/devicetwin"), "--dir", folder().string(), "--mqtt",
      cat("tcp://127.0.0.1:", broker_port_), "--kube-port", cat(kube_port_)});
  const bool ready = wait_until([&] {
    if (!devicetwin_->running()) return true;
    try {
      kube_ = std::make_unique<KubeClient>(folder());
      return kube_->get("/readyz").status == 200;
    } catch (const std::runtime_error&) {  // the kubeconfig is not there yet
      return false;
    }
  });
  if (!ready || !devicetwin_->running()) {
    throw std::runtime_error("devicetwin did not start: " + devicetwin_->output());
  }
}

void Plane::start_mapper(std::vector<std::string> more_flags) {
  std::vector<std::string> arguments = {built("mappers/modbus/modbus-mapper"), "--edgecore-sock",
                                        (folder() / "dmi.sock").string(), "--socket",
                                        (folder() / "modbus.sock").string()};
  arguments.insert(arguments.end(), more_flags.begin(), more_flags.end());
  mapper_ = std::make_unique<Process>(std::move(arguments));
}

void Plane::start() {
  start_broker();
  start_devicetwin();
  start_mapper();
}

Outcome Plane::kubectl(std::vector<std::string> arguments, const std::string& stdin_text) {
  arguments.insert(arguments.begin(), find_program("kubectl"));
  if (!stdin_text.empty()) {
    const auto file = folder() / cat("stdin.", base::random_hex(4));
    if (!base::write_file(file, stdin_text).ok()) throw std::runtime_error("cannot write stdin");
    for (std::string& argument : arguments) {
      if (argument == "-") argument = file.string();
    }
  }
  return run(std::move(arguments),
             {{"KUBECONFIG", (folder() / "kubeconfig").string()}, {"HOME", folder().string()}});
}

Outcome Plane::apply(std::string_view yaml) {
  return kubectl({"apply", "-f", "-"}, std::string(yaml));
}

KubeClient& Plane::kube() {
  if (!kube_) kube_ = std::make_unique<KubeClient>(folder());
  return *kube_;
}

Json Plane::twin(const std::string& device, const std::string& property) {
  const auto answer = kube().get(cat(api, "devicestatuses/", device));
  if (answer.status != 200) return nullptr;
  for (const Json& twin : answer.body["status"].value("twins", Json::array())) {
    if (twin.value("propertyName", "") == property) return twin;
  }
  return nullptr;
}

std::string Plane::reported(const std::string& device, const std::string& property) {
  const Json found = twin(device, property);
  if (!found.is_object() || !found.contains("reported")) return "";
  return found["reported"].value("value", "");
}

long Plane::desire(const std::string& device, const std::string& property,
                   const std::string& value) {
  const std::string path = cat(api, "devices/", device);
  const auto answer = kube().get(path);
  if (answer.status != 200) return answer.status;
  const Json& properties = answer.body["spec"]["properties"];
  for (std::size_t i = 0; i < properties.size(); ++i) {
    if (properties[i]["name"] != property) continue;
    const Json operation = {{"op", "add"},
                            {"path", cat("/spec/properties/", i, "/desired")},
                            {"value", {{"value", value}}}};
    return kube().patch(path, Json::array({operation})).status;
  }
  return 404;
}

std::unique_ptr<Process> Plane::subscribe(const std::string& topic) {
  auto process = std::make_unique<Process>(std::vector<std::string>{
      // Line by line: into a file its output would wait for a full buffer.
      find_program("stdbuf"), "-oL", find_program("mosquitto_sub"), "-d", "-p", cat(broker_port_),
      "-t", topic, "-v"});
  process->wait_for_output("SUBACK");
  return process;
}

Outcome Plane::publish(const std::string& topic, const std::string& payload) {
  return run({find_program("mosquitto_pub"), "-p", cat(broker_port_), "-q", "1", "-t", topic, "-m",
              payload});
}

}  // namespace test_support
