#include "modbus/driver.hpp"

#include <algorithm>
#include <cassert>
#include <utility>
#include <variant>
#include <vector>

#include "base/text.hpp"
#include "modbus/codec.hpp"
#include "modbus/plan.hpp"
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
  ModbusDriver(std::vector<Result<Place>> places, base::Loop& loop, std::shared_ptr<Link> link,
               const Settings& settings)
      : places_(std::move(places)),
        loop_(loop),
        link_(std::move(link)),
        settings_(settings),
        planner_(places_, Limits{settings.max_registers, settings.max_bits, settings.max_gap}) {
    transaction_->client = this;
    transaction_->unit = settings.unit;
    transaction_->timeout = settings.timeout;
  }
  // The link may still hold the transaction: it is forgotten, not answered.
  ~ModbusDriver() override { transaction_->client = nullptr; }
  ModbusDriver(const ModbusDriver&) = delete;
  ModbusDriver& operator=(const ModbusDriver&) = delete;

  void read(std::span<Reading> batch, Done done) override;
  void write(std::span<Command> batch, Done done) override;

 private:
  void answered(const Status& status, Bytes answer) override;

  void send_next_read();
  void read_answered(const Status& status, Bytes answer);
  void decode_all(Bytes answer);
  void refused(const Status& status, std::uint8_t exception);
  void fail_rest(const Status& status);
  std::span<const std::uint32_t> members() const;

  void send_next_write();
  Status prepare(const Command& command);
  void write_answered(const Status& status);

  void finish(const Status& status);
  void finish_later();
  Status explain(const Status& status) const;
  const Place& place(const mapper::Point& point) const { return places_[point.index].value(); }

  const std::vector<Result<Place>> places_;  // by Point::index
  base::Loop& loop_;
  const std::shared_ptr<Link> link_;
  const Settings settings_;
  Planner planner_;
  const std::shared_ptr<Transaction> transaction_ = std::make_shared<Transaction>();

  // The call in progress.
  std::span<Reading> readings_;
  std::span<Command> commands_;
  Done done_;
  bool writing_ = false;
  bool reached_ = false;
  std::size_t next_ = 0;  // request of the plan, or command
  const Plan* plan_ = nullptr;
  Range range_;                         // on the wire
  std::vector<std::uint32_t> singles_;  // positions in the batch to read one by one, last first
  std::uint32_t single_ = 0;
  bool reading_single_ = false;
};

void ModbusDriver::read(std::span<Reading> batch, Done done) {
  assert(!done_);
  readings_ = batch;
  done_ = std::move(done);
  writing_ = false;
  reached_ = false;
  next_ = 0;
  singles_.clear();
  for (Reading& reading : batch) {
    const Result<Place>& known = places_[reading.point.index];
    if (!known) reading.sample.emplace(known.status(), loop_.wall());
  }
  plan_ = &planner_.plan(batch, loop_.now());
  if (plan_->requests.empty()) return finish_later();
  transaction_->urgent = false;
  send_next_read();
}

void ModbusDriver::send_next_read() {
  reading_single_ = !singles_.empty();
  if (reading_single_) {
    single_ = singles_.back();
    singles_.pop_back();
    range_ = place(readings_[single_].point).hull;
  } else if (next_ < plan_->requests.size()) {
    range_ = plan_->requests[next_++].range;
  } else {
    return finish(Status());
  }
  transaction_->request = read_request(range_);
  link_->send(transaction_);
}

// Positions in the batch that the request on the wire reads.
std::span<const std::uint32_t> ModbusDriver::members() const {
  if (reading_single_) return std::span(&single_, 1);
  return plan_->members_of(plan_->requests[next_ - 1]);
}

void ModbusDriver::answered(const Status& said, Bytes answer) {
  // A gateway that answers for a unit it cannot reach: the unit is away, and asking it again at
  // once would cost its neighbours the gateway's own time-out.
  const std::uint8_t exception = exception_of(answer);
  const bool away = exception == gateway_no_path || exception == gateway_no_answer;
  const Status status =
      away ? Status(Code::unavailable,
                    cat("unit ", settings_.unit, ": ", said.text(), " (", range_.to_string(), ")"))
           : said;
  writing_ ? write_answered(status) : read_answered(status, answer);
}

void ModbusDriver::read_answered(const Status& status, Bytes answer) {
  if (status.retriable()) return fail_rest(explain(status));
  reached_ = true;
  if (status.ok()) {
    decode_all(payload(answer));
  } else if (status.code() == Code::refused) {
    refused(status, exception_of(answer));
  } else {
    const dmi::Sample bad(explain(status), loop_.wall());
    for (const std::uint32_t at : members()) readings_[at].sample = bad;
  }
  send_next_read();
}

void ModbusDriver::decode_all(Bytes bytes) {
  const base::Time now = loop_.wall();
  for (const std::uint32_t at : members()) {
    const Place& where = place(readings_[at].point);
    Result<dmi::Value> value =
        decode(where, bytes, static_cast<std::size_t>(where.hull.first - range_.first));
    if (value) {
      readings_[at].sample.emplace(std::move(*value), now);
    } else {
      readings_[at].sample.emplace(value.status(), now);
    }
  }
}

void ModbusDriver::refused(const Status& status, std::uint8_t exception) {
  const bool one_may_spoil_all =
      exception == illegal_data_address || exception == illegal_data_value;
  if (!reading_single_ && one_may_spoil_all && members().size() > 1) {
    singles_.assign(members().rbegin(), members().rend());
    planner_.refused(readings_, members(), loop_.now());
    return;
  }
  if (one_may_spoil_all) planner_.refused_alone(readings_[members()[0]].point, loop_.now());
  const dmi::Sample bad(explain(status), loop_.wall());
  for (const std::uint32_t at : members()) readings_[at].sample = bad;
}

// A unit that does not answer once does not get the rest of its batch: the others on the line wait.
void ModbusDriver::fail_rest(const Status& status) {
  if (!reached_) return finish(status);
  const dmi::Sample bad(status, loop_.wall());
  for (Reading& reading : readings_) {
    if (!reading.sample) reading.sample = bad;
  }
  finish(Status());
}

void ModbusDriver::write(std::span<Command> batch, Done done) {
  assert(!done_);
  commands_ = batch;
  done_ = std::move(done);
  writing_ = true;
  reached_ = false;
  next_ = 0;
  transaction_->urgent = true;
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
  const Result<Place>& known = places_[command.point.index];
  if (!known) return known.status();
  range_ = known->range;
  if (!is_writable(range_.table)) {
    return Status(Code::unsupported, cat(range_.to_string(), " cannot be written"));
  }
  if (known->extra && known->extra->scale_offset) {
    return Status(Code::unsupported, cat(range_.to_string(), " has a scale factor"));
  }
  const Result<Written> written = encode(*known, command.value, std::nullopt);
  if (!written) return written.status();
  // A value of several registers goes out whole: half a float is another number.
  transaction_->request = write_request(*known, *written);
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
  plan_ = nullptr;
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
  const int unit = settings_.unit;
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

// maxRegisters may be less than a point needs; a point is never read in halves.
Result<Place> place_within(const mapper::Point& point, const Settings& settings) {
  Result<Place> place = parse_place(point);
  if (!place || is_bits(place->range.table)) return place;
  if (place->hull.count > settings.max_registers) {
    return Status(Code::invalid,
                  cat(point.visitor.path(), ".limit: ", place->hull.count,
                      " registers are above the device's maxRegisters ", settings.max_registers));
  }
  return place;
}

}  // namespace

Result<std::unique_ptr<mapper::AsyncDriver>> make_driver(const mapper::Target& target,
                                                         base::Loop& loop,
                                                         std::shared_ptr<Link> link,
                                                         const Settings& settings) {
  std::vector<Result<Place>> places;
  places.reserve(target.points.size());
  for (const mapper::Point& point : target.points) {
    assert(point.index == places.size());
    places.push_back(place_within(point, settings));
  }
  const bool all_wrong = !places.empty() && std::ranges::none_of(places, &Result<Place>::ok);
  if (all_wrong) return places.front().status();
  return std::unique_ptr<mapper::AsyncDriver>(
      std::make_unique<ModbusDriver>(std::move(places), loop, std::move(link), settings));
}

mapper::Protocol protocol() {
  mapper::Protocol protocol;
  protocol.name = "modbus";
  // Shared by the copies of this function that std::function makes.
  protocol.open_async = [links = std::make_shared<Links>()](
                            const mapper::Target& target, mapper::Sink,
                            base::IoLoop& loop) -> Result<std::unique_ptr<mapper::AsyncDriver>> {
    const Result<Settings> settings = parse_settings(target.protocol);
    if (!settings) return settings.status();
    return make_driver(target, loop,
                       links->get(loop, settings->endpoint.host, settings->endpoint.port),
                       *settings);
  };
  return protocol;
}

}  // namespace modbus
