// Cameras for these tests: Aravis' fake one as a process, ours in this process, and what a stream
// brings.
#pragma once

#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "generator/camera.hpp"
#include "gige/camera.hpp"
#include "gige/find.hpp"
#include "support/process.hpp"

namespace gige::testing {

using std::chrono::milliseconds;

// An arv-fake-gv-camera-0.8 at the address.
inline std::unique_ptr<test_support::Process> fake_camera(const std::string& ip,
                                                          const std::string& serial,
                                                          std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"arv-fake-gv-camera-0.8", "-i", ip, "-s", serial};
  arguments.insert(arguments.end(), more.begin(), more.end());
  auto process = std::make_unique<test_support::Process>(arguments);
  CameraQuery query;
  query.ip = ip;
  test_support::wait_until([&] { return find(query, milliseconds(200)).ok(); });
  return process;
}

inline std::unique_ptr<generator::Camera> own_camera(generator::Options options) {
  auto camera = generator::Camera::start(options);
  return camera ? std::move(*camera) : nullptr;
}

inline base::Result<CameraInfo> find_at(const std::string& ip) {
  CameraQuery query;
  query.ip = ip;
  return find(query, std::chrono::seconds(10));
}

inline base::Result<std::unique_ptr<Camera>> open_at(const std::string& ip, LinkSettings link = {},
                                                     bool control = true) {
  const auto info = find_at(ip);
  if (!info) return info.status();
  return Camera::open(*info, link, control);
}

inline std::string ring_name(const std::string& of) {
  return "gige-camera-test-" + std::to_string(getpid()) + "-" + of;
}

// Frames as they come.
class Taken {
 public:
  Camera::Taken callback() {
    return [this](const std::shared_ptr<FrameRing>& ring, const FrameInfo& info) {
      const std::lock_guard lock(mutex_);
      infos_.push_back(info);
      newest_ = ring->newest();
      if (info.status == FrameStatus::complete) ++complete_;
    };
  }
  std::size_t complete() const { return complete_; }
  bool wait_for(std::size_t frames) const {
    return test_support::wait_until([&] { return complete_ >= frames; });
  }
  std::vector<FrameInfo> infos() const {
    const std::lock_guard lock(mutex_);
    return infos_;
  }
  FramePtr newest() const {
    const std::lock_guard lock(mutex_);
    return newest_;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    newest_.reset();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<FrameInfo> infos_;
  FramePtr newest_;
  std::atomic<std::size_t> complete_{0};
};

// What the watch says.
class Lost {
 public:
  std::function<void(base::Status)> callback() {
    return [this](base::Status status) {
      const std::lock_guard lock(mutex_);
      said_.push_back(std::move(status));
    };
  }
  bool wait() const {
    return test_support::wait_until([&] { return times() > 0; });
  }
  std::size_t times() const {
    const std::lock_guard lock(mutex_);
    return said_.size();
  }
  base::Status status() const {
    const std::lock_guard lock(mutex_);
    return said_.empty() ? base::Status() : said_.front();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<base::Status> said_;
};

}  // namespace gige::testing
