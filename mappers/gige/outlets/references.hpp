// The images that others were told of: each stays served under its link for a while. Pure; one
// thread, or its owner's lock.
#pragma once

#include <deque>
#include <vector>

#include "gige/outlets.hpp"

namespace gige {

class References {
 public:
  // Sixteen readings of a twin back; and what sixteen 12-Mpixel images in TIFF must not take.
  static constexpr std::size_t max_images = 16;
  static constexpr std::size_t max_bytes = std::size_t{128} << 20;

  // The newest one stays in any case. Returns what went, for the caller to destroy when he has let
  // go of his lock: freeing a large image takes a millisecond.
  std::vector<ImagePtr> keep(const ImagePtr& image) {
    std::vector<ImagePtr> gone;
    if (find(image->info.sequence, image->format)) return gone;
    images_.push_back(image);
    bytes_ += image->bytes.size();
    while (images_.size() > max_images || (bytes_ > max_bytes && images_.size() > 1)) {
      bytes_ -= images_.front()->bytes.size();
      gone.push_back(std::move(images_.front()));
      images_.pop_front();
    }
    return gone;
  }
  ImagePtr find(std::uint64_t sequence, ImageFormat format) const {
    for (const ImagePtr& each : images_) {
      if (each->info.sequence == sequence && each->format == format) return each;
    }
    return nullptr;
  }
  std::size_t size() const { return images_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  std::deque<ImagePtr> images_;
  std::size_t bytes_ = 0;
};

}  // namespace gige
