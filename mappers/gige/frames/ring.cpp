// The slots of a frame ring: who has each of them, and what readers in other processes are shown.
//
// A slot is free (the caller writes it), or published; a published one may be held by FramePtrs of
// this process. A mutex covers that, held for some hundred instructions; the shared memory has its
// own rules (ring_layout.hpp).
#include <algorithm>
#include <bit>
#include <cassert>
#include <mutex>
#include <vector>

#include "gige/frame_ring.hpp"
#include "ring_file.hpp"

namespace gige {

namespace {

class Ring final : public FrameRing, public std::enable_shared_from_this<Ring> {
 public:
  Ring(std::unique_ptr<RingFile> file, std::size_t slots) : file_(std::move(file)), slots_(slots) {}

  std::size_t slots() const override { return slots_.size(); }
  std::size_t slot_bytes() const override { return file_->header().slot_bytes; }
  std::uint8_t* slot(std::size_t index) override { return file_->pixels(index); }
  void publish(std::size_t index, const FrameInfo& info) override;
  std::optional<std::size_t> reclaim(std::size_t keep) override;
  FramePtr newest() const override;

 private:
  struct Slot {
    FrameInfo info;
    bool published = false;
    int holders = 0;
  };
  // A frame of this process: its slot stays as it is until this is gone.
  struct Held {
    std::shared_ptr<const Ring> ring;
    std::size_t index;
    Frame frame;
    Held(std::shared_ptr<const Ring> ring_, std::size_t index_, Frame frame_)
        : ring(std::move(ring_)), index(index_), frame(frame_) {}
    ~Held() {
      const std::lock_guard lock(ring->mutex_);
      --ring->slots_[index].holders;
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
  };

  const std::unique_ptr<RingFile> file_;
  mutable std::mutex mutex_;  // of what follows
  mutable std::vector<Slot> slots_;
  std::optional<std::size_t> newest_complete_;
};

void Ring::publish(std::size_t index, const FrameInfo& info) {
  layout::RingHeader& header = file_->header();
  assert(info.size <= header.slot_bytes);
  // A sequence that came twice would make an overwritten frame look untouched.
  assert(info.sequence > header.newest.load(std::memory_order_relaxed));
  layout::SlotHeader& shared = file_->slot(index);
  const auto words = std::bit_cast<std::array<std::uint64_t, layout::info_words>>(info);
  for (std::size_t i = 0; i < words.size(); ++i) {
    shared.info[i].store(words[i], std::memory_order_relaxed);
  }
  {
    const std::lock_guard lock(mutex_);
    assert(!slots_[index].published);
    slots_[index] = {info, true, 0};
    if (info.status == FrameStatus::complete) newest_complete_ = index;
  }
  // Info and pixels before the turn, the turn before the newest, the newest before the wake word.
  shared.turn.store(info.sequence, std::memory_order_release);
  header.newest.store(info.sequence, std::memory_order_release);
  wake_readers(header);
}

std::optional<std::size_t> Ring::reclaim(std::size_t keep) {
  const std::lock_guard lock(mutex_);
  std::size_t published = 0;
  std::optional<std::size_t> oldest;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].published) continue;
    ++published;
    if (slots_[i].holders > 0 || i == newest_complete_) continue;
    if (!oldest || slots_[i].info.sequence < slots_[*oldest].info.sequence) oldest = i;
  }
  if (published <= keep || !oldest) return std::nullopt;
  slots_[*oldest].published = false;
  // Who sees one byte of what is written next must see this 0, too: the fence stands between.
  file_->slot(*oldest).turn.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return oldest;
}

FramePtr Ring::newest() const {
  const std::lock_guard lock(mutex_);
  if (!newest_complete_) return nullptr;
  const std::size_t index = *newest_complete_;
  const FrameInfo& info = slots_[index].info;
  const auto held = std::make_shared<const Held>(shared_from_this(), index,
                                                 Frame{info, {file_->pixels(index), info.size}});
  ++slots_[index].holders;
  return FramePtr(held, &held->frame);
}

}  // namespace

base::Result<std::shared_ptr<FrameRing>> FrameRing::create(const std::string& name,
                                                           std::size_t slots,
                                                           std::size_t slot_bytes) {
  auto file = RingFile::create(name, slots, slot_bytes);
  if (!file) return file.status();
  return std::shared_ptr<FrameRing>(std::make_shared<Ring>(std::move(file).value(), slots));
}

}  // namespace gige
