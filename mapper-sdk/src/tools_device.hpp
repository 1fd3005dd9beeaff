// Devices as `read` and `write` use them: opened, read and written without a session, refined as
// a session would. Threads: all on the loop, but for the functions called before it runs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "bus.hpp"
#include "mailbox.hpp"
#include "mapper/driver.hpp"
#include "open.hpp"

namespace mapper {

// Targets of files by name: "boiler" or "default/boiler"; all of them when name is "".
// invalid: mistakes of the files; no such device.
base::Result<std::vector<Target>> chosen_targets(const std::vector<std::string>& files,
                                                 const std::string& protocol,
                                                 const std::string& name);

// Whether an argument that may be a file or something else is a file: .yaml, .yml or .json.
bool is_file_argument(std::string_view argument);

// The program around a verb: a loop that runs until end(), then an orderly goodbye to the drivers.
class ToolProgram {
 public:
  explicit ToolProgram(const Protocol& protocol);
  // Calls begin on the loop; SIGINT and SIGTERM call interrupted there, which should end().
  // Before the loop is left, destroy is called on it. The exit status.
  int run(std::function<void()> begin, std::function<void()> interrupted,
          std::function<void()> destroy);
  void end(int status);

  base::Loop& loop() { return loop_; }
  const Opener& opener() const { return opener_; }

 private:
  base::IoLoop loop_;
  Buses buses_;
  Opener opener_;
  std::function<void()> destroy_;
  bool ending_ = false;
  int status_ = 0;
};

class ToolDevice {
 public:
  // A device that has not answered for this long has failed: longer than any driver's time-outs.
  static constexpr auto patience = std::chrono::seconds(30);

  // Opens at the first call, and again at the call after one that did not reach the device.
  ToolDevice(base::Loop& loop, const Opener& opener, Target target);
  const Target& target() const { return *target_; }

  // Reads the points with these indices: one refined sample each, in the same order; done is
  // called once, never from within.
  using Read = std::function<void(std::vector<dmi::Sample>)>;
  void read(std::vector<std::size_t> points, Read done);

  struct Wish {
    std::size_t point = 0;
    dmi::Value raw;
  };
  // Writes raw values: one status each; done as above.
  using Written = std::function<void(std::vector<base::Status>)>;
  void write(std::vector<Wish> wishes, Written done);

 private:
  // Calls go when the device is open, failed with the reason when it cannot be.
  void when_open(std::function<void()> go, std::function<void(base::Status)> failed);
  void start_read();
  void read_done(const base::Status& reached);
  void take_pushed();
  void finish_read(const base::Status& missing);
  void finish_write(const base::Status& reached);
  void drop_driver();

  base::Loop& loop_;
  const Opener& opener_;
  std::shared_ptr<const Target> target_;
  std::shared_ptr<Sink::Mailbox> mailbox_;
  base::Timer timer_;
  std::vector<std::size_t> points_;
  std::vector<Reading> readings_;
  std::vector<Command> commands_;
  Read read_;
  Written written_;
  bool answered_ = false;                // the driver's read is done; pushed samples may follow
  std::shared_ptr<int> alive_;           // for an open that ends after us
  std::unique_ptr<AsyncDriver> driver_;  // last: goes before what its calls use
};

}  // namespace mapper
