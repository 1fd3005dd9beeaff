#include "tools/sunspec.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/text.hpp"
#include "dmi/device.hpp"

namespace modbus_tools::sunspec {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Json;

namespace {

// Groups in groups: the deepest public model has four levels.
constexpr int max_depth = 8;
constexpr std::size_t max_name = 64;
// Groups of one model, repeats included. The largest real ones have some hundreds; without a limit
// a small file could keep us busy for hours.
constexpr std::size_t max_groups = 10'000;
constexpr std::size_t max_symbols = 4096;

// Registers of a type; 0: as many as the definition says.
const std::map<std::string, std::uint16_t, std::less<>>& sizes() {
  static const std::map<std::string, std::uint16_t, std::less<>> table = {
      {"int16", 1},      {"uint16", 1}, {"count", 1},    {"acc16", 1},   {"enum16", 1},
      {"bitfield16", 1}, {"raw16", 1},  {"pad", 1},      {"sunssf", 1},  {"int32", 2},
      {"uint32", 2},     {"acc32", 2},  {"enum32", 2},   {"float32", 2}, {"bitfield32", 2},
      {"ipaddr", 2},     {"int64", 4},  {"uint64", 4},   {"acc64", 4},   {"float64", 4},
      {"bitfield64", 4}, {"eui48", 4},  {"ipv6addr", 8}, {"string", 0}};
  return table;
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Letters, digits, '_' and '-': what a property's name may have everywhere.
std::string cleaned(std::string name) {
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '-') c = '_';
  }
  return name;
}

// A scale factor register, or any other whole number, that later points refer to by name.
struct Seen {
  std::uint16_t address = 0;
  std::uint16_t value = 0;
};
using Scope = std::map<std::string, Seen>;

class Reader {
 public:
  Reader(const Found& found, const Note& note) : found_(found), note_(note) {}

  Result<std::vector<Point>> read(const Json& definition) {
    if (!definition.is_object() || !definition.contains("group")) {
      return invalid("group", "missing");
    }
    const auto id = definition.find("id");
    if (id == definition.end() || !id->is_number_integer() || *id != found_.id) {
      return invalid("id", cat("is not ", found_.id));
    }
    const Json& group = definition["group"];
    if (!group.is_object()) return invalid("group", "is not an object");
    model_ = cleaned(text_at(group, "name"));
    if (model_.empty() || model_.size() > max_name) model_ = cat("model", found_.id);
    // All scale factors of a group may stand behind the points that use them.
    if (Status wrong = read_group(group, "group", "", {}, 0); !wrong.ok()) return wrong;
    if (position_ < found_.words.size()) {
      note_(cat("model ", found_.id, ": the device's is ", found_.words.size() - position_,
                " registers longer than the definition"));
    }
    return std::move(points_);
  }

 private:
  Status invalid(const std::string& path, std::string_view what) const {
    return Status(Code::invalid, cat("definition of model ", found_.id, ": ", path, ": ", what));
  }

  // The device's model has ended: an older one has fewer points than the definition.
  bool at_end(std::size_t size) {
    if (position_ + size <= found_.words.size()) return false;
    if (!ended_) {
      note_(cat("model ", found_.id, ": the device's has ", found_.length,
                " registers, less than the definition: the rest is left out"));
    }
    ended_ = true;
    return true;
  }

  Result<std::uint16_t> size_of(const Json& point, const std::string& path) const {
    const std::string type = text_at(point, "type");
    const auto known = sizes().find(type);
    const auto stated = point.find("size");
    if (stated != point.end() && (!stated->is_number_integer() || *stated < 1 || *stated > 65535)) {
      return invalid(path + ".size",
                     cat(base::cut(dmi::to_text(*stated), 40), " is outside 1..65535"));
    }
    const int size = stated == point.end() ? 0 : stated->get<int>();
    if (known == sizes().end() || known->second == 0 || type == "pad") {
      if (size == 0) return invalid(path + ".size", "missing");
      return static_cast<std::uint16_t>(size);
    }
    if (size != 0 && size != known->second) {
      return invalid(path + ".size", cat(size, " is not that of ", type, ", ", known->second));
    }
    return known->second;
  }

  Status read_group(const Json& group, const std::string& path, const std::string& prefix,
                    Scope scope, int depth) {
    if (depth > max_depth) return invalid(path, cat("deeper than ", max_depth, " groups"));
    if (++groups_ > max_groups) return invalid(path, cat("more than ", max_groups, " groups"));
    const auto points = group.find("points");
    if (points != group.end() && !points->is_array())
      return invalid(path + ".points", "is no list");
    const std::size_t begin = points_.size();
    std::vector<std::string> scales;  // of the points of this group: the name of a factor, or ""
    if (points != group.end()) {
      for (std::size_t i = 0; i < points->size() && !ended_; ++i) {
        const Status wrong =
            read_point((*points)[i], cat(path, ".points[", i, "]"), prefix, scope, scales);
        if (!wrong.ok()) return wrong;
      }
    }
    for (std::size_t i = 0; i < scales.size(); ++i) resolve(points_[begin + i], scales[i], scope);
    const auto groups = group.find("groups");
    if (groups == group.end()) return Status();
    if (!groups->is_array()) return invalid(path + ".groups", "is no list");
    for (std::size_t i = 0; i < groups->size() && !ended_; ++i) {
      const Json& inner = (*groups)[i];
      const std::string at = cat(path, ".groups[", i, "]");
      if (!inner.is_object()) return invalid(at, "is not an object");
      if (Status wrong = repeat(inner, at, prefix, scope, depth + 1); !wrong.ok()) return wrong;
    }
    return Status();
  }

  // count: a number, the name of a point that holds it, 0: as often as there is room.
  Status repeat(const Json& group, const std::string& path, const std::string& prefix,
                const Scope& scope, int depth) {
    const std::string name = cleaned(text_at(group, "name"));
    if (name.empty() || name.size() > max_name) {
      return invalid(path + ".name", cat("has not 1..", max_name, " characters"));
    }
    std::size_t count = 1;
    const auto stated = group.find("count");
    const bool repeats = stated != group.end();
    if (repeats && stated->is_number_integer() && *stated >= 0 && *stated <= 65535) {
      count = stated->get<std::size_t>();
    } else if (repeats && stated->is_string()) {
      const auto holder = scope.find(stated->get<std::string>());
      if (holder == scope.end()) return invalid(path + ".count", "names no point above it");
      count = holder->second.value;
      if (count == 0xffff) count = 0;  // "not implemented"
      if (count == 0) return Status();
    } else if (repeats) {
      return invalid(path + ".count", "is neither a number nor a point's name");
    }
    const bool fill = repeats && count == 0;
    for (std::size_t i = 1; (fill || i <= count) && !ended_; ++i) {
      if (fill && position_ >= found_.words.size()) break;
      const std::size_t before = position_;
      const std::string own = repeats ? cat(prefix, name, "-", i, "-") : cat(prefix, name, "-");
      if (Status wrong = read_group(group, path, own, scope, depth); !wrong.ok()) return wrong;
      if (position_ == before && !ended_ && (fill || i > 1)) {
        return invalid(path, "a repeated group without registers");
      }
    }
    return Status();
  }

  Status read_point(const Json& json, const std::string& path, const std::string& prefix,
                    Scope& scope, std::vector<std::string>& scales) {
    if (!json.is_object()) return invalid(path, "is not an object");
    const std::string name = text_at(json, "name");
    const std::string type = text_at(json, "type");
    if (name.empty() || name.size() > max_name) {
      return invalid(path + ".name", cat("has not 1..", max_name, " characters"));
    }
    if (type.empty()) return invalid(path + ".type", "missing");
    const Result<std::uint16_t> size = size_of(json, path);
    if (!size) return size.status();
    if (at_end(*size)) return Status();
    const auto address = static_cast<std::uint16_t>(found_.address + position_);
    const std::uint16_t word = found_.words[position_];
    const bool is_header = prefix.empty() && position_ < 2;  // ID and L
    position_ += *size;
    scope[name] = {address, word};
    if (is_header || type == "pad" || type == "sunssf") return Status();
    if (!sizes().contains(type)) {
      note_(cat("model ", found_.id, ": ", path, ": type \"", base::cut(type, 40),
                "\" is not known, ", prefix, name, " is left out"));
      return Status();
    }
    if (points_.size() >= dmi::max_properties) {
      return invalid(path, cat("more than ", dmi::max_properties, " points"));
    }
    Point point;
    point.model = model_;
    point.name = prefix + cleaned(name);
    point.type = type;
    point.description = text_at(json, "label");
    point.units = text_at(json, "units");
    point.address = address;
    point.size = *size;
    point.writable = text_at(json, "access") == "RW";
    if (Status wrong = read_symbols(json, path, point); !wrong.ok()) return wrong;
    Result<std::string> scale = read_scale(json, path, point);
    if (!scale) return scale.status();
    scales.push_back(*scale);
    points_.push_back(std::move(point));
    return Status();
  }

  Status read_symbols(const Json& json, const std::string& path, Point& point) const {
    const auto symbols = json.find("symbols");
    if (symbols == json.end() || !point.type.starts_with("enum")) return Status();
    if (!symbols->is_array() || symbols->size() > max_symbols) {
      return invalid(path + ".symbols", cat("is no list of at most ", max_symbols));
    }
    for (const Json& symbol : *symbols) {
      const std::string label = symbol.is_object() ? text_at(symbol, "name") : "";
      std::int64_t value = 0;
      if (label.empty() || !symbol.contains("value") || !dmi::to_int64(symbol["value"], value)) {
        return invalid(path + ".symbols", "one has no name or no whole value");
      }
      point.symbols.push_back({value, label});
    }
    return Status();
  }

  // The name of the factor's point, "" when there is none or it is fixed.
  Result<std::string> read_scale(const Json& json, const std::string& path, Point& point) const {
    const auto scale = json.find("sf");
    if (scale == json.end()) return std::string();
    if (scale->is_string()) return scale->get<std::string>();
    if (!scale->is_number_integer() || *scale < -10 || *scale > 10) {
      return invalid(path + ".sf", "is neither a point's name nor a whole number of -10..10");
    }
    point.scale = Scale{scale->get<int>(), std::nullopt};
    return std::string();
  }

  void resolve(Point& point, const std::string& scale, const Scope& scope) const {
    if (scale.empty()) return;
    const auto factor = scope.find(scale);
    if (factor == scope.end()) {
      return note_(cat("model ", found_.id, ": the scale factor ", base::cut(scale, max_name),
                       " of ", point.name, " is not there: the value is not scaled"));
    }
    point.scale = Scale{0, factor->second.address};
  }

  const Found& found_;
  const Note& note_;
  std::string model_;
  std::size_t position_ = 0;  // in found_.words
  std::size_t groups_ = 0;
  bool ended_ = false;
  std::vector<Point> points_;
};

}  // namespace

Result<std::vector<Point>> points_of(const Json& definition, const Found& found, const Note& note) {
  return Reader(found, note).read(definition);
}

std::string text_of(const Found& found, const Point& point) {
  std::string text;
  const std::size_t begin = static_cast<std::size_t>(point.address - found.address);
  for (std::size_t i = begin; i < begin + point.size && i < found.words.size(); ++i) {
    text += static_cast<char>(found.words[i] >> 8);
    text += static_cast<char>(found.words[i] & 0xff);
  }
  text.resize(std::min(text.find('\0'), text.size()));
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace modbus_tools::sunspec
