#include "feature_node.hpp"

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Value;

namespace {

std::string visibility_of(ArvGcFeatureNode* node) {
  switch (arv_gc_feature_node_get_visibility(node)) {
    case ARV_GC_VISIBILITY_EXPERT:
      return "Expert";
    case ARV_GC_VISIBILITY_GURU:
      return "Guru";
    case ARV_GC_VISIBILITY_INVISIBLE:
      return "Invisible";
    default:
      return "Beginner";
  }
}

// The camera did not answer: each further question would take seconds.
bool silent(const Error& error) {
  return error && (error.code() == Code::timeout || error.code() == Code::unavailable);
}

// A limit that the camera does not give, or gives as the type's own end, is none.
std::optional<double> limit(double value, const Error& error) {
  if (error || !std::isfinite(value) || std::fabs(value) >= 9.2e18) return std::nullopt;
  return value;
}

void fill_integer(ArvGcInteger* node, Feature& feature, Error& error) {
  const auto number = [&](gint64 (*call)(ArvGcInteger*, GError**)) -> std::optional<double> {
    if (silent(error)) return std::nullopt;
    const auto value = static_cast<double>(call(node, error.out()));
    return limit(value, error);
  };
  feature.minimum = number(arv_gc_integer_get_min);
  feature.maximum = number(arv_gc_integer_get_max);
  feature.increment = number(arv_gc_integer_get_inc);
  feature.unit = text_of(arv_gc_integer_get_unit(node));
}

void fill_float(ArvGcFloat* node, Feature& feature, Error& error) {
  const auto number = [&](double (*call)(ArvGcFloat*, GError**)) -> std::optional<double> {
    if (silent(error)) return std::nullopt;
    const double value = call(node, error.out());
    return std::fabs(value) >= 1e300 ? std::nullopt : limit(value, error);
  };
  feature.minimum = number(arv_gc_float_get_min);
  feature.maximum = number(arv_gc_float_get_max);
  feature.increment = number(arv_gc_float_get_inc);
  // Aravis says the smallest double where the camera gives no increment.
  if (feature.increment && *feature.increment < 1e-300) feature.increment.reset();
  feature.unit = text_of(arv_gc_float_get_unit(node));
}

}  // namespace

Status wrong(std::string_view name, const Error& error) {
  return Status(error.code(), cat(name, ": ", error.text()));
}

std::string text_of(const char* text) { return text == nullptr ? std::string() : text; }

Kind kind_of(ArvGcFeatureNode* node) {
  if (ARV_IS_GC_COMMAND(node)) return Kind::command;
  if (ARV_IS_GC_BOOLEAN(node)) return Kind::boolean;
  if (ARV_IS_GC_ENUMERATION(node)) return Kind::enumeration;
  // A converter is both to Aravis: the float is the nearer.
  if (ARV_IS_GC_FLOAT(node)) return Kind::floating;
  if (ARV_IS_GC_INTEGER(node)) return Kind::integer;
  if (ARV_IS_GC_STRING(node)) return Kind::string;
  return Kind::bytes;
}

Access access_of(ArvGcFeatureNode* node, Kind kind, Error& error, bool* locked) {
  if (!arv_gc_feature_node_is_implemented(node, error.out()) || error) return Access::none;
  if (!arv_gc_feature_node_is_available(node, error.out()) || error) return Access::none;
  if (kind == Kind::command) return Access::write;
  const bool held = arv_gc_feature_node_is_locked(node, error.out());
  if (error) return Access::none;
  const ArvGcAccessMode mode = arv_gc_feature_node_get_actual_access_mode(node);
  if (locked != nullptr) *locked = held && mode != ARV_GC_ACCESS_MODE_RO;
  switch (mode) {
    case ARV_GC_ACCESS_MODE_RO:
      return Access::read;
    case ARV_GC_ACCESS_MODE_WO:
      return held ? Access::none : Access::write;
    default:
      return held ? Access::read : Access::read_write;
  }
}

bool readable(Access access) { return access == Access::read || access == Access::read_write; }
bool writable(Access access) { return access == Access::write || access == Access::read_write; }

Entries entries_of(ArvGcEnumeration* node, Error& error) {
  Entries entries;
  guint count = 0;
  const char** names = arv_gc_enumeration_dup_available_string_values(node, &count, error.out());
  for (guint i = 0; names != nullptr && i < count; ++i) entries.names.emplace_back(names[i]);
  g_free(names);
  if (error) return {};
  gint64* numbers = arv_gc_enumeration_dup_available_int_values(node, &count, error.out());
  for (guint i = 0; numbers != nullptr && i < count; ++i) entries.numbers.push_back(numbers[i]);
  g_free(numbers);
  return entries;
}

Result<Feature> describe_node(ArvGcFeatureNode* node) {
  Feature feature;
  feature.name = text_of(arv_gc_feature_node_get_name(node));
  feature.description = text_of(arv_gc_feature_node_get_description(node));
  if (feature.description.empty()) {
    feature.description = text_of(arv_gc_feature_node_get_tooltip(node));
  }
  feature.visibility = visibility_of(node);
  feature.kind = kind_of(node);
  Error error;
  feature.access = access_of(node, feature.kind, error, &feature.locked);
  // Any other error is the description's fault: the feature cannot be used, others can.
  if (silent(error)) return wrong(feature.name, error);
  if (feature.access == Access::none) return feature;
  if (feature.kind == Kind::integer) fill_integer(ARV_GC_INTEGER(node), feature, error);
  if (feature.kind == Kind::floating) fill_float(ARV_GC_FLOAT(node), feature, error);
  if (feature.kind == Kind::enumeration) {
    feature.entries = entries_of(ARV_GC_ENUMERATION(node), error).names;
  }
  if (silent(error)) return wrong(feature.name, error);
  return feature;
}

Result<Value> read_node(ArvGcFeatureNode* node, std::string_view name) {
  Error error;
  Value value;
  switch (kind_of(node)) {
    case Kind::integer:
      value =
          static_cast<std::int64_t>(arv_gc_integer_get_value(ARV_GC_INTEGER(node), error.out()));
      break;
    case Kind::floating:
      value = arv_gc_float_get_value(ARV_GC_FLOAT(node), error.out());
      break;
    case Kind::boolean:
      value = arv_gc_boolean_get_value(ARV_GC_BOOLEAN(node), error.out()) != FALSE;
      break;
    case Kind::enumeration:
    case Kind::string: {
      // Looked at only when there is no error: Aravis 0.8.26 then yields a buffer without an end.
      const char* text =
          ARV_IS_GC_ENUMERATION(node)
              ? arv_gc_enumeration_get_string_value(ARV_GC_ENUMERATION(node), error.out())
              : arv_gc_string_get_value(ARV_GC_STRING(node), error.out());
      if (!error) value = text_of(text);
      break;
    }
    case Kind::command:
      return Value(false);
    case Kind::bytes:
      return Status(Code::unsupported, cat(name, ": bytes of a register are not read"));
  }
  if (error) return wrong(name, error);
  return value;
}

}  // namespace gige
