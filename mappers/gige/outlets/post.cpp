#include "outlets/post.hpp"

#include <curl/curl.h>
#include <pthread.h>

#include <algorithm>

#include "base/backoff.hpp"
#include "base/text.hpp"
#include "outlets/image.hpp"

namespace gige {

using base::cat;

namespace {

constexpr long connect_ms = 5000;

std::size_t drop_body(char*, std::size_t size, std::size_t count, void*) { return size * count; }

// 408 and 429 say "later"; other 4xx say "never", and 3xx that the setting is out of date.
bool later(long status) { return status == 408 || status == 429 || status >= 500; }

}  // namespace

Poster::Poster(const dmi::ObjectId& device, int retries, std::shared_ptr<Counts> counts,
               PostWaits waits)
    : device_(device), retries_(retries), counts_(std::move(counts)), waits_(waits) {}

void Poster::push(std::string url, ImagePtr image) {
  {
    const std::lock_guard guard(mutex_);
    if (finishing_) return;
    waiting_.push_back({std::move(url), std::move(image)});
    if (waiting_.size() > max_waiting) {
      waiting_.pop_front();
      ++counts_->left_out;
    }
    if (!thread_.joinable()) {
      thread_ = std::thread([this] { run(); });
      ::pthread_setname_np(thread_.native_handle(), "gige-post");
    }
  }
  changed_.notify_one();
}

void Poster::finish(base::SteadyTime deadline) {
  {
    const std::lock_guard guard(mutex_);
    if (!finishing_) deadline_ = deadline;
    finishing_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool Poster::out_of_time() {
  const std::lock_guard guard(mutex_);
  return finishing_ && std::chrono::steady_clock::now() >= deadline_;
}

void Poster::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return finishing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const Item item = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    deliver(item);
    lock.lock();
  }
}

void Poster::deliver(const Item& item) {
  base::Backoff backoff(waits_.first, waits_.most, static_cast<std::uint32_t>(item.image->info.id));
  const std::string key = cat(device_.to_string(), " post");
  std::string why;
  for (int tried = 0;; ++tried) {
    const Outcome outcome = send(item, why);
    if (outcome == Outcome::sent) {
      ++counts_->posted;
      return repeats_.over(key, cat(device_.to_string(), ": images are posted again"));
    }
    if (outcome == Outcome::given_up || tried >= retries_) break;
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, backoff.next(), [this] { return finishing_; })) break;
  }
  ++counts_->failed;
  repeats_.warn(
      std::chrono::steady_clock::now(), key,
      cat(device_.to_string(), ": frame ", item.image->info.sequence, " is not posted: ", why));
}

// A try's handle and headers, freed whatever happens.
struct Poster::Try {
  ~Try() {
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
  }
  void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }

  CURL* curl = curl_easy_init();
  curl_slist* list = nullptr;
};

Poster::Outcome Poster::send(const Item& item, std::string& why) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);  // once, before any handle
  Try attempt;
  CURL* const curl = attempt.curl;
  if (ready != CURLE_OK || curl == nullptr) {
    why = "libcurl does not start";
    return Outcome::given_up;
  }
  const Image& image = *item.image;
  for (const auto& [name, value] : headers(image.info)) attempt.add(cat(name, ": ", value));
  attempt.add(cat("X-Frame-Device: ", device_.to_string()));
  attempt.add(cat("X-Frame-Sha256: ", image.sha256));
  attempt.add(cat("Content-Type: ", media_type(image.format)));
  attempt.add("Expect:");  // no "100-continue": it costs a second with servers that ignore it

  char text[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
  curl_easy_setopt(curl, CURLOPT_URL, item.url.c_str());
  // Neither the setting nor a redirect may read a file or talk to another service.
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, image.bytes.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(image.bytes.size()));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, attempt.list);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_body);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(waits_.answer.count()));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  // Asked once a second and more often: the way out when the process ends.
  const auto stop = [](void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) -> int {
    return static_cast<Poster*>(self)->out_of_time() ? 1 : 0;
  };
  curl_easy_setopt(
      curl, CURLOPT_XFERINFOFUNCTION,
      static_cast<int (*)(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t)>(stop));
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);

  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    why = cat(item.url, ": ", text[0] != '\0' ? text : curl_easy_strerror(code));
    const bool wrong_url = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
    return wrong_url ? Outcome::given_up : Outcome::retry;
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 200 && status < 300) return Outcome::sent;
  why = cat(item.url, " answers ", status);
  return later(status) ? Outcome::retry : Outcome::given_up;
}

}  // namespace gige
