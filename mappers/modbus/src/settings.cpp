#include "modbus/settings.hpp"

#include "base/text.hpp"

namespace modbus {

using base::Code;
using base::Result;
using base::Status;

namespace {

// A number outside its limits is a fault of the spec, like every other one: no retry helps.
Status as_invalid(const Status& status) { return Status(Code::invalid, status.text()); }

}  // namespace

Result<Settings> parse_settings(const dmi::Config& protocol) {
  if (const Status known =
          protocol.only({"ip", "port", "slaveID", "timeout", "maxRegisters", "maxBits", "maxGap"});
      !known.ok()) {
    return known;
  }
  Settings settings;
  Result<Endpoint> endpoint = parse_endpoint(protocol);
  if (!endpoint) return endpoint.status();
  settings.endpoint = std::move(*endpoint);
  const auto whole = [&](std::string_view key, auto& into, std::int64_t low, std::int64_t high) {
    const Result<std::int64_t> read =
        protocol.integer(key, static_cast<std::int64_t>(into), low, high);
    if (!read) return as_invalid(read.status());
    into = static_cast<std::remove_reference_t<decltype(into)>>(*read);
    return Status();
  };
  std::int64_t timeout = settings.timeout.count();
  for (const Status& status :
       {whole("slaveID", settings.unit, 0, 255), whole("timeout", timeout, 10, 60000),
        whole("maxRegisters", settings.max_registers, 1, max_read_registers),
        whole("maxBits", settings.max_bits, 1, max_read_bits),
        whole("maxGap", settings.max_gap, 0, max_read_registers)}) {
    if (!status.ok()) return status;
  }
  settings.timeout = std::chrono::milliseconds(timeout);
  return settings;
}

}  // namespace modbus
