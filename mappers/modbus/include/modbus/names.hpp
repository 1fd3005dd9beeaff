// Addresses of hosts by name. getaddrinfo() blocks, for half a minute where no name server answers,
// so each name is looked up on a thread of its own and a dead one costs the others nothing. (Asio's
// resolver has one thread per loop for all names in turn, and the loop's end waits for it.)
//
// Threads: of a loop, and used on it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.hpp"

namespace boost::asio {
class io_context;
}

namespace modbus {

class Names {
 public:
  using Addresses = std::vector<std::string>;  // numeric, the system's favourite first; never empty
  using Done = std::function<void(const base::Result<Addresses>&)>;
  // Blocks; called on any thread. unavailable: the text says why the name has no address.
  using LookUp = std::function<base::Result<Addresses>(const std::string& host)>;

  // Look-ups at the same time of names that are new or had an address last time, and again as many
  // of those that had none. Further names wait for their turn, so the dead wait for each other.
  static constexpr std::size_t max_threads = 32;
  // Who may wait for one name: each line asks once in a while as long as it has no answer.
  static constexpr std::size_t max_waiting = 4096;

  // The one of a loop, and its last: look-ups that are at work when the loop is destroyed are left
  // to themselves, and nothing is heard of them.
  static Names& of(boost::asio::io_context& io);

  explicit Names(boost::asio::io_context& io);
  ~Names();
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;

  // Calls done on the loop, later. Who asks for a name that is being looked up gets that answer.
  void resolve(const std::string& host, Done done);
  // From now on instead of getaddrinfo().
  void use(LookUp look_up);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with threads that are still at work
};

}  // namespace modbus
