#include "batch.hpp"

#include <algorithm>

namespace devicetwin {

void Batch::put_under(Batch older) {
  for (auto& [id, under] : older.twins) {
    const auto [found, added] = twins.try_emplace(id);
    Twins& mine = found->second;
    if (mine.wipe) continue;
    mine.wipe = under.wipe;
    mine.rows.merge(under.rows);
    if (!mine.state) mine.state = std::move(under.state);
  }
  notes.merge(older.notes);
  version = std::max(version, older.version);
}

}  // namespace devicetwin
