// The whole device plane as real processes: broker, devicetwin, mapper. The plant is the caller's.
// One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dmi/json.hpp"
#include "support/process.hpp"

namespace test_support {

// HTTPS requests to devicetwin on one kept-alive connection, with its CA and token.
class KubeClient {
 public:
  explicit KubeClient(const std::filesystem::path& folder);  // devicetwin's --dir
  ~KubeClient();

  struct Answer {
    long status = 0;  // 0: no answer
    dmi::Json body;
  };
  Answer get(const std::string& path);
  // patch is a JSON merge patch, or a JSON patch when it is an array.
  Answer patch(const std::string& path, const dmi::Json& patch);
  Answer post(const std::string& path, const dmi::Json& body);
  Answer put(const std::string& path, const dmi::Json& body);

 private:
  Answer request(const char* method, const std::string& path, const std::string& body,
                 const char* content_type);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

inline constexpr std::string_view api = "/apis/devices.kubeedge.io/v1beta1/namespaces/default/";

class Plane {
 public:
  Plane();

  void start_broker();
  void start_devicetwin();  // and waits until it is ready
  void start_mapper(std::vector<std::string> more_flags = {});
  void start();  // all three

  const std::filesystem::path& folder() const { return folder_.path(); }
  std::uint16_t broker_port() const { return broker_port_; }
  Process& broker() { return *broker_; }
  Process& devicetwin() { return *devicetwin_; }
  Process& mapper() { return *mapper_; }

  Outcome kubectl(std::vector<std::string> arguments, const std::string& stdin_text = "");
  Outcome apply(std::string_view yaml);  // kubectl apply -f
  // A client for the running devicetwin; made anew after a restart.
  KubeClient& kube();
  // status.twins[name] of a DeviceStatus: {"reported": …, "observedDesired": …}; null: none.
  dmi::Json twin(const std::string& device, const std::string& property);
  // reported.value; "" when there is none.
  std::string reported(const std::string& device, const std::string& property);
  // Sets spec.properties[…].desired.value with a JSON patch; the HTTP status.
  long desire(const std::string& device, const std::string& property, const std::string& value);

  // mosquitto_sub -v for a topic, running until the result is destroyed.
  std::unique_ptr<Process> subscribe(const std::string& topic);
  Outcome publish(const std::string& topic, const std::string& payload);

 private:
  TempFolder folder_;
  std::uint16_t broker_port_;
  std::uint16_t kube_port_;
  std::unique_ptr<Process> broker_;
  std::unique_ptr<Process> devicetwin_;
  std::unique_ptr<Process> mapper_;
  std::unique_ptr<KubeClient> kube_;
};

// examples/plant/plant.yaml for a plant at another port.
std::string plant_yaml(std::uint16_t port);

// Where the build put a program: "devicetwin/devicetwin".
std::string built(std::string_view program);

}  // namespace test_support
