// A Modbus TCP device of 32-bit settings that writes down every write it gets. It is libmodbus on
// a thread of the test's own, so that nothing of ours is believed and no kill of a process under
// test touches what it has seen.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "system/history.hpp"

namespace system_test {

class RecordingDevice {
 public:
  // Setting i is holding registers 2i and 2i+1, high word first; keys[i] names it in the history.
  // All hold 0. recorder must outlive the device.
  RecordingDevice(Recorder& recorder, std::vector<std::string> keys);
  ~RecordingDevice();

  std::uint16_t port() const { return port_; }
  std::uint32_t held(std::size_t setting) const;
  // Somebody turns the knob.
  void turn(std::size_t setting, std::uint32_t value);
  // Every connection ends, and nobody is let in until revive().
  void die();
  void revive();
  // The next write is carried out, but its answer is lost with the connection.
  void lose_next_answer() { lose_next_answer_ = true; }
  // What changes by itself: input registers 0 … moving-1 count up with every request.
  static constexpr int moving = 200;

  std::uint64_t requests() const { return requests_; }

 private:
  void serve();
  // Answers one request of a connection; false: it is over.
  bool answer(int connection);
  void take_write(const std::uint8_t* pdu, std::size_t bytes);

  Recorder& recorder_;
  const std::vector<std::string> keys_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  mutable std::mutex mutex_;  // guards words_ and the order of what is recorded about them
  std::vector<std::uint16_t> words_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> dead_ = false;
  std::atomic<bool> lose_next_answer_ = false;
  std::atomic<std::uint64_t> requests_ = 0;
  std::thread thread_;
};

}  // namespace system_test
