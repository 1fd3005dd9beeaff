#include "src/guard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cameras.hpp"

namespace gige {
namespace {

using namespace gige::testing;
using base::Code;
using ::testing::HasSubstr;

TEST(GuardUrl, ADescriptionInTheCamera) {
  for (const char* url : {"Local:camera.zip;10000;3E8", "local:///camera.ZIP;0x10000;0x3e8",
                          "Local:camera.zip;10000;3E8?SchemaVersion=1.1.0"}) {
    const auto place = guard::parse_url(url);
    ASSERT_TRUE(place.ok()) << url << place.status().to_string();
    EXPECT_EQ(place->address, 0x10000U);
    EXPECT_EQ(place->bytes, 1000U);
    EXPECT_TRUE(place->zip);
  }
  EXPECT_FALSE(guard::parse_url("local:camera.xml;100;10")->zip);
}

TEST(GuardUrl, WhatWouldBeReadOnOurSideIsRefused) {
  EXPECT_EQ(guard::parse_url("file:///etc/passwd").status().code(), Code::unsupported);
  EXPECT_EQ(guard::parse_url("http://10.0.0.9/x.xml").status().code(), Code::unsupported);
}

TEST(GuardUrl, AbsurdPlacesAreRefused) {
  EXPECT_EQ(guard::parse_url("local:a.xml;100;1000001").status().code(), Code::out_of_range);
  EXPECT_TRUE(guard::parse_url("local:a.xml;100;1000000").ok());
  EXPECT_EQ(guard::parse_url("local:a.xml;0;FFFFFFFFFFFFFFFF").status().code(), Code::out_of_range);
  for (const char* url : {"local:a.xml;FFFFFFF0;100", "local:a.xml;100;0", "local:a.xml;100",
                          "local:;100;100", "local:a.xml;zz;100", "local:a.xml;1;2;3", "garbage",
                          "local:a.xml;101;10", "local:a.xml;;10"}) {
    EXPECT_EQ(guard::parse_url(url).status().code(), Code::malformed) << url;
  }
}

TEST(GuardXml, DepthCountAndEntities) {
  const auto nested = [](std::size_t depth) {
    std::string xml;
    for (std::size_t i = 0; i < depth; ++i) xml += "<a>";
    for (std::size_t i = 0; i < depth; ++i) xml += "</a>";
    return xml;
  };
  EXPECT_TRUE(guard::check_xml(nested(guard::max_depth)).ok());
  const auto deep = guard::check_xml(nested(guard::max_depth + 1));
  EXPECT_EQ(deep.code(), Code::malformed);
  EXPECT_THAT(deep.text(), HasSubstr("64 deep"));

  const auto many = [](std::size_t nodes) {
    std::string xml = "<r>";
    for (std::size_t i = 0; i < nodes; ++i) {
      xml += "<Integer Name=\"N" + std::to_string(i) + "\"/>";
    }
    return xml + "</r>";
  };
  EXPECT_TRUE(guard::check_xml(many(guard::max_nodes)).ok());
  EXPECT_THAT(guard::check_xml(many(guard::max_nodes + 1)).text(), HasSubstr("50000 nodes"));
  EXPECT_THAT(guard::check_xml("<!DOCTYPE a [<!ENTITY b \"c\">]><a/>").text(),
              HasSubstr("entities"));
  for (const char* xml : {"", "no xml", "<a", "<!-- ", "</a>", "<a b='>"}) {
    EXPECT_EQ(guard::check_xml(xml).code(), Code::malformed) << xml;
  }
}

TEST(GuardXml, ValuesDefinedByThemselves) {
  const auto loop = guard::check_xml(
      "<r><Float Name='Gain'><pValue> A </pValue></Float>"
      "<Converter Name='A'><pVariable Name='X'>B</pVariable></Converter>"
      "<IntReg Name='B'><pAddress>Gain</pAddress></IntReg></r>");
  EXPECT_EQ(loop.code(), Code::malformed);
  EXPECT_THAT(loop.text(), HasSubstr("Gain -> A -> B -> Gain"));
  EXPECT_FALSE(
      guard::check_xml("<r><Category Name='C'><pFeature>C</pFeature></Category></r>").ok());
}

TEST(GuardXml, LimitsAndLocksMayDependOnEachOther) {
  EXPECT_TRUE(guard::check_xml(
                  "<r><Integer Name='Width'><pValue>WidthReg</pValue><pMax>W</pMax></Integer>"
                  "<IntSwissKnife Name='W'><pVariable Name='O'>OffsetX</pVariable></IntSwissKnife>"
                  "<Integer Name='OffsetX'><pValue>OffsetReg</pValue><pMax>O</pMax></Integer>"
                  "<IntSwissKnife Name='O'><pVariable Name='W'>Width</pVariable></IntSwissKnife>"
                  "<IntReg Name='WidthReg'/><IntReg Name='OffsetReg'/></r>")
                  .ok());
}

TEST(GuardXml, ChainsOfReferencesEnd) {
  const auto chain = [](std::size_t length) {
    std::string xml = "<r>";
    for (std::size_t i = 0; i < length; ++i) {
      xml += "<Integer Name='N" + std::to_string(i) + "'><pValue>N" + std::to_string(i + 1) +
             "</pValue></Integer>";
    }
    return xml + "<Integer Name='N" + std::to_string(length) + "'/></r>";
  };
  EXPECT_TRUE(guard::check_xml(chain(guard::max_references)).ok());
  EXPECT_THAT(guard::check_xml(chain(guard::max_references + 1)).text(), HasSubstr("256"));
  EXPECT_FALSE(guard::check_xml(chain(20'000)).ok());
}

struct Absurd {
  generator::Description description;
  const char* says;
};
class Description : public ::testing::TestWithParam<Absurd> {};
INSTANTIATE_TEST_SUITE_P(
    Guard, Description,
    ::testing::Values(Absurd{generator::Description::huge,
                             "4294967295 bytes, the limit is 16777216"},
                      Absurd{generator::Description::garbage, "GenICam description"},
                      Absurd{generator::Description::many_nodes, "more than 50000 nodes"},
                      Absurd{generator::Description::loops, "by itself"},
                      Absurd{generator::Description::deep, "GenICam description"},
                      Absurd{generator::Description::zip_bomb, "unpacks to"},
                      Absurd{generator::Description::absent, "has no GenICam description"}));

TEST_P(Description, ThatIsAbsurdIsRefusedWithAMessage) {
  generator::Options options;
  options.address = "127.0.0.2";
  options.serial = "GEN2";
  options.description = GetParam().description;
  const auto source = own_camera(options);
  ASSERT_TRUE(source);
  const auto camera = open_at("127.0.0.2");
  ASSERT_FALSE(camera.ok());
  EXPECT_EQ(camera.status().code(), Code::malformed);
  EXPECT_THAT(camera.status().text(), HasSubstr(GetParam().says));
  EXPECT_THAT(camera.status().text(), HasSubstr("GEN2"));
  EXPECT_FALSE(source->controlled());
}

TEST(Guard, ASoundZippedDescriptionOpens) {
  generator::Options options;
  options.address = "127.0.0.2";
  options.description = generator::Description::zipped;
  const auto source = own_camera(options);
  ASSERT_TRUE(source);
  const auto camera = open_at("127.0.0.2");
  EXPECT_TRUE(camera.ok()) << camera.status().to_string();
}

}  // namespace
}  // namespace gige
