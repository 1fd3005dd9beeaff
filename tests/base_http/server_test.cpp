#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "base/file.hpp"
#include "base/http.hpp"
#include "client.hpp"
#include "support/on_loop.hpp"

namespace base::http {
namespace {

using test::Client;
using testing::HasSubstr;
using testing::StartsWith;

// A server on a loop of its own thread. /echo answers what it saw; /stream begins a stream that
// the test writes to; /later is answered by the test; anything else 404.
class ServerTest : public testing::Test {
 protected:
  void TearDown() override {
    if (thread_.joinable()) {
      on_loop([&] {
        stream_.reset();
        later_.reset();
        server_.reset();
      });
      loop_.stop();
      thread_.join();
    }
    if (tls_ != nullptr) SSL_CTX_free(tls_);
  }

  void start(Options options = {}) {
    auto server = Server::listen(loop_, std::move(options), [this](Request request, auto response) {
      handle(request, response);
    });
    ASSERT_TRUE(server.ok()) << server.status().to_string();
    server_ = std::move(*server);
    port_ = server_->port();
    thread_ = std::thread([this] { loop_.run(); });
  }

  void start_with_tls() {
    Options options;
    options.certificate_pem = read_file(TEST_DATA "/http/server.crt").value();
    options.key_pem = read_file(TEST_DATA "/http/server.key").value();
    start(std::move(options));
    tls_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_load_verify_locations(tls_, TEST_DATA "/http/server.crt", nullptr);
    SSL_CTX_set_verify(tls_, SSL_VERIFY_PEER, nullptr);
  }

  void handle(const Request& request, const std::shared_ptr<Response>& response) {
    ++requests_;
    if (request.path == "/echo") {
      std::string text = cat(request.method, ' ', request.body);
      for (const auto& [name, value] : request.query) text += cat(' ', name, '=', value);
      response->send(200, "text/plain", text);
    } else if (request.path == "/stream") {
      response->begin(200, "text/plain");
      response->on_closed([this] { left_ = true; });
      stream_ = response;
      ++streams_;
      streams_open_.push_back(response);
    } else if (request.path == "/later") {
      response->on_closed([this] { left_ = true; });
      later_ = response;
      waiting_ = true;
    } else if (request.path != "/dropped") {
      response->send(404, "text/plain", "no");
    }
  }

  template <class Do>
  void on_loop(Do what) {
    test_support::run_on(loop_, what);
  }
  template <class Condition>
  bool wait_until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      on_loop([] {});
    }
    return true;
  }
  std::size_t connections() {
    std::size_t count = 0;
    on_loop([&] { count = server_->connections(); });
    return count;
  }

  IoLoop loop_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
  std::uint16_t port_ = 0;
  SSL_CTX* tls_ = nullptr;
  std::shared_ptr<Response> stream_;  // loop thread
  std::shared_ptr<Response> later_;   // loop thread
  std::vector<std::shared_ptr<Response>> streams_open_;
  std::atomic<bool> left_ = false;
  std::atomic<bool> waiting_ = false;
  std::atomic<int> requests_ = 0;
  std::atomic<int> streams_ = 0;
};

TEST_F(ServerTest, KeepsTheConnectionForTheNextRequest) {
  start();
  Client client(port_);
  EXPECT_THAT(client.get("/echo?a=1%202&b=x+y&c"), testing::EndsWith("GET  a=1 2 b=x y c="));
  EXPECT_THAT(client.get("/nope"), StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_EQ(connections(), 1u);
}

// A page of evil.example whose name resolves to 127.0.0.1 by now is of the same origin for its
// browser; what its reader's browser then sends names evil.example as Host (DNS rebinding).
TEST_F(ServerTest, ARequestForAnotherHostIsMisdirectedAndSaysWhatToAskFor) {
  start({.names = {"Gate.plant"}, .names_flag = "--http-name"});
  const auto ask = [&](const std::string& lines) {
    Client client(port_);
    client.send(cat("GET /echo HTTP/1.1\r\n", lines, "\r\n"));
    return client.answer();
  };
  char own[256] = "";
  ASSERT_EQ(::gethostname(own, sizeof own - 1), 0);
  for (const std::string& good :
       {std::string("127.0.0.1:8090"), std::string("10.1.2.3"), std::string("[::1]:8090"),
        std::string("[2001:db8::7]"), std::string("localhost"), std::string("LocalHost.:1"),
        std::string("gate.plant:443"), std::string(own)}) {
    EXPECT_THAT(ask(cat("Host: ", good, "\r\n")), StartsWith("HTTP/1.1 200 OK\r\n")) << good;
  }
  EXPECT_THAT(ask(""), StartsWith("HTTP/1.1 200 OK\r\n"));
  const int answered = requests_;
  for (const char* bad : {"evil.example", "evil.example:8090", "localhost.evil.example",
                          "127.0.0.1.evil.example", "0x7f.1", "127.1", "gate.plant.evil.example"}) {
    const std::string answer = ask(cat("Host: ", bad, "\r\n"));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 421 Misdirected Request\r\n")) << bad;
    EXPECT_THAT(answer, HasSubstr("IP address, localhost or the machine's name, or start it with "
                                  "--http-name "))
        << bad;
  }
  EXPECT_THAT(ask("Host: localhost\r\nHost: evil.example\r\n"), StartsWith("HTTP/1.1 4"));
  EXPECT_EQ(requests_, answered);
}

TEST(CrossSite, IsWhatAnotherHostsPageSends) {
  const auto cross = [](const std::string& host, const std::string& origin) {
    Request request;
    request.headers = {{"host", host}};
    if (!origin.empty()) request.headers.emplace_back("origin", origin);
    return is_cross_site(request, {"gate.plant"});
  };
  EXPECT_FALSE(cross("127.0.0.1:8090", ""));
  EXPECT_FALSE(cross("127.0.0.1:8090", "http://127.0.0.1:8090"));
  EXPECT_FALSE(cross("127.0.0.1:8090", "https://gate.plant"));
  EXPECT_TRUE(cross("127.0.0.1:8090", "http://127.0.0.1:3000"));
  EXPECT_TRUE(cross("127.0.0.1:8090", "http://6.6.6.6"));
  EXPECT_TRUE(cross("127.0.0.1:8090", "http://evil.example"));
  EXPECT_TRUE(cross("127.0.0.1:8090", "null"));
}

TEST_F(ServerTest, AnswersRequestsSentAheadInTheirOrder) {
  start();
  Client client(port_);
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += cat("GET /echo?n=", i, " HTTP/1.1\r\n\r\n");
  client.send(requests);
  for (int i = 0; i < 50; ++i) EXPECT_THAT(client.answer(), HasSubstr(cat("n=", i)));
}

TEST_F(ServerTest, TakesBodiesInPieces) {
  start();
  Client client(port_);
  const std::string body(100'000, 'x');
  client.send(cat("POST /echo HTTP/1.1\r\nContent-Length: ", body.size(), "\r\n\r\n"));
  client.send(body.substr(0, 33'333));
  client.send(body.substr(33'333));
  EXPECT_THAT(client.answer(), testing::EndsWith("POST " + body));
}

TEST_F(ServerTest, SpeaksTls) {
  start_with_tls();
  Client client(port_, tls_);
  ASSERT_TRUE(client.connected());
  EXPECT_THAT(client.get("/echo"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(client.get("/echo"), StartsWith("HTTP/1.1 200 OK\r\n"));
  Client plain(port_);
  EXPECT_EQ(plain.get("/echo").find("200"), std::string::npos);
}

TEST_F(ServerTest, ACertificateThatCannotBeUsedLeavesTheOldOne) {
  start_with_tls();
  on_loop([&] {
    const std::string good = read_file(TEST_DATA "/http/server.crt").value();
    EXPECT_EQ(server_->use_certificate("none", "none").code(), Code::invalid);
    EXPECT_EQ(server_->use_certificate(good, "none").code(), Code::invalid);
  });
  EXPECT_TRUE(Client(port_, tls_).connected());
}

TEST_F(ServerTest, InvitesTheBodyOfAClientThatAsksFirst) {
  start();
  Client client(port_);
  client.send("PUT /echo HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  EXPECT_THAT(client.answer(), testing::EndsWith("PUT hi"));
}

TEST_F(ServerTest, StreamsChunksAsTheyAreWritten) {
  start_with_tls();
  Client client(port_, tls_);
  client.send("GET /stream HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.until("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked"));
  on_loop([&] { EXPECT_TRUE(stream_->write("hello\n")); });
  EXPECT_EQ(client.until("\n\r\n"), "6\r\nhello\n\r\n");
  on_loop([&] {
    EXPECT_TRUE(stream_->write(std::string(20, 'z')));
    stream_->end();
  });
  EXPECT_EQ(client.until("0\r\n\r\n"), "14\r\n" + std::string(20, 'z') + "\r\n0\r\n\r\n");
  EXPECT_THAT(client.get("/echo"), StartsWith("HTTP/1.1 200"));
  EXPECT_FALSE(left_);
}

TEST_F(ServerTest, NoticesThatTheClientOfASilentStreamLeft) {
  start();
  Client client(port_);
  client.send("GET /stream HTTP/1.1\r\n\r\n");
  client.until("\r\n\r\n");
  client.leave();
  EXPECT_TRUE(wait_until([&] { return left_.load(); }));
  EXPECT_EQ(connections(), 0u);
  on_loop([&] { EXPECT_FALSE(stream_->write("too late")); });
}

TEST_F(ServerTest, NoticesThatTheClientLeftBeforeItsAnswer) {
  start();
  {
    Client client(port_);
    client.send("GET /later HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(wait_until([&] { return waiting_.load(); }));
  }
  // Its end alone might be a client that only stopped sending; the answer finds out.
  on_loop([&] { later_->send(200, "text/plain", "late"); });
  EXPECT_TRUE(wait_until([&] { return connections() == 0; }));
}

TEST_F(ServerTest, AnswersAClientThatStoppedSending) {
  start();
  Client client(port_);
  client.send("GET /later HTTP/1.1\r\n\r\n");
  client.stop_sending();
  ASSERT_TRUE(wait_until([&] { return waiting_.load(); }));
  on_loop([&] { later_->send(200, "text/plain", "late"); });
  EXPECT_THAT(client.rest(), testing::EndsWith("late"));
}

TEST_F(ServerTest, ClosesAStreamWhoseClientDoesNotRead) {
  Options options;
  options.max_backlog_bytes = 1u << 20;
  start(std::move(options));
  Client client(port_);
  client.send("GET /stream HTTP/1.1\r\n\r\n");
  client.until("\r\n\r\n");
  bool taken = true;
  for (int i = 0; taken && i < 1000; ++i) {
    on_loop([&] { taken = stream_->write(std::string(100'000, 'x')); });
  }
  EXPECT_FALSE(taken);
  EXPECT_TRUE(wait_until([&] { return left_.load(); }));
}

TEST_F(ServerTest, SaysWhatAClientHasNotTakenYet) {
  start();
  Client client(port_);
  client.send("GET /stream HTTP/1.1\r\n\r\n");
  client.until("\r\n\r\n");
  std::size_t backlog = 0;
  // Once the sockets' buffers are full.
  ASSERT_TRUE(wait_until([&] {
    on_loop([&] {
      if (stream_->backlog() == 0) stream_->write(std::string(1'000'000, 'x'));
    });
    on_loop([&] { backlog = stream_->backlog(); });
    return backlog > 0;
  }));
  on_loop([&] { stream_->write("the end"); });
  client.until("the end");
  EXPECT_TRUE(wait_until([&] {
    on_loop([&] { backlog = stream_->backlog(); });
    return backlog == 0;
  }));
}

TEST_F(ServerTest, RefusesABodyAboveTheLimitAndIsStillHeard) {
  Options options;
  options.max_body_bytes = 1000;
  start(std::move(options));
  Client announced(port_);
  announced.send("POST /echo HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" +
                 std::string(200'000, 'x'));
  EXPECT_THAT(announced.rest(), StartsWith("HTTP/1.1 413 "));
  Client chunked(port_);
  chunked.send("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" +
               std::string(2000, 'x') + "\r\n0\r\n\r\n");
  EXPECT_THAT(chunked.rest(), StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(requests_, 0);
}

// Large bodies wait, unread, for room; small ones never do.
TEST_F(ServerTest, BodiesTogetherStayWithinTheirBytesAndSmallOnesDoNotWait) {
  Options options;
  options.max_bodies_bytes = 100'000;
  options.small_body_bytes = 1'000;
  start(std::move(options));
  const auto head = [](std::size_t bytes) {
    return cat("POST /echo HTTP/1.1\r\nContent-Length: ", bytes, "\r\n\r\n");
  };
  const std::string body(80'000, 'x');
  Client first(port_);
  first.send(head(80'000) + body.substr(1));
  const auto bytes = [&] {
    std::size_t now = 0;
    on_loop([&] { now = server_->bodies_bytes(); });
    return now;
  };
  ASSERT_TRUE(wait_until([&] { return bytes() == 80'000; }));
  Client second(port_), third(port_), small(port_);
  second.send(head(50'000) + body.substr(0, 50'000));
  third.send(head(40'000) + body.substr(0, 40'000));
  small.send(head(500) + body.substr(0, 500));
  EXPECT_THAT(small.answer(), testing::EndsWith("POST " + body.substr(0, 500)));
  EXPECT_EQ(requests_, 1);
  EXPECT_EQ(bytes(), 80'000u);
  first.send("x");
  EXPECT_THAT(first.answer(), testing::EndsWith("POST " + body));
  EXPECT_THAT(second.answer(), testing::EndsWith("POST " + body.substr(0, 50'000)));
  EXPECT_THAT(third.answer(), testing::EndsWith("POST " + body.substr(0, 40'000)));
  EXPECT_TRUE(wait_until([&] { return bytes() == 0; }));
  // One that waits and leaves, and one whose turn comes too late.
  Client again(port_);
  again.send(head(80'000));
  ASSERT_TRUE(wait_until([&] { return bytes() == 80'000; }));
  {
    Client leaves(port_);
    leaves.send(head(50'000));
  }
  again.leave();
  EXPECT_TRUE(wait_until([&] { return bytes() == 0; }));
}

TEST_F(ServerTest, BodyThatFindsNoRoomInTimeIsAnswered) {
  Options options;
  options.max_bodies_bytes = 100'000;
  options.body_wait = std::chrono::milliseconds(50);
  start(std::move(options));
  Client first(port_), second(port_);
  first.send("POST /echo HTTP/1.1\r\nContent-Length: 90000\r\n\r\n");
  std::size_t now = 0;
  ASSERT_TRUE(wait_until([&] {
    on_loop([&] { now = server_->bodies_bytes(); });
    return now == 90'000;
  }));
  second.send("POST /echo HTTP/1.1\r\nContent-Length: 50000\r\n\r\n");
  EXPECT_THAT(second.rest(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(ServerTest, RefusesHeadersAboveTheLimit) {
  Options options;
  options.max_header_bytes = 4000;
  start(std::move(options));
  Client client(port_);
  client.send("GET /echo HTTP/1.1\r\nX: " + std::string(10'000, 'x') + "\r\n\r\n");
  EXPECT_THAT(client.rest(), StartsWith("HTTP/1.1 431 "));
}

TEST_F(ServerTest, RefusesWhatIsNotHttp) {
  start();
  for (const std::string text :
       {"\x16\x03\x01\x02\r\n\r\n", "GET\r\n\r\n", "GET /%zz HTTP/1.1\r\n\r\n",
        "GET /%00 HTTP/1.1\r\n\r\n", "GET nowhere HTTP/1.1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"}) {
    Client client(port_);
    client.send(text);
    EXPECT_THAT(client.rest(), StartsWith("HTTP/1.1 400 ")) << text;
  }
  EXPECT_EQ(requests_, 0);
}

TEST_F(ServerTest, HoldsTwoHundredIdleStreams) {
  start_with_tls();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(std::make_unique<Client>(port_, tls_));
    clients.back()->send("GET /stream HTTP/1.1\r\n\r\n");
    ASSERT_THAT(clients.back()->until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  }
  EXPECT_EQ(connections(), 200u);
  on_loop([&] {
    for (const auto& stream : streams_open_) EXPECT_TRUE(stream->write("now\n"));
  });
  for (const auto& client : clients) EXPECT_EQ(client->until("now\n\r\n"), "4\r\nnow\n\r\n");
}

TEST_F(ServerTest, ClosesConnectionsAboveTheLimit) {
  Options options;
  options.max_connections = 2;
  start(std::move(options));
  Client first(port_);
  Client second(port_);
  EXPECT_THAT(first.get("/echo"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(second.get("/echo"), StartsWith("HTTP/1.1 200"));
  Client third(port_);
  EXPECT_EQ(third.get("/echo"), "");
}

TEST_F(ServerTest, ClosesAConnectionThatIdles) {
  Options options;
  options.idle = std::chrono::milliseconds(50);
  start(std::move(options));
  Client client(port_);
  EXPECT_THAT(client.get("/echo"), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(client.rest(), "");
}

TEST_F(ServerTest, DoesNotWaitForHeadersThatTrickle) {
  Options options;
  options.header_time = std::chrono::milliseconds(50);
  start(std::move(options));
  Client client(port_);
  client.send("GET /echo HTTP/1.1\r\nX: ");
  EXPECT_THAT(client.rest(), StartsWith("HTTP/1.1 408 "));
  Client silent(port_);
  EXPECT_EQ(silent.rest(), "");
}

TEST_F(ServerTest, AnswersForAHandlerThatDropsTheRequest) {
  start();
  Client client(port_);
  EXPECT_THAT(client.get("/dropped"), StartsWith("HTTP/1.1 500 "));
}

TEST_F(ServerTest, LeavesOutTheBodyForHead) {
  start();
  Client client(port_);
  client.send("HEAD /echo HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.until("\r\n\r\n"), HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(client.get("/echo"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, AnswersNotModifiedWithoutALength) {
  start();
  Client client(port_);
  client.send("GET /later HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(wait_until([&] { return waiting_.load(); }));
  on_loop([&] { later_->send(304, "", "", {{"ETag", "\"1\""}}); });
  EXPECT_EQ(client.until("\r\n\r\n").find("Content-Length"), std::string::npos);
  EXPECT_THAT(client.get("/echo"), StartsWith("HTTP/1.1 200")) << "on the same connection";
}

TEST_F(ServerTest, StreamsToOldClientsUntilTheEnd) {
  start();
  Client client(port_);
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.until("\r\n\r\n").find("chunked"), std::string::npos);
  on_loop([&] {
    stream_->write("all");
    stream_->end();
  });
  EXPECT_EQ(client.rest(), "all");
}

TEST_F(ServerTest, MayBeDestroyedWithConnectionsOpen) {
  start();
  Client idle(port_);
  idle.get("/echo");
  Client streaming(port_);
  streaming.send("GET /stream HTTP/1.1\r\n\r\n");
  streaming.until("\r\n\r\n");
  on_loop([&] {
    server_.reset();
    EXPECT_FALSE(stream_->write("to nobody"));
    stream_->end();
  });
  EXPECT_EQ(idle.rest(), "");
  EXPECT_EQ(streaming.rest(), "");
  EXPECT_FALSE(left_);
}

TEST_F(ServerTest, SaysThatAPortIsTaken) {
  start();
  Options options;
  options.port = port_;
  const auto second = Server::listen(loop_, options, [](Request, auto) {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::conflict);
  EXPECT_THAT(second.status().text(), HasSubstr(cat("127.0.0.1:", port_)));
}

TEST(ServerSettings, BrokenOnesAreRefusedWithTheirName) {
  IoLoop loop;
  Options options;
  options.address = "nowhere";
  EXPECT_THAT(Server::listen(loop, options, [](Request, auto) {}).status().text(),
              HasSubstr("nowhere"));
  options.address = "127.0.0.1";
  options.certificate_pem = options.key_pem = "not a certificate";
  EXPECT_THAT(Server::listen(loop, options, [](Request, auto) {}).status().text(),
              HasSubstr("certificate"));
}

}  // namespace
}  // namespace base::http
