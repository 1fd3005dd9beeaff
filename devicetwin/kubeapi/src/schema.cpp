#include "schema.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

#include "base/text.hpp"
#include "schema_text.hpp"

namespace devicetwin::kube {

using base::cat;
using dmi::Json;

namespace {

constexpr std::size_t max_listed = 32;

// Parsed once: the texts are constants of this program, so that a mistake in them is a bug.
struct Schemas {
  Json of_kind[3];

  Schemas() {
    const std::string_view texts[] = {device_schema_text, model_schema_text, status_schema_text};
    const Json metadata = Json::parse(metadata_schema_text);
    for (std::size_t i = 0; i < 3; ++i) {
      of_kind[i] = Json::parse(texts[i]);
      of_kind[i]["properties"]["metadata"] = metadata;
    }
  }
};

const Json& schema_ref(Kind kind) {
  static const Schemas schemas;
  return schemas.of_kind[static_cast<std::size_t>(kind)];
}

std::string_view type_name(const Json& value) {
  if (value.is_number_integer()) return "integer";
  return value.type_name();
}

class Checker {
 public:
  explicit Checker(Findings& findings) : findings_(findings) {}

  void check(const Json& schema, Json& value, const std::string& path) {
    const std::string& type = schema["type"].get_ref<const std::string&>();
    if (!has_type(type, value)) {
      return add(findings_.errors,
                 cat(path, ": Invalid value: \"", type_name(value), "\": ", path,
                     " in body must be of type ", type, ": \"", type_name(value), "\""));
    }
    if (type == "object") return check_object(schema, value, path);
    if (type == "array") return check_array(schema, value, path);
    if (type == "integer") return check_integer(schema, value, path);
    if (schema.contains("enum")) check_enum(schema["enum"], value, path);
  }

 private:
  static bool has_type(const std::string& type, const Json& value) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    assert(type == "integer");
    return value.is_number_integer();
  }

  void check_object(const Json& schema, Json& object, const std::string& path) {
    const auto known = schema.find("properties");
    const auto others = schema.find("additionalProperties");
    const bool keep = schema.value("x-kubernetes-preserve-unknown-fields", false);
    for (auto field = object.begin(); field != object.end();) {
      const std::string at = path.empty() ? field.key() : cat(path, ".", field.key());
      const bool declared = known != schema.end() && known->contains(field.key());
      if (declared && field->is_null()) {
        field = object.erase(field);
        continue;
      }
      if (declared) {
        check((*known)[field.key()], *field, at);
      } else if (others != schema.end()) {
        check(*others, *field, at);
      } else if (!keep) {
        add(findings_.unknown, at);
        field = object.erase(field);
        continue;
      }
      ++field;
    }
    for (const Json& required : schema.value("required", Json::array())) {
      const std::string& key = required.get_ref<const std::string&>();
      if (!object.contains(key)) add(findings_.errors, cat(path, ".", key, ": Required value"));
    }
  }

  void check_array(const Json& schema, Json& array, const std::string& path) {
    for (std::size_t i = 0; i < array.size(); ++i) {
      check(schema["items"], array[i], cat(path, "[", i, "]"));
    }
  }

  void check_integer(const Json& schema, const Json& value, const std::string& path) {
    const bool narrow = schema.value("format", "") == "int32";
    std::int64_t number = 0;
    const bool too_large = !dmi::to_int64(value, number);
    const bool outside = narrow && (number > std::numeric_limits<std::int32_t>::max() ||
                                    number < std::numeric_limits<std::int32_t>::min());
    if (too_large || outside) {
      add(findings_.errors, cat(path, ": Invalid value: ", dmi::to_text(value), ": ", path,
                                " in body must be of type int", narrow ? "32" : "64"));
    }
  }

  void check_enum(const Json& allowed, const Json& value, const std::string& path) {
    if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
    std::string names;
    for (const Json& name : allowed) names += cat(names.empty() ? "" : ", ", dmi::to_text(name));
    add(findings_.errors,
        cat(path, ": Unsupported value: ", dmi::to_text(value), ": supported values: ", names));
  }

  // A body of nothing but mistakes must not become an answer of the same size.
  static void add(std::vector<std::string>& list, std::string text) {
    if (list.size() <= max_listed) list.push_back(std::move(text));
  }

  Findings& findings_;
};

bool is_label_character(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_dns_label(std::string_view text) {
  if (text.empty() || !is_label_character(text.front()) || !is_label_character(text.back())) {
    return false;
  }
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_label_character(c) || c == '-'; });
}

}  // namespace

Json schema_of(Kind kind) { return schema_ref(kind); }

Findings check(Kind kind, Json& object) {
  Findings findings;
  Checker(findings).check(schema_ref(kind), object, "");
  return findings;
}

std::string name_objection(std::string_view name) {
  const auto labels = base::split(name, '.');
  if (name.size() <= 253 && std::all_of(labels.begin(), labels.end(), is_dns_label)) return "";
  return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
         "or "
         "'.', must start and end with an alphanumeric character, and have at most 253 characters "
         "(e.g. 'example.com')";
}

std::string namespace_objection(std::string_view space) {
  if (space.size() <= 63 && is_dns_label(space)) return "";
  return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
         "must "
         "start and end with an alphanumeric character, and have at most 63 characters (e.g. "
         "'my-name')";
}

}  // namespace devicetwin::kube
