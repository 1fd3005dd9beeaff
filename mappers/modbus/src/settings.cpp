#include "modbus/settings.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/text.hpp"
#include "modbus/mbap.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

// Beside those of the endpoint.
constexpr std::string_view own_keys[] = {
    "slaveID", "timeout",      "retries", "postConnectDelay", "interRequestDelay", "connections",
    "maxBits", "maxRegisters", "maxGap",  "forbidden",        "roundTrip"};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool parse_addresses(std::string_view text, std::int64_t& first, std::int64_t& last) {
  const std::size_t dots = text.find("..");
  if (!base::parse_int(trimmed(text.substr(0, dots)), first)) return false;
  last = first;
  return dots == std::string_view::npos || base::parse_int(trimmed(text.substr(dots + 2)), last);
}

// "holding 100..199", as Range::to_string() writes it.
Result<Range> parse_range(std::string_view text) {
  for (const Table table : {Table::coils, Table::discrete_inputs, Table::holding, Table::input}) {
    const std::string_view word = name(table);
    if (!text.starts_with(word) || text.substr(word.size()).empty()) continue;
    std::int64_t first = 0;
    std::int64_t last = 0;
    if (text[word.size()] != ' ' || !parse_addresses(text.substr(word.size()), first, last)) break;
    if (first < 0 || last > std::int64_t{max_address} || last < first || last - first >= 65535) {
      return Status(Code::invalid, cat("\"", text, "\": addresses rise within 0..", max_address,
                                       ", at most 65535 of them"));
    }
    return Range{table, static_cast<std::uint16_t>(first),
                 static_cast<std::uint16_t>(last - first + 1)};
  }
  return Status(Code::invalid, cat("\"", text, "\" is not a table (coils, discrete inputs, ",
                                   "holding, input) and addresses, as in holding 100..199"));
}

// Reads settings one after another and keeps every mistake.
class Reader {
 public:
  explicit Reader(const dmi::Config& config) : config_(config) {}

  void unknown_keys();
  template <class T>
  void whole(std::string_view key, T& into, std::int64_t low, std::int64_t high);
  void milliseconds(std::string_view key, std::chrono::milliseconds& into, std::int64_t low,
                    std::int64_t high);
  void round_trip(std::chrono::microseconds& into);
  void forbidden(std::vector<Range>& into);
  // Numbers outside their limits are faults of the spec, like every other one: no retry helps.
  void fail(const Status& status) { mistakes_.emplace_back(Code::invalid, status.text()); }
  std::vector<Status> mistakes() && { return std::move(mistakes_); }

 private:
  void forbid(std::string_view list, std::vector<Range>& into);
  void fail_key(std::string_view key, std::string_view what) {
    mistakes_.emplace_back(Code::invalid, cat(config_.path(), ".", key, ": ", what));
  }

  const dmi::Config& config_;
  std::vector<Status> mistakes_;
};

void Reader::unknown_keys() {
  for (const auto& [key, value] : config_.json().items()) {
    const auto among = [&key = key](const auto& keys) {
      return std::ranges::find(keys, key) != std::ranges::end(keys);
    };
    if (!among(own_keys) && !among(endpoint_keys())) fail_key(key, "unknown key");
  }
}

template <class T>
void Reader::whole(std::string_view key, T& into, std::int64_t low, std::int64_t high) {
  const Result<std::int64_t> read =
      config_.integer(key, static_cast<std::int64_t>(into), low, high);
  if (!read) return fail(read.status());
  into = static_cast<T>(*read);
}

void Reader::milliseconds(std::string_view key, std::chrono::milliseconds& into, std::int64_t low,
                          std::int64_t high) {
  std::int64_t count = into.count();
  whole(key, count, low, high);
  into = std::chrono::milliseconds(count);
}

void Reader::round_trip(std::chrono::microseconds& into) {
  const Result<double> ms = config_.number("roundTrip", static_cast<double>(into.count()) / 1000);
  if (!ms) return fail(ms.status());
  if (*ms < 0 || *ms > 60'000) return fail_key("roundTrip", cat(*ms, " is not in 0..60000 ms"));
  into = std::chrono::microseconds(std::llround(*ms * 1000));
}

void Reader::forbid(std::string_view list, std::vector<Range>& into) {
  for (const std::string_view part : base::split(list, ',')) {
    const Result<Range> range = parse_range(trimmed(part));
    if (!range) {
      fail_key("forbidden", range.status().text());
    } else {
      into.push_back(*range);
    }
  }
}

void Reader::forbidden(std::vector<Range>& into) {
  if (!config_.has("forbidden")) return;
  const dmi::Json& stated = config_.json().at("forbidden");
  if (!stated.is_array()) {
    const Result<std::string> text = config_.text("forbidden", "");
    return text ? forbid(*text, into) : fail(text.status());
  }
  for (const dmi::Json& one : stated) {
    if (!one.is_string()) return fail_key("forbidden", "a list of texts: [\"holding 100..199\"]");
    forbid(one.get_ref<const std::string&>(), into);
  }
}

bool loses_frames(const Endpoint& endpoint) {
  return endpoint.transport == Transport::serial || endpoint.transport == Transport::udp ||
         endpoint.framing == Framing::rtu;
}

std::vector<Status> read_all(const dmi::Config& protocol, Settings& settings) {
  Reader reader(protocol);
  reader.unknown_keys();
  bool good = false;
  if (const Result<Endpoint> endpoint = parse_endpoint(protocol)) {
    settings.endpoint = *endpoint;
    const Result<std::optional<Endpoint>> backup = parse_backup(protocol, *endpoint);
    good = backup.ok();
    if (good) settings.backup = *backup;
  }
  // Only then read once more, for all that is wrong instead of the first.
  if (!good) {
    for (const Status& mistake : check_endpoint(protocol)) reader.fail(mistake);
  }
  settings.retries = loses_frames(settings.endpoint) ? 1 : 0;
  reader.whole("slaveID", settings.unit, 0, 255);
  reader.milliseconds("timeout", settings.timeout, 10, 60'000);
  reader.whole("retries", settings.retries, 0, 10);
  reader.milliseconds("postConnectDelay", settings.post_connect_delay, 0, 10'000);
  reader.milliseconds("interRequestDelay", settings.inter_request_delay, 0, 10'000);
  reader.whole("connections", settings.connections, 1, 16);
  reader.whole("maxRegisters", settings.max_registers, 1, max_read_registers);
  reader.whole("maxBits", settings.max_bits, 1, max_read_bits);
  reader.whole("maxGap", settings.max_gap, 0, max_read_registers);
  reader.round_trip(settings.round_trip);
  reader.forbidden(settings.forbidden);
  return std::move(reader).mistakes();
}

// The silence that ends an RTU frame: 3.5 characters, but 1.75 ms above 19,200 baud.
// Modbus over Serial Line V1.02, section 2.5.1.1.
std::chrono::nanoseconds frame_silence(std::chrono::nanoseconds byte) {
  constexpr auto at_most_above_19200 = std::chrono::microseconds(1750);
  return std::max<std::chrono::nanoseconds>(byte * 7 / 2, at_most_above_19200);
}

}  // namespace

Result<Settings> parse_settings(const dmi::Config& protocol) {
  Settings settings;
  const std::vector<Status> mistakes = read_all(protocol, settings);
  if (!mistakes.empty()) return mistakes.front();
  return settings;
}

std::vector<Status> check_settings(const dmi::Config& protocol) {
  Settings settings;
  return read_all(protocol, settings);
}

std::chrono::nanoseconds byte_time(const Endpoint& endpoint) {
  // 100 Mbit/s; faster networks change no decision, since a round trip is thousands of bytes.
  if (endpoint.framing == Framing::mbap) return std::chrono::nanoseconds(80);
  // Behind a converter lies a line that nobody has described: the specification's default,
  // 19,200 baud and 11 bits per character.
  const bool known = endpoint.transport == Transport::serial;
  const std::int64_t bits = known ? endpoint.serial.bits_per_character() : 11;
  const std::int64_t baud = known ? endpoint.serial.baud : 19'200;
  return std::chrono::nanoseconds(bits * 1'000'000'000 / baud);
}

std::size_t frame_bytes(Framing framing, std::size_t pdu_bytes) {
  return pdu_bytes + (framing == Framing::mbap ? mbap_bytes : 3);
}

Limits limits_of(const Settings& settings) {
  Limits limits;
  limits.max_registers = settings.max_registers;
  limits.max_bits = settings.max_bits;
  limits.max_gap = settings.max_gap;
  limits.forbidden = settings.forbidden;
  const Framing framing = settings.endpoint.framing;
  const std::chrono::nanoseconds byte = byte_time(settings.endpoint);
  limits.cost.byte = byte;
  // A read request is 5 bytes, its answer 2 before the values.
  const auto bytes = static_cast<std::int64_t>(frame_bytes(framing, 5) + frame_bytes(framing, 2));
  limits.cost.request = settings.round_trip + settings.inter_request_delay + bytes * byte;
  if (framing == Framing::rtu) limits.cost.request += 2 * frame_silence(byte);
  return limits;
}

}  // namespace modbus
