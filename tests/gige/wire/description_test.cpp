// The descriptions that are wrong are wrong as they say, and nothing else.
#include "generator/description.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/text.hpp"
#include "generator/camera_xml.hpp"
#include "support/process.hpp"

namespace {

using base::cat;
using generator::Described;
using generator::Description;

std::string text(const Described& described) {
  return std::string(described.bytes.begin(), described.bytes.end());
}

std::size_t count(const std::string& in, std::string_view what) {
  std::size_t found = 0;
  for (auto at = in.find(what); at != std::string::npos; at = in.find(what, at + 1)) ++found;
  return found;
}

TEST(Description, EveryWordIsOneAndNoOther) {
  Description got = Description::sound;
  for (const std::string_view word : base::split(generator::description_words(), ' ')) {
    EXPECT_TRUE(generator::parse_description(word, got)) << word;
  }
  EXPECT_EQ(got, Description::absent);
  EXPECT_FALSE(generator::parse_description("Sound", got));
}

TEST(Description, UrlNamesAddressAndLengthInHexadecimal) {
  const Described sound = generator::describe(Description::sound);
  char length[20];
  std::snprintf(length, sizeof length, "%zX", sound.bytes.size());
  EXPECT_EQ(sound.url, cat("Local:generator.xml;100000;", length));
  EXPECT_EQ(text(sound), generator::camera_xml(""));
  EXPECT_EQ(generator::describe(Description::huge).url, "Local:generator.xml;100000;FFFFFFFF");
  EXPECT_EQ(generator::describe(Description::absent).url, "");
}

TEST(Description, ManyNodesAreAHundredThousandMore) {
  EXPECT_EQ(count(text(generator::describe(Description::many_nodes)), "<Integer Name=\"N"),
            100'000U);
}

TEST(Description, DeepIsAHundredThousandElementsWithinEachOther) {
  const std::string xml = text(generator::describe(Description::deep));
  EXPECT_EQ(count(xml, "<Group "), 100'000U);
  EXPECT_LT(xml.rfind("<Group "), xml.find("</Group>"));
}

// By another program: Python's zipfile, which checks the sum as well.
TEST(Description, ZipsUnpackToWhatTheySay) {
  const test_support::TempFolder folder;
  const std::string path = folder / "description.zip";
  const auto unpacked = [&](Description which) {
    const Described described = generator::describe(which);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(described.bytes.data()),
               static_cast<std::streamsize>(described.bytes.size()));
    const std::string program =
        "import zipfile, sys\n"
        "z = zipfile.ZipFile(sys.argv[1])\n"
        "assert z.testzip() is None\n"
        "print(z.infolist()[0].file_size)\n";
    return test_support::run({"/usr/bin/python3", "-c", program, path}).output;
  };
  const std::size_t xml = generator::camera_xml("").size();
  EXPECT_EQ(unpacked(Description::zipped), cat(xml + 4096, "\n"));
  EXPECT_EQ(unpacked(Description::zip_bomb), cat(xml + (std::size_t{256} << 20), "\n"));
  EXPECT_LT(generator::describe(Description::zip_bomb).bytes.size(), std::size_t{2} << 20);
}

}  // namespace
