#include "refusal.hpp"

#include "base/text.hpp"

namespace devicetwin::bus {

using base::cat;

namespace {

// "C0E6…:error:0A000086:SSL routines:function:certificate verify failed:file:line:".
std::string reason_of(std::string_view tls_error) {
  const auto parts = base::split(tls_error, ':');
  return std::string(parts.size() > 5 ? parts[5] : tls_error);
}

std::string explain_tls(const std::string& error) {
  const std::string reason = reason_of(error);
  if (reason.find("verify failed") != std::string::npos) {
    return cat("has a certificate that our CA did not sign (", reason,
               "): give the CA's certificate with --mqtt-ca");
  }
  return cat("and we do not agree on TLS (", reason,
             "): check --mqtt-ca, --mqtt-cert, --mqtt-key, and that the URL's port speaks TLS");
}

}  // namespace

// MQTT 3.1.1, 3.2.2.3: 1; MQTT 5, 3.2.2.2: 132.
bool is_version_refused(const Refusal& refusal) { return refusal.code == 1 || refusal.code == 132; }

bool is_silent(const Refusal& refusal) {
  return refusal.code < 0 && refusal.message.find("completion") != std::string::npos;
}

std::string explain(const Refusal& refusal) {
  switch (refusal.code) {
    case 1:
    case 132:
      return "does not speak this version of MQTT: choose with --mqtt-version";
    case 2:
    case 133:
      return "refuses our client id";
    case 3:
    case 136:
    case 137:
      return "says that it cannot serve now";
    case 4:
    case 5:
    case 134:
    case 135:
      return "refuses our user or password: check --mqtt-user and --mqtt-password-file, and that "
             "the broker knows them";
    default:
      break;
  }
  if (refusal.code > 0) return cat("refuses us with code ", refusal.code);
  if (!refusal.tls_error.empty()) return explain_tls(refusal.tls_error);
  if (is_silent(refusal)) {
    return refusal.tls ? "closes the connection: it may want a client certificate (--mqtt-cert, "
                         "--mqtt-key)"
                       : "closes the connection: it may want TLS (ssl://)";
  }
  return refusal.tls ? "does not answer, or its certificate is not for the URL's host, or it wants "
                       "a client certificate (--mqtt-cert, --mqtt-key)"
                     : "does not answer";
}

}  // namespace devicetwin::bus
