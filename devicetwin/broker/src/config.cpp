#include "config.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace devicetwin::broker {

using base::cat;
using base::Code;
using base::Status;

namespace {

// Of the role devicetwin, who subscribes to requests and publishes everything else.
constexpr const char* everything = "topic readwrite #\ntopic readwrite $hw/#\ntopic read $SYS/#\n";

constexpr const char* read_all = "topic read #\ntopic read $hw/#\ntopic read $ke/#\n";

// Requests of both id forms. MQTT access lists know no payloads: who may update a twin may update
// either side of it.
constexpr const char* ask =
    "topic write $hw/events/device/+/+/twin/update\n"
    "topic write $hw/events/device/+/+/twin/get\n"
    "topic write $hw/events/device/+/+/twin/history/get\n"
    "topic write $hw/events/device/+/twin/update\n"
    "topic write $hw/events/device/+/twin/get\n"
    "topic write $hw/events/device/+/twin/history/get\n"
    "topic write $hw/events/node/+/membership/get\n"
    "topic write $hw/events/upload/#\n"
    "topic write +/user/#\n";

// Mappers alone say how a device is, send time series where KubeEdge's mappers do, and pictures.
constexpr const char* tell =
    "topic write $hw/events/device/+/+/state/update\n"
    "topic write $hw/events/device/+/state/update\n"
    "topic write $ke/events/#\n"
    "topic write SYS/dis/upload_records\n"
    "topic write cameras/#\n";

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != ':' && c != '#';
  });
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words = base::split(line, ' ');
  std::erase(words, "");
  return words;
}

}  // namespace

base::Result<std::vector<Account>> parse_credentials(std::string_view text) {
  std::vector<Account> accounts;
  int number = 0;
  for (const std::string_view line : base::split(text, '\n')) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const auto words = words_of(line);
    const bool good = words.size() == 3 && is_word(words[0]) && is_word(words[1]) &&
                      std::find(std::begin(roles), std::end(roles), words[2]) != std::end(roles);
    if (!good) {
      return Status(Code::invalid,
                    cat("line ", number,
                        ": wanted USER PASSWORD ROLE, without ':' and '#', ROLE one of devicetwin, "
                        "mapper, application, reader"));
    }
    accounts.push_back({std::string(words[0]), std::string(words[1]), std::string(words[2])});
  }
  return accounts;
}

void complete(std::vector<Account>& accounts) {
  for (const std::string_view role : roles) {
    if (std::ranges::find(accounts, role, &Account::role) != accounts.end()) continue;
    // 128 random bits, more than anybody tries.
    accounts.push_back({std::string(role), base::random_hex(16), std::string(role)});
  }
}

std::string credentials(const std::vector<Account>& accounts) {
  std::string text =
      "# Accounts of the private MQTT broker: USER PASSWORD ROLE, ROLE one of devicetwin, mapper,\n"
      "# application, reader. Add lines; they hold from devicetwin's next start.\n";
  for (const Account& account : accounts) {
    text += cat(account.user, " ", account.password, " ", account.role, "\n");
  }
  return text;
}

std::string configuration(const std::string& folder, std::uint16_t port, bool as_root) {
  // Mosquitto's defaults of 20 in flight and of waiting for full packets cost three quarters of the
  // rate on loopback. The queue limits are for a client that is away or slow; the payload limit is
  // devicetwin's own (1 MiB) and as much again, so that a payload above it is answered.
  return cat("# Written by devicetwin at every start: changes are lost.\n", "listener ", port,
             " 127.0.0.1\n", "allow_anonymous false\n", "password_file ", folder, "/passwords\n",
             "acl_file ", folder, "/acl\n", "persistence true\n", "persistence_location ", folder,
             "/\n", "autosave_interval 60\n", "max_queued_messages 10000\n",
             "max_inflight_messages 1000\n", "set_tcp_nodelay true\n",
             "max_queued_bytes 33554432\n", "max_packet_size 2097152\n",
             "persistent_client_expiration 7d\n", "log_dest stderr\n", "log_timestamp false\n",
             as_root ? "user root\n" : "");
}

std::string acl(const std::vector<Account>& accounts) {
  std::string text = "# Written by devicetwin at every start from credentials: changes are lost.\n";
  for (const Account& account : accounts) {
    text += cat("\nuser ", account.user, "\n");
    if (account.role == "devicetwin") {
      text += everything;
      continue;
    }
    text += read_all;
    if (account.role != "reader") text += ask;
    if (account.role == "mapper") text += tell;
  }
  return text;
}

std::string plain_passwords(const std::vector<Account>& accounts) {
  std::string text;
  for (const Account& account : accounts) text += cat(account.user, ":", account.password, "\n");
  return text;
}

std::string client_options(const Account& account, std::uint16_t port) {
  return cat("-h 127.0.0.1\n-p ", port, "\n-u ", account.user, "\n-P ", account.password, "\n");
}

std::string readme(const std::string& folder, std::uint16_t port) {
  return cat(
      "devicetwin's private MQTT broker listens at tcp://127.0.0.1:", port,
      ". Users and passwords\nstand in credentials, one account per role:\n\n"
      "  reader       hears everything, publishes nothing\n"
      "  application  hears everything; asks for twins and sets desired values; +/user/#, uploads\n"
      "  mapper       the same; and tells states, time series, pictures (cameras/#)\n"
      "  devicetwin   everything; devicetwin's own\n\n"
      "The folder named after a role has its password in a file, and from it Mosquitto's clients "
      "take\naddress, user and password:\n\n"
      "  XDG_CONFIG_HOME=",
      folder,
      "/reader mosquitto_sub -v -t '$hw/events/#'\n"
      "  XDG_CONFIG_HOME=",
      folder,
      "/application mosquitto_rr -t '$hw/events/device/default/DEVICE/twin/get' \\\n"
      "    -e '$hw/events/device/default/DEVICE/twin/get/result' -m '{}'\n"
      "  XDG_CONFIG_HOME=",
      folder,
      "/application mosquitto_pub -t '$hw/events/device/default/DEVICE/twin/update' \\\n"
      "    -m '{\"twin\":{\"PROPERTY\":{\"expected\":{\"value\":\"1\"}}}}'\n\n"
      "Accounts are added by lines in credentials; all else here is written anew at every start.\n"
      "A broker of your own: devicetwin --mqtt URL.\n");
}

}  // namespace devicetwin::broker
