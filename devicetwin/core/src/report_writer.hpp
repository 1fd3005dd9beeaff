// Hands reported values to the journal, the newest of each, a window after they came. Belongs to
// the loop.
#pragma once

#include <vector>

#include "turns.hpp"

namespace devicetwin {

class ReportWriter {
 public:
  ReportWriter(State& state, Turns& turns) : state_(state), turns_(turns), timer_(state.loop) {}
  ~ReportWriter();  // what waits is handed over

  // A row that changed and that nobody waits for: of the device as it is shown, or as it is on its
  // way. It is written at the window's end.
  void touch(DeviceBody& device, RowTable::Row& row);
  // All there is of a device whose transaction failed: what that one left in the queue goes first.
  // nullptr: it is not there.
  void write_anew(const dmi::ObjectId& id, DeviceEntry* entry);

 private:
  void hand_over();
  void write();

  State& state_;
  Turns& turns_;
  base::Timer timer_;
  bool writing_ = false;
  std::vector<dmi::ObjectId> dirty_;  // devices with reports that the journal was not given
};

}  // namespace devicetwin
