// Whether the gRPC server at a unix socket answers. Belongs to the loop and never blocks it.
//
// Without gRPC, because its keepalive pings make Go servers hang up (too_many_pings) and every
// method of DMI has an effect: the client's preface of HTTP/2 (RFC 9113, 3.4) is sent, and the
// server must answer with its own, a SETTINGS frame. It is the server's threads that send it, so
// that a process that is stopped, or whose threads are all stuck, does not.
#pragma once

#include <functional>
#include <string>

#include "base/loop.hpp"

namespace devicetwin {

class Probe {
 public:
  enum class Answer : unsigned char {
    answers,
    silent,   // it accepted, or its queue of connections is full, and nothing came
    refused,  // nobody accepts there
    unknown,  // this process has no descriptor left to ask with
  };
  using Done = std::function<void(Answer)>;

  // address: an absolute path; one that is too long for a socket is refused.
  Probe(base::Loop& loop, std::string address);
  ~Probe();

  // Asks once; an earlier question is dropped. done comes within patience, and at once where the
  // address refuses. After silence the connection is kept, and the next question waits on it: a
  // process that is stopped for long does not find its queue full of ours.
  void ask(base::Duration patience, Done done);

 private:
  Answer connect();  // silent: asked, or to be asked again
  // Whether the answer is there, is not there yet, or will never come on this connection.
  enum class Heard : unsigned char { yes, not_yet, ended };
  Heard hear();
  void look();
  void finish(Answer answer);
  void hang_up();

  base::Loop& loop_;
  std::string address_;
  base::Timer timer_;
  Done done_;
  base::SteadyTime deadline_{};
  base::Duration pause_{};
  int fd_ = -1;
};

}  // namespace devicetwin
