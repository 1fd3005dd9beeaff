#include "serial_port.hpp"

#include <linux/serial.h>
#include <modbus/modbus.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Status;

struct SerialPort::Modbus {
  explicit Modbus(modbus_t* made) : context(made) {}
  ~Modbus() {
    // Closing waits for what is still to be sent, up to 30 s: nobody wants it any more.
    modbus_flush(context);
    modbus_close(context);
    modbus_free(context);
  }
  Modbus(const Modbus&) = delete;
  Modbus& operator=(const Modbus&) = delete;

  modbus_t* const context;
};

namespace {

// FTDI and others hold bytes back for 16 ms to save interrupts, unless asked not to. Ports that
// know nothing of it have nothing to turn off.
void ask_for_low_latency(int port) {
  serial_struct settings{};
  if (ioctl(port, TIOCGSERIAL, &settings) != 0) return;
  settings.flags |= ASYNC_LOW_LATENCY;
  ioctl(port, TIOCSSERIAL, &settings);
}

timespec to_timespec(std::chrono::nanoseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((time - seconds).count())};
}

}  // namespace

std::chrono::nanoseconds character_time(const SerialSettings& settings, std::size_t count) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(count) * settings.bits_per_character() *
                                  1'000'000'000 / settings.baud);
}

std::chrono::nanoseconds frame_silence(const SerialSettings& settings) {
  if (settings.baud > 19'200) return std::chrono::microseconds(1750);
  return character_time(settings, 7) / 2;
}

SerialPort::SerialPort(const SerialSettings& settings, const Line::Counters& counters, Tell tell)
    : settings_(settings),
      tell_(std::move(tell)),
      counters_(counters),
      dialogue_(make_dialogue(Framing::rtu, counters_)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { run(); });
}

SerialPort::~SerialPort() {
  stop();
  if (wake_ >= 0) ::close(wake_);
}

Line::Counters SerialPort::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  eventfd_write(wake_, 1);
  if (thread_.joinable()) thread_.join();
  return counters_;
}

void SerialPort::send(const Line::Request& request) {
  {
    const std::lock_guard lock(mutex_);
    assert(!job_);
    job_ = Job{request, *request.pdu};
  }
  eventfd_write(wake_, 1);
}

bool SerialPort::stopped() {
  const std::lock_guard lock(mutex_);
  return stop_;
}

void SerialPort::run() {
  const Status status = open();
  if (status.ok()) ++counters_.connects;
  tell_({Report::Kind::opened, status, {}, counters_});
  if (status.ok()) {
    while (const std::optional<Job> job = wait_for_job()) {
      if (!serve(*job)) break;
    }
  }
  modbus_.reset();
}

Status SerialPort::open() {
  if (wake_ < 0) return Status(Code::unavailable, "no file descriptor is free");
  modbus_t* context = modbus_new_rtu(settings_.port.c_str(), settings_.baud, settings_.parity,
                                     settings_.data_bits, settings_.stop_bits);
  if (context == nullptr) return Status(Code::unavailable, modbus_strerror(errno));
  modbus_ = std::make_unique<Modbus>(context);
  if (modbus_connect(context) != 0) return Status(Code::unavailable, modbus_strerror(errno));
  port_ = modbus_get_socket(context);
  // Adapters that switch the transmitter themselves refuse this, and so does a pty.
  if (settings_.rs485) modbus_rtu_set_serial_mode(context, MODBUS_RTU_RS485);
  ask_for_low_latency(port_);
  busy_until_ = Clock::now();
  return Status();
}

// What arrives meanwhile was asked for by nobody. Unplugging is noticed here, too.
std::optional<SerialPort::Job> SerialPort::wait_for_job() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return std::nullopt;
      if (job_) return std::exchange(job_, std::nullopt);
    }
    const Woken woken = wait(std::nullopt);
    if (woken == Woken::hangup && !lost(EIO)) return std::nullopt;
    if (woken == Woken::bytes && !read_all()) return std::nullopt;
  }
}

SerialPort::Woken SerialPort::wait(std::optional<Clock::time_point> until) {
  std::array<pollfd, 2> waited{{{port_, POLLIN, 0}, {wake_, POLLIN, 0}}};
  timespec time{};
  if (until) {
    time = to_timespec(std::max<std::chrono::nanoseconds>(*until - Clock::now(), {}));
  }
  if (ppoll(waited.data(), waited.size(), until ? &time : nullptr, nullptr) <= 0) {
    return Woken::time;
  }
  if (waited[1].revents != 0) {
    eventfd_t ignored = 0;
    eventfd_read(wake_, &ignored);
    return Woken::owner;
  }
  return (waited[0].revents & POLLIN) != 0 ? Woken::bytes : Woken::hangup;
}

// Reads what is there. Not awaited: it is counted. false: the port is lost.
bool SerialPort::read_all() {
  const std::span<std::uint8_t> space = dialogue_->space();
  const ssize_t count = ::read(port_, space.data(), space.size());
  if (count < 0) return errno == EAGAIN || errno == EINTR || lost(errno);
  // Called when there is something: a port that is readable and has nothing is unplugged.
  if (count == 0) return lost(EIO);
  busy_until_ = Clock::now();
  dialogue_->received(static_cast<std::size_t>(count));
  return true;
}

bool SerialPort::lost(int error) {
  if (std::exchange(over_, true)) return false;
  ++counters_.losses;
  tell_({Report::Kind::lost, Status(Code::unavailable, std::strerror(error)), {}, counters_});
  return false;
}

bool SerialPort::finish(Status status, Bytes answer) {
  tell_({Report::Kind::answered, std::move(status), {answer.begin(), answer.end()}, counters_});
  return true;
}

// Looks at what arrives, and counts it. false: lost or stopped.
bool SerialPort::listen_until(Clock::time_point until) {
  while (Clock::now() < until) {
    const Woken woken = wait(until);
    if (woken == Woken::hangup) return lost(EIO);
    if (woken == Woken::owner && stopped()) return false;
    if (woken != Woken::bytes) continue;
    if (!read_all()) return false;
    const auto answer = dialogue_->next();
    assert(answer && !*answer);
  }
  return true;
}

bool SerialPort::wait_until_clear(const Line::Request& request) {
  for (;;) {
    const Clock::time_point now = Clock::now();
    const Clock::time_point clear = dialogue_->clear_at(request);
    if (clear <= now) return true;
    // In slices, because the late answer ends the wait; a frame's silence is the finest that pays.
    if (!listen_until(std::min(clear, now + 4 * frame_silence(settings_)))) return false;
  }
}

// A line that babbles for a whole time-out will not stop for us.
bool SerialPort::wait_until_silent(const Line::Request& request, bool& silent) {
  const Clock::time_point give_up = Clock::now() + request.timeout;
  silent = false;
  for (;;) {
    const Clock::time_point free = busy_until_ + frame_silence(settings_);
    const Clock::time_point now = Clock::now();
    // Looked at even if it was free long ago: what waits in the kernel was not read yet.
    const Woken woken = wait(std::max(free, now));
    if (woken == Woken::hangup) return lost(EIO);
    if (woken == Woken::owner && stopped()) return false;
    if (woken == Woken::bytes) {
      if (!read_all()) return false;
      const auto answer = dialogue_->next();
      assert(answer && !*answer);
      if (Clock::now() > give_up) return true;
    } else if (Clock::now() >= free) {
      silent = true;
      return true;
    }
  }
}

bool SerialPort::serve(const Job& job) {
  Line::Request request = job.request;
  request.pdu = &job.pdu;
  bool silent = false;
  if (!wait_until_clear(request) || !wait_until_silent(request, silent)) return false;
  if (!silent) {
    return finish(Status(Code::timeout, cat("the line was not silent for ", request.timeout.count(),
                                            " ms: not asked")));
  }
  dialogue_->boundary();
  if (std::exchange(suspect_, false)) modbus_flush(modbus_->context);
  if (const int error = put(request); error != 0) return lost(error);
  if (request.broadcast) return listen_until(busy_until_) && finish(Status());
  const std::size_t answer = rtu_answer_bytes(job.pdu.bytes());
  return await_answer(request, busy_until_ + request.timeout + character_time(settings_, answer));
}

// The kernel takes a frame at once and sends it for as long as its characters take. An errno.
int SerialPort::put(const Line::Request& request) {
  std::array<std::uint8_t, max_adu_bytes> frame;
  const std::size_t size = dialogue_->ask(request, frame);
  // libmodbus appends the CRC itself.
  const int sent = modbus_send_raw_request(modbus_->context, frame.data(),
                                           static_cast<int>(size - (rtu_extra_bytes - 1)));
  if (sent != static_cast<int>(size)) return sent < 0 ? errno : EIO;
  busy_until_ = Clock::now() + character_time(settings_, size);
  return 0;
}

bool SerialPort::await_answer(const Line::Request& request, Clock::time_point deadline) {
  bool looked_again = false;
  for (;;) {
    // A process that was held up must not blame the device: what has arrived is looked at first.
    if (Clock::now() >= deadline && std::exchange(looked_again, true)) {
      suspect_ = true;
      return finish(Status(Code::timeout, dialogue_->give_up(request, Clock::now())));
    }
    const Woken woken = wait(deadline);
    if (woken == Woken::hangup) return lost(EIO);
    if (woken == Woken::owner && stopped()) return false;
    if (woken != Woken::bytes) continue;
    if (!read_all()) return false;
    const auto answer = dialogue_->next();
    if (*answer) return finish((*answer)->status, (*answer)->pdu);
  }
}

}  // namespace modbus
