// What MQTT clients publish on the upload and user topics, delivered by HTTP POST from the outbox,
// as KubeEdge's router rule eventbus→rest does: the body is the payload.
//
// - In order, one at a time, at least once: 2xx is acknowledged; a status that says that this body
//   will never be taken (400, 413, 414, 415, 422, 431) puts the record aside: a gap marker goes in
//   its place, it is counted, and its topic and size are logged; anything else is tried again after
//   0.5, 1, 2 … 30 s for ever, and so is a gap marker, whatever the status: a server that refuses
//   everything gets nothing. A repeated record has the X-Sequence it had.
// - On disk within Outbox::window after the message came; the broker is told sooner.
// - A gap marker is a POST of its own: X-Gap: 1, its JSON as body.
//
// Belongs to the loop; requests are made on a thread of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/loop.hpp"
#include "base/post.hpp"
#include "base/status.hpp"
#include "devicetwin/outbox.hpp"

namespace devicetwin {

class Upload {
 public:
  // What the outbox calls it.
  static constexpr const char* consumer = "upload";

  struct Settings {
    std::string url = {};  // http:// or https://; the server's certificate is verified
    base::PostAccess access = {};
    std::string node = {};  // header NodeName, as KubeEdge has it
    // Of one request, from connecting to the end of the answer; 5 s of it for connecting.
    std::chrono::milliseconds timeout{30'000};
    double records_per_s = 1000;
    std::chrono::milliseconds first_retry{500};
    std::chrono::milliseconds most_retry{30'000};
  };
  struct Counters {
    std::uint64_t delivered = 0;
    std::uint64_t failed = 0;   // requests
    std::uint64_t refused = 0;  // records that the server will never take
  };

  // The outbox has the consumer, and outlives the upload. invalid: what check_post_form() says;
  // also what check_post_files() says.
  static base::Result<std::unique_ptr<Upload>> start(base::Loop& loop, Outbox& outbox,
                                                     Settings settings);
  // Ends a request that runs within a second; it comes again at the next start.
  ~Upload();

  void take(std::string_view topic, std::string_view payload);
  Counters counters() const;

 private:
  struct Impl;
  explicit Upload(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin
