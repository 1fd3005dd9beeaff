#include "payload.hpp"

#include "base/text.hpp"

namespace devicetwin::bus {

namespace {

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
      if (c != '"' && c != '\\' && byte >= 0x20) continue;
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
  writer.open().key("event_id").text(event_id).key("timestamp").raw(base::cat(now_ms));
  return writer;
}

void write_side(Writer& writer, std::string_view name, const Side& side,
                const base::Status& status) {
  if (!side.present || (side.value.empty() && status.ok())) return;
  writer.key(name).open().key("value").text(side.value);
  writer.key("metadata").open().key("timestamp").raw(base::cat(side.time_ms));
  if (!status.ok()) {
    writer.key("status").text(base::name(status.code())).key("reason").text(status.text());
  }
  writer.close().close();
}

void write_shown(Writer& writer, const Shown& shown) {
  const TwinRow& row = *shown.row;
  writer.open();
  if (shown.expected) write_side(writer, "expected", row.expected, base::Status());
  if (shown.actual) write_side(writer, "actual", row.actual, row.quality);
  writer.key("optional").raw(row.optional ? "true" : "false");
  if (shown.type) writer.key("metadata").open().key("type").text(row.type).close();
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
  writer.key("code").raw(base::cat(code)).key("reason").text(reason);
  return writer.close().take();
}

std::string document(std::string_view event_id, std::int64_t now_ms,
                     const std::vector<const Change::Row*>& rows) {
  Writer writer = begin(event_id, now_ms);
  writer.key("twin").open();
  for (const Change::Row* row : rows) {
    writer.key(row->after.name).open();
    write_twin_or_null(writer.key("last"), row->before ? &*row->before : nullptr);
    write_twin_or_null(writer.key("current"), &row->after);
    writer.close();
  }
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
