#include "dmi/encoding.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/text.hpp"

namespace dmi {
namespace {

// Random UTF-8 of up to most characters of one to four bytes; some of them '#' and ':'.
std::string random_text(std::mt19937& random, std::size_t most) {
  static const std::vector<std::string> letters = {"a", "Z",  "7", "-", "#", ":", "@",  ".",
                                                   " ", "\n", "+", "%", "ü", "°", "温", "🌡"};
  std::string text;
  for (std::size_t left = random() % (most + 1); left > 0; --left) {
    text += letters[random() % letters.size()];
  }
  return text;
}

TEST(StockEncoding, WhatFitsTheRuleStaysAsItIs) {
  for (const char* text : {"", "21.5", "-7", "true", "a-b_c.d,e:f/g@h#i", "#", "#a", ":#"}) {
    EXPECT_TRUE(is_stock_text(text)) << text;
    EXPECT_EQ(encode_stock(text), text);
  }
  EXPECT_EQ(encode_stock(std::string(512, 'x')), std::string(512, 'x'));
}

TEST(StockEncoding, OtherBytesAreHex) {
  EXPECT_EQ(encode_stock("on air"), "#:on#20air");
  EXPECT_EQ(encode_stock("21 °C"), "#:21#20#c2#b0C");
  EXPECT_EQ(encode_stock("{\"a\":1}"), "#:#7b#22a#22:1#7d");
  EXPECT_EQ(encode_stock("# x"), "#:#23#20x");
  EXPECT_EQ(encode_stock("#:"), "#:#23:");  // would be taken for an escaped one
}

TEST(StockEncoding, TheRuleOfValuesAndNames) {
  EXPECT_FALSE(is_stock_text(std::string(513, 'x')));
  EXPECT_FALSE(is_stock_text("a b"));
  EXPECT_FALSE(is_stock_text("1e+3"));
  EXPECT_FALSE(is_stock_text("ü"));
  EXPECT_FALSE(is_stock_text(std::string_view("\0", 1)));
  EXPECT_TRUE(is_stock_name("line/temp#1"));
  EXPECT_TRUE(is_stock_name(std::string(128, 'x')));
  EXPECT_FALSE(is_stock_name(std::string(129, 'x')));
  EXPECT_FALSE(is_stock_name(""));
  EXPECT_FALSE(is_stock_name("temp in"));
}

TEST(StockEncoding, NamespacesThatAreFoundInTheTopicAreNotHeard) {
  for (const char* space : {"dev", "device", "event", "events", "ice", "hw", "e", ""}) {
    EXPECT_FALSE(is_stock_space(space)) << space;
  }
  for (const char* space : {"default", "devices", "plant-1", "hw2", "eventbus"}) {
    EXPECT_TRUE(is_stock_space(space)) << space;
  }
}

TEST(StockEncoding, LongTextsAreCutAndSaySo) {
  const std::string encoded = encode_stock(std::string(513, 'x'));
  EXPECT_EQ(encoded, "#:" + std::string(507, 'x') + "#..");
  const auto decoded = decode_stock(encoded);
  ASSERT_TRUE(decoded);
  EXPECT_TRUE(decoded->cut);
  EXPECT_EQ(decoded->text, std::string(507, 'x'));
  // Exactly full is not cut: 170 escapes are 510.
  const std::string full(170, ' ');
  EXPECT_EQ(encode_stock(full).size(), 512u);
  EXPECT_FALSE(decode_stock(encode_stock(full))->cut);
  EXPECT_TRUE(decode_stock(encode_stock(full + "x"))->cut);
}

TEST(StockEncoding, RandomTextComesBackAndIsAlwaysTaken) {
  std::mt19937 random(20261122);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_text(random, round % 2 == 0 ? 40 : 600);
    const std::string encoded = encode_stock(text);
    ASSERT_TRUE(is_stock_text(encoded)) << encoded;
    const auto decoded = decode_stock(encoded);
    ASSERT_TRUE(decoded) << encoded;
    ASSERT_TRUE(base::is_utf8(decoded->text));  // no half a character
    ASSERT_EQ(decoded->cut, decoded->text != text);
    ASSERT_EQ(is_cut(encoded), decoded->cut);
    ASSERT_TRUE(text.starts_with(decoded->text));
    if (decoded->cut) {
      ASSERT_GE(encoded.size(), 512u - 11u);  // room for less than a character
    }
  }
}

TEST(StockEncoding, AnyBytesAreTakenAndComeBack) {
  std::mt19937 random(7);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const std::string encoded = encode_stock(bytes);
    ASSERT_TRUE(is_stock_text(encoded));
    const auto decoded = decode_stock(encoded);
    ASSERT_TRUE(decoded);
    ASSERT_TRUE(bytes.starts_with(decoded->text));
    ASSERT_EQ(decoded->cut, decoded->text != bytes);
  }
}

TEST(StockEncoding, MalformedEscapesAreNotDecoded) {
  for (const char* text :
       {"#:#", "#:#2", "#:a#2", "#:#2G", "#:#zz", "#:#AB", "#:a b", "#:#..x", "#:##..", "#:+"}) {
    EXPECT_FALSE(decode_stock(text)) << text;
  }
  EXPECT_FALSE(decode_stock("#: x"));
  EXPECT_EQ(decode_stock("1e+3 #")->text, "1e+3 #");  // not escaped
}

}  // namespace
}  // namespace dmi
