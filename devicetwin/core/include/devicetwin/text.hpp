// The JSON text of an object, shared and compressed: a node keeps the objects of 100,000 properties
// in memory, some 15 MB of JSON that says the same words again and again, and looks at few of them.
// Immutable value, two words; any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace devicetwin {

class Text {
 public:
  // Shorter texts are kept as they are: compressing saves them little.
  static constexpr std::size_t compress_from = 512;

  Text() = default;  // none
  Text(std::nullptr_t) {}
  explicit Text(std::string_view text);
  // As it is: for a text that is rendered to be sent once.
  static Text plain(std::string text);

  explicit operator bool() const { return held_ != nullptr; }
  // Made anew, unless it is short. Of none: asserts.
  std::string str() const;
  std::size_t size() const;        // of the text, in bytes
  std::size_t held_bytes() const;  // of what is kept of it

 private:
  struct Held {
    std::string bytes;
    std::size_t size = 0;
    bool compressed = false;
  };
  std::shared_ptr<const Held> held_;
};

}  // namespace devicetwin
