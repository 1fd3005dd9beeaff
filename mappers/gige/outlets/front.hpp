// The cameras over HTTP: a page, JSON, images, MJPEG, commands. A thread and loop of its own; the
// work is done elsewhere (feeds), here only bytes are moved.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include "base/http.hpp"
#include "base/loop.hpp"
#include "base/status.hpp"
#include "gige/outlets.hpp"
#include "outlets/registry.hpp"
#include "outlets/route.hpp"
#include "outlets/viewers.hpp"

namespace gige {

class Front {
 public:
  // options.http: "IP:PORT", "[IPv6]:PORT". invalid, unavailable, conflict: as for a listener.
  // registry outlives it, and so do the threads of the feeds.
  static base::Result<std::unique_ptr<Front>> start(const Outlets::Options& options,
                                                    Registry& registry);
  ~Front();

  std::string address() const { return address_; }  // with the port that was taken

 private:
  using Request = base::http::Request;
  using Answer = std::shared_ptr<base::http::Response>;
  struct Stream {
    explicit Stream(base::Loop& loop) : viewers(loop) {}
    std::weak_ptr<FeedImpl> feed;
    Viewers viewers;
  };

  explicit Front(Registry& registry) : registry_(registry), sweep_(loop_) {}
  void handle(const Request& request, const Answer& answer);
  void get(const Route& route, const Request& request, const Answer& answer);
  void latest(const Route& route, const Request& request, const Answer& answer);
  void frame(const Route& route, const Request& request, const Answer& answer);
  void stream(const Route& route, const Request& request, const Answer& answer);
  void command(const Route& route, const Request& request, const Answer& answer);
  void load_token(const std::string& file);
  // Answers who may not run commands; false then.
  bool may_command(const Request& request, const Answer& answer) const;
  void watch_anew(const dmi::ObjectId& device);
  void sweep();

  // An answer that comes later, from another thread: only its number leaves the loop, because a
  // Response may end its life nowhere else.
  std::uint64_t later(const Answer& answer);
  Answer take(std::uint64_t number);

  Registry& registry_;
  std::string address_;
  std::vector<std::string> names_;
  std::string token_;   // "": there is none
  std::string remedy_;  // where the token is, or why there is none
  base::IoLoop loop_;
  base::Timer sweep_;
  std::unique_ptr<base::http::Server> server_;
  std::unordered_map<std::uint64_t, Answer> later_;
  std::uint64_t next_ = 1;
  std::map<dmi::ObjectId, Stream> streams_;
  std::thread thread_;
};

// The page at "/": every camera with its picture, without scripts.
std::string page(const std::vector<dmi::Json>& cameras);

}  // namespace gige
