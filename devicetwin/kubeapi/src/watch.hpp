// Clients that hear of every change: the endpoint's memory of recent changes and its open streams.
// Confined to the loop.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/http.hpp"
#include "base/loop.hpp"
#include "devicetwin/core.hpp"
#include "failure.hpp"
#include "resource.hpp"
#include "selector.hpp"
#include "table.hpp"

namespace devicetwin::kube {

struct WatchRequest {
  const Resource* resource = nullptr;
  std::string space;  // "": all
  Selector selector;
  Form form = Form::objects;
  std::uint64_t since = 0;  // 0: tell of what there is first, then of what changes
  bool bookmarks = false;
  bool initial_bookmark = false;  // sendInitialEvents: say when the first part is over
  std::chrono::seconds timeout{3600};
};

class Watches {
 public:
  // One stream costs some 50 KiB with TLS.
  static constexpr std::size_t max_watchers = 256;
  // Changes remembered per kind, for clients that come back; older: 410, and the client lists.
  static constexpr std::size_t max_events = 1024;
  static constexpr std::size_t max_event_bytes = 8u << 20;
  // A status is told at most so often: a poll of a thousand points must not flood a terminal.
  static constexpr std::chrono::milliseconds status_pause{100};
  static constexpr std::chrono::seconds bookmark_pause{60};

  Watches(Core& core, base::Loop& loop);
  ~Watches();

  // Begins the stream, or says why not.
  std::optional<Failure> start(WatchRequest request,
                               const std::shared_ptr<base::http::Response>& response);
  void changed(const Change& change);
  std::size_t count() const { return watchers_.size(); }

 private:
  // status: without texts, which are rendered when they are told.
  struct Event {
    Change::What what;
    dmi::ObjectId id;
    std::uint64_t version;
    Text before;
    Text after;
    std::size_t bytes() const { return before.held_bytes() + after.held_bytes(); }
  };
  struct Memory {
    std::deque<Event> events;
    std::size_t bytes = 0;
    std::uint64_t complete_since = 0;  // nothing after this version is missing
  };
  struct Watcher {
    WatchRequest request;
    std::shared_ptr<base::http::Response> response;
    std::uint64_t after = 0;  // what was sent is at least as new as this
    bool columns_told = false;
    bool gone = false;
    base::Loop::TimerId timeout = 0;
  };

  void remember(Kind kind, Event event);
  void status_changed(const Change& change);
  void tell(Kind kind, const Event& event);
  void deliver(Watcher& watcher, const Event& event);
  void tell_statuses();
  void tell_present(Watcher& watcher);
  void replay(Watcher& watcher);
  void send(Watcher& watcher, std::string_view type, const dmi::ObjectId& id, std::uint64_t version,
            std::string_view text);
  void send_bookmark(Watcher& watcher, bool initial_end);
  void tell_bookmarks();
  void finish(std::uint64_t key);
  void forget_gone();
  bool wanted(const Watcher& watcher, const dmi::ObjectId& id) const;

  Core& core_;
  base::Loop& loop_;
  std::map<std::uint64_t, Watcher> watchers_;
  std::uint64_t next_key_ = 1;
  Memory memories_[3];                   // by kind
  std::map<dmi::ObjectId, bool> dirty_;  // statuses to tell; true: new
  base::SteadyTime statuses_told_{};
  base::Timer status_timer_;
  base::Timer bookmark_timer_;
  // What a client's leave looks at, as it may come when this is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace devicetwin::kube
