// PNM (Netpbm): P5 for grey, P6 for RGB; 16-bit samples are big-endian.
#include <algorithm>
#include <bit>

#include "base/text.hpp"
#include "frames/files.hpp"

namespace gige {

base::Result<Bytes> write_pnm(Rows& rows) {
  const std::string header = base::cat(rows.channels() == 1 ? "P5\n" : "P6\n", rows.width(), " ",
                                       rows.height(), "\n", rows.depth() == 16 ? 65535 : 255, "\n");
  Bytes file(header.size() + rows.row_bytes() * rows.height());
  std::uint8_t* out = std::copy(header.begin(), header.end(), file.data());
  const bool swap = rows.depth() == 16 && std::endian::native == std::endian::little;
  for (std::uint32_t y = 0; y < rows.height(); ++y) {
    const auto row = rows.row(y);
    if (!swap) {
      out = std::copy(row.begin(), row.end(), out);
      continue;
    }
    for (std::size_t i = 0; i < row.size(); i += 2, out += 2) {
      out[0] = row[i + 1];
      out[1] = row[i];
    }
  }
  return file;
}

}  // namespace gige
