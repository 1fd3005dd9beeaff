// Objects as kubectl sends them: text → JSON → Device and DeviceModel → JSON again.
#include <cassert>
#include <cstdint>
#include <string_view>

#include "dmi/crd.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = dmi::parse_json({reinterpret_cast<const char*>(data), size});
  if (!json) return 0;
  if (const auto device = dmi::device_from_json(*json)) {
    const auto again = dmi::device_from_json(dmi::to_json(*device));
    assert(again && *again == *device);
    if (const auto model = dmi::model_from_json(*json)) dmi::merge_defaults(*device, *model);
  }
  return 0;
}
