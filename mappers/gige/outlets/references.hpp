// The images that others were told of: each stays served under its link for a while. Pure; one
// thread, or its owner's lock.
#pragma once

#include <deque>

#include "gige/outlets.hpp"

namespace gige {

class References {
 public:
  // Sixteen readings of a twin back; and what sixteen 12-Mpixel images in TIFF must not take.
  static constexpr std::size_t max_images = 16;
  static constexpr std::size_t max_bytes = std::size_t{128} << 20;

  // The newest one stays in any case.
  void keep(const ImagePtr& image) {
    if (find(image->info.sequence, image->format)) return;
    images_.push_back(image);
    bytes_ += image->bytes.size();
    while (images_.size() > max_images || (bytes_ > max_bytes && images_.size() > 1)) {
      bytes_ -= images_.front()->bytes.size();
      images_.pop_front();
    }
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
