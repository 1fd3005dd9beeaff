#include "gige/settings.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "feature_names.hpp"
#include "gvcp_socket.hpp"
#include "visitor.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

const std::vector<std::string>& protocol_keys() {
  static const std::vector<std::string> keys{
      "deviceSN",       "serialNumber", "ip",          "mac",         "userName",
      "interface",      "packetSize",   "packetDelay", "resend",      "packetTimeout",
      "frameRetention", "packetSocket", "heartbeat",   "buffers",     "maxFrameBytes",
      "stream",         "ring",         "imageFormat", "jpegQuality", "spool",
      "post",           "mqtt"};
  return keys;
}

// Reads settings one after another and keeps every mistake.
class Reader {
 public:
  explicit Reader(const dmi::Config& config) : config_(config) {}

  void unknown_keys(const std::vector<std::string>& known) {
    for (const auto& [key, value] : config_.json().items()) {
      if (std::ranges::find(known, key) != known.end()) continue;
      fail(Status(Code::invalid,
                  cat(config_.path(), ".", key, ": unknown key", nearest(key, known))));
    }
  }
  void text(std::string_view key, std::string& into) { take(config_.text(key, into), into); }
  void flag(std::string_view key, bool& into) { take(config_.boolean(key, into), into); }
  template <class T>
  void whole(std::string_view key, T& into, std::int64_t low, std::int64_t high) {
    take(config_.integer(key, static_cast<std::int64_t>(into), low, high), into);
  }
  template <class Duration>
  void time(std::string_view key, Duration& into, std::int64_t low, std::int64_t high) {
    std::int64_t count = into.count();
    whole(key, count, low, high);
    into = Duration(count);
  }
  void wrong(std::string_view key, std::string_view what) {
    fail(Status(Code::invalid, cat(config_.path(), ".", key, ": ", what)));
  }
  // Numbers outside their limits are faults of the spec, like every other one: no retry helps.
  void fail(const Status& status) { mistakes_.emplace_back(Code::invalid, status.text()); }
  std::vector<Status> mistakes() && { return std::move(mistakes_); }

 private:
  template <class Value, class Into>
  void take(const Result<Value>& value, Into& into) {
    if (!value) return fail(value.status());
    into = static_cast<Into>(*value);
  }
  const dmi::Config& config_;
  std::vector<Status> mistakes_;
};

// In lower case.
bool is_mac(std::string_view text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool fits = i % 3 == 2 ? text[i] == ':'
                                 : std::string_view("0123456789abcdef").find(text[i]) != text.npos;
    if (!fits) return false;
  }
  return true;
}

void read_camera(const dmi::Config& config, Reader& reader, CameraQuery& camera) {
  reader.text("serialNumber", camera.serial);
  reader.text("deviceSN", camera.serial);
  reader.text("ip", camera.ip);
  if (!camera.ip.empty() && parse_ip(camera.ip) == 0) {
    reader.wrong("ip", cat("\"", base::cut(camera.ip, 40), "\" is no IPv4 address"));
  }
  reader.text("mac", camera.mac);
  camera.mac = base::lower(camera.mac);
  if (!camera.mac.empty() && !is_mac(camera.mac)) {
    reader.wrong("mac", cat("\"", base::cut(camera.mac, 40), "\" is not like 00:30:53:1a:2b:3c"));
  }
  reader.text("userName", camera.user_name);
  reader.text("interface", camera.interface);
  if (config.has("serialNumber") && config.has("deviceSN")) {
    reader.wrong("serialNumber", "deviceSN says it already");
  }
}

void read_link(const dmi::Config& config, Reader& reader, LinkSettings& link) {
  reader.whole("packetSize", link.packet_size, 0, 16'384);
  if (link.packet_size != 0 && link.packet_size < 576) {
    reader.wrong(
        "packetSize",
        cat(link.packet_size, " is outside 576..16384 bytes (0: the largest that gets through)"));
  }
  if (config.has("packetDelay")) {
    int delay = 0;
    reader.whole("packetDelay", delay, 0, 1'000'000'000);
    link.packet_delay_ns = delay;
  }
  reader.flag("resend", link.resend);
  reader.time("packetTimeout", link.packet_timeout, 1'000, 1'000'000);
  reader.time("frameRetention", link.frame_retention, 10'000, 10'000'000);
  if (link.frame_retention < link.packet_timeout) {
    reader.wrong("frameRetention", cat(link.frame_retention.count(), " is below packetTimeout, ",
                                       link.packet_timeout.count(), " us"));
  }
  reader.time("heartbeat", link.heartbeat, 1'500, 60'000);
  reader.whole("buffers", link.buffers, 4, 64);
  reader.whole("maxFrameBytes", link.max_frame_bytes, 1, std::int64_t{4} << 30);
  const Result<std::size_t> socket = config.choice("packetSocket", 0, {"auto", "on", "off"});
  if (!socket) return reader.fail(socket.status());
  link.packet_socket = static_cast<LinkSettings::PacketSocket>(*socket);
}

std::vector<Status> read_all(const mapper::Target& target, Settings& settings) {
  const dmi::Config& config = target.protocol;
  Reader reader(config);
  reader.unknown_keys(protocol_keys());
  read_camera(config, reader, settings.camera);
  read_link(config, reader, settings.link);
  reader.flag("stream", settings.stream);
  settings.ring_name = cat("gige-", target.id.space, "-", target.id.name);
  reader.text("ring", settings.ring_name);
  const std::string& ring = settings.ring_name;
  if (ring.empty() || ring.size() > 200 || ring == "." || ring == ".." ||
      ring.find('/') != ring.npos) {
    reader.wrong("ring", cat("\"", base::cut(ring, 40),
                             "\" is no name in /dev/shm: 1 to 200 characters, no /"));
  }
  Result<OutletSettings> outlets = parse_outlets(config);
  if (outlets) {
    settings.outlets = std::move(*outlets);
  } else {
    reader.fail(outlets.status());
  }
  return std::move(reader).mistakes();
}

}  // namespace

Result<Settings> parse_settings(const mapper::Target& target) {
  Settings settings;
  const std::vector<Status> mistakes = read_all(target, settings);
  if (!mistakes.empty()) return mistakes.front();
  return settings;
}

std::vector<Status> check(const mapper::Target& target) {
  Settings settings;
  std::vector<Status> mistakes = read_all(target, settings);
  for (const mapper::Point& point : target.points) {
    Visitor visitor;
    for (Status& mistake : read_visitor(point, visitor)) mistakes.push_back(std::move(mistake));
  }
  return mistakes;
}

}  // namespace gige
