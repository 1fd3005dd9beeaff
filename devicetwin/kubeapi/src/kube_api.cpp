#include "devicetwin/kube_api.hpp"

#include <set>

#include "admission.hpp"
#include "base/http.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/token.hpp"
#include "discovery.hpp"
#include "failure.hpp"
#include "identity.hpp"
#include "resource.hpp"
#include "verbs.hpp"
#include "watch.hpp"

namespace devicetwin {

using base::cat;
using base::Result;
using base::Status;
using base::http::Request;
using base::http::Server;

namespace {

// A watch that starts with everything there is writes all of it at once: 32 MiB are some ten
// thousand devices of thirty points.
constexpr std::size_t max_backlog_bytes = 32u << 20;

using ResponsePtr = std::shared_ptr<base::http::Response>;

void send(const ResponsePtr& response, const kube::Failure& failure) {
  response->send(failure.code, "application/json", failure.to_text());
}

std::set<std::string> spaces_of(const Core& core) {
  std::set<std::string> spaces{"default"};
  for (const Kind kind : {Kind::device, Kind::device_model}) {
    for (const Object* object : core.list(kind, "")) spaces.insert(object->id.space);
  }
  return spaces;
}

}  // namespace

struct KubeApi::Impl {
  Impl(Core& the_core, base::IoLoop& loop, Settings the_settings, kube::Identity the_identity)
      : core(the_core),
        settings(std::move(the_settings)),
        identity(std::move(the_identity)),
        timer(loop),
        watches(core, loop),
        verbs(core, watches) {}

  void handle(const Request& request, const ResponsePtr& response);
  // What needs no token: it tells nothing of the devices.
  bool handle_public(const Request& request, const ResponsePtr& response);
  bool handle_route(const Request& request, const ResponsePtr& response);
  void renew();

  Core& core;
  Settings settings;
  kube::Identity identity;
  base::Timer timer;
  kube::Watches watches;
  kube::Verbs verbs;
  std::unique_ptr<Server> server;  // last: gone before what its handler uses
};

bool KubeApi::Impl::handle_public(const Request& request, const ResponsePtr& response) {
  if (request.method != "GET" && request.method != "HEAD") return false;
  if (request.path == "/healthz" || request.path == "/livez") {
    response->send(200, "text/plain", "ok");
    return true;
  }
  if (request.path == "/readyz") {
    const Status status = settings.ready ? settings.ready() : Status();
    response->send(status.ok() ? 200 : 503, "text/plain", status.ok() ? "ok" : status.to_string());
    return true;
  }
  if (request.path != "/version") return false;
  response->send(200, "application/json", kube::version_text());
  return true;
}

bool KubeApi::Impl::handle_route(const Request& request, const ResponsePtr& response) {
  for (const Route& route : settings.routes) {
    const bool below = request.path.starts_with(cat(route.prefix, '/'));
    if (request.path != route.prefix && !below) continue;
    if (request.method != "GET" && request.method != "HEAD") {
      send(response, kube::only_get());
    } else {
      route.get(request, [response](Result<base::http::Page> page) {
        if (!page.ok()) return send(response, kube::failure_of(page.status()));
        response->send(200, page->content_type, std::move(page->body), std::move(page->headers));
      });
    }
    return true;
  }
  return false;
}

void KubeApi::Impl::handle(const Request& request, const ResponsePtr& response) {
  if (handle_public(request, response)) return;
  if (!base::is_bearer(request.header("authorization"), identity.token)) {
    return send(response, kube::unauthorized());
  }
  if (const auto place = kube::place_of(request.path)) {
    return verbs.handle(*place, request, response);
  }
  if (handle_route(request, response)) return;
  const bool about_spaces = request.path.starts_with("/api/v1/namespaces");
  const auto spaces = about_spaces ? spaces_of(core) : std::set<std::string>();
  if (auto answer = kube::discover(request, spaces)) {
    return response->send(answer->status, answer->content_type, std::move(answer->body));
  }
  send(response, kube::unknown_path());
}

// A certificate that is due and cannot be had is said once an hour, until somebody comes.
void KubeApi::Impl::renew() {
  auto renewed = kube::renew(settings.folder, settings.address, identity, settings.wall());
  Status status = renewed.status();
  if (renewed && *renewed) {
    status = server->use_certificate((*renewed)->certificate_pem, (*renewed)->key_pem);
    if (status.ok()) identity.server = std::move(**renewed);
  }
  if (!status.ok()) base::log_error(cat("kubeapi: ", status.text()));
  timer.start(status.ok() ? settings.look : 60 * settings.look, [this] { renew(); });
}

KubeApi::KubeApi(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KubeApi::~KubeApi() = default;

Result<std::unique_ptr<KubeApi>> KubeApi::listen(Core& core, base::IoLoop& loop,
                                                 Settings settings) {
  if (!settings.wall) settings.wall = [&loop] { return loop.wall(); };
  auto identity = kube::load_identity(settings.folder, settings.address, settings.wall());
  if (!identity) return identity.status();

  base::http::Options options;
  options.address = settings.address;
  options.port = settings.port;
  options.names = settings.names;
  options.names_flag = "--kube-name";
  options.certificate_pem = identity->server.certificate_pem;
  options.key_pem = identity->server.key_pem;
  options.max_body_bytes = kube::max_object_bytes;
  options.max_backlog_bytes = max_backlog_bytes;

  auto impl = std::make_unique<Impl>(core, loop, std::move(settings), std::move(*identity));
  auto server = Server::listen(loop, std::move(options),
                               [raw = impl.get()](Request request, ResponsePtr response) {
                                 raw->handle(request, response);
                               });
  if (!server) return server.status();
  impl->server = std::move(*server);
  const Status written = kube::write_kubeconfig(impl->settings.folder, impl->identity,
                                                impl->settings.address, impl->server->port());
  if (!written.ok()) return written;
  base::log_info(cat("kubeapi: https://", impl->settings.address, ':', impl->server->port(),
                     ", kubeconfig ", (impl->settings.folder / "kubeconfig").string()));

  impl->timer.start(impl->settings.look, [raw = impl.get()] { raw->renew(); });
  std::unique_ptr<KubeApi> api(new KubeApi(std::move(impl)));
  core.add_outlet(*api);
  return api;
}

void KubeApi::changed(const Change& change) { impl_->watches.changed(change); }
std::uint16_t KubeApi::port() const { return impl_->server->port(); }
std::size_t KubeApi::watchers() const { return impl_->watches.count(); }
std::size_t KubeApi::bodies_bytes() const { return impl_->server->bodies_bytes(); }
std::filesystem::path KubeApi::kubeconfig() const { return impl_->settings.folder / "kubeconfig"; }

}  // namespace devicetwin
