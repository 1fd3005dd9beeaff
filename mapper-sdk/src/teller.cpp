#include "teller.hpp"

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
      heartbeat_timer_(loop) {}

void Teller::start(bool extended) {
  started_ = true;
  if (extended) {
    batches_ = client_.open_batches(mapper_, [this, era = ++era_](const Status& why) {
      inbox_.post([this, era, why] {
        if (era != era_) return;
        repeats_.warn(loop_.now(), "batches", why.to_string());
        away_();
      });
    });
    beat();
  }
  pump();
}

void Teller::stop() {
  started_ = false;
  ++era_;
  heartbeat_timer_.stop();
  batches_.reset();
}

void Teller::news(const Session& session) {
  queue(session.id());
  pump();
}

void Teller::queue(const dmi::ObjectId& id) {
  if (!calling_.contains(id) && queued_.insert(id).second) queue_.push_back(id);
}

dmi::ObjectId Teller::next() {
  dmi::ObjectId id = std::move(queue_.front());
  queue_.pop_front();
  queued_.erase(id);
  return id;
}

void Teller::pump() {
  if (batches_) return pump_batches();
  while (started_ && !pause_timer_.running() && calling_.size() < max_calls && !queue_.empty()) {
    const dmi::ObjectId id = next();
    if (tell(id)) calling_.insert(id);
  }
}

// The state goes first, in a call of its own as DMI has it. The client never answers from within.
bool Teller::tell(const dmi::ObjectId& id) {
  Session* session = fleet_.find(id);
  if (session == nullptr) return false;
  const std::string state = session->take_state();
  const auto done = [this, told = Told{id, state.empty(), !state.empty()}](Status status) {
    inbox_.post([this, told, status = std::move(status)] {
      answered(told, status);
      pump();
    });
  };
  if (!state.empty()) {
    client_.report_state(id, state, done);
    return true;
  }
  const dmi::DeviceReport report = session->take_report();
  if (report.twins.empty()) return false;
  client_.report_status(report, done);
  return true;
}

void Teller::pump_batches() {
  while (!pause_timer_.running() && open_ < BatchStream::max_open && !queue_.empty()) {
    std::vector<Told> told;
    const std::vector<BatchItem> items = gather(told);
    if (!items.empty()) send(items, std::move(told));
  }
}

std::vector<BatchItem> Teller::gather(std::vector<Told>& told) {
  std::vector<BatchItem> items;
  std::size_t twins = 0;
  std::size_t bytes = 0;
  while (!queue_.empty() && twins < BatchStream::full_twins && bytes < BatchStream::full_bytes) {
    const dmi::ObjectId id = next();
    Session* session = fleet_.find(id);
    if (session == nullptr) continue;
    BatchItem item{session->take_report(), session->take_state()};
    if (item.report.twins.empty() && item.state.empty()) continue;
    told.push_back({id, !item.report.twins.empty(), !item.state.empty()});
    calling_.insert(id);
    twins += item.report.twins.size() + 1;  // a state costs as much
    for (const dmi::TwinReport& twin : item.report.twins) bytes += bytes_of(twin);
    items.push_back(std::move(item));
  }
  return items;
}

void Teller::send(const std::vector<BatchItem>& items, std::vector<Told> told) {
  ++open_;
  batches_->send(items, [this, told = std::move(told)](const auto& verdicts) {
    inbox_.post([this, told, verdicts] { answered_batch(told, verdicts); });
  });
}

void Teller::beat() {
  if (open_ == 0) send({}, {});
  heartbeat_timer_.start(heartbeat, [this] { beat(); });
}

void Teller::answered_batch(const std::vector<Told>& told,
                            const base::Result<std::vector<Status>>& verdicts) {
  --open_;
  for (std::size_t i = 0; i < told.size(); ++i) {
    answered(told[i],
             verdicts ? (*verdicts)[i] : Status(Code::unavailable, verdicts.status().text()));
  }
  // The edge core has forgotten us, or does not understand what we say.
  if (!verdicts && !verdicts.status().retriable()) away_();
  pump();
}

void Teller::answered(const Told& told, const Status& status) {
  calling_.erase(told.id);
  Session* session = fleet_.find(told.id);
  if (status.retriable()) {
    if (session != nullptr && told.state) session->untell_state();
    if (session != nullptr && told.report) session->untell_report();
    not_told(told.id.to_string(), status);
  } else if (!status.ok()) {
    // Saying the same again would not help; the next change or the twins' refresh says it anew.
    repeats_.warn(loop_.now(), cat("report ", told.id.to_string()),
                  cat("report of ", told.id.to_string(), ": ", status.to_string()));
  }
  if (session != nullptr && session->has_news()) queue(told.id);
}

void Teller::not_told(const std::string& whom, const Status& status) {
  const bool busy = status.text().find("too many request") != std::string::npos;
  if (busy) {
    pause_timer_.start(pause, [this] { pump(); });
  } else {
    away_();
  }
  repeats_.warn(loop_.now(), "report",
                cat("report of ", whom, ": ", status.text(), "; told again later"));
}

}  // namespace mapper
