#include "gige/camera.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "src/aravis.hpp"
#include "src/controller.hpp"
#include "src/guard.hpp"
#include "src/interfaces.hpp"
#include "src/packets.hpp"
#include "src/sockets.hpp"
#include "src/stream.hpp"
#include "src/watch.hpp"

namespace gige {

using base::Code;
using base::Status;

namespace {

// For one question of ours: a camera answers within a few milliseconds, or when it starts within
// some hundred.
constexpr std::chrono::milliseconds patience{500};

std::string named(const CameraInfo& info) {
  return base::cat("camera ", info.serial.empty() ? std::string() : info.serial + " ", "at ",
                   info.ip);
}

Status about(const CameraInfo& info, const Status& status) {
  // Whatever is wrong with what it says of itself: the camera has to be looked at.
  const bool absurd = status.code() == Code::out_of_range || status.code() == Code::unsupported ||
                      status.code() == Code::refused;
  const Code code = absurd                           ? Code::malformed
                    : status.code() == Code::timeout ? Code::unavailable
                                                     : status.code();
  return Status(code, named(info) + ": " + status.text());
}

Status conflict(const CameraInfo& info, const Control& control) {
  return Status(Code::conflict,
                named(info) + ": " +
                    (control.by.ip == 0 ? std::string("another program")
                                        : "a program on " + format_ip(control.by.ip)) +
                    " controls it; it has to end, or its heartbeat to run out");
}

// The one socket that Aravis opens for a device. Two opening at a time could not be told apart.
struct Opened {
  Owned<ArvDevice> device;
  UdpSocket socket;
};
base::Result<Opened> open_device(const CameraInfo& info) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const std::uint32_t own = parse_ip(info.interface_ip);
  const auto before = udp_sockets(own);
  const Owned<GInetAddress> ours(g_inet_address_new_from_string(info.interface_ip.c_str()));
  const Owned<GInetAddress> camera(g_inet_address_new_from_string(info.ip.c_str()));
  Error error;
  Opened opened;
  opened.device.reset(arv_gv_device_new(ours.get(), camera.get(), error.out()));
  if (!opened.device || error) {
    return Status(error.code(), "its GenICam description: " + error.text());
  }
  std::size_t candidates = 0;
  for (const UdpSocket& socket : udp_sockets(own)) {
    const bool old = std::any_of(before.begin(), before.end(), [&](const UdpSocket& known) {
      return known.inode == socket.inode;
    });
    if (old) continue;
    opened.socket = socket;
    ++candidates;
  }
  if (candidates != 1) opened.socket = UdpSocket();
  return opened;
}

class AravisCamera final : public Camera {
 public:
  AravisCamera(CameraInfo info, LinkSettings link, Opened opened, GvcpSocket socket, bool control,
               Seen us)
      : info_(std::move(info)),
        link_(link),
        device_(std::move(opened.device)),
        aravis_socket_(opened.socket),
        socket_(std::move(socket)),
        we_control_(control),
        us_(us) {
    // Aravis' heartbeat thread says it, possibly while this object goes: it gets a share.
    g_signal_connect_data(
        device_.get(), "control-lost",
        G_CALLBACK(+[](ArvDevice*, std::shared_ptr<std::atomic<bool>>* lost) { **lost = true; }),
        new std::shared_ptr(control_lost_),
        [](gpointer data, GClosure*) {
          delete static_cast<std::shared_ptr<std::atomic<bool>>*>(data);
        },
        GConnectFlags(0));
  }

  ~AravisCamera() override {
    watch_.reset();
    // Saying goodbye to a camera that has gone would take Aravis 3 s a word.
    if (!hung_up_) {
      const auto alive = read_control(socket_, patience);
      if (!alive && alive.status().code() == Code::timeout) give_up();
    }
    static_cast<void>(stop());
  }

  const CameraInfo& info() const override { return info_; }
  ArvDevice* device() override { return device_.get(); }

  Status start(const std::string& ring_name, std::uint64_t sequence, Taken taken) override;
  Status stop() override;
  bool streaming() const override { return streaming_; }
  StreamCounters counters() const override;
  Controller controller() override;
  int packet_size() const override { return packet_size_; }
  bool packet_socket() const override { return packet_socket_; }
  void watch(std::function<void(Status)> lost) override;

 private:
  base::Result<std::size_t> payload() const;
  base::Result<bool> choose_packet_socket() const;
  Status execute(const char* command);
  void give_up() {
    hang_up(aravis_socket_, parse_ip(info_.interface_ip));
    hung_up_ = true;
  }
  void lock_parameters(bool locked);

  const CameraInfo info_;
  const LinkSettings link_;
  const Owned<ArvDevice> device_;
  const UdpSocket aravis_socket_;
  std::mutex socket_mutex_;  // controller(), which any thread may call
  GvcpSocket socket_;
  const bool we_control_;
  const Seen us_;
  const std::shared_ptr<std::atomic<bool>> control_lost_ =
      std::make_shared<std::atomic<bool>>(false);
  std::atomic<int> packet_size_{0};
  std::atomic<bool> packet_socket_{false};
  std::atomic<bool> streaming_{false};
  std::atomic<bool> hung_up_{false};
  ClockMap clock_;
  mutable std::mutex stream_mutex_;  // counters(), which any thread may call
  std::unique_ptr<Stream> stream_;
  StreamCounters former_;  // of streams that have ended
  std::unique_ptr<Watch> watch_;
};

StreamCounters sum(StreamCounters a, const StreamCounters& b) {
  a.complete += b.complete;
  a.missing_packets += b.missing_packets;
  a.aborted += b.aborted;
  a.underrun += b.underrun;
  a.malformed += b.malformed;
  a.resent_packets += b.resent_packets;
  a.lost_packets += b.lost_packets;
  a.foreign_packets += b.foreign_packets;
  a.bytes += b.bytes;
  return a;
}

base::Result<std::size_t> AravisCamera::payload() const {
  Error error;
  const gint64 bytes =
      arv_device_get_integer_feature_value(device_.get(), "PayloadSize", error.out());
  if (error) return Status(error.code(), named(info_) + ": PayloadSize: " + error.text());
  if (bytes <= 0 || static_cast<std::uint64_t>(bytes) > link_.max_frame_bytes) {
    return Status(Code::out_of_range, base::cat(named(info_), ": frames of ", std::int64_t{bytes},
                                                " bytes (PayloadSize), the limit is ",
                                                link_.max_frame_bytes, " (maxFrameBytes)"));
  }
  return static_cast<std::size_t>(bytes);
}

base::Result<bool> AravisCamera::choose_packet_socket() const {
  if (link_.packet_socket == LinkSettings::PacketSocket::off) return false;
  const bool may = may_use_packet_sockets();
  if (!may && link_.packet_socket == LinkSettings::PacketSocket::on) {
    return Status(Code::unavailable,
                  "packet sockets are not allowed: give the mapper the capability CAP_NET_RAW, or "
                  "set packetSocket to automatic");
  }
  return may;
}

Status AravisCamera::execute(const char* command) {
  Error error;
  arv_device_execute_command(device_.get(), command, error.out());
  if (!error) return Status();
  return Status(error.code(), base::cat(named(info_), ": ", command, ": ", error.text()));
}

// Cameras that have it refuse changes that would break the stream. What has it not, goes on.
void AravisCamera::lock_parameters(bool locked) {
  Error error;
  arv_device_set_integer_feature_value(device_.get(), "TLParamsLocked", locked ? 1 : 0,
                                       error.out());
}

Status AravisCamera::start(const std::string& ring_name, std::uint64_t sequence, Taken taken) {
  if (stream_) return Status(Code::conflict, named(info_) + " streams already");
  const auto bytes = payload();
  if (!bytes) return bytes.status();
  const auto ring_socket = choose_packet_socket();
  if (!ring_socket) return ring_socket.status();

  const auto found = interfaces(info_.interface_ip);
  if (found.empty()) {
    return Status(Code::unavailable, named(info_) + ": our address " + info_.interface_ip +
                                         " is gone from interface " + info_.interface_name);
  }
  StreamPlan plan;
  plan.link = link_;
  plan.interface = found.front();
  plan.camera_ip = parse_ip(info_.ip);
  plan.sequence = sequence;
  plan.packet_socket = *ring_socket;
  if (packet_size_ == 0) {
    const auto size = settle_packet_size(device_.get(), link_, plan.interface.mtu);
    if (!size) return Status(size.status().code(), named(info_) + ": " + size.status().text());
    packet_size_ = *size;
  }
  if (const Status status = settle_packet_delay(device_.get(), link_); !status.ok()) {
    return Status(status.code(), named(info_) + ": " + status.text());
  }
  // GVSP's header takes 36 bytes of a packet, with IP's and UDP's; leader and trailer are two more.
  const auto payload = static_cast<std::uint64_t>(std::max(packet_size_ - 36, 1));
  plan.packets_of_a_frame = (*bytes + payload - 1) / payload + 2;
  plan.camera_time_is_host_time = follows_world_time(device_.get());

  auto ring = FrameRing::create(ring_name, link_.buffers, *bytes);
  if (!ring) return ring.status();
  auto stream = Stream::start(device_.get(), plan, std::move(*ring), clock_, std::move(taken));
  if (!stream) return Status(stream.status().code(), named(info_) + ": " + stream.status().text());
  packet_socket_ = *ring_socket;
  lock_parameters(true);
  const Status begun = execute("AcquisitionStart");
  {
    const std::lock_guard lock(stream_mutex_);
    stream_ = std::move(*stream);
    streaming_ = true;
  }
  if (!begun.ok()) static_cast<void>(stop());
  return begun;
}

Status AravisCamera::stop() {
  if (!stream_) return Status();
  const Status status = execute("AcquisitionStop");
  lock_parameters(false);
  std::unique_ptr<Stream> ended;
  {
    const std::lock_guard lock(stream_mutex_);
    former_ = sum(former_, stream_->counters());
    ended = std::move(stream_);
    streaming_ = false;
  }
  return status;
}

StreamCounters AravisCamera::counters() const {
  const std::lock_guard lock(stream_mutex_);
  return stream_ ? sum(former_, stream_->counters()) : former_;
}

Controller AravisCamera::controller() {
  const std::lock_guard lock(socket_mutex_);
  const auto control = read_control(socket_, patience);
  return control ? controller_of(*control, we_control_ && !*control_lost_, us_) : Controller();
}

void AravisCamera::watch(std::function<void(Status)> lost) {
  WatchPlan plan;
  plan.info = info_;
  plan.we_control = we_control_;
  plan.us = us_;
  plan.frames = [this] { return counters().complete + counters().missing_packets; };
  plan.control_lost = [flag = control_lost_] { return flag->load(); };
  plan.gone = [this] { give_up(); };
  plan.lost = std::move(lost);
  watch_ = std::make_unique<Watch>(std::move(plan));
}

// Aravis neither checks ranges nor access on its own; the features of this mapper do, and this is
// the net below.
void be_strict(ArvDevice* device) {
  arv_device_set_range_check_policy(device, ARV_RANGE_CHECK_POLICY_ENABLE);
  arv_device_set_access_check_policy(device, ARV_ACCESS_CHECK_POLICY_ENABLE);
}

Status check_description(ArvDevice* device) {
  std::size_t bytes = 0;
  const char* xml = arv_device_get_genicam_xml(device, &bytes);
  if (xml == nullptr) return Status(Code::malformed, "it has no GenICam description");
  return guard::check_xml({xml, bytes});
}

void set_heartbeat(ArvDevice* device, const CameraInfo& info, const LinkSettings& link) {
  Error error;
  arv_device_write_register(device, gvcp::reg::heartbeat,
                            static_cast<guint32>(link.heartbeat.count()), error.out());
  if (error) {
    base::log_warning(base::cat(named(info), ": its heartbeat stays as it is: ", error.text()));
  }
}

}  // namespace

base::Result<std::unique_ptr<Camera>> Camera::open(const CameraInfo& info, const LinkSettings& link,
                                                   bool control) {
  const std::uint32_t own = parse_ip(info.interface_ip);
  const std::uint32_t ip = parse_ip(info.ip);
  if (own == 0 || ip == 0) {
    return Status(Code::invalid, base::cat("camera at \"", info.ip, "\" on \"", info.interface_ip,
                                           "\": these are no addresses"));
  }
  auto socket = GvcpSocket::open(own, ip);
  if (!socket) return about(info, socket.status());
  const auto before = read_control(*socket, patience);
  if (!before) return about(info, before.status());
  if (before->taken && (control || before->denied)) return conflict(info, *before);
  if (const Status status = guard::check_size(*socket, patience); !status.ok()) {
    return about(info, status);
  }
  auto opened = open_device(info);
  if (!opened) return about(info, opened.status());
  ArvDevice* device = opened->device.get();
  if (const Status status = check_description(device); !status.ok()) return about(info, status);
  be_strict(device);

  Seen us;
  if (control) {
    const auto now = read_control(*socket, patience);
    if (!arv_gv_device_is_controller(ARV_GV_DEVICE(device))) {
      return conflict(info, now ? *now : Control());
    }
    if (now) us = now->by;
    set_heartbeat(device, info, link);
  } else {
    Error error;  // Aravis takes control of whatever is free
    arv_gv_device_leave_control(ARV_GV_DEVICE(device), error.out());
  }
  return std::unique_ptr<Camera>(std::make_unique<AravisCamera>(info, link, std::move(*opened),
                                                                std::move(*socket), control, us));
}

}  // namespace gige
