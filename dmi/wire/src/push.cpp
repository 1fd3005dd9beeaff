// A push method's message and its JSON have one shape and, but for five, one set of names: one walk
// over the message's own description does both ways.
#include <google/protobuf/descriptor.h>

#include <limits>

#include "convert.hpp"
#include "dmi/config.hpp"

namespace dmi::wire {

namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

// As the CRD spells it.
std::string key_of(const Field* field) {
  const std::string& name = field->name();
  if (name == "hostname") return "hostName";
  if (name == "requestpath") return "requestPath";
  if (name == "tdengine") return "TDEngine";
  if (name == "tdEngineClientConfig") return "TDEngineClientConfig";
  if (name == "dbname") return "dbName";
  return name;
}

Json json_of_texts(const pb::Message& message, const Field* map) {
  const pb::Reflection& reflection = *message.GetReflection();
  Json object = Json::object();
  for (int i = 0; i < reflection.FieldSize(message, map); ++i) {
    const pb::Message& entry = reflection.GetRepeatedMessage(message, map, i);
    const auto text = [&entry](const Field* part) {
      return entry.GetReflection()->GetString(entry, part);
    };
    object[text(map->message_type()->map_key())] = text(map->message_type()->map_value());
  }
  return object;
}

Json json_of_message(const pb::Message& message) {
  if (const auto* anomaly = dynamic_cast<const v1beta1::AnomalyDetection*>(&message)) {
    return json_of(anomaly->data());
  }
  const pb::Reflection& reflection = *message.GetReflection();
  std::vector<const Field*> present;
  reflection.ListFields(message, &present);
  Json object = Json::object();
  for (const Field* field : present) {
    Json& value = object[key_of(field)];
    if (field->is_map()) {
      value = json_of_texts(message, field);
    } else if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
      value = json_of_message(reflection.GetMessage(message, field));
    } else if (field->cpp_type() == Field::CPPTYPE_STRING) {
      value = reflection.GetString(message, field);
    } else if (field->cpp_type() == Field::CPPTYPE_BOOL) {
      value = reflection.GetBool(message, field);
    } else if (field->cpp_type() == Field::CPPTYPE_INT32) {
      value = reflection.GetInt32(message, field);
    } else {
      value = reflection.GetInt64(message, field);
    }
  }
  return object;
}

void fill_texts(const Json& object, pb::Message& message, const Field* map) {
  if (!object.is_object()) return;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) continue;
    pb::Message* entry = message.GetReflection()->AddMessage(&message, map);
    const pb::Reflection& reflection = *entry->GetReflection();
    reflection.SetString(entry, map->message_type()->map_key(), valid_text(key));
    reflection.SetString(entry, map->message_type()->map_value(),
                         valid_text(value.get_ref<const std::string&>()));
  }
}

void fill_number(const Config& config, pb::Message& message, const Field* field) {
  using Int32 = std::numeric_limits<std::int32_t>;
  using Int64 = std::numeric_limits<std::int64_t>;
  const pb::Reflection& reflection = *message.GetReflection();
  if (field->cpp_type() == Field::CPPTYPE_INT32) {
    const auto number = config.integer(key_of(field), 0, Int32::min(), Int32::max());
    if (number) reflection.SetInt32(&message, field, static_cast<std::int32_t>(*number));
  } else {
    const auto number = config.integer(key_of(field), 0, Int64::min(), Int64::max());
    if (number) reflection.SetInt64(&message, field, *number);
  }
}

void fill_message(const Json& object, pb::Message& message) {
  if (auto* anomaly = dynamic_cast<v1beta1::AnomalyDetection*>(&message)) {
    return fill_any(object, *anomaly->mutable_data());
  }
  const Config config(object, "pushMethod");
  const pb::Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const Field* field = message.GetDescriptor()->field(i);
    const std::string key = key_of(field);
    if (!config.has(key)) continue;
    if (field->is_map()) {
      fill_texts(object[key], message, field);
    } else if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
      if (object[key].is_object()) {
        fill_message(object[key], *reflection.MutableMessage(&message, field));
      }
    } else if (field->cpp_type() == Field::CPPTYPE_STRING) {
      if (const auto text = config.text(key, "")) {
        reflection.SetString(&message, field, valid_text(*text));
      }
    } else if (field->cpp_type() == Field::CPPTYPE_BOOL) {
      if (const auto yes = config.boolean(key, false)) reflection.SetBool(&message, field, *yes);
    } else {
      fill_number(config, message, field);
    }
  }
}

}  // namespace

Json json_of(const v1beta1::PushMethod& push) { return json_of_message(push); }

void fill_push(const Json& object, v1beta1::PushMethod& push) { fill_message(object, push); }

}  // namespace dmi::wire
