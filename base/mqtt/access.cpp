#include <mqtt/connect_options.h>

#include <utility>

#include "base/access.hpp"
#include "base/mqtt.hpp"
#include "base/text.hpp"

namespace base {

namespace {

// Without an error handler: Paho 1.2 calls it on a copy that is gone by then.
::mqtt::ssl_options tls_options(const MqttAccess& access) {
  auto builder = ::mqtt::ssl_options_builder().enable_server_cert_auth(true).verify(true);
  if (!access.ca.empty()) builder.trust_store(access.ca);
  if (!access.certificate.empty()) {
    builder.key_store(access.certificate).private_key(access.key);
  }
  return builder.finalize();
}

}  // namespace

std::string paho_url(const std::string& url) {
  for (const auto& [from, to] : {std::pair("mqtt://", "tcp://"), std::pair("mqtts://", "ssl://"),
                                 std::pair("tls://", "ssl://")}) {
    if (url.starts_with(from)) return to + url.substr(std::string_view(from).size());
  }
  return url;
}

bool is_mqtt_tls(const std::string& url) { return paho_url(url).starts_with("ssl://"); }

Status check_mqtt_form(const MqttAccess& access, const MqttNames& names) {
  // Paho takes anything for a host's name, and never finds it.
  const std::string url = paho_url(access.url);
  const bool tls = is_mqtt_tls(url);
  if ((!tls && !url.starts_with("tcp://")) || url.size() == std::string_view("tcp://").size()) {
    return Status(Code::invalid, cat(names.url, " ", access.url, ": wanted ", names.forms));
  }
  const bool any = !access.ca.empty() || !access.certificate.empty() || !access.key.empty();
  if (any && !tls) {
    return Status(Code::invalid, cat(names.ca, ", ", names.certificate, " and ", names.key,
                                     " need an ssl:// URL, not ", access.url));
  }
  return check_both(names.certificate, access.certificate, names.key, access.key);
}

Status check_mqtt_files(const MqttAccess& access, const MqttNames& names) {
  Status status = check_file(names.ca, access.ca, Trust::file);
  if (status.ok()) status = check_file(names.certificate, access.certificate, Trust::file);
  if (status.ok()) status = check_file(names.key, access.key, Trust::secret);
  if (status.ok()) status = check_file(names.password, access.password_file, Trust::secret);
  return status;
}

Status enter_mqtt(::mqtt::connect_options_builder& builder, const MqttAccess& access) {
  std::string password = access.password;
  if (!access.password_file.empty()) {
    auto read = read_password(access.password_file);
    if (!read) return read.status();
    password = std::move(*read);
  }
  if (!access.user.empty()) builder.user_name(access.user).password(password);
  if (is_mqtt_tls(access.url)) builder.ssl(tls_options(access));
  return Status();
}

}  // namespace base
