#include "modbus/unit.hpp"

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Status;

namespace {

// What a frame's bytes take where the line itself does not see it: behind a converter. A serial
// line counts its characters itself, from the end of what it sends.
std::chrono::nanoseconds unseen_byte_time(const Endpoint& endpoint) {
  const bool unseen = endpoint.framing == Framing::rtu && endpoint.transport != Transport::serial;
  return unseen ? byte_time(endpoint) : std::chrono::nanoseconds(0);
}

}  // namespace

Unit::Unit(const Settings& settings)
    : number_(settings.unit),
      retries_(settings.retries),
      timeout_(settings.timeout),
      byte_time_(unseen_byte_time(settings.endpoint)) {}

std::chrono::milliseconds Unit::timeout(std::size_t request_bytes, std::size_t answer_bytes) const {
  const std::size_t bytes =
      frame_bytes(Framing::rtu, request_bytes) + frame_bytes(Framing::rtu, answer_bytes);
  return timeout_ + std::chrono::ceil<std::chrono::milliseconds>(byte_time_ *
                                                                 static_cast<std::int64_t>(bytes));
}

void Unit::prepare_read(Transaction& transaction, const Range& range) const {
  transaction.unit = number_;
  transaction.broadcast = false;
  transaction.request = read_request(range);
  transaction.retries = retries_;
  const std::size_t values =
      is_bits(range.table) ? (range.count + 7u) / 8u : std::size_t{range.count} * 2;
  transaction.timeout = timeout(transaction.request.size(), 2 + values);
}

Status Unit::explain(const Status& said, Bytes answer, const Range& range) const {
  const int unit = number_;
  const std::uint8_t exception = exception_of(answer);
  if (exception == gateway_no_path || exception == gateway_no_answer) {
    return Status(Code::unavailable,
                  cat("unit ", unit, ": ", said.text(), " (", range.to_string(), ")"));
  }
  switch (said.code()) {
    case Code::timeout:
      return Status(Code::timeout,
                    cat("unit ", unit, " ", said.text(), " (", range.to_string(), ")"));
    case Code::refused:
      return Status(Code::refused,
                    cat("unit ", unit, " refused ", range.to_string(), ": ", said.text()));
    case Code::malformed:
      return Status(Code::malformed,
                    cat("unit ", unit, ", ", range.to_string(), ": ", said.text()));
    default:
      return said;
  }
}

}  // namespace modbus
