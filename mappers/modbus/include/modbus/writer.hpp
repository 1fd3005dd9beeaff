// A device's writes, one property after the other, each with its own outcome. What must be known
// first is read (a scale factor; a register whose bits change where the unit has no mask write),
// what must be confirmed is read back. No write is ever sent twice: one whose answer is lost is
// judged by reading. On the loop.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/loop.hpp"
#include "mapper/driver.hpp"
#include "modbus/codec.hpp"
#include "modbus/layout.hpp"
#include "modbus/link.hpp"
#include "modbus/unit.hpp"

namespace modbus {

class Writer final : private Transaction::Client {
 public:
  // Reading back until the value is there: at once, then after 20, 40, 80 … 500 ms. A fast device
  // has it at the first look; a slow one is not asked more than twice a second.
  static constexpr std::chrono::milliseconds first_pause{20};
  static constexpr std::chrono::milliseconds longest_pause{500};

  // name: of the device, for the log.
  Writer(base::Loop& loop, std::shared_ptr<Link> link, std::shared_ptr<const Layout> layout,
         const Unit& unit, std::string name);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // As AsyncDriver::write. ok: the unit repeated the request, and the value was read back where the
  // place asks for that. refused: an exception, by name; or overridden by the device. timeout,
  // unavailable: no answer, and reading did not find the value either.
  void write(std::span<mapper::Command> batch, mapper::AsyncDriver::Done done);

 private:
  enum class Step : std::uint8_t {
    scale,    // reading the scale factor
    present,  // reading the register whose bits change
    write,
    verify,  // reading back
  };
  enum class Why : std::uint8_t {
    asked,      // the place's rule
    unheard,    // a broadcast, which nobody answers; or "acknowledge": it takes its time
    ambiguous,  // the answer to the write was lost: one look
  };

  void answered(const base::Status& status, Bytes answer) override;
  void scale_answered(Bytes answer);
  void present_answered(Bytes answer);
  void write_answered(const base::Status& status, Bytes answer);
  void verify_answered(const base::Status& status, Bytes answer);

  void next();
  void encode_value(std::optional<int> exponent);
  void send_write();
  void read(Step step, const Range& range);
  void verify(Why why);
  void look_again_or_give_up(const base::Status& status);
  std::optional<base::Status> refusal(const mapper::Command& command) const;
  bool must_read_present() const;

  void settle(const base::Status& status);
  void settle_unreached(const base::Status& status);
  void finish(const base::Status& status);

  base::Loop& loop_;
  const std::shared_ptr<Link> link_;
  const std::shared_ptr<const Layout> layout_;
  const Unit unit_;
  const std::string name_;
  const std::shared_ptr<Transaction> transaction_ = std::make_shared<Transaction>();
  base::Timer timer_;
  bool no_mask_write_ = false;  // this unit does not know function 22

  // The call in progress.
  std::span<mapper::Command> commands_;
  mapper::AsyncDriver::Done done_;
  bool reached_ = false;

  // The command in progress.
  std::size_t at_ = 0;
  const Place* place_ = nullptr;
  Place seen_place_;  // where it is read back
  Step step_ = Step::write;
  Why why_ = Why::asked;
  Range range_;  // on the wire
  std::optional<int> exponent_;
  Written written_;
  base::Status lost_;  // what became of an ambiguous write
  base::SteadyTime verify_until_{};
  std::chrono::milliseconds pause_{0};
};

}  // namespace modbus
