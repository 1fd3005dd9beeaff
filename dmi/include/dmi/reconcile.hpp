// What must be done to get from what we have to what is wanted: one pure function for start,
// registration, update and restart of either side. Same in, nothing out.
#pragma once

#include <map>
#include <vector>

namespace dmi {

template <class Key>
struct Difference {
  std::vector<Key> add;
  std::vector<Key> remove;
  std::vector<Key> change;
  bool empty() const { return add.empty() && remove.empty() && change.empty(); }
  friend bool operator==(const Difference&, const Difference&) = default;
};

// same(have, want) decides whether one of both sides needs no change.
template <class Key, class Have, class Want, class Same>
Difference<Key> reconcile(const std::map<Key, Have>& have, const std::map<Key, Want>& want,
                          Same same) {
  Difference<Key> difference;
  for (const auto& [key, value] : have) {
    const auto wanted = want.find(key);
    if (wanted == want.end()) {
      difference.remove.push_back(key);
    } else if (!same(value, wanted->second)) {
      difference.change.push_back(key);
    }
  }
  for (const auto& [key, value] : want) {
    if (!have.contains(key)) difference.add.push_back(key);
  }
  return difference;
}

}  // namespace dmi
