// DMI over gRPC on unix sockets, both directions, in domain types. The only folder that includes
// gRPC and protobuf headers is dmi/wire; nothing of them shows here.
//
// Threads: handlers are called on gRPC's threads; they post to their loop and answer later, from
// any thread. A completion they drop (a loop that refused the task) answers unavailable by itself;
// one kept past the server's end does nothing. Completions of client calls are called on gRPC's
// threads too: post before touching anything. Servers and clients are never destroyed there, that
// is in a handler or a completion: they would wait for themselves.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/instance.hpp"
#include "base/status.hpp"
#include "dmi/device.hpp"
#include "dmi/wire/allow.hpp"

namespace dmi::wire {

// What MapperRegister answers. Devices are merged with their models already.
struct Registration {
  std::vector<DeviceModel> models;
  std::vector<Device> devices;
  // The edge core is ours: it takes batches (batch.hpp) and any text. Not part of the message; told
  // in metadata that a stock peer neither sends nor sees.
  bool extended = false;
  // Which one it is, of the edge core's; 0: not told, as by a stock one. The edge core's later
  // calls carry it (MapperHandler), to a mapper that asked for it (Caller::ordered). Metadata too.
  std::int64_t number = 0;
};

// The process that calls, as the kernel says it of its socket.
struct Caller {
  std::int64_t pid = 0;  // 0: not known, as of a process outside of our pid namespace
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool ordered = false;  // of MapperRegister: it orders our calls by Registration::number
  // The number that a process of ours made at its start and tells nobody else; "": a stock one.
  std::string instance = {};
  friend auto operator<=>(const Caller&, const Caller&) = default;
};

// A code travels as its gRPC counterpart and comes back as itself: timeout → DEADLINE_EXCEEDED,
// unavailable → UNAVAILABLE, invalid → INVALID_ARGUMENT, unsupported → UNIMPLEMENTED, not_found →
// NOT_FOUND, conflict → ALREADY_EXISTS, refused → FAILED_PRECONDITION, malformed → DATA_LOSS,
// out_of_range → OUT_OF_RANGE, stale → ABORTED, internal → INTERNAL. From stock EdgeCore everything
// is UNKNOWN: "too many request" in the text becomes unavailable, the rest internal.
using Done = std::function<void(base::Status)>;

// A part of a batch: what ReportDeviceStatus and ReportDeviceStates say of one device in two calls.
struct BatchItem {
  DeviceReport report;  // twins may be empty
  std::string state;    // "": not told
};
using BatchDone = std::function<void(base::Result<std::vector<base::Status>>)>;

// ---- the edge core's side --------------------------------------------------------------------

class ManagerHandler {
 public:
  virtual ~ManagerHandler() = default;
  virtual void mapper_register(const Caller& caller, MapperInfo mapper, bool with_data,
                               std::function<void(base::Result<Registration>)> done) = 0;
  virtual void report_status(const Caller& caller, DeviceReport report, Done done) = 0;
  virtual void report_state(const Caller& caller, ObjectId device, std::string state,
                            Done done) = 0;
  // A batch of the mapper that was named when its stream opened; empty: it says that it lives. done
  // is called once with the verdict of each item, in order; or with one status for all of them.
  virtual void report_batch(const Caller& caller, const std::string& mapper,
                            std::vector<BatchItem> items, BatchDone done) = 0;
  // The stream of a mapper has ended, by either side.
  virtual void batches_ended(const std::string& mapper) = 0;
};

class Server {
 public:
  // Since the start.
  struct Counters {
    std::uint64_t connections = 0;
    std::uint64_t refused_peers = 0;  // connections of who is not on the allow list
    std::uint64_t calls = 0;
    std::uint64_t limited = 0;     // calls past the limit of their process
    std::uint64_t overflow = 0;    // calls refused because too many were waiting for an answer
    std::uint64_t open_bytes = 0;  // of requests that wait for an answer now
  };
  virtual ~Server() =
      default;  // stops: calls in flight get until 2 s, then the socket file is gone
  virtual Counters counters() const = 0;  // any thread
};

// Of the edge core's server.
struct ServeSettings {
  Allow allow = {};  // empty: whom the socket's mode lets in
  // Calls of one process, which may save up a second's. More is answered RESOURCE_EXHAUSTED with
  // retry information; a mapper of 100,000 points at 1 s needs this many if it reports them singly.
  double calls_per_s = 100'000;
  // A mapper in a crash loop registers a few times a second.
  double registrations_per_s = 10;
};

// Serves DeviceManagerService on socket_path (absolute, ≤ 107 characters; mode 0660, or 0666 with
// an allow list).
// Takes socket_path + ".lock" first, because a second gRPC server would silently steal the socket.
// conflict: another process serves there; invalid: path too long, or its folder is missing;
// refused: strangers may replace what is in the folder (base::Trust::shared_folder).
base::Result<std::unique_ptr<Server>> serve_manager(const std::string& socket_path,
                                                    ManagerHandler& handler,
                                                    const ServeSettings& settings = {});

// The edge core's calls to one mapper. One persistent channel; calls may overlap.
// Go mappers dereference without nil checks: every message is sent with all sub-messages present.
class MapperClient {
 public:
  virtual ~MapperClient() = default;  // completions of calls in flight come first, with unavailable
  // Of calls from now on: they were made after the answer to this registration; 0: not told.
  virtual void after(std::int64_t registration) = 0;
  virtual void register_device(const Device& device, Done done) = 0;
  virtual void update_device(const Device& device, Done done) = 0;
  virtual void remove_device(const ObjectId& device, Done done) = 0;
  virtual void create_model(const DeviceModel& model, Done done) = 0;
  virtual void update_model(const DeviceModel& model, Done done) = 0;
  virtual void remove_model(const ObjectId& model, Done done) = 0;
};
// Deadline per call 10 s, as EdgeCore's. Never fails: a socket that is not there answers
// unavailable, a path that cannot be one invalid.
std::unique_ptr<MapperClient> connect_mapper(const std::string& socket_path);

// ---- the mapper's side -----------------------------------------------------------------------

// registration: the number of the one after whose answer the edge core made the call. The answer
// and the call travel on two sockets, so the call may be here first. 0: not told.
class MapperHandler {
 public:
  virtual ~MapperHandler() = default;
  virtual void register_device(std::int64_t registration, Device device, Done done) = 0;
  virtual void update_device(std::int64_t registration, Device device, Done done) = 0;
  virtual void remove_device(std::int64_t registration, ObjectId device, Done done) = 0;
  virtual void create_model(std::int64_t registration, DeviceModel model, Done done) = 0;
  virtual void update_model(std::int64_t registration, DeviceModel model, Done done) = 0;
  virtual void remove_model(std::int64_t registration, ObjectId model, Done done) = 0;
  // Twins as last seen; the device itself as known.
  virtual void get_device(
      ObjectId device, std::function<void(base::Result<std::pair<Device, DeviceReport>>)> done) = 0;
};
// As serve_manager, for DeviceMapperService.
base::Result<std::unique_ptr<Server>> serve_mapper(const std::string& socket_path,
                                                   MapperHandler& handler);

// The stream of batches of one mapper. Belongs to one thread.
class BatchStream {
 public:
  // Unanswered batches that a peer takes; the next one waits in its socket.
  static constexpr std::size_t max_open = 4;
  // A batch with more than these is sent no fuller: a fraction of a millisecond's work for the
  // peer.
  static constexpr std::size_t full_twins = 2'000;
  static constexpr std::size_t full_bytes = 1u << 20;

  // Cancels; completions of batches that are on their way come first, with unavailable.
  virtual ~BatchStream() = default;
  // done: as ManagerHandler::report_batch's, on one of gRPC's threads; unavailable when the stream
  // ends before the answer. No items: we live.
  virtual void send(const std::vector<BatchItem>& items, BatchDone done) = 0;
};

// A mapper's calls to the edge core: ours or a stock EdgeCore.
class ManagerClient {
 public:
  virtual ~ManagerClient() = default;
  virtual void mapper_register(const MapperInfo& mapper,
                               std::function<void(base::Result<Registration>)> done) = 0;
  // Fills absent observed/reported with empty messages: EdgeCore dies of absent ones. The server
  // reads one with neither value nor metadata as absent again.
  virtual void report_status(const DeviceReport& report, Done done) = 0;
  virtual void report_state(const ObjectId& device, const std::string& state, Done done) = 0;
  // For a registration that is extended. ended is called on one of gRPC's threads, once and last,
  // whatever ends the stream; send to one that has ended answers at once. Destroyed before this.
  virtual std::unique_ptr<BatchStream> open_batches(const std::string& mapper, Done ended) = 0;
};
// Deadline per call 5 s; waits for the connection within it. Reconnects by itself within 300 ms.
// instance: who we are, told at a registration, and in every call once that was extended.
std::unique_ptr<ManagerClient> connect_manager(const std::string& socket_path,
                                               const std::string& instance = base::instance());

}  // namespace dmi::wire
