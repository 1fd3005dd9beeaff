// How to get into an MQTT broker: one set of settings, checks and explanations for whoever connects
// to one. Paho itself stays with who uses it. Any thread.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/status.hpp"

namespace mqtt {
class connect_options_builder;  // Paho's
}

namespace base {

struct MqttAccess {
  // tcp://HOST:PORT, or ssl://… for TLS, where the server is verified always; mqtt://, mqtts:// and
  // tls:// are the same, as in KubeEdge's configuration.
  std::string url = {};
  std::string ca = {};           // PEM file of the CA that signed the broker; "": the system's
  std::string certificate = {};  // PEM files of ours, for mutual TLS; "": none
  std::string key = {};
  std::string user = {};  // "": no user and no password
  std::string password = {};
  // Instead of password: the first line of this file, read at every connect.
  std::string password_file = {};
  friend auto operator<=>(const MqttAccess&, const MqttAccess&) = default;
};

// What a person calls these settings, for texts.
struct MqttNames {
  std::string_view url = "--mqtt";
  std::string_view forms = "tcp://HOST:PORT, ssl://HOST:PORT or none";
  std::string_view ca = "--mqtt-ca";
  std::string_view certificate = "--mqtt-cert";
  std::string_view key = "--mqtt-key";
  std::string_view user = "--mqtt-user";
  std::string_view password = "--mqtt-password-file";
  std::string_view version = "choose with --mqtt-version";
};

// The URL in Paho's words, tcp:// or ssl://.
std::string paho_url(const std::string& url);
bool is_mqtt_tls(const std::string& url);

// invalid: the URL is none of the forms, or what is set does not fit together. Pure.
Status check_mqtt_form(const MqttAccess& access, const MqttNames& names);
// As read_trusted() of every file that is set.
Status check_mqtt_files(const MqttAccess& access, const MqttNames& names);

// User, password and TLS into Paho's options. What read_trusted() says of the password's file.
Status enter_mqtt(::mqtt::connect_options_builder& builder, const MqttAccess& access);

// What Paho says at the end of a failed connect.
struct MqttRefusal {
  int code = -1;             // above 0: the broker's CONNACK code, of MQTT 3.1.1 or 5
  std::string message = {};  // Paho's words
  bool tls = false;          // the URL is ssl://
};
// The broker speaks no MQTT 5, for certain.
bool is_version_refused(const MqttRefusal& refusal);
// It took the TCP connection and closed it without a word, as old brokers do with MQTT 5.
bool is_silent(const MqttRefusal& refusal);
// Why it does not take us, with a remedy: "refuses our user or password: …".
std::string explain(const MqttRefusal& refusal, const MqttNames& names);

}  // namespace base
