#include "batch.hpp"

#include <algorithm>
#include <iterator>

namespace devicetwin {

void Batch::keep_newest(std::vector<TwinRow>& rows) {
  std::ranges::stable_sort(rows, {}, &TwinRow::name);
  const auto last_of_each = [](const TwinRow& row, const TwinRow& next) {
    return row.name == next.name;
  };
  // unique() keeps the first of equals, so it goes from behind.
  const auto end = std::unique(rows.rbegin(), rows.rend(), last_of_each);
  rows.erase(rows.begin(), end.base());
}

void Batch::put_under(Batch older) {
  for (auto& [id, under] : older.twins) {
    const auto [found, added] = twins.try_emplace(id);
    Twins& mine = found->second;
    if (mine.wipe) continue;
    mine.wipe = under.wipe;
    under.rows.insert(under.rows.end(), std::make_move_iterator(mine.rows.begin()),
                      std::make_move_iterator(mine.rows.end()));
    mine.rows = std::move(under.rows);
    keep_newest(mine.rows);
    if (!mine.state) mine.state = std::move(under.state);
  }
  notes.merge(older.notes);
  version = std::max(version, older.version);
}

}  // namespace devicetwin
