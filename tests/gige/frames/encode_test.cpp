#include "gige/encode.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <random>
#include <string>

#include "images.hpp"

namespace {

using gige::ImageFormat;
using images::Owned;

constexpr ImageFormat lossless[] = {ImageFormat::png, ImageFormat::tiff, ImageFormat::pnm};

// Frames and their files in a folder, for one run of check_images.py over all of them.
class Gallery {
 public:
  void add(const gige::PixelFormat& format, const Owned& made, ImageFormat kind) {
    const auto file = gige::encode(made.frame(), {kind, 100});
    ASSERT_TRUE(file.ok()) << format.name << ": " << file.status().to_string();
    const std::string number = std::to_string(count_++);
    const std::string name = number + "." + std::string(gige::extension(kind));
    images::write(folder_ / (number + ".raw"), made.pixels);
    images::write(folder_ / name, *file);
    list_ << number << " " << format.name << " " << made.info.width << " " << made.info.height
          << " " << made.info.padding << " " << name << "\n";
  }

  void check() {
    list_.close();
    const auto outcome = images::python(images::script("check_images.py"), folder_.path());
    EXPECT_EQ(outcome.exit, 0) << outcome.output;
  }

 private:
  test_support::TempFolder folder_;
  std::ofstream list_{folder_ / "list"};
  int count_ = 0;
};

TEST(Encode, EveryFormatInEveryLosslessFileIsDecodedExactlyByAnotherProgram) {
  std::mt19937 random(1);
  Gallery gallery;
  for (const auto& format : gige::pixel_formats()) {
    for (const ImageFormat kind : lossless) {
      gallery.add(format, images::random_frame(format, 12, 7, 0, random), kind);
    }
  }
  gallery.check();
}

TEST(Encode, RandomSizesOddWidthsAndPaddingAreDecodedExactly) {
  const unsigned seed = 20261123;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  Gallery gallery;
  for (const auto& format : gige::pixel_formats()) {
    const auto group = format.group();
    gallery.add(format, images::random_frame(format, group, 1, 0, random), ImageFormat::png);
    gallery.add(format, images::random_frame(format, group, 3, 1, random), ImageFormat::pnm);
    for (int i = 0; i < 3; ++i) {
      const auto width = static_cast<std::uint32_t>(1 + random() % 15) * group;
      const auto height = static_cast<std::uint32_t>(1 + random() % 9);
      const auto padding = static_cast<std::uint32_t>(random() % 2 * (random() % 6));
      gallery.add(format, images::random_frame(format, width, height, padding, random),
                  lossless[random() % 3]);
    }
  }
  gallery.check();
}

// A smooth picture, darker at the top: what JPEG is made for. Noise would be off by any amount.
// Rows must end at a byte.
void smoothen(const gige::PixelFormat& format, Owned& made) {
  const std::size_t row = made.pixels.size() / made.info.height;
  const bool whole =
      format.bits() == 8 || format.significant == 8 || format.packing == gige::Packing::packed;
  const std::size_t sample_bits = whole ? 8 : static_cast<std::size_t>(format.bits());
  for (std::size_t i = 0; i < made.pixels.size(); ++i) {
    const std::size_t shade = 60 + i / row * 2;
    const std::size_t value = whole ? shade : shade << (format.significant - 8);
    unsigned byte = 0;
    for (std::size_t bit = 0; bit < 8; ++bit) {
      byte |= static_cast<unsigned>(value >> (i % row * 8 + bit) % sample_bits & 1) << bit;
    }
    made.pixels[i] = static_cast<std::uint8_t>(byte);
  }
}

TEST(Encode, JpegOfEveryFormatIsWholeAndWithinItsBound) {
  std::mt19937 random(2);
  Gallery gallery;
  for (const auto& format : gige::pixel_formats()) {
    for (const std::uint32_t width : {4u, 36u}) {
      Owned made = images::random_frame(format, width, 17, 0, random);
      smoothen(format, made);
      gallery.add(format, made, ImageFormat::jpeg);
    }
  }
  gallery.check();
}

TEST(Encode, RawIsTheCamerasBytesOfAnyFormat) {
  Owned made;
  made.pixels = {1, 2, 3};
  made.info.format = 0xdeadbeef;
  made.info.width = 0xffffffff;
  EXPECT_EQ(gige::encode(made.frame(), {ImageFormat::raw}).value(), made.pixels);
}

TEST(Encode, BlackIsBlackAndWhiteIsWhiteInDeepFiles) {
  Owned made;
  made.info.format = gige::pixel_format("Mono12")->code;
  made.info.width = 3;
  made.info.height = 1;
  made.pixels = {0, 0, 0xff, 0x0f, 0x23, 0xf1};  // 0, 4095, 0x123 with rubbish in its high bits
  const auto file = gige::encode(made.frame(), {ImageFormat::pnm}).value();
  const std::vector<std::uint8_t> samples(file.end() - 6, file.end());
  EXPECT_EQ(samples, (std::vector<std::uint8_t>{0, 0, 0xff, 0xff, 0x12, 0x31}));
}

TEST(Encode, UnknownFormatIsUnsupportedAndTheTextNamesThoseThatWork) {
  Owned made;
  made.info.format = 0x01080002;  // Mono8s
  made.info.width = made.info.height = 1;
  made.pixels = {0};
  const auto status = gige::encode(made.frame(), {ImageFormat::png}).status();
  EXPECT_EQ(status.code(), base::Code::unsupported);
  EXPECT_NE(status.text().find("0x01080002"), std::string::npos) << status.text();
  EXPECT_NE(status.text().find("Mono12Packed"), std::string::npos) << status.text();
}

TEST(Encode, FewerPixelsThanTheSizeAsksForAreMalformed) {
  std::mt19937 random(3);
  for (const auto& format : gige::pixel_formats()) {
    for (const std::uint32_t padding : {0u, 3u}) {
      Owned made = images::random_frame(format, 8, 5, padding, random);
      made.pixels.resize(made.pixels.size() - padding);  // the last row's may be absent
      EXPECT_TRUE(gige::encode(made.frame(), {ImageFormat::tiff}).ok()) << format.name;
      made.pixels.resize(made.pixels.size() - 1);
      // On a heap of its own size, so that the address sanitizer sees a read beyond it.
      made.pixels.shrink_to_fit();
      EXPECT_EQ(gige::encode(made.frame(), {ImageFormat::tiff}).status().code(),
                base::Code::malformed)
          << format.name;
    }
  }
}

TEST(Encode, AbsurdSizesAreRefusedWithoutReadingOrAllocating) {
  constexpr auto most = std::numeric_limits<std::uint32_t>::max();
  Owned made;
  made.info.format = gige::pixel_format("Mono16")->code;
  made.pixels.resize(64);
  for (const std::uint32_t width : {0u, 1u << 16, 1u << 20, 1u << 31, most}) {
    for (const std::uint32_t height : {0u, 1u << 16, 1u << 20, 1u << 31, most}) {
      for (const std::uint32_t padding : {0u, most}) {
        made.info.width = width;
        made.info.height = height;
        made.info.padding = padding;
        for (const auto kind :
             {ImageFormat::jpeg, ImageFormat::png, ImageFormat::tiff, ImageFormat::pnm}) {
          EXPECT_FALSE(gige::encode(made.frame(), {kind}).ok());
        }
      }
    }
  }
}

TEST(Encode, SidesThatJpegCannotHoldAreOutOfRange) {
  Owned made;
  made.info.format = gige::pixel_format("Mono8")->code;
  made.info.width = 65501;
  made.info.height = 1;
  made.pixels.resize(65501);
  EXPECT_EQ(gige::encode(made.frame(), {ImageFormat::jpeg}).status().code(),
            base::Code::out_of_range);
  EXPECT_TRUE(gige::encode(made.frame(), {ImageFormat::png}).ok());
}

TEST(Encode, IncompleteFramesAndBadQualitiesAreRefused) {
  std::mt19937 random(4);
  Owned made = images::random_frame(*gige::pixel_format("Mono8"), 4, 4, 0, random);
  EXPECT_EQ(gige::encode(made.frame(), {ImageFormat::jpeg, 0}).status().code(),
            base::Code::invalid);
  EXPECT_EQ(gige::encode(made.frame(), {ImageFormat::jpeg, 101}).status().code(),
            base::Code::invalid);
  made.info.status = gige::FrameStatus::missing_packets;
  EXPECT_EQ(gige::encode(made.frame(), {ImageFormat::raw}).status().code(), base::Code::refused);
}

TEST(Encode, PngAndTiffCarryTheFramesTimeAndNumber) {
  std::mt19937 random(5);
  Owned made = images::random_frame(*gige::pixel_format("Mono8"), 4, 4, 0, random);
  made.info.id = 4711;
  made.info.camera_ns = 81234567890;
  for (const auto kind : {ImageFormat::png, ImageFormat::tiff}) {
    const auto file = gige::encode(made.frame(), {kind}).value();
    const std::string text(file.begin(), file.end());
    EXPECT_NE(text.find("4711"), std::string::npos);
    EXPECT_NE(text.find("81234567890"), std::string::npos);
  }
}

TEST(ImageFormats, WordsAndExtensionsAreUnderstoodInAnyCase) {
  for (const auto kind : {ImageFormat::jpeg, ImageFormat::png, ImageFormat::tiff, ImageFormat::pnm,
                          ImageFormat::raw}) {
    EXPECT_EQ(gige::image_format(gige::name(kind)).value(), kind);
    EXPECT_EQ(gige::image_format(gige::extension(kind)).value(), kind);
  }
  EXPECT_EQ(gige::image_format("JPG").value(), ImageFormat::jpeg);
  const auto status = gige::image_format("bmp").status();
  EXPECT_EQ(status.code(), base::Code::invalid);
  EXPECT_NE(status.text().find("jpeg, png, tiff, pnm, raw"), std::string::npos);
}

}  // namespace
