// The twin of one device as its mapper keeps it: per point the desired value, the desired value the
// device accepted (observed), and the reported sample. Pure: no clock, no threads; points are known
// by their index.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "dmi/sample.hpp"
#include "dmi/value.hpp"

namespace dmi {

class Twin {
 public:
  // When a point that did not change is told again, so that a consumer that lost a message is right
  // after this long. Stock CloudCore loses the first report of every property (gaps.md 38).
  static constexpr auto refresh = std::chrono::seconds(60);

  explicit Twin(std::size_t points) : entries_(points) {}
  std::size_t size() const { return entries_.size(); }

  // Desired value set, changed or (nullopt) withdrawn. The same value again changes nothing.
  // Returns whether something changed.
  bool desire(std::size_t point, std::optional<Value> value);
  // Points whose desired value is neither accepted nor finally refused.
  std::vector<std::size_t> pending() const;
  const std::optional<Value>& desired(std::size_t point) const;
  // The device took `value`. Ignored unless value is still what is desired: a newer wish may have
  // come while the older one was on the wire.
  void accept(std::size_t point, const Value& value);
  // The device, or the check before it, did not take `value`. A retriable status leaves the point
  // pending; any other ends it until desired changes or again(). Ignored when overtaken, as above.
  void refuse(std::size_t point, const Value& value, base::Status why);
  // The link was reopened: what is desired of the point is pending again, also when it was refused.
  void again(std::size_t point);
  // The device took what is desired and shows something else since. Ends as a refusal does, and
  // what it accepted stays observed; accept() takes it back.
  void overrule(std::size_t point, base::Status why);
  // Whether what is desired is settled: accepted, overruled or finally refused. false: pending, or
  // nothing desired.
  bool settled(std::size_t point) const;
  const std::optional<Value>& observed(std::size_t point) const;
  const base::Status& refusal(std::size_t point) const;  // ok: none

  // What was seen. Returns whether it must be told: the value or the status' code changed, or
  // refresh has passed since it was told last.
  bool report(std::size_t point, Sample&& sample, base::SteadyTime now);
  bool is_reported(std::size_t point) const;
  std::optional<Sample> reported(std::size_t point) const;  // made anew

  // Points to tell: changed by report(), desire(), accept() or refuse() since told(). In order.
  std::vector<std::size_t> untold() const;
  void told(std::size_t point, base::SteadyTime now);
  // A new listener knows nothing: everything that was ever seen is untold.
  void retell();

 private:
  // What is desired of a point, and what came of it.
  struct Wish {
    std::optional<Value> desired;
    std::optional<Value> observed;
    base::Status refusal;
    bool accepted = false;  // desired == observed, or finally refused
  };
  // A Value in two words; texts and bytes stand apart.
  using Packed =
      std::variant<std::monostate, bool, std::int64_t, double, std::unique_ptr<const Value>>;
  struct Entry {
    Packed value;
    base::Status status;
    base::Time time{};
    std::uint32_t told_at_ms = 0;  // of the steady clock, modulo 2^32
    bool reported = false;
    bool untold = false;
    bool wished = false;  // is in wishes_
  };

  static Packed packed(std::optional<Value>&& value);
  static std::optional<Value> unpacked(const Packed& packed);
  template <class Number>
  static bool renew(Packed& packed, const std::optional<Value>& value, bool& changed);
  static bool equal(const Packed& packed, const std::optional<Value>& value);
  const Wish* wish(std::size_t point) const;
  Wish* wish(std::size_t point);

  std::vector<Entry> entries_;
  std::map<std::uint32_t, Wish> wishes_;
};

}  // namespace dmi
