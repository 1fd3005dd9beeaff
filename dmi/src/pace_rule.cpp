#include "dmi/pace_rule.hpp"

#include "base/text.hpp"

namespace dmi {

using base::cat;
using base::Code;
using base::Status;

base::Result<PaceRule> read_pace_rule(const Config& visitor) {
  PaceRule rule;
  const auto deadband = visitor.number(deadband_key, 0);
  if (!deadband) return deadband.status();
  if (*deadband < 0) {
    return Status(Code::out_of_range,
                  cat(visitor.path(), ".", deadband_key, ": ", *deadband, " is below 0"));
  }
  rule.deadband = *deadband;
  const auto least = visitor.integer(min_interval_key, 0, 0, max_pace_ms);
  if (!least) return least.status();
  const auto most = visitor.integer(max_interval_key, 0, 0, max_pace_ms);
  if (!most) return most.status();
  if (*most > 0 && *least > *most) {
    return Status(Code::invalid, cat(visitor.path(), ".", min_interval_key, ": ", *least,
                                     " ms is above ", max_interval_key, ", ", *most, " ms"));
  }
  rule.least = std::chrono::milliseconds(*least);
  rule.most = std::chrono::milliseconds(*most);
  return rule;
}

}  // namespace dmi
