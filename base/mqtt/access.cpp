#include <mqtt/connect_options.h>

#include <utility>

#include "base/file.hpp"
#include "base/mqtt.hpp"
#include "base/text.hpp"

namespace base {

namespace {

constexpr std::size_t max_pem_bytes = 4u << 20;  // a system's bundle of CAs is 220 kB

Status readable(std::string_view name, const std::string& file, Trust how) {
  if (file.empty()) return Status();
  const auto content = read_trusted(file, how, max_pem_bytes);
  if (content) return Status();
  return Status(content.status().code(), cat(name, ": ", content.status().text()));
}

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
  if (access.certificate.empty() != access.key.empty()) {
    return Status(Code::invalid, cat(names.certificate, " and ", names.key,
                                     " go together: one of them is missing"));
  }
  return Status();
}

Status check_mqtt_files(const MqttAccess& access, const MqttNames& names) {
  Status status = readable(names.ca, access.ca, Trust::file);
  if (status.ok()) status = readable(names.certificate, access.certificate, Trust::file);
  if (status.ok()) status = readable(names.key, access.key, Trust::secret);
  if (status.ok()) status = readable(names.password, access.password_file, Trust::secret);
  return status;
}

Status enter_mqtt(::mqtt::connect_options_builder& builder, const MqttAccess& access) {
  std::string password = access.password;
  if (!access.password_file.empty()) {
    auto text = read_trusted(access.password_file, Trust::secret);
    if (!text) return text.status();
    password = text->substr(0, text->find_first_of("\r\n"));
  }
  if (!access.user.empty()) builder.user_name(access.user).password(password);
  if (is_mqtt_tls(access.url)) builder.ssl(tls_options(access));
  return Status();
}

}  // namespace base
