// The second half of guard.hpp: the description's text. Not a validator: what is no XML, Aravis
// refuses itself. Here only what makes it run out of memory or stack.
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/text.hpp"
#include "src/guard.hpp"

namespace gige::guard {

using base::Code;
using base::Status;

namespace {

// Elements, named or not; the largest in the field have 100,000.
constexpr std::size_t max_elements = 1'000'000;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// A value that is read to know the value: a loop of these never ends. Limits, locks and
// availability are left out: there loops are usual (Width is limited by OffsetX, which is limited
// by Width) and end at the value.
bool is_value_reference(std::string_view tag) {
  static constexpr std::string_view tags[] = {
      "pValue",  "pAddress", "pVariable", "pIndex",        "pValueIndexed", "pValueDefault",
      "pLength", "pOffset",  "pFeature",  "pCommandValue", "pValueCopy"};
  return std::find(std::begin(tags), std::end(tags), tag) != std::end(tags);
}
bool is_reference(std::string_view tag) {
  return tag.size() > 1 && tag[0] == 'p' && tag[1] >= 'A' && tag[1] <= 'Z';
}

// The value of Name="…" in a tag's attributes; empty: none.
std::string_view name_attribute(std::string_view attributes) {
  for (std::size_t at = attributes.find("Name"); at != std::string_view::npos;
       at = attributes.find("Name", at + 4)) {
    if (at > 0 && !is_space(attributes[at - 1])) continue;
    std::string_view rest = trimmed(attributes.substr(at + 4));
    if (!rest.starts_with('=')) continue;
    rest = trimmed(rest.substr(1));
    if (rest.empty() || (rest[0] != '"' && rest[0] != '\'')) continue;
    const std::size_t end = rest.find(rest[0], 1);
    if (end == std::string_view::npos) return {};
    return rest.substr(1, end - 1);
  }
  return {};
}

struct Node {
  std::string_view name;
  std::vector<std::string_view> references;
};

class Scanner {
 public:
  explicit Scanner(std::string_view xml) : xml_(xml) {}

  Status scan() {
    while (at_ < xml_.size()) {
      const std::size_t open = xml_.find('<', at_);
      if (open == std::string_view::npos) break;
      text_ = xml_.substr(at_, open - at_);
      at_ = open;
      if (const Status status = markup(); !status.ok()) return status;
    }
    if (elements_ == 0) return refuse("has no elements");
    return Status();
  }
  const std::vector<Node>& nodes() const { return nodes_; }

  static Status refuse(const std::string& why) {
    return Status(Code::malformed, "its GenICam description " + why);
  }

 private:
  Status markup() {
    const std::string_view rest = xml_.substr(at_);
    if (rest.starts_with("<!--")) return skip("-->");
    if (rest.starts_with("<![CDATA[")) return skip("]]>");
    if (rest.starts_with("<?")) return skip("?>");
    if (rest.starts_with("<!")) return refuse("declares a document type or entities of its own");
    return tag();
  }

  Status skip(std::string_view until) {
    const std::size_t end = xml_.find(until, at_);
    if (end == std::string_view::npos) return refuse("ends within a comment");
    at_ = end + until.size();
    return Status();
  }

  // To the > that is in no quotes.
  std::size_t tag_end() const {
    char quote = 0;
    for (std::size_t i = at_; i < xml_.size(); ++i) {
      const char c = xml_[i];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '>') {
        return i;
      }
    }
    return std::string_view::npos;
  }

  Status tag() {
    const std::size_t end = tag_end();
    if (end == std::string_view::npos) return refuse("ends within an element's tag");
    std::string_view inside = xml_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    if (inside.starts_with('/')) return closed();
    const bool empty = inside.ends_with('/');
    if (empty) inside.remove_suffix(1);
    const auto space = std::find_if(inside.begin(), inside.end(), is_space);
    const auto length = static_cast<std::size_t>(space - inside.begin());
    if (const Status status = opened(inside.substr(0, length), inside.substr(length));
        !status.ok()) {
      return status;
    }
    return empty ? closed() : Status();
  }

  Status opened(std::string_view tag, std::string_view attributes) {
    if (++elements_ > max_elements) {
      return refuse(base::cat("has more than ", max_elements, " elements"));
    }
    Open open{tag, open_.empty() ? no_node : open_.back().node};
    const std::string_view name =
        is_reference(tag) ? std::string_view() : name_attribute(attributes);
    if (!name.empty() && tag != "Constant" && tag != "Expression") {
      if (nodes_.size() == max_nodes) {
        return refuse(base::cat("has more than ", max_nodes, " nodes"));
      }
      open.node = nodes_.size();
      nodes_.push_back({name, {}});
    }
    open_.push_back(open);
    if (open_.size() > max_depth) {
      return refuse(base::cat("nests elements more than ", max_depth, " deep"));
    }
    return Status();
  }

  Status closed() {
    if (open_.empty()) return refuse("closes an element that is not open");
    const Open open = open_.back();
    open_.pop_back();
    if (open.node != no_node && is_value_reference(open.tag)) {
      nodes_[open.node].references.push_back(trimmed(text_));
    }
    text_ = {};
    return Status();
  }

  static constexpr std::size_t no_node = static_cast<std::size_t>(-1);
  struct Open {
    std::string_view tag;
    std::size_t node;  // the innermost one around
  };

  const std::string_view xml_;
  std::size_t at_ = 0;
  std::string_view text_;  // before the markup that is looked at
  std::vector<Open> open_;
  std::vector<Node> nodes_;
  std::size_t elements_ = 0;
};

// Depth first, without the stack that it is about.
class Walk {
 public:
  explicit Walk(const std::vector<Node>& nodes) : nodes_(nodes), visits_(nodes.size()) {
    for (std::size_t i = 0; i < nodes.size(); ++i) index_.emplace(nodes[i].name, i);
  }

  Status run() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (visits_[i].state == State::fresh) {
        if (const Status status = from(i); !status.ok()) return status;
      }
    }
    return Status();
  }

 private:
  enum class State : std::uint8_t { fresh, open, done };
  struct Visit {
    State state = State::fresh;
    std::size_t next = 0;    // reference to follow
    std::size_t height = 0;  // references below, at most
  };

  Status from(std::size_t start) {
    path_.assign(1, start);
    visits_[start].state = State::open;
    while (!path_.empty()) {
      const std::size_t at = path_.back();
      Visit& visit = visits_[at];
      if (visit.height > max_references) return too_long(at);
      if (visit.next == nodes_[at].references.size()) {
        visit.state = State::done;
        path_.pop_back();
        if (!path_.empty()) {
          Visit& above = visits_[path_.back()];
          above.height = std::max(above.height, visit.height + 1);
        }
        continue;
      }
      const auto found = index_.find(nodes_[at].references[visit.next++]);
      if (found == index_.end()) continue;  // a feature that is not there: Aravis says so
      Visit& below = visits_[found->second];
      if (below.state == State::open) return loop(found->second);
      if (below.state == State::done) {
        visit.height = std::max(visit.height, below.height + 1);
        continue;
      }
      below.state = State::open;
      path_.push_back(found->second);
    }
    return Status();
  }

  Status too_long(std::size_t node) const {
    return Scanner::refuse(base::cat("follows more than ", max_references,
                                     " references to know the value of ", named(node)));
  }

  Status loop(std::size_t node) const {
    std::string text = "defines " + named(node) + " by itself: ";
    const auto first = std::find(path_.begin(), path_.end(), node);
    std::size_t shown = 0;
    for (auto at = first; at != path_.end() && shown < 5; ++at, ++shown)
      text += named(*at) + " -> ";
    if (path_.end() - first > 5) text += "... -> ";
    return Scanner::refuse(text + named(node));
  }

  std::string named(std::size_t node) const {
    std::string text;
    for (const char c : nodes_[node].name.substr(0, 80)) text += c >= ' ' && c < 0x7F ? c : '?';
    return text;
  }

  const std::vector<Node>& nodes_;
  std::vector<Visit> visits_;
  std::unordered_map<std::string_view, std::size_t> index_;
  std::vector<std::size_t> path_;
};

}  // namespace

Status check_xml(std::string_view xml) {
  Scanner scanner(xml);
  if (const Status status = scanner.scan(); !status.ok()) return status;
  return Walk(scanner.nodes()).run();
}

}  // namespace gige::guard
