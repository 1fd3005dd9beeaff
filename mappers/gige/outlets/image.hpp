// Images and what is said of them in headers and JSON. Pure; any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dmi/json.hpp"
#include "gige/outlets.hpp"

namespace gige {

// Lower-case hex of the SHA-256 of bytes.
std::string sha256(std::span<const std::uint8_t> bytes);

// Encodes frame; tens of milliseconds. link_base: "http://HOST:PORT", or "" for no link.
base::Result<ImagePtr> make_image(const Frame& frame, const EncodeOptions& options,
                                  const dmi::ObjectId& device, const std::string& link_base);

// "complete", "missing packets", … as HTTP and JSON say it.
std::string_view name(FrameStatus status);
// A time in nanoseconds since 1970 as milliseconds, with microseconds as fraction; 0: unknown.
double as_ms(std::int64_t ns);
// X-Frame-Id, X-Frame-Sequence, X-Frame-Camera-Time, X-Frame-Status, … for HTTP and POST.
std::vector<std::pair<std::string, std::string>> headers(const FrameInfo& info);
// {device, sequence, id, time, exposed, width, height, format, size, sha256, link}
dmi::Json metadata(const Image& image, const dmi::ObjectId& device);

}  // namespace gige
