#include "sim/control.hpp"

#include "base/text.hpp"
#include "dmi/json.hpp"

namespace modbus_sim {

using base::cat;
using base::Result;
using base::Status;
using base::http::Request;
using base::http::Response;
using modbus::Table;
using Answer = Control::Answer;

namespace {

std::vector<std::string_view> lines_of(std::string_view body) {
  std::vector<std::string_view> lines;
  for (std::string_view line : base::split(body, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

// The path's parts after "/units/".
struct Place {
  std::uint8_t unit = 0;
  Table table = Table::holding;
  std::uint16_t address = 0;
};
Result<Place> parse_place(const std::string& path) {
  const auto parts = base::split(path, '/');
  const auto wrong = [](std::string_view what) {
    return Status(base::Code::invalid, cat(what, ": expected /units/7/holding/40"));
  };
  std::int64_t unit = 0, address = 0;
  if (parts.size() != 5) return wrong("the path");
  if (!base::parse_int(parts[2], unit) || unit < 0 || unit > 255) return wrong("unit 0..255");
  if (!base::parse_int(parts[4], address) || address < 0 || address > 65535) {
    return wrong("address 0..65535");
  }
  Place place{static_cast<std::uint8_t>(unit), Table::holding, static_cast<std::uint16_t>(address)};
  if (parts[3] == "coils")
    place.table = Table::coils;
  else if (parts[3] == "discrete-inputs")
    place.table = Table::discrete_inputs;
  else if (parts[3] == "input")
    place.table = Table::input;
  else if (parts[3] != "holding")
    return wrong("table coils, discrete-inputs, holding, input");
  return place;
}

Answer look(Memory& memory, const Place& place, std::string_view count_text) {
  std::int64_t count = 1;
  if (!count_text.empty() && (!base::parse_int(count_text, count) || count < 1 || count > 65536)) {
    return {400, "count: expected 1..65536\n"};
  }
  if (place.address + static_cast<std::size_t>(count) > memory.size(place.table)) {
    return {404, cat("the table ends at ", memory.size(place.table), "\n")};
  }
  std::string body;
  for (std::size_t i = place.address; i < place.address + static_cast<std::size_t>(count); ++i) {
    const int value =
        is_bits(place.table) ? int{memory.bits(place.table)[i]} : int{memory.words(place.table)[i]};
    body += cat(value, "\n");
  }
  return {200, std::move(body)};
}

Answer poke(Memory& memory, const Place& place, std::string_view body) {
  std::vector<std::int64_t> values;
  for (const std::string_view line : lines_of(body)) {
    std::int64_t value = 0;
    const std::int64_t most = is_bits(place.table) ? 1 : 65535;
    if (!base::parse_int(line, value) || value < 0 || value > most) {
      return {400, cat("\"", base::cut(line, 40), "\": expected 0..", most, "\n")};
    }
    values.push_back(value);
  }
  if (place.address + values.size() > memory.size(place.table)) {
    return {404, cat("the table ends at ", memory.size(place.table), "\n")};
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (is_bits(place.table)) {
      memory.bits(place.table)[place.address + i] = values[i] != 0;
    } else {
      memory.words(place.table)[place.address + i] = static_cast<std::uint16_t>(values[i]);
    }
  }
  return {200, ""};
}

}  // namespace

Result<std::unique_ptr<Control>> Control::listen(base::IoLoop& loop, const std::string& address,
                                                 std::uint16_t port, Faults& faults,
                                                 std::vector<Simulator*> simulators) {
  std::unique_ptr<Control> control(new Control(faults, std::move(simulators)));
  base::http::Options options;
  options.address = address;
  options.port = port;
  auto server = base::http::Server::listen(
      loop, options, [self = control.get()](Request request, std::shared_ptr<Response> response) {
        const bool looks = request.method == "GET" || request.method == "HEAD";
        Answer made = !looks && base::http::is_cross_site(request, {})
                          ? Answer{403, "not from other sites' pages\n"}
                          : self->answer(request);
        response->send(made.status, made.json ? "application/json" : "text/plain",
                       std::move(made.body));
      });
  if (!server) return server.status();
  control->server_ = std::move(*server);
  return control;
}

Answer Control::answer(const Request& request) {
  if (request.path == "/counters" && request.method == "GET") {
    return {200, counters_json(faults_, simulators_) + "\n", true};
  }
  if (request.path == "/faults" || request.path.starts_with("/faults/")) return faults(request);
  if (request.path.starts_with("/units/")) return unit(request);
  if (request.path == "/connections" && request.method == "DELETE") {
    for (Simulator* const simulator : simulators_) simulator->drop_connections();
    return {200, ""};
  }
  return {404, cat(request.method, " ", request.path, ": there is nothing like this here\n")};
}

Answer Control::faults(const Request& request) {
  std::int64_t id = 0;
  const bool one = request.path.starts_with("/faults/");
  if (one && !base::parse_int(request.path.substr(8), id)) return {404, "no such fault\n"};
  if (request.method == "DELETE" && one) {
    return faults_.remove(static_cast<std::uint32_t>(id)) ? Answer{200, ""}
                                                          : Answer{404, "no such fault\n"};
  }
  if (request.method == "DELETE") {
    faults_.clear();
    return {200, ""};
  }
  if (request.method == "GET") {
    std::string body;
    for (const Faults::Entry& entry : faults_.entries()) {
      body += cat(entry.id, " ", entry.fault.to_string(), " (struck ", entry.struck, " of ",
                  entry.matching, ")\n");
    }
    return {200, std::move(body)};
  }
  if (request.method != "POST") return {405, "GET, POST, DELETE\n"};
  std::vector<Fault> added;
  for (const std::string_view line : lines_of(request.body)) {
    const Result<Fault> fault = parse_fault(line);
    if (!fault) return {400, fault.status().text() + "\n"};
    added.push_back(*fault);
  }
  if (faults_.entries().size() + added.size() > Faults::max_faults) {
    return {409, cat("there are at most ", Faults::max_faults, " faults\n")};
  }
  std::string ids;
  for (const Fault& fault : added) ids += cat(faults_.add(fault).value(), "\n");
  return {200, std::move(ids)};
}

Simulator* Control::owner(std::uint8_t unit, std::string_view at, Answer& wrong) const {
  Simulator* found = nullptr;
  std::string places;
  for (Simulator* const simulator : simulators_) {
    if (simulator->find(unit) == nullptr) continue;
    for (const modbus::Endpoint& endpoint : simulator->endpoints()) {
      if (!at.empty() && url_of(endpoint) != at) continue;
      places += cat(places.empty() ? "" : ", ", url_of(endpoint));
      if (found != nullptr && found != simulator) wrong.status = 409;
      found = simulator;
    }
  }
  if (found == nullptr) {
    wrong = {404, cat("there is no unit ", unit, at.empty() ? "" : " at ", at, "\n")};
    return nullptr;
  }
  if (wrong.status == 200) return found;
  wrong.body = cat("unit ", unit, " is at ", places, ": say which with ?at=\n");
  return nullptr;
}

Answer Control::unit(const Request& request) {
  const Result<Place> place = parse_place(request.path);
  if (!place) return {404, place.status().text() + "\n"};
  Answer wrong;
  Simulator* const simulator = owner(place->unit, request.parameter("at"), wrong);
  if (simulator == nullptr) return wrong;
  Memory& memory = simulator->unit(place->unit);
  if (request.method == "GET") return look(memory, *place, request.parameter("count"));
  if (request.method == "PUT") return poke(memory, *place, request.body);
  return {405, "GET, PUT\n"};
}

std::string counters_json(const Faults& faults, const std::vector<Simulator*>& simulators) {
  dmi::Json json = {{"requests", dmi::Json::object()},
                    {"exceptions", 0},
                    {"unknown_unit", 0},
                    {"broadcasts", 0},
                    {"faults", dmi::Json::object()}};
  for (const Simulator* const simulator : simulators) {
    const Simulator::Counters& counters = simulator->counters();
    for (const auto& [key, count] : counters.requests) {
      dmi::Json& sum = json["requests"][std::to_string(key.first)][std::to_string(key.second)];
      sum = (sum.is_null() ? 0 : sum.get<std::uint64_t>()) + count;
    }
    json["exceptions"] = json["exceptions"].get<std::uint64_t>() + counters.exceptions;
    json["unknown_unit"] = json["unknown_unit"].get<std::uint64_t>() + counters.unknown;
    json["broadcasts"] = json["broadcasts"].get<std::uint64_t>() + counters.broadcasts;
  }
  for (const auto& [kind, count] : faults.struck()) json["faults"][std::string(kind)] = count;
  return json.dump();
}

}  // namespace modbus_sim
