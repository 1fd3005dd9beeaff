#include <google/protobuf/any.pb.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/wrappers.pb.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/number.hpp"
#include "base/text.hpp"
#include "convert.hpp"
#include "dmi/json.hpp"

namespace dmi::wire {

namespace {

namespace pb = google::protobuf;

Json json_number(double number) {
  std::int64_t whole = 0;
  return base::to_whole(number, whole) ? Json(whole) : Json(number);
}

// The double a reader means by this float.
double widened(float number) {
  std::int64_t whole = 0;
  if (base::to_whole(number, whole)) return number;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  double result = number;
  std::from_chars(text, end, result);
  return result;
}

// Field exact_field of a FloatValue of ours; the float itself in anybody else's.
double exact(const pb::FloatValue& value) {
  const pb::UnknownFieldSet& extra = value.GetReflection()->GetUnknownFields(value);
  for (int i = 0; i < extra.field_count(); ++i) {
    const pb::UnknownField& field = extra.field(i);
    if (field.number() == exact_field && field.type() == pb::UnknownField::TYPE_FIXED64) {
      return std::bit_cast<double>(field.fixed64());
    }
  }
  return widened(value.value());
}

// The value of a wrapper message; discarded when it does not parse.
template <class Wrapper, class Read>
Json unpack(const pb::Any& any, Read read) {
  Wrapper wrapper;
  if (!wrapper.ParseFromString(any.value())) return Json(Json::value_t::discarded);
  return read(wrapper);
}

Json finite(double number) {
  return std::isfinite(number) ? json_number(number) : Json(Json::value_t::discarded);
}

// discarded: nothing JSON can hold.
Json json_of_any(const pb::Any& any) {
  const std::string& url = any.type_url();
  const std::string_view type = std::string_view(url).substr(url.rfind('/') + 1);
  const auto plain = [](const auto& wrapper) { return Json(wrapper.value()); };
  const auto real = [](const pb::DoubleValue& wrapper) { return finite(wrapper.value()); };
  const auto single = [](const pb::FloatValue& wrapper) { return finite(exact(wrapper)); };
  if (type == "google.protobuf.StringValue") return unpack<pb::StringValue>(any, plain);
  if (type == "google.protobuf.BoolValue") return unpack<pb::BoolValue>(any, plain);
  if (type == "google.protobuf.Int32Value") return unpack<pb::Int32Value>(any, plain);
  if (type == "google.protobuf.Int64Value") return unpack<pb::Int64Value>(any, plain);
  if (type == "google.protobuf.UInt32Value") return unpack<pb::UInt32Value>(any, plain);
  if (type == "google.protobuf.UInt64Value") return unpack<pb::UInt64Value>(any, plain);
  if (type == "google.protobuf.FloatValue") return unpack<pb::FloatValue>(any, single);
  if (type == "google.protobuf.DoubleValue") return unpack<pb::DoubleValue>(any, real);
  return Json(Json::value_t::discarded);
}

pb::FloatValue float_value(double number) {
  constexpr double most = std::numeric_limits<float>::max();
  pb::FloatValue value;
  value.set_value(static_cast<float>(std::clamp(number, -most, most)));
  if (widened(value.value()) != number) {
    value.GetReflection()->MutableUnknownFields(&value)->AddFixed64(
        exact_field, std::bit_cast<std::uint64_t>(number));
  }
  return value;
}

template <class Wrapper, class T>
Wrapper wrap(T value) {
  Wrapper wrapper;
  wrapper.set_value(std::move(value));
  return wrapper;
}

// false: null, or a number that is not finite.
bool pack(const Json& json, pb::Any& any) {
  switch (json.type()) {
    case Json::value_t::string:
      return any.PackFrom(wrap<pb::StringValue>(valid_text(json.get_ref<const std::string&>())));
    case Json::value_t::boolean:
      return any.PackFrom(wrap<pb::BoolValue>(json.get<bool>()));
    case Json::value_t::number_integer:
      return any.PackFrom(wrap<pb::Int64Value>(json.get<std::int64_t>()));
    case Json::value_t::number_unsigned:
      if (std::int64_t number = 0; to_int64(json, number)) {
        return any.PackFrom(wrap<pb::Int64Value>(number));
      }
      return any.PackFrom(wrap<pb::StringValue>(to_text(json)));
    case Json::value_t::number_float:
      return std::isfinite(json.get<double>()) && any.PackFrom(float_value(json.get<double>()));
    case Json::value_t::object:
    case Json::value_t::array:
      return any.PackFrom(wrap<pb::StringValue>(to_text(json)));
    case Json::value_t::null:
    case Json::value_t::binary:
    case Json::value_t::discarded:
      break;
  }
  return false;
}

}  // namespace

Json json_of(const AnyMap& data) {
  Json object = Json::object();
  for (const auto& [key, any] : data) {
    Json value = json_of_any(any);
    if (!value.is_discarded()) object[key] = std::move(value);
  }
  return object;
}

void fill_any(const Json& object, AnyMap& data) {
  if (!object.is_object()) return;
  for (const auto& [key, value] : object.items()) {
    google::protobuf::Any any;
    if (pack(value, any)) data[valid_text(key)] = std::move(any);
  }
}

}  // namespace dmi::wire
