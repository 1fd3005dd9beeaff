#include "row_table.hpp"

#include <algorithm>
#include <cassert>

namespace devicetwin {

namespace {

void set(Name& name, std::string_view word, Names& names) {
  if (name.view() != word) name = names.of(word);
}

bool is_plain(const TwinRow& row) {
  return row.expected == Side() && row.observed.empty() && row.observed_ms == 0 &&
         row.refusal.ok() && row.actual.version.cloud == 0;
}

}  // namespace

RowTable RowTable::copy() const {
  RowTable other(*names);
  other.dirty = dirty;
  other.rows.reserve(rows.size());
  for (const Row& row : rows) {
    Row& same = other.rows.emplace_back();
    same.name = row.name;
    same.type = row.type;
    same.spec_type = row.spec_type;
    same.actual_by = row.actual_by;
    same.reason = row.reason;
    same.actual.set(row.actual.view());
    same.actual_ms = row.actual_ms;
    same.actual_edge = row.actual_edge;
    if (row.rare) same.rare = std::make_unique<Rare>(*row.rare);
    same.position = row.position;
    same.quality = row.quality;
    same.exists = row.exists;
    same.deleted = row.deleted;
    same.optional = row.optional;
    same.has_actual = row.has_actual;
    same.dirty = row.dirty;
  }
  return other;
}

const RowTable::Row* RowTable::find(std::string_view name) const {
  const auto found =
      std::ranges::lower_bound(rows, name, {}, [](const Row& row) { return row.name.view(); });
  return found != rows.end() && found->name.view() == name ? &*found : nullptr;
}

RowTable::Row* RowTable::find(std::string_view name) {
  return const_cast<Row*>(std::as_const(*this).find(name));
}

RowTable::Row& RowTable::at(std::string_view name) {
  const auto place =
      std::ranges::lower_bound(rows, name, {}, [](const Row& row) { return row.name.view(); });
  if (place != rows.end() && place->name.view() == name) return *place;
  Row row;
  row.name = names->of(name);
  return *rows.insert(place, std::move(row));
}

TwinRow RowTable::unpack(const Row& row) const {
  TwinRow out;
  out.name = row.name.view();
  out.type = row.type.view();
  out.optional = row.optional;
  out.deleted = row.deleted;
  out.actual.present = row.has_actual;
  out.actual.value = row.actual.view();
  out.actual.time_ms = row.actual_ms;
  out.actual.version.edge = row.actual_edge;
  out.actual.by = row.actual_by.view();
  if (row.quality != base::Code::ok) {
    out.quality = base::Status(row.quality, std::string(row.reason.view()));
  }
  if (!row.rare) return out;
  out.actual.version.cloud = row.rare->actual_cloud;
  out.expected = row.rare->expected;
  out.observed = row.rare->observed;
  out.observed_ms = row.rare->observed_ms;
  out.refusal = row.rare->refusal;
  return out;
}

void RowTable::pack(Row& row, const TwinRow& from) {
  assert(row.name.view() == from.name);
  row.exists = true;
  set(row.type, from.type, *names);
  row.optional = from.optional;
  row.deleted = from.deleted;
  row.has_actual = from.actual.present;
  row.actual.set(from.actual.value);
  row.actual_ms = from.actual.time_ms;
  row.actual_edge = from.actual.version.edge;
  set(row.actual_by, from.actual.by, *names);
  row.quality = from.quality.code();
  set(row.reason, from.quality.text(), *names);
  if (is_plain(from)) {
    row.rare.reset();
    return;
  }
  if (!row.rare) row.rare = std::make_unique<Rare>();
  *row.rare = {from.expected, from.observed, from.observed_ms, from.refusal,
               from.actual.version.cloud};
}

void RowTable::add(const std::vector<dmi::DeviceProperty>& properties) {
  std::vector<std::string_view> missing;
  for (const auto& property : properties) {
    if (find(property.name) == nullptr) missing.push_back(property.name);
  }
  if (missing.empty()) return;
  rows.reserve(rows.size() + missing.size());
  for (const std::string_view name : missing) rows.emplace_back().name = names->of(name);
  std::ranges::sort(rows, {}, [](const Row& row) { return row.name.view(); });
}

void RowTable::tidy() {
  std::erase_if(rows, [](const Row& row) { return !row.exists && !row.in_spec(); });
  if (rows.capacity() > rows.size() + rows.size() / 4) rows.shrink_to_fit();
}

std::size_t RowTable::existing() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(rows, [](const Row& row) { return row.exists; }));
}

std::size_t Twins::size() const { return table_->existing(); }

std::optional<TwinRow> Twins::find(std::string_view name) const {
  const RowTable::Row* row = table_->find(name);
  if (row == nullptr || !row->exists) return std::nullopt;
  return table_->unpack(*row);
}

bool Twins::contains(std::string_view name) const {
  const RowTable::Row* row = table_->find(name);
  return row != nullptr && row->exists;
}

TwinRow Twins::at(const std::string& name) const {
  auto row = find(name);
  assert(row.has_value());
  return std::move(*row);
}

void Twins::for_each(const std::function<void(const TwinRow&)>& each) const {
  for (const RowTable::Row& row : table_->rows) {
    if (row.exists) each(table_->unpack(row));
  }
}

}  // namespace devicetwin
