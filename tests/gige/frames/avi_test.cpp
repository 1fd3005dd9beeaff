#include "gige/avi.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "images.hpp"

namespace {

using gige::AviWriter;

// A JPEG of one shade.
std::vector<std::uint8_t> shade(std::uint8_t value, std::uint32_t width, std::uint32_t height) {
  images::Owned made;
  made.info.format = gige::pixel_format("Mono8")->code;
  made.info.width = width;
  made.info.height = height;
  made.pixels.assign(std::size_t{width} * height, value);
  return gige::encode(made.frame(), {gige::ImageFormat::jpeg, 95}).value();
}

// What another program sees; see check_avi.py.
std::string seen(const std::filesystem::path& file) {
  return images::python(images::script("check_avi.py"), file).output;
}

TEST(Avi, AnotherProgramFindsEveryImageInOrderAndTheRateOfTheirTimes) {
  test_support::TempFolder folder;
  auto film = AviWriter::create(folder / "film.avi", 33, 21).value();
  std::int64_t time = 1'000'000'000'000;
  for (const int value : {10, 50, 90, 130, 170}) {
    ASSERT_TRUE(film->add(shade(static_cast<std::uint8_t>(value), 33, 21), time).ok());
    time += 20'000'000;
  }
  EXPECT_EQ(film->images(), 5u);
  ASSERT_TRUE(film->close().ok());
  EXPECT_EQ(seen(folder / "film.avi"), "5 33 21 20000 10 50 90 130 170\n");
}

TEST(Avi, OneImageOrNoneIsAFilmToo) {
  test_support::TempFolder folder;
  auto film = AviWriter::create(folder / "one.avi", 8, 8).value();
  ASSERT_TRUE(film->add(shade(77, 8, 8), 5).ok());
  film.reset();  // closes
  EXPECT_EQ(seen(folder / "one.avi"), "1 8 8 40000 77\n");
  film = AviWriter::create(folder / "none.avi", 8, 8).value();
  ASSERT_TRUE(film->close().ok());
  EXPECT_TRUE(film->close().ok());
  EXPECT_EQ(film->add(shade(1, 8, 8), 5).code(), base::Code::invalid);
  EXPECT_EQ(seen(folder / "none.avi"), "0 8 8 40000\n");
}

TEST(Avi, WhatIsNotAWholeJpegIsMalformedAndLeavesTheFilmAsItIs) {
  test_support::TempFolder folder;
  auto film = AviWriter::create(folder / "film.avi", 8, 8).value();
  auto cut = shade(1, 8, 8);
  cut.pop_back();
  EXPECT_EQ(film->add(cut, 0).code(), base::Code::malformed);
  EXPECT_EQ(film->add({}, 0).code(), base::Code::malformed);
  ASSERT_TRUE(film->add(shade(42, 8, 8), 0).ok());
  ASSERT_TRUE(film->close().ok());
  EXPECT_EQ(seen(folder / "film.avi"), "1 8 8 40000 42\n");
}

TEST(Avi, AFileThatExistsIsNotOverwrittenAndAbsurdSidesAreRefused) {
  test_support::TempFolder folder;
  images::write(folder / "film.avi", {1, 2, 3});
  EXPECT_EQ(AviWriter::create(folder / "film.avi", 8, 8).status().code(), base::Code::conflict);
  EXPECT_EQ(std::filesystem::file_size(folder / "film.avi"), 3u);
  EXPECT_EQ(AviWriter::create(folder / "b.avi", 0, 8).status().code(), base::Code::out_of_range);
  EXPECT_EQ(AviWriter::create(folder / "b.avi", 8, 65501).status().code(),
            base::Code::out_of_range);
  EXPECT_EQ(AviWriter::create(folder / "no/b.avi", 8, 8).status().code(), base::Code::unavailable);
}

// The disk is full: here, a limit on the sizes of files.
TEST(Avi, AFilmWhoseDiskRefusedAnImageEndsAfterTheOneBefore) {
  test_support::TempFolder folder;
  auto film = AviWriter::create(folder / "film.avi", 64, 64).value();
  ASSERT_TRUE(film->add(shade(99, 64, 64), 0).ok());
  const auto size = std::filesystem::file_size(folder / "film.avi");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit tight{size + 100, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const auto status = film->add(shade(1, 64, 64), 1);
  const auto closed = film->close();
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), base::Code::unavailable);
  EXPECT_TRUE(closed.ok()) << closed.to_string();
  EXPECT_EQ(seen(folder / "film.avi"), "1 64 64 40000 99\n");
}

TEST(Avi, AFilmAboveItsLimitIsRefusedBeforeItIsWritten) {
  test_support::TempFolder folder;
  auto film = AviWriter::create(folder / "film.avi", 8, 8).value();

  std::vector<std::uint8_t> whole = shade(1, 8, 8);
  const std::span<const std::uint8_t> image = whole;
  ASSERT_TRUE(film->add(image, 0).ok());
  const auto size = std::filesystem::file_size(folder / "film.avi");
  // Never touched in the middle, so the system gives no memory for it.
  std::unique_ptr<std::uint8_t, void (*)(void*)> huge(
      static_cast<std::uint8_t*>(std::calloc(AviWriter::max_bytes, 1)), std::free);
  ASSERT_NE(huge, nullptr);
  huge.get()[0] = 0xff;
  huge.get()[1] = 0xd8;
  huge.get()[AviWriter::max_bytes - 2] = 0xff;
  huge.get()[AviWriter::max_bytes - 1] = 0xd9;
  EXPECT_EQ(film->add({huge.get(), AviWriter::max_bytes}, 1).code(), base::Code::out_of_range);
  EXPECT_EQ(std::filesystem::file_size(folder / "film.avi"), size);
  EXPECT_EQ(film->images(), 1u);
}

}  // namespace
