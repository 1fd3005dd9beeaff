// Aravis' objects as values with an owner. Any thread.
#pragma once

#include <arv.h>

#include <memory>
#include <string>

#include "base/status.hpp"

namespace gige {

struct Unref {
  void operator()(void* object) const { g_object_unref(object); }
};
template <class T>
using Owned = std::unique_ptr<T, Unref>;

// Takes what a call of Aravis says went wrong: pass error.out().
class Error {
 public:
  Error() = default;
  ~Error() { g_clear_error(&error_); }
  Error(const Error&) = delete;
  Error& operator=(const Error&) = delete;

  GError** out() {
    g_clear_error(&error_);
    return &error_;
  }
  explicit operator bool() const { return error_ != nullptr; }
  std::string text() const { return error_ == nullptr ? "unknown error" : error_->message; }
  // timeout: the camera was silent; refused: it, or its description, said no.
  base::Code code() const {
    if (g_error_matches(error_, ARV_DEVICE_ERROR, ARV_DEVICE_ERROR_TIMEOUT)) {
      return base::Code::timeout;
    }
    if (g_error_matches(error_, ARV_DEVICE_ERROR, ARV_DEVICE_ERROR_TRANSFER_ERROR) ||
        g_error_matches(error_, ARV_DEVICE_ERROR, ARV_DEVICE_ERROR_NOT_CONNECTED)) {
      return base::Code::unavailable;
    }
    return base::Code::refused;
  }

 private:
  GError* error_ = nullptr;
};

}  // namespace gige
