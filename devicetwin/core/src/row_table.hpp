// The rows of one device, packed: 88 bytes each where a TwinRow has some 400, because a node keeps
// 100,000 of them. Sorted by name, found by bisection. Belongs to the loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "devicetwin/core.hpp"
#include "names.hpp"
#include "short_text.hpp"

namespace devicetwin {

struct RowTable {
  // What few rows have.
  struct Rare {
    Side expected;
    std::string observed;
    std::int64_t observed_ms = 0;
    base::Status refusal;
    std::int64_t actual_cloud = 0;
  };
  struct Row {
    static constexpr std::uint16_t not_in_spec = 0xffff;
    static_assert(dmi::max_properties < not_in_spec);

    Name name;
    Name type;
    Name spec_type;  // by model and spec; of a position only
    Name actual_by;
    Name reason;  // of quality: points of a dead device share it
    ShortText actual;
    std::int64_t actual_ms = 0;
    std::int64_t actual_edge = 0;
    std::unique_ptr<Rare> rare;
    std::uint16_t position = not_in_spec;  // in spec.properties
    base::Code quality = base::Code::ok;
    bool exists = false;  // false: a property of the spec of which nothing is known yet
    bool deleted = false;
    bool optional = true;
    bool has_actual = false;
    bool dirty = false;  // newer than what the journal was given

    bool alive() const { return exists && !deleted; }
    bool in_spec() const { return position != not_in_spec; }
  };

  explicit RowTable(Names& words) : names(&words) {}
  RowTable copy() const;

  Row* find(std::string_view name);
  const Row* find(std::string_view name) const;
  // The row of that name, made when there is none. Others move.
  Row& at(std::string_view name);
  TwinRow unpack(const Row& row) const;
  // Overwrites what a TwinRow knows; position and spec_type stay.
  void pack(Row& row, const TwinRow& from);
  void put(const TwinRow& from) { pack(at(from.name), from); }
  // Makes rows for those of these names that have none, in one go.
  void add(const std::vector<dmi::DeviceProperty>& properties);
  // Takes away placeholders that are in no spec any more, and spare room.
  void tidy();
  std::size_t existing() const;

  Names* names;
  std::vector<Row> rows;
  bool dirty = false;  // some row is
};

}  // namespace devicetwin
