#include "gige/find.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "src/gvcp_socket.hpp"
#include "src/interfaces.hpp"

namespace gige {

using base::Code;
using base::Status;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds ask_again{100};
// A flood is looked at in helpings, so that the time is looked at too, and every socket's turn
// comes.
constexpr int max_datagrams_at_once = 256;
constexpr std::size_t max_cameras = 1024;  // more answers than this are not a network of cameras
constexpr std::size_t max_named = 5;       // others, in the text of a camera that is not there

sockaddr_in address_of(std::uint32_t ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(ip);
  address.sin_port = htons(port);
  return address;
}

// Our address that packets to `ip` leave from; 0: no route.
std::uint32_t source_towards(std::uint32_t ip) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return 0;
  const sockaddr_in to = address_of(ip, gvcp::port);
  sockaddr_in own{};
  socklen_t bytes = sizeof own;
  const bool routed = connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 &&
                      getsockname(socket, reinterpret_cast<sockaddr*>(&own), &bytes) == 0;
  close(socket);
  return routed ? ntohl(own.sin_addr.s_addr) : 0;
}

// One socket that asks, and whom.
class Asker {
 public:
  Asker(Interface interface, std::vector<std::uint32_t> targets)
      : interface_(std::move(interface)), targets_(std::move(targets)) {}
  Asker(Asker&& other) noexcept
      : interface_(std::move(other.interface_)),
        targets_(std::move(other.targets_)),
        socket_(std::exchange(other.socket_, -1)),
        anywhere_(other.anywhere_) {}
  ~Asker() {
    if (socket_ >= 0) close(socket_);
  }

  // Bound to the interface's address; or, anywhere: to the interface alone, so that answers that
  // are broadcast are heard, too: from cameras whose address is of another network.
  bool open(bool anywhere) {
    anywhere_ = anywhere;
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_ < 0) return false;
    const int on = 1;
    if (setsockopt(socket_, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) != 0) return false;
    const auto& name = interface_.name;
    if (anywhere && setsockopt(socket_, SOL_SOCKET, SO_BINDTODEVICE, name.c_str(),
                               static_cast<socklen_t>(name.size())) != 0) {
      return false;
    }
    const sockaddr_in own = address_of(anywhere ? 0 : interface_.ip, 0);
    return bind(socket_, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0;
  }

  // false: nothing could be sent at all.
  bool ask(std::uint16_t id) {
    const gvcp::Bytes command = gvcp::discovery(id, anywhere_);
    bool sent = false;
    for (const std::uint32_t target : targets_) sent |= send(command, target);
    return sent;
  }

  int socket() const { return socket_; }

  void hear(const std::function<void(const CameraInfo&)>& heard) {
    std::uint8_t buffer[2048];
    sockaddr_in from{};
    socklen_t from_bytes = sizeof from;
    for (int i = 0; i < max_datagrams_at_once; ++i) {
      const ssize_t count = recvfrom(socket_, buffer, sizeof buffer, 0,
                                     reinterpret_cast<sockaddr*>(&from), &from_bytes);
      if (count < 0) return;
      if (ntohs(from.sin_port) != gvcp::port) continue;
      const auto answer = gvcp::parse(gvcp::View(buffer, static_cast<std::size_t>(count)));
      if (!answer || !answer->to(gvcp::Command::discovery) || answer->status != 0) continue;
      const auto camera = gvcp::discovered(*answer);
      if (camera) heard(info(*camera));
    }
  }

 private:
  bool send(const gvcp::Bytes& command, std::uint32_t target) {
    // Broadcasts leave through the interface, not by the default route.
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
    sockaddr_in to = address_of(target, gvcp::port);
    iovec part{const_cast<std::uint8_t*>(command.data()), command.size()};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = sizeof to;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (target == interface_.broadcast || target == INADDR_BROADCAST) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = IPPROTO_IP;
      header->cmsg_type = IP_PKTINFO;
      header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
      in_pktinfo where{};
      where.ipi_ifindex = static_cast<int>(interface_.index);
      where.ipi_spec_dst.s_addr = htonl(interface_.ip);
      std::memcpy(CMSG_DATA(header), &where, sizeof where);
    }
    return sendmsg(socket_, &message, MSG_NOSIGNAL) >= 0;
  }

  CameraInfo info(const gvcp::Discovered& camera) const {
    CameraInfo info;
    info.manufacturer = camera.manufacturer;
    info.model = camera.model;
    info.version = camera.version;
    info.serial = camera.serial;
    info.user_name = camera.user_name;
    info.mac = camera.mac;
    info.ip = format_ip(camera.ip);
    info.interface_name = interface_.name;
    info.interface_ip = format_ip(interface_.ip);
    // Asked at its address and heard from it: reachable, through a router too.
    const bool asked = std::find(targets_.begin(), targets_.end(), camera.ip) != targets_.end();
    info.reachable = asked || (camera.ip & interface_.mask) == (interface_.ip & interface_.mask);
    return info;
  }

  Interface interface_;
  std::vector<std::uint32_t> targets_;
  int socket_ = -1;
  bool anywhere_ = false;
};

class Search {
 public:
  // direct: an address to ask, besides everybody; 0: none.
  Status open(const std::string& wanted, std::uint32_t direct) {
    const std::vector<Interface> found = interfaces(wanted);
    if (found.empty()) {
      return Status(Code::unavailable,
                    wanted.empty() ? "no interface with an IPv4 address is up"
                                   : "no interface " + wanted + " with an IPv4 address is up");
    }
    const std::uint32_t source = direct == 0 ? 0 : source_towards(direct);
    std::vector<std::string> asked;
    for (const Interface& interface : found) {
      if (direct != 0 && (!wanted.empty() || interface.ip == source)) add(interface, {direct});
      const bool first = std::find(asked.begin(), asked.end(), interface.name) == asked.end();
      if (interface.loopback && first) add(interface, addresses_of(interface.name));
      if (!interface.loopback) broadcast(interface);
      asked.push_back(interface.name);
    }
    if (askers_.empty()) return Status(Code::unavailable, why_);
    return Status();
  }

  // Asks now and every 100 ms, and returns when `heard` says so or the time is over, whatever
  // comes.
  Status run(Clock::time_point until, const std::function<bool(const CameraInfo&)>& heard,
             const std::function<bool()>& enough) {
    auto next = Clock::now();
    bool sent = false;
    while (Clock::now() < until) {
      if (Clock::now() >= next) {
        id_ = id_ == 0xFFFF ? std::uint16_t{1} : static_cast<std::uint16_t>(id_ + 1);
        for (Asker& asker : askers_) sent |= asker.ask(id_);
        next = Clock::now() + ask_again;
      }
      std::vector<pollfd> ready;
      for (const Asker& asker : askers_) ready.push_back({asker.socket(), POLLIN, 0});
      const auto wait = std::chrono::ceil<milliseconds>(std::min(until, next) - Clock::now());
      poll(ready.data(), ready.size(), static_cast<int>(std::max<std::int64_t>(0, wait.count())));
      bool done = false;
      for (Asker& asker : askers_) {
        asker.hear([&](const CameraInfo& camera) { done |= heard(camera); });
      }
      if (done || enough()) return Status();
    }
    if (sent) return Status();
    return Status(Code::unavailable, base::cat("discovery could not be sent: ", strerror(errno)));
  }

 private:
  static std::vector<std::uint32_t> addresses_of(const std::string& name) {
    std::vector<std::uint32_t> all;
    for (const Interface& interface : interfaces(name)) all.push_back(interface.ip);
    return all;
  }

  void broadcast(const Interface& interface) {
    std::vector<std::uint32_t> targets{INADDR_BROADCAST};
    if (interface.broadcast != 0) targets.push_back(interface.broadcast);
    add(interface, targets);
    Asker anywhere(interface, targets);
    if (anywhere.open(true)) askers_.push_back(std::move(anywhere));
  }

  void add(const Interface& interface, std::vector<std::uint32_t> targets) {
    Asker asker(interface, std::move(targets));
    if (asker.open(false)) {
      askers_.push_back(std::move(asker));
    } else {
      why_ = base::cat("interface ", interface.name, " at ", format_ip(interface.ip), ": ",
                       strerror(errno));
    }
  }

  std::vector<Asker> askers_;
  std::string why_ = "no interface can be asked";
  std::uint16_t id_ = 0;
};

auto identity(const CameraInfo& camera) {
  return std::tie(camera.mac, camera.serial, camera.ip, camera.interface_name);
}

// Each once per interface, by MAC; few, so a list will do.
class Heard {
 public:
  void add(const CameraInfo& camera) {
    if (cameras_.size() == max_cameras) return;
    const auto at = std::lower_bound(
        cameras_.begin(), cameras_.end(), camera,
        [](const CameraInfo& a, const CameraInfo& b) { return identity(a) < identity(b); });
    if (at == cameras_.end() || identity(*at) != identity(camera)) cameras_.insert(at, camera);
  }
  const std::vector<CameraInfo>& cameras() const { return cameras_; }

 private:
  std::vector<CameraInfo> cameras_;
};

bool matches(const CameraQuery& query, const CameraInfo& camera) {
  return (query.serial.empty() || query.serial == camera.serial) &&
         (query.ip.empty() || query.ip == camera.ip) &&
         (query.mac.empty() || base::lower(query.mac) == camera.mac) &&
         (query.user_name.empty() || query.user_name == camera.user_name);
}

std::string describe(const CameraInfo& camera) {
  return base::cat(camera.model, " serial ", camera.serial, " at ", camera.ip);
}

Status not_there(const CameraQuery& query, const std::vector<CameraInfo>& others,
                 milliseconds patience) {
  std::string text =
      base::cat("no camera answers as ", query.to_string(), " within ", patience.count(), " ms");
  if (others.empty()) return Status(Code::unavailable, text + "; no other camera answers either");
  text += "; there are";
  for (std::size_t i = 0; i < others.size() && i < max_named; ++i) {
    text += (i == 0 ? " " : ", ") + describe(others[i]);
  }
  if (others.size() > max_named) text += base::cat(" and ", others.size() - max_named, " more");
  return Status(Code::unavailable, text);
}

}  // namespace

std::string CameraQuery::to_string() const {
  std::string text;
  const auto add = [&](std::string_view word, const std::string& value) {
    if (!value.empty()) text += base::cat(text.empty() ? "" : ", ", word, value);
  };
  add("serial ", serial);
  add("ip ", ip);
  add("mac ", mac);
  add("user name ", user_name);
  if (text.empty()) text = "any camera";
  if (!interface.empty()) text += " on " + interface;
  return text;
}

base::Result<std::vector<CameraInfo>> discover(const std::string& interface,
                                               milliseconds patience) {
  Search search;
  if (const Status status = search.open(interface, 0); !status.ok()) return status;
  Heard heard;
  const auto add = [&](const CameraInfo& camera) {
    heard.add(camera);
    return false;
  };
  const Status status = search.run(Clock::now() + patience, add, [] { return false; });
  if (!status.ok()) return status;
  return heard.cameras();
}

base::Result<CameraInfo> find(const CameraQuery& query, milliseconds patience) {
  const std::uint32_t direct = query.ip.empty() ? 0 : parse_ip(query.ip);
  if (!query.ip.empty() && direct == 0) {
    return Status(Code::invalid, "camera ip " + query.ip + ": not an IPv4 address");
  }
  Search search;
  if (const Status status = search.open(query.interface, direct); !status.ok()) return status;

  const bool any =
      query.serial.empty() && query.ip.empty() && query.mac.empty() && query.user_name.empty();
  const bool unique = !query.ip.empty() || !query.mac.empty();
  const auto began = Clock::now();
  Heard matching;
  Heard others;
  const auto hear = [&](const CameraInfo& camera) {
    const bool match = matches(query, camera);
    (match ? matching : others).add(camera);
    return match && unique;
  };
  const auto enough = [&] {
    return !matching.cameras().empty() && Clock::now() - began >= ask_again;
  };
  const Status status = search.run(began + std::max(patience, ask_again), hear, enough);
  if (!status.ok()) return status;

  const auto& found = matching.cameras();
  if (found.empty()) return not_there(query, others.cameras(), patience);
  if (!any && found.front().mac != found.back().mac) {
    return Status(Code::conflict, base::cat("two cameras answer as ", query.to_string(), ": ",
                                            describe(found.front()), " (", found.front().mac,
                                            ") and ", describe(found.back()), " (",
                                            found.back().mac, "): ask for one by its mac"));
  }
  // One that hears us on two interfaces is taken where its address is of the network.
  const auto reachable = std::find_if(found.begin(), found.end(), [&](const CameraInfo& camera) {
    return camera.reachable && camera.mac == found.front().mac;
  });
  return reachable == found.end() ? found.front() : *reachable;
}

bool answers(const CameraInfo& camera, milliseconds patience) {
  auto socket = GvcpSocket::open(parse_ip(camera.interface_ip), parse_ip(camera.ip));
  if (!socket) return false;
  const auto found = socket->discover(patience);
  return found.ok() && (camera.mac.empty() || found->mac == camera.mac);
}

}  // namespace gige
