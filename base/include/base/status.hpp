// What went wrong, in one vocabulary: the error of a call, the quality of a sample, the reason in a
// report. Values; any thread.
#pragma once

#include <cassert>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace base {

// Chosen by what the reader does next.
enum class Code : unsigned char {
  ok,
  timeout,       // wait: no answer in time
  unavailable,   // wait: not connected, or busy
  invalid,       // fix the request or the spec
  unsupported,   // fix the spec: this peer cannot do it
  not_found,     // fix the spec: no such object
  conflict,      // fix the request: somebody changed it, or it exists already
  refused,       // look at the device: it said no
  malformed,     // look at the device: it said nonsense
  out_of_range,  // look at the device or the value: outside the stated limits
  stale,         // look at the device: too old to be trusted
  internal,      // call us
};

// "timeout", "not_found" ...: the word used in texts, reports and logs.
std::string_view name(Code code);
// The code of such a word; Code::internal for an unknown one.
Code code_of(std::string_view name);

// Two words: a mapper keeps one beside each of a million values, and nearly all are ok.
class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  // text names object, path and number, in lower case, without a full stop; of ok it is dropped.
  Status(Code code, std::string text)
      : why_(code == Code::ok ? nullptr : std::make_shared<const Why>(code, std::move(text))) {}

  bool ok() const { return why_ == nullptr; }
  Code code() const { return why_ ? why_->code : Code::ok; }
  const std::string& text() const;
  // Whether the same call may succeed later without anybody changing anything.
  bool retriable() const { return code() == Code::timeout || code() == Code::unavailable; }
  // "timeout: unit 7 did not answer within 500 ms"; "ok".
  std::string to_string() const;

  friend bool operator==(const Status& a, const Status& b) {
    return a.why_ == b.why_ || (a.code() == b.code() && a.text() == b.text());
  }

 private:
  struct Why {
    Why(Code code_, std::string text_) : code(code_), text(std::move(text_)) {}
    Code code;
    std::string text;
  };
  // Immutable and shared by copies: all points of a dead device have the same reason.
  std::shared_ptr<const Why> why_;
};

// A T, or the reason why there is none. value() of a failed Result is a bug and asserts.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  Result(Status status) : held_(std::in_place_index<1>, std::move(status)) {
    assert(!std::get<1>(held_).ok());
  }

  bool ok() const { return held_.index() == 0; }
  explicit operator bool() const { return ok(); }
  Status status() const { return ok() ? Status() : std::get<1>(held_); }
  T& value() & {
    assert(ok());
    return *std::get_if<0>(&held_);
  }
  const T& value() const& {
    assert(ok());
    return *std::get_if<0>(&held_);
  }
  T&& value() && {
    assert(ok());
    return std::move(*std::get_if<0>(&held_));
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

 private:
  std::variant<T, Status> held_;
};

}  // namespace base
