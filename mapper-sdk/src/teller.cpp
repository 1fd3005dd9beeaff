#include "teller.hpp"

#include "base/text.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Status;

Teller::Teller(base::Loop& loop, Inbox& inbox, dmi::wire::ManagerClient& client, Fleet& fleet,
               base::Repeats& repeats, std::function<void()> away)
    : loop_(loop),
      inbox_(inbox),
      client_(client),
      fleet_(fleet),
      repeats_(repeats),
      away_(std::move(away)),
      pause_timer_(loop) {}

void Teller::start() {
  started_ = true;
  pump();
}

void Teller::stop() { started_ = false; }

void Teller::news(const Session& session) {
  const dmi::ObjectId& id = session.id();
  if (calling_.contains(id) || !queued_.insert(id).second) return;
  queue_.push_back(id);
  pump();
}

void Teller::pump() {
  while (started_ && !pause_timer_.running() && calling_.size() < max_calls && !queue_.empty()) {
    const dmi::ObjectId id = std::move(queue_.front());
    queue_.pop_front();
    queued_.erase(id);
    if (tell(id)) calling_.insert(id);
  }
}

// The state goes first, in a call of its own as DMI has it. The client never answers from within.
bool Teller::tell(const dmi::ObjectId& id) {
  Session* session = fleet_.find(id);
  if (session == nullptr) return false;
  const std::string state = session->take_state();
  const auto done = [this, id, is_state = !state.empty()](Status status) {
    inbox_.post(
        [this, id, is_state, status = std::move(status)] { answered(id, is_state, status); });
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

void Teller::answered(const dmi::ObjectId& id, bool state, const Status& status) {
  calling_.erase(id);
  Session* session = fleet_.find(id);
  if (status.retriable()) {
    if (session != nullptr) state ? session->untell_state() : session->untell_report();
    const bool busy = status.text().find("too many request") != std::string::npos;
    if (busy) {
      pause_timer_.start(pause, [this] { pump(); });
    } else {
      away_();
    }
    repeats_.warn(loop_.now(), "report",
                  cat("report of ", id.to_string(), ": ", status.text(), "; told again later"));
  } else if (!status.ok()) {
    // Saying the same again would not help; the next change or the twins' refresh says it anew.
    repeats_.warn(loop_.now(), cat("report ", id.to_string()),
                  cat("report of ", id.to_string(), ": ", status.to_string()));
  }
  if (session != nullptr && session->has_news()) news(*session);
  pump();
}

}  // namespace mapper
