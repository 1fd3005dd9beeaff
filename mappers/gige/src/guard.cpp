#include "src/guard.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/text.hpp"

namespace gige::guard {

using base::Code;
using base::Status;

namespace {

// APPNOTE.TXT of PKWARE, sections 4.3.7, 4.3.12 and 4.3.16. Little-endian.
constexpr std::uint32_t local_header = 0x04034b50;
constexpr std::uint32_t directory_entry = 0x02014b50;
constexpr std::uint32_t directory_end = 0x06054b50;
constexpr std::size_t local_header_bytes = 30;
constexpr std::size_t directory_entry_bytes = 46;
constexpr std::size_t directory_end_bytes = 22;
constexpr std::size_t tail_bytes = 1024;

std::uint32_t little(gvcp::View bytes, std::size_t at, std::size_t width) {
  std::uint32_t value = 0;
  for (std::size_t i = width; i > 0; --i) value = value << 8 | bytes[at + i - 1];
  return value;
}

bool parse_hex(std::string_view text, std::uint64_t& out) {
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    text.remove_prefix(2);
  }
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, out, 16);
  return error == std::errc() && at == end && !text.empty();
}

Status too_large(std::string_view what, std::uint64_t bytes) {
  return Status(Code::out_of_range, base::cat("its GenICam description ", what, " ", bytes,
                                              " bytes, the limit is ", max_bytes));
}

Status no_zip(std::string_view why) {
  return Status(Code::malformed, base::cat("its GenICam description is no ZIP file: ", why));
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 80)) out += c >= ' ' && c < 0x7F ? c : '?';
  return out;
}

Status check_member(std::uint32_t unpacked) {
  return unpacked > max_bytes ? too_large("unpacks to", unpacked) : Status();
}

base::Result<std::string> read_url(GvcpSocket& camera, std::uint32_t address,
                                   std::chrono::milliseconds patience) {
  const auto bytes = camera.read_memory(address, gvcp::reg::url_bytes, patience);
  if (!bytes) return bytes.status();
  const auto end = std::find(bytes->begin(), bytes->end(), std::uint8_t{0});
  return std::string(bytes->begin(), end);
}

}  // namespace

base::Result<Place> parse_url(std::string_view url) {
  const auto wrong = [&](std::string_view why) {
    return Status(Code::malformed, base::cat("the place of its GenICam description, \"",
                                             printable(url), "\": ", why));
  };
  const std::string_view whole = url;
  const std::string lower = base::lower(url.substr(0, 6));
  if (!lower.starts_with("local:")) {
    if (whole.find(':') == std::string_view::npos) return wrong("no local:NAME;ADDRESS;BYTES");
    return Status(Code::unsupported,
                  base::cat("the place of its GenICam description, \"", printable(url),
                            "\": only descriptions inside the camera are read"));
  }
  std::string_view rest = whole.substr(6);
  rest = rest.substr(0, rest.find_first_of("?#"));
  while (rest.starts_with('/')) rest.remove_prefix(1);
  const auto parts = base::split(rest, ';');
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  if (parts.size() != 3 || parts[0].empty() || !parse_hex(parts[1], address) ||
      !parse_hex(parts[2], bytes)) {
    return wrong("no local:NAME;ADDRESS;BYTES");
  }
  if (bytes == 0) return wrong("0 bytes");
  if (bytes > max_bytes) return too_large("has", bytes);
  if (address > 0xFFFFFFFF - bytes || address % 4 != 0) return wrong("no such address");
  Place place;
  place.name = parts[0];
  place.address = static_cast<std::uint32_t>(address);
  place.bytes = static_cast<std::size_t>(bytes);
  place.zip = base::lower(place.name).ends_with(".zip");
  return place;
}

Status check_zip(gvcp::View head, gvcp::View tail, std::size_t bytes) {
  if (head.size() < local_header_bytes || little(head, 0, 4) != local_header) {
    return no_zip("it does not begin like one");
  }
  if (const Status status = check_member(little(head, 22, 4)); !status.ok()) return status;
  // Aravis allocates what the directory at the end says, so every entry of it is looked at.
  if (tail.size() < directory_end_bytes) return no_zip("it has no directory");
  std::size_t end = tail.size() - directory_end_bytes + 1;
  while (end > 0 && little(tail, end - 1, 4) != directory_end) --end;
  if (end == 0) return no_zip("it has no directory");
  end -= 1;
  const std::size_t tail_at = bytes - tail.size();
  const std::size_t entries = little(tail, end + 10, 2);
  std::size_t at = little(tail, end + 16, 4);
  if (entries == 0 || at < tail_at || at >= tail_at + end) {
    return no_zip("its directory is not within its last 1,024 bytes");
  }
  at -= tail_at;
  for (std::size_t i = 0; i < entries; ++i) {
    if (at + directory_entry_bytes > end || little(tail, at, 4) != directory_entry) {
      return no_zip(base::cat("entry ", i, " of its directory is none"));
    }
    if (const Status status = check_member(little(tail, at + 24, 4)); !status.ok()) return status;
    at += directory_entry_bytes + little(tail, at + 28, 2) + little(tail, at + 30, 2) +
          little(tail, at + 32, 2);
  }
  return Status();
}

Status check_size(GvcpSocket& camera, std::chrono::milliseconds patience) {
  auto url = read_url(camera, gvcp::reg::first_url, patience);
  // Only an empty first place makes Aravis look at the second.
  if (url && url->empty()) url = read_url(camera, gvcp::reg::second_url, patience);
  if (!url) return url.status();
  if (url->empty()) return Status(Code::malformed, "it has no GenICam description");
  const auto place = parse_url(*url);
  if (!place) return place.status();
  if (!place->zip) return Status();
  if (place->bytes < local_header_bytes) return no_zip("it is too short");
  const auto head = camera.read_memory(place->address, local_header_bytes, patience);
  if (!head) return head.status();
  // Reads begin at multiples of 4.
  std::size_t tail_at = place->bytes - std::min(place->bytes, tail_bytes);
  tail_at -= tail_at % 4;
  const auto tail = camera.read_memory(place->address + static_cast<std::uint32_t>(tail_at),
                                       place->bytes - tail_at, patience);
  if (!tail) return tail.status();
  return check_zip(*head, *tail, place->bytes);
}

}  // namespace gige::guard
