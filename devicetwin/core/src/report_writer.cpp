#include "report_writer.hpp"

#include <algorithm>
#include <utility>

namespace devicetwin {

using dmi::ObjectId;

ReportWriter::~ReportWriter() {
  if (!dirty_.empty()) hand_over();
}

void ReportWriter::touch(DeviceBody& device, RowTable::Row& row) {
  row.dirty = true;
  if (std::exchange(device.rows.dirty, true)) return;
  dirty_.push_back(device.object.id);
  if (!writing_ && !timer_.running()) timer_.start(state_.report_window, [this] { write(); });
}

// Of a device on its way, the rows as they will be: its own transaction, which is queued before,
// has what was desired, and an older row must not be written over that.
void ReportWriter::hand_over() {
  for (const ObjectId& id : std::exchange(dirty_, {})) {
    Line* const line = turns_.device_on_its_way(id);
    DeviceEntry* const shown = state_.device(id);
    if (shown != nullptr) shown->rows.dirty = false;
    if (line != nullptr && line->gone) continue;  // written anew if the removal fails
    DeviceBody* const device = line != nullptr && line->device ? &*line->device : shown;
    if (device == nullptr) continue;
    std::vector<TwinRow> rows;
    for (RowTable::Row& row : device->rows.rows) {
      if (std::exchange(row.dirty, false)) rows.push_back(device->rows.unpack(row));
    }
    device->rows.dirty = false;
    if (!rows.empty()) state_.journal.put_rows(id, std::move(rows));
  }
}

// The next window begins when the disk has this one, and the longer that took the later it ends:
// rows that change meanwhile cost nothing more, and a slow disk is left a third of its time.
void ReportWriter::write() {
  hand_over();
  writing_ = true;
  const base::SteadyTime began = state_.loop.now();
  state_.journal.flush([this, life = std::weak_ptr(state_.alive), began](const base::Status&) {
    if (life.expired()) return;
    writing_ = false;
    const base::Duration rest = std::clamp<base::Duration>(
        2 * (state_.loop.now() - began), state_.report_window,
        std::max<base::Duration>(state_.report_window, Core::most_report_window));
    if (!dirty_.empty()) timer_.start(rest, [this] { write(); });
  });
}

void ReportWriter::write_anew(const ObjectId& id, DeviceEntry* entry) {
  state_.journal.delete_twins(id);
  if (entry == nullptr) return;
  std::vector<TwinRow> rows;
  for (RowTable::Row& row : entry->rows.rows) {
    row.dirty = false;
    if (row.exists) rows.push_back(entry->rows.unpack(row));
  }
  entry->rows.dirty = false;
  state_.journal.put_rows(id, std::move(rows));
  state_.journal.put_state(id, entry->state);
}

}  // namespace devicetwin
