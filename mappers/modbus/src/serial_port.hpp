// A serial port on a thread of its own, through libmodbus. The thread waits in poll() for the port
// and for its owner at once, so it ends at once, too. What it says goes through tell, on its
// thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "dialogue.hpp"
#include "modbus/endpoint.hpp"
#include "modbus/line.hpp"

namespace modbus {

// How long the line must be silent between frames. Modbus over Serial Line V1.02, section 2.5.1.1:
// 3.5 characters, and 1.75 ms above 19,200 baud.
std::chrono::nanoseconds frame_silence(const SerialSettings& settings);
// How long count characters take.
std::chrono::nanoseconds character_time(const SerialSettings& settings, std::size_t count);

class SerialPort {
 public:
  struct Report {
    enum class Kind : std::uint8_t { opened, answered, lost };
    Kind kind = Kind::opened;
    base::Status status;  // opened: of opening; answered: of the request
    std::vector<std::uint8_t> answer;
    Line::Counters counters;
  };
  using Tell = std::function<void(Report)>;

  // Opens the port on the thread; counters go on from there.
  SerialPort(const SerialSettings& settings, const Line::Counters& counters, Tell tell);
  ~SerialPort();  // within a millisecond or so, whatever the device does
  SerialPort(const SerialPort&) = delete;
  SerialPort& operator=(const SerialPort&) = delete;

  // One at a time, after opened and answered. Copies what request points to.
  void send(const Line::Request& request);
  Line::Counters stop();  // ends the thread; the last counters

 private:
  enum class Woken : std::uint8_t { time, bytes, owner, hangup };
  struct Job {
    Line::Request request;
    Pdu pdu;
  };
  struct Modbus;  // libmodbus' context

  void run();
  base::Status open();
  std::optional<Job> wait_for_job();
  bool stopped();
  Woken wait(std::optional<Clock::time_point> until);
  bool read_all();
  // false: the port is lost, or the owner wants to stop.
  bool serve(const Job& job);
  bool wait_until_clear(const Line::Request& request);
  bool wait_until_silent(const Line::Request& request, bool& silent);
  bool listen_until(Clock::time_point until);
  int put(const Line::Request& request);
  bool await_answer(const Line::Request& request, Clock::time_point deadline);
  bool finish(base::Status status, Bytes answer = {});
  bool lost(int error);

  const SerialSettings settings_;
  const Tell tell_;
  Line::Counters counters_;
  const std::unique_ptr<Dialogue> dialogue_;
  std::unique_ptr<Modbus> modbus_;
  int port_ = -1;
  const int wake_;                // an eventfd: the owner has something
  bool suspect_ = false;          // a request timed out: its answer may be anywhere
  bool over_ = false;             // lost
  Clock::time_point busy_until_;  // the last byte was heard or sent then

  std::mutex mutex_;  // guards job_ and stop_: the owner's half of the mailbox
  std::optional<Job> job_;
  bool stop_ = false;

  std::thread thread_;
};

}  // namespace modbus
