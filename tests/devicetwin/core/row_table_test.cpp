// Packed rows against rows as they are.
#include "row_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace devicetwin {
namespace {

using base::Code;
using base::Status;

std::string word(std::mt19937& random, std::size_t most) {
  std::string text(random() % (most + 1), ' ');
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

Side side(std::mt19937& random) {
  if (random() % 3 == 0) return {};
  return {true,
          word(random, 40),
          static_cast<std::int64_t>(random()),
          {static_cast<std::int64_t>(random() % 3), static_cast<std::int64_t>(random() % 9)},
          word(random, 20)};
}

TwinRow any_row(std::mt19937& random, const std::string& name) {
  TwinRow row;
  row.name = name;
  row.type = random() % 2 == 0 ? "float" : word(random, 20);
  row.optional = random() % 2 == 0;
  row.deleted = random() % 4 == 0;
  row.actual = side(random);
  if (random() % 2 == 0) return row;
  row.expected = side(random);
  row.observed = word(random, 20);
  row.observed_ms = static_cast<std::int64_t>(random() % 3);
  if (random() % 2 == 0) row.quality = Status(Code::timeout, word(random, 60));
  if (random() % 2 == 0) row.refusal = Status(Code::refused, word(random, 60));
  return row;
}

TEST(RowTable, IsAMapOfRows) {
  std::mt19937 random(7);
  Names names;
  {
    RowTable table(names);
    std::map<std::string, TwinRow> model;
    for (int i = 0; i < 20'000; ++i) {
      const std::string name = word(random, 2);
      if (name.empty()) continue;
      const TwinRow row = any_row(random, name);
      table.put(row);
      model[name] = row;
      const Twins twins(table);
      ASSERT_EQ(twins.size(), model.size());
      const std::string other = word(random, 2);
      ASSERT_EQ(twins.contains(other), model.contains(other));
      if (model.contains(other)) {
        ASSERT_EQ(twins.at(other), model.at(other));
      }
    }
    std::vector<TwinRow> in_order;
    Twins(table).for_each([&](const TwinRow& row) { in_order.push_back(row); });
    ASSERT_EQ(in_order.size(), model.size());
    auto expected = model.begin();
    for (const TwinRow& row : in_order) EXPECT_EQ(row, (expected++)->second);
  }
  EXPECT_EQ(names.size(), 0u);  // the last row takes its words along
}

TEST(RowTable, APlaceholderIsNoRow) {
  Names names;
  RowTable table(names);
  std::vector<dmi::DeviceProperty> properties(2);
  properties[0].name = "b";
  properties[1].name = "a";
  table.add(properties);
  EXPECT_EQ(Twins(table).size(), 0u);
  EXPECT_FALSE(Twins(table).contains("a"));
  table.find("a")->position = 0;
  table.tidy();
  EXPECT_NE(table.find("a"), nullptr);
  EXPECT_EQ(table.find("b"), nullptr);
}

TEST(Text, IsWhatItWasMadeOf) {
  std::mt19937 random(3);
  for (const std::size_t size : {0, 1, 511, 512, 513, 20'000, 1'000'000}) {
    std::string same(size, 'x');
    EXPECT_EQ(Text(same).str(), same);
    EXPECT_EQ(Text(same).size(), size);
    std::string noise(size, ' ');
    for (char& c : noise) c = static_cast<char>(random());
    EXPECT_EQ(Text(noise).str(), noise);
  }
  EXPECT_LT(Text(std::string(20'000, 'x')).held_bytes(), 100u);
  EXPECT_FALSE(Text());
  EXPECT_TRUE(Text(""));
}

}  // namespace
}  // namespace devicetwin
