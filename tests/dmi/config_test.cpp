#include "dmi/config.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"
#include "dmi/history_rule.hpp"
#include "dmi/value.hpp"

namespace dmi {
namespace {

using base::Code;

Config config(const char* json) { return Config(*parse_json(json), "boiler.visitor"); }

TEST(Config, ErrorNamesPathValueAndLimit) {
  const auto high = config(R"({"offset": 70000})").integer("offset", 0, 0, 65535).status();
  EXPECT_EQ(high.code(), Code::out_of_range);
  EXPECT_EQ(high.text(), "boiler.visitor.offset: 70000 is above 65535");
  const auto missing = config("{}").need_integer("offset", 0, 65535).status();
  EXPECT_EQ(missing.text(), "boiler.visitor.offset: missing (a whole number 0..65535)");
}

TEST(Config, WholeNumbersComeAsIntegerFloatOrText) {
  for (const char* five : {R"({"n": 5})", R"({"n": 5.0})", R"({"n": "5"})", R"({"n": 5e0})"}) {
    EXPECT_EQ(*config(five).integer("n", 0, 0, 10), 5) << five;
  }
  for (const char* bad : {R"({"n": 5.5})", R"({"n": true})", R"({"n": []})", R"({"n": 1e300})",
                          R"({"n": "x"})", R"({"n": 18446744073709551615})"}) {
    EXPECT_EQ(config(bad).integer("n", 0, 0, 10).status().code(), Code::invalid) << bad;
  }
}

TEST(Config, AbsentAndNullTakeTheFallback) {
  EXPECT_EQ(*config(R"({"n": null})").integer("n", 7, 0, 10), 7);
  EXPECT_EQ(*config("{}").boolean("b", true), true);
  EXPECT_EQ(*config("{}").text("t", "x"), "x");
}

TEST(Config, ChoiceListsWhatIsAllowed) {
  const auto wrong =
      config(R"({"register": "Holding"})").choice("register", 0, {"A", "B"}).status();
  EXPECT_EQ(wrong.text(), "boiler.visitor.register: \"Holding\" is none of A, B");
}

TEST(Config, InnerObjectMayBeJsonText) {
  EXPECT_EQ(*config(R"({"tcp": {"port": 1}})").object("tcp")->integer("port", 0, 0, 9), 1);
  EXPECT_EQ(*config(R"({"tcp": "{\"port\": 1}"})").object("tcp")->integer("port", 0, 0, 9), 1);
  EXPECT_EQ(config(R"({"tcp": "nonsense"})").object("tcp").status().code(), Code::invalid);
}

TEST(Config, MisspeltKeyIsNamed) {
  const auto status = config(R"({"ofset": 1})").only({"offset", "limit"});
  EXPECT_EQ(status.text(), "boiler.visitor.ofset: unknown key (known: offset, limit)");
}

TEST(Config, WhatIsShownOfAWrongValueIsUtf8) {
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string text(shift, 'x');
    for (int i = 0; i < 100; ++i) text += "🌡";
    const Config wrong(Json{{"n", text}}, "visitor");
    EXPECT_TRUE(base::is_utf8(wrong.integer("n", 0, 0, 9).status().text()));
    EXPECT_TRUE(base::is_utf8(wrong.choice("n", 0, {"A"}).status().text()));
    EXPECT_TRUE(base::is_utf8(parse_value(text, Type::integer).status().text()));
    EXPECT_TRUE(base::is_utf8(parse_history_age(text).status().text()));
    EXPECT_TRUE(base::is_utf8(parse_history_rule("24h," + text).status().text()));
    const std::string broken = parse_json("{\"a\":\"" + text + "\"\x01}").status().text();
    EXPECT_NE(broken.find("🌡"), broken.npos) << "no character of it is replaced";
  }
}

TEST(Json, WholeNumbersAreExactOrNone) {
  std::int64_t number = 7;
  EXPECT_TRUE(to_int64(*parse_json("9223372036854775807"), number));
  EXPECT_EQ(number, INT64_MAX);
  EXPECT_TRUE(to_int64(*parse_json("-9223372036854775808"), number));
  EXPECT_EQ(number, INT64_MIN);
  for (const char* none : {"9223372036854775808", "18446744073709551615", "1e30", "1.0", "\"1\"",
                           "true", "null", "[]"}) {
    EXPECT_FALSE(to_int64(*parse_json(none), number)) << none;
  }
  EXPECT_EQ(number, INT64_MIN);
}

TEST(Json, TooDeepBrokenAndForeignTextsAreInvalid) {
  EXPECT_EQ(parse_json(std::string(100000, '[')).status().code(), Code::invalid);
  EXPECT_EQ(parse_json(std::string(65, '[') + std::string(65, ']')).status().code(), Code::invalid);
  EXPECT_TRUE(parse_json(std::string(60, '[') + std::string(60, ']')).ok());
  EXPECT_EQ(parse_json("{\"a\": \"\xff\"}").status().code(), Code::invalid);
  EXPECT_EQ(parse_json("").status().code(), Code::invalid);
  // The reason is sent back to who sent the bytes.
  EXPECT_TRUE(base::is_utf8(parse_json("{\"a\"\xff}").status().text()));
  EXPECT_LT(parse_json("{\"a\":\"" + std::string(100000, 'x')).status().text().size(), 400u);
}

}  // namespace
}  // namespace dmi
