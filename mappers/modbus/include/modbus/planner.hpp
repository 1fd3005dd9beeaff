// What a device is asked in a cycle, block after block, and what is learnt from its answers: points
// that it refuses or leaves unanswered are found by halving, set apart (quarantine) and asked again
// alone later, while the rest keeps its cadence. One thread; time is an argument.
//
//   planner.begin(batch, now);
//   while (const Planner::Block* block = planner.next()) … then one of answered, refused, silent.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "mapper/driver.hpp"
#include "modbus/layout.hpp"

namespace modbus {

class Planner {
 public:
  // A point is asked again alone after 1, 2, 4 … 60 minutes. One minute, for what is only starting
  // up; an hour, because firmware changes seldom and a vain question costs others' time. One that
  // is answered brings the questions to all others forward: the device may have been mended.
  static constexpr std::chrono::minutes first_window{1};
  static constexpr std::chrono::minutes longest_window{60};
  // Two halves that can only be read apart are read together again after this.
  static constexpr std::chrono::minutes barrier_window{60};
  // Requests that halving may add to a cycle: a thousand wrong points must not hold up the others.
  // What is not found in this cycle is found in the next ones.
  static constexpr int max_halvings = 64;

  struct Block {
    Range range;
    std::span<const std::uint32_t> members;  // positions in the batch
    bool doubtful = false;                   // it was not answered before: no retries
  };

  // first: the request of the first cycle to begin with, modulo their number. A device whose first
  // block is silent looks dead; who opens it again begins with another one.
  explicit Planner(std::shared_ptr<Layout> layout, std::uint32_t first = 0);

  // Starts a cycle. batch must live until its last next().
  void begin(std::span<const mapper::Reading> batch, base::SteadyTime now);
  // Positions in the batch whose status is known beforehand, and that status. A block may still
  // read them in this cycle, and then its outcome counts.
  std::span<const std::uint32_t> left_out() const { return plan_->left_out; }
  base::Status why_left_out(std::uint32_t at) const;
  // Point::index of a position.
  std::uint32_t index_of(std::uint32_t at) const { return plan_->due[at]; }

  // What to ask next; nullptr: this cycle is over. Valid until the outcome is told.
  const Block* next();
  void answered();
  // The status of its points; nullopt: they are asked again in this cycle.
  // address_at_fault: the exception may be one address's alone.
  std::optional<base::Status> refused(const base::Status& why, bool address_at_fault);
  // The status of its points. Whether the block or the unit is silent is judged by what else was
  // answered in this cycle and the last.
  base::Status silent(const base::Status& why);
  // An answer that makes no sense: nothing is learnt of the addresses.
  void nonsense();
  // The unit itself does not answer: nothing more is asked in this cycle.
  bool gave_up() const { return gave_up_; }
  bool heard() const { return now_heard_.any; }  // whether anything was answered in this cycle

  std::size_t quarantined() const;  // points

 private:
  enum class Kind : std::uint8_t { planned, half, suspect, probe };
  struct Quarantined {
    std::vector<std::uint32_t> points;  // Point::index: one, or all of a pin
    std::chrono::minutes window;
    base::SteadyTime until;
    base::Status why;
  };
  struct Suspect {
    std::vector<std::uint32_t> points;  // Point::index, by address
    int misses = 1;
    std::uint32_t split = 0;
    base::Status why;
  };
  struct Half {
    std::vector<std::uint32_t> points;  // Point::index, by address
    std::uint32_t split = 0;
  };
  // Two halves of a block that failed. When both pass, it is what lies between them.
  struct Split {
    Barrier barrier;
    int passed = 0;
  };
  struct Wall {
    Barrier barrier;
    base::SteadyTime until;
  };
  // All that is known against a device; most have none.
  struct Learnt {
    std::vector<Quarantined> quarantined;
    std::vector<Suspect> suspects;
    std::vector<Wall> walls;
    std::map<std::uint32_t, Split> splits;
    std::uint32_t last_split = 0;
    PlanCache cache;
    // Of this cycle.
    std::vector<Half> halves;              // the next one last
    std::vector<std::uint32_t> positions;  // by Point::index; absent: not in the batch
    std::size_t suspect = 0;               // the next one to ask
    int halvings = 0;
    bool probed_in_vain = false;
  };
  struct Heard {
    bool any = false;
    Range first;
    Range last;
  };

  using Points = std::vector<std::uint32_t>;

  Learnt& learnt();
  void start_cycle_of_learnt();
  void expire();
  std::shared_ptr<const CyclePlan> plan_around();
  bool all_are_sick() const;

  const Block* ask(Kind kind, const Points& points, std::uint32_t split);
  const Block* ask_suspect();
  const Block* ask_quarantined();
  Points due_of(const Points& points) const;
  Points points_of_block() const;
  void hear();
  bool other_heard() const;

  Range hull(std::span<const std::uint32_t> points) const;
  std::size_t middle_of(std::span<const std::uint32_t> points) const;
  std::uint32_t open_split(std::span<const std::uint32_t> left,
                           std::span<const std::uint32_t> right);
  void passed(std::uint32_t split);
  std::optional<base::Status> halve_or_quarantine(const base::Status& why);
  void suspect_answered();
  base::Status still_silent(const base::Status& why);
  base::Status quarantine(Points points, const base::Status& why);
  base::Status quarantine_again(const base::Status& why);

  const std::shared_ptr<Layout> layout_;
  std::unique_ptr<Learnt> learnt_;

  // The cycle.
  std::span<const mapper::Reading> batch_;
  base::SteadyTime now_{};
  std::shared_ptr<const CyclePlan> plan_;
  std::uint32_t first_ = 0;
  std::uint32_t next_ = 0;  // request of the plan
  int asked_ = 0;
  Kind kind_ = Kind::planned;
  std::vector<std::uint32_t> members_;  // of a block that is not planned
  std::uint32_t split_ = 0;             // that the block is a half of
  std::size_t probed_ = 0;              // in quarantined
  Block block_;
  int timeouts_ = 0;
  bool gave_up_ = false;
  Heard now_heard_;
  Heard last_heard_;
};

}  // namespace modbus
