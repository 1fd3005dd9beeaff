// A private Mosquitto for a devicetwin that was given no broker: a child process, on loopback only,
// with generated credentials and an access list per role, so that a first start needs no
// configuration. It is started again when it dies, and dies with devicetwin (docs/mqtt.md).
// Belongs to the loop.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "base/status.hpp"

namespace devicetwin {

class Broker {
 public:
  struct Settings {
    std::filesystem::path folder = {};  // DIR/mqtt: configuration, credentials, persistence
    std::uint16_t port = 1883;  // of 127.0.0.1; taken: the next free one of 100. 0: any free
    std::string program = {};   // "": mosquitto in PATH, /usr/sbin or /usr/local/sbin
  };

  // Writes the files of the folder (0600; the folder 0700), ends a broker that a killed devicetwin
  // left in it, starts the child and blocks until it listens, at most 10 s. Call it on the thread
  // that will run the loop: the child is bound to that thread's life.
  // not_found: there is no mosquitto. invalid: a wrong line in `credentials`. unavailable: the
  // folder cannot be written, no port is free, or mosquitto ends at once (with its own words).
  static base::Result<std::unique_ptr<Broker>> start(base::IoLoop& loop, Settings settings);
  // Ends the child, within 3 s.
  ~Broker();

  const std::string& url() const;  // "tcp://127.0.0.1:1883"
  std::uint16_t port() const;
  // devicetwin's own: the role that may do everything.
  const std::string& user() const;
  const std::string& password() const;
  pid_t pid() const;               // -1 while it waits for being started again
  std::uint64_t restarts() const;  // since start()
  // Ready commands for a person: "XDG_CONFIG_HOME=DIR/mqtt/reader mosquitto_sub -v -t '…'".
  std::string hint() const;

 private:
  struct Impl;
  explicit Broker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin
