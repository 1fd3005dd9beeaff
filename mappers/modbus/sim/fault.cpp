#include "sim/fault.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace modbus_sim {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using std::chrono::milliseconds;

namespace {

// In the order of Kind, Table, What, Where.
constexpr std::array<std::string_view, kinds> kind_names = {
    "late",      "split",   "duplicated", "foreign", "truncated", "wrong-crc",
    "exception", "silence", "reset",      "dead",    "noise",     "garbage-length"};
constexpr std::array<std::string_view, 4> table_names = {"coils", "discrete-inputs", "holding",
                                                         "input"};
constexpr std::array<std::string_view, 4> what_names = {"transaction", "unit", "function",
                                                        "unsolicited"};
constexpr std::array<std::string_view, 3> where_names = {"before", "within", "after"};

std::string listed(std::span<const std::string_view> words) {
  std::string text;
  for (const std::string_view word : words) text += cat(text.empty() ? "" : ", ", word);
  return text;
}

Status wrong(std::string_view word, std::string_view what) {
  return Status(Code::invalid, cat("fault: \"", base::cut(word, 60), "\": ", what));
}

// Reads "key=value" words into a fault; the first error stands.
class Parser {
 public:
  Parser(Fault& fault, std::string_view word) : fault_(fault), word_(word) {
    const std::size_t equals = word.find('=');
    key_ = word.substr(0, equals);
    if (equals != std::string_view::npos) value_ = word.substr(equals + 1);
  }

  Status parse() {
    if (value_.empty()) return wrong(word_, "expected KEY=VALUE");
    if (selector() || cadence() || manner()) return status_;
    return wrong(word_,
                 "no such word (unit, table, address, function, every, probability, count, for, "
                 "ms, after, pieces, bytes, code, what, where)");
  }

 private:
  bool selector() {
    if (key_ == "unit") return fault_.unit = number<std::uint8_t>(0, 255), true;
    if (key_ == "function") return fault_.function = number<std::uint8_t>(1, 127), true;
    if (key_ == "table") return fault_.table = choice<modbus::Table>(table_names), true;
    if (key_ == "address") return addresses(), true;
    return false;
  }
  bool cadence() {
    if (key_ == "every") return fault_.every = number<std::uint32_t>(1, 1'000'000), true;
    if (key_ == "count") return fault_.count = number<std::uint64_t>(1, INT64_MAX), true;
    if (key_ == "probability") return probability(), true;
    if (key_ == "for") return duration(), true;
    return false;
  }
  bool manner() {
    if (key_ == "ms") return fault_.ms = milliseconds(number<int>(0, 600'000)), true;
    if (key_ == "pieces") return fault_.pieces = number<std::uint32_t>(2, 260), true;
    if (key_ == "bytes") return fault_.bytes = number<std::size_t>(0, 1024), true;
    if (key_ == "code") return fault_.code = number<std::uint8_t>(1, 255), true;
    if (key_ == "what") return fault_.what = choice<Fault::What>(what_names), true;
    if (key_ == "where") return fault_.where = choice<Fault::Where>(where_names), true;
    if (key_ == "after") {
      if (value_ != "next") status_ = wrong(word_, "expected after=next");
      return fault_.after_next = true, true;
    }
    return false;
  }

  template <class T>
  T number(std::int64_t low, std::int64_t high) {
    return number<T>(value_, low, high);
  }
  template <class T>
  T number(std::string_view text, std::int64_t low, std::int64_t high) {
    std::int64_t parsed = low;
    if (!base::parse_int(text, parsed) || parsed < low || parsed > high) {
      status_ = wrong(word_, cat("expected a number ", low, "..", high));
      return static_cast<T>(low);
    }
    return static_cast<T>(parsed);
  }
  template <class T>
  T choice(std::span<const std::string_view> words) {
    const auto found = std::find(words.begin(), words.end(), value_);
    if (found == words.end()) status_ = wrong(word_, cat("expected one of ", listed(words)));
    return found == words.end() ? T{} : static_cast<T>(found - words.begin());
  }
  void addresses() {
    const std::size_t dots = value_.find("..");
    fault_.first_address = number<std::uint16_t>(value_.substr(0, dots), 0, 65535);
    fault_.last_address = dots == std::string_view::npos
                              ? fault_.first_address
                              : number<std::uint16_t>(value_.substr(dots + 2), 0, 65535);
    if (status_.ok() && fault_.last_address < fault_.first_address) {
      status_ = wrong(word_, "the last address is below the first");
    }
  }
  void probability() {
    const bool percent = value_.ends_with('%');
    double parsed = -1;
    if (!base::parse_double(value_.substr(0, value_.size() - (percent ? 1 : 0)), parsed) ||
        parsed < 0 || parsed > (percent ? 100 : 1)) {
      status_ = wrong(word_, "expected 0..1 or 0%..100%");
      return;
    }
    fault_.probability = percent ? parsed / 100 : parsed;
  }
  void duration() {
    const bool ms = value_.ends_with("ms");
    std::int64_t parsed = 0;
    const std::string_view digits = value_.substr(0, value_.size() - (ms ? 2 : 1));
    if ((!ms && !value_.ends_with('s')) || !base::parse_int(digits, parsed) || parsed < 1 ||
        parsed > 86'400'000) {
      status_ = wrong(word_, "expected a time like 500ms or 10s");
      return;
    }
    fault_.lasts = milliseconds(ms ? parsed : parsed * 1000);
  }

  Fault& fault_;
  std::string_view word_;
  std::string_view key_;
  std::string_view value_;
  Status status_;
};

void set_defaults(Fault& fault) {
  if (fault.kind == Kind::late) fault.ms = milliseconds(1000);
  if (fault.kind == Kind::split) fault.ms = milliseconds(20);
}

}  // namespace

std::string_view name(Kind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

Result<Fault> parse_fault(std::string_view text) {
  Fault fault;
  bool first = true;
  bool timed = false;
  for (const std::string_view word : base::split(text, ' ')) {
    if (word.empty()) continue;
    if (std::exchange(first, false)) {
      const auto known = std::find(kind_names.begin(), kind_names.end(), word);
      if (known == kind_names.end()) {
        return wrong(word, cat("no such kind (", listed(kind_names), ")"));
      }
      fault.kind = static_cast<Kind>(known - kind_names.begin());
      set_defaults(fault);
      continue;
    }
    timed = timed || word.starts_with("ms=");
    if (const Status status = Parser(fault, word).parse(); !status.ok()) return status;
  }
  if (first) return wrong(text, cat("expected a kind (", listed(kind_names), ")"));
  // An answer that is late by one answer need not be late in time.
  if (fault.after_next && !timed) fault.ms = milliseconds(0);
  return fault;
}

std::string Fault::to_string() const {
  std::string text(name(kind));
  const Fault usual = [&] {
    Fault made;
    made.kind = kind;
    set_defaults(made);
    return made;
  }();
  const auto say = [&](bool said, const auto&... parts) {
    if (said) text += cat(" ", parts...);
  };
  say(unit.has_value(), "unit=", int{unit.value_or(0)});
  say(function.has_value(), "function=", int{function.value_or(0)});
  if (table) say(true, "table=", table_names[static_cast<std::size_t>(*table)]);
  if (first_address != 0 || last_address != 65535) {
    say(first_address == last_address, "address=", first_address);
    say(first_address != last_address, "address=", first_address, "..", last_address);
  }
  say(every != 1, "every=", every);
  say(probability != 1, "probability=", probability);
  say(count != UINT64_MAX, "count=", count);
  if (lasts) say(true, "for=", lasts->count(), "ms");
  say(after_next, "after=next");
  say(ms != usual.ms || after_next, "ms=", ms.count());
  say(pieces != usual.pieces, "pieces=", pieces);
  say(bytes.has_value(), "bytes=", bytes.value_or(0));
  say(code != usual.code, "code=", int{code});
  say(what != usual.what, "what=", what_names[static_cast<std::size_t>(what)]);
  say(where != usual.where, "where=", where_names[static_cast<std::size_t>(where)]);
  return text;
}

}  // namespace modbus_sim
