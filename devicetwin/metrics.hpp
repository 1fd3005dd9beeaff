// GET /metrics: the counters of all parts in one page. Called on the loop.
#pragma once

#include <cstdint>
#include <string>

namespace devicetwin {

class Broker;
class Core;
class DmiLink;
class EventBus;
class History;
class KubeApi;
class Outbox;
class Store;
class LoopDelay;
class Upload;

// What runs; nullptr where it does not.
struct Parts {
  const Core* core = nullptr;
  const Store* store = nullptr;
  const DmiLink* dmi = nullptr;
  const EventBus* bus = nullptr;
  const Broker* broker = nullptr;
  const Outbox* outbox = nullptr;
  const Upload* upload = nullptr;
  const History* history = nullptr;
  const KubeApi* kube = nullptr;
  const LoopDelay* delay = nullptr;
};

// In Prometheus' text format. No label names a device: what grows with the plant is counted, not
// listed.
std::string metrics_text(const Parts& parts);

}  // namespace devicetwin
