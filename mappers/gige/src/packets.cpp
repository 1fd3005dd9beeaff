#include "src/packets.hpp"

#include <algorithm>
#include <string_view>

#include "base/number.hpp"
#include "base/text.hpp"
#include "src/aravis.hpp"
#include "src/gvcp.hpp"

namespace gige {

using base::Code;
using base::Status;

base::Result<int> settle_packet_size(ArvDevice* device, const LinkSettings& link, int mtu) {
  auto* gv = ARV_GV_DEVICE(device);
  Error error;
  int size = link.packet_size;
  if (size == 0) {
    size = static_cast<int>(arv_gv_device_auto_packet_size(gv, error.out()));
    if (error || size == 0) size = static_cast<int>(arv_gv_device_get_packet_size(gv, error.out()));
    if (error) return Status(error.code(), "packet size: " + error.text());
  }
  if (mtu > 0) size = std::min(size, mtu);
  size = size / 4 * 4;
  arv_gv_device_set_packet_size(gv, size, error.out());
  if (!error) size = static_cast<int>(arv_gv_device_get_packet_size(gv, error.out()));
  if (error) {
    return Status(error.code(), base::cat("packet size ", size, " bytes: ", error.text()));
  }
  return size;
}

Status settle_packet_delay(ArvDevice* device, const LinkSettings& link) {
  if (!link.packet_delay_ns) return Status();
  Error error;
  const guint64 ticks_per_second =
      arv_gv_device_get_timestamp_tick_frequency(ARV_GV_DEVICE(device), error.out());
  if (error || ticks_per_second == 0) {
    return Status(Code::unsupported,
                  "packetDelay: the camera does not say how fast its clock ticks");
  }
  const double ticks =
      static_cast<double>(*link.packet_delay_ns) * static_cast<double>(ticks_per_second) / 1e9;
  arv_device_write_register(device, gvcp::reg::packet_delay, base::clamped<guint32>(ticks + 0.5),
                            error.out());
  if (!error) return Status();
  return Status(error.code(),
                base::cat("packetDelay ", *link.packet_delay_ns, " ns: ", error.text()));
}

bool follows_world_time(ArvDevice* device) {
  for (const char* feature : {"PtpStatus", "GevIEEE1588Status"}) {
    Error error;
    if (arv_device_get_feature(device, feature) == nullptr) continue;
    const char* status = arv_device_get_string_feature_value(device, feature, error.out());
    if (!error && status != nullptr && std::string_view(status) == "Slave") return true;
  }
  return false;
}

}  // namespace gige
