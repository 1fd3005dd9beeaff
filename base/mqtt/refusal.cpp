#include "base/mqtt.hpp"

#include "base/text.hpp"

namespace base {

// MQTT 3.1.1, 3.2.2.3: 1; MQTT 5, 3.2.2.2: 132.
bool is_version_refused(const MqttRefusal& refusal) {
  return refusal.code == 1 || refusal.code == 132;
}

bool is_silent(const MqttRefusal& refusal) {
  return refusal.code < 0 && refusal.message.find("completion") != std::string::npos;
}

std::string explain(const MqttRefusal& refusal, const MqttNames& names) {
  switch (refusal.code) {
    case 1:
    case 132:
      return cat("does not speak this version of MQTT: ", names.version);
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
      return cat("refuses our user or password: check ", names.user, " and ", names.password,
                 ", and that the broker knows them");
    default:
      break;
  }
  if (refusal.code > 0) return cat("refuses us with code ", refusal.code);
  if (is_silent(refusal)) {
    return refusal.tls ? cat("closes the connection: it may want a client certificate (",
                             names.certificate, ", ", names.key, ")")
                       : "closes the connection: it may want TLS (ssl://)";
  }
  // Paho does not tell which of these it was.
  return refusal.tls
             ? cat("does not answer, or TLS fails: its certificate must be signed by the CA "
                   "of ",
                   names.ca, " and be made for the URL's host, and it may want ours (",
                   names.certificate, ", ", names.key, ")")
             : "does not answer";
}

}  // namespace base
