// A server on a serial line that is a pty: the mapper opens its symlink like a serial port.
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/text.hpp"
#include "sim/servers.hpp"

namespace modbus_sim {

using base::cat;
using base::Code;
using base::Status;
using modbus::Endpoint;
using Descriptor = asio::posix::stream_descriptor;
namespace fs = std::filesystem;

namespace {

class PtyServer final : public Server {
 public:
  PtyServer(base::IoLoop& loop, int master, int slave, std::string link, CharacterTimes times,
            SharedHandler handler)
      : sessions_(modbus::Framing::rtu, std::move(handler)), slave_(slave), link_(std::move(link)) {
    Descriptor stream(loop.io(), master);
    Error ignored;
    stream.non_blocking(true, ignored);
    sessions_.make(std::move(stream), times)->start();
  }
  ~PtyServer() override {
    ::close(slave_);
    std::error_code ignored;  // somebody else removed it
    fs::remove(link_, ignored);
  }
  std::uint16_t port() const override { return 0; }
  std::size_t connections() const override { return sessions_.size(); }
  void drop_connections() override {}  // there are none on a serial line

 private:
  SessionSet sessions_;
  // Held open, so that the master lives on when a client closes the line.
  const int slave_;
  const std::string link_;
};

Status failed(std::string_view what) {
  return Status(Code::unavailable, cat("cannot make a pty: ", what, ": ", std::strerror(errno)));
}

// Modbus over Serial Line V1.02, section 2.5.1.1: 3.5 characters, 1.75 ms above 19,200 baud.
CharacterTimes times_of(const modbus::SerialSettings& serial) {
  if (serial.baud == 0) return {};
  const base::Duration character =
      std::chrono::nanoseconds(1'000'000'000LL * serial.bits_per_character() / serial.baud);
  return {character, serial.baud > 19200 ? std::chrono::microseconds(1750) : character * 7 / 2};
}

// A link that a killed simulator left behind leads nowhere or to a pty; anything else is not ours.
Status make_link(const std::string& terminal, const std::string& path) {
  std::error_code error;
  if (fs::is_symlink(fs::symlink_status(path, error))) {
    const fs::path old = fs::read_symlink(path, error);
    if (!fs::exists(path, error))
      fs::remove(path, error);
    else
      return Status(Code::conflict, cat(path, " is there already and leads to ", old.string()));
  }
  fs::create_symlink(terminal, path, error);
  if (!error) return Status();
  return Status(error == std::errc::file_exists ? Code::conflict : Code::unavailable,
                cat("cannot make the link ", path, ": ", error.message()));
}

}  // namespace

ServerResult open_pty(base::IoLoop& loop, const Endpoint& endpoint, SharedHandler handler) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0) return failed("posix_openpt");
  char terminal[128];
  if (::grantpt(master) != 0 || ::unlockpt(master) != 0 ||
      ::ptsname_r(master, terminal, sizeof terminal) != 0) {
    const Status status = failed("grantpt");
    ::close(master);
    return status;
  }
  const int slave = ::open(terminal, O_RDWR | O_NOCTTY | O_CLOEXEC);
  termios raw{};
  if (slave < 0 || ::tcgetattr(slave, &raw) != 0) {
    const Status status = failed(terminal);
    ::close(master);
    return status;
  }
  ::cfmakeraw(&raw);
  ::tcsetattr(slave, TCSANOW, &raw);
  if (const Status linked = make_link(terminal, endpoint.serial.port); !linked.ok()) {
    ::close(slave);
    ::close(master);
    return linked;
  }
  return std::unique_ptr<Server>(std::make_unique<PtyServer>(
      loop, master, slave, endpoint.serial.port, times_of(endpoint.serial), std::move(handler)));
}

}  // namespace modbus_sim
