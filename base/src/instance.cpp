#include "base/instance.hpp"

#include "base/text.hpp"

namespace base {

const std::string& instance() {
  static const std::string number = random_hex(16);
  return number;
}

}  // namespace base
