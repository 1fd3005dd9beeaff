#include "src/stream.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/text.hpp"
#include "src/gvcp_socket.hpp"

namespace gige {

using base::Code;
using base::Status;

namespace {

// How long the thread sleeps when no frame comes: as late as a stop, and slots that were held, are
// noticed.
constexpr std::uint64_t patience_us = 20'000;
// Aravis fills one while the next one begins, and the one before may still wait for resent packets.
constexpr int wanted_empty = 3;
constexpr std::int64_t infos_period_ns = 100'000'000;

std::size_t slot_of(ArvBuffer* buffer) {
  return reinterpret_cast<std::size_t>(arv_buffer_get_user_data(buffer));
}

FrameStatus status_of(ArvBufferStatus status) {
  switch (status) {
    case ARV_BUFFER_STATUS_SUCCESS:
      return FrameStatus::complete;
    case ARV_BUFFER_STATUS_TIMEOUT:
    case ARV_BUFFER_STATUS_MISSING_PACKETS:
      return FrameStatus::missing_packets;
    case ARV_BUFFER_STATUS_ABORTED:
      return FrameStatus::aborted;
    case ARV_BUFFER_STATUS_SIZE_MISMATCH:
      return FrameStatus::oversized;
    default:
      return FrameStatus::malformed;
  }
}

// Aravis describes only frames that are whole.
bool has_image(ArvBuffer* buffer) {
  const ArvBufferPayloadType payload = arv_buffer_get_payload_type(buffer);
  if (arv_buffer_get_status(buffer) != ARV_BUFFER_STATUS_SUCCESS ||
      (payload != ARV_BUFFER_PAYLOAD_TYPE_IMAGE &&
       payload != ARV_BUFFER_PAYLOAD_TYPE_EXTENDED_CHUNK_DATA &&
       payload != ARV_BUFFER_PAYLOAD_TYPE_MULTIPART) ||
      arv_buffer_get_n_parts(buffer) == 0) {
    return false;
  }
  const ArvBufferPartDataType type = arv_buffer_get_part_data_type(buffer, 0);
  return type >= ARV_BUFFER_PART_DATA_TYPE_2D_IMAGE &&
         type <= ARV_BUFFER_PART_DATA_TYPE_3D_PLANE_QUADPLANAR;
}

// What cannot change while a camera streams is of an incomplete frame what it was of the one
// before.
void take_shape(FrameInfo& info, const FrameInfo& of) {
  info.x = of.x;
  info.y = of.y;
  info.width = of.width;
  info.height = of.height;
  info.padding = of.padding;
  info.format = of.format;
  info.size = of.size;
}

// Bytes that pixels of such a format take at least; PFNC codes hold their bits in bits 16 to 23.
std::uint64_t least_bytes(const FrameInfo& info) {
  const std::uint64_t bits = info.format >> 16 & 0xFF;
  const std::uint64_t pixels = std::uint64_t{info.width} * info.height;
  return pixels > (std::uint64_t{1} << 48) ? ~std::uint64_t{0} : (pixels * bits + 7) / 8;
}

std::int64_t now_ns() { return g_get_monotonic_time() * 1000; }

}  // namespace

base::Result<std::unique_ptr<Stream>> Stream::start(ArvDevice* device, const StreamPlan& plan,
                                                    std::shared_ptr<FrameRing> ring,
                                                    ClockMap& clock, Camera::Taken taken) {
  auto* gv = ARV_GV_DEVICE(device);
  arv_gv_device_set_stream_options(gv, plan.packet_socket
                                           ? ARV_GV_STREAM_OPTION_NONE
                                           : ARV_GV_STREAM_OPTION_PACKET_SOCKET_DISABLED);
  // Packet sizes are settled before (camera.cpp), once.
  arv_gv_device_set_packet_size_adjustment(gv, ARV_GV_PACKET_SIZE_ADJUSTMENT_NEVER);
  Error error;
  Owned<ArvStream> made(arv_device_create_stream(device, nullptr, nullptr, error.out()));
  if (!made) return Status(error.code(), "stream: " + error.text());
  const LinkSettings& link = plan.link;
  if (!link.resend) {
    g_object_set(made.get(), "packet-resend", ARV_GV_STREAM_PACKET_RESEND_NEVER, nullptr);
  }
  g_object_set(made.get(), "packet-timeout", static_cast<guint>(link.packet_timeout.count()),
               "frame-retention", static_cast<guint>(link.frame_retention.count()), nullptr);
  // Without the packet ring, a frame has to fit while the receiving thread does not run.
  g_object_set(made.get(), "socket-buffer", ARV_GV_STREAM_SOCKET_BUFFER_AUTO, nullptr);

  std::unique_ptr<Stream> stream(
      new Stream(std::move(made), plan, std::move(ring), clock, std::move(taken)));
  if (const Status status = stream->shut_out_others(); !status.ok()) return status;
  for (std::size_t i = 0; i < stream->ring_->slots(); ++i) {
    arv_stream_push_buffer(stream->stream_.get(),
                           arv_buffer_new_full(stream->ring_->slot_bytes(), stream->ring_->slot(i),
                                               reinterpret_cast<void*>(i), nullptr));
  }
  stream->thread_ = std::thread([raw = stream.get()] { raw->run(); });
  return stream;
}

Stream::Stream(Owned<ArvStream> stream, const StreamPlan& plan, std::shared_ptr<FrameRing> ring,
               ClockMap& clock, Camera::Taken taken)
    : plan_(plan),
      ring_(std::move(ring)),
      clock_(clock),
      taken_(std::move(taken)),
      stream_(std::move(stream)),
      parked_(ring_->slots()),
      sequence_(plan.sequence) {}

Stream::~Stream() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  stream_.reset();  // ends Aravis' thread, before the memory it writes to goes
  parked_.clear();
}

Status Stream::shut_out_others() {
  const std::uint16_t port = arv_gv_stream_get_port(ARV_GV_STREAM(stream_.get()));
  for (const UdpSocket& socket : udp_sockets(plan_.interface.ip)) {
    if (socket.port != port) continue;
    if (!accept_only(socket.fd, plan_.camera_ip)) break;
    foreign_ = std::make_unique<ForeignCounter>(plan_.interface, port, plan_.camera_ip);
    return Status();
  }
  return Status(Code::internal, base::cat("stream: its port ", port,
                                          " cannot be kept from others than the camera"));
}

void Stream::run() {
  while (!stop_) {
    ArvBuffer* buffer = arv_stream_timeout_pop_buffer(stream_.get(), patience_us);
    if (buffer != nullptr) take(buffer);
    refill();
    if (now_ns() - infos_read_ns_ > infos_period_ns) read_infos();
  }
  read_infos();
}

void Stream::take(ArvBuffer* buffer) {
  const std::size_t slot = slot_of(buffer);
  const FrameInfo info = describe(buffer);
  parked_[slot].reset(buffer);
  ring_->publish(slot, info);
  count(info);
  taken_(ring_, info);
}

// Half of the slots stay published, for readers to finish with; less, when Aravis would run out.
void Stream::refill() {
  const auto give_back = [&](std::size_t keep) {
    const auto slot = ring_->reclaim(keep);
    if (slot) arv_stream_push_buffer(stream_.get(), parked_[*slot].release());
    return slot.has_value();
  };
  while (give_back(ring_->slots() / 2)) {
  }
  int empty = 0;
  int done = 0;
  arv_stream_get_n_buffers(stream_.get(), &empty, &done);
  while (empty < wanted_empty && give_back(1)) ++empty;
}

FrameInfo Stream::describe(ArvBuffer* buffer) {
  FrameInfo info;
  info.sequence = ++sequence_;
  info.status = status_of(arv_buffer_get_status(buffer));
  info.id = arv_buffer_get_frame_id(buffer);
  info.camera_ns = static_cast<std::int64_t>(arv_buffer_get_timestamp(buffer));
  info.arrived_ns = static_cast<std::int64_t>(arv_buffer_get_system_timestamp(buffer));
  if (has_image(buffer)) {
    gint x = 0;
    gint y = 0;
    gint width = 0;
    gint height = 0;
    arv_buffer_get_image_region(buffer, &x, &y, &width, &height);
    gint x_padding = 0;
    gint y_padding = 0;
    arv_buffer_get_image_padding(buffer, &x_padding, &y_padding);
    info.x = static_cast<std::uint32_t>(x);
    info.y = static_cast<std::uint32_t>(y);
    info.width = static_cast<std::uint32_t>(width);
    info.height = static_cast<std::uint32_t>(height);
    info.padding = static_cast<std::uint32_t>(x_padding);
    info.format = arv_buffer_get_image_pixel_format(buffer);
    std::size_t bytes = 0;
    arv_buffer_get_image_data(buffer, &bytes);
    info.size = std::min(bytes, ring_->slot_bytes());
  }
  // What the leader announces must be there: encoders and readers trust these numbers.
  const bool whole = info.size > 0 && info.width > 0 && least_bytes(info) <= info.size;
  if (info.status == FrameStatus::complete && !whole) info.status = FrameStatus::malformed;
  if (info.status == FrameStatus::complete) {
    shape_ = info;
  } else if (info.status != FrameStatus::malformed) {
    take_shape(info, shape_);
  } else {
    info.width = info.height = 0;
  }

  const std::uint64_t missing =
      arv_stream_get_info_uint64_by_name(stream_.get(), "n_missing_packets");
  if (info.status == FrameStatus::missing_packets) {
    info.missing = static_cast<std::uint32_t>(std::min<std::uint64_t>(missing - missing_, ~0U));
  }
  missing_ = missing;

  if (plan_.camera_time_is_host_time) {
    info.exposed_ns = info.camera_ns;
  } else if (info.status == FrameStatus::complete && info.camera_ns != 0) {
    clock_.add(info.camera_ns, info.arrived_ns);
    info.exposed_ns = clock_.host_ns(info.camera_ns).value_or(0);
  }
  return info;
}

void Stream::count(const FrameInfo& info) {
  const std::lock_guard lock(mutex_);
  switch (info.status) {
    case FrameStatus::complete:
      ++counters_.complete;
      counters_.bytes += info.size;
      break;
    case FrameStatus::missing_packets:
      ++counters_.missing_packets;
      break;
    case FrameStatus::aborted:
      ++counters_.aborted;
      break;
    case FrameStatus::oversized:
    case FrameStatus::malformed:
      ++counters_.malformed;
      break;
  }
}

void Stream::read_infos() {
  infos_read_ns_ = now_ns();
  const auto read = [&](const char* name) {
    return arv_stream_get_info_uint64_by_name(stream_.get(), name);
  };
  const std::uint64_t foreign = foreign_->take();
  const std::lock_guard lock(mutex_);
  // Aravis counts every packet that finds no buffer. A frame has so many of them.
  const std::uint64_t packets = plan_.packets_of_a_frame;
  counters_.underrun = (read("n_underruns") + packets - 1) / packets;
  counters_.resent_packets = read("n_resent_packets");
  counters_.lost_packets = read("n_missing_packets");
  counters_.foreign_packets += foreign;
}

StreamCounters Stream::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace gige
