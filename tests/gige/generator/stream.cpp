#include "generator/stream.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <ctime>

namespace generator {

namespace {

sockaddr_in to(std::uint32_t ip, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(ip);
  out.sin_port = htons(port);
  return out;
}

// Ethernet's own bytes around an IP packet: preamble, header, checksum, gap.
constexpr std::uint64_t ethernet_bytes = 38;

}  // namespace

std::uint64_t Ticks::raw() const {
  timespec now{};
  ::clock_gettime(world_ ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
  // In two parts: nanoseconds times 1 GHz do not fit 64 bits.
  return static_cast<std::uint64_t>(now.tv_sec) * hz_ +
         static_cast<std::uint64_t>(now.tv_nsec) * hz_ / 1'000'000'000;
}

Stream::Stream(int socket, int foreign_socket, const Link& link, std::uint32_t link_mbit,
               const Ticks& ticks)
    : socket_(socket),
      foreign_socket_(foreign_socket),
      link_(link),
      link_mbit_(link_mbit),
      ticks_(ticks),
      thread_([this] { run(); }) {}

Stream::~Stream() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  abort();
  thread_.join();
}

void Stream::begin(const FramePlan& plan) {
  const std::lock_guard lock(mutex_);
  plan_ = plan;
  running_ = true;
  done_ = 0;
  triggers_ = 0;
  next_ = Clock::now();
  wake_.notify_one();
}
void Stream::update(const FramePlan& plan) {
  const std::lock_guard lock(mutex_);
  plan_ = plan;
  // A slower rate that was set before must not delay the first frame at a faster one.
  next_ = std::min(next_, Clock::now() + std::chrono::milliseconds(1));
  wake_.notify_one();
}
void Stream::end() {
  const std::lock_guard lock(mutex_);
  running_ = false;
  wake_.notify_one();
}
void Stream::abort() {
  end();
  ++aborts_;
}
void Stream::forget() {
  abort();
  const std::lock_guard lock(mutex_);
  block_ = 0;
  held_.clear();
}
bool Stream::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

void Stream::trigger() {
  const std::lock_guard lock(mutex_);
  if (!running_ || !plan_.triggered || triggers_ > 0) {
    ++counters_.triggers_missed;
    return;
  }
  ++triggers_;
  wake_.notify_one();
}

void Stream::set(const Faults& faults) {
  const std::lock_guard lock(mutex_);
  faults_ = faults;
  resend_random_.seed(faults.seed + 1);
}
Faults Stream::faults() const {
  const std::lock_guard lock(mutex_);
  return faults_;
}
Counters Stream::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

bool Stream::chance(std::mt19937& random, std::uint32_t permille) {
  return permille > 0 && random() % 1000 < permille;
}

void Stream::run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (!due(lock)) continue;
    const FramePlan plan = plan_;
    const Faults faults = faults_;
    const FramePtr frame = make(plan, faults);
    held_.push_back(frame);
    if (held_.size() > max_held) held_.pop_front();
    ++counters_.frames;
    if (plan.count > 0 && ++done_ == plan.count) running_ = false;
    lock.unlock();
    send(frame, faults);
    lock.lock();
  }
}

// Waits for what is next; true: a frame is due now.
bool Stream::due(std::unique_lock<std::mutex>& lock) {
  if (!late_.empty() && late_.front().due <= Clock::now()) {
    lock.unlock();
    send_late();
    lock.lock();
    return false;
  }
  Clock::time_point until = Clock::time_point::max();
  if (!late_.empty()) until = late_.front().due;
  if (running_ && plan_.triggered && triggers_ > 0) {
    --triggers_;
    return true;
  }
  if (running_ && !plan_.triggered) {
    if (plan_.frame_rate <= 0) return true;
    const Clock::time_point now = Clock::now();
    if (next_ <= now) {
      const auto period = std::chrono::duration_cast<Clock::duration>(
          std::chrono::duration<double>(1 / plan_.frame_rate));
      next_ = std::max(next_ + period, now);
      return true;
    }
    until = std::min(until, next_);
  }
  if (until == Clock::time_point::max()) {
    wake_.wait(lock);
  } else {
    wake_.wait_until(lock, until);
  }
  return false;
}

std::uint16_t Stream::next_block(const Faults& faults) {
  int step = 1;
  if (faults.block_ids == Faults::BlockIds::jump && random_() % 8 == 0) step = 100;
  if (faults.block_ids == Faults::BlockIds::repeat && random_() % 8 == 0) step = 0;
  block_ = static_cast<std::uint16_t>(block_ + step);
  if (block_ == 0) block_ = 1;  // 0 is not a block id
  return block_;
}

Stream::FramePtr Stream::make(const FramePlan& plan, const Faults& faults) {
  if (seed_ != faults.seed) random_.seed(seed_ = faults.seed);
  const auto announced =
      static_cast<std::int64_t>(image_bytes(plan.format, plan.width, plan.height));
  const auto bytes =
      static_cast<std::size_t>(std::max<std::int64_t>(announced + faults.payload_bytes, 1));
  if (!pattern_ || pattern_format_ != plan.format || pattern_bytes_ != bytes) {
    pattern_ = std::make_shared<const Pattern>(plan.format, bytes);
    pattern_format_ = plan.format;
    pattern_bytes_ = bytes;
  }
  auto frame = std::make_shared<Frame>();
  frame->plan = plan;
  frame->block = next_block(faults);
  frame->image = {ticks_.now(), plan.format, plan.width, plan.height, plan.x, plan.y};
  frame->pattern = pattern_;
  frame->pixels = pattern_->frame(frame->block);
  frame->payload_packets = gvsp::packets_of(bytes, plan.packet_size);
  return frame;
}

Stream::Packet Stream::packet(const Frame& frame, std::uint32_t id) {
  Packet out;
  const auto head = [&](const auto& bytes) {
    std::copy(bytes.begin(), bytes.end(), out.head.begin());
    out.head_bytes = bytes.size();
  };
  if (id == 0) {
    head(gvsp::leader(frame.block, frame.image));
  } else if (id == frame.payload_packets + 1) {
    head(gvsp::trailer(frame.block, id, frame.image.height));
  } else {
    head(gvsp::pack({gvsp::status_success, frame.block, gvsp::Format::payload, id}));
    const std::size_t each = gvsp::payload_of(frame.plan.packet_size);
    const std::size_t from = (id - 1) * each;
    out.pixels = frame.pixels.subspan(from, std::min(each, frame.pixels.size() - from));
  }
  return out;
}

// The packets' numbers as they leave; those that are late go to late_.
std::vector<std::uint32_t> Stream::order(const FramePtr& frame, const Faults& faults) {
  const std::uint32_t last = frame->payload_packets + 1;
  std::vector<std::uint32_t> out;
  out.reserve(last + 1);
  std::uint64_t lost = 0;
  const bool no_leader = chance(random_, faults.no_leader);
  const bool no_trailer = chance(random_, faults.no_trailer);
  const Clock::time_point late = Clock::now() + faults.late_by;
  for (std::uint32_t id = 0; id <= last; ++id) {
    if ((id == 0 && no_leader) || (id == last && no_trailer) || chance(random_, faults.loss)) {
      ++lost;
    } else if (chance(random_, faults.late)) {
      late_.push_back({late, frame, id});
    } else {
      out.push_back(id);
      if (chance(random_, faults.duplicate)) out.push_back(id);
    }
  }
  if (faults.reorder > 0) {
    for (std::size_t i = 0; i + 1 < out.size(); ++i) {
      if (!chance(random_, faults.reorder)) continue;
      std::swap(out[i], out[i + 1]);
      ++i;
    }
  }
  const std::lock_guard lock(mutex_);
  counters_.lost += lost;
  return out;
}

void Stream::send(const FramePtr& frame, const Faults& faults) {
  const std::uint32_t aborts = aborts_;
  const std::vector<std::uint32_t> packets = order(frame, faults);
  std::uint64_t gap_ns = frame->plan.packet_delay_ns;
  if (link_mbit_ > 0) gap_ns += (frame->plan.packet_size + ethernet_bytes) * 8000 / link_mbit_;
  // A batch is a burst: of at most 200 us where there is a pace.
  const std::size_t batch =
      gap_ns == 0 ? max_batch : std::clamp<std::size_t>(200'000 / gap_ns, 1, max_batch);
  Clock::time_point free = Clock::now();  // when the line is
  for (std::size_t at = 0; at < packets.size() && aborts == aborts_; at += batch) {
    const std::size_t count = std::min(batch, packets.size() - at);
    send_batch(*frame, std::span(packets).subspan(at, count), faults);
    if (!late_.empty()) send_late();
    if (gap_ns == 0) continue;
    free += std::chrono::nanoseconds(gap_ns * count);
    const Clock::time_point now = Clock::now();
    if (free > now) {
      std::this_thread::sleep_until(free);
    } else if (now - free > std::chrono::milliseconds(2)) {
      free = now;  // what was missed is not made up for in a burst
    }
  }
}

void Stream::send_batch(const Frame& frame, std::span<const std::uint32_t> ids,
                        const Faults& faults) {
  assert(ids.size() <= max_batch);
  if (link_.silent() || frame.plan.port == 0) return;
  std::array<Packet, max_batch> packets;
  std::array<std::array<iovec, 2>, max_batch> parts;
  std::array<mmsghdr, max_batch> messages{};
  sockaddr_in destination = to(frame.plan.destination, frame.plan.port);
  unsigned count = 0;
  std::uint64_t lost = 0;
  for (const std::uint32_t id : ids) {
    Packet& one = packets[count] = packet(frame, id);
    if (faults.max_packet_size > 0 && one.wire_bytes() > faults.max_packet_size) {
      ++lost;
      continue;
    }
    if (chance(random_, faults.foreign)) send_foreign(frame);
    parts[count][0] = {one.head.data(), one.head_bytes};
    parts[count][1] = {const_cast<std::uint8_t*>(one.pixels.data()), one.pixels.size()};
    msghdr& header = messages[count].msg_hdr;
    header.msg_name = &destination;
    header.msg_namelen = sizeof destination;
    header.msg_iov = parts[count].data();
    header.msg_iovlen = one.pixels.empty() ? 1 : 2;
    ++count;
  }
  unsigned sent = 0;
  while (sent < count) {
    const int done = ::sendmmsg(socket_, &messages[sent], count - sent, 0);
    // What the system refuses (no such network, no memory) is lost, as on a wire.
    sent += done > 0 ? static_cast<unsigned>(done) : 1;
  }
  const std::lock_guard lock(mutex_);
  counters_.packets += count;
  counters_.lost += lost;
}

void Stream::send_one(const Frame& frame, const Packet& packet) {
  if (link_.silent() || frame.plan.port == 0) return;
  sockaddr_in destination = to(frame.plan.destination, frame.plan.port);
  std::array<iovec, 2> parts{
      iovec{const_cast<std::uint8_t*>(packet.head.data()), packet.head_bytes},
      iovec{const_cast<std::uint8_t*>(packet.pixels.data()), packet.pixels.size()}};
  msghdr header{};
  header.msg_name = &destination;
  header.msg_namelen = sizeof destination;
  header.msg_iov = parts.data();
  header.msg_iovlen = 2;
  (void)::sendmsg(socket_, &header, 0);
}

void Stream::send_late() {
  const Clock::time_point now = Clock::now();
  while (!late_.empty() && late_.front().due <= now) {
    const Late late = late_.front();
    late_.pop_front();
    send_one(*late.frame, packet(*late.frame, late.packet));
    const std::lock_guard lock(mutex_);
    ++counters_.packets;
  }
}

// In turns: noise, and what looks like a packet of this very frame.
void Stream::send_foreign(const Frame& frame) {
  Bytes bytes(200);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random_());
  foreign_kind_ = !foreign_kind_;
  if (foreign_kind_) {
    const std::uint32_t id = 1 + static_cast<std::uint32_t>(random_() % frame.payload_packets);
    const auto head = gvsp::pack({gvsp::status_success, frame.block, gvsp::Format::payload, id});
    std::copy(head.begin(), head.end(), bytes.begin());
    bytes.resize(gvsp::header_bytes + gvsp::payload_of(frame.plan.packet_size), 0xEE);
  }
  const sockaddr_in destination = to(frame.plan.destination, frame.plan.port);
  (void)::sendto(foreign_socket_, bytes.data(), bytes.size(), 0,
                 reinterpret_cast<const sockaddr*>(&destination), sizeof destination);
  const std::lock_guard lock(mutex_);
  ++counters_.foreign;
}

void Stream::resend(const gvcp::Resend& resend) {
  std::unique_lock lock(mutex_);
  if (faults_.resend == Faults::Resend::off) {
    counters_.resend_asked += 1;
    return;
  }
  const auto found = std::ranges::find_if(held_.rbegin(), held_.rend(), [&](const FramePtr& frame) {
    return frame->block == resend.block;
  });
  const FramePtr frame = found == held_.rend() ? nullptr : *found;
  const std::uint32_t last =
      frame ? std::min(resend.last, frame->payload_packets + 1) : resend.first;
  for (std::uint32_t id = resend.first; id <= last; ++id) {
    ++counters_.resend_asked;
    if (!frame) {
      ++counters_.not_held;
      continue;
    }
    if (chance(resend_random_, faults_.loss)) {
      ++counters_.lost;
      continue;
    }
    Packet out = packet(*frame, id);
    if (faults_.max_packet_size > 0 && out.wire_bytes() > faults_.max_packet_size) continue;
    out.head[0] = gvsp::status_resent >> 8;
    Bytes wrong;
    if (faults_.resend == Faults::Resend::corrupt) {
      wrong.assign(out.pixels.begin(), out.pixels.end());
      for (std::uint8_t& byte : wrong) byte ^= 0x55;
      out.pixels = wrong;
    }
    send_one(*frame, out);
    ++counters_.resent;
    ++counters_.packets;
  }
}

void Stream::test_packet(const FramePlan& plan) {
  if (link_.silent() || plan.port == 0 || plan.packet_size <= gvsp::ip_udp_bytes) return;
  const std::uint32_t largest = faults().max_packet_size;
  if (largest > 0 && plan.packet_size > largest) return;
  const Bytes bytes(plan.packet_size - gvsp::ip_udp_bytes, 0xA5);
  const sockaddr_in destination = to(plan.destination, plan.port);
  (void)::sendto(socket_, bytes.data(), bytes.size(), 0,
                 reinterpret_cast<const sockaddr*>(&destination), sizeof destination);
}

}  // namespace generator
