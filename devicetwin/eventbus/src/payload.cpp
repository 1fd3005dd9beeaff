#include "payload.hpp"

#include <array>
#include <charconv>

#include "base/text.hpp"

namespace devicetwin::bus {

namespace {

// Bytes that stand in a JSON text as they are.
constexpr auto is_plain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < plain.size(); ++byte) plain[byte] = true;
  plain['"'] = plain['\\'] = false;
  return plain;
}();

// A twin as it is written, with its keys and a short name and value: texts seldom grow twice.
constexpr std::size_t usual_twin_bytes = 160;

// Writes JSON front to back; commas by itself. Ten thousand answers a second must not build trees.
class Writer {
 public:
  Writer& open(char bracket = '{') {
    separate();
    text_ += bracket;
    first_ = true;
    return *this;
  }
  Writer& close(char bracket = '}') {
    text_ += bracket;
    first_ = false;
    return *this;
  }
  Writer& key(std::string_view name) {
    separate();
    quote(name);
    text_ += ':';
    first_ = true;
    return *this;
  }
  Writer& text(std::string_view value) {
    separate();
    quote(value);
    return *this;
  }
  Writer& raw(std::string_view value) {
    separate();
    text_ += value;
    return *this;
  }
  Writer& number(std::int64_t value) {
    char digits[20];  // of INT64_MIN
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    return raw({digits, static_cast<std::size_t>(end - digits)});
  }
  void reserve(std::size_t bytes) { text_.reserve(bytes); }
  std::string take() { return std::move(text_); }

 private:
  void separate() {
    if (!first_) text_ += ',';
    first_ = false;
  }
  void quote(std::string_view value) {
    constexpr const char* hex = "0123456789abcdef";
    text_ += '"';
    std::size_t plain = 0;  // nearly everything is: taken over in one piece
    for (std::size_t i = 0; i < value.size(); ++i) {
      const char c = value[i];
      const auto byte = static_cast<unsigned char>(c);
      if (is_plain[byte]) continue;
      text_.append(value, plain, i - plain);
      plain = i + 1;
      if (c == '"' || c == '\\') {
        text_ += '\\';
        text_ += c;
      } else if (c == '\n' || c == '\r' || c == '\t') {
        text_ += '\\';
        text_ += c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
      } else {
        text_ += "\\u00";
        text_ += hex[byte >> 4];
        text_ += hex[byte & 15];
      }
    }
    text_.append(value, plain);
    text_ += '"';
  }

  std::string text_;
  bool first_ = true;
};

Writer begin(std::string_view event_id, std::int64_t now_ms) {
  Writer writer;
  writer.open().key("event_id").text(event_id).key("timestamp").number(now_ms);
  return writer;
}

void write_side(Writer& writer, std::string_view name, const Side& side, const base::Status& status,
                bool details) {
  if (!side.present || (side.value.empty() && status.ok())) return;
  writer.key(name).open().key("value").text(side.value);
  writer.key("metadata").open().key("timestamp").number(side.time_ms);
  if (!status.ok()) {
    writer.key("status").text(base::name(status.code())).key("reason").text(status.text());
  }
  if (details && !side.by.empty()) writer.key("origin").text(side.by);
  writer.close().close();
}

void write_version(Writer& writer, std::string_view name, const Side& side) {
  if (!side.present) return;
  writer.key(name).open();
  writer.key("cloud").number(side.version.cloud);
  writer.key("edge").number(side.version.edge).close();
}

void write_shown(Writer& writer, const Shown& shown) {
  const TwinRow& row = *shown.row;
  writer.open();
  if (shown.expected) write_side(writer, "expected", row.expected, base::Status(), shown.details);
  if (shown.actual) write_side(writer, "actual", row.actual, row.quality, shown.details);
  writer.key("optional").raw(row.optional ? "true" : "false");
  if (shown.type) writer.key("metadata").open().key("type").text(row.type).close();
  if (shown.details) {
    write_version(writer, "expected_version", row.expected);
    write_version(writer, "actual_version", row.actual);
  }
  writer.close();
}

void write_twin(Writer& writer, const TwinRow& row) { write_shown(writer, {row.name, &row}); }

void write_twin_or_null(Writer& writer, const TwinRow* row) {
  if (row == nullptr || row->deleted) {
    writer.raw("null");
  } else {
    write_twin(writer, *row);
  }
}

void write_member(Writer& writer, const Member& member) {
  writer.open().key("id").text(member.id.to_string()).key("name").text(member.id.name);
  if (member.state != nullptr && !member.state->state.empty()) {
    writer.key("state").text(member.state->state);
  }
  if (member.state != nullptr && !member.state->last_online.empty()) {
    writer.key("last_online").text(member.state->last_online);
  }
  writer.close();
}

}  // namespace

std::string twin_result(std::string_view event_id, std::int64_t now_ms,
                        const std::vector<Shown>& twins) {
  Writer writer = begin(event_id, now_ms);
  writer.reserve(100 + twins.size() * usual_twin_bytes);
  writer.key("twin").open();
  for (const Shown& shown : twins) {
    writer.key(shown.name);
    if (shown.row == nullptr) {
      writer.raw("null");
    } else {
      write_shown(writer, shown);
    }
  }
  return writer.close().close().take();
}

std::string error_result(std::string_view event_id, std::int64_t now_ms, int code,
                         std::string_view reason) {
  Writer writer = begin(event_id, now_ms);
  writer.key("code").number(code).key("reason").text(reason);
  return writer.close().take();
}

std::string document(std::string_view event_id, std::int64_t now_ms,
                     const std::vector<const Change::Row*>& rows) {
  Writer writer = begin(event_id, now_ms);
  writer.reserve(100 + rows.size() * 2 * usual_twin_bytes);
  writer.key("twin").open();
  for (const Change::Row* row : rows) {
    writer.key(row->after.name).open();
    write_twin_or_null(writer.key("last"), row->before ? &*row->before : nullptr);
    write_twin_or_null(writer.key("current"), &row->after);
    writer.close();
  }
  return writer.close().close().take();
}

std::string whole_document(std::int64_t now_ms, const Twins& rows) {
  Writer writer = begin("", now_ms);
  writer.key("full").raw("true").key("twin").open();
  rows.for_each([&writer](const TwinRow& row) {
    if (row.deleted) return;
    writer.key(row.name).open();
    write_twin(writer.key("last"), row);
    write_twin(writer.key("current"), row);
    writer.close();
  });
  return writer.close().close().take();
}

bool differs(const TwinRow& row) {
  if (row.deleted || !row.expected.present || row.expected.value.empty()) return false;
  return row.expected.value != (row.actual.present ? row.actual.value : "");
}

std::string delta(std::string_view event_id, std::int64_t now_ms, const Twins& rows) {
  Writer writer = begin(event_id, now_ms);
  writer.key("twin").open();
  std::vector<std::pair<std::string, std::string>> different;
  rows.for_each([&](const TwinRow& row) {
    if (row.deleted || !row.expected.present || row.expected.value.empty()) return;
    write_twin(writer.key(row.name), row);
    if (differs(row)) different.emplace_back(row.name, row.expected.value);
  });
  writer.close().key("delta").open();
  for (const auto& [name, value] : different) writer.key(name).text(value);
  return writer.close().close().take();
}

std::string node_state(std::int64_t now_ms, std::string_view node, std::string_view state) {
  Writer writer = begin("", now_ms);
  writer.key("node").open().key("name").text(node).key("state").text(state).close();
  return writer.close().take();
}

std::string state_result(std::string_view event_id, std::int64_t now_ms, std::string_view name,
                         const DeviceState& state) {
  Writer writer = begin(event_id, now_ms);
  writer.key("device").open().key("name").text(name).key("state").text(state.state);
  if (!state.last_online.empty()) writer.key("lastOnlineTime").text(state.last_online);
  return writer.close().close().take();
}

std::string membership(std::string_view event_id, std::int64_t now_ms,
                       const std::vector<Member>& members) {
  Writer writer = begin(event_id, now_ms);
  writer.key("devices").open('[');
  for (const Member& member : members) write_member(writer, member);
  return writer.close(']').close().take();
}

std::string membership_updated(std::string_view event_id, std::int64_t now_ms, const Member& member,
                               bool added) {
  Writer writer = begin(event_id, now_ms);
  for (const bool side : {true, false}) {
    writer.key(side ? "added_devices" : "removed_devices");
    if (side != added) {
      writer.raw("null");
      continue;
    }
    writer.open('[');
    write_member(writer, member);
    writer.close(']');
  }
  return writer.close().take();
}

}  // namespace devicetwin::bus
