#include "gige/pixel.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace {

using gige::pixel_format;

TEST(PixelFormat, NameAndCodeLeadToTheSameOneAndAreUnique) {
  std::set<std::uint32_t> codes;
  std::set<std::string_view> names;
  for (const auto& format : gige::pixel_formats()) {
    EXPECT_EQ(pixel_format(format.code), &format) << format.name;
    EXPECT_EQ(pixel_format(format.name), &format) << format.name;
    codes.insert(format.code);
    names.insert(format.name);
  }
  EXPECT_EQ(codes.size(), gige::pixel_formats().size());
  EXPECT_EQ(names.size(), gige::pixel_formats().size());
}

// Bits 16..23 of a PFNC code are the bits of a pixel in memory; bits 24..31 say mono or colour.
TEST(PixelFormat, CodeAgreesWithTheNameAboutBitsAndChannels) {
  for (const auto& format : gige::pixel_formats()) {
    const bool many = format.channels() == 3;
    EXPECT_EQ(format.code >> 24 & 0x7f, many ? 2u : 1u) << format.name;
    const int expected = many ? (format.kind != gige::PixelKind::yuv ? 24
                                 : format.group() == 2               ? 16
                                                                     : 12)
                         : format.packing == gige::Packing::bytes ? (format.significant + 7) / 8 * 8
                         : format.packing == gige::Packing::packed ? 12
                                                                   : format.significant;
    EXPECT_EQ(format.bits(), expected) << format.name;
    if (!many) {
      EXPECT_NE(format.name.find(std::to_string(format.significant)), std::string_view::npos);
    }
    if (format.kind == gige::PixelKind::bayer) {
      EXPECT_EQ(format.name.substr(0, 7), "Bayer" + std::string(format.tile));
    }
  }
}

TEST(PixelFormat, UnknownOnesAreNull) {
  EXPECT_EQ(pixel_format(0u), nullptr);
  EXPECT_EQ(pixel_format(0x01080002u), nullptr);
  EXPECT_EQ(pixel_format("mono8"), nullptr);
  EXPECT_EQ(pixel_format(""), nullptr);
}

TEST(ImageSize, CountsRowsPaddingAndPixelsThatShareBytes) {
  const auto size = [](std::string_view name, std::uint32_t w, std::uint32_t h, std::uint32_t p) {
    return gige::image_size(*pixel_format(name), w, h, p).value();
  };
  EXPECT_EQ(size("Mono8", 5, 3, 0), 15u);
  EXPECT_EQ(size("Mono8", 5, 3, 3), 24u);
  EXPECT_EQ(size("Mono12", 5, 3, 0), 30u);
  EXPECT_EQ(size("Mono12Packed", 5, 3, 0), 23u);  // 22.5: rows go on in the same byte
  EXPECT_EQ(size("Mono12Packed", 5, 3, 1), 27u);  // 8 + 1 each
  EXPECT_EQ(size("Mono10p", 4, 3, 0), 15u);
  EXPECT_EQ(size("YUV422_8", 6, 2, 0), 24u);
  EXPECT_EQ(size("YCbCr411_8", 8, 2, 2), 28u);
  EXPECT_EQ(size("Mono16", gige::max_side, gige::max_side, 0xffffffff),
            (std::uint64_t{gige::max_side} * 2 + 0xffffffff) * gige::max_side);
}

TEST(ImageSize, AbsurdSidesAndBrokenGroupsAreRefused) {
  const auto code = [](std::string_view name, std::uint32_t w, std::uint32_t h) {
    return gige::image_size(*pixel_format(name), w, h, 0).status().code();
  };
  EXPECT_EQ(code("Mono8", 0, 1), base::Code::out_of_range);
  EXPECT_EQ(code("Mono8", 1, 0), base::Code::out_of_range);
  EXPECT_EQ(code("Mono8", gige::max_side + 1, 1), base::Code::out_of_range);
  EXPECT_EQ(code("Mono8", 0xffffffff, 0xffffffff), base::Code::out_of_range);
  EXPECT_EQ(code("YUV422_8", 5, 1), base::Code::malformed);
  EXPECT_EQ(code("YUV411_8_UYYVYY", 6, 1), base::Code::malformed);
}

}  // namespace
