// HTTP/1.1 for this project's own endpoints, with or without TLS. Boost.Beast stays in one .cpp.
// Everything here belongs to one IoLoop and is called on its thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"

namespace base::http {

struct Request {
  std::string method;                                        // "GET"
  std::string path;                                          // decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  // "" when absent; the first one when repeated.
  std::string_view header(std::string_view lower_case_name) const;
  std::string_view parameter(std::string_view name) const;
  bool has_parameter(std::string_view name) const;
};

// Whether a page of another site sent the request from a browser: its Origin is neither what Host
// names nor one of names. Not so for programs, which send no Origin.
bool is_cross_site(const Request& request, const std::vector<std::string>& names);

// The answer to one request. May be kept and answered later, on the loop; exactly one of send() or
// begin() is called, once. Calls after the client left are harmless and do nothing.
class Response {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;
  virtual ~Response() = default;

  virtual void send(int status, std::string_view content_type, std::string body,
                    Headers headers = {}) = 0;
  // A chunked body, open until end() or until the client leaves.
  virtual void begin(int status, std::string_view content_type) = 0;
  // false: the client is gone, or so slow that max_backlog_bytes wait; the connection is closed
  // then.
  virtual bool write(std::string chunk) = 0;
  // Bytes written that the client has not taken yet: who sends pictures skips some for a slow one.
  virtual std::size_t backlog() const { return 0; }
  virtual void end() = 0;
  // Called once on the loop when the client goes before end(); not when the server is destroyed.
  virtual void on_closed(std::function<void()> closed) = 0;
};

// What a GET answers with 200.
struct Page {
  std::string content_type;
  std::string body;
  Response::Headers headers = {};
};

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one, see Server::port()
  // Names, without port, that requests may ask for in Host, besides any IP address, localhost and
  // this machine's name; others are answered 421. Else every web page could read and command what
  // listens beside its reader's browser, by letting a name of its own resolve to 127.0.0.1.
  std::vector<std::string> names = {};
  std::string names_flag = {};       // how one is added, for the text of that answer: "--http-name"
  std::string certificate_pem = {};  // with key_pem: TLS 1.2 and up; both empty: plain HTTP
  std::string key_pem = {};
  // Bodies and headers past these are answered 413 / 431 and the connection is closed.
  std::size_t max_body_bytes = 3u << 20;  // kube-apiserver's own limit is 3 MiB
  std::size_t max_header_bytes = 64u << 10;
  // Bodies above small_body_bytes that are being read or answered, of all connections together. A
  // request that finds no room waits, unread, in turn; after body_wait it is answered 503.
  std::size_t max_bodies_bytes = 16u << 20;
  std::size_t small_body_bytes = 16u << 10;
  Duration body_wait = std::chrono::seconds(20);
  std::size_t max_connections = 1024;         // past it new ones are closed at once, counted
  std::size_t max_backlog_bytes = 8u << 20;   // per streaming client
  Duration idle = std::chrono::seconds(120);  // keep-alive without a request; a stream may idle on
  // For the TLS handshake and for one request's headers; slower clients are answered 408.
  Duration header_time = std::chrono::seconds(10);
};

class Server {
 public:
  using Handler = std::function<void(Request, std::shared_ptr<Response>)>;

  // conflict: the port is taken (the text says which). handler runs on the loop.
  static Result<std::unique_ptr<Server>> listen(IoLoop& loop, Options options, Handler handler);
  virtual ~Server() = default;  // closes the listener and every connection
  virtual std::uint16_t port() const = 0;
  virtual std::size_t connections() const = 0;
  virtual std::size_t bodies_bytes() const = 0;  // what max_bodies_bytes counts, now
  // What new connections are shown from now on; open ones keep theirs. Of a server with TLS.
  // invalid: it cannot be used, and the old one stays.
  virtual Status use_certificate(const std::string& certificate_pem,
                                 const std::string& key_pem) = 0;
};

}  // namespace base::http
