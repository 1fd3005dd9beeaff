// POST of image files to a URL, on a thread of its own, so that one camera's dead server delays
// nobody else's images. Any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/log.hpp"
#include "base/post.hpp"
#include "gige/outlets.hpp"
#include "outlets/counts.hpp"

namespace gige {

// Waits between tries; tests are quicker.
struct PostWaits {
  std::chrono::milliseconds first{1000};
  std::chrono::milliseconds most{30'000};
  std::chrono::milliseconds answer{30'000};  // for the whole of one try
};

inline constexpr base::PostNames post_names = {.ca = "caFile",
                                               .certificate = "certFile",
                                               .key = "keyFile",
                                               .user = "user",
                                               .password = "passwordFile"};

class Poster {
 public:
  // Images that wait beside the one on its way. Past it the oldest goes: the newest picture says
  // most, and a server that is away for an hour must not cost an hour's pictures of memory.
  static constexpr std::size_t max_waiting = 4;

  Poster(const dmi::ObjectId& device, PostSettings settings, std::shared_ptr<Counts> counts,
         PostWaits waits = {});
  ~Poster() { finish({}); }
  Poster(const Poster&) = delete;

  // The thread starts with the first image. Returns at once.
  void push(std::string url, ImagePtr image);
  // Sends what waits until the deadline (no retry after it), then ends the thread.
  void finish(base::SteadyTime deadline);

 private:
  struct Item {
    std::string url;
    ImagePtr image;
  };

  void run();
  void deliver(const Item& item);
  base::Status send(const Item& item);
  bool out_of_time();

  const dmi::ObjectId device_;
  const PostSettings settings_;
  const std::shared_ptr<Counts> counts_;
  const PostWaits waits_;
  // Of the thread: for the server of settings_.url, and for whatever others ImageURL names, who are
  // shown no password and no certificate of ours.
  std::unique_ptr<base::Post> known_;
  std::unique_ptr<base::Post> other_;
  base::Repeats repeats_;  // of the thread
  std::mutex mutex_;       // guards what follows
  std::condition_variable changed_;
  std::deque<Item> waiting_;
  bool finishing_ = false;
  base::SteadyTime deadline_{};
  std::thread thread_;
};

}  // namespace gige
