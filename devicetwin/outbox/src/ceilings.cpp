#include "ceilings.hpp"

#include "base/file.hpp"
#include "dmi/json.hpp"

namespace devicetwin::outbox {

using base::Status;

Ceilings::Ceilings(std::filesystem::path file) : file_(std::move(file)) {
  const auto text = base::read_trusted(file_, base::Trust::file);
  if (!text.ok()) return;
  const auto json = dmi::parse_json(*text);
  if (!json.ok() || !json->is_object()) return;
  known_ = true;
  for (const auto& [consumer, ceiling] : json->items()) {
    if (ceiling.is_number_unsigned()) ceilings_[consumer] = ceiling.get<std::uint64_t>();
  }
}

std::uint64_t Ceilings::of(const std::string& consumer) const {
  const auto found = ceilings_.find(consumer);
  return found == ceilings_.end() ? 0 : found->second;
}

Status Ceilings::cover(const std::string& consumer, std::uint64_t next) {
  if (next <= of(consumer)) return Status();
  auto wanted = ceilings_;
  wanted[consumer] = next + block;
  if (Status status = base::write_file(file_, dmi::to_text(dmi::Json(wanted))); !status.ok()) {
    return status;
  }
  ceilings_ = std::move(wanted);
  known_ = true;
  return Status();
}

}  // namespace devicetwin::outbox
