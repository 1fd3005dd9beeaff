// The outlets' part of protocol.configData.
#include <algorithm>

#include "base/text.hpp"
#include "gige/outlets.hpp"
#include "outlets/mqtt.hpp"
#include "outlets/post.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t most_files = 1'000'000;
constexpr std::int64_t most_spool_bytes = std::int64_t{1} << 50;

// Reads one value into `into`, unless an earlier one was wrong already.
template <class Value, class Into>
void take(Status& status, Result<Value> value, Into& into) {
  if (!status.ok()) return;
  if (!value) {
    status = value.status();
  } else {
    into = static_cast<Into>(*value);
  }
}

void take_every(Status& status, const dmi::Config& config, std::chrono::milliseconds& every) {
  std::int64_t count = every.count();
  take(status, config.integer("every", count, 0, day_ms), count);
  every = std::chrono::milliseconds(count);
}

Status read_spool(const dmi::Config& config, SpoolSettings& spool) {
  Status status = config.only({"folder", "maxFiles", "maxBytes", "every"});
  take(status, config.text("folder", spool.folder), spool.folder);
  take(status,
       config.integer("maxFiles", static_cast<std::int64_t>(spool.max_files), 1, most_files),
       spool.max_files);
  take(status,
       config.integer("maxBytes", static_cast<std::int64_t>(spool.max_bytes), 1, most_spool_bytes),
       spool.max_bytes);
  take_every(status, config, spool.every);
  if (!status.ok()) return status;
  if (!spool.folder.empty() && spool.folder.front() != '/') {
    return Status(Code::invalid,
                  cat(config.path(), ".folder: ", spool.folder, " is not an absolute path"));
  }
  if (spool.folder.empty() && !config.json().empty()) {
    return Status(Code::invalid, cat(config.path(),
                                     ".folder: is missing; without it there is no "
                                     "spool"));
  }
  return Status();
}

Status read_post(const dmi::Config& config, PostSettings& post) {
  Status status = config.only({"url", "every", "retries", "user", "passwordFile", "caFile",
                               "certFile", "keyFile", "proxy"});
  base::PostAccess& access = post.access;
  for (const auto& [key, into] :
       {std::pair("url", &post.url), std::pair("user", &access.user),
        std::pair("passwordFile", &access.password_file), std::pair("caFile", &access.ca),
        std::pair("certFile", &access.certificate), std::pair("keyFile", &access.key),
        std::pair("proxy", &access.proxy)}) {
    take(status, config.text(key, ""), *into);
  }
  take(status, config.integer("retries", post.retries, 0, 100), post.retries);
  take_every(status, config, post.every);
  if (!status.ok()) return status;
  // Without a URL the property ImageURL gives one; then there is nobody to show a password to.
  if (post.url.empty() && (!access.user.empty() || !access.certificate.empty())) {
    return Status(Code::invalid, cat(config.path(), ".url: is missing"));
  }
  const std::string_view any = "https://any";
  status = base::check_post_form(post.url.empty() ? any : post.url, access, post_names);
  return status.ok() ? status : Status(Code::invalid, cat(config.path(), ".url: ", status.text()));
}

Status read_mqtt(const dmi::Config& config, MqttSettings& mqtt) {
  Status status = config.only({"broker", "topic", "image", "every", "user", "passwordFile",
                               "caFile", "certFile", "keyFile"});
  base::MqttAccess& broker = mqtt.broker;
  for (const auto& [key, into] :
       {std::pair("broker", &broker.url), std::pair("user", &broker.user),
        std::pair("passwordFile", &broker.password_file), std::pair("caFile", &broker.ca),
        std::pair("certFile", &broker.certificate), std::pair("keyFile", &broker.key)}) {
    take(status, config.text(key, ""), *into);
  }
  take(status, config.text("topic", mqtt.topic), mqtt.topic);
  take(status, config.boolean("image", mqtt.image), mqtt.image);
  take_every(status, config, mqtt.every);
  if (!status.ok()) return status;
  if (broker.url.empty()) {
    if (config.json().empty()) return Status();
    return Status(Code::invalid, cat(config.path(), ".broker: is missing"));
  }
  status = base::check_mqtt_form(broker, mqtt_names);
  if (!status.ok()) return Status(Code::invalid, cat(config.path(), ": ", status.text()));
  if (broker.user.empty() && !broker.password_file.empty()) {
    return Status(Code::invalid,
                  cat(config.path(), ".user: is missing, and there is a passwordFile"));
  }
  if (mqtt.topic.find_first_of("#+") != std::string::npos || mqtt.topic.size() > 65'535) {
    return Status(Code::invalid, cat(config.path(), ".topic: ", base::cut(mqtt.topic, 100),
                                     " is no topic to publish to (no # and +)"));
  }
  return Status();
}

template <class Settings>
void read_inner(Status& status, const dmi::Config& protocol, std::string_view key,
                Status (*read)(const dmi::Config&, Settings&), Settings& settings) {
  if (!status.ok()) return;
  const auto inner = protocol.object(key);
  status = inner ? read(*inner, settings) : inner.status();
}

}  // namespace

Result<OutletSettings> parse_outlets(const dmi::Config& protocol) {
  OutletSettings settings;
  Status status;
  std::string word(name(settings.encode.format));
  take(status, protocol.text("imageFormat", word), word);
  if (!status.ok()) return status;
  const auto format = image_format(word);
  if (!format) {
    return Status(Code::invalid, cat(protocol.path(), ".imageFormat: ", format.status().text()));
  }
  settings.encode.format = *format;
  take(status, protocol.integer("jpegQuality", settings.encode.quality, 1, 100),
       settings.encode.quality);
  read_inner(status, protocol, "spool", read_spool, settings.spool);
  read_inner(status, protocol, "post", read_post, settings.post);
  read_inner(status, protocol, "mqtt", read_mqtt, settings.mqtt);
  if (!status.ok()) return status;
  return settings;
}

}  // namespace gige
