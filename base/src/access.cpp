#include "base/access.hpp"

#include <algorithm>

#include "base/file.hpp"
#include "base/text.hpp"

namespace base {

namespace {

constexpr std::size_t max_pem_bytes = 4u << 20;  // a system's bundle of CAs is 220 kB

}  // namespace

Status check_both(std::string_view name, const std::string& value, std::string_view other_name,
                  const std::string& other) {
  if (value.empty() == other.empty()) return Status();
  return Status(Code::invalid,
                cat(name, " and ", other_name, " go together: one of them is missing"));
}

Status check_file(std::string_view name, const std::string& file, Trust how) {
  if (file.empty()) return Status();
  const auto content = read_trusted(file, how, max_pem_bytes);
  if (content) return Status();
  return Status(content.status().code(), cat(name, ": ", content.status().text()));
}

Result<std::string> read_password(const std::string& file) {
  auto text = read_trusted(file, Trust::secret);
  if (text) text->resize(std::min(text->size(), text->find_first_of("\r\n")));
  return text;
}

}  // namespace base
