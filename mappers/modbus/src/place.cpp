#include "modbus/place.hpp"

#include <optional>
#include <utility>

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

struct Kind {
  std::string_view name;
  std::uint16_t words;
};
// In the order of DataType.
constexpr Kind kinds[] = {{"bool", 1},  {"int16", 1},  {"uint16", 1},  {"int32", 2},  {"uint32", 2},
                          {"int64", 4}, {"uint64", 4}, {"float32", 2}, {"float64", 4}};

Status wrong(const dmi::Config& config, std::string_view key, std::string_view what) {
  return Status(Code::invalid, cat(config.path(), ".", key, ": ", what));
}

// A number outside its limits is a fault of the spec, like every other one: no retry helps.
Status as_invalid(const Status& status) { return Status(Code::invalid, status.text()); }

// Reads settings one after another; the first error stands, later reads yield their fallback.
class Reader {
 public:
  explicit Reader(const dmi::Config& config) : config_(config) {}

  template <class T>
  T integer(std::string_view key, T fallback, T low, T high) {
    const Result<std::int64_t> read = config_.integer(key, fallback, low, high);
    if (!read) fail(read.status());
    return read ? static_cast<T>(*read) : fallback;
  }
  bool boolean(std::string_view key) {
    const Result<bool> read = config_.boolean(key, false);
    if (!read) fail(read.status());
    return read && *read;
  }
  void fail(const Status& status) {
    if (status_.ok()) status_ = as_invalid(status);
  }
  const Status& status() const { return status_; }

 private:
  const dmi::Config& config_;
  Status status_;
};

// KubeEdge reads integers unsigned, of as many registers as limit says; floats by their width.
std::optional<DataType> default_data(dmi::Type type, std::uint16_t words) {
  if (type == dmi::Type::boolean) {
    return words == 1 ? std::optional(DataType::boolean) : std::nullopt;
  }
  const bool integer = type == dmi::Type::integer;
  switch (words) {
    case 1:
      return DataType::uint16;
    case 2:
      return integer ? DataType::uint32 : DataType::float32;
    case 4:
      return integer ? DataType::uint64 : DataType::float64;
    default:
      return std::nullopt;
  }
}

std::uint16_t default_limit(dmi::Type type, Table table) {
  if (is_bits(table)) return 1;
  if (type == dmi::Type::float32) return 2;
  return type == dmi::Type::float64 ? 4 : 1;
}

Result<Table> parse_table(const dmi::Config& visitor) {
  if (!visitor.has("register")) {
    return wrong(visitor, "register",
                 "missing (CoilRegister, DiscreteInputRegister, HoldingRegister, InputRegister)");
  }
  const Result<std::size_t> choice = visitor.choice(
      "register", 0, {"CoilRegister", "DiscreteInputRegister", "HoldingRegister", "InputRegister"});
  if (!choice) return as_invalid(choice.status());
  return static_cast<Table>(*choice);
}

// dataType, or what type and limit say; and the number of registers.
Status parse_data(const dmi::Config& visitor, Place& place) {
  std::optional<DataType> stated;
  if (visitor.has("dataType")) {
    const Result<std::size_t> choice = visitor.choice(
        "dataType", 0,
        {"bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"});
    if (!choice) return as_invalid(choice.status());
    stated = static_cast<DataType>(*choice);
  }
  Reader reader(visitor);
  const bool bits = is_bits(place.range.table);
  const std::uint16_t usual =
      stated && !bits ? words_of(*stated) : default_limit(place.type, place.range.table);
  place.range.count =
      reader.integer<std::uint16_t>("limit", usual, 1, bits ? max_read_bits : max_read_registers);
  if (!reader.status().ok()) return reader.status();
  const std::uint16_t count = place.range.count;

  if (bits) {
    if (stated && *stated != DataType::boolean) {
      return wrong(visitor, "dataType",
                   cat(name(*stated), " does not fit in ", name(place.range.table), " (bool)"));
    }
    place.data = DataType::boolean;
    return count == 1 ? Status() : wrong(visitor, "limit", cat(count, " bits for one value (1)"));
  }
  const std::optional<DataType> data = stated ? stated : default_data(place.type, count);
  if (!data) {
    const std::string_view allowed = place.type == dmi::Type::boolean ? "1" : "1, 2, 4";
    return wrong(visitor, "limit",
                 cat(count, " registers for one ", dmi::name(place.type), " (", allowed, ")"));
  }
  if (words_of(*data) != count) {
    return wrong(visitor, "limit",
                 cat(count, " registers for ", name(*data), " (", words_of(*data), ")"));
  }
  place.data = *data;
  return Status();
}

}  // namespace

std::string_view name(DataType type) { return kinds[static_cast<std::size_t>(type)].name; }
std::uint16_t words_of(DataType type) { return kinds[static_cast<std::size_t>(type)].words; }

Result<Place> parse_place(const mapper::Point& point) {
  const dmi::Config& visitor = point.visitor;
  if (const Status known = visitor.only({"register", "offset", "limit", "dataType", "isSwap",
                                         "isRegisterSwap", "scale", "valueOffset"});
      !known.ok()) {
    return known;
  }
  Place place;
  place.type = point.type;
  if (point.type == dmi::Type::string || point.type == dmi::Type::bytes ||
      point.type == dmi::Type::stream) {
    return Status(Code::unsupported,
                  cat(visitor.path(), ": a property of type ", dmi::name(point.type),
                      " cannot be read from registers (INT, FLOAT, DOUBLE, BOOLEAN)"));
  }
  const Result<Table> table = parse_table(visitor);
  if (!table) return table.status();
  place.range.table = *table;
  if (point.writable && !is_writable(*table)) {
    return wrong(visitor, "register",
                 cat(name(*table),
                     " cannot be written, but the model says ReadWrite "
                     "(CoilRegister, HoldingRegister)"));
  }
  const Result<std::int64_t> offset = visitor.need_integer("offset", 0, max_address);
  if (!offset) return as_invalid(offset.status());
  place.range.first = static_cast<std::uint16_t>(*offset);
  if (const Status data = parse_data(visitor, place); !data.ok()) return data;
  if (place.range.end() > max_address + 1) {
    return wrong(visitor, "offset",
                 cat(place.range.first, " and ", place.range.count, " registers end at ",
                     place.range.end() - 1, ", above ", max_address));
  }
  Reader reader(visitor);
  place.swap_bytes = reader.boolean("isSwap");
  place.swap_words = reader.boolean("isRegisterSwap");
  if (!reader.status().ok()) return reader.status();
  place.hull = place.range;
  return place;
}

}  // namespace modbus
