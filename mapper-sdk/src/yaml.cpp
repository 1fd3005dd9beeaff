#include "yaml.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cstdint>
#include <iterator>

#include "base/text.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Json;

namespace {

constexpr int max_depth = 64;
constexpr std::size_t max_nodes = 1'000'000;

std::string place(const std::string& file, const YAML::Mark& mark) {
  return cat(file, ":", mark.line + 1, ":", mark.column + 1);
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (text == word) return true;
  }
  return false;
}

enum class Whole { none, exact, beyond };

// As go-yaml, which kubectl uses: 0x and 0o too, and up to 2^64 - 1. Not as a double what is
// beyond: that would be another number.
Whole parse_whole(std::string_view text, Json& out) {
  std::int64_t integer = 0;
  if (base::parse_int(text, integer)) {
    out = integer;
    return Whole::exact;
  }
  const int base = text.starts_with("0x") ? 16 : text.starts_with("0o") ? 8 : 10;
  const bool sign = text.starts_with('-') || text.starts_with('+');
  const std::string_view digits = text.substr(base != 10 ? 2 : sign ? 1 : 0);
  std::uint64_t number = 0;
  const char* const all = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), all, number, base);
  if (error == std::errc::invalid_argument || end != all) return Whole::none;
  if (error != std::errc() || text.front() == '-') return Whole::beyond;
  out = number;
  return Whole::exact;
}

Json plain(const std::string& text) {
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
  if (is_one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (is_one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) {
    return false;
  }
  double number = 0;
  if (text.find_first_of("0123456789") != text.npos && base::parse_double(text, number)) {
    return number;
  }
  return text;
}

// Turns nodes into JSON, remembering the mistakes; a limit that is broken ends it.
class Converter {
 public:
  explicit Converter(const std::string& file) : file_(file) {}

  Json convert(const YAML::Node& node, int depth = 0) {
    if (ended_) return nullptr;
    if (depth > max_depth) return end(node, cat("deeper than ", max_depth, " levels"));
    if (++nodes_ > max_nodes) return end(node, cat("more than ", max_nodes, " nodes"));
    if (node.IsMap()) return convert_map(node, depth);
    if (node.IsSequence()) {
      Json list = Json::array();
      for (const YAML::Node& element : node) list.push_back(convert(element, depth + 1));
      return list;
    }
    return node.IsScalar() ? convert_scalar(node) : Json(nullptr);
  }

  std::vector<Status> mistakes;

 private:
  Json convert_scalar(const YAML::Node& node) {
    const std::string& text = node.Scalar();
    if (node.Tag() != "?") return text;  // "!" is quoted; any other tag is taken as text, too
    Json number;
    const Whole whole = parse_whole(text, number);
    if (whole == Whole::none) return plain(text);
    if (whole == Whole::beyond) {
      add(node, cat(base::cut(text, 40), " is outside ", INT64_MIN, "..", UINT64_MAX,
                    "; a text wants quotes, a rough number an exponent (1e20)"));
    }
    return number;
  }
  Json convert_map(const YAML::Node& node, int depth) {
    Json object = Json::object();
    for (const auto& pair : node) {
      if (!pair.first.IsScalar()) {
        add(pair.first, "a key that is no text");
        continue;
      }
      const std::string& key = pair.first.Scalar();
      if (object.contains(key)) {
        add(pair.first, cat(key, ": is there already"));
      } else {
        object[key] = convert(pair.second, depth + 1);
      }
    }
    return object;
  }
  void add(const YAML::Node& node, std::string_view what) {
    mistakes.push_back(Status(Code::invalid, cat(place(file_, node.Mark()), ": ", what)));
  }
  Json end(const YAML::Node& node, std::string_view what) {
    add(node, what);
    ended_ = true;
    return nullptr;
  }

  const std::string& file_;
  std::size_t nodes_ = 0;
  bool ended_ = false;
};

}  // namespace

struct YamlDocument::Tree {
  YAML::Node root;
};

std::string YamlDocument::where(std::string_view path) const {
  // reset(), because assigning a Node changes what the old one refers to.
  YAML::Node node;
  node.reset(tree->root);
  while (!path.empty()) {
    const std::size_t end = std::min(path.find_first_of(".[", 1), path.size());
    std::string_view part = path.substr(0, end);
    path.remove_prefix(end);
    if (part.front() == '.') part.remove_prefix(1);
    YAML::Node next;
    if (part.starts_with('[')) {
      std::int64_t index = -1;
      if (!part.ends_with(']') || !base::parse_int(part.substr(1, part.size() - 2), index)) break;
      if (!node.IsSequence() || index < 0) break;
      const YAML::Node found = std::as_const(node)[static_cast<std::size_t>(index)];
      if (!found.IsDefined()) break;
      next.reset(found);
    } else {
      if (!node.IsMap()) break;
      const YAML::Node found = std::as_const(node)[std::string(part)];
      if (!found.IsDefined()) break;
      next.reset(found);
    }
    node.reset(next);
  }
  return place(file, node.Mark().is_null() ? tree->root.Mark() : node.Mark());
}

YamlFile read_yaml(const std::string& text, const std::string& file) {
  YamlFile result;
  try {
    for (const YAML::Node& root : YAML::LoadAll(text)) {
      if (root.IsNull()) continue;
      Converter converter(file);
      YamlDocument document;
      document.json = converter.convert(root);
      document.tree = std::make_shared<const YamlDocument::Tree>(YamlDocument::Tree{root});
      document.file = file;
      result.documents.push_back(std::move(document));
      std::move(converter.mistakes.begin(), converter.mistakes.end(),
                std::back_inserter(result.mistakes));
    }
  } catch (const YAML::Exception& error) {  // yaml-cpp ends here
    result.mistakes.push_back(Status(Code::invalid, cat(place(file, error.mark), ": ", error.msg)));
  }
  return result;
}

Result<std::vector<YamlDocument>> parse_yaml(const std::string& text, const std::string& file) {
  YamlFile read = read_yaml(text, file);
  if (!read.mistakes.empty()) return read.mistakes.front();
  return std::move(read.documents);
}

}  // namespace mapper
