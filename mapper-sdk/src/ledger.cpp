#include "ledger.hpp"

#include <utility>

#include "base/file.hpp"
#include "base/text.hpp"
#include "dmi/json.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

Result<Ledger> Ledger::open(std::filesystem::path path) {
  Ledger ledger;
  ledger.path_ = std::move(path);
  const Result<std::string> text = base::read_trusted(ledger.path_, base::Trust::file, 16u << 20);
  if (!text) {
    if (text.status().code() == Code::not_found) return ledger;
    return text.status();
  }
  const Result<dmi::Json> json = dmi::parse_json(*text);
  const auto wrong = [&](std::string_view what) {
    return Status(Code::invalid, cat(ledger.path_.string(), ": not a ledger of sent values: ", what,
                                     "; move it away to start without one"));
  };
  if (!json) return wrong(json.status().text());
  if (!json->is_object()) return wrong("no object");
  for (const auto& [point, value] : json->items()) {
    if (!value.is_string()) return wrong(cat(point, " is no text"));
    ledger.last_[point] = value.get<std::string>();
  }
  return ledger;
}

bool Ledger::sent(const std::string& point, const std::string& value) const {
  const auto found = last_.find(point);
  return found != last_.end() && found->second == value;
}

bool Ledger::was_carried_out(const std::string& point, const std::string& value) const {
  return sent(point, value) && carried_out_.contains(point);
}

void Ledger::carried_out(const std::string& point) { carried_out_.insert(point); }

Status Ledger::note(const std::string& point, const std::string& value) {
  std::map<std::string, std::string> next = last_;
  next[point] = value;
  if (!path_.empty()) {
    const Status written = base::write_file(path_, dmi::to_text(dmi::Json(next)) + "\n", 0600);
    if (!written.ok()) {
      return Status(Code::unavailable,
                    cat("not sent, because it cannot be noted first: ", written.text()));
    }
  }
  last_ = std::move(next);
  carried_out_.erase(point);
  return Status();
}

}  // namespace mapper
