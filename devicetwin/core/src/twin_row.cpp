#include "devicetwin/twin_row.hpp"

#include "dmi/value.hpp"

namespace devicetwin {

namespace {

// 21.50 and 21.5 are one number: the device's answer need not be spelled as the wish.
bool same_value(const std::string& a, const std::string& b, const std::string& type_word) {
  if (a == b) return true;
  const auto type = dmi::type_of(type_word);
  if (!type) return false;
  const auto left = dmi::parse_value(a, *type);
  const auto right = dmi::parse_value(b, *type);
  return left && right && *left == *right;
}

}  // namespace

Progress TwinRow::progress() const {
  if (deleted || !expected.present || expected.value.empty()) return Progress::none;
  if (refusal.code() == base::Code::conflict) return Progress::overridden;
  if (!refusal.ok()) return refusal.retriable() ? Progress::pending : Progress::failed;
  if (observed_ms != 0 && same_value(observed, expected.value, type)) return Progress::applied;
  return Progress::pending;
}

}  // namespace devicetwin
