// The texts of a private Mosquitto's files. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"

namespace devicetwin::broker {

// Who may do what: see acl().
inline constexpr std::string_view roles[] = {"devicetwin", "mapper", "application", "reader"};

struct Account {
  std::string user;
  std::string password;
  std::string role;
};

// One account a line, "USER PASSWORD ROLE"; '#' begins a comment. invalid: a wrong line, by number.
base::Result<std::vector<Account>> parse_credentials(std::string_view text);
// Adds an account with a random password for each role that has none.
void complete(std::vector<Account>& accounts);
std::string credentials(const std::vector<Account>& accounts);

// mosquitto.conf(5). as_root: the child stays root, because it cannot reach the folder otherwise.
std::string configuration(const std::string& folder, std::uint16_t port, bool as_root);
// The access list: what each account's role may publish and subscribe.
std::string acl(const std::vector<Account>& accounts);
// "user:password" lines, for mosquitto_passwd -U.
std::string plain_passwords(const std::vector<Account>& accounts);
// Options for mosquitto_sub, _pub and _rr.
std::string client_options(const Account& account, std::uint16_t port);
// For the person who looks into the folder.
std::string readme(const std::string& folder, std::uint16_t port);

}  // namespace devicetwin::broker
