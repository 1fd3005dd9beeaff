// A device plane of real processes under load and faults, with two devices that record what
// reaches them. Clients write, read and are told over the Kubernetes API and over MQTT, each on a
// thread of its own; processes are killed by whoever calls strike(). Everything is in history().
//
// One thread but for the clients' own.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/plane.hpp"
#include "system/history_check.hpp"
#include "system/mqtt_client.hpp"
#include "system/recording_device.hpp"

namespace system_test {

class Load {
 public:
  struct Settings {
    unsigned seed = 1;
    int settings = 5;          // of device "alpha", and as many clients' targets
    int moving = 10;           // points of "alpha" that change all the time; at most 200
    bool long_faults = false;  // seconds instead of a fraction; and the broker is stopped too
  };
  explicit Load(Settings settings);
  ~Load();

  // The plane, the objects, and the first desired values at the devices. false: see diagnosis().
  bool start();
  void begin_clients();
  // One fault, chosen by the seed, and its mending. kills: also of processes. "": nothing
  // unexpected; else what is wrong.
  std::string strike(bool kills = true);
  void end_clients();
  // Waits until the devices follow, and notes what is left. Whether it came to that.
  bool becomes_quiet(std::chrono::seconds deadline);
  // After becomes_quiet(): forgets the history but for what still counts, so that a long run needs
  // no more memory than a short one. begin_clients() may follow.
  void next_round();

  History history() const;
  test_support::Plane& plane() { return plane_; }
  std::string diagnosis();
  // "412 writes (398 accepted), 1200 sights, 380 actuations, 14 faults"
  std::string summary() const;
  // How often strike() did what, over all rounds: "devicetwin killed" and the like.
  const std::map<std::string, int>& struck() const { return struck_; }

 private:
  struct Client;
  std::string objects() const;
  void start_mapper();
  std::string unexpected_end();
  void pause(int most_ms);
  void kill_something();
  void disturb();
  bool note_end(const std::string& key);
  std::uint32_t next_value() { return ++last_value_; }
  std::vector<std::string> keys() const;

  void kube_writer(unsigned seed);
  void kube_reader();
  void mqtt_writer(unsigned seed);
  void mqtt_reader();
  void disk_reader();
  std::unique_ptr<test_support::KubeClient> kube_client();
  void note_object(const dmi::Json& object, Micros start, const std::string& client);

  const Settings settings_;
  std::mt19937 random_;
  Recorder recorder_;
  test_support::Plane plane_;
  RecordingDevice alpha_;
  RecordingDevice beta_;  // one setting, so that a blind PUT overwrites nothing else
  std::atomic<std::uint32_t> last_value_ = 0;
  std::uint32_t last_panel_value_ = 3'000'000'000;
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> clients_;
  std::vector<End> ends_;
  std::map<std::string, int> struck_;
};

}  // namespace system_test
