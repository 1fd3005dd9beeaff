#include "outlets/image.hpp"

#include <openssl/evp.h>

#include <array>
#include <cassert>
#include <span>

#include "base/text.hpp"
#include "outlets/route.hpp"

namespace gige {

using base::cat;

std::string sha256(std::span<const std::uint8_t> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  const int done =
      EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  assert(done == 1);  // fails only without memory or without SHA-256
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; done == 1 && i < size; ++i) {
    text += digits[digest[i] >> 4];
    text += digits[digest[i] & 15];
  }
  return text;
}

base::Result<ImagePtr> make_image(const Frame& frame, const EncodeOptions& options,
                                  const dmi::ObjectId& device, const std::string& link_base) {
  auto bytes = encode(frame, options);
  if (!bytes) return bytes.status();
  auto image = std::make_shared<Image>();
  image->info = frame.info;
  image->format = options.format;
  image->bytes = std::move(*bytes);
  image->sha256 = sha256(image->bytes);
  if (!link_base.empty()) {
    image->link = link_base + frame_path(device, frame.info.sequence, options.format);
  }
  return ImagePtr(std::move(image));
}

std::string_view name(FrameStatus status) {
  switch (status) {
    case FrameStatus::complete:
      return "complete";
    case FrameStatus::missing_packets:
      return "missing packets";
    case FrameStatus::aborted:
      return "aborted";
    case FrameStatus::oversized:
      return "oversized";
    case FrameStatus::malformed:
      return "malformed";
  }
  return "unknown";
}

double as_ms(std::int64_t ns) { return static_cast<double>(ns / 1000) / 1000.0; }

std::vector<std::pair<std::string, std::string>> headers(const FrameInfo& info) {
  return {{"X-Frame-Id", cat(info.id)},
          {"X-Frame-Sequence", cat(info.sequence)},
          {"X-Frame-Camera-Time", cat(info.camera_ns)},
          {"X-Frame-Time", cat(info.arrived_ns)},
          {"X-Frame-Exposed", cat(info.exposed_ns)},
          {"X-Frame-Width", cat(info.width)},
          {"X-Frame-Height", cat(info.height)},
          {"X-Frame-Status", std::string(name(info.status))}};
}

dmi::Json metadata(const Image& image, const dmi::ObjectId& device) {
  const FrameInfo& info = image.info;
  return {{"device", device.to_string()},
          {"sequence", info.sequence},
          {"id", info.id},
          {"time", as_ms(info.arrived_ns)},
          {"exposed", as_ms(info.exposed_ns)},
          {"width", info.width},
          {"height", info.height},
          {"format", std::string(name(image.format))},
          {"size", image.bytes.size()},
          {"sha256", image.sha256},
          {"link", image.link}};
}

}  // namespace gige
