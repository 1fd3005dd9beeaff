#include "identity.hpp"

#include <span>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/token.hpp"

namespace devicetwin::kube {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

// "" when it is not there, and text that is no PEM when it cannot be read, is not to be trusted, or
// holds nothing.
std::string read_pem(const std::filesystem::path& path) {
  auto text = base::read_trusted(path, base::Trust::file);
  if (text) return text->empty() ? "empty" : std::move(*text);
  return text.status().code() == Code::not_found ? "" : text.status().text();
}

KeyPair read_pair(const std::filesystem::path& folder, const char* certificate, const char* key) {
  return {read_pem(folder / certificate), read_pem(folder / key)};
}

// Keys first: after a crash in between, a key without its certificate gets another one.
Status write_pair(const std::filesystem::path& folder, const std::string& name,
                  const KeyPair& pair) {
  const auto key = folder / (name + ".key");
  if (read_pem(key) != pair.key_pem) {
    if (Status s = base::write_file(key, pair.key_pem, 0600); !s.ok()) return s;
  }
  return base::write_file(folder / (name + ".crt"), pair.certificate_pem);
}

// What cannot be mended here, in words for whoever can.
std::string remedy(const std::filesystem::path& folder, Lack lack, const KeyPair& authority) {
  const std::string crt = (folder / "ca.crt").string();
  const std::string key = (folder / "ca.key").string();
  const std::string anew = cat("to begin with a new authority stop, move ", crt, " and ", key,
                               " away, start, and copy kubeconfig to every client anew");
  switch (lack) {
    case Lack::none:
      return "";
    case Lack::certificate:
      return cat(crt, " cannot be read; put a copy of it back, or move it away: with ", key,
                 " it is made again at the start, and kubeconfigs stay good; or, ", anew);
    case Lack::key:
      return cat(key, authority.key_pem.empty() ? " is not there" : " is not the key of ca.crt",
                 "; put it back (no restart is needed); or, ", anew);
    case Lack::time:
      return cat(crt, " is over since ", end_of(authority.certificate_pem), "; ", anew);
  }
  return "";
}

// The authority's files, made when neither certificate nor key is there.
Result<KeyPair> load_authority(const std::filesystem::path& folder, base::Time now) {
  KeyPair authority = read_pair(folder, "ca.crt", "ca.key");
  if (!authority.certificate_pem.empty()) return authority;
  const bool anew = authority.key_pem.empty();
  auto made = make_authority(authority.key_pem, now);
  // Neither a certificate nor a key to make it of: what is there may be somebody's only copy.
  if (made.status().code() == Code::malformed) return authority;
  if (!made) return made.status();
  if (Status s = write_pair(folder, "ca", *made); !s.ok()) return s;
  base::log_info(cat("kubeapi: made a certificate authority", anew ? "" : " of its ca.key", " in ",
                     folder.string()));
  return made;
}

// The pair to serve from now on; the status of a failed write is only said, for the certificate is
// as good in memory.
Result<KeyPair> reissue(const std::filesystem::path& folder, const std::string& address,
                        const KeyPair& authority, const KeyPair& old, std::string_view reason,
                        base::Time now) {
  if (const Lack lack = lack_of(authority, now); lack != Lack::none) {
    const std::string end = end_of(old.certificate_pem);
    return Status(Code::unavailable,
                  cat((folder / "server.crt").string(), " is ", reason,
                      end.empty() ? "" : cat(" (it ends ", end, ")"),
                      " and no other can be made: ", remedy(folder, lack, authority)));
  }
  const bool usable = server_objection(old).empty();
  auto made = make_server(authority, usable ? old.key_pem : "", address, now);
  if (!made) return made.status();
  base::log_info(cat("kubeapi: made a server's certificate in ", folder.string(), ", to ",
                     end_of(made->certificate_pem), " (the old one was ", reason, ")"));
  if (Status s = write_pair(folder, "server", *made); !s.ok()) {
    base::log_warning(cat("kubeapi: it is served, and not on disk: ", s.text()));
  }
  return made;
}

// Something TLS can run with, for /healthz and for the daemon's sake: nobody trusts it.
Result<KeyPair> stand_in(const std::string& address, base::Time now) {
  const auto authority = make_authority("", now);
  if (!authority) return authority.status();
  return make_server(*authority, "", address, now);
}

Result<KeyPair> load_server(const std::filesystem::path& folder, const std::string& address,
                            const KeyPair& authority, base::Time now) {
  KeyPair stored = read_pair(folder, "server.crt", "server.key");
  const auto reason = renewal_reason(stored, authority.certificate_pem, address, now);
  if (reason.empty()) {
    if (const Lack lack = lack_of(authority, now); lack != Lack::none) {
      base::log_warning(cat("kubeapi: the certificate is good until ",
                            end_of(stored.certificate_pem),
                            " and cannot be renewed: ", remedy(folder, lack, authority)));
    }
    return stored;
  }
  auto served = reissue(folder, address, authority, stored, reason, now);
  if (served || served.status().code() != Code::unavailable) return served;
  base::log_error(cat("kubeapi: ", served.status().text()));
  if (server_objection(stored).empty()) return stored;
  return stand_in(address, now);
}

std::string base64(const std::string& text) {
  return base::base64(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

}  // namespace

Result<Identity> load_identity(const std::filesystem::path& folder, const std::string& address,
                               base::Time now) {
  if (Status status = base::own_folder(folder); !status.ok()) return status;
  for (const char* name : {"ca.crt", "server.crt", "ca.key", "server.key", "kubeconfig"}) {
    const bool secret = !std::string_view(name).ends_with(".crt");
    const auto trust =
        base::trusted(folder / name, secret ? base::Trust::secret : base::Trust::file);
    if (trust.code() == Code::refused) return trust;
  }
  const auto authority = load_authority(folder, now);
  if (!authority) return authority.status();
  auto server = load_server(folder, address, *authority, now);
  if (!server) return server.status();
  auto token = base::token_of(folder / "token");
  if (!token) return token.status();
  return Identity{authority->certificate_pem, std::move(*server), std::move(*token)};
}

Result<std::optional<KeyPair>> renew(const std::filesystem::path& folder,
                                     const std::string& address, const Identity& identity,
                                     base::Time now) {
  const auto reason = renewal_reason(identity.server, identity.ca_pem, address, now);
  if (reason.empty()) return std::optional<KeyPair>();
  KeyPair authority = read_pair(folder, "ca.crt", "ca.key");
  // Another one would be a stranger to every client.
  authority.certificate_pem = identity.ca_pem;
  auto made = reissue(folder, address, authority, identity.server, reason, now);
  if (!made) return made.status();
  return std::optional(std::move(*made));
}

Status write_kubeconfig(const std::filesystem::path& folder, const Identity& identity,
                        const std::string& address, std::uint16_t port) {
  if (!is_certificate(identity.ca_pem)) return Status();
  std::string host = address;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != host.npos) host = cat('[', host, ']');
  const std::string text = cat(
      "apiVersion: v1\nkind: Config\nclusters:\n- name: devicetwin\n  cluster:\n    server: "
      "https://",
      host, ':', port, "\n    certificate-authority-data: ", base64(identity.ca_pem),
      "\nusers:\n- name: devicetwin\n  user:\n    token: ", identity.token,
      "\ncontexts:\n- name: devicetwin\n  context:\n    cluster: devicetwin\n    user: devicetwin\n"
      "    namespace: default\ncurrent-context: devicetwin\n");
  const auto path = folder / "kubeconfig";
  if (read_pem(path) == text) return Status();
  return base::write_file(path, text, 0600);
}

}  // namespace devicetwin::kube
