#include "sim/simulator.hpp"

namespace modbus_sim {

using base::Result;
using modbus::Adu;
using modbus::Endpoint;
using modbus::Pdu;

Memory* Simulator::find(std::uint8_t number) {
  const auto found = units_.find(number);
  return found == units_.end() ? nullptr : &found->second;
}

Result<Endpoint> Simulator::open(const Endpoint& endpoint) {
  auto server = Server::open(loop_, endpoint,
                             [this](const Adu& request, Reply& reply) { handle(request, reply); });
  if (!server) return server.status();
  Endpoint opened = endpoint;
  if ((*server)->port() != 0) opened.port = (*server)->port();
  servers_.push_back(std::move(*server));
  endpoints_.push_back(opened);
  return opened;
}

Result<std::string> Simulator::open(const std::string& url) {
  const Result<Endpoint> endpoint = parse_url(url);
  if (!endpoint) return endpoint.status();
  const Result<Endpoint> opened = open(*endpoint);
  if (!opened) return opened.status();
  return url_of(*opened);
}

void Simulator::drop_connections() {
  for (const auto& server : servers_) server->drop_connections();
}

void Simulator::handle(const Adu& request, Reply& reply) {
  ++counters_.requests[{request.unit, request.pdu[0]}];
  if (asked_) asked_(request);
  Memory* const memory = find(request.unit);
  if (memory == nullptr && request.unit == 0 && is_write(request.pdu[0])) {
    return broadcast(request);
  }
  const Fault* const fault = faults_.strike(request);
  const bool stopped =
      fault != nullptr && (fault->kind == Kind::dead || fault->kind == Kind::exception);
  Pdu answered;
  if (memory == nullptr) {
    ++counters_.unknown;
    if (reply.framing == modbus::Framing::rtu) return;
    answered = exception(request.pdu[0], modbus::gateway_no_answer);
  } else {
    answered = stopped ? exception(request.pdu[0], modbus::illegal_data_address)
                       : carry_out(request.unit, *memory, request.pdu);
  }
  reply.frame(request.transaction, request.unit, answered);
  if (fault != nullptr) faults_.spoil(*fault, request, answered, reply);
}

Pdu Simulator::carry_out(std::uint8_t unit, Memory& memory, modbus::Bytes request) {
  const Pdu answered = answer(memory, request);
  const bool refused = modbus::exception_of(answered.bytes()) != 0;
  if (refused) ++counters_.exceptions;
  if (!refused && written_ && is_write(request[0])) written_(unit, written_by(request));
  return answered;
}

void Simulator::broadcast(const Adu& request) {
  ++counters_.broadcasts;
  for (auto& [unit, memory] : units_) carry_out(unit, memory, request.pdu);
}

}  // namespace modbus_sim
