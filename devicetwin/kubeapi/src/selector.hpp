// labelSelector and fieldSelector of a request. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "dmi/device.hpp"
#include "dmi/json.hpp"

namespace devicetwin::kube {

class Selector {
 public:
  // Label terms: "a=b", "a==b", "a!=b", "a in (b,c)", "a notin (b,c)", "a", "!a", joined by commas.
  // Field terms: metadata.name and metadata.namespace with =, == and !=.
  // invalid: the text says which term.
  static base::Result<Selector> parse(std::string_view labels, std::string_view fields);

  bool needs_labels() const { return !labels_.empty(); }
  bool matches_id(const dmi::ObjectId& id) const;
  // labels: metadata.labels, or null.
  bool matches_labels(const dmi::Json& labels) const;
  // Both; object_text is parsed only when there are label terms. "" is an object without labels.
  bool matches(const dmi::ObjectId& id, std::string_view object_text) const;

 private:
  struct Term {
    std::string key;
    enum class What { in, not_in, exists, missing } what = What::exists;
    std::vector<std::string> values;
  };
  static base::Result<Term> parse_term(std::string_view text);

  std::vector<Term> labels_;
  std::vector<Term> fields_;
};

}  // namespace devicetwin::kube
