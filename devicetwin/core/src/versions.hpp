// metadata.resourceVersion: one number that rises over all objects and is never given twice, also
// not after a crash. Belongs to the loop.
//
// Ranges are reserved on disk ahead of their use: a process that breaks off leaves the end of its
// range, and the next one begins above all that was told. One that ends in order leaves the number
// it had reached.
#pragma once

#include <cstdint>

namespace devicetwin {

class Journal;

class Versions {
 public:
  // At the 20,000 changes a second that were measured, half of it is 29 hours of a disk that takes
  // nothing; and clients that hold numbers as doubles (2^53) outlive two million crashes.
  static constexpr std::uint64_t block = std::uint64_t{1} << 32;

  explicit Versions(Journal& journal) : journal_(journal) {}

  // stored: what the journal had (0: nothing); seen: the newest of any object. Reserves the first
  // range.
  void load(std::uint64_t stored, std::uint64_t seen);
  std::uint64_t next();
  std::uint64_t now() const { return now_; }
  std::uint64_t reserved() const { return reserved_; }
  // What load() began with. A side of a twin takes part in at most one change at a time, so no
  // version of a side that an earlier process told is above it.
  std::uint64_t began() const { return began_; }
  // The end in order. Nothing if no number was ever given.
  void close();

 private:
  void reserve();

  Journal& journal_;
  std::uint64_t now_ = 0;
  std::uint64_t began_ = 0;
  std::uint64_t reserved_ = 0;
};

}  // namespace devicetwin
