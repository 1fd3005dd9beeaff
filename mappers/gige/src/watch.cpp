#include "src/watch.hpp"

#include <utility>

#include "base/text.hpp"

namespace gige {

using base::Code;
using base::Status;

Watch::Watch(WatchPlan plan) : plan_(std::move(plan)), thread_([this] { run(); }) {}

Watch::~Watch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool Watch::pause() {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, period, [this] { return stop_; });
}

void Watch::run() {
  while (pause()) {
    const Status status = look();
    if (status.ok()) continue;
    plan_.lost(status);
    return;
  }
}

Status Watch::look() {
  // A socket for each look: an interface that lost its address and has it again is no obstacle.
  const std::uint32_t own = parse_ip(plan_.info.interface_ip);
  const std::uint32_t ip = parse_ip(plan_.info.ip);
  for (int misses = 0; misses < 2; ++misses) {
    const std::uint64_t frames = plan_.frames();
    auto socket = GvcpSocket::open(own, ip);
    const auto control =
        socket ? read_control(*socket, patience) : base::Result<Control>(socket.status());
    if (control) return not_ours(*control);
    // A camera that says nonsense is there.
    if (control.status().code() == Code::refused || control.status().code() == Code::malformed) {
      return Status();
    }
    // No address of ours: as good as a missing cable, but there was no waiting yet.
    if (!socket && !pause()) return Status();
    if (plan_.frames() != frames) return Status();
  }
  return has_gone();
}

Status Watch::not_ours(const Control& control) const {
  if (!plan_.we_control) return Status();
  const Controller now = controller_of(control, true, plan_.us);
  const std::string name = base::cat("camera ", plan_.info.ip, " ");
  if (now.who == Controller::Who::another) {
    return Status(Code::conflict, (now.ip.empty() ? std::string("another program") : now.ip) +
                                      " has taken control of camera " + plan_.info.ip);
  }
  if (now.who == Controller::Who::nobody || plan_.control_lost()) {
    return Status(Code::unavailable,
                  name + "has forgotten us (restarted, or its heartbeat ran out)");
  }
  return Status();
}

Status Watch::has_gone() {
  plan_.gone();
  const std::string name = base::cat("camera ", plan_.info.ip, " ");
  CameraQuery query;
  query.serial = plan_.info.serial;
  query.interface = plan_.info.interface_name;
  if (query.serial.empty()) query.mac = plan_.info.mac;
  const auto found = find(query, patience);
  if (found && found->model == plan_.info.model && found->ip != plan_.info.ip) {
    return Status(Code::unavailable, name + "has another address now: " + found->ip);
  }
  return Status(Code::unavailable, name + "does not answer any more (cable or power)");
}

}  // namespace gige
