#include "teller.hpp"

#include <utility>

#include "base/text.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Status;
using dmi::wire::BatchItem;
using dmi::wire::BatchStream;

namespace {

std::size_t bytes_of(const dmi::TwinReport& twin) {
  std::size_t bytes = twin.property.size();
  for (const auto* value : {&twin.reported, &twin.observed}) {
    if (*value) bytes += (*value)->value.size();
  }
  return bytes;
}

std::uint32_t seed_of(const std::string& mapper) {
  return static_cast<std::uint32_t>(std::hash<std::string>()(mapper));
}

bool too_many(const Status& status) {
  return status.text().find("too many request") != std::string::npos;
}

}  // namespace

Teller::Teller(base::Loop& loop, Inbox& inbox, dmi::wire::ManagerClient& client, Fleet& fleet,
               base::Repeats& repeats, std::string mapper, std::function<void()> away)
    : loop_(loop),
      inbox_(inbox),
      client_(client),
      fleet_(fleet),
      repeats_(repeats),
      mapper_(std::move(mapper)),
      away_(std::move(away)),
      pause_timer_(loop),
      retry_timer_(loop),
      heartbeat_timer_(loop),
      states_(seed_of(mapper_)),
      reports_(seed_of(mapper_) + 1),
      budget_(loop),
      stock_(loop, repeats) {}

void Teller::start(bool extended) {
  started_ = true;
  ++era_;
  states_.queue.hurry_all();
  reports_.queue.hurry_all();
  if (extended) {
    while (const auto id = states_.queue.take(loop_.now())) reports_.push(*id);  // both together
    batches_ = client_.open_batches(mapper_, [this, era = era_](const Status& why) {
      inbox_.post([this, era, why] {
        if (era != era_) return;
        repeats_.warn(loop_.now(), "batches", why.to_string());
        away_();
      });
    });
    beat();
  } else {
    states_known_ = true;
    budget_.take(true);  // the registration
    const std::size_t devices = fleet_.sessions().size();
    if (devices > many_devices) {
      base::log_info(cat("stock EdgeCore grants one report per second: each of ", devices,
                         " devices is told every ", devices, " s at best"));
    }
  }
  pump();
}

void Teller::stop() {
  started_ = false;
  ++era_;
  pause_timer_.stop();
  retry_timer_.stop();
  heartbeat_timer_.stop();
  batches_.reset();
}

void Teller::news(const Session& session) {
  queue(session);
  pump();
}

void Teller::queue(const Session& session) {
  if (batches_) return reports_.push(session.id());
  if (session.has_state_news() && states_known_) states_.push(session.id());
  if (session.has_report_news()) reports_.push(session.id());
}

void Teller::Lane::push(const dmi::ObjectId& id) {
  if (!calling.contains(id)) queue.add(id);
}

void Teller::pump() {
  if (batches_) {
    pump_batches();
  } else if (started_) {
    pump_calls();
  }
  retry_later();
}

void Teller::retry_later() {
  constexpr auto never = base::SteadyTime::max();
  const base::SteadyTime next =
      std::min(states_.queue.next().value_or(never), reports_.queue.next().value_or(never));
  // One that is due already waits for a call's or a pause's end, which pumps.
  if (!started_ || next == never || next <= loop_.now()) return retry_timer_.stop();
  retry_timer_.start(next - loop_.now(), [this] { pump(); });
}

void Teller::pump_calls() {
  const base::SteadyTime now = loop_.now();
  while (states_.calling.size() + reports_.calling.size() < max_calls) {
    const bool urgent = states_.queue.due(now);
    const bool reports = reports_.queue.due(now);
    if (!urgent && !reports) return;
    if (const base::Duration wait = budget_.wait(urgent); wait > base::Duration::zero()) {
      return pause_timer_.start(wait, [this] { pump(); });
    }
    const bool state = urgent && (states_in_row_ < max_states || !reports);
    const bool sent =
        state ? tell_state(*states_.queue.take(now)) : tell_report(*reports_.queue.take(now));
    if (!sent) continue;
    budget_.take(urgent);
    states_in_row_ = state ? states_in_row_ + 1 : 0;
  }
}

// The client never answers from within.
bool Teller::tell_state(const dmi::ObjectId& id) {
  Session* session = fleet_.find(id);
  const std::string state = session != nullptr ? session->take_state() : "";
  if (state.empty()) return false;
  states_.calling.insert(id);
  client_.report_state(id, StockReport::state(state), done({id, &states_, false, true}));
  return true;
}

bool Teller::tell_report(const dmi::ObjectId& id) {
  Session* session = fleet_.find(id);
  if (session == nullptr) return false;
  const dmi::DeviceReport report = stock_.adapt(session->take_report());
  if (report.twins.empty()) return false;
  reports_.calling.insert(id);
  client_.report_status(report, done({id, &reports_, true, false}));
  return true;
}

dmi::wire::Done Teller::done(Told told) {
  return [this, told = std::move(told)](Status status) {
    inbox_.post([this, told, status = std::move(status)] {
      if (too_many(status)) {
        budget_.refused();
        states_in_row_ = 0;  // told nothing
      }
      // Nobody answered in time: an edge core that is stuck, or stuck with this device.
      answered(told, status, status.code() == Code::timeout);
      pump();
    });
  };
}

void Teller::pump_batches() {
  while (!pause_timer_.running() && open_ < BatchStream::max_open &&
         reports_.queue.due(loop_.now())) {
    std::vector<Told> told;
    const std::vector<BatchItem> items = gather(told);
    if (!items.empty()) send(items, std::move(told));
  }
}

std::vector<BatchItem> Teller::gather(std::vector<Told>& told) {
  std::vector<BatchItem> items;
  std::size_t twins = 0;
  std::size_t bytes = 0;
  while (twins < BatchStream::full_twins && bytes < BatchStream::full_bytes) {
    const auto next = reports_.queue.take(loop_.now());
    if (!next) break;
    const dmi::ObjectId& id = *next;
    Session* session = fleet_.find(id);
    if (session == nullptr) continue;
    BatchItem item{session->take_report(), session->take_state()};
    if (item.report.twins.empty() && item.state.empty()) continue;
    told.push_back({id, &reports_, !item.report.twins.empty(), !item.state.empty()});
    reports_.calling.insert(id);
    twins += item.report.twins.size() + 1;  // a state costs as much
    for (const dmi::TwinReport& twin : item.report.twins) bytes += bytes_of(twin);
    items.push_back(std::move(item));
  }
  return items;
}

void Teller::send(const std::vector<BatchItem>& items, std::vector<Told> told) {
  if (open_++ == 0) moved_ = loop_.now();
  batches_->send(items, [this, told = std::move(told)](const auto& verdicts) {
    inbox_.post([this, told, verdicts] { answered_batch(told, verdicts); });
  });
}

void Teller::beat() {
  heartbeat_timer_.start(heartbeat, [this] { beat(); });
  if (open_ == 0) return send({}, {});
  if (loop_.now() - moved_ < patience) return;
  repeats_.warn(loop_.now(), "batches",
                cat("no answer to ", open_, " batches within ", patience.count(), " s"));
  away_();
}

void Teller::answered_batch(const std::vector<Told>& told,
                            const base::Result<std::vector<Status>>& verdicts) {
  --open_;
  moved_ = loop_.now();
  for (std::size_t i = 0; i < told.size(); ++i) {
    answered(told[i],
             verdicts ? (*verdicts)[i] : Status(Code::unavailable, verdicts.status().text()),
             verdicts.ok());
  }
  // The edge core has forgotten us, or does not understand what we say.
  if (!verdicts && !verdicts.status().retriable()) away_();
  pump();
}

// of_device: what the answer says, it says of this device alone.
void Teller::answered(const Told& told, const Status& status, bool of_device) {
  told.lane->calling.erase(told.id);
  Session* session = fleet_.find(told.id);
  if (status.retriable()) {
    if (session != nullptr && told.state) session->untell_state();
    if (session != nullptr && told.report) session->untell_report();
    not_told(told, status, of_device);
  } else if (told.lane == &states_ && status.code() == Code::unsupported) {
    states_unknown();
  } else if (!status.ok()) {
    // Saying the same again would not help; the next change or the twins' refresh says it anew.
    repeats_.warn(loop_.now(), cat("report ", told.id.to_string()),
                  cat("report of ", told.id.to_string(), ": ", status.to_string()));
  } else if (session != nullptr && told.report) {
    session->first_told();
  }
  if (!status.retriable()) told.lane->queue.done(told.id);
  if (session != nullptr && session->has_news()) queue(*session);
}

// Each further one would cost a token for nothing.
void Teller::states_unknown() {
  if (!std::exchange(states_known_, false)) return;
  base::log_info("this EdgeCore (KubeEdge before 1.18) has no states; only values are told");
  states_.queue.clear();
}

void Teller::not_told(const Told& told, const Status& status, bool of_device) {
  const std::string whom = told.id.to_string();
  if (too_many(status)) {
    if (batches_) pause_timer_.start(pause, [this] { pump(); });  // else the budget tells when
  } else if (of_device) {
    told.lane->queue.failed(told.id, loop_.now());
  } else {
    away_();
  }
  repeats_.warn(loop_.now(), of_device ? cat("report ", whom) : "report",
                cat("report of ", whom, ": ", status.text(), "; told again later"));
}

}  // namespace mapper
