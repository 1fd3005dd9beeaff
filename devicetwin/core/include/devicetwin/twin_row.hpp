// One property of a device as the edge core knows it. Texts, as every wire here carries them.
// Value; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/loop.hpp"
#include "base/status.hpp"

namespace devicetwin {

// KubeEdge's version pair per side: local changes count edge up, the cloud's count cloud up.
struct Version {
  std::int64_t cloud = 0;
  std::int64_t edge = 0;
  friend bool operator==(const Version&, const Version&) = default;
};

struct Side {
  bool present = false;
  std::string value;
  std::int64_t time_ms = 0;  // source time where it is known, else when it came in
  Version version;
  std::string by;  // who set it: "kubernetes", "mqtt", "mapper NAME"; "": not known
  friend bool operator==(const Side&, const Side&) = default;
};

// How far a desired value has come.
enum class Progress : unsigned char { none, pending, applied, failed, overridden };

struct TwinRow {
  std::string name;
  std::string type = "string";  // metadata.type as on MQTT
  bool optional = true;
  bool deleted = false;  // a tombstone: versions are kept

  Side expected;         // what is desired: spec.properties[].desired, or an MQTT client's expected
  Side actual;           // what the device reports
  std::string observed;  // the desired value the device accepted
  std::int64_t observed_ms = 0;  // 0: none yet
  base::Status quality;          // of actual: why there is no trustworthy value
  base::Status refusal;          // why desired is not applied

  // none: nothing desired; overridden: the device took it and holds something else since (refusal
  // is a conflict); failed: refusal is set and waiting will not help; applied: expected and
  // observed are one value; else pending.
  Progress progress() const;
  friend bool operator==(const TwinRow&, const TwinRow&) = default;
};

}  // namespace devicetwin
