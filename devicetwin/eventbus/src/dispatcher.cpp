#include "dispatcher.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/text.hpp"
#include "payload.hpp"

namespace devicetwin::bus {

using base::cat;
using base::Code;
using base::Status;
using dmi::ObjectId;

namespace {

int twin_code(const Status& status) {
  if (status.code() == Code::not_found) return 404;
  if (status.code() == Code::conflict) return 409;  // KubeEdge defines it and never sends it
  return status.retriable() || status.code() == Code::internal ? 500 : 400;
}

std::string reason_of(const Status& status) {
  if (status.code() == Code::not_found) return "update rejected due to the device is not existed";
  return status.text();
}

// The touched sides of what was asked for, by name as Go writes maps.
std::vector<Shown> shown(const TwinUpdate& update, const Core::Applied& applied, bool details) {
  std::vector<Shown> twins;
  for (const Change::Row& row : applied.rows) {
    const auto asked =
        std::find_if(update.properties.begin(), update.properties.end(),
                     [&](const auto& property) { return property.name == row.after.name; });
    if (asked == update.properties.end()) continue;
    const bool expected = asked->expected.has_value();
    const bool actual = asked->actual.has_value();
    twins.push_back(
        {row.after.name, &row.after, expected, actual, expected || actual || !row.before, details});
  }
  for (const std::string& name : applied.removed) twins.push_back({name, nullptr});
  std::sort(twins.begin(), twins.end(),
            [](const Shown& a, const Shown& b) { return a.name < b.name; });
  return twins;
}

// The changed sides of a report.
std::vector<Shown> shown(const std::vector<const Change::Row*>& rows) {
  std::vector<Shown> twins;
  twins.reserve(rows.size());
  const TwinRow none;
  for (const Change::Row* row : rows) {
    const TwinRow& before = row->before ? *row->before : none;
    const TwinRow& after = row->after;
    twins.push_back({after.name, after.deleted ? nullptr : &after,
                     after.expected != before.expected,
                     after.actual != before.actual || after.quality != before.quality});
  }
  return twins;
}

// A row of which listeners see nothing new: only observed or refusal changed.
bool same_on_mqtt(const Change::Row& row) {
  return row.before && row.before->expected == row.after.expected &&
         row.before->actual == row.after.actual && row.before->quality == row.after.quality &&
         row.before->optional == row.after.optional && row.before->deleted == row.after.deleted &&
         row.before->type == row.after.type;
}

}  // namespace

Dispatcher::Dispatcher(Core& core, Publish publish, TopicPolicies policies)
    : core_(core),
      publish_(std::move(publish)),
      policies_(policies),
      history_(
          core,
          [this](std::string topic, std::string payload) {
            publish_({std::move(topic), std::move(payload), policies_.at(TopicKind::get_result)});
          }),
      retain_timer_(core.loop()) {}

void Dispatcher::message(std::string_view text, std::string_view payload) {
  const Topic topic = parse_topic(text);
  if (is_request(topic)) return carry_out(topic, read(topic, payload));
  know_bare(topic);
  if (topic.verb == Verb::history_get) return history_.get(topic, payload);
  ++ignored_;  // versions of a cloud, which no client of the broker is, or nothing of ours
}

bool Dispatcher::is_request(const Topic& topic) {
  return topic.verb == Verb::twin_update || topic.verb == Verb::twin_get ||
         topic.verb == Verb::state_update || topic.verb == Verb::membership_get;
}

Request Dispatcher::read(const Topic& topic, std::string_view payload) {
  switch (topic.verb) {
    case Verb::twin_update:
      return parse_update(payload);
    case Verb::twin_get:
      return parse_get(payload, "twin info");
    case Verb::membership_get:
      return parse_get(payload, "get membership info");
    default:
      return parse_state(payload);
  }
}

void Dispatcher::know_bare(const Topic& topic) {
  if (topic.bare && core_.find(Kind::device, topic.device) != nullptr) bare_.insert(topic.device);
}

void Dispatcher::carry_out(const Topic& topic, const Request& request) {
  know_bare(topic);
  switch (topic.verb) {
    case Verb::twin_update:
      return twin_update(topic, request);
    case Verb::twin_get:
      return twin_get(topic, request);
    case Verb::membership_get:
      return membership_get(request);
    default:
      return state_update(topic, request);
  }
}

void Dispatcher::refuse(std::string_view text) {
  const Topic topic = parse_topic(text);
  const auto answer = [&](TopicKind kind, std::string_view suffix) {
    publish(
        kind, device_topic(topic.device, topic.bare, suffix),
        error_result("", now_ms(), 429, "more requests came than are read; send it again later"));
  };
  if (topic.verb == Verb::twin_update) answer(TopicKind::update_result, "/twin/update/result");
  if (topic.verb == Verb::twin_get) answer(TopicKind::get_result, "/twin/get/result");
  if (topic.verb == Verb::history_get) answer(TopicKind::get_result, "/twin/history/get/result");
}

void Dispatcher::twin_update(const Topic& topic, const Request& request) {
  const std::string answer_topic = device_topic(topic.device, topic.bare, "/twin/update/result");
  if (!request.status.ok()) {
    return publish(TopicKind::update_result, answer_topic,
                   error_result(request.event_id, now_ms(), 400, request.status.text()));
  }
  const TwinUpdate asked = request.update;
  core_.update_twin(
      topic.device, request.update, Origin::mqtt,
      [this, life = std::weak_ptr(alive_), asked, details = request.details,
       answer_topic](auto applied) {
        if (life.expired()) return;
        if (applied.ok()) {
          return publish(TopicKind::update_result, answer_topic,
                         twin_result(asked.event_id, now_ms(), shown(asked, *applied, details)));
        }
        const Status status = applied.status();
        publish(TopicKind::update_result, answer_topic,
                error_result(asked.event_id, now_ms(), twin_code(status), reason_of(status)));
      });
}

void Dispatcher::twin_get(const Topic& topic, const Request& request) {
  const std::string answer_topic = device_topic(topic.device, topic.bare, "/twin/get/result");
  if (!request.status.ok()) {
    return publish(TopicKind::get_result, answer_topic,
                   error_result(request.event_id, now_ms(), 400, request.status.text()));
  }
  const auto rows = core_.rows(topic.device);
  if (!rows) {
    return publish(
        TopicKind::get_result, answer_topic,
        error_result(request.event_id, now_ms(), 404,
                     cat("Device ", topic.device.to_string(), " not found while getting twin")));
  }
  std::vector<TwinRow> alive;
  rows->for_each([&alive](const TwinRow& row) {
    if (!row.deleted) alive.push_back(row);
  });
  std::vector<Shown> twins;
  for (const TwinRow& row : alive) {
    twins.push_back({.name = row.name, .row = &row, .details = request.details});
  }
  publish(TopicKind::get_result, answer_topic, twin_result(request.event_id, now_ms(), twins));
}

void Dispatcher::state_update(const Topic& topic, const Request& request) {
  // KubeEdge has no answer for a state it does not know, so neither is there one here.
  if (!request.status.ok()) {
    ++ignored_;
    return;
  }
  core_.update_state(topic.device, request.state, Origin::mqtt,
                     [this, topic](const Status& status) {
                       if (status.ok()) return tell_state(topic.device, topic.bare);
                       ++ignored_;
                     });
}

void Dispatcher::membership_get(const Request& request) {
  const std::string answer_topic = node_topic(core_.node(), "/membership/get/result");
  if (!request.status.ok()) {
    return publish(TopicKind::membership, answer_topic,
                   error_result(request.event_id, now_ms(), 400, request.status.text()));
  }
  std::vector<Member> members;
  for (const Object* device : core_.list(Kind::device, "")) {
    members.push_back({device->id, core_.state(device->id)});
  }
  publish(TopicKind::membership, answer_topic, membership(request.event_id, now_ms(), members));
}

void Dispatcher::changed(const Change& change) {
  if (change.kind == Kind::device && change.what != Change::What::modified) {
    membership_changed(change);
  }
  if (change.kind == Kind::device_status && change.what != Change::What::deleted) {
    twins_changed(change);
  }
}

void Dispatcher::membership_changed(const Change& change) {
  const bool added = change.what == Change::What::added;
  const Member member{change.id, added ? core_.state(change.id) : nullptr};
  publish(TopicKind::membership, node_topic(core_.node(), "/membership/updated"),
          membership_updated(base::uuid(), now_ms(), member, added));
  if (added) return;
  clear_retained(change.id);
  bare_.erase(change.id);
  deltas_.erase(change.id);
  if (const auto missed = missed_.find(change.id); missed != missed_.end()) {
    missed_order_.erase(missed->second.number);
    missed_.erase(missed);
  }
}

void Dispatcher::twins_changed(const Change& change) {
  Rows rows;
  rows.reserve(change.rows.size());
  for (const Change::Row& row : change.rows) {
    if (!same_on_mqtt(row)) rows.push_back(&row);
  }
  std::ranges::sort(
      rows, {}, [](const Change::Row* row) -> const auto& { return row->after.name; });
  if (!rows.empty()) mark_retained(change.id);
  if (!listening_) return miss(change, rows);
  if (!rows.empty()) {
    if (change.origin == Origin::mapper) {
      publish_news(TopicKind::update_result, change.id, "/twin/update/result",
                   twin_result(change.event_id, now_ms(), shown(rows)),
                   policies_.at(TopicKind::update_result).retain);
    }
    tell_document(change.id, change.event_id, rows);
    tell_delta(change.id, rows);
  }
  // A state told over MQTT has been answered already.
  if (change.state_changed && change.origin != Origin::mqtt) tell_state(change.id, false);
}

void Dispatcher::miss(const Change& change, const Rows& rows) {
  // A state told over MQTT has been answered already.
  const bool state = change.state_changed && change.origin != Origin::mqtt;
  if (rows.empty() && !state) return;
  if (keep_) keep_(change.id, rows);
  Missed& missed = missed_[change.id];
  if (missed.number == 0) {
    missed.number = next_missed_++;
    missed_order_.emplace(missed.number, change.id);
  }
  for (const Change::Row* row : rows) {
    if (!missed.rows.try_emplace(row->after.name, row->before).second) ++conflated_;
  }
  missed.state = missed.state || state;
}

// With retained documents these go out unretained: a difference would replace the whole.
void Dispatcher::tell_document(const ObjectId& device, const std::string& event_id,
                               const Rows& rows) {
  publish_news(TopicKind::document, device, "/twin/update/document",
               document(event_id, now_ms(), rows), false);
}

void Dispatcher::tell_delta(const ObjectId& device, const Rows& rows) {
  auto& told = deltas_[device];
  // What is retained must not go on saying what is over.
  const bool retain = policies_.at(TopicKind::delta).retain;
  bool changed = false;
  for (const Change::Row* row : rows) {
    const TwinRow& after = row->after;
    if (differs(after)) {
      const auto [entry, added] = told.try_emplace(after.name, after.expected.value);
      changed = changed || added || entry->second != after.expected.value;
      entry->second = after.expected.value;
    } else {
      changed = (told.erase(after.name) > 0 && retain) || changed;
    }
  }
  const auto all = core_.rows(device);
  if (!changed || !all) return;
  publish_news(TopicKind::delta, device, "/twin/update/delta", delta(base::uuid(), now_ms(), *all),
               retain);
}

void Dispatcher::tell_state(const ObjectId& device, bool bare) {
  const DeviceState* state = core_.state(device);
  if (state == nullptr || state->state.empty()) return;
  const std::string text = state_result(base::uuid(), now_ms(), device.name, *state);
  publish(TopicKind::state, device_topic(device, bare, "/state/update/result"), text);
}

void Dispatcher::publish(TopicKind kind, std::string topic, std::string payload) {
  publish_({std::move(topic), std::move(payload), policies_.at(kind)});
}

void Dispatcher::publish_news(TopicKind kind, const ObjectId& device, std::string_view suffix,
                              const std::string& text, bool retain) {
  const TopicPolicy policy{policies_.at(kind).qos, retain};
  publish_({device_topic(device, false, suffix), text, policy});
  if (bare_.contains(device)) publish_({device_topic(device, true, suffix), text, policy});
}

void Dispatcher::set_listening(bool listening) {
  if (listening == listening_) return;
  listening_ = listening;
  if (listening_) tell_missed();
  if (listening_ && !stale_.empty() && !retain_timer_.running()) {
    retain_timer_.start(retain_delay, [this] { tell_retained(); });
  }
}

// publish_ may say that the broker is slow again: the rest waits on.
void Dispatcher::tell_missed() {
  while (listening_ && !missed_order_.empty()) {
    const ObjectId device = missed_order_.begin()->second;
    missed_order_.erase(missed_order_.begin());
    Missed missed = std::move(missed_.extract(device).mapped());
    const auto now = core_.rows(device);
    if (!now) continue;
    std::vector<Change::Row> changed;
    for (auto& [name, before] : missed.rows) {
      auto row = now->find(name);
      if (row) changed.push_back({std::move(before), std::move(*row)});
    }
    Rows rows;
    for (const Change::Row& row : changed) rows.push_back(&row);
    if (!rows.empty()) {
      tell_document(device, "", rows);
      tell_delta(device, rows);
    }
    if (missed.state) tell_state(device, false);
  }
}

}  // namespace devicetwin::bus
