// What the author of a mapper writes: a driver and how to open one. Everything else — DMI, threads,
// schedules, retries, change detection, signals, YAML — is the SDK's.
//
// Threads: a Driver is opened, called and destroyed on the thread of its bus, one call at a time.
// An AsyncDriver lives on the mapper's loop. Only a Sink may be used from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "dmi/config.hpp"
#include "dmi/device.hpp"
#include "dmi/sample.hpp"
#include "dmi/value.hpp"

namespace mapper {

// A property of a device as a driver sees it: model and instance merged once. Immutable and at one
// address while the driver lives.
struct Point {
  std::size_t index = 0;  // position in Target::points
  std::string name;
  dmi::Type type = dmi::Type::string;
  bool writable = false;          // accessMode ReadWrite
  std::optional<double> minimum;  // of the refined value, as in the model
  std::optional<double> maximum;
  std::string unit;
  dmi::Config visitor;                    // visitors.configData
  std::chrono::milliseconds cycle{1000};  // collectCycle; 0 in the spec means 1 s
  double scale = 1;                       // value = raw * scale + value_offset; done by the SDK
  double value_offset = 0;
  // A command, not a setting: each desired value is sent once in its life, come what may
  // (visitor key writeOnce; docs/decisions/0008).
  bool write_once = false;
};

// The points of a target: a vector that copies share until one of them is changed, because a
// thousand devices of one model have the same. Equal data() means equal points. Changing one moves
// it; a const one stays where it is.
class Points {
 public:
  Points() = default;
  Points(std::vector<Point> points)
      : points_(std::make_shared<std::vector<Point>>(std::move(points))) {}

  std::size_t size() const { return points_ ? points_->size() : 0; }
  bool empty() const { return size() == 0; }
  const Point* data() const { return points_ ? points_->data() : nullptr; }
  const Point* begin() const { return data(); }
  const Point* end() const { return data() + size(); }
  const Point& operator[](std::size_t index) const { return data()[index]; }
  const Point& at(std::size_t index) const { return points_->at(index); }

  Point& operator[](std::size_t index) { return own()[index]; }
  void push_back(Point point) { own().push_back(std::move(point)); }
  void reserve(std::size_t count) { own().reserve(count); }

 private:
  std::vector<Point>& own() {
    if (!points_) {
      points_ = std::make_shared<std::vector<Point>>();
    } else if (points_.use_count() > 1) {
      points_ = std::make_shared<std::vector<Point>>(*points_);
    }
    return *points_;
  }
  std::shared_ptr<std::vector<Point>> points_;
};

// A device as a driver sees it. Immutable and at one address while the driver lives.
struct Target {
  dmi::ObjectId id;
  dmi::Config protocol;  // protocol.configData
  Points points;
};

// One point to read. Leave sample empty for "no news"; set a Status when this point failed.
// The value is raw: before scale and value_offset.
struct Reading {
  const Point& point;
  std::optional<dmi::Sample> sample;
};

// One point to write. The value is raw: the SDK has checked access and limits and undone the scale.
// Leave status empty only when the device was not reached. `timeout` says that the device may have
// carried it out, `unavailable` that it cannot have.
struct Command {
  const Point& point;
  dmi::Value value;
  std::optional<base::Status> status;
};

// Where a pushing driver (camera, subscription) leaves samples. Copies are cheap; any thread; calls
// after the driver is gone do nothing.
class Sink {
 public:
  Sink() = default;
  // Keeps the newest sample of each point until the loop takes them.
  void publish(std::size_t point_index, dmi::Sample sample) const;
  // The device is gone: the SDK destroys the driver and opens another after the back-off.
  void lost(base::Status why) const;

  struct Mailbox;
  explicit Sink(std::weak_ptr<Mailbox> mailbox) : mailbox_(std::move(mailbox)) {}

 private:
  std::weak_ptr<Mailbox> mailbox_;
};

// A blocking driver: the SDK gives each bus a thread of its own. The factory opens, the destructor
// closes: an existing driver is open. No reconnect code: when read or write says the device was not
// reached, the SDK destroys the driver and calls the factory again after 1, 2, 4 … 60 s.
class Driver {
 public:
  virtual ~Driver() = default;
  // Fills samples. Returns whether the device was reached; a point that failed alone says so in its
  // own sample. Points left empty by a failed read get the returned status.
  virtual base::Status read(std::span<Reading> batch) = 0;
  // Fills statuses. Returns whether the device was reached.
  virtual base::Status write(std::span<Command> batch);  // default: unsupported, each
  // Once per opening: the settings that were desired have been written, or refused, and polling
  // begins. What streams by itself starts here. What goes wrong is told through the Sink.
  virtual void settled() {}
};

// The same two verbs with a completion, for protocols that serve thousands of devices from one
// thread. batch stays valid until done. One call at a time per driver. done is called on the loop,
// once, never from within read or write; destroying the driver forgets calls in flight.
class AsyncDriver {
 public:
  using Done = std::function<void(base::Status)>;
  virtual ~AsyncDriver() = default;
  virtual void read(std::span<Reading> batch, Done done) = 0;
  virtual void write(std::span<Command> batch, Done done);  // default: unsupported, each
  // A write waits for the read in progress. Returns whether the driver ends it early, with ok; the
  // samples it does not get to stay empty, and the batch is asked for again. Like read, it must not
  // call done from within. Default: the read ends when it ends.
  virtual bool hurry() { return false; }
  virtual void settled() {}  // as Driver's
};

// A verb of a mapper's own beside those of the SDK (`read`, `write`, `lint`): `modbus-mapper
// probe`.
struct Tool {
  std::string name;     // the word after the program's name
  std::string summary;  // one line, for --help
  // argv[0] is "modbus-mapper probe". Returns the exit status: 0, 1 failed, 2 wrong usage.
  std::function<int(int argc, char** argv)> main;
};

// An option of the mapper's own, for the whole program: `--http 127.0.0.1:8090`.
struct Option {
  std::string name;       // "--http"
  std::string type_name;  // "ADDRESS:PORT", for --help
  std::string summary;    // with its default
  std::string* value;     // set before anything is opened; lives as long as the program
};

// A protocol: give `open` or `open_async`, not both.
struct Protocol {
  std::string name;                // as in Device.spec.protocol.protocolName
  std::string version = "v1.0.0";  // told to the edge core; --version tells this project's

  // Opens the device: parses protocol and visitors, connects. invalid, unsupported: the spec is
  // wrong, and no retry helps until it changes. Anything else is retried.
  // May throw; what it throws becomes `internal` with its text.
  std::function<base::Result<std::unique_ptr<Driver>>(const Target&, Sink)> open = {};
  // Called on the loop; parses, and returns at once. Connecting happens inside the first read.
  std::function<base::Result<std::unique_ptr<AsyncDriver>>(const Target&, Sink, base::IoLoop&)>
      open_async = {};
  // Devices with one bus share one line and one thread. Blocking drivers only. Default: each its
  // own.
  std::function<std::string(const Target&)> bus = {};
  // Every mistake in a device's settings and visitors, for `lint`; none: empty. Touches no device.
  // Default: what opening says first.
  std::function<std::vector<base::Status>(const Target&)> check = {};
  std::vector<Tool> tools = {};
  std::vector<Option> options = {};
  // The longest wait before a device that was not reached is opened again. Shorter where looking
  // for a device costs little and coming back quickly matters.
  std::chrono::milliseconds longest_retry{60'000};
};

// The whole program: flags, YAML, signals, session keeping. Returns the exit status.
// `mapper --help` is its manual.
int run(int argc, char** argv, const Protocol& protocol);

}  // namespace mapper
