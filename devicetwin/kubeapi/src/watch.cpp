#include "watch.hpp"

#include <algorithm>
#include <cassert>

#include "base/text.hpp"
#include "view.hpp"

namespace devicetwin::kube {

using base::cat;

namespace {

// The object as it was, at the version of its deletion: clients go on from there.
Text at_version(const Text& text, std::uint64_t version) {
  dmi::Json object = text ? dmi::Json::parse(text.str(), nullptr, false) : dmi::Json();
  if (!object.is_object()) return text;
  object["metadata"]["resourceVersion"] = cat(version);
  return Text(dmi::to_text(object));
}

// A status that is gone: what is known of it is its name.
std::string bare_status(const dmi::ObjectId& id, std::uint64_t version) {
  return dmi::to_text(
      {{"apiVersion", group_version},
       {"kind", "DeviceStatus"},
       {"metadata",
        {{"name", id.name}, {"namespace", id.space}, {"resourceVersion", cat(version)}}}});
}

}  // namespace

Watches::Watches(Core& core, base::Loop& loop)
    : core_(core), loop_(loop), status_timer_(loop), bookmark_timer_(loop) {
  for (Memory& memory : memories_) memory.complete_since = core.shown_version();
  tell_bookmarks();
}

Watches::~Watches() {
  for (auto& [key, watcher] : watchers_) loop_.cancel(watcher.timeout);
}

std::optional<Failure> Watches::start(WatchRequest request,
                                      const std::shared_ptr<base::http::Response>& response) {
  if (watchers_.size() >= max_watchers) {
    return too_many(cat("there are ", watchers_.size(), " watches already (limit)"));
  }
  const std::uint64_t oldest =
      memories_[static_cast<std::size_t>(request.resource->kind)].complete_since;
  response->begin(200, "application/json");
  // A version from the future is one of another life of this store: as good as too old.
  if (request.since != 0 && (request.since < oldest || request.since > core_.version())) {
    const Failure expired =
        gone(cat("too old resource version: ", request.since, " (", oldest, ")"));
    response->write(cat("{\"type\":\"ERROR\",\"object\":", expired.to_text(), "}\n"));
    response->end();
    return std::nullopt;
  }
  const std::uint64_t key = next_key_++;
  Watcher& watcher = watchers_[key];
  watcher.request = std::move(request);
  watcher.response = response;
  watcher.timeout = loop_.after(watcher.request.timeout, [this, key] { finish(key); });
  response->on_closed([this, key, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    const auto found = watchers_.find(key);
    if (found == watchers_.end()) return;
    loop_.cancel(found->second.timeout);
    watchers_.erase(found);
  });
  if (watcher.request.since == 0) {
    tell_present(watcher);
  } else {
    replay(watcher);
  }
  forget_gone();
  return std::nullopt;
}

void Watches::finish(std::uint64_t key) {
  const auto found = watchers_.find(key);
  if (found == watchers_.end()) return;
  found->second.response->end();
  watchers_.erase(found);
}

void Watches::forget_gone() {
  for (auto watcher = watchers_.begin(); watcher != watchers_.end();) {
    if (watcher->second.gone) {
      loop_.cancel(watcher->second.timeout);
      watcher = watchers_.erase(watcher);
    } else {
      ++watcher;
    }
  }
}

void Watches::tell_present(Watcher& watcher) {
  watcher.after = core_.shown_version();
  const WatchRequest& request = watcher.request;
  for_each_view(
      core_, request.resource->kind, request.space, request.selector,
      [&](const View& view) { send(watcher, "ADDED", view.id, view.version, view.text.str()); });
  if (request.initial_bookmark) send_bookmark(watcher, true);
}

void Watches::replay(Watcher& watcher) {
  const WatchRequest& request = watcher.request;
  watcher.after = request.since;
  const Kind kind = request.resource->kind;
  std::set<dmi::ObjectId> added;
  for (const Event& event : memories_[static_cast<std::size_t>(kind)].events) {
    if (event.version <= request.since) continue;
    if (kind != Kind::device_status) {
      deliver(watcher, event);
    } else if (event.what == Change::What::deleted) {
      deliver(watcher, event);
      added.erase(event.id);
    } else {
      added.insert(event.id);
    }
  }
  if (kind == Kind::device_status) {
    // Only the newest of each is of interest, and Core has it. In order of versions: a client that
    // breaks off goes on from the last one it has.
    std::multimap<std::uint64_t, View> views;
    for_each_view(core_, kind, request.space, request.selector, [&](const View& view) {
      if (view.version > request.since) views.emplace(view.version, view);
    });
    for (const auto& [version, view] : views) {
      send(watcher, added.contains(view.id) ? "ADDED" : "MODIFIED", view.id, version,
           view.text.str());
    }
    watcher.after = std::max(watcher.after, core_.shown_version());
  }
  if (request.initial_bookmark) send_bookmark(watcher, true);
}

void Watches::remember(Kind kind, Event event) {
  Memory& memory = memories_[static_cast<std::size_t>(kind)];
  memory.bytes += event.bytes();
  memory.events.push_back(std::move(event));
  while (memory.events.size() > max_events || memory.bytes > max_event_bytes) {
    const Event& oldest = memory.events.front();
    memory.complete_since = oldest.version;
    memory.bytes -= oldest.bytes();
    memory.events.pop_front();
  }
}

void Watches::changed(const Change& change) {
  if (change.kind == Kind::device_status) return status_changed(change);
  Event event{change.what, change.id, change.version, change.before, change.after};
  if (change.what == Change::What::deleted)
    event.before = at_version(change.before, change.version);
  tell(change.kind, event);
  remember(change.kind, std::move(event));
  forget_gone();
}

void Watches::status_changed(const Change& change) {
  Event event{change.what, change.id, change.version, nullptr, nullptr};
  if (change.what == Change::What::deleted) {
    tell_statuses();  // what is older goes first
    tell(Kind::device_status, event);
    forget_gone();
    return remember(Kind::device_status, std::move(event));
  }
  const bool added = change.what == Change::What::added;
  if (added) remember(Kind::device_status, std::move(event));
  const bool heard = std::any_of(watchers_.begin(), watchers_.end(), [](const auto& entry) {
    return entry.second.request.resource->kind == Kind::device_status;
  });
  if (!heard) return dirty_.clear();
  dirty_[change.id] |= added;
  if (status_timer_.running()) return;
  // The first after a pause at once, further ones together.
  const auto rest = statuses_told_ + status_pause - loop_.now();
  status_timer_.start(std::max<base::Duration>(rest, base::Duration::zero()),
                      [this] { tell_statuses(); });
}

// In order of versions: a client that breaks off goes on from the last one it has.
void Watches::tell_statuses() {
  if (dirty_.empty()) return;
  statuses_told_ = loop_.now();
  std::multimap<std::uint64_t, std::pair<View, bool>> views;
  for (const auto& [id, added] : std::exchange(dirty_, {})) {
    if (auto view = view_of(core_, Kind::device_status, id)) {
      const std::uint64_t version = view->version;
      views.emplace(version, std::pair(std::move(*view), added));
    }
  }
  for (const auto& [version, entry] : views) {
    const auto& [view, added] = entry;
    for (auto& [key, watcher] : watchers_) {
      const WatchRequest& request = watcher.request;
      if (request.resource->kind != Kind::device_status || version <= watcher.after) continue;
      if (!wanted(watcher, view.id) || !request.selector.matches(view.id, view.text.str()))
        continue;
      send(watcher, added ? "ADDED" : "MODIFIED", view.id, version, view.text.str());
    }
  }
  forget_gone();
}

void Watches::tell(Kind kind, const Event& event) {
  for (auto& [key, watcher] : watchers_) {
    if (watcher.request.resource->kind != kind || event.version <= watcher.after) continue;
    deliver(watcher, event);
  }
}

bool Watches::wanted(const Watcher& watcher, const dmi::ObjectId& id) const {
  return (watcher.request.space.empty() || watcher.request.space == id.space) &&
         watcher.request.selector.matches_id(id);
}

void Watches::deliver(Watcher& watcher, const Event& event) {
  if (!wanted(watcher, event.id)) return;
  if (watcher.request.resource->kind == Kind::device_status) {
    assert(event.what == Change::What::deleted);
    const std::string text = bare_status(event.id, event.version);
    if (watcher.request.selector.needs_labels()) return;
    return send(watcher, "DELETED", event.id, event.version, text);
  }
  const Selector& selector = watcher.request.selector;
  const bool was = event.before && selector.matches(event.id, event.before.str());
  const bool is = event.after && selector.matches(event.id, event.after.str());
  // An object whose labels change comes into view, or goes out of it.
  if (is) {
    send(watcher, was ? "MODIFIED" : "ADDED", event.id, event.version, event.after.str());
  } else if (was) {
    send(watcher, "DELETED", event.id, event.version, event.before.str());
  }
}

void Watches::send(Watcher& watcher, std::string_view type, const dmi::ObjectId& id,
                   std::uint64_t version, std::string_view text) {
  if (watcher.gone) return;
  std::string object;
  if (watcher.request.form != Form::objects) {
    Table table(core_, *watcher.request.resource, watcher.request.form, !watcher.columns_told,
                loop_.wall());
    watcher.columns_told = true;
    table.add(id, text);
    object = std::move(table).text(version);
    text = object;
  }
  if (!watcher.response->write(cat("{\"type\":\"", type, "\",\"object\":", text, "}\n"))) {
    watcher.gone = true;
  }
}

void Watches::send_bookmark(Watcher& watcher, bool initial_end) {
  const std::uint64_t version = std::max(core_.shown_version(), watcher.after);
  std::string object;
  if (watcher.request.form == Form::objects) {
    dmi::Json json = {{"kind", watcher.request.resource->name},
                      {"apiVersion", group_version},
                      {"metadata", {{"resourceVersion", cat(version)}}}};
    if (initial_end) json["metadata"]["annotations"] = {{"k8s.io/initial-events-end", "true"}};
    object = dmi::to_text(json);
  } else {
    object = Table(core_, *watcher.request.resource, watcher.request.form, false, loop_.wall())
                 .text(version);
  }
  if (!watcher.response->write(cat("{\"type\":\"BOOKMARK\",\"object\":", object, "}\n"))) {
    watcher.gone = true;
  }
}

void Watches::tell_bookmarks() {
  tell_statuses();
  for (auto& [key, watcher] : watchers_) {
    if (watcher.request.bookmarks && !watcher.gone) send_bookmark(watcher, false);
  }
  forget_gone();
  bookmark_timer_.start(bookmark_pause, [this] { tell_bookmarks(); });
}

}  // namespace devicetwin::kube
