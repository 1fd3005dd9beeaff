#include "modbus/buses.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

// Lets go of a bus that nobody has used for a while. A timer of the loop holds it until then, so
// that it ends with the loop, whoever lives longer.
void keep_for_a_while(base::Loop& loop, std::shared_ptr<Bus> bus) {
  loop.after(Buses::patience, [bus = std::move(bus)] {});
}

// What a driver holds: its share of the bus.
class Share final : public Link {
 public:
  Share(base::Loop& loop, std::shared_ptr<Bus> bus, const Pace& pace, bool listens)
      : loop_(loop), bus_(std::move(bus)), pace_(pace), listens_(listens) {
    bus_->join(pace_);
  }
  ~Share() override {
    bus_->leave(pace_, listens_);
    if (bus_->users() > 0) return;
    keep_for_a_while(loop_, std::move(bus_));
  }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;

  void send(std::shared_ptr<Transaction> transaction) override {
    bus_->send(std::move(transaction));
  }
  Counters counters() const override { return bus_->counters(); }

 private:
  base::Loop& loop_;
  std::shared_ptr<Bus> bus_;
  const Pace pace_;
  const bool listens_;
};

bool is_exclusive(const Endpoint& endpoint) {
  return endpoint.transport == Transport::serial || endpoint.transport == Transport::listen;
}

// The port that only one line can have.
std::string port_of(const Endpoint& endpoint) {
  if (endpoint.transport == Transport::serial) return endpoint.serial.port;
  return endpoint.peer.empty() ? cat("listening port ", endpoint.port)
                               : cat("listening port ", endpoint.port, " for ", endpoint.peer);
}

// Everything that makes two lines different.
std::string key_of(const Endpoint& endpoint) {
  std::string key = cat(static_cast<int>(endpoint.transport), static_cast<int>(endpoint.framing));
  if (endpoint.transport == Transport::serial) {
    const SerialSettings& serial = endpoint.serial;
    return cat(key, ' ', serial.port, ' ', serial.baud, ' ', serial.data_bits, serial.parity,
               serial.stop_bits, serial.rs485 ? " RS485" : "");
  }
  key += cat(' ', endpoint.host, ' ', endpoint.port, ' ', endpoint.peer);
  if (endpoint.transport == Transport::tls) {
    const TlsSettings& tls = endpoint.tls;
    key += cat('\n', tls.ca_file, '\n', tls.cert_file, '\n', tls.key_file, '\n', tls.server_name,
               '\n', tls.verify);
  }
  return key;
}

// For a person who has to see what differs.
std::string settings_of(const Endpoint& endpoint) {
  std::string text = cat(endpoint.to_string(),
                         endpoint.framing == Framing::rtu ? " with RTU" : " with MBAP", " framing");
  if (endpoint.transport == Transport::serial && endpoint.serial.rs485) text += ", RS485";
  if (!endpoint.peer.empty()) text += cat(", from ", endpoint.peer);
  return text;
}

}  // namespace

Status Buses::claim(const Endpoint& endpoint, const std::string& key,
                    const std::string& settings) const {
  const auto found = taken_.find(port_of(endpoint));
  if (found == taken_.end() || found->second.key == key) return Status();
  const std::shared_ptr<Bus> other = found->second.bus.lock();
  if (!other) return Status();
  if (other->users() > 0) {
    return Status(Code::unavailable, cat(port_of(endpoint), " is in use by other devices as ",
                                         found->second.settings, "; this one wants ", settings));
  }
  other->rest();  // it only waited for its devices
  return Status();
}

void Buses::forget_expired() {
  if (buses_.size() < forget_at_) return;
  std::erase_if(buses_, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(taken_, [](const auto& entry) { return entry.second.bus.expired(); });
  // Looking at all of them each time would make opening ten thousand devices quadratic.
  forget_at_ = std::max<std::size_t>(64, 2 * buses_.size());
}

Result<std::shared_ptr<Link>> Buses::get(base::Loop& loop, const Settings& settings,
                                         const MakeLine& make) {
  std::vector<const Endpoint*> endpoints{&settings.endpoint};
  if (settings.backup) endpoints.push_back(&*settings.backup);
  std::string key;
  std::string text;
  for (const Endpoint* endpoint : endpoints) {
    key += cat(key_of(*endpoint), " | ");
    text += cat(text.empty() ? "" : ", back-up ", settings_of(*endpoint));
  }
  const bool one_only =
      std::ranges::any_of(endpoints, [](auto* one) { return is_exclusive(*one); });
  if (!one_only) key += cat(settings.unit % std::max<int>(1, settings.connections));
  for (const Endpoint* endpoint : endpoints) {
    if (!is_exclusive(*endpoint)) continue;
    if (const Status free = claim(*endpoint, key, text); !free.ok()) return free;
  }

  forget_expired();
  std::weak_ptr<Bus>& known = buses_[key];
  std::shared_ptr<Bus> bus = known.lock();
  if (!bus) {
    std::vector<Bus::Way> ways;
    for (const Endpoint* endpoint : endpoints) {
      ways.push_back({endpoint->to_string(),
                      [&make, endpoint](Line::Client& client) { return make(*endpoint, client); }});
    }
    bus = std::make_shared<Bus>(loop, ways);
    known = bus;
  }
  for (const Endpoint* endpoint : endpoints) {
    if (is_exclusive(*endpoint)) taken_[port_of(*endpoint)] = Taken{bus, key, text};
  }
  const bool listens =
      std::ranges::any_of(endpoints, [](auto* one) { return one->transport == Transport::listen; });
  return std::shared_ptr<Link>(std::make_shared<Share>(
      loop, std::move(bus), Pace{settings.post_connect_delay, settings.inter_request_delay},
      listens));
}

Result<std::shared_ptr<Link>> Buses::get(base::IoLoop& loop, const Settings& settings) {
  return get(loop, settings, [&loop](const Endpoint& endpoint, Line::Client& client) {
    return make_line(loop, endpoint, client);
  });
}

std::string Buses::describe() const {
  std::string text;
  for (const auto& [key, weak] : buses_) {
    const std::shared_ptr<Bus> bus = weak.lock();
    if (bus && bus->users() > 0) text += bus->describe() + '\n';
  }
  return text;
}

}  // namespace modbus
