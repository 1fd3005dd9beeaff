#include "pace.hpp"

#include <cmath>

#include "base/text.hpp"

namespace devicetwin {

namespace {

bool within(double deadband, std::string_view before, const std::string& now) {
  double a = 0;
  double b = 0;
  return deadband > 0 && base::parse_double(before, a) && base::parse_double(now, b) &&
         std::fabs(a - b) < deadband;
}

}  // namespace

Verdict judge(Pace& pace, const RowTable::Row* row, const TwinUpdate::Property& property,
              base::SteadyTime now) {
  const bool plain = property.actual && !property.expected && !property.observed &&
                     property.quality.ok() && row != nullptr && row->alive() && row->has_actual &&
                     row->quality == base::Code::ok;
  const bool same = plain && (row->actual.view() == *property.actual ||
                              within(pace.rule.deadband, row->actual.view(), *property.actual));
  const auto since = pace.told ? now - *pace.told : base::Duration::max();
  if (plain && pace.rule.most.count() > 0 && since >= pace.rule.most) {
    pace.told = now;
    pace.waiting.reset();
    return Verdict::again;
  }
  if (same) {
    pace.waiting.reset();  // it has come back to what is told
    return Verdict::same;
  }
  if (plain && since < pace.rule.least) {
    pace.waiting = property;
    return Verdict::wait;
  }
  if (property.actual) {
    pace.told = now;
    pace.waiting.reset();
  }
  return Verdict::take;
}

}  // namespace devicetwin
