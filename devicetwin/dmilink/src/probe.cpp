#include "probe.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace devicetwin {

using std::chrono::milliseconds;
using namespace std::string_view_literals;

namespace {

// RFC 9113, 3.4: the magic, and a SETTINGS frame (length 0, type 4, no flags, stream 0).
constexpr std::string_view preface =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"sv;
// A healthy server answers in a millisecond; a busy node needs longer, and is not asked more often
// for that.
constexpr auto first_look = milliseconds(2);
constexpr auto longest_pause = milliseconds(250);

}  // namespace

Probe::Probe(base::Loop& loop, std::string address)
    : loop_(loop), address_(std::move(address)), timer_(loop) {}

Probe::~Probe() { hang_up(); }

void Probe::ask(base::Duration patience, Done done) {
  done_ = std::move(done);
  deadline_ = loop_.now() + patience;
  pause_ = first_look;
  look();
}

// Every look tries what is missing: a full queue may have room now, and who hung up may have been
// replaced.
void Probe::look() {
  Heard heard = fd_ < 0 ? Heard::ended : hear();
  if (heard == Heard::ended) {
    hang_up();
    if (const Answer answer = connect(); answer != Answer::silent) return finish(answer);
    heard = Heard::not_yet;
  }
  if (heard == Heard::yes) {
    hang_up();
    return finish(Answer::answers);
  }
  const base::Duration left = deadline_ - loop_.now();
  if (left <= base::Duration::zero()) return finish(Answer::silent);
  timer_.start(std::min(left, pause_), [this] { look(); });
  pause_ = std::min<base::Duration>(2 * pause_, longest_pause);
}

Probe::Answer Probe::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (address_.size() >= sizeof address.sun_path) return Answer::refused;
  std::memcpy(address.sun_path, address_.data(), address_.size());
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return Answer::unknown;
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const bool full = errno == EAGAIN;
    hang_up();
    return full ? Answer::silent : Answer::refused;
  }
  // 33 bytes fit into an empty socket's buffer; who closed already is heard of by hear().
  (void)::send(fd_, preface.data(), preface.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return Answer::silent;
}

Probe::Heard Probe::hear() {
  std::array<unsigned char, 64> bytes;
  const auto count = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (count > 0) return Heard::yes;
  return count < 0 && (errno == EAGAIN || errno == EINTR) ? Heard::not_yet : Heard::ended;
}

void Probe::finish(Answer answer) {
  timer_.stop();
  // Moved out: done may ask again.
  const Done done = std::exchange(done_, nullptr);
  done(answer);
}

void Probe::hang_up() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace devicetwin
