// Words that many rows share, each kept once: property names of devices of one model, types,
// origins. One word in place of a string of four. All of one Names on one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace devicetwin {

class Names;

// A word of a Names, which must outlive it. Copies count.
class Name {
 public:
  Name() = default;  // ""
  Name(const Name& other) : entry_(other.entry_) {
    if (entry_ != nullptr) ++entry_->second.uses;
  }
  Name(Name&& other) noexcept : entry_(other.entry_) { other.entry_ = nullptr; }
  Name& operator=(Name other) noexcept {
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~Name() { release(); }

  std::string_view view() const { return entry_ == nullptr ? "" : std::string_view(entry_->first); }
  // Of one Names: the same word is the same entry.
  friend bool operator==(const Name& a, const Name& b) { return a.entry_ == b.entry_; }

 private:
  friend class Names;
  struct Use {
    Names* owner = nullptr;
    std::uint64_t uses = 0;
  };
  using Entry = std::pair<const std::string, Use>;
  explicit Name(Entry* entry) : entry_(entry) { ++entry_->second.uses; }
  void release();

  Entry* entry_ = nullptr;
};

class Names {
 public:
  Names() = default;
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  Name of(std::string_view word) {
    if (word.empty()) return Name();
    auto found = words_.find(word);
    if (found == words_.end()) found = words_.emplace(word, Name::Use{this, 0}).first;
    return Name(&*found);
  }
  std::size_t size() const { return words_.size(); }

 private:
  friend class Name;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const {
      return std::hash<std::string_view>()(word);
    }
  };
  // Entries of a node-based map stay where they are.
  std::unordered_map<std::string, Name::Use, Hash, std::equal_to<>> words_;
};

inline void Name::release() {
  if (entry_ == nullptr || --entry_->second.uses > 0) return;
  // By iterator: the key that would be looked for is the one that is destroyed.
  auto& words = entry_->second.owner->words_;
  words.erase(words.find(entry_->first));
  entry_ = nullptr;
}

}  // namespace devicetwin
