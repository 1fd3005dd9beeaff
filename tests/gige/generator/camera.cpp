#include "generator/camera.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "base/text.hpp"
#include "generator/control.hpp"
#include "generator/sockets.hpp"
#include "generator/stream.hpp"

namespace generator {

namespace {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

class RealCamera final : public Camera {
 public:
  RealCamera(const Options& options, Sockets sockets)
      : options_(options), sockets_(std::move(sockets)), ticks_(options.tick_hz, options.ptp) {
    wake_ = ::eventfd(0, EFD_CLOEXEC);
    begin();
  }
  ~RealCamera() override {
    finish();
    ::close(wake_);
  }

  void set(const Faults& faults) override {
    const std::lock_guard lock(mutex_);
    faults_ = faults;
    stream_->set(faults);
    control_->absurd(faults.absurd_width, faults.absurd_payload);
  }
  Faults faults() const override {
    const std::lock_guard lock(mutex_);
    return faults_;
  }

  void unplug() override { link_.plug(false); }
  void plug() override { link_.plug(true); }
  void power_cycle(std::chrono::milliseconds off) override {
    const std::lock_guard lock(mutex_);
    control_->power_cycle(off);
    control_->absurd(faults_.absurd_width, faults_.absurd_payload);
  }
  Status move(const std::string& address) override {
    Result<Sockets> sockets = Sockets::open(address);
    if (!sockets) return sockets.status();
    const std::lock_guard moving(moving_);
    finish();
    const std::lock_guard lock(mutex_);
    sockets_ = std::move(*sockets);
    options_.address = address;
    begin();
    stream_->set(faults_);
    control_->absurd(faults_.absurd_width, faults_.absurd_payload);
    return {};
  }
  std::string address() const override {
    const std::lock_guard lock(mutex_);
    return options_.address;
  }

  void take_over(const std::string& by_ip) override {
    in_addr parsed{};
    ::inet_pton(AF_INET, by_ip.c_str(), &parsed);
    const std::lock_guard lock(mutex_);
    control_->take_over(ntohl(parsed.s_addr));
  }
  void release() override {
    const std::lock_guard lock(mutex_);
    control_->release();
  }
  void line1() override {
    const std::lock_guard lock(mutex_);
    control_->line1();
  }
  void set_temperature(double celsius) override {
    const std::lock_guard lock(mutex_);
    control_->memory().set_real(reg::temperature, celsius);
  }
  void set_ptp_status(std::uint32_t status) override {
    const std::lock_guard lock(mutex_);
    control_->memory().set(reg::ptp_status, status);
  }

  Counters counters() const override {
    const std::lock_guard lock(mutex_);
    Counters out = stream_->counters();
    out.refused = control_->refused();
    return out;
  }
  bool controlled() const override {
    const std::lock_guard lock(mutex_);
    return control_->controlled();
  }
  bool acquiring() const override {
    const std::lock_guard lock(mutex_);
    return stream_->running();
  }
  std::uint32_t reg(std::uint32_t address) const override {
    const std::lock_guard lock(mutex_);
    return control_->memory().get(address);
  }

 private:
  void begin() {
    stop_ = false;
    ticks_.reset();
    stream_ = std::make_unique<Stream>(sockets_.stream, sockets_.foreign, link_, options_.link_mbit,
                                       ticks_);
    control_ = std::make_unique<Control>(options_, sockets_.ip, sockets_.stream_port, *stream_,
                                         link_, ticks_);
    thread_ = std::thread([this] { run(); });
  }
  void finish() {
    stop_ = true;
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
    thread_.join();
    std::uint64_t drained = 0;
    (void)!::read(wake_, &drained, sizeof drained);
    stream_.reset();
  }

  void run() {
    std::vector<pollfd> waiting{{wake_, POLLIN, 0}, {sockets_.control, POLLIN, 0}};
    for (const int one : sockets_.broadcasts) waiting.push_back({one, POLLIN, 0});
    while (!stop_) {
      constexpr int tick_ms = 20;  // how fine the heartbeat is watched
      ::poll(waiting.data(), waiting.size(), tick_ms);
      for (std::size_t i = 1; i < waiting.size(); ++i) {
        if (waiting[i].revents & POLLIN) receive(waiting[i].fd);
      }
      const std::lock_guard lock(mutex_);
      control_->watch_heartbeat();
    }
  }

  void receive(int socket) {
    std::uint8_t bytes[2048];
    sockaddr_in from{};
    socklen_t from_size = sizeof from;
    const ssize_t count = ::recvfrom(socket, bytes, sizeof bytes, MSG_DONTWAIT,
                                     reinterpret_cast<sockaddr*>(&from), &from_size);
    if (count <= 0 || link_.silent()) return;
    const auto command = gvcp::parse(View(bytes, static_cast<std::size_t>(count)));
    if (!command) return;
    Bytes answer;
    {
      const std::lock_guard lock(mutex_);
      answer = control_->handle(*command, {ntohl(from.sin_addr.s_addr), ntohs(from.sin_port)});
    }
    if (answer.empty()) return;
    (void)::sendto(sockets_.control, answer.data(), answer.size(), 0,
                   reinterpret_cast<const sockaddr*>(&from), from_size);
  }

  Options options_;
  Sockets sockets_;
  Link link_;
  Ticks ticks_;
  int wake_ = -1;
  std::mutex moving_;         // one move at a time; taken before mutex_
  mutable std::mutex mutex_;  // the control thread and tests share what follows
  Faults faults_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Control> control_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

Status check(const Options& options) {
  if (find_format(options.format) == nullptr) {
    return Status(Code::invalid, cat("format \"", options.format, "\": not a known PFNC name"));
  }
  const auto size = [](std::uint32_t asked, std::uint32_t step, std::uint32_t max) {
    return asked >= step && asked <= max && asked % step == 0;
  };
  if (!size(options.width, 16, options.width_max)) {
    return Status(Code::invalid,
                  cat("width ", options.width, ": a multiple of 16, 16 to ", options.width_max));
  }
  if (!size(options.height, 2, options.height_max)) {
    return Status(Code::invalid,
                  cat("height ", options.height, ": a multiple of 2, 2 to ", options.height_max));
  }
  if (options.packet_size < 64 || options.packet_size > 65515) {
    return Status(Code::invalid, cat("packet size ", options.packet_size, ": 64 to 65515"));
  }
  if (options.tick_hz == 0) return Status(Code::invalid, "tick frequency 0");
  return {};
}

}  // namespace

Result<std::unique_ptr<Camera>> Camera::start(const Options& options) {
  if (Status status = check(options); !status.ok()) return status;
  Result<Sockets> sockets = Sockets::open(options.address);
  if (!sockets) return sockets.status();
  return std::unique_ptr<Camera>(std::make_unique<RealCamera>(options, std::move(*sockets)));
}

}  // namespace generator
