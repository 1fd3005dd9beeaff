#include "outlets/post.hpp"

#include <pthread.h>

#include <algorithm>

#include "base/backoff.hpp"
#include "base/text.hpp"
#include "outlets/image.hpp"

namespace gige {

using base::cat;

namespace {

// "https://inspect.example:443/in" → "https://inspect.example:443".
std::string server_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == url.npos) return "";
  return base::lower(url.substr(0, url.find_first_of("/?#", scheme + 3)));
}

}  // namespace

Poster::Poster(const dmi::ObjectId& device, PostSettings settings, std::shared_ptr<Counts> counts,
               PostWaits waits)
    : device_(device), settings_(std::move(settings)), counts_(std::move(counts)), waits_(waits) {}

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
  base::Status status;
  for (int tried = 0;; ++tried) {
    status = send(item);
    if (status.ok()) {
      ++counts_->posted;
      return repeats_.over(key, cat(device_.to_string(), ": images are posted again"));
    }
    if (!status.retriable() || tried >= settings_.retries) break;
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, backoff.next(), [this] { return finishing_; })) break;
  }
  ++counts_->failed;
  repeats_.warn(std::chrono::steady_clock::now(), key,
                cat(device_.to_string(), ": frame ", item.image->info.sequence,
                    " is not posted: ", status.text()));
}

base::Status Poster::send(const Item& item) {
  const bool known = !settings_.url.empty() && server_of(item.url) == server_of(settings_.url);
  std::unique_ptr<base::Post>& post = known ? known_ : other_;
  if (!post) {
    const base::PostAccess& all = settings_.access;
    post = std::make_unique<base::Post>(
        known ? all : base::PostAccess{.ca = all.ca, .proxy = all.proxy}, waits_.answer,
        [this] { return out_of_time(); });
  }
  const Image& image = *item.image;
  base::Post::Headers all = headers(image.info);
  all.emplace_back("X-Frame-Device", device_.to_string());
  all.emplace_back("X-Frame-Sha256", image.sha256);
  all.emplace_back("Content-Type", media_type(image.format));
  return post->send(item.url, all,
                    {reinterpret_cast<const char*>(image.bytes.data()), image.bytes.size()});
}

}  // namespace gige
