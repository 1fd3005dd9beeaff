// The SDK's end of a Sink: the newest pushed sample of each point, and whether the device was lost.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "inbox.hpp"
#include "mapper/driver.hpp"

namespace mapper {

// Threads: put from any; take and close on the loop.
struct Sink::Mailbox : std::enable_shared_from_this<Sink::Mailbox> {
 public:
  // arrived is called on the loop after something was put.
  Mailbox(base::Loop& loop, std::size_t points, std::function<void()> arrived);

  struct Contents {
    std::vector<std::pair<std::size_t, dmi::Sample>> samples;
    std::optional<base::Status> lost;
  };
  Contents take();
  void close();  // puts do nothing from here on

  void put(std::size_t point, dmi::Sample sample);
  void put_lost(base::Status why);

 private:
  void notify();

  std::mutex mutex_;  // guards all below: drivers push from threads of their own
  base::Loop* loop_;  // null: closed
  std::function<void()> arrived_;
  const std::size_t points_;
  std::vector<std::optional<dmi::Sample>> newest_;  // empty before the first: few drivers push
  std::vector<std::size_t> filled_;
  std::optional<base::Status> lost_;
  bool posted_ = false;
};

}  // namespace mapper
