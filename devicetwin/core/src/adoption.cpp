#include "adoption.hpp"

#include <cassert>
#include <utility>

#include "dmi/crd.hpp"
#include "objects.hpp"
#include "pacing.hpp"
#include "rows.hpp"

namespace devicetwin {

using base::Status;
using dmi::ObjectId;

namespace {

std::optional<TwinRow> living(const RowTable& rows, std::string_view name) {
  const RowTable::Row* row = rows.find(name);
  if (row == nullptr || !row->alive()) return std::nullopt;
  return rows.unpack(*row);
}

// One row from what listeners know of it to what it is; nothing where that is the same.
void add_row(std::vector<Change::Row>& rows, std::optional<TwinRow>& known, TwinRow now) {
  if (known ? *known == now : now.deleted) return;
  std::optional<TwinRow> next;
  if (!now.deleted) next = now;
  rows.push_back({std::exchange(known, std::move(next)), std::move(now)});
}

}  // namespace

void Adoption::settle(const Key& key, Line line, const Status& disk) {
  // Who asked is answered before anybody is told, as he may well be the first to hear.
  const Telling::Hold hold(state_.telling);
  if (key.first == Kind::device_model) {
    if (disk.ok()) adopt_model(key.second, line);
  } else if (disk.ok()) {
    adopt_device(key.second, line);
  } else {
    drop_device(key.second, line);
  }
  for (const StagedVerb& verb : line.verbs) verb.done(disk);
}

void Adoption::tell_status(DeviceEntry& entry, std::vector<Change::Row> rows, Origin origin,
                           bool state_changed, const std::string& event_id) {
  entry.status_version = state_.versions.next();
  Line* line = turns_.device_on_its_way(entry.object.id);
  if (line == nullptr) {
    return state_.telling.push({.kind = Kind::device_status,
                                .id = entry.object.id,
                                .version = entry.status_version,
                                .origin = origin,
                                .rows = std::move(rows),
                                .state_changed = state_changed,
                                .event_id = event_id});
  }
  // A mapper's, and those of MQTT clients: more kinds of news there are not.
  auto news = line->news.begin();
  while (news != line->news.end() && news->origin != origin) ++news;
  if (news == line->news.end()) news = line->news.insert(news, News{.origin = origin});
  news->event_id = event_id;
  news->state_changed |= state_changed;
  for (Change::Row& row : rows) {
    // Listeners know it as it was before the first of them.
    for (const News& other : line->news) {
      const auto known = other.rows.find(row.after.name);
      if (known != other.rows.end()) row.before = known->second;
    }
    const std::string name = row.after.name;
    news->rows.try_emplace(name, std::move(row.before));
  }
}

void Adoption::push_status(const ObjectId& id, Change change) {
  change.kind = Kind::device_status;
  change.id = id;
  change.version = state_.versions.next();
  if (DeviceEntry* entry = state_.device(id)) entry->status_version = change.version;
  state_.telling.push(std::move(change));
}

Adoption::Known Adoption::known_rows(const ObjectId& id, const Line& line) {
  Known known;
  for (const News& news : line.news) known.insert(news.rows.begin(), news.rows.end());
  const DeviceEntry* shown = state_.device(id);
  for (const StagedVerb& verb : line.verbs) {
    for (const TwinRow& row : verb.rows) {
      if (known.contains(row.name)) continue;
      known[row.name] = shown == nullptr ? std::nullopt : living(shown->rows, row.name);
    }
  }
  return known;
}

void Adoption::adopt_device(const ObjectId& id, Line& line) {
  Known known = known_rows(id, line);
  bool state_changed = false;
  const bool ends = line.renewed && state_.devices.erase(id) > 0;
  if (ends) known.clear();
  if (line.device) {
    DeviceEntry& entry = state_.devices.try_emplace(id, state_.names).first->second;
    static_cast<DeviceBody&>(entry) = std::move(*line.device);
    if (line.paces) Pacing::follow(entry.paces, *line.paces);
    state_changed = follow_model(state_, entry);
  }
  tell_verbs(id, line, known, ends, state_changed);
  if (!line.renewed) tell_news(id, line.news, known);
}

void Adoption::drop_device(const ObjectId& id, Line& line) {
  Known known;
  for (const News& news : line.news) known.insert(news.rows.begin(), news.rows.end());
  reports_.write_anew(id, state_.device(id));
  tell_news(id, line.news, known);
}

// The object's own changes first: their versions were given when they were decided, those of its
// status are given now.
void Adoption::tell_verbs(const ObjectId& id, Line& line, Known& known, bool ends,
                          bool state_changed) {
  std::size_t first = 0;  // verbs before the last removal were of a device that is no more
  std::vector<Change::What> whats;
  for (std::size_t i = 0; i < line.verbs.size(); ++i) {
    auto& change = line.verbs[i].change;
    whats.push_back(change ? change->what : Change::What::modified);
    if (whats.back() == Change::What::deleted) first = i + 1;
    if (change) state_.telling.push(std::move(*change));
  }
  if (ends) push_status(id, {.what = Change::What::deleted, .origin = line.verbs.back().origin});
  for (std::size_t i = first; i < line.verbs.size(); ++i) {
    StagedVerb& verb = line.verbs[i];
    Change status{.what = whats[i], .origin = verb.origin, .event_id = verb.event_id};
    for (TwinRow& row : verb.rows) {
      std::optional<TwinRow>& before = known[row.name];
      add_row(status.rows, before, as_left(*state_.device(id), line, std::move(row)));
    }
    status.state_changed = state_changed && i + 1 == line.verbs.size();
    const bool news = status.state_changed || verb.moved || status.what == Change::What::added;
    if (news || !status.rows.empty()) push_status(id, std::move(status));
  }
}

// A row as one of the verbs left it, and reports since: what the last one left is what is; of the
// others only the desired side is their own.
TwinRow Adoption::as_left(const DeviceEntry& entry, Line& line, TwinRow row) {
  const bool last = --line.touched.at(row.name) == 0;
  const RowTable::Row* packed = entry.rows.find(row.name);
  if (packed == nullptr || !packed->exists) return row;
  if (!last && (row.deleted || !packed->alive())) return row;
  TwinRow now = entry.rows.unpack(*packed);
  if (!last) now.expected = std::move(row.expected);
  return now;
}

void Adoption::tell_news(const ObjectId& id, const std::vector<News>& news, Known& known) {
  const DeviceEntry* entry = state_.device(id);
  if (entry == nullptr) return;
  for (const News& item : news) {
    Change status{
        .origin = item.origin, .state_changed = item.state_changed, .event_id = item.event_id};
    for (const auto& [name, before] : item.rows) {
      const RowTable::Row* packed = entry->rows.find(name);
      if (packed == nullptr || !packed->exists) continue;
      add_row(status.rows, known[name], entry->rows.unpack(*packed));
    }
    if (!status.rows.empty() || status.state_changed) push_status(id, std::move(status));
  }
}

void Adoption::adopt_model(const ObjectId& id, Line& line) {
  for (StagedVerb& verb : line.verbs) {
    if (verb.change) state_.telling.push(std::move(*verb.change));
  }
  if (line.gone) {
    state_.models.erase(id);
  } else if (line.model) {
    state_.models[id] = model_entry(std::move(*line.model));
  }
  follow_model_change(id, line.verbs.back().origin);
}

// Of the devices that are shown, and of those that are on their way.
void Adoption::follow_model_change(const ObjectId& id, Origin origin) {
  const auto found = state_.models.find(id);
  const ModelEntry* const model = found == state_.models.end() ? nullptr : &found->second;
  for (auto& [device, entry] : state_.devices) {
    if (entry.model != id) continue;
    std::vector<Change::Row> rows;
    if (model != nullptr) {
      PaceRules paces;
      rows = follow_types(entry, *model, origin, paces);
      Pacing::follow(entry.paces, paces);
    }
    const bool waiting_changed = follow_model(state_, entry);
    if (!rows.empty() || waiting_changed)
      tell_status(entry, std::move(rows), origin, waiting_changed);
  }
  if (model == nullptr) return;
  turns_.for_each_device([&](Line& line) {
    if (line.device->model != id) return;
    // What that changes is told with the last verb.
    PaceRules paces;
    for (Change::Row& row : follow_types(*line.device, *model, origin, paces)) {
      ++line.touched[row.after.name];
      line.verbs.back().rows.push_back(std::move(row.after));
    }
    line.paces = std::move(paces);
  });
}

std::vector<Change::Row> Adoption::follow_types(DeviceBody& body, const ModelEntry& model,
                                                Origin origin, PaceRules& paces) {
  const auto device = dmi::device_from_json(parse_own(body.object.text));
  if (!device) return {};
  paces = pace_rules(*device, &model);
  auto rows = follow_spec(state_, body, *device, origin).rows;
  for (const Change::Row& row : rows) reports_.touch(body, *body.rows.find(row.after.name));
  return rows;
}

}  // namespace devicetwin
