#include "system/history_check.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.hpp"

namespace system_test {

using base::cat;

namespace {

std::string at(Micros time) {
  return time == never ? std::string("never") : cat(time / 1000, '.', time % 1000 / 100, " ms");
}

std::string object_of(const std::string& key) { return key.substr(0, key.find('/')); }

struct Effect {
  Micros start = 0;
  Micros latest = never;
  bool refused = false;
};

// Everything about one setting.
struct Setting {
  std::map<std::string, Effect> writes;  // by value
  std::vector<const Sight*> sights;
  std::vector<const Actuation*> actuations;  // in order of time
  std::vector<const PanelChange*> panel;     // in order of time
  // By latest: the newest start of a write that was certainly there by then.
  std::vector<std::pair<Micros, std::pair<Micros, std::string>>> frontier;

  // The newest write that certainly had its effect before `time`.
  std::optional<std::pair<Micros, std::string>> newest_before(Micros time) const {
    auto after = std::lower_bound(frontier.begin(), frontier.end(), time,
                                  [](const auto& entry, Micros t) { return entry.first < t; });
    if (after == frontier.begin()) return std::nullopt;
    return std::prev(after)->second;
  }
  const Effect* find(const std::string& value) const {
    const auto found = writes.find(value);
    return found == writes.end() ? nullptr : &found->second;
  }
};

class Checker {
 public:
  Checker(const History& history, std::size_t max) : history_(history), max_(max) {}

  std::vector<Violation> run() {
    gather();
    versions();
    edge_versions();
    for (const auto& [key, setting] : settings_) {
      inventions(key, setting);
      lost(key, setting);
      back(key, setting);
      twice(key, setting);
      order(key, setting);
    }
    for (const End& end : history_.ends) ended(end);
    return std::move(found_);
  }

 private:
  void say(Rule rule, const std::string& key, std::string text) {
    if (found_.size() < max_) found_.push_back({rule, key, std::move(text)});
  }

  void gather();
  void versions();
  void object_versions();
  void edge_versions();
  void inventions(const std::string& key, const Setting& setting);
  void invention(const std::string& key, const Setting& setting, const std::string& value,
                 Micros time, const std::string& where);
  void lost(const std::string& key, const Setting& setting);
  void replaced(const std::string& key, const Setting& setting, const std::string& value,
                Micros asked, const std::string& where);
  void back(const std::string& key, const Setting& setting);
  void twice(const std::string& key, const Setting& setting);
  void order(const std::string& key, const Setting& setting);
  void ended(const End& end);
  bool fault_between(Micros from, Micros to) const;

  const History& history_;
  const std::size_t max_;
  std::map<std::string, Setting> settings_;
  std::vector<Violation> found_;
};

void Checker::gather() {
  for (const Write& write : history_.writes) {
    settings_[write.key].writes[write.value] = {
        write.start, write.answer == Answer::accepted ? write.end : never,
        write.answer == Answer::refused};
  }
  const auto prove = [&](const std::string& key, const std::string& value, Micros time) {
    Setting& setting = settings_[key];
    const auto write = setting.writes.find(value);
    if (write != setting.writes.end()) {
      write->second.latest = std::min(write->second.latest, time);
    }
  };
  for (const Sight& sight : history_.sights) {
    settings_[sight.key].sights.push_back(&sight);
    prove(sight.key, sight.value, sight.end);
  }
  for (const Actuation& actuation : history_.actuations) {
    settings_[actuation.key].actuations.push_back(&actuation);
    prove(actuation.key, actuation.value, actuation.at);
  }
  for (const PanelChange& change : history_.panel) settings_[change.key].panel.push_back(&change);
  const auto earlier = [](const auto* a, const auto* b) { return a->at < b->at; };
  for (auto& [key, setting] : settings_) {
    std::sort(setting.actuations.begin(), setting.actuations.end(), earlier);
    std::sort(setting.panel.begin(), setting.panel.end(), earlier);
    for (const auto& [value, effect] : setting.writes) {
      if (effect.latest != never) {
        setting.frontier.push_back({effect.latest, {effect.start, value}});
      }
    }
    std::sort(setting.frontier.begin(), setting.frontier.end());
    for (std::size_t i = 1; i < setting.frontier.size(); ++i) {
      setting.frontier[i].second =
          std::max(setting.frontier[i].second, setting.frontier[i - 1].second);
    }
  }
}

// Accepted writes, over all objects: one that began after another's answer has a higher version,
// and no two have the same.
void Checker::versions() {
  std::vector<const Write*> by_end;
  std::map<std::uint64_t, const Write*> by_version;
  for (const Write& write : history_.writes) {
    if (write.answer != Answer::accepted || write.version == 0) continue;
    by_end.push_back(&write);
    const auto [other, fresh] = by_version.emplace(write.version, &write);
    if (!fresh) {
      say(Rule::versions_rise, write.key,
          cat("writes ", other->second->value, " and ", write.value, " both got version ",
              write.version));
    }
  }
  std::vector<const Write*> by_start = by_end;
  std::sort(by_end.begin(), by_end.end(), [](auto* a, auto* b) { return a->end < b->end; });
  std::sort(by_start.begin(), by_start.end(), [](auto* a, auto* b) { return a->start < b->start; });
  const Write* newest = nullptr;
  auto ended = by_end.begin();
  for (const Write* write : by_start) {
    for (; ended != by_end.end() && (*ended)->end < write->start; ++ended) {
      if (newest == nullptr || (*ended)->version > newest->version) newest = *ended;
    }
    if (newest != nullptr && write->version <= newest->version) {
      say(Rule::versions_rise, write->key,
          cat("write ", write->value, " of ", at(write->start), " got version ", write->version,
              ", after ", newest->version, " was given at ", at(newest->end)));
    }
  }
  object_versions();
}

// An object's version as seen never falls, and names one content.
void Checker::object_versions() {
  std::map<std::string, std::vector<const Sight*>> objects;
  std::map<std::pair<std::string, std::uint64_t>, const Sight*> content;
  for (const Sight& sight : history_.sights) {
    if (sight.version == 0) continue;
    objects[object_of(sight.key)].push_back(&sight);
    const auto [other, fresh] = content.emplace(std::pair(sight.key, sight.version), &sight);
    if (!fresh && other->second->value != sight.value) {
      say(Rule::versions_rise, sight.key,
          cat("version ", sight.version, " had the value ", other->second->value, " at ",
              at(other->second->end), " and ", sight.value, " at ", at(sight.end)));
    }
  }
  for (auto& [object, by_start] : objects) {
    std::vector<const Sight*> by_end = by_start;
    std::sort(by_end.begin(), by_end.end(), [](auto* a, auto* b) { return a->end < b->end; });
    std::sort(by_start.begin(), by_start.end(),
              [](auto* a, auto* b) { return a->start < b->start; });
    std::uint64_t newest = 0;
    auto ended = by_end.begin();
    for (const Sight* sight : by_start) {
      for (; ended != by_end.end() && (*ended)->end < sight->start; ++ended) {
        newest = std::max(newest, (*ended)->version);
      }
      if (sight->version >= newest) continue;
      say(Rule::versions_rise, object,
          cat(sight->client, " saw version ", sight->version, " at ", at(sight->end), ", after ",
              newest, " had been seen"));
      break;  // whatever follows is the same story
    }
  }
}

void Checker::edge_versions() {
  std::map<std::string, std::int64_t> newest;
  for (const EdgeVersion& seen : history_.edge_versions) {
    auto& highest = newest[seen.key];
    if (seen.version < highest) {
      say(Rule::edge_rises, seen.key,
          cat("edge version ", seen.version, " at ", at(seen.at), ", after ", highest));
    }
    highest = std::max(highest, seen.version);
  }
}

void Checker::inventions(const std::string& key, const Setting& setting) {
  for (const Sight* sight : setting.sights) {
    invention(key, setting, sight->value, sight->end, cat("seen by ", sight->client));
  }
  for (const Actuation* actuation : setting.actuations) {
    invention(key, setting, actuation->value, actuation->at, "actuated");
  }
}

void Checker::invention(const std::string& key, const Setting& setting, const std::string& value,
                        Micros time, const std::string& where) {
  if (value.empty()) return;  // nothing is desired
  const Effect* const write = setting.find(value);
  if (write == nullptr) {
    say(Rule::no_invention, key, cat(value, " was ", where, " at ", at(time), "; nobody wrote it"));
  } else if (write->refused) {
    say(Rule::no_invention, key, cat(value, " was ", where, " at ", at(time), "; it was refused"));
  } else if (write->start > time) {
    say(Rule::no_invention, key,
        cat(value, " was ", where, " at ", at(time), ", before it was written"));
  }
}

void Checker::lost(const std::string& key, const Setting& setting) {
  for (const Sight* sight : setting.sights) {
    if (sight->start == 0) continue;  // pushed: may have been on its way for long
    replaced(key, setting, sight->value, sight->start, cat("seen by ", sight->client));
  }
}

// Says when `value`, of which a reader who asked at `asked` was told, had certainly been replaced.
void Checker::replaced(const std::string& key, const Setting& setting, const std::string& value,
                       Micros asked, const std::string& where) {
  const auto newest = setting.newest_before(asked);
  if (!newest || newest->second == value) return;
  const Effect* const write = setting.find(value);
  const Micros latest = write == nullptr ? -1 : write->latest;  // an invention is another rule's
  if (latest >= newest->first) return;
  say(Rule::nothing_lost, key,
      cat(value.empty() ? "nothing" : value, " was ", where, ", who asked at ", at(asked),
          ", but it had been replaced by ", newest->second, ", written at ", at(newest->first)));
}

// Between two sights of a value lies none of another value, in real time or in order of versions.
void Checker::back(const std::string& key, const Setting& setting) {
  struct Span {
    Micros first_end = never, last_start = -1;
    std::uint64_t first_version = 0, last_version = 0;
  };
  std::map<std::string, Span> spans;
  for (const Sight* sight : setting.sights) {
    Span& span = spans[sight->value];
    span.first_end = std::min(span.first_end, sight->end);
    if (sight->start != 0) span.last_start = std::max(span.last_start, sight->start);
    if (sight->version == 0) continue;
    if (span.first_version == 0 || sight->version < span.first_version) {
      span.first_version = sight->version;
    }
    span.last_version = std::max(span.last_version, sight->version);
  }
  std::vector<const Sight*> by_time = setting.sights;
  std::sort(by_time.begin(), by_time.end(), [](auto* a, auto* b) { return a->start < b->start; });
  std::vector<const Sight*> by_version = setting.sights;
  std::sort(by_version.begin(), by_version.end(),
            [](auto* a, auto* b) { return a->version < b->version; });
  for (const auto& [value, span] : spans) {
    const auto from = std::upper_bound(by_time.begin(), by_time.end(), span.first_end,
                                       [](Micros t, auto* s) { return t < s->start; });
    const auto other = std::find_if(from, by_time.end(), [&](const Sight* sight) {
      return sight->start >= span.last_start ||
             (sight->value != value && sight->end < span.last_start);
    });
    if (other != by_time.end() && (*other)->start < span.last_start) {
      say(Rule::never_back, key,
          cat(value, " was seen at ", at(span.first_end), " and again at ", at(span.last_start),
              "; ", (*other)->client, " saw ", (*other)->value, " at ", at((*other)->end)));
      continue;
    }
    if (span.first_version == 0) continue;
    const auto first = std::upper_bound(by_version.begin(), by_version.end(), span.first_version,
                                        [](std::uint64_t v, auto* s) { return v < s->version; });
    const auto between = std::find_if(first, by_version.end(), [&](const Sight* sight) {
      return sight->version >= span.last_version || sight->value != value;
    });
    if (between != by_version.end() && (*between)->version < span.last_version) {
      say(Rule::never_back, key,
          cat(value, " was the value at versions ", span.first_version, " and ", span.last_version,
              ", and ", (*between)->value, " at ", (*between)->version));
    }
  }
}

bool Checker::fault_between(Micros from, Micros to) const {
  return std::any_of(history_.faults.begin(), history_.faults.end(), [&](const Fault& fault) {
    const bool loses_memory = fault.what == What::mapper_killed || fault.what == What::link_lost;
    return loses_memory && fault.at >= from && fault.at <= to;
  });
}

void Checker::twice(const std::string& key, const Setting& setting) {
  const bool command = history_.commands.contains(key);
  std::map<std::string, Micros> last;
  for (const Actuation* now : setting.actuations) {
    const auto before = last.find(now->value);
    if (before != last.end()) {
      const Micros from = before->second;
      const bool changed =
          std::any_of(setting.panel.begin(), setting.panel.end(), [&](const PanelChange* change) {
            return change->at >= from && change->at <= now->at && change->value != now->value;
          });
      if (command || !changed || !fault_between(from, now->at)) {
        say(Rule::actuated_once, key,
            cat(command ? "the command " : "", now->value, " was actuated at ", at(from),
                " and again at ", at(now->at),
                command    ? ""
                : !changed ? "; the device held it all the time"
                           : "; the device had changed it by itself, and nobody was restarted"));
      }
    }
    last[now->value] = now->at;
  }
}

void Checker::order(const std::string& key, const Setting& setting) {
  // The newest write, by start, whose effect was certain when an earlier actuation went out.
  Micros newest_start = -1;
  std::string newest;
  std::map<std::string, bool> left;  // values that another one has followed at the device
  std::string current;
  for (const Actuation* now : setting.actuations) {
    const Effect* const write = setting.find(now->value);
    if (write == nullptr) continue;
    if (write->latest < newest_start && now->value != newest) {
      say(Rule::actuated_in_order, key,
          cat(now->value, " was actuated at ", at(now->at), ", after ", newest,
              ", which was written at ", at(newest_start), ", when ", now->value,
              " had been accepted"));
    } else if (now->value != current && left[now->value]) {
      say(Rule::actuated_in_order, key,
          cat(now->value, " was actuated at ", at(now->at), " once more, after ", current));
    }
    if (write->start > newest_start) {
      newest_start = write->start;
      newest = now->value;
    }
    if (now->value != current) left[current] = true;
    current = now->value;
  }
}

void Checker::ended(const End& end) {
  const Setting& setting = settings_[end.key];
  invention(end.key, setting, end.desired, never, "desired at the end");
  replaced(end.key, setting, end.desired, never, "desired at the end");
  if (history_.commands.contains(end.key) || end.held == end.desired || end.desired.empty()) {
    return;
  }
  Micros actuated = -1;
  for (const Actuation* actuation : setting.actuations) {
    if (actuation->value == end.desired) actuated = actuation->at;
  }
  // The device took it, and then its panel made something else of it: overridden, and left so.
  const bool overridden =
      actuated >= 0 && !setting.panel.empty() && setting.panel.back()->at >= actuated &&
      setting.panel.back()->value == end.held && setting.actuations.back()->at == actuated;
  if (overridden) return;
  say(Rule::device_follows, end.key,
      cat("desired is ", end.desired, ", ",
          actuated < 0 ? std::string("never actuated") : cat("actuated at ", at(actuated)),
          "; the device holds ", end.held));
}

}  // namespace

std::string name(Rule rule) {
  switch (rule) {
    case Rule::versions_rise:
      return "versions rise";
    case Rule::edge_rises:
      return "edge versions rise";
    case Rule::no_invention:
      return "nothing is invented";
    case Rule::nothing_lost:
      return "nothing accepted is lost";
    case Rule::never_back:
      return "what was seen never goes back";
    case Rule::actuated_once:
      return "actuated once";
    case Rule::actuated_in_order:
      return "actuated in order";
    case Rule::device_follows:
      return "the device follows";
  }
  return "";
}

std::vector<Violation> check(const History& history, std::size_t max_violations) {
  return Checker(history, max_violations).run();
}

History carried_over(const History& history, Micros now) {
  History next;
  next.commands = history.commands;
  std::map<std::string, std::string> desired;
  for (const End& end : history.ends) {
    desired[end.key] = end.desired;
    next.sights.push_back({end.key, end.desired, "end of the last round", now, now, 0});
  }
  for (const Write& write : history.writes) {
    if (write.answer == Answer::none || write.value == desired[write.key]) {
      next.writes.push_back(write);
    }
  }
  std::map<std::string, Actuation> actuated;
  for (const Actuation& actuation : history.actuations) actuated[actuation.key] = actuation;
  Micros first = now;
  for (const auto& [key, actuation] : actuated) {
    next.actuations.push_back(actuation);
    first = std::min(first, actuation.at);
  }
  for (const PanelChange& change : history.panel) {
    const auto last = actuated.find(change.key);
    if (last != actuated.end() && change.at >= last->second.at) next.panel.push_back(change);
  }
  for (const Fault& fault : history.faults) {
    if (fault.at >= first) next.faults.push_back(fault);
  }
  std::map<std::string, EdgeVersion> edge;
  for (const EdgeVersion& seen : history.edge_versions) edge[seen.key] = seen;
  for (const auto& [key, seen] : edge) next.edge_versions.push_back(seen);
  std::map<std::string, Sight> newest;
  for (const Sight& sight : history.sights) {
    Sight& other = newest[sight.key];
    if (sight.version > other.version && sight.value == desired[sight.key]) other = sight;
  }
  for (const auto& [key, sight] : newest) {
    if (sight.version != 0) next.sights.push_back(sight);
  }
  return next;
}

std::string to_text(const History& history, const std::string& key) {
  std::vector<std::pair<Micros, std::string>> lines;
  const auto wanted = [&](const std::string& other) { return key.empty() || other == key; };
  const auto shown = [](const std::string& value) { return value.empty() ? "(none)" : value; };
  for (const Write& write : history.writes) {
    if (!wanted(write.key)) continue;
    lines.emplace_back(write.start, cat(write.key, ' ', write.client, " writes ", write.value));
    if (write.answer == Answer::none) continue;
    const bool accepted = write.answer == Answer::accepted;
    lines.emplace_back(write.end, cat(write.key, ' ', write.client, ' ', write.value,
                                      accepted ? " accepted" : " refused",
                                      write.version ? cat(", version ", write.version) : ""));
  }
  for (const Sight& sight : history.sights) {
    if (!wanted(sight.key)) continue;
    lines.emplace_back(sight.end,
                       cat(sight.key, ' ', sight.client, " sees ", shown(sight.value),
                           sight.version ? cat(" at version ", sight.version) : std::string(),
                           sight.start ? cat(", asked at ", at(sight.start)) : std::string()));
  }
  for (const Actuation& actuation : history.actuations) {
    if (!wanted(actuation.key)) continue;
    lines.emplace_back(actuation.at, cat(actuation.key, " ACTUATED ", actuation.value));
  }
  for (const PanelChange& change : history.panel) {
    if (!wanted(change.key)) continue;
    lines.emplace_back(change.at, cat(change.key, " panel makes it ", change.value));
  }
  for (const Fault& fault : history.faults) {
    const char* const what = fault.what == What::devicetwin_killed ? "devicetwin killed"
                             : fault.what == What::mapper_killed   ? "mapper killed"
                             : fault.what == What::broker_killed   ? "broker killed"
                                                                   : "link to the device lost";
    lines.emplace_back(fault.at, cat("---- ", what, " ----"));
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text;
  for (const auto& [time, line] : lines) text += cat(at(time), "  ", line, '\n');
  for (const End& end : history.ends) {
    if (wanted(end.key)) {
      text += cat("end  ", end.key, " desired ", end.desired, ", device holds ", end.held, '\n');
    }
  }
  return text;
}

}  // namespace system_test
