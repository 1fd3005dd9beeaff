// The Kubernetes-style endpoint: kubectl and other Kubernetes clients over HTTPS, without a
// cluster. An outlet of Core: what changes there is told to watchers. Belongs to the loop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/http.hpp"
#include "base/loop.hpp"
#include "base/status.hpp"
#include "devicetwin/core.hpp"

namespace devicetwin {

class KubeApi : public Outlet {
 public:
  // Paths of others that are served to holders of the token. page is answered now or later, on the
  // loop; a failure becomes a Kubernetes Status: not_found 404, invalid 400, out_of_range 413,
  // unavailable 503.
  using Answer = std::function<void(base::Result<base::http::Page> page)>;
  struct Route {
    std::string prefix;  // "/metrics": that path, and what is below it
    std::function<void(const base::http::Request& request, Answer answer)> get;
  };

  struct Settings {
    std::string address = "127.0.0.1";  // an IP address; 0.0.0.0 and :: are every one
    std::uint16_t port = 0;             // 0: any free one
    // That clients ask for, besides IP addresses, localhost and this machine's name.
    std::vector<std::string> names = {};
    // Gets ca.crt, ca.key, server.crt, server.key, token and kubeconfig; created when absent. What
    // is there is used again, so that a copied kubeconfig outlives a restart, and the server's
    // certificate is made anew under the same authority, while running, weeks before its end.
    std::filesystem::path folder;
    // The calendar that certificates go by, and how often it is looked at; absent: the loop's.
    std::function<base::Time()> wall = {};
    base::Duration look = std::chrono::minutes(1);
    // What /readyz says; absent: always ready. Its text stands in the answer.
    std::function<base::Status()> ready;
    std::vector<Route> routes = {};
  };

  // Adds itself to core's outlets. core and loop outlive it, and core makes no verb after it.
  // conflict: the port is taken; unavailable: the folder cannot be written.
  static base::Result<std::unique_ptr<KubeApi>> listen(Core& core, base::IoLoop& loop,
                                                       Settings settings);
  ~KubeApi() override;

  void changed(const Change& change) override;

  std::uint16_t port() const;
  std::size_t watchers() const;
  std::size_t bodies_bytes() const;  // of large requests that are being read or answered
  std::filesystem::path kubeconfig() const;

 private:
  struct Impl;
  explicit KubeApi(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin
