// The edge core's side of DMI: mappers register and report here, and are told of their devices. An
// outlet of Core. Belongs to the loop; gRPC's threads only post to it.
//
// What a mapper has is compared with what it should have, and the difference is sent, one call at a
// time, newest wins, retried until it is confirmed. A hung mapper hurts only itself.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "devicetwin/core.hpp"

namespace devicetwin {

class DmiLink : public Outlet {
 public:
  // A mapper that died is noticed this soon: its devices turn "unknown", with the reason.
  static constexpr auto liveness_period = std::chrono::seconds(2);
  // Mappers that are remembered; a node with more runs them in a loop by mistake.
  static constexpr std::size_t max_mappers = 64;

  // socket: where mappers find us. notes: what the journal kept of earlier mappers; stock Go
  // mappers register once and never again, so they are called where they were last. Adds itself to
  // core's outlets. core and journal outlive it, and core makes no verb after it. conflict: another
  // process serves that socket; invalid: the path cannot be one.
  static base::Result<std::unique_ptr<DmiLink>> start(
      Core& core, Journal& journal, const std::string& socket,
      const std::map<std::string, std::string>& notes);
  ~DmiLink() override;

  void changed(const Change& change) override;
  std::size_t mappers() const;

 private:
  struct Impl;
  explicit DmiLink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin
