#include "base/text.hpp"

#include <gtest/gtest.h>

#include <random>

namespace base {
namespace {

TEST(Text, CatJoinsTextsNumbersAndBools) {
  EXPECT_EQ(cat("unit ", 7, ": ", std::string("x"), ' ', 0.5, ' ', true, ' ', std::uint8_t{255}),
            "unit 7: x 0.5 true 255");
}

TEST(Text, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a/b//c", '/'), (std::vector<std::string_view>{"a", "b", "", "c"}));
  EXPECT_EQ(split("", '/'), (std::vector<std::string_view>{""}));
}

TEST(Text, ParseIntTakesTheWholeTextOrNothing) {
  std::int64_t number = 42;
  EXPECT_TRUE(parse_int("-9223372036854775808", number));
  EXPECT_EQ(number, INT64_MIN);
  for (const char* bad : {"", "+", "1 ", " 1", "0x10", "9223372036854775808", "1.0", "--1"}) {
    number = 42;
    EXPECT_FALSE(parse_int(bad, number)) << bad;
    EXPECT_EQ(number, 42) << bad;
  }
}

TEST(Text, ParseDoubleRefusesWhatIsNotFinite) {
  double number = 42;
  EXPECT_TRUE(parse_double("-1.5e3", number));
  EXPECT_EQ(number, -1500);
  for (const char* bad : {"", "inf", "nan", "1e999", "1,5", "1.5x"}) {
    EXPECT_FALSE(parse_double(bad, number)) << bad;
  }
}

TEST(Text, Base64HasTheVectorsOfRfc4648) {
  const auto bytes = [](std::string_view text) {
    return std::vector<std::uint8_t>(text.begin(), text.end());
  };
  EXPECT_EQ(base64(bytes("")), "");
  EXPECT_EQ(base64(bytes("f")), "Zg==");
  EXPECT_EQ(base64(bytes("fo")), "Zm8=");
  EXPECT_EQ(base64(bytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(base64url(bytes("\xfb\xff")), "-_8");
}

TEST(Text, Base64UrlRoundTripsAndRefusesEverythingElse) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::uint8_t> bytes(random() % 40);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    std::vector<std::uint8_t> back;
    ASSERT_TRUE(from_base64url(base64url(bytes), back)) << "round " << round;
    ASSERT_EQ(back, bytes) << "round " << round;
  }
  std::vector<std::uint8_t> out{1};
  for (const char* bad : {"A", "AA=", "A+==", "AB", "Zg==", "Z g"}) {
    EXPECT_FALSE(from_base64url(bad, out)) << bad;
  }
  EXPECT_EQ(out, std::vector<std::uint8_t>{1});
}

TEST(Text, UuidIsRandomVersion4) {
  const std::string one = uuid();
  ASSERT_EQ(one.size(), 36u);
  EXPECT_EQ(one[14], '4');
  EXPECT_NE(std::string("89ab").find(one[19]), std::string::npos);
  EXPECT_NE(one, uuid());
}

TEST(Text, IsCutBetweenCharactersAndWhatIsNoneAnywhere) {
  const std::string text = "aä€🌡b";  // 1 + 2 + 3 + 4 + 1 bytes
  const std::size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
  for (std::size_t most = 0; most < std::size(ends); ++most) {
    EXPECT_EQ(cut(text, most), text.substr(0, ends[most])) << most;
  }
  EXPECT_EQ(cut(std::string(50, '\x80'), 40).size(), 40u);
}

TEST(Text, Utf8KnowsOverlongSurrogateAndTruncated) {
  EXPECT_TRUE(is_utf8("plain, größe, 温度, 🌡"));
  for (const std::string_view bad :
       {std::string_view("\xc0\x80"), std::string_view("\xed\xa0\x80"),
        std::string_view("\xe2\x82"), std::string_view("\xf4\x90\x80\x80"),
        std::string_view("\x80"), std::string_view("a\0b", 3)}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

}  // namespace
}  // namespace base
