// What a camera, or whoever sends from its port, can make us read: GVCP answers, the place of its
// description, a ZIP file's ends, and the description's text. The first byte says which.
#include <cstdint>
#include <string_view>

#include "src/guard.hpp"
#include "src/gvcp.hpp"

namespace {

void answer(gige::gvcp::View bytes) {
  const auto answer = gige::gvcp::parse(bytes);
  if (!answer) return;
  static_cast<void>(gige::gvcp::discovered(*answer));
  static_cast<void>(gige::gvcp::registers(*answer, 2));
  static_cast<void>(gige::gvcp::memory(*answer, 0x200, 512));
  static_cast<void>(gige::gvcp::status_text(answer->status));
}

void zip(gige::gvcp::View bytes) {
  const std::size_t tail = bytes.size() < 1024 ? 0 : bytes.size() - 1024;
  static_cast<void>(gige::guard::check_zip(bytes, bytes.subspan(tail), bytes.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const gige::gvcp::View bytes(data + 1, size - 1);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'a') answer(bytes);
  if (data[0] == 'u') static_cast<void>(gige::guard::parse_url(text));
  if (data[0] == 'z') zip(bytes);
  if (data[0] == 'x') static_cast<void>(gige::guard::check_xml(text));
  return 0;
}
