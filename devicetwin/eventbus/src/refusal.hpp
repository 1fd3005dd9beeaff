// Why a broker does not take us, in words with a remedy. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace devicetwin::bus {

// What Paho says at the end of a failed connect.
struct Refusal {
  int code = -1;        // above 0: the broker's CONNACK code, of MQTT 3.1.1 or 5
  std::string message;  // Paho's words
  bool tls = false;     // the URL is ssl://
};

// The broker speaks no MQTT 5, for certain.
bool is_version_refused(const Refusal& refusal);
// It took the TCP connection and closed it without a word, as old brokers do with MQTT 5.
bool is_silent(const Refusal& refusal);
// "refuses our user or password: …".
std::string explain(const Refusal& refusal);

}  // namespace devicetwin::bus
