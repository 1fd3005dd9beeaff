#include "generator/description.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/text.hpp"
#include "generator/camera_xml.hpp"
#include "generator/registers.hpp"
#include "generator/zip.hpp"

namespace generator {

namespace {

using base::cat;

constexpr std::array words{
    std::pair{"sound", Description::sound},
    std::pair{"zipped", Description::zipped},
    std::pair{"huge", Description::huge},
    std::pair{"garbage", Description::garbage},
    std::pair{"many-nodes", Description::many_nodes},
    std::pair{"loops", Description::loops},
    std::pair{"deep", Description::deep},
    std::pair{"zip-bomb", Description::zip_bomb},
    std::pair{"absent", Description::absent},
};

std::string hex(std::uint64_t number) {
  char text[20];
  std::snprintf(text, sizeof text, "%llX", static_cast<unsigned long long>(number));
  return text;
}

// GigE Vision 2.0, section 16.2.1: "Local:NAME;ADDRESS;LENGTH", numbers in hexadecimal without 0x.
std::string url(std::string_view name, std::uint64_t bytes) {
  return cat("Local:", name, ";", hex(reg::description), ";", hex(bytes));
}

Bytes bytes_of(std::string_view text) { return Bytes(text.begin(), text.end()); }

Described plain(std::string_view xml) { return {url("generator.xml", xml.size()), bytes_of(xml)}; }

std::string many_nodes() {
  std::string more;
  for (int i = 0; i < 100'000; ++i) {
    more += cat("<Integer Name=\"N", i, "\"><Value>", i, "</Value></Integer>\n");
  }
  return camera_xml(more);
}

std::string deep() {
  constexpr int depth = 100'000;
  std::string more;
  for (int i = 0; i < depth; ++i) more += "<Group Comment=\"g\">";
  for (int i = 0; i < depth; ++i) more += "</Group>";
  return camera_xml(more);
}

std::string loops() {
  return camera_xml(
      "<Integer Name=\"Self\"><pValue>Self</pValue></Integer>\n"
      "<Integer Name=\"LoopA\"><pValue>LoopB</pValue></Integer>\n"
      "<IntSwissKnife Name=\"LoopB\"><pVariable Name=\"X\">LoopC</pVariable>"
      "<Formula>X+1</Formula></IntSwissKnife>\n"
      "<Integer Name=\"LoopC\"><pValue>LoopA</pValue><pMax>LoopB</pMax></Integer>\n"
      "<Category Name=\"Loops\"><pFeature>Self</pFeature><pFeature>LoopA</pFeature>"
      "<pFeature>Loops</pFeature></Category>\n");
}

Bytes garbage() {
  Bytes out(20'000);
  std::uint32_t state = 1;
  for (std::uint8_t& byte : out) {
    state = state * 1664525 + 1013904223;  // Numerical Recipes' generator
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return out;
}

}  // namespace

bool parse_description(std::string_view word, Description& out) {
  const auto found = std::ranges::find(words, word, [](const auto& pair) { return pair.first; });
  if (found == words.end()) return false;
  out = found->second;
  return true;
}

std::string_view description_words() {
  return "sound zipped huge garbage many-nodes loops deep zip-bomb absent";
}

Described describe(Description which) {
  constexpr std::size_t bomb_bytes = std::size_t{256} << 20;
  switch (which) {
    case Description::sound:
      break;
    case Description::absent:
      return {};
    case Description::huge:
      return {url("generator.xml", 0xFFFFFFFF), bytes_of(camera_xml(""))};
    case Description::many_nodes:
      return plain(many_nodes());
    case Description::deep:
      return plain(deep());
    case Description::loops:
      return plain(loops());
    case Description::garbage: {
      Bytes bytes = garbage();
      return {url("generator.xml", bytes.size()), std::move(bytes)};
    }
    case Description::zipped: {
      // Aravis 0.8.26 unpacks only what has become smaller, so there must be something to gain.
      Bytes bytes = zip("generator.xml", bytes_of(camera_xml("")), 4096);
      return {url("generator.zip", bytes.size()), std::move(bytes)};
    }
    case Description::zip_bomb: {
      Bytes bytes = zip("generator.xml", bytes_of(camera_xml("")), bomb_bytes);
      return {url("generator.zip", bytes.size()), std::move(bytes)};
    }
  }
  return plain(camera_xml(""));
}

}  // namespace generator
