// Which cameras are there: GigE Vision discovery (GVCP), of our own because it answers in
// milliseconds, asks one address as well as all, and needs no control of the camera. Blocking; any
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.hpp"

namespace gige {

// What a camera says of itself in its discovery answer, and where it was heard.
struct CameraInfo {
  std::string manufacturer;
  std::string model;
  std::string version;
  std::string serial;
  std::string user_name;       // DeviceUserID
  std::string mac;             // "00:30:53:1a:2b:3c"
  std::string ip;              // the camera's, now
  std::string interface_name;  // "eth1"
  std::string interface_ip;    // ours, that it was heard on
  bool reachable = true;       // false: its address is not in the interface's network, nothing but
                               // discovery will work; the cure is an address (docs/gige.md)
};

// One camera: every field that is not empty must match. All empty: the first that is found, by MAC.
struct CameraQuery {
  std::string serial;
  std::string ip;  // also asked directly (unicast), so that it is found behind a router
  std::string mac;
  std::string user_name;
  std::string interface;  // only there: a name ("eth1") or our own address ("10.0.0.1")

  std::string to_string() const;  // "serial 12345 on eth1", "any camera"
  friend bool operator==(const CameraQuery&, const CameraQuery&) = default;
};

// All cameras that answer on the interfaces (all that are up, or the one named) within `patience`.
// Each once per interface, sorted by MAC. unavailable: no such interface, or it cannot send.
base::Result<std::vector<CameraInfo>> discover(const std::string& interface,
                                               std::chrono::milliseconds patience);

// Returns as soon as a camera that matches has answered; asks again every 100 ms until then.
// unavailable: none within patience, the text says which others were seen (at most 5).
// By serial, user name or nothing it listens for 100 ms, to see whether there is a second one.
// conflict: two with different MACs match within that time, unless the query is empty. invalid: the
// ip is none.
base::Result<CameraInfo> find(const CameraQuery& query, std::chrono::milliseconds patience);

// Whether the camera at this address answers a discovery: does not disturb it, needs no control.
bool answers(const CameraInfo& camera, std::chrono::milliseconds patience);

}  // namespace gige
