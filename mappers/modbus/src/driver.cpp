#include "modbus/driver.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "modbus/buses.hpp"
#include "modbus/codec.hpp"
#include "modbus/layout.hpp"
#include "modbus/planner.hpp"
#include "modbus/unit.hpp"
#include "modbus/writer.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using mapper::Command;
using mapper::Reading;

namespace {

class ModbusDriver final : public mapper::AsyncDriver, private Transaction::Client {
 public:
  ModbusDriver(const dmi::ObjectId& id, std::shared_ptr<Layout> layout, base::Loop& loop,
               std::shared_ptr<Link> link, const Settings& settings, std::shared_ptr<Common> common)
      : id_(id),
        layout_(std::move(layout)),
        loop_(loop),
        link_(std::move(link)),
        unit_(settings),
        common_(std::move(common)),
        planner_(layout_, common_->vain_opens_of(id)) {
    transaction_->client = this;
  }
  // The link may still hold the transaction: it is forgotten, not answered.
  ~ModbusDriver() override { transaction_->client = nullptr; }
  ModbusDriver(const ModbusDriver&) = delete;
  ModbusDriver& operator=(const ModbusDriver&) = delete;

  void read(std::span<Reading> batch, Done done) override;
  void write(std::span<Command> batch, Done done) override;
  bool hurry() override { return hurried_ = true; }

 private:
  void answered(const Status& said, Bytes answer) override;
  void ask();
  void decode_all(Bytes answer);
  void fail_members(const Status& status);
  void fail_rest(const Status& status);
  void reached();
  void finish(const Status& status);

  const dmi::ObjectId id_;
  const std::shared_ptr<Layout> layout_;
  base::Loop& loop_;
  const std::shared_ptr<Link> link_;
  const Unit unit_;
  const std::shared_ptr<Common> common_;
  bool ever_reached_ = false;
  Planner planner_;
  const std::shared_ptr<Transaction> transaction_ = std::make_shared<Transaction>();
  std::unique_ptr<Writer> writer_;  // of devices that have been written to

  // The read in progress.
  std::span<Reading> readings_;
  Done done_;
  bool hurried_ = false;
  const Planner::Block* block_ = nullptr;
};

void ModbusDriver::read(std::span<Reading> batch, Done done) {
  assert(!done_);
  readings_ = batch;
  done_ = std::move(done);
  hurried_ = false;
  planner_.begin(batch, loop_.now());
  for (const std::uint32_t at : planner_.left_out()) {
    batch[at].sample.emplace(planner_.why_left_out(at), loop_.wall());
  }
  block_ = planner_.next();
  if (block_ != nullptr) return ask();
  // A loop that takes no more tasks has stopped or is stuck: nobody waits for this one.
  (void)loop_.post([transaction = transaction_, this] {
    if (transaction->client != nullptr) finish(Status());
  });
}

void ModbusDriver::ask() {
  unit_.prepare_read(*transaction_, block_->range);
  if (block_->doubtful) transaction_->retries = 0;
  link_->send(transaction_);
}

void ModbusDriver::answered(const Status& said, Bytes answer) {
  const Status status = said.ok() ? said : unit_.explain(said, answer, block_->range);
  if (status.ok()) {
    reached();
    decode_all(payload(answer));
    planner_.answered();
  } else if (status.code() == Code::timeout) {
    const Status why = planner_.silent(status);
    if (planner_.gave_up()) return fail_rest(status);
    fail_members(why);
  } else if (status.code() == Code::refused) {
    reached();
    const std::uint8_t exception = exception_of(answer);
    const bool address_at_fault = exception == illegal_data_address ||
                                  exception == illegal_data_value || exception == device_failure;
    const auto last_word = planner_.refused(status, address_at_fault);
    if (last_word) fail_members(*last_word);
  } else if (status.retriable()) {
    return fail_rest(status);
  } else {
    reached();
    fail_members(status);
    planner_.nonsense();
  }
  // What is not asked for now has no news; the planner starts over with the next batch.
  block_ = hurried_ ? nullptr : planner_.next();
  block_ == nullptr ? finish(Status()) : ask();
}

void ModbusDriver::decode_all(Bytes bytes) {
  const base::Time now = loop_.wall();
  for (const std::uint32_t at : block_->members) {
    const Place& where = *layout_->place(planner_.index_of(at));
    const auto index = static_cast<std::size_t>(where.hull.first - block_->range.first);
    dmi::Sample& sample = readings_[at].sample.emplace();
    sample.time = now;
    if (decode_plain(where, bytes, index, sample.value.emplace())) continue;
    Result<dmi::Value> value = decode(where, bytes, index);
    readings_[at].sample =
        value ? dmi::Sample(std::move(*value), now) : dmi::Sample(value.status(), now);
  }
}

void ModbusDriver::fail_members(const Status& status) {
  const dmi::Sample bad(status, loop_.wall());
  for (const std::uint32_t at : block_->members) readings_[at].sample = bad;
}

// A unit that is away does not get the rest of its batch: the others on the line wait.
void ModbusDriver::fail_rest(const Status& status) {
  if (!planner_.heard()) {
    if (!ever_reached_) common_->opened_in_vain(id_);
    return finish(status);
  }
  const dmi::Sample bad(status, loop_.wall());
  for (Reading& reading : readings_) {
    if (!reading.sample) reading.sample = bad;
  }
  finish(Status());
}

void ModbusDriver::reached() {
  if (std::exchange(ever_reached_, true)) return;
  common_->vain_opens.erase(id_);
}

void ModbusDriver::write(std::span<Command> batch, Done done) {
  if (!writer_) {
    writer_ = std::make_unique<Writer>(loop_, link_, layout_, unit_, id_.to_string());
  }
  writer_->write(batch, std::move(done));
}

// The caller may destroy this driver in done.
void ModbusDriver::finish(const Status& status) {
  const Done done = std::exchange(done_, nullptr);
  done(status);
}

}  // namespace

std::uint32_t Common::vain_opens_of(const dmi::ObjectId& id) const {
  const auto known = vain_opens.find(id);
  return known == vain_opens.end() ? 0 : known->second;
}

void Common::opened_in_vain(const dmi::ObjectId& id) {
  if (vain_opens.size() >= max_vain_opens) vain_opens.clear();
  ++vain_opens[id];
}

Layout make_layout(const mapper::Target& target, const Settings& settings) {
  std::vector<Result<Place>> places;
  places.reserve(target.points.size());
  for (const mapper::Point& point : target.points) {
    assert(point.index == places.size());
    places.push_back(parse_place(point));
  }
  return Layout(target.points, std::move(places), limits_of(settings));
}

Result<std::unique_ptr<mapper::AsyncDriver>> make_driver(const mapper::Target& target,
                                                         base::Loop& loop,
                                                         std::shared_ptr<Link> link,
                                                         const Settings& settings,
                                                         std::shared_ptr<Common> common) {
  if (!common) common = std::make_shared<Common>();
  std::shared_ptr<Layout> layout = common->layouts.find(target.points, limits_of(settings));
  if (!layout) layout = common->layouts.share(make_layout(target, settings), target.points);
  if (layout->size() > 0 && layout->wrong() == layout->size()) return layout->place(0).status();
  return std::unique_ptr<mapper::AsyncDriver>(std::make_unique<ModbusDriver>(
      target.id, std::move(layout), loop, std::move(link), settings, std::move(common)));
}

mapper::Protocol protocol() {
  mapper::Protocol protocol;
  protocol.name = "modbus";
  // Shared by the copies of this function that std::function makes.
  protocol.open_async = [buses = std::make_shared<Buses>(), common = std::make_shared<Common>()](
                            const mapper::Target& target, mapper::Sink,
                            base::IoLoop& loop) -> Result<std::unique_ptr<mapper::AsyncDriver>> {
    const Result<Settings> settings = parse_settings(target.protocol);
    if (!settings) return settings.status();
    Result<std::shared_ptr<Link>> link = buses->get(loop, *settings);
    if (!link) return link.status();
    return make_driver(target, loop, std::move(*link), *settings, common);
  };
  protocol.check = [](const mapper::Target& target) {
    std::vector<Status> mistakes = check_settings(target.protocol);
    const Result<Settings> settings = parse_settings(target.protocol);
    const Layout layout = make_layout(target, settings ? *settings : Settings());
    for (const mapper::Point& point : target.points) {
      std::vector<Status> of_point = check_place(point);
      const Result<Place>& place = layout.place(point.index);
      // What only device and point together make wrong: limits, forbidden ranges, pins.
      if (of_point.empty() && !place) of_point.push_back(place.status());
      std::ranges::move(of_point, std::back_inserter(mistakes));
    }
    return mistakes;
  };
  return protocol;
}

}  // namespace modbus
