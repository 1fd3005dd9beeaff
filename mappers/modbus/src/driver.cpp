#include "modbus/driver.hpp"

#include <algorithm>
#include <cassert>
#include <utility>
#include <variant>
#include <vector>

#include "base/text.hpp"
#include "modbus/codec.hpp"
#include "modbus/layout.hpp"
#include "modbus/planner.hpp"
#include "modbus/tcp_link.hpp"

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
        unit_(settings.unit),
        timeout_(settings.timeout),
        retries_(settings.retries),
        byte_time_(settings.endpoint.framing == Framing::rtu ? byte_time(settings.endpoint)
                                                             : std::chrono::nanoseconds(0)),
        common_(std::move(common)),
        planner_(layout_, common_->vain_opens_of(id)) {
    transaction_->client = this;
    transaction_->unit = unit_;
  }
  // The link may still hold the transaction: it is forgotten, not answered.
  ~ModbusDriver() override { transaction_->client = nullptr; }
  ModbusDriver(const ModbusDriver&) = delete;
  ModbusDriver& operator=(const ModbusDriver&) = delete;

  void read(std::span<Reading> batch, Done done) override;
  void write(std::span<Command> batch, Done done) override;
  bool hurry() override { return hurried_ = true; }

 private:
  void answered(const Status& status, Bytes answer) override;

  void send_next_read();
  void read_answered(const Status& status, Bytes answer);
  void decode_all(Bytes answer);
  void fail_members(const Status& status);
  void fail_rest(const Status& status);
  void reached();

  void send_next_write();
  Status prepare(const Command& command);
  void write_answered(const Status& status);

  void finish(const Status& status);
  void finish_later();
  Status explain(const Status& status) const;
  std::chrono::milliseconds timeout_for(std::size_t bytes) const;

  const dmi::ObjectId id_;
  const std::shared_ptr<Layout> layout_;
  base::Loop& loop_;
  const std::shared_ptr<Link> link_;
  const std::uint8_t unit_;
  const std::chrono::milliseconds timeout_;
  const std::uint8_t retries_;
  const std::chrono::nanoseconds byte_time_;  // where bytes take their time; else 0
  const std::shared_ptr<Common> common_;
  bool ever_reached_ = false;
  Planner planner_;
  const std::shared_ptr<Transaction> transaction_ = std::make_shared<Transaction>();

  // The call in progress.
  std::span<Reading> readings_;
  std::span<Command> commands_;
  Done done_;
  bool writing_ = false;
  bool reached_ = false;
  bool hurried_ = false;
  std::size_t next_ = 0;  // command
  const Planner::Block* block_ = nullptr;
  Range range_;  // on the wire
};

void ModbusDriver::read(std::span<Reading> batch, Done done) {
  assert(!done_);
  readings_ = batch;
  done_ = std::move(done);
  writing_ = false;
  hurried_ = false;
  planner_.begin(batch, loop_.now());
  for (const std::uint32_t at : planner_.left_out()) {
    batch[at].sample.emplace(planner_.why_left_out(at), loop_.wall());
  }
  block_ = planner_.next();
  if (block_ == nullptr) return finish_later();
  transaction_->urgent = false;
  send_next_read();
}

void ModbusDriver::send_next_read() {
  range_ = block_->range;
  transaction_->request = read_request(range_);
  transaction_->retries = block_->doubtful ? std::uint8_t{0} : retries_;
  const std::size_t values =
      is_bits(range_.table) ? (range_.count + 7u) / 8u : std::size_t{range_.count} * 2;
  transaction_->timeout =
      timeout_for(frame_bytes(Framing::rtu, 5) + frame_bytes(Framing::rtu, 2 + values));
  link_->send(transaction_);
}

// A slow line needs its time for the bytes; `timeout` is the device's share.
std::chrono::milliseconds ModbusDriver::timeout_for(std::size_t bytes) const {
  return timeout_ + std::chrono::ceil<std::chrono::milliseconds>(byte_time_ *
                                                                 static_cast<std::int64_t>(bytes));
}

void ModbusDriver::answered(const Status& said, Bytes answer) {
  // A gateway that answers for a unit it cannot reach: the unit is away, and asking it again at
  // once would cost its neighbours the gateway's own time-out.
  const std::uint8_t exception = exception_of(answer);
  const bool away = exception == gateway_no_path || exception == gateway_no_answer;
  const Status status = away ? Status(Code::unavailable, cat("unit ", unit_, ": ", said.text(),
                                                             " (", range_.to_string(), ")"))
                             : said;
  writing_ ? write_answered(status) : read_answered(status, answer);
}

void ModbusDriver::read_answered(const Status& status, Bytes answer) {
  if (status.ok()) {
    reached();
    decode_all(payload(answer));
    planner_.answered();
  } else if (status.code() == Code::timeout) {
    const Status why = planner_.silent(explain(status));
    if (planner_.gave_up()) return fail_rest(explain(status));
    fail_members(why);
  } else if (status.code() == Code::refused) {
    reached();
    const std::uint8_t exception = exception_of(answer);
    const bool address_at_fault = exception == illegal_data_address ||
                                  exception == illegal_data_value || exception == device_failure;
    const auto last_word = planner_.refused(explain(status), address_at_fault);
    if (last_word) fail_members(*last_word);
  } else if (status.retriable()) {
    return fail_rest(explain(status));
  } else {
    reached();
    fail_members(explain(status));
    planner_.nonsense();
  }
  // What is not asked for now has no news; the planner starts over with the next batch.
  block_ = hurried_ ? nullptr : planner_.next();
  block_ == nullptr ? finish(Status()) : send_next_read();
}

void ModbusDriver::decode_all(Bytes bytes) {
  const base::Time now = loop_.wall();
  for (const std::uint32_t at : block_->members) {
    const Place& where = *layout_->place(planner_.index_of(at));
    Result<dmi::Value> value =
        decode(where, bytes, static_cast<std::size_t>(where.range.first - range_.first));
    if (value) {
      readings_[at].sample.emplace(std::move(*value), now);
    } else {
      readings_[at].sample.emplace(value.status(), now);
    }
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
  assert(!done_);
  commands_ = batch;
  done_ = std::move(done);
  writing_ = true;
  reached_ = false;
  next_ = 0;
  transaction_->urgent = true;
  transaction_->retries = 0;
  transaction_->timeout = timeout_for(2 * max_pdu_bytes);
  for (Command& command : batch) {
    // Statuses of what never goes out are set now, so that a silent unit does not hide them.
    if (const Status prepared = prepare(command); !prepared.ok()) command.status = prepared;
  }
  if (std::ranges::all_of(batch, [](const Command& one) { return one.status.has_value(); })) {
    return finish_later();
  }
  send_next_write();
}

// Makes the request of a command.
Status ModbusDriver::prepare(const Command& command) {
  const Result<Place>& known = layout_->place(command.point.index);
  if (!known) return known.status();
  range_ = known->range;
  if (!is_writable(range_.table)) {
    return Status(Code::unsupported, cat(range_.to_string(), " cannot be written"));
  }
  if (is_bits(range_.table)) {
    const Result<bool> bit = encode_bit(command.value);
    if (!bit) return bit.status();
    transaction_->request = write_coil_request(range_.first, *bit);
    return Status();
  }
  const Result<Words> words = encode(*known, command.value);
  if (!words) return words.status();
  // A value of several registers goes out whole: half a float is another number.
  transaction_->request = words->count == 1 ? write_register_request(range_.first, words->words[0])
                                            : write_registers_request(range_.first, words->view());
  return Status();
}

void ModbusDriver::send_next_write() {
  while (next_ < commands_.size() && commands_[next_].status) ++next_;
  if (next_ == commands_.size()) return finish(Status());
  const Status prepared = prepare(commands_[next_]);
  assert(prepared.ok());
  link_->send(transaction_);
}

void ModbusDriver::write_answered(const Status& status) {
  if (!status.retriable()) {
    reached_ = true;
    commands_[next_].status = status.ok() ? status : explain(status);
    return send_next_write();
  }
  const Status why = explain(status);
  if (!reached_) return finish(why);
  for (Command& command : commands_) {
    if (!command.status) command.status = why;
  }
  finish(Status());
}

// The caller may destroy this driver in done.
void ModbusDriver::finish(const Status& status) {
  const Done done = std::exchange(done_, nullptr);
  done(status);
}

void ModbusDriver::finish_later() {
  // A loop that takes no more tasks has stopped or is stuck: nobody waits for this one.
  (void)loop_.post([transaction = transaction_, this] {
    if (transaction->client != nullptr) finish(Status());
  });
}

// What the link says, with unit and addresses.
Status ModbusDriver::explain(const Status& status) const {
  const int unit = unit_;
  switch (status.code()) {
    case Code::timeout:
      return Status(Code::timeout,
                    cat("unit ", unit, " ", status.text(), " (", range_.to_string(), ")"));
    case Code::refused:
      return Status(Code::refused,
                    cat("unit ", unit, " refused ", range_.to_string(), ": ", status.text()));
    case Code::malformed:
      return Status(Code::malformed,
                    cat("unit ", unit, ", ", range_.to_string(), ": ", status.text()));
    default:
      return status;
  }
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
  std::shared_ptr<Layout> layout = common->layouts.share(make_layout(target, settings));
  if (layout->size() > 0 && layout->wrong() == layout->size()) return layout->place(0).status();
  return std::unique_ptr<mapper::AsyncDriver>(std::make_unique<ModbusDriver>(
      target.id, std::move(layout), loop, std::move(link), settings, std::move(common)));
}

mapper::Protocol protocol() {
  mapper::Protocol protocol;
  protocol.name = "modbus";
  // Shared by the copies of this function that std::function makes.
  protocol.open_async = [links = std::make_shared<Links>(), common = std::make_shared<Common>()](
                            const mapper::Target& target, mapper::Sink,
                            base::IoLoop& loop) -> Result<std::unique_ptr<mapper::AsyncDriver>> {
    const Result<Settings> settings = parse_settings(target.protocol);
    if (!settings) return settings.status();
    return make_driver(target, loop,
                       links->get(loop, settings->endpoint.host, settings->endpoint.port),
                       *settings, common);
  };
  protocol.check = [](const mapper::Target& target) {
    std::vector<Status> mistakes = check_settings(target.protocol);
    const Result<Settings> settings = parse_settings(target.protocol);
    const Layout layout = make_layout(target, settings ? *settings : Settings());
    for (const Result<Place>& place : layout.places()) {
      if (!place) mistakes.push_back(place.status());
    }
    return mistakes;
  };
  return protocol;
}

}  // namespace modbus
