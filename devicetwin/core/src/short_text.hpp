// A text in two words: up to 15 bytes stand in it, longer ones on the heap. Twins hold 100,000
// values, and nearly all are numbers. Value.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

namespace devicetwin {

class ShortText {
 public:
  ShortText() = default;
  explicit ShortText(std::string_view text) { set(text); }
  ShortText(ShortText&& other) noexcept { swap(other); }
  ShortText& operator=(ShortText&& other) noexcept {
    swap(other);
    return *this;
  }
  ShortText(const ShortText&) = delete;
  ShortText& operator=(const ShortText&) = delete;
  ~ShortText() { clear(); }

  std::string_view view() const {
    if (bytes_[last] != on_heap) return {bytes_, static_cast<std::size_t>(bytes_[last])};
    return {heap(), size_on_heap()};
  }
  void set(std::string_view text) {
    if (text.size() <= last) {
      // text may be a part of what is freed.
      char fresh[last + 1] = {};
      if (!text.empty()) std::memcpy(fresh, text.data(), text.size());
      fresh[last] = static_cast<char>(text.size());
      clear();
      std::memcpy(bytes_, fresh, sizeof bytes_);
      return;
    }
    char* const copy = new char[text.size()];
    std::memcpy(copy, text.data(), text.size());
    const auto size = static_cast<std::uint32_t>(text.size());
    clear();
    std::memcpy(bytes_, &copy, sizeof copy);
    std::memcpy(bytes_ + sizeof copy, &size, sizeof size);
    bytes_[last] = on_heap;
  }

 private:
  static constexpr std::size_t last = 15;
  static constexpr char on_heap = 127;

  char* heap() const {
    char* text = nullptr;
    std::memcpy(&text, bytes_, sizeof text);
    return text;
  }
  std::uint32_t size_on_heap() const {
    std::uint32_t size = 0;
    std::memcpy(&size, bytes_ + sizeof(char*), sizeof size);
    return size;
  }
  void clear() {
    if (bytes_[last] == on_heap) delete[] heap();
    bytes_[last] = 0;
  }
  void swap(ShortText& other) noexcept {
    for (std::size_t i = 0; i < sizeof bytes_; ++i) std::swap(bytes_[i], other.bytes_[i]);
  }

  alignas(8) char bytes_[last + 1] = {};  // the last one: the length, or on_heap
};
static_assert(sizeof(ShortText) == 16);

}  // namespace devicetwin
