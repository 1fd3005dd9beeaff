// YAML files as JSON documents that remember their lines. yaml-cpp stays in yaml.cpp.
// Pure; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "dmi/json.hpp"

namespace mapper {

// One document of a file.
class YamlDocument {
 public:
  dmi::Json json;
  // "plant.yaml:12:5" of the value at a path as dmi's texts have it, "spec.properties[2].name"; the
  // deepest part of it that is there. "plant.yaml:1:1" for "".
  std::string where(std::string_view path) const;

  struct Tree;
  std::shared_ptr<const Tree> tree;  // shared: documents are values
  std::string file;
};

// Every document of a text and, unlike parse_yaml(), every mistake: a key that is there twice does
// not hide what stands below it (its first value counts).
struct YamlFile {
  std::vector<YamlDocument> documents;
  std::vector<base::Status> mistakes;
};
YamlFile read_yaml(const std::string& text, const std::string& file);

// Every document of a text; empty ones are skipped. Scalars are typed as kubectl types them: quoted
// is text; true/false, yes/no, on/off are booleans; whole numbers and decimals are numbers.
// invalid: not YAML, a key twice, a key that is no text, deeper than 64 or more than 1,000,000
// nodes (aliases multiply); the text starts with file:line:column.
base::Result<std::vector<YamlDocument>> parse_yaml(const std::string& text,
                                                   const std::string& file);

}  // namespace mapper
