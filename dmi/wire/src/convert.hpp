// Domain types ↔ DMI messages. Pure; any thread. Nothing here fails: absent sub-messages read as
// empty ones, what cannot be carried is left out, and bytes that are not UTF-8 are replaced by
// U+FFFD where a message wants text (a peer would refuse the whole message otherwise).
//
// Towards the peer every sub-message that a Go mapper or a stock EdgeCore dereferences is present,
// even if empty: spec, protocol, desired, visitors, configData, observedDesired, reported.
#pragma once

#include "batch.pb.h"
#include "dmi.pb.h"
#include "dmi/device.hpp"
#include "dmi/wire/dmi.hpp"

namespace dmi::wire {

// An empty namespace (KubeEdge 1.15) is "default".
ObjectId id_of(const std::string& space, const std::string& name);
// text, with what is not UTF-8 replaced.
std::string valid_text(const std::string& text);

MapperInfo from_proto(const v1beta1::MapperInfo& info);
v1beta1::MapperInfo to_proto(const MapperInfo& info);

// status.twins is not part of a Device, see fill_twins; node and generation are not carried.
Device from_proto(const v1beta1::Device& device);
v1beta1::Device to_proto(const Device& device);

// protocol, protocol_config and the properties' visitors are not carried.
DeviceModel from_proto(const v1beta1::DeviceModel& model);
v1beta1::DeviceModel to_proto(const DeviceModel& model);

Registration from_proto(const v1beta1::MapperRegisterResponse& response);
v1beta1::MapperRegisterResponse to_proto(const Registration& registration);

// A twin's observedDesired or reported with neither value nor metadata is read as absent, because
// absent ones are sent so. (Mappers, ours and Go ones, send an empty reading with its type.)
DeviceReport from_proto(const v1beta1::ReportDeviceStatusRequest& request);
v1beta1::ReportDeviceStatusRequest to_proto(const DeviceReport& report);
void fill_twins(const DeviceReport& report, v1beta1::DeviceStatus& status);

// The item's own copy of a batch's part. Metadata of a reading but type, timestamp, status and
// reason is not carried.
BatchItem from_proto(const mapperframework::v1::Item& message);
void fill_item(const BatchItem& item, mapperframework::v1::Item& message);

// ---- any.cpp ----

using AnyMap = google::protobuf::Map<std::string, google::protobuf::Any>;

// A flat JSON object ↔ configData.
//
// Decoding takes String, Bool, Int32, Int64, UInt32, UInt64, Float and DoubleValue; a key of any
// other type, of a value that does not parse or is not finite is dropped. A stock EdgeCore sends
// every number, integers included, as float32: a whole one becomes a JSON integer, any other the
// number of its shortest text (0.1f is 0.1, not 0.10000000149).
//
// Encoding uses only what Go mappers understand (they drop DoubleValue and UIntNValue):
// whole numbers are Int64Value, above int64 StringValue of their digits; others FloatValue. When a
// float32 does not decode to the same double, its FloatValue carries the double beside it in field
// exact_field, which is unknown to others and skipped by them: our mappers lose nothing, Go mappers
// get what EdgeCore would have sent (and the largest float32 for a larger number, because an
// infinite one fails in Go's JSON). An inner object or array is its JSON text in a StringValue,
// which is what users write today and what Config::object reads back. null is left out.
Json json_of(const AnyMap& data);
void fill_any(const Json& object, AnyMap& data);
inline constexpr int exact_field = 1000;

// ---- push.cpp ----

// The CRD's JSON of a push method. Fields of no value ("" 0 false) do not show, as in proto3.
Json json_of(const v1beta1::PushMethod& push);
// Keys that DMI does not know and values of a wrong type are left out.
void fill_push(const Json& object, v1beta1::PushMethod& push);

}  // namespace dmi::wire
