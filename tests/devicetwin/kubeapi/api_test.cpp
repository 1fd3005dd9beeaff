// The endpoint as a whole, over TLS, without kubectl.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "base/file.hpp"
#include "base/text.hpp"
#include "base_http/client.hpp"
#include "certificates.hpp"
#include "devicetwin/kube_api.hpp"
#include "support.hpp"
#include "support/on_loop.hpp"

namespace devicetwin {
namespace {

using base::cat;
using base::http::test::Client;
using dmi::Json;
using testing::HasSubstr;
using testing::StartsWith;

class KubeApiTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kubeapi-XXXXXX";
    folder_ = ::mkdtemp(name);
    KubeApi::Settings settings;
    settings.folder = folder_;
    settings.ready = [this] { return ready_; };
    settings.wall = [this] { return wall_.load(); };
    settings.look = std::chrono::milliseconds(5);
    auto api = KubeApi::listen(core_, loop_, settings);
    ASSERT_TRUE(api.ok()) << api.status().to_string();
    api_ = std::move(*api);
    port_ = api_->port();
    token_ = base::read_file(folder_ / "token").value();
    token_.pop_back();
    tls_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_load_verify_locations(tls_, (folder_ / "ca.crt").c_str(), nullptr);
    SSL_CTX_set_verify(tls_, SSL_VERIFY_PEER, nullptr);
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    on_loop([&] { api_.reset(); });
    loop_.stop();
    thread_.join();
    SSL_CTX_free(tls_);
    std::filesystem::remove_all(folder_);
  }
  template <class Do>
  void on_loop(Do what) {
    test_support::run_on(loop_, what);
  }
  // Head and body of the answer.
  std::string ask(const std::string& first_line, const std::string& headers = "",
                  const std::string& body = "") {
    Client client(port_, tls_);
    EXPECT_TRUE(client.connected());
    client.send(cat(first_line, " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ", token_,
                    "\r\n", headers, "Content-Length: ", body.size(), "\r\n\r\n", body));
    return client.answer();
  }
  static Json body_of(const std::string& answer) {
    return Json::parse(answer.substr(answer.find("\r\n\r\n") + 4), nullptr, false);
  }

  std::filesystem::path folder_;
  base::IoLoop loop_;
  kube::test::MemoryJournal journal_{loop_};
  Core core_{loop_, journal_, "edge"};
  std::unique_ptr<KubeApi> api_;
  std::thread thread_;
  std::uint16_t port_ = 0;
  std::string token_;
  SSL_CTX* tls_ = nullptr;
  base::Status ready_;
  std::atomic<base::Time> wall_ = std::chrono::system_clock::now();
};

TEST_F(KubeApiTest, OnlyHealthAndVersionNeedNoToken) {
  token_ = "wrong";
  for (const char* path : {"/healthz", "/livez", "/readyz", "/version"}) {
    EXPECT_THAT(ask(cat("GET ", path)), StartsWith("HTTP/1.1 200 ")) << path;
  }
  for (const char* path : {"/", "/api", "/apis", "/openapi/v3", "/api/v1/namespaces",
                           "/apis/devices.kubeedge.io/v1beta1/devices"}) {
    const std::string answer = ask(cat("GET ", path));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 401 ")) << path;
    EXPECT_EQ(body_of(answer)["reason"], "Unauthorized");
  }
}

TEST_F(KubeApiTest, ReadyzSaysWhatIsMissing) {
  on_loop([&] { ready_ = base::Status(base::Code::unavailable, "no broker"); });
  EXPECT_THAT(ask("GET /readyz"),
              testing::AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("no broker")));
  EXPECT_THAT(ask("GET /healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(KubeApiTest, DiscoveryIsPlainOrAggregatedAsTheClientAsks) {
  EXPECT_EQ(body_of(ask("GET /apis"))["kind"], "APIGroupList");
  EXPECT_EQ(body_of(ask("GET /api"))["kind"], "APIVersions");
  EXPECT_EQ(body_of(ask("GET /apis/devices.kubeedge.io"))["kind"], "APIGroup");
  const Json list = body_of(ask("GET /apis/devices.kubeedge.io/v1beta1"));
  EXPECT_EQ(list["resources"].size(), 3u);
  for (const std::string version : {"v2", "v2beta1"}) {
    const std::string type =
        cat("application/json;g=apidiscovery.k8s.io;v=", version, ";as=APIGroupDiscoveryList");
    const std::string answer = ask("GET /apis", cat("Accept: ", type, ",application/json\r\n"));
    EXPECT_THAT(answer, HasSubstr(cat("Content-Type: ", type, "\r\n")));
    EXPECT_EQ(body_of(answer)["apiVersion"], cat("apidiscovery.k8s.io/", version));
    EXPECT_EQ(body_of(answer)["items"][0]["versions"][0]["resources"].size(), 3u);
  }
}

TEST_F(KubeApiTest, NamespacesAreThoseInUse) {
  EXPECT_EQ(body_of(ask("GET /api/v1/namespaces"))["items"].size(), 1u);
  const std::string model = R"({"apiVersion":"devices.kubeedge.io/v1beta1","kind":"DeviceModel",
                                "metadata":{"name":"m"},"spec":{}})";
  EXPECT_THAT(ask("POST /apis/devices.kubeedge.io/v1beta1/namespaces/plant/devicemodels",
                  "Content-Type: application/json\r\n", model),
              StartsWith("HTTP/1.1 201 "));
  EXPECT_EQ(body_of(ask("GET /api/v1/namespaces"))["items"][1]["metadata"]["name"], "plant");
  EXPECT_THAT(ask("GET /api/v1/namespaces/plant"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET /api/v1/namespaces/desert"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(KubeApiTest, UnknownPathsAndMethodsAreStatuses) {
  for (const char* line : {"GET /apis/apps/v1/deployments", "GET /api/v1/pods", "POST /api",
                           "GET /apis/devices.kubeedge.io/v1beta1/namespaces/a/devices/b/status"}) {
    const std::string answer = ask(line);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 ")) << line;
    EXPECT_EQ(body_of(answer)["kind"], "Status") << line;
  }
  EXPECT_THAT(ask("PUT /apis/devices.kubeedge.io/v1beta1/namespaces/a/devices"),
              StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(ask("POST /apis/devices.kubeedge.io/v1beta1/devices"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(KubeApiTest, RefusesAnOversizedAndADeepBody) {
  const std::string line = "POST /apis/devices.kubeedge.io/v1beta1/namespaces/a/devices";
  const std::string type = "Content-Type: application/json\r\n";
  EXPECT_THAT(ask(line, type, std::string(4u << 20, ' ')), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(ask(line, type, std::string(100'000, '[')), StartsWith("HTTP/1.1 400 "));
}

TEST_F(KubeApiTest, ASecondOneOnTheSamePortSaysSo) {
  KubeApi::Settings settings;
  settings.folder = folder_;
  settings.port = port_;
  // A process of its own would have its own loop and core.
  base::IoLoop loop;
  kube::test::MemoryJournal journal(loop);
  Core core(loop, journal, "edge");
  const auto second = KubeApi::listen(core, loop, settings);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), base::Code::conflict);
  EXPECT_THAT(second.status().text(), HasSubstr(cat(port_)));
}

// The client verifies with ca.crt as it was at the first start.
TEST_F(KubeApiTest, RenewsItsCertificateUnderTheSameAuthorityWhileItRuns) {
  const std::string kubeconfig = base::read_file(folder_ / "kubeconfig").value();
  Client before(port_, tls_);
  ASSERT_TRUE(before.connected());
  const std::string first = before.serial();
  wall_ = base::Time{};
  wall_ = std::chrono::system_clock::now() + kube::server_life - std::chrono::weeks(1);
  std::string second;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < end) {
    Client client(port_, tls_);
    ASSERT_TRUE(client.connected()) << "each of them is trusted";
    second = client.serial();
    if (second != first) break;
  }
  EXPECT_NE(second, first);
  EXPECT_THAT(before.get("/healthz"), StartsWith("HTTP/1.1 200 ")) << "open connections stay";
  EXPECT_EQ(base::read_file(folder_ / "kubeconfig").value(), kubeconfig);
  // Nothing more is due.
  Client after(port_, tls_);
  EXPECT_EQ(after.serial(), second);
}

TEST_F(KubeApiTest, ADaemonThatStartedIn1970IsTrustedAfterTheClockWasSet) {
  on_loop([&] { api_.reset(); });
  for (const char* file : {"ca.key", "ca.crt", "server.key", "server.crt", "kubeconfig"}) {
    std::filesystem::remove(folder_ / file);
  }
  KubeApi::Settings settings;
  settings.folder = folder_;
  wall_ = base::Time(std::chrono::seconds(20));
  settings.wall = [this] { return wall_.load(); };
  settings.look = std::chrono::milliseconds(5);
  std::unique_ptr<KubeApi> api;
  on_loop([&] { api = std::move(*KubeApi::listen(core_, loop_, settings)); });
  SSL_CTX_load_verify_locations(tls_, (folder_ / "ca.crt").c_str(), nullptr);
  std::string serial;
  {
    Client early(api->port(), tls_);
    ASSERT_TRUE(early.connected());
    serial = early.serial();
  }
  wall_ = std::chrono::system_clock::now();
  on_loop([&] { api.reset(); });
  on_loop([&] { api = std::move(*KubeApi::listen(core_, loop_, settings)); });
  Client late(api->port(), tls_);
  EXPECT_TRUE(late.connected());
  EXPECT_EQ(late.serial(), serial);
  on_loop([&] { api.reset(); });
}

}  // namespace
}  // namespace devicetwin
