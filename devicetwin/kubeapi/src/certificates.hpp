// The endpoint's certificates: made, and judged. PEM texts in and out, no files; any thread.
//
// Every certificate begins a day before the commit's date (base/build.hpp), whatever the calendar
// says, so that none ever lies ahead: not of a clock that is set later, nor of a client's that is
// a day behind. Its end is counted from now, or from the commit's date where now is before that.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/loop.hpp"
#include "base/status.hpp"

namespace devicetwin::kube {

// Longer than a device lives: its end would be the end of every kubeconfig that was copied.
inline constexpr auto authority_life = std::chrono::days(50 * 365);
inline constexpr auto server_life = std::chrono::days(10 * 365);
// What is left when a server's certificate is made anew.
inline constexpr auto renewal = std::chrono::weeks(8);

struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;
};

// A self-signed authority, EC P-256. key_pem is used again: those who trust an earlier certificate
// of the key trust this one. "": a new key. malformed: it is no key.
base::Result<KeyPair> make_authority(const std::string& key_pem, base::Time now);

// Signed by authority, for 127.0.0.1, ::1, localhost, the host's own name and address. key_pem is
// used again; "", or what is no key: a new one.
base::Result<KeyPair> make_server(const KeyPair& authority, const std::string& key_pem,
                                  const std::string& address, base::Time now);

// Why nothing can be signed with it.
enum class Lack { none, certificate, key, time };
Lack lack_of(const KeyPair& authority, base::Time now);

// Each "" or what is wrong.
// Why it cannot be served at all.
std::string_view server_objection(const KeyPair& server);
// Why another one is wanted: also for the calendar, where it is to be believed.
std::string_view renewal_reason(const KeyPair& server, const std::string& authority_pem,
                                const std::string& address, base::Time now);

bool is_certificate(const std::string& pem);
// "2036-11-21T12:00:00Z", when it is over. "" when it is no certificate.
std::string end_of(const std::string& certificate_pem);

}  // namespace devicetwin::kube
