#include "post.hpp"

#include <curl/curl.h>

#include "base/text.hpp"

namespace devicetwin::upload {

using base::cat;
using base::Code;
using base::Status;

namespace {

constexpr long connect_ms = 5000;

std::size_t drop_body(char*, std::size_t size, std::size_t count, void*) { return size * count; }

int is_stopped(void* stopped, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(stopped)->load() ? 1 : 0;
}

bool later(long status) { return status == 408 || status == 429 || status >= 500; }

}  // namespace

std::string header_value(std::string_view text) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (c > ' ' && c < 0x7f && c != '%') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

struct Post::Handle {
  Handle() {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);  // once, before any handle
    if (ready == CURLE_OK) curl = curl_easy_init();
  }
  ~Handle() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
  }
  void set_headers(const Headers& wanted) {
    curl_slist_free_all(headers);
    headers = nullptr;
    for (const auto& [name, value] : wanted) {
      headers = curl_slist_append(headers, cat(name, ": ", value).c_str());
    }
    headers = curl_slist_append(headers, "Expect:");  // no "100-continue": many ignore it for 1 s
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  }

  CURL* curl = nullptr;
  curl_slist* headers = nullptr;
  char error[CURL_ERROR_SIZE] = "";
};

Post::Post(std::string url, std::string ca, std::chrono::milliseconds timeout)
    : url_(std::move(url)),
      ca_(std::move(ca)),
      timeout_(timeout),
      handle_(std::make_unique<Handle>()) {
  CURL* const curl = handle_->curl;
  if (curl == nullptr) return;
  curl_easy_setopt(curl, CURLOPT_URL, url_.c_str());
  // Neither the setting nor a redirect may read a file or talk to another service.
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!ca_.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, ca_.c_str());
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_body);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_.count()));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, handle_->error);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, is_stopped);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &stopped_);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

Post::~Post() = default;

Status Post::send(const Headers& headers, std::string_view body) {
  CURL* const curl = handle_->curl;
  if (curl == nullptr) return Status(Code::unavailable, "libcurl does not start");
  if (stopped_) return Status(Code::unavailable, cat(url_, ": stopped"));
  handle_->set_headers(headers);
  handle_->error[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data() == nullptr ? "" : body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    const char* why = handle_->error[0] != '\0' ? handle_->error : curl_easy_strerror(code);
    return Status(Code::unavailable, cat(url_, ": ", why));
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 200 && status < 300) return Status();
  return Status(later(status) ? Code::unavailable : Code::refused, cat(url_, " answers ", status));
}

}  // namespace devicetwin::upload
