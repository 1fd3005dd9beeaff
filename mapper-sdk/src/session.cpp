// The driver of a session: opening, closing, and what happens next.
#include "session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/text.hpp"
#include "refine.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Status;

Session::Session(SessionContext& context, dmi::ObjectId id)
    : context_(context),
      timer_(context.loop),
      id_(std::move(id)),
      target_(std::make_shared<Target>()),
      backoff_(std::min(first_retry, context.longest_retry), context.longest_retry,
               static_cast<std::uint32_t>(dmi::ObjectIdHash()(id_))) {}

Session::~Session() {
  driver_.reset();
  close();
}

void Session::open() {
  phase_ = Phase::opening;
  tried_ = true;
  mailbox_ =
      std::make_shared<Sink::Mailbox>(context_.loop, target_->points.size(), [this] { pushed(); });
  timer_.start(stall_limit, [this] { stalled(); });
  opening_ = std::make_shared<bool>(true);
  context_.open(target_, Sink(mailbox_), [this, opening = std::weak_ptr(opening_)](auto driver) {
    // Expired: closed meanwhile; what was opened goes away again.
    if (!opening.expired()) opened(std::move(driver));
  });
}

void Session::opened(base::Result<std::unique_ptr<AsyncDriver>> driver) {
  assert(phase_ == Phase::opening);
  end_call();
  opening_.reset();
  if (!driver) {
    const Status why = driver.status();
    const bool wrong_spec = why.code() == Code::invalid || why.code() == Code::unsupported ||
                            why.code() == Code::out_of_range;
    if (!wrong_spec) return lost(why);
    return brake(named(why), target_->points);
  }
  driver_ = std::move(*driver);
  settled_ = false;
  pend_again();
  may_pend_ = true;
  held_.clear();
  verify_ = twin_.pending();
  const base::SteadyTime now = context_.loop.now();
  for (Group& group : groups_) {
    group.due = now;
    group.on_grid = false;
    group.reading = false;
  }
  phase_ = Phase::idle;
  pushed();  // what came while it was opening
  step();
}

bool Session::in_call() const {
  return phase_ == Phase::verifying || phase_ == Phase::writing || phase_ == Phase::reading;
}

void Session::close() {
  timer_.stop();
  haste_ = Haste::possible;
  read_back_.clear();
  opening_.reset();
  if (mailbox_) mailbox_->close();
  mailbox_.reset();
  if (!driver_) return;
  // A driver with a call in flight must forget it at once: the batch is about to change.
  if (in_call()) return driver_.reset();
  // Without one this may be its own completion, so it goes on the loop's next turn.
  context_.loop.after(base::Duration::zero(),
                      [driver = std::shared_ptr<AsyncDriver>(std::move(driver_))] {});
}

void Session::step() {
  if (phase_ != Phase::idle) return;
  if (start_verify() || start_write()) return;
  if (!std::exchange(settled_, true)) driver_->settled();
  if (start_read()) return;
  sleep();
}

void Session::sleep() {
  if (groups_.empty() && held_.empty()) return;
  base::SteadyTime next = base::SteadyTime::max();
  for (const Group& group : groups_) next = std::min(next, group.due);
  if (!held_.empty()) next = std::min(next, held_until_);
  timer_.start(next - context_.loop.now(), [this] { step(); });
}

void Session::begin(Phase phase) {
  phase_ = phase;
  timer_.start(stall_limit, [this] { stalled(); });
}

void Session::end_call() {
  timer_.stop();
  phase_ = Phase::idle;
}

void Session::stalled() {
  const auto seconds = std::chrono::seconds(stall_limit).count();
  const Status why(Code::timeout, cat(id_.to_string(),
                                      ": the driver, or the bus it waits for, has "
                                      "not answered for ",
                                      seconds, " s"));
  context_.repeats.warn(context_.loop.now(), id_.to_string(), why.text());
  state_ = "offline";
  fail_all(why);
  tell();
}

void Session::lost(Status why) {
  close();
  phase_ = Phase::waiting;
  const auto wait = backoff_.next();
  why = named(std::move(why));
  context_.repeats.warn(context_.loop.now(), id_.to_string(),
                        cat(why.text(), "; next try in ", wait.count(), " ms"));
  state_ = "offline";
  fail_all(why, true);
  drop_batch();
  timer_.start(wait, [this] { open(); });
  tell();
}

void Session::reached() {
  backoff_.reset();
  if (state_ == "online") return;
  if (state_ == "offline") {
    context_.repeats.over(id_.to_string(), cat(id_.to_string(), ": answers again"));
  }
  state_ = "online";
}

void Session::pushed() {
  // While the driver opens, its first words wait.
  if (!mailbox_ || phase_ == Phase::opening) return;
  Sink::Mailbox::Contents contents = mailbox_->take();
  const base::SteadyTime now = context_.loop.now();
  for (auto& [point, sample] : contents.samples) take_sample(point, std::move(sample), now);
  if (!contents.samples.empty()) reached();
  if (contents.lost) {
    // What is with the driver is forgotten with it.
    drop_batch();
    return lost(std::move(*contents.lost));
  }
  if (!contents.samples.empty()) tell();
}

// A device that is not reached says so at every point; those that were read in the batch that
// failed have something truer to say.
void Session::fail_all(const Status& why, bool only_unread) {
  std::vector<bool> read(twin_.size());
  if (only_unread) {
    for (const Reading& reading : batch_) {
      if (reading.sample) read[reading.point.index] = true;
    }
  }
  const base::Time wall = context_.loop.wall();
  const base::SteadyTime now = context_.loop.now();
  for (std::size_t i = 0; i < twin_.size(); ++i) {
    if (read[i]) continue;
    has_untold_ = twin_.report(i, dmi::Sample(why, wall), now) || has_untold_;
  }
}

Status Session::named(Status status) const { return mapper::named(id_, std::move(status)); }

void Session::tell() {
  if (has_news()) context_.news(*this);
}

}  // namespace mapper
