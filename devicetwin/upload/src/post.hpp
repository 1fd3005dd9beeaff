// HTTP POST with libcurl on one kept-alive connection. One thread at a time; stop() from any.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.hpp"

namespace devicetwin::upload {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Header values carry printable ASCII; other bytes and '%' of a topic are written as %41.
std::string header_value(std::string_view text);

class Post {
 public:
  // ca: PEM file, or "" for the system's.
  Post(std::string url, std::string ca, std::chrono::milliseconds timeout);
  ~Post();
  Post(const Post&) = delete;

  // ok: the server answered 2xx. unavailable: it did not answer or asks to come later (408, 429,
  // 5xx). refused: it answered something else.
  base::Status send(const Headers& headers, std::string_view body);
  // A request that runs ends within a second, and no further one begins.
  void stop() { stopped_ = true; }

 private:
  struct Handle;
  const std::string url_;
  const std::string ca_;
  const std::chrono::milliseconds timeout_;
  std::atomic<bool> stopped_{false};
  std::unique_ptr<Handle> handle_;
};

}  // namespace devicetwin::upload
