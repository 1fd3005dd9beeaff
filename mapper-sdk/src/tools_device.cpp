#include "tools_device.hpp"

#include <algorithm>
#include <cassert>

#include "base/text.hpp"
#include "leave.hpp"
#include "mapper/objects.hpp"
#include "refine.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

Result<std::vector<Target>> chosen_targets(const std::vector<std::string>& files,
                                           const std::string& protocol, const std::string& name) {
  Result<std::vector<Target>> targets = load_targets(files, protocol);
  if (!targets || name.empty()) return targets;
  std::vector<Target> chosen;
  std::string known;
  for (Target& target : *targets) {
    known += cat(known.empty() ? "" : ", ", target.id.to_string());
    if (target.id.name == name || target.id.to_string() == name) {
      chosen.push_back(std::move(target));
    }
  }
  if (chosen.empty()) {
    return Status(Code::invalid, cat("--device ", name, ": not in the files; there are ", known));
  }
  return chosen;
}

bool is_file_argument(std::string_view argument) {
  return argument.ends_with(".yaml") || argument.ends_with(".yml") || argument.ends_with(".json");
}

ToolProgram::ToolProgram(const Protocol& protocol)
    : buses_(loop_, protocol),
      opener_(protocol.open_async ? async_opener(loop_, protocol) : buses_.opener()) {}

int ToolProgram::run(std::function<void()> begin, std::function<void()> interrupted,
                     std::function<void()> destroy) {
  destroy_ = std::move(destroy);
  loop_.on_signal([interrupted = std::move(interrupted)](int) { interrupted(); });
  loop_.after(base::Duration::zero(), std::move(begin));
  loop_.run();
  return leave(buses_, status_);
}

void ToolProgram::end(int status) {
  if (ending_) return;
  ending_ = true;
  status_ = status;
  // Not at once: this may be called by what is to be destroyed.
  loop_.after(base::Duration::zero(), [this] {
    destroy_();
    loop_.stop();
  });
}

ToolDevice::ToolDevice(base::Loop& loop, const Opener& opener, Target target)
    : loop_(loop),
      opener_(opener),
      target_(std::make_shared<const Target>(std::move(target))),
      timer_(loop),
      alive_(std::make_shared<int>()) {}

void ToolDevice::when_open(std::function<void()> go, std::function<void(Status)> failed) {
  if (driver_) return go();
  mailbox_ =
      std::make_shared<Sink::Mailbox>(loop_, target_->points.size(), [this] { take_pushed(); });
  opener_(target_, Sink(mailbox_),
          [this, alive = std::weak_ptr<int>(alive_), mailbox = mailbox_, go = std::move(go),
           failed = std::move(failed)](Result<std::unique_ptr<AsyncDriver>> driver) {
            // An open that ends after its call was given up closes what it got.
            if (alive.expired() || mailbox != mailbox_) return;
            if (!driver) return failed(driver.status());
            driver_ = std::move(*driver);
            driver_->settled();
            go();
          });
}

// Later, because this may be called by the driver.
void ToolDevice::drop_driver() {
  if (driver_) {
    loop_.after(
        base::Duration::zero(),
        [driver = std::shared_ptr<AsyncDriver>(std::move(driver_))]() mutable { driver.reset(); });
  }
  if (mailbox_) mailbox_->close();
  mailbox_.reset();
}

void ToolDevice::read(std::vector<std::size_t> points, Read done) {
  assert(!read_ && !written_);
  points_ = std::move(points);
  read_ = std::move(done);
  answered_ = false;
  readings_.clear();
  for (const std::size_t index : points_) readings_.push_back({target_->points[index], {}});
  timer_.start(patience, [this] {
    finish_read(Status(Code::timeout, cat("no sample within ", patience.count(), " s")));
  });
  when_open([this] { start_read(); }, [this](Status why) { finish_read(why); });
}

void ToolDevice::start_read() {
  driver_->read(readings_, [this](const Status& reached) { read_done(reached); });
}

void ToolDevice::read_done(const Status& reached) {
  if (!read_) return;  // given up
  answered_ = true;
  if (!reached.ok()) return finish_read(reached);
  take_pushed();
}

// What a driver pushes counts for the points that its read left empty.
void ToolDevice::take_pushed() {
  if (!read_ || !answered_) return;
  Sink::Mailbox::Contents contents = mailbox_->take();
  for (auto& [index, sample] : contents.samples) {
    for (Reading& reading : readings_) {
      if (reading.point.index == index && !reading.sample) reading.sample = std::move(sample);
    }
  }
  if (contents.lost) return finish_read(*contents.lost);
  const bool complete = std::all_of(readings_.begin(), readings_.end(),
                                    [](const Reading& reading) { return bool{reading.sample}; });
  if (complete) finish_read(Status());
}

void ToolDevice::finish_read(const Status& missing) {
  timer_.stop();
  if (!missing.ok()) drop_driver();
  std::vector<dmi::Sample> samples;
  for (Reading& reading : readings_) {
    samples.push_back(reading.sample ? std::move(*reading.sample)
                                     : dmi::Sample(missing, loop_.wall()));
    refine(reading.point, samples.back());
  }
  std::exchange(read_, nullptr)(std::move(samples));
}

void ToolDevice::write(std::vector<Wish> wishes, Written done) {
  assert(!read_ && !written_);
  written_ = std::move(done);
  commands_.clear();
  for (Wish& wish : wishes) {
    commands_.push_back({target_->points[wish.point], std::move(wish.raw), {}});
  }
  timer_.start(patience, [this] {
    finish_write(Status(Code::timeout, cat("no outcome within ", patience.count(), " s")));
  });
  when_open(
      [this] {
        driver_->write(commands_, [this](const Status& reached) { finish_write(reached); });
      },
      [this](Status why) { finish_write(why); });
}

void ToolDevice::finish_write(const Status& reached) {
  if (!written_) return;  // given up
  timer_.stop();
  if (!reached.ok()) drop_driver();
  std::vector<Status> statuses;
  for (const Command& command : commands_) {
    const Status silent(Code::unavailable, "the driver did not say what became of it");
    statuses.push_back(command.status.value_or(reached.ok() ? silent : reached));
  }
  std::exchange(written_, nullptr)(std::move(statuses));
}

}  // namespace mapper
