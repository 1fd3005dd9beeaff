#include "selector.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace devicetwin::kube {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// At commas outside of parentheses.
std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> terms;
  std::size_t start = 0;
  int depth = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '(') ++depth;
    if (i < text.size() && text[i] == ')') --depth;
    if (i == text.size() || (text[i] == ',' && depth == 0)) {
      terms.push_back(trimmed(text.substr(start, i - start)));
      start = i + 1;
    }
  }
  return terms;
}

// Letters, digits, and - _ . / as in a qualified name.
bool is_word(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '/';
  });
}

}  // namespace

Result<Selector::Term> Selector::parse_term(std::string_view text) {
  const Status wrong(Code::invalid, cat("unable to parse requirement: \"", text, "\""));
  Term term;
  if (const std::size_t open = text.find('('); open != text.npos) {
    const std::string_view head = trimmed(text.substr(0, open));
    const std::size_t space = head.find(' ');
    if (text.back() != ')' || space == head.npos) return wrong;
    const std::string_view word = trimmed(head.substr(space));
    if (word != "in" && word != "notin") return wrong;
    term.what = word == "in" ? Term::What::in : Term::What::not_in;
    term.key = head.substr(0, space);
    for (const auto value : base::split(text.substr(open + 1, text.size() - open - 2), ',')) {
      term.values.emplace_back(trimmed(value));
    }
  } else if (const std::size_t equals = text.find('='); equals != text.npos) {
    const bool negated = equals > 0 && text[equals - 1] == '!';
    const bool doubled = equals + 1 < text.size() && text[equals + 1] == '=';
    term.what = negated ? Term::What::not_in : Term::What::in;
    term.key = trimmed(text.substr(0, equals - (negated ? 1 : 0)));
    term.values.emplace_back(trimmed(text.substr(equals + (doubled ? 2 : 1))));
  } else {
    const bool negated = text.starts_with('!');
    term.what = negated ? Term::What::missing : Term::What::exists;
    term.key = trimmed(text.substr(negated ? 1 : 0));
  }
  if (term.key.empty() || !is_word(term.key)) return wrong;
  if (!std::all_of(term.values.begin(), term.values.end(), is_word)) return wrong;
  return term;
}

Result<Selector> Selector::parse(std::string_view labels, std::string_view fields) {
  Selector selector;
  if (!trimmed(labels).empty()) {
    for (const std::string_view text : split_terms(labels)) {
      auto term = parse_term(text);
      if (!term) return term.status();
      selector.labels_.push_back(std::move(*term));
    }
  }
  if (!trimmed(fields).empty()) {
    for (const std::string_view text : split_terms(fields)) {
      auto term = parse_term(text);
      if (!term) return term.status();
      if (term->values.size() != 1 ||
          (term->key != "metadata.name" && term->key != "metadata.namespace")) {
        return Status(Code::invalid,
                      cat("field label not supported: ", term->key,
                          " (metadata.name and metadata.namespace are, with =, == and !=)"));
      }
      selector.fields_.push_back(std::move(*term));
    }
  }
  return selector;
}

bool Selector::matches_id(const dmi::ObjectId& id) const {
  return std::all_of(fields_.begin(), fields_.end(), [&](const Term& term) {
    const std::string& value = term.key == "metadata.name" ? id.name : id.space;
    return (value == term.values.front()) == (term.what == Term::What::in);
  });
}

bool Selector::matches_labels(const dmi::Json& labels) const {
  return std::all_of(labels_.begin(), labels_.end(), [&](const Term& term) {
    const auto found = labels.is_object() ? labels.find(term.key) : labels.end();
    const bool present = labels.is_object() && found != labels.end() && found->is_string();
    if (term.what == Term::What::exists) return present;
    if (term.what == Term::What::missing) return !present;
    const bool listed =
        present && std::find(term.values.begin(), term.values.end(),
                             found->get_ref<const std::string&>()) != term.values.end();
    // As in Kubernetes: an object without the label is "not in".
    return listed == (term.what == Term::What::in);
  });
}

bool Selector::matches(const dmi::ObjectId& id, std::string_view object_text) const {
  if (!matches_id(id)) return false;
  if (labels_.empty()) return true;
  // Labels stand in metadata; the spec, which is most of the text, is not kept.
  const auto keep = [](int depth, dmi::Json::parse_event_t event, dmi::Json& parsed) {
    return event != dmi::Json::parse_event_t::key || depth != 1 || parsed == "metadata";
  };
  const dmi::Json object = dmi::Json::parse(object_text, keep, false);
  if (!object.is_object()) return matches_labels(nullptr);
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return matches_labels(nullptr);
  return matches_labels(metadata->value("labels", dmi::Json()));
}

}  // namespace devicetwin::kube
