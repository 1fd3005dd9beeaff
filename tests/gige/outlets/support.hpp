// What the outlets' tests share: a camera whose frames the test takes, and HTTP requests. One
// thread.
#pragma once

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "base/token.hpp"
#include "dmi/json.hpp"
#include "gige/outlets.hpp"
#include "outlets/counts.hpp"
#include "support/process.hpp"

namespace gige::test {

using base::cat;
using std::chrono::milliseconds;
using test_support::TempFolder;
using test_support::wait_until;

constexpr milliseconds patience{20'000};
constexpr std::uint32_t mono8 = 0x01080001;                   // PFNC
constexpr std::int64_t start_ns = 1'763'868'000'123'000'000;  // 2025-11-23T03:20:00.123Z

inline const dmi::ObjectId device{"default", "cam"};

inline FrameInfo info_of(std::uint64_t sequence, std::uint32_t width = 64,
                         std::uint32_t height = 32) {
  FrameInfo info;
  info.sequence = sequence;
  info.id = 1000 + sequence;
  info.camera_ns = static_cast<std::int64_t>(sequence) * 40'000'000;
  info.arrived_ns = start_ns + info.camera_ns;
  info.exposed_ns = info.arrived_ns - 1'000'000;
  info.width = width;
  info.height = height;
  info.format = mono8;
  info.size = std::uint64_t{width} * height;
  return info;
}

// A stream of Mono8 frames in shared memory that goes on when the test says so.
class Camera {
 public:
  explicit Camera(std::uint32_t width = 64, std::uint32_t height = 32)
      : width_(width), height_(height) {
    static int made = 0;
    auto ring = FrameRing::create(cat("gige-outlets-test-", ::getpid(), '-', ++made), 8,
                                  std::size_t{width} * height);
    if (!ring) throw std::runtime_error(ring.status().to_string());
    ring_ = *ring;
    for (std::size_t i = 0; i < ring_->slots(); ++i) free_.push_back(i);
  }

  // The next frame, complete, and not like the one before.
  FrameInfo take(Feed& feed) {
    const FrameInfo info = take();
    feed.put(ring_, info);
    return info;
  }
  // The same before the feed is told of it.
  FrameInfo take() {
    while (free_.empty()) {
      if (const auto slot = ring_->reclaim(1)) free_.push_back(*slot);
    }
    const std::size_t slot = free_.back();
    free_.pop_back();
    const FrameInfo info = info_of(++sequence_, width_, height_);
    for (std::uint64_t i = 0; i < info.size; ++i) {
      ring_->slot(slot)[i] = static_cast<std::uint8_t>((i * 31 + sequence_ * 17) ^ (i >> 5));
    }
    ring_->publish(slot, info);
    return info;
  }
  const std::shared_ptr<FrameRing>& ring() const { return ring_; }
  void end_stream() { ring_.reset(); }

 private:
  std::uint32_t width_, height_;
  std::shared_ptr<FrameRing> ring_;
  std::vector<std::size_t> free_;
  std::uint64_t sequence_ = 0;
};

struct Answer {
  long status = 0;                             // 0: none
  std::map<std::string, std::string> headers;  // lower-case names
  std::string body;

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

inline std::size_t take_body(char* data, std::size_t size, std::size_t count, void* to) {
  static_cast<std::string*>(to)->append(data, size * count);
  return size * count;
}

inline std::size_t take_header(char* data, std::size_t size, std::size_t count, void* to) {
  const std::string_view line(data, size * count);
  const std::size_t colon = line.find(": ");
  if (colon != line.npos) {
    (*static_cast<std::map<std::string, std::string>*>(to))[base::lower(line.substr(0, colon))] =
        line.substr(colon + 2, line.find('\r') - colon - 2);
  }
  return size * count;
}

inline Answer request(const std::string& method, const std::string& url,
                      std::vector<std::string> headers = {}) {
  CURL* const curl = curl_easy_init();
  curl_slist* list = nullptr;
  for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
  Answer answer;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer.headers);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 20'000L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  if (method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (method == "POST") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
  } else {
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
  }
  if (curl_easy_perform(curl) == CURLE_OK) {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  }
  curl_slist_free_all(list);
  curl_easy_cleanup(curl);
  return answer;
}

inline Answer get(const std::string& url, std::vector<std::string> headers = {}) {
  return request("GET", url, std::move(headers));
}

inline std::uint16_t port_of(const std::string& url) {
  return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
}

inline std::string text_of(const Image& image) {
  return std::string(image.bytes.begin(), image.bytes.end());
}

// What the outlets of start_outlets() want of commands.
inline std::string token_file() {
  static const TempFolder folder;
  return (folder / "state/http.token").string();
}
inline std::string authorization() {
  return cat("Authorization: Bearer ", base::token_of(token_file()).value());
}

inline std::unique_ptr<Outlets> start_outlets(std::string http = "127.0.0.1:0") {
  auto outlets = Outlets::start(
      {.http = std::move(http), .public_url = "", .http_names = "", .http_token = token_file()});
  if (!outlets) throw std::runtime_error(outlets.status().to_string());
  return std::move(*outlets);
}

// What /cameras says of a device; null: nothing.
inline dmi::Json described(const Outlets& outlets, const std::string& device) {
  const auto json = dmi::parse_json(get(outlets.url() + "/cameras").body);
  if (!json) return nullptr;
  for (const dmi::Json& each : *json) {
    if (each.value("device", "") == device) return each;
  }
  return nullptr;
}

}  // namespace gige::test
