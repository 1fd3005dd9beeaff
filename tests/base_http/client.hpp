// A client that can also misbehave: bytes over a socket, with or without TLS. Blocking; every wait
// ends after ten seconds, so that a test fails instead of hanging.
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.hpp"

namespace base::http::test {

class Client {
 public:
  explicit Client(std::uint16_t port, SSL_CTX* tls = nullptr)
      : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    if (tls == nullptr) return;
    ssl_ = SSL_new(tls);
    SSL_set_fd(ssl_, fd_);
    connected_ = connected_ && SSL_connect(ssl_) == 1;
  }
  Client(const Client&) = delete;
  ~Client() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    leave();
  }

  bool connected() const { return connected_; }
  void leave() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // The serial number of the certificate that the server showed.
  std::string serial() const {
    X509* certificate = SSL_get1_peer_certificate(ssl_);
    BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
    char* const hex = BN_bn2hex(number);
    std::string text = hex;
    OPENSSL_free(hex);
    BN_free(number);
    X509_free(certificate);
    return text;
  }
  void stop_sending() { ::shutdown(fd_, SHUT_WR); }

  bool send(std::string_view text) {
    while (!text.empty()) {
      const auto sent = ssl_ != nullptr
                            ? SSL_write(ssl_, text.data(), static_cast<int>(text.size()))
                            : ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // What has come up to and including mark; all there is when the server closes before.
  std::string until(std::string_view mark) {
    for (;;) {
      const std::size_t at = held_.find(mark);
      if (at != held_.npos) {
        std::string text = held_.substr(0, at + mark.size());
        held_.erase(0, at + mark.size());
        return text;
      }
      if (!more()) return std::exchange(held_, {});
    }
  }
  std::string rest() {
    while (more()) {
    }
    return std::exchange(held_, {});
  }
  // Head and body of an answer with Content-Length.
  std::string answer() {
    std::string head = until("\r\n\r\n");
    const std::size_t at = head.find("Content-Length: ");
    if (at == head.npos) return head;
    const std::size_t length = std::stoul(head.substr(at + 16));
    while (held_.size() < length && more()) {
    }
    head += held_.substr(0, length);
    held_.erase(0, length);
    return head;
  }
  std::string get(std::string_view path) {
    send(cat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    return answer();
  }

 private:
  bool more() {
    char block[16384];
    const auto got =
        ssl_ != nullptr ? SSL_read(ssl_, block, sizeof block) : ::recv(fd_, block, sizeof block, 0);
    if (got <= 0) return false;
    held_.append(block, static_cast<std::size_t>(got));
    return true;
  }

  int fd_;
  SSL* ssl_ = nullptr;
  bool connected_ = false;
  std::string held_;
};

}  // namespace base::http::test
