#include "convert.hpp"

#include "base/text.hpp"

namespace dmi::wire {

namespace {

// ---- small parts ----

template <class Message>
ProtocolConfig protocol_of(const Message& message) {
  return {message.protocolname(), json_of(message.configdata().data())};
}

template <class Message>
void fill_protocol(const ProtocolConfig& config, Message& message) {
  message.set_protocolname(valid_text(config.protocol));
  fill_any(config.config, *message.mutable_configdata()->mutable_data());
}

TwinValue twin_value_of(const v1beta1::TwinProperty& twin) {
  return {twin.value(), {twin.metadata().begin(), twin.metadata().end()}};
}

void fill_twin_value(const std::optional<TwinValue>& value, v1beta1::TwinProperty& twin) {
  if (!value) return;
  twin.set_value(valid_text(value->value));
  for (const auto& [key, text] : value->metadata) {
    (*twin.mutable_metadata())[valid_text(key)] = valid_text(text);
  }
}

std::optional<TwinValue> unless_empty(const v1beta1::TwinProperty& twin) {
  if (twin.value().empty() && twin.metadata().empty()) return std::nullopt;
  return twin_value_of(twin);
}

template <class Repeated>
void fill_texts(const std::vector<std::string>& texts, Repeated& repeated) {
  for (const std::string& text : texts) *repeated.Add() = valid_text(text);
}

// ---- a device's parts ----

DeviceProperty property_of(const v1beta1::DeviceProperty& message) {
  DeviceProperty property;
  property.name = message.name();
  if (message.has_desired()) property.desired = twin_value_of(message.desired());
  if (message.has_visitors()) property.visitors = protocol_of(message.visitors());
  property.report_cycle_ms = message.reportcycle();
  property.collect_cycle_ms = message.collectcycle();
  property.report_to_cloud = message.reporttocloud();
  if (message.has_pushmethod()) property.push = json_of(message.pushmethod());
  return property;
}

void fill_property(const DeviceProperty& property, v1beta1::DeviceProperty& message) {
  message.set_name(valid_text(property.name));
  fill_twin_value(property.desired, *message.mutable_desired());
  fill_protocol(property.visitors.value_or(ProtocolConfig()), *message.mutable_visitors());
  message.set_reportcycle(property.report_cycle_ms);
  message.set_collectcycle(property.collect_cycle_ms);
  message.set_reporttocloud(property.report_to_cloud);
  if (property.push.is_object()) fill_push(property.push, *message.mutable_pushmethod());
}

DeviceMethod method_of(const v1beta1::DeviceMethod& message) {
  return {message.name(),
          message.description(),
          {message.propertynames().begin(), message.propertynames().end()}};
}

void fill_method(const DeviceMethod& method, v1beta1::DeviceMethod& message) {
  message.set_name(valid_text(method.name));
  message.set_description(valid_text(method.description));
  fill_texts(method.properties, *message.mutable_propertynames());
}

ModelProperty model_property_of(const v1beta1::ModelProperty& message) {
  ModelProperty property;
  property.name = message.name();
  property.description = message.description();
  property.type = message.type();
  property.access_mode = message.accessmode();
  property.minimum = message.minimum();
  property.maximum = message.maximum();
  property.unit = message.unit();
  return property;
}

void fill_property(const ModelProperty& property, v1beta1::ModelProperty& message) {
  message.set_name(valid_text(property.name));
  message.set_description(valid_text(property.description));
  message.set_type(valid_text(property.type));
  message.set_accessmode(valid_text(property.access_mode));
  message.set_minimum(valid_text(property.minimum));
  message.set_maximum(valid_text(property.maximum));
  message.set_unit(valid_text(property.unit));
}

}  // namespace

ObjectId id_of(const std::string& space, const std::string& name) {
  return {space.empty() ? "default" : space, name};
}

std::string valid_text(const std::string& text) {
  if (base::is_utf8(text)) return text;
  // The JSON writer replaces what is not UTF-8; what it wrote can always be read.
  const base::Result<Json> repaired = parse_json(to_text(Json(text)));
  return repaired && repaired->is_string() ? repaired->get<std::string>() : std::string();
}

MapperInfo from_proto(const v1beta1::MapperInfo& info) {
  return {info.name(),     info.version(), info.api_version(),
          info.protocol(), info.address(), info.state()};
}

v1beta1::MapperInfo to_proto(const MapperInfo& info) {
  v1beta1::MapperInfo message;
  message.set_name(valid_text(info.name));
  message.set_version(valid_text(info.version));
  message.set_api_version(valid_text(info.api_version));
  message.set_protocol(valid_text(info.protocol));
  message.set_address(info.address);  // bytes: a path need not be text
  message.set_state(valid_text(info.state));
  return message;
}

Device from_proto(const v1beta1::Device& message) {
  Device device;
  device.id = id_of(message.namespace_(), message.name());
  device.model = message.spec().devicemodelreference();
  device.protocol = protocol_of(message.spec().protocol());
  for (const auto& property : message.spec().properties()) {
    device.properties.push_back(property_of(property));
  }
  for (const auto& method : message.spec().methods()) {
    device.methods.push_back(method_of(method));
  }
  if (message.has_status()) {
    const auto& status = message.status();
    // A status that is there for its twins alone says nothing of state reports.
    if (status.reporttocloud() || status.reportcycle() != 0 || status.twins().empty()) {
      device.state_report = StateReport{status.reporttocloud(), status.reportcycle()};
    }
    for (const auto& twin : status.twins()) {
      const auto observed = unless_empty(twin.observeddesired());
      if (observed) device.observed.emplace(twin.propertyname(), *observed);
    }
  }
  return device;
}

v1beta1::Device to_proto(const Device& device) {
  v1beta1::Device message;
  message.set_name(valid_text(device.id.name));
  message.set_namespace_(valid_text(device.id.space));
  v1beta1::DeviceSpec& spec = *message.mutable_spec();
  spec.set_devicemodelreference(valid_text(device.model));
  fill_protocol(device.protocol, *spec.mutable_protocol());
  for (const DeviceProperty& property : device.properties) {
    fill_property(property, *spec.add_properties());
  }
  for (const DeviceMethod& method : device.methods) fill_method(method, *spec.add_methods());
  if (device.state_report) {
    message.mutable_status()->set_reporttocloud(device.state_report->report_to_cloud);
    message.mutable_status()->set_reportcycle(device.state_report->cycle_ms);
  }
  for (const auto& [property, observed] : device.observed) {
    v1beta1::Twin& twin = *message.mutable_status()->add_twins();
    twin.set_propertyname(valid_text(property));
    fill_twin_value(observed, *twin.mutable_observeddesired());
    twin.mutable_reported();  // present, as peers expect of every twin
  }
  return message;
}

DeviceModel from_proto(const v1beta1::DeviceModel& message) {
  DeviceModel model;
  model.id = id_of(message.namespace_(), message.name());
  for (const auto& property : message.spec().properties()) {
    model.properties.push_back(model_property_of(property));
  }
  return model;
}

v1beta1::DeviceModel to_proto(const DeviceModel& model) {
  v1beta1::DeviceModel message;
  message.set_name(valid_text(model.id.name));
  message.set_namespace_(valid_text(model.id.space));
  v1beta1::DeviceModelSpec& spec = *message.mutable_spec();
  for (const ModelProperty& property : model.properties) {
    fill_property(property, *spec.add_properties());
  }
  return message;
}

Registration from_proto(const v1beta1::MapperRegisterResponse& response) {
  Registration registration;
  for (const auto& model : response.modellist()) registration.models.push_back(from_proto(model));
  for (const auto& device : response.devicelist()) {
    registration.devices.push_back(from_proto(device));
  }
  return registration;
}

v1beta1::MapperRegisterResponse to_proto(const Registration& registration) {
  v1beta1::MapperRegisterResponse response;
  for (const DeviceModel& model : registration.models) *response.add_modellist() = to_proto(model);
  for (const Device& device : registration.devices) *response.add_devicelist() = to_proto(device);
  return response;
}

DeviceReport from_proto(const v1beta1::ReportDeviceStatusRequest& request) {
  DeviceReport report;
  report.device = id_of(request.devicenamespace(), request.devicename());
  for (const auto& twin : request.reporteddevice().twins()) {
    report.twins.push_back(
        {twin.propertyname(), unless_empty(twin.observeddesired()), unless_empty(twin.reported())});
  }
  return report;
}

v1beta1::ReportDeviceStatusRequest to_proto(const DeviceReport& report) {
  v1beta1::ReportDeviceStatusRequest request;
  request.set_devicename(valid_text(report.device.name));
  request.set_devicenamespace(valid_text(report.device.space));
  fill_twins(report, *request.mutable_reporteddevice());
  return request;
}

void fill_twins(const DeviceReport& report, v1beta1::DeviceStatus& status) {
  for (const TwinReport& twin : report.twins) {
    v1beta1::Twin& message = *status.add_twins();
    message.set_propertyname(valid_text(twin.property));
    fill_twin_value(twin.observed, *message.mutable_observeddesired());
    fill_twin_value(twin.reported, *message.mutable_reported());
  }
}

}  // namespace dmi::wire
