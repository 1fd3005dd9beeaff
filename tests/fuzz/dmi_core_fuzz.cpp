// What mappers send, from the bytes of a call into a Core. The first byte is the call: 'r'
// MapperRegister, 's' ReportDeviceStatus, 'b' a batch, 't' ReportDeviceStates; the rest is its
// message.
#include <google/protobuf/stubs/logging.h>

#include <cstdint>
#include <string>

#include "convert.hpp"
#include "core_rig.hpp"
#include "report.hpp"

namespace {

// Twice, and to the device that is there, whatever name the bytes have.
void report(fuzz::CoreRig& rig, const dmi::DeviceReport& report) {
  for (const auto& device : {report.device, rig.boiler, rig.boiler}) {
    bool answered = false;
    rig.core.update_twin(device, devicetwin::update_of(report), devicetwin::Origin::mapper,
                         [&](const auto&) { answered = true; });
    rig.check();
    fuzz::require(answered, "a report is answered");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const google::protobuf::LogSilencer quiet;  // it reports every text that is not UTF-8
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  fuzz::CoreRig rig;
  if (data[0] == 'r') {
    v1beta1::MapperRegisterRequest request;
    if (request.ParseFromString(bytes)) dmi::wire::from_proto(request.mapper());
    return 0;
  }
  if (data[0] == 's') {
    v1beta1::ReportDeviceStatusRequest request;
    if (!request.ParseFromString(bytes)) return 0;
    report(rig, dmi::wire::from_proto(request));
  } else if (data[0] == 'b') {
    mapperframework::v1::Batch batch;
    if (!batch.ParseFromString(bytes)) return 0;
    for (const auto& item : batch.items()) report(rig, dmi::wire::from_proto(item).report);
  } else {
    v1beta1::ReportDeviceStatesRequest request;
    if (!request.ParseFromString(bytes)) return 0;
    bool answered = false;
    rig.core.update_state(rig.boiler, request.state(), devicetwin::Origin::mapper,
                          [&](const auto&) { answered = true; });
    rig.check();
    fuzz::require(answered, "a state is answered");
  }
  rig.check_restart();
  return 0;
}
