#include "devicetwin/broker.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <thread>

#include "base/backoff.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "child.hpp"
#include "config.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto first_wait = std::chrono::milliseconds(200);
constexpr auto most_wait = std::chrono::milliseconds(10'000);
// A broker that ran this long was well: the next restart comes at once again.
constexpr auto well_after = std::chrono::seconds(30);
constexpr auto listen_deadline = std::chrono::seconds(10);
constexpr auto leftover_patience = std::chrono::seconds(3);
constexpr int ports_to_try = 100;
constexpr int start_tries = 5;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// The port, or the one the kernel chose for 0; nullopt: taken.
std::optional<std::uint16_t> try_port(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  const int on = 1;  // Mosquitto sets it too: a port in TIME_WAIT is free
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = loopback(port);
  socklen_t size = sizeof address;
  const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                    ::listen(fd, 1) == 0 &&
                    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(fd);
  if (!free) return std::nullopt;
  return ntohs(address.sin_port);
}

Result<std::uint16_t> choose_port(std::uint16_t wanted) {
  for (int i = 0; i < ports_to_try && wanted + i <= 65535; ++i) {
    const auto port = try_port(static_cast<std::uint16_t>(wanted + i));
    if (!port) continue;
    if (i > 0) {
      base::log_warning(cat("port ", wanted,
                            " of 127.0.0.1 is taken: the private MQTT broker uses ", *port,
                            " (choose with --mqtt-port, or give that broker with --mqtt)"));
    }
    return *port;
  }
  return Status(Code::unavailable, cat("no port from ", wanted,
                                       " on is free on 127.0.0.1 for the "
                                       "private MQTT broker: choose another with --mqtt-port"));
}

// In PATH and where Debian puts daemons, which is not in an ordinary user's PATH.
std::string find_program(std::string_view name) {
  const char* const path = std::getenv("PATH");
  const std::string folders =
      cat(path == nullptr ? "/usr/bin" : path, ":/usr/sbin:/usr/local/sbin");
  for (const std::string_view folder : base::split(folders, ':')) {
    const std::string candidate = cat(folder, "/", name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

Status no_program(std::string_view name) {
  return Status(Code::not_found,
                cat("no program ", name,
                    " for the private MQTT broker: install it (apt-get install "
                    "mosquitto), or give a broker with --mqtt URL, or --mqtt none"));
}

}  // namespace

struct Broker::Impl {
  base::IoLoop& loop;
  Settings settings;
  std::string program;
  std::string passwd;
  std::string url;
  std::vector<broker::Account> accounts;
  broker::Account own;
  std::unique_ptr<broker::Child> child;
  base::Timer again;
  base::Backoff backoff;
  Clock::time_point started;
  std::uint64_t restarts = 0;
  bool running = false;   // it said so
  std::string last_line;  // of its output

  Impl(base::IoLoop& owner, Settings wanted)
      : loop(owner),
        settings(std::move(wanted)),
        again(owner),
        backoff(first_wait, most_wait,
                static_cast<std::uint32_t>(owner.wall().time_since_epoch().count())) {}

  fs::path file(std::string_view name) const { return settings.folder / name; }
  Status find_programs();
  Status make_folder();
  void end_leftover();
  Status load_accounts();
  Status write_files();
  Status launch();
  Status wait_until_it_listens();
  void ended(int status);
};

Status Broker::Impl::find_programs() {
  program = settings.program.empty() ? find_program("mosquitto") : settings.program;
  if (program.empty() || ::access(program.c_str(), X_OK) != 0) {
    return no_program(program.empty() ? "mosquitto" : program);
  }
  passwd = find_program("mosquitto_passwd");
  return passwd.empty() ? no_program("mosquitto_passwd") : Status();
}

Status Broker::Impl::make_folder() {
  if (Status status = base::own_folder(settings.folder); !status.ok()) return status;
  std::error_code error;
  fs::permissions(settings.folder, fs::perms::owner_all, error);
  if (error) return Status(Code::unavailable, cat(settings.folder.string(), ": ", error.message()));
  return Status();
}

// The child of a devicetwin that was killed gets SIGTERM and writes its persistence: the port and
// the file are its own until it is gone.
void Broker::Impl::end_leftover() {
  std::int64_t pid = 0;
  const auto text = base::read_file(file("pid"));
  if (!text || !base::parse_int(*text, pid) || pid <= 1) return;
  const std::string configuration = file("mosquitto.conf").string();
  const auto is_ours = [&] {
    const auto command = base::read_file(cat("/proc/", pid, "/cmdline"));
    return command && command->find(configuration) != std::string::npos;
  };
  const auto begin = Clock::now();
  bool told = false;
  while (is_ours() && Clock::now() < begin + 2 * leftover_patience) {
    const bool patient = Clock::now() < begin + leftover_patience;
    if (!std::exchange(told, true) || !patient) {
      ::kill(static_cast<pid_t>(pid), patient ? SIGTERM : SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Status Broker::Impl::load_accounts() {
  const auto text = base::read_trusted(file("credentials"), base::Trust::secret);
  if (text) {
    auto parsed = broker::parse_credentials(*text);
    if (!parsed) {
      return Status(parsed.status().code(),
                    cat(file("credentials").string(), ": ", parsed.status().text()));
    }
    accounts = std::move(*parsed);
  } else if (text.status().code() != Code::not_found) {
    return text.status();
  }
  const std::size_t known = accounts.size();
  broker::complete(accounts);
  own = *std::ranges::find(accounts, "devicetwin", &broker::Account::role);
  if (accounts.size() == known) return Status();
  return base::write_file(file("credentials"), broker::credentials(accounts), 0600);
}

Status Broker::Impl::write_files() {
  const std::string folder = settings.folder.string();
  std::vector<std::pair<fs::path, std::string>> files = {
      {file("passwords"), broker::plain_passwords(accounts)},
      {file("acl"), broker::acl(accounts)},
      {file("mosquitto.conf"), broker::configuration(folder, settings.port, ::geteuid() == 0)},
      {file("README"), broker::readme(folder, settings.port)},
  };
  for (const broker::Account& account : accounts) {
    if (account.user != account.role || account.role == "devicetwin") continue;
    if (Status status = base::own_folder(file(account.role)); !status.ok()) return status;
    files.emplace_back(file(account.role) / "password", account.password + "\n");
    for (const char* client : {"mosquitto_sub", "mosquitto_pub", "mosquitto_rr"}) {
      files.emplace_back(file(account.role) / client,
                         broker::client_options(account, settings.port));
    }
  }
  for (const auto& [path, text] : files) {
    if (const Status status = base::write_file(path, text, 0600); !status.ok()) return status;
  }
  return broker::run({passwd, "-U", file("passwords").string()});
}

Status Broker::Impl::launch() {
  running = false;
  last_line.clear();
  auto made = broker::Child::start(
      loop, {program, "-c", file("mosquitto.conf").string()},
      [this](const std::string& line) {
        running = running || line.ends_with(" running");
        last_line = line;
        const bool bad = line.starts_with("Error");
        base::log(bad ? base::Level::warning : base::Level::debug, cat("mosquitto: ", line));
      },
      [this](int status) { ended(status); });
  if (!made) return made.status();
  child = std::move(*made);
  started = Clock::now();
  return base::write_file(file("pid"), cat(child->pid()), 0600);
}

// Its own word for it: that somebody listens at the port could be somebody else.
Status Broker::Impl::wait_until_it_listens() {
  const auto end = Clock::now() + listen_deadline;
  while (child->poll()) {
    if (running) return Status();
    if (Clock::now() > end) {
      return Status(Code::unavailable, cat(program, " does not listen at ", url, " after ",
                                           listen_deadline.count(), " s: ", last_line));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return Status(Code::unavailable, cat(program, " ", broker::describe_exit(child->status()),
                                       " at its start: ", last_line));
}

void Broker::Impl::ended(int status) {
  if (Clock::now() - started > well_after) backoff.reset();
  const auto wait = backoff.next();
  base::log_warning(cat("the private MQTT broker ", broker::describe_exit(status),
                        "; starting it again in ", wait.count(), " ms"));
  child.reset();
  again.start(wait, [this] {
    ++restarts;
    if (const Status failed = launch(); !failed.ok()) {
      base::log_error(failed.text());
      if (!child) ended(0);
    }
  });
}

Broker::Broker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Broker>> Broker::start(base::IoLoop& loop, Settings settings) {
  auto impl = std::make_unique<Impl>(loop, std::move(settings));
  if (const Status status = impl->find_programs(); !status.ok()) return status;
  if (const Status status = impl->make_folder(); !status.ok()) return status;
  impl->end_leftover();
  if (const Status status = impl->load_accounts(); !status.ok()) return status;
  // Somebody may take the port between the look at it and the child's bind.
  const std::uint16_t wanted = impl->settings.port;
  for (int tries = 1;; ++tries) {
    const auto port = choose_port(wanted);
    if (!port) return port.status();
    impl->settings.port = *port;
    impl->url = cat("tcp://127.0.0.1:", *port);
    if (const Status status = impl->write_files(); !status.ok()) return status;
    if (const Status status = impl->launch(); !status.ok()) return status;
    const Status status = impl->wait_until_it_listens();
    if (status.ok()) break;
    if (tries == start_tries || try_port(*port)) return status;
  }
  return std::unique_ptr<Broker>(new Broker(std::move(impl)));
}

Broker::~Broker() {
  impl_->again.stop();
  impl_->child.reset();
  std::error_code ignored;  // a pid file of a dead broker is seen through at the next start
  fs::remove(impl_->file("pid"), ignored);
}

const std::string& Broker::url() const { return impl_->url; }
std::uint16_t Broker::port() const { return impl_->settings.port; }
const std::string& Broker::user() const { return impl_->own.user; }
const std::string& Broker::password() const { return impl_->own.password; }
pid_t Broker::pid() const { return impl_->child ? impl_->child->pid() : -1; }
std::uint64_t Broker::restarts() const { return impl_->restarts; }
std::string Broker::hint() const {
  return cat("XDG_CONFIG_HOME=", impl_->file("reader").string(),
             " mosquitto_sub -v -t '$hw/events/#' (more in ", impl_->file("README").string(), ")");
}

}  // namespace devicetwin
