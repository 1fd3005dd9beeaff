#include "devicetwin/text.hpp"

#include <zstd.h>

#include <cassert>

namespace devicetwin {

namespace {
// 1 to 19. The cost of a higher one is paid at every change of an object, its gain is a few bytes.
constexpr int level = 3;
}  // namespace

Text::Text(std::string_view text) {
  Held held;
  held.size = text.size();
  if (text.size() >= compress_from) {
    std::string bytes(ZSTD_compressBound(text.size()), '\0');
    const std::size_t size =
        ZSTD_compress(bytes.data(), bytes.size(), text.data(), text.size(), level);
    if (ZSTD_isError(size) == 0 && size < text.size()) {
      held.bytes.assign(bytes, 0, size);  // a string of its own: without the bound's room
      held.compressed = true;
    }
  }
  if (!held.compressed) held.bytes = text;
  held_ = std::make_shared<const Held>(std::move(held));
}

Text Text::plain(std::string text) {
  Text made;
  const std::size_t size = text.size();
  made.held_ = std::make_shared<const Held>(Held{std::move(text), size, false});
  return made;
}

std::string Text::str() const {
  assert(held_ != nullptr);
  if (!held_->compressed) return held_->bytes;
  std::string text(held_->size, '\0');
  const std::size_t size =
      ZSTD_decompress(text.data(), text.size(), held_->bytes.data(), held_->bytes.size());
  assert(size == text.size());  // compressed by this process a moment ago
  (void)size;
  return text;
}

std::size_t Text::size() const { return held_ ? held_->size : 0; }

std::size_t Text::held_bytes() const { return held_ ? held_->bytes.size() : 0; }

}  // namespace devicetwin
