// The edge core's side of DMI: mappers register and report here, and are told of their devices. An
// outlet of Core. Belongs to the loop; gRPC's threads only post to it.
//
// Many mappers serve one protocol and share its devices: each device belongs to at most one, stays
// there over restarts of either side, and moves only when a mapper joins, is away for take_over, or
// when the device says so (its protocol, or Core::mapper_annotation).
//
// What a mapper has is compared with what it should have, and the difference is sent, one call at a
// time, newest wins, retried until it is confirmed. A hung mapper hurts only itself.
//
// Two mappers never drive one device: the new one is told of it when the old one has confirmed its
// removal, or is dead. The one exception is a process that does not react: take_over after it hung
// its devices move although it may hold them still; when it answers again, the first thing it is
// told is to let go of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/lane.hpp"
#include "base/loop.hpp"
#include "base/status.hpp"
#include "devicetwin/core.hpp"
#include "dmi/wire/dmi.hpp"

namespace devicetwin {

class DmiLink : public Outlet {
 public:
  struct Settings {
    // How often a mapper is looked at: one that died is noticed this soon.
    base::Duration liveness_period = std::chrono::seconds(2);
    // How long its server may take to say anything; twice in a row in vain, and it is hung.
    base::Duration answer = std::chrono::seconds(2);
    // A mapper that reports batches sends one every second, be it empty; after so long without one
    // it is hung.
    base::Duration batch_silence = std::chrono::seconds(5);
    // A mapper that restarts is back before this; its devices wait for it so long.
    base::Duration take_over = std::chrono::seconds(10);
    // A mapper that is dead this long, by this process' time, was taken off the node.
    base::Duration forget_after = std::chrono::hours(24);
    // Mappers that are remembered; a node with more runs them in a loop by mistake.
    std::size_t max_mappers = 64;
    // Who may connect, and how often he may call.
    dmi::wire::ServeSettings serve = {};
  };

  // Since the start.
  struct Counters {
    std::uint64_t registrations = 0;
    std::uint64_t refused_registrations = 0;
    std::uint64_t reports = 0;  // of values and states, each item of a batch too
    std::uint64_t refused_reports = 0;
    std::uint64_t batches = 0;  // empty ones too
    std::uint64_t moves = 0;    // of a device from one mapper to another
    std::uint64_t deaths = 0;
    std::uint64_t hangs = 0;
    std::uint64_t calls = 0;  // to mappers, answered or timed out
    std::uint64_t failed_calls = 0;
  };

  struct MapperView {
    std::string name;
    std::string protocol;
    std::string address;
    std::string state;          // up, hung or down
    std::size_t devices = 0;    // that belong to it
    std::int64_t since_ms = 0;  // of the state, as Unix time; down follows hung without a new time
  };

  // socket: where mappers find us. notes: what the journal kept of earlier mappers; stock Go
  // mappers register once and never again, so they are called where they were last. Adds itself to
  // core's outlets. core and journal outlive it, and core makes no verb after it. conflict: another
  // process serves that socket; invalid: the path cannot be one.
  static base::Result<std::unique_ptr<DmiLink>> start(
      Core& core, Journal& journal, const std::string& socket,
      const std::map<std::string, std::string>& notes);
  static base::Result<std::unique_ptr<DmiLink>> start(
      Core& core, Journal& journal, const std::string& socket,
      const std::map<std::string, std::string>& notes, const Settings& settings);
  ~DmiLink() override;

  void changed(const Change& change) override;
  std::size_t mappers() const;
  // What the journal should have kept, as start() takes it.
  std::map<std::string, std::string> notes() const;
  const Counters& counters() const;
  dmi::wire::Server::Counters server_counters() const;
  std::vector<MapperView> mappers_view() const;  // by name
  base::Lane::Counters lane() const;             // calls of mappers on their way to the loop

 private:
  struct Impl;
  explicit DmiLink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin
