#include "tools/sunspec_yaml.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "base/text.hpp"
#include "dmi/crd.hpp"
#include "modbus/pdu.hpp"

namespace modbus_tools::sunspec {

using base::cat;
using dmi::Json;

namespace {

// Names and labels change when somebody services the device; values once a second.
constexpr int value_cycle_ms = 1000;
constexpr int label_cycle_ms = 60'000;

// What a SunSpec type is for the mapper. The last: the raw value that means "not implemented"; an
// accumulator has none (0, "not accumulated", is a count like any other).
struct Kind {
  const char* data;
  const char* model_type;  // without a scale factor
  const char* scaled_type;
  const char* not_available;
};
const Kind& kind_of(const std::string& type) {
  static const std::map<std::string, Kind> kinds = {
      {"int16", {"int16", "INT", "FLOAT", "0x8000"}},
      {"uint16", {"uint16", "INT", "FLOAT", "0xFFFF"}},
      {"count", {"uint16", "INT", "FLOAT", "0xFFFF"}},
      {"raw16", {"uint16", "INT", "FLOAT", ""}},
      {"acc16", {"uint16", "INT", "FLOAT", ""}},
      {"enum16", {"uint16", "INT", "INT", "0xFFFF"}},
      {"bitfield16", {"uint16", "INT", "INT", "0xFFFF"}},
      {"int32", {"int32", "INT", "DOUBLE", "0x80000000"}},
      {"uint32", {"uint32", "INT", "DOUBLE", "0xFFFFFFFF"}},
      {"acc32", {"uint32", "INT", "DOUBLE", ""}},
      {"enum32", {"uint32", "INT", "INT", "0xFFFFFFFF"}},
      {"bitfield32", {"uint32", "INT", "INT", "0xFFFFFFFF"}},
      {"ipaddr", {"uint32", "INT", "INT", ""}},
      {"int64", {"int64", "INT", "DOUBLE", "0x8000000000000000"}},
      {"uint64", {"uint64", "INT", "DOUBLE", "0xFFFFFFFFFFFFFFFF"}},
      {"acc64", {"uint64", "INT", "DOUBLE", ""}},
      {"bitfield64", {"uint64", "INT", "INT", "0xFFFFFFFFFFFFFFFF"}},
      {"float32", {"float32", "FLOAT", "FLOAT", "NaN"}},
      {"float64", {"float64", "DOUBLE", "DOUBLE", "NaN"}},
      {"eui48", {"bytes", "BYTES", "BYTES", ""}},
      {"ipv6addr", {"bytes", "BYTES", "BYTES", ""}},
      {"string", {"string", "STRING", "STRING", ""}}};
  return kinds.at(type);  // points_of() lets no other pass
}

bool is_whole(const Kind& kind) {
  return std::string_view(kind.data).find("int") != std::string_view::npos;
}

// A text in YAML: JSON's quotes are YAML's.
std::string quoted(const std::string& text) { return dmi::to_text(Json(text)); }

// A JSON text behind one key: DMI carries nothing nested, so this works behind EdgeCore, too.
std::string labels_of(const Point& point) {
  Json labels = Json::object();
  std::set<std::string> seen;
  for (const Symbol& symbol : point.symbols) {
    const bool fresh = seen.insert(symbol.label).second;
    // A label must mean one number.
    labels[std::to_string(symbol.value)] =
        fresh ? symbol.label : cat(symbol.label, " ", symbol.value);
  }
  return dmi::to_text(labels);
}

std::string visitor_of(const Point& point, const std::vector<Found>& models) {
  const Kind& kind = kind_of(point.type);
  std::string text =
      cat("{register: HoldingRegister, offset: ", int{point.address}, ", dataType: ", kind.data);
  const bool is_text =
      kind.data == std::string_view("string") || kind.data == std::string_view("bytes");
  if (is_text) text += cat(", limit: ", int{point.size});
  if (kind.data == std::string_view("string")) text += ", encoding: utf-8";
  if (point.scale && is_whole(kind)) {
    if (point.scale->address) {
      text += cat(", scaleOffset: ", int{*point.scale->address});
    } else if (point.scale->exponent != 0) {
      text += cat(", scale: ", "1e", point.scale->exponent);
    }
  }
  if (*kind.not_available != '\0') text += cat(", notAvailable: \"", kind.not_available, '"');
  if (!point.symbols.empty()) text += cat(", labels: ", quoted(labels_of(point)));
  // Points that share a factor are read with it at once, so that they belong to one moment.
  const Found& found = models[point.found];
  if (point.scale && point.scale->address && found.words.size() <= modbus::max_read_registers) {
    text += cat(", pin: model-", found.id, "-", found.address);
  }
  return text + "}";
}

std::string model_type_of(const Point& point) {
  const Kind& kind = kind_of(point.type);
  if (!point.symbols.empty()) return "STRING";
  return point.scale ? kind.scaled_type : kind.model_type;
}

// Makes names differ: "W", "inverter-W" where two models have one, "inverter-2-W" where a model
// stands there twice.
void make_unique(std::vector<Point>& points) {
  std::map<std::string, std::set<std::size_t>> models_of_name;
  std::map<std::string, std::vector<std::size_t>> places_of_model;
  for (const Point& point : points) {
    models_of_name[point.name].insert(point.found);
    auto& places = places_of_model[point.model];
    if (std::find(places.begin(), places.end(), point.found) == places.end()) {
      places.push_back(point.found);
    }
  }
  std::set<std::string> taken;
  for (Point& point : points) {
    if (models_of_name[point.name].size() > 1) {
      const auto& places = places_of_model[point.model];
      const auto nth = std::find(places.begin(), places.end(), point.found) - places.begin() + 1;
      point.name = cat(point.model, "-", places.size() > 1 ? cat(nth, "-") : "", point.name);
    }
    std::string name = point.name;
    for (int n = 2; !taken.insert(name).second; ++n) name = cat(point.name, "-", n);
    point.name = name;
  }
}

std::string protocol_of(const modbus::Endpoint& endpoint, std::uint8_t unit) {
  using modbus::Transport;
  std::string text;
  if (endpoint.transport == Transport::serial) {
    const modbus::SerialSettings& serial = endpoint.serial;
    const char* parity = serial.parity == 'E' ? "even" : serial.parity == 'O' ? "odd" : "none";
    text = cat("serialPort: ", quoted(serial.port), ", baudRate: ", serial.baud,
               ", dataBits: ", serial.data_bits, ", parity: ", parity,
               ", stopBits: ", serial.stop_bits);
  } else {
    static constexpr const char* names[] = {"tcp", "tls", "listen", "udp"};
    if (endpoint.transport != Transport::tcp) {
      text = cat("transport: ", names[static_cast<std::size_t>(endpoint.transport)], ", ");
    }
    if (endpoint.framing == modbus::Framing::rtu) text += "framing: rtu, ";
    if (!endpoint.host.empty()) text += cat("ip: ", quoted(endpoint.host), ", ");
    text += cat("port: ", int{endpoint.port});
    if (!endpoint.peer.empty()) text += cat(", peer: ", quoted(endpoint.peer));
  }
  return cat("{", text, ", slaveID: ", int{unit}, "}");
}

std::string head(const char* kind, const std::string& name, const std::string& space) {
  return cat("apiVersion: ", dmi::api_version, "\nkind: ", kind,
             "\nmetadata:\n  name: ", quoted(name), "\n  namespace: ", quoted(space), "\nspec:\n");
}

}  // namespace

std::string kubernetes_name(std::string text) {
  std::string name;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 0x80 && std::isalnum(byte) != 0;
    if (plain) {
      name += static_cast<char>(std::tolower(byte));
    } else if (!name.empty() && name.back() != '-' && name.back() != '.') {
      name += c == '.' ? '.' : '-';
    }
  }
  constexpr std::size_t longest = 63;  // of a label, the shortest of Kubernetes' limits
  name.resize(std::min(name.size(), longest));
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name;
}

std::string to_yaml(const Named& named, const modbus::Endpoint& endpoint,
                    const std::vector<Found>& models, std::vector<Point> points) {
  make_unique(points);
  std::string yaml = head("DeviceModel", named.name + "-model", named.space);
  yaml += "  protocol: modbus\n  properties:\n";
  for (const Point& point : points) {
    yaml += cat("  - {name: ", quoted(point.name), ", type: ", model_type_of(point),
                ", accessMode: ", point.writable ? "ReadWrite" : "ReadOnly");
    if (!point.units.empty()) yaml += cat(", unit: ", quoted(point.units));
    if (!point.description.empty()) yaml += cat(", description: ", quoted(point.description));
    yaml += "}\n";
  }
  yaml += "---\n" + head("Device", named.name, named.space);
  yaml += cat("  deviceModelRef:\n    name: ", quoted(named.name + "-model"),
              "\n  protocol:\n    protocolName: modbus\n    configData: ",
              protocol_of(endpoint, named.unit), "\n  properties:\n");
  for (const Point& point : points) {
    const bool is_text = point.type == "string";
    yaml += cat("  - name: ", quoted(point.name),
                "\n    collectCycle: ", is_text ? label_cycle_ms : value_cycle_ms,
                "\n    visitors:\n      protocolName: modbus\n      configData: ",
                visitor_of(point, models), "\n");
  }
  return yaml;
}

}  // namespace modbus_tools::sunspec
