#include "turns.hpp"

#include <cassert>

namespace devicetwin {

using base::Status;

bool Turns::run(const Key& key, Task task) {
  const auto [entry, free] = lines_.try_emplace(key);
  if (free) {
    turn(entry, task);
    return true;
  }
  if (entry->second.running) {
    task();
    return true;
  }
  if (entry->second.waiting.size() >= Core::max_waiting) return false;
  entry->second.waiting.push_back(std::move(task));
  return true;
}

// Decides first and what waits, max_together at most, and sends what they staged to the disk.
void Turns::turn(Lines::iterator entry, const Task& first) {
  entry->second.running = true;
  if (first) first();
  auto& waiting = entry->second.waiting;
  for (std::size_t i = 0; !waiting.empty() && (i < max_together || nothing(entry)); ++i) {
    const Task next = std::move(waiting.front());
    waiting.pop_front();
    next();
  }
  entry->second.running = false;
  if (nothing(entry)) {
    assert(!entry->second.line.staged());
    lines_.erase(entry);
    return;
  }
  state_.journal.flush(
      [this, life = std::weak_ptr(state_.alive), key = entry->first](const Status& disk) {
        if (!life.expired()) ended(key, disk);
      });
}

// Who calls a verb from an answer, or when he is told, waits behind those that wait already.
void Turns::ended(const Key& key, const Status& disk) {
  const auto entry = lines_.find(key);
  assert(entry != lines_.end());
  settle_(key, std::exchange(entry->second.line, Line()), disk);
  turn(entry, nullptr);
}

Line* Turns::on_its_way(const Key& key) {
  const auto found = lines_.find(key);
  return found == lines_.end() || !found->second.line.staged() ? nullptr : &found->second.line;
}

void Turns::for_each_device(const std::function<void(Line&)>& each) {
  for (auto& [key, entry] : lines_) {
    if (entry.line.device) each(entry.line);
  }
}

const Object* Turns::newest(const Key& key) {
  const Line* line = on_its_way(key);
  if (line == nullptr) return state_.find(key);
  if (line->device) return &line->device->object;
  return line->model ? &*line->model : nullptr;
}

std::size_t Turns::coming(Kind kind) const {
  std::size_t coming = 0;
  for (const auto& [key, entry] : lines_) {
    if (key.first != kind || (!entry.line.device && !entry.line.model)) continue;
    if (state_.find(key) == nullptr) ++coming;
  }
  return coming;
}

std::uint64_t Turns::shown_version() const {
  std::uint64_t shown = state_.versions.now();
  for (const auto& [key, entry] : lines_) {
    if (entry.line.first_version != 0) shown = std::min(shown, entry.line.first_version - 1);
  }
  return shown;
}

}  // namespace devicetwin
