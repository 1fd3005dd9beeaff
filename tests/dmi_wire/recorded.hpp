// Messages recorded from a real KubeEdge v1.23.1 (EdgeCore and Go mappers), tests/data/dmi.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/wrappers.pb.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"
#include "convert.hpp"

namespace recorded {

using google::protobuf::Message;
namespace pb = google::protobuf;

inline std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(TEST_DATA "/dmi")) {
    if (entry.path().extension() == ".bin") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// An empty message of the type in "004_RegisterDeviceRequest.bin".
inline std::unique_ptr<Message> blank(const std::filesystem::path& file) {
  const std::string stem = file.stem().string();
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
      "v1beta1." + stem.substr(stem.find('_') + 1));
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  return std::unique_ptr<Message>(type ? factory->GetPrototype(type)->New() : nullptr);
}

// To domain types and back; nullptr: a message that has no conversion.
inline std::unique_ptr<Message> round_trip(const Message& message) {
  using namespace dmi::wire;
  std::unique_ptr<Message> again(message.New());
  if (const auto* in = dynamic_cast<const v1beta1::MapperRegisterRequest*>(&message)) {
    auto& out = dynamic_cast<v1beta1::MapperRegisterRequest&>(*again);
    out.set_withdata(in->withdata());
    *out.mutable_mapper() = to_proto(from_proto(in->mapper()));
  } else if (const auto* in = dynamic_cast<const v1beta1::MapperRegisterResponse*>(&message)) {
    again->CopyFrom(to_proto(from_proto(*in)));
  } else if (const auto* in = dynamic_cast<const v1beta1::CreateDeviceModelRequest*>(&message)) {
    auto& out = dynamic_cast<v1beta1::CreateDeviceModelRequest&>(*again);
    *out.mutable_model() = to_proto(from_proto(in->model()));
  } else if (const auto* in = dynamic_cast<const v1beta1::UpdateDeviceModelRequest*>(&message)) {
    auto& out = dynamic_cast<v1beta1::UpdateDeviceModelRequest&>(*again);
    *out.mutable_model() = to_proto(from_proto(in->model()));
  } else if (const auto* in = dynamic_cast<const v1beta1::RegisterDeviceRequest*>(&message)) {
    auto& out = dynamic_cast<v1beta1::RegisterDeviceRequest&>(*again);
    *out.mutable_device() = to_proto(from_proto(in->device()));
  } else if (const auto* in = dynamic_cast<const v1beta1::UpdateDeviceRequest*>(&message)) {
    auto& out = dynamic_cast<v1beta1::UpdateDeviceRequest&>(*again);
    *out.mutable_device() = to_proto(from_proto(in->device()));
  } else if (const auto* in = dynamic_cast<const v1beta1::RemoveDeviceRequest*>(&message)) {
    auto& out = dynamic_cast<v1beta1::RemoveDeviceRequest&>(*again);
    const dmi::ObjectId id = id_of(in->devicenamespace(), in->devicename());
    out.set_devicename(id.name);
    out.set_devicenamespace(id.space);
  } else if (const auto* in = dynamic_cast<const v1beta1::RemoveDeviceModelRequest*>(&message)) {
    auto& out = dynamic_cast<v1beta1::RemoveDeviceModelRequest&>(*again);
    const dmi::ObjectId id = id_of(in->modelnamespace(), in->modelname());
    out.set_modelname(id.name);
    out.set_modelnamespace(id.space);
  } else if (const auto* in = dynamic_cast<const v1beta1::ReportDeviceStatusRequest*>(&message)) {
    again->CopyFrom(to_proto(from_proto(*in)));
  } else if (const auto* in = dynamic_cast<const v1beta1::ReportDeviceStatesRequest*>(&message)) {
    auto& out = dynamic_cast<v1beta1::ReportDeviceStatesRequest&>(*again);
    const dmi::ObjectId id = id_of(in->devicenamespace(), in->devicename());
    out.set_devicename(id.name);
    out.set_devicenamespace(id.space);
    out.set_state(in->state());
  } else {
    again.reset();
  }
  return again;
}

// The number in an Any, as text; "" when it is another type. Whole floats look like integers.
inline std::string number_text(const pb::Any& any) {
  pb::Int64Value integer;
  if (any.UnpackTo(&integer)) return base::cat(integer.value());
  pb::FloatValue real;
  if (!any.UnpackTo(&real)) return "";
  if (std::trunc(real.value()) == real.value() && std::abs(real.value()) < 9e18f) {
    return base::cat(static_cast<std::int64_t>(real.value()));
  }
  return base::cat(real.value());
}

inline void normalize_data(pb::Map<std::string, pb::Any>& data) {
  for (auto entry = data.begin(); entry != data.end();) {
    const std::string number = number_text(entry->second);
    if (number == "inf" || number == "-inf" || number == "nan") {
      entry = data.erase(entry);
      continue;
    }
    if (!number.empty()) {
      entry->second.set_type_url("number");
      entry->second.set_value(number);
    }
    ++entry;
  }
}

// Evens out what may differ, and nothing else:
// 1. a number's wrapper: FloatValue and Int64Value of the same number are equal;
// 2. a key whose float is not finite is gone;
// 3. an empty sub-message equals an absent one.
inline void normalize(Message& message) {
  if (auto* config = dynamic_cast<v1beta1::CustomizedValue*>(&message)) {
    return normalize_data(*config->mutable_data());
  }
  if (auto* anomaly = dynamic_cast<v1beta1::AnomalyDetection*>(&message)) {
    return normalize_data(*anomaly->mutable_data());
  }
  const pb::Reflection& reflection = *message.GetReflection();
  std::vector<const pb::FieldDescriptor*> present;
  reflection.ListFields(message, &present);
  for (const pb::FieldDescriptor* field : present) {
    if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    if (field->is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        normalize(*reflection.MutableRepeatedMessage(&message, field, i));
      }
      continue;
    }
    Message* inner = reflection.MutableMessage(&message, field);
    normalize(*inner);
    if (inner->ByteSizeLong() == 0) reflection.ClearField(&message, field);
  }
}

}  // namespace recorded
