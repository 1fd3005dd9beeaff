// A line on a loop, and a peer that is a bare file descriptor: it says what the test tells it to,
// late, split, twice or wrong. Over every transport and framing.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "modbus/line.hpp"
#include "modbus/mbap.hpp"
#include "modbus/rtu.hpp"
#include "modbus/run_until.hpp"
#include "support/process.hpp"

namespace modbus_test {

using base::Code;
using base::Status;
using ByteVector = std::vector<std::uint8_t>;

struct RigWire {
  modbus::Transport transport;
  modbus::Framing framing;
};

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  ~FileDescriptor() { reset(); }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

// What a line tells its owner.
class Owner : public modbus::Line::Client {
 public:
  void connected(const Status& status) override { connections.push_back(status); }
  void answered(const Status& status, modbus::Bytes answer) override {
    answers.emplace_back(status, ByteVector(answer.begin(), answer.end()));
    if (on_answer) on_answer();
  }
  void lost(const Status& why) override { losses.push_back(why); }

  std::vector<Status> connections;
  std::vector<std::pair<Status, ByteVector>> answers;
  std::vector<Status> losses;
  std::function<void()> on_answer;
};

class LineRig {
 public:
  explicit LineRig(RigWire wire) : wire_(wire) {
    endpoint_.transport = wire.transport;
    endpoint_.framing = wire.framing;
    endpoint_.host = "127.0.0.1";
    if (wire.transport == modbus::Transport::serial) {
      open_pty();
    } else if (wire.transport == modbus::Transport::listen) {
      endpoint_.port = test_support::free_port();
    } else {
      bind_peer();
    }
    line_ = modbus::make_line(loop_, endpoint_, owner_);
  }

  bool run_until(const std::function<bool()>& condition,
                 std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
    return modbus_test::run_until(loop_, condition, deadline);
  }
  // Lets the loop run for a while: to see that something does not happen.
  void run_for(std::chrono::milliseconds time) {
    run_until([] { return false; }, time);
  }

  // Connects both ends.
  void up() {
    line_->connect();
    if (wire_.transport == modbus::Transport::listen) dial();
    ASSERT_TRUE(run_until([&] { return line_->is_up(); }));
    if (wire_.transport == modbus::Transport::tcp) accept();
  }
  void accept() {
    ASSERT_TRUE(run_until([&] { return readable(listener_.get()); }));
    peer_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK));
    ASSERT_GE(peer_.get(), 0);
  }
  // A device dials in from address.
  void dial(const char* address = "127.0.0.1") { peer_.reset(dialled(address)); }
  int dialled(const char* address) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in from = at(0, address);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
    sockaddr_in to = at(endpoint_.port);
    run_until([&] { return ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0; });
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
  }

  // Puts a read of holding registers on the line: first.. of count.
  void ask(std::uint16_t first = 0, std::uint16_t count = 1, int timeout_ms = 1000,
           std::uint8_t unit = 1) {
    ask_pdu(modbus::read_request({modbus::Table::holding, first, count}), timeout_ms, unit);
  }
  void ask_pdu(const modbus::Pdu& pdu, int timeout_ms = 1000, std::uint8_t unit = 1,
               bool broadcast = false) {
    pdu_ = pdu;
    line_->send({unit, broadcast, std::chrono::milliseconds(timeout_ms), &pdu_});
  }
  // The request as it reaches the peer. 8 bytes of RTU and 12 of MBAP are a read's.
  ByteVector request() {
    const std::size_t size = wire_.framing == modbus::Framing::rtu ? 8 : 12;
    ByteVector bytes;
    EXPECT_TRUE(run_until([&] {
      receive(bytes, size - bytes.size());
      return bytes.size() == size;
    })) << "only "
        << bytes.size() << " bytes came";
    return bytes;
  }
  bool nothing_asked_for(std::chrono::milliseconds time) {
    ByteVector bytes;
    return !run_until(
        [&] {
          receive(bytes, 1);
          return !bytes.empty();
        },
        time);
  }
  void say(const ByteVector& bytes) {
    ASSERT_EQ(::write(peer_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  // The frame of an answer to request.
  ByteVector frame(const ByteVector& request, const ByteVector& pdu, int unit = -1,
                   int transaction_shift = 0) const {
    std::array<std::uint8_t, modbus::max_adu_bytes> out;
    const bool rtu = wire_.framing == modbus::Framing::rtu;
    const auto of_unit = static_cast<std::uint8_t>(unit >= 0 ? unit : request[rtu ? 0 : 6]);
    std::size_t size = 0;
    if (rtu) {
      size = modbus::encode_rtu(of_unit, pdu, std::span(out).first<modbus::max_rtu_bytes>());
    } else {
      const auto transaction =
          static_cast<std::uint16_t>(modbus::word_at(request, 0) + transaction_shift);
      size = modbus::encode({transaction, of_unit, pdu}, out);
    }
    return ByteVector(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size));
  }
  static ByteVector registers(std::uint16_t value, std::uint8_t count = 1) {
    ByteVector pdu{3, static_cast<std::uint8_t>(2 * count)};
    for (int i = 0; i < count; ++i) {
      pdu.push_back(static_cast<std::uint8_t>(value >> 8));
      pdu.push_back(static_cast<std::uint8_t>(value & 0xff));
    }
    return pdu;
  }

  // The next answer the owner is told, "" when it is ok; value() is its first register then.
  Status answered() {
    EXPECT_TRUE(run_until([&] { return owner_.answers.size() > seen_; }));
    if (owner_.answers.size() <= seen_) return Status(Code::internal, "nothing was told");
    return owner_.answers[seen_++].first;
  }
  int value() const {
    const ByteVector& pdu = owner_.answers[seen_ - 1].second;
    return pdu.size() < 4 ? -1 : pdu[2] << 8 | pdu[3];
  }

  bool rtu() const { return wire_.framing == modbus::Framing::rtu; }
  void hang_up() { peer_.reset(); }

  base::IoLoop loop_;
  Owner owner_;
  modbus::Endpoint endpoint_;
  FileDescriptor listener_;
  FileDescriptor peer_;
  std::unique_ptr<modbus::Line> line_;

  static sockaddr_in at(std::uint16_t port, const char* address = "127.0.0.1") {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &made.sin_addr);
    return made;
  }
  static bool readable(int fd) {
    pollfd waited{fd, POLLIN, 0};
    return ::poll(&waited, 1, 0) == 1;
  }

 private:
  void receive(ByteVector& bytes, std::size_t most) {
    std::array<std::uint8_t, 300> buffer;
    sockaddr_in from{};
    socklen_t size = sizeof from;
    ssize_t count = -1;
    if (wire_.transport == modbus::Transport::udp) {
      count = ::recvfrom(peer_.get(), buffer.data(), buffer.size(), 0,
                         reinterpret_cast<sockaddr*>(&from), &size);
      if (count > 0) ::connect(peer_.get(), reinterpret_cast<sockaddr*>(&from), size);
    } else {
      count = ::read(peer_.get(), buffer.data(), std::min(most, buffer.size()));
    }
    if (count > 0) bytes.insert(bytes.end(), buffer.begin(), buffer.begin() + count);
  }
  void bind_peer() {
    const bool udp = wire_.transport == modbus::Transport::udp;
    FileDescriptor& bound = udp ? peer_ : listener_;
    bound.reset(::socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0));
    sockaddr_in address = at(0);
    ASSERT_EQ(::bind(bound.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    ::getsockname(bound.get(), reinterpret_cast<sockaddr*>(&address), &size);
    endpoint_.port = ntohs(address.sin_port);
    if (!udp) ::listen(bound.get(), 10);
  }
  void open_pty() {
    peer_.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
    ASSERT_GE(peer_.get(), 0);
    ASSERT_EQ(::grantpt(peer_.get()), 0);
    ASSERT_EQ(::unlockpt(peer_.get()), 0);
    std::array<char, 64> name{};
    ASSERT_EQ(::ptsname_r(peer_.get(), name.data(), name.size()), 0);
    endpoint_.serial.port = name.data();
    endpoint_.serial.baud = 115'200;
  }

  const RigWire wire_;
  modbus::Pdu pdu_;
  std::size_t seen_ = 0;
};

}  // namespace modbus_test
