// Targets and batches for tests.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "dmi/json.hpp"
#include "mapper/driver.hpp"

namespace modbus_test {

using dmi::Json;

inline mapper::Point point(dmi::Type type, Json visitor, bool writable = false,
                           const std::string& name = "temp") {
  mapper::Point made;
  made.name = name;
  made.type = type;
  made.writable = writable;
  made.visitor = dmi::Config(std::move(visitor),
                             base::cat("boiler.properties.", name, ".visitors.configData"));
  return made;
}

inline mapper::Target target_of(std::vector<mapper::Point> points, Json protocol = Json::object()) {
  mapper::Target target;
  target.id = {"default", "boiler"};
  target.protocol = dmi::Config(std::move(protocol), "boiler.protocol.configData");
  target.points = std::move(points);
  for (std::size_t i = 0; i < target.points.size(); ++i) target.points[i].index = i;
  return target;
}

inline Json at(const char* table, int offset) {
  return Json{{"register", table}, {"offset", offset}};
}

// count FLOAT points in holding registers 0, 2, 4 …
inline mapper::Target floats(int count) {
  std::vector<mapper::Point> points;
  for (int i = 0; i < count; ++i) {
    points.push_back(
        point(dmi::Type::float32, at("HoldingRegister", 2 * i), true, base::cat("f", i)));
  }
  return target_of(std::move(points));
}

inline std::vector<mapper::Reading> batch_of(const mapper::Target& target) {
  std::vector<mapper::Reading> batch;
  for (const mapper::Point& one : target.points) batch.push_back({one, std::nullopt});
  return batch;
}

}  // namespace modbus_test
