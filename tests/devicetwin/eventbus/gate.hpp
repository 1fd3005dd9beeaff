// A door before a broker: closed it hangs up on everybody; without MQTT 5 it answers such clients
// as a broker of 3.1.1 does. One connection at a time, on a thread of its own.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string_view>
#include <thread>

#include "support/process.hpp"

namespace devicetwin::test {

class Gate {
 public:
  explicit Gate(std::uint16_t to) : to_(to), port_(test_support::free_port()) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port_);
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 8) != 0) {
      std::abort();
    }
    thread_ = std::thread([this] { serve(); });
  }
  ~Gate() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
  }

  std::uint16_t port() const { return port_; }
  std::atomic<bool> closed{false};
  std::atomic<bool> without_mqtt5{false};
  std::atomic<int> hung_up{0};
  std::atomic<int> refused{0};

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }
  void serve() {
    while (!stop_) {
      pollfd waiting{listener_, POLLIN, 0};
      if (::poll(&waiting, 1, 20) <= 0) continue;
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      if (closed) {
        ++hung_up;
      } else if (without_mqtt5 && speaks_mqtt5(client)) {
        ++refused;
        // CONNACK of 3.1.1: unacceptable protocol version.
        [[maybe_unused]] const auto sent = ::send(client, "\x20\x02\x00\x01", 4, MSG_NOSIGNAL);
      } else {
        pass(client);
      }
      ::close(client);
    }
  }
  // The CONNECT's protocol level follows its name.
  bool speaks_mqtt5(int client) const {
    char start[16];
    const ssize_t size = ::recv(client, start, sizeof start, MSG_PEEK | MSG_WAITALL);
    const std::string_view text(start, size > 0 ? static_cast<std::size_t>(size) : 0);
    const std::size_t name = text.find("MQTT");
    return name != std::string_view::npos && name + 4 < text.size() && text[name + 4] == 5;
  }
  void pass(int client) const {
    const int broker = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(to_);
    if (::connect(broker, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      while (!stop_ && !closed && move(client, broker)) {
      }
    }
    ::close(broker);
  }
  static bool move(int a, int b) {
    pollfd both[] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    if (::poll(both, 2, 20) < 0) return false;
    for (int i = 0; i < 2; ++i) {
      if (both[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t size = ::recv(both[i].fd, buffer, sizeof buffer, 0);
      if (size <= 0) return false;
      for (ssize_t at = 0; at < size;) {
        const ssize_t sent =
            ::send(both[1 - i].fd, buffer + at, static_cast<std::size_t>(size - at), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        at += sent;
      }
    }
    return true;
  }

  std::uint16_t to_;
  std::uint16_t port_;
  int listener_ = -1;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace devicetwin::test
