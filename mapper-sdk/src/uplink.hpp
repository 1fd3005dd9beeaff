// The mapper's side of DMI: serves the edge core's calls, registers, keeps registered, and tells.
// The server is up before registering, because the edge core calls back as soon as it knows us.
// Registers again when the edge core's socket is another one or calls find nobody there: neither
// side pushes what the other missed, and the answer is the whole truth.
//
// Threads: gRPC's threads leave tasks in the inbox; the rest is on the loop, on which this is made
// and destroyed.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "base/log.hpp"
#include "base/loop.hpp"
#include "dmi/wire/dmi.hpp"
#include "fleet.hpp"
#include "inbox.hpp"
#include "teller.hpp"

namespace mapper {

class Uplink final : public dmi::wire::MapperHandler {
 public:
  // How often the edge core's socket is looked at: a stat, which costs a microsecond.
  static constexpr auto watch = std::chrono::milliseconds(500);

  struct Settings {
    dmi::MapperInfo info;       // address: our own socket
    std::string edgecore_sock;  // the edge core's
    Ledger ledger = {};         // of commands sent
    std::chrono::milliseconds longest_retry{60'000};
  };

  // conflict, invalid: our own socket cannot be served.
  static base::Result<std::unique_ptr<Uplink>> start(base::Loop& loop, Opener open,
                                                     Settings settings);
  // Answers and completions that are on their way come back first; then sessions end.
  ~Uplink() override;

  Fleet& fleet() { return fleet_; }
  bool registered() const { return registered_; }

  void register_device(std::int64_t registration, dmi::Device device,
                       dmi::wire::Done done) override;
  void update_device(std::int64_t registration, dmi::Device device, dmi::wire::Done done) override;
  void remove_device(std::int64_t registration, dmi::ObjectId device,
                     dmi::wire::Done done) override;
  void create_model(std::int64_t registration, dmi::DeviceModel model,
                    dmi::wire::Done done) override;
  void update_model(std::int64_t registration, dmi::DeviceModel model,
                    dmi::wire::Done done) override;
  void remove_model(std::int64_t registration, dmi::ObjectId model, dmi::wire::Done done) override;
  void get_device(
      dmi::ObjectId device,
      std::function<void(base::Result<std::pair<dmi::Device, dmi::DeviceReport>>)> done) override;

 private:
  // Which file stands at a path: a socket bound anew differs.
  struct FileId {
    std::uint64_t inode = 0;  // 0: none
    std::int64_t modified_ns = 0;
    friend bool operator==(const FileId&, const FileId&) = default;
  };
  static FileId file_at(const std::string& path);

  Uplink(base::Loop& loop, Opener open, Settings settings);
  void look();
  void away();
  void register_soon();
  void register_now();
  void answered(base::Result<dmi::wire::Registration> answer);
  // Runs a call's task on the loop, not before the answer to the registration that it came after:
  // the answer would undo it.
  template <class Task>
  void in_turn(std::int64_t registration, dmi::wire::Done done, Task task);
  void run_early();

  base::Loop& loop_;
  const Settings settings_;
  base::Repeats repeats_;
  std::shared_ptr<Inbox> inbox_;
  SessionContext context_;
  Fleet fleet_;
  std::unique_ptr<dmi::wire::ManagerClient> client_;
  Teller teller_;
  std::unique_ptr<dmi::wire::Server> server_;
  base::Timer watch_timer_;
  base::Timer register_timer_;
  base::Backoff backoff_;
  FileId socket_;  // at the time of the last registration
  bool calling_ = false;
  bool registered_ = false;
  std::int64_t registration_ = 0;  // the number of the last one that was answered; 0: it had none
  // Calls that may be ahead of the answer we wait for; the server holds a bounded number open.
  std::vector<base::Loop::Task> early_;
};

}  // namespace mapper
