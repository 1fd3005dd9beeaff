// One function for each library that writes images; see encode.hpp. Private to frames/.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.hpp"
#include "frames/convert.hpp"

namespace gige {

using Bytes = std::vector<std::uint8_t>;
// What is known of a frame, for the texts of a file: {"CameraTime", "81234567890"}.
using Texts = std::vector<std::pair<std::string, std::string>>;

// JPEG holds 8 bits: rows of that depth only. quality: 1..100.
base::Result<Bytes> write_jpeg(Rows& rows, int quality);
base::Result<Bytes> write_png(Rows& rows, const Texts& texts);
base::Result<Bytes> write_tiff(Rows& rows, const Texts& texts);
base::Result<Bytes> write_pnm(Rows& rows);

}  // namespace gige
