#include "tools/tools.hpp"

#include <algorithm>
#include <cstdio>

#include "base/text.hpp"
#include "mapper/verb.hpp"

namespace gige_tools {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using gige::CameraInfo;

namespace {

// Cameras answer a discovery within milliseconds; a standard one may take up to a second (GVCP).
constexpr auto patience = std::chrono::milliseconds(1000);

bool all_of(const std::string& text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string::npos;
}

}  // namespace

std::vector<mapper::Tool> tools() {
  return {
      {"list", "tell which cameras are there, and who controls them", list_verb},
      {"features", "print all a camera can do; --yaml: as DeviceModel and Device", features_verb},
      {"get", "read features of a camera", get_verb},
      {"set", "write features of a camera, within its limits", set_verb},
      {"grab", "take frames into image files", grab_verb},
      {"doctor", "find out why frames are lost, and the cure", doctor_verb}};
}

Result<CameraInfo> find_camera(const std::string& name, const std::string& interface) {
  gige::CameraQuery query;
  query.interface = interface;
  if (name == "first") return gige::find(query, patience);
  if (std::count(name.begin(), name.end(), '.') == 3 && all_of(name, "0123456789.")) {
    query.ip = name;
    return gige::find(query, patience);
  }
  if (name.size() == 17 && all_of(base::lower(name), "0123456789abcdef:")) {
    query.mac = base::lower(name);
    return gige::find(query, patience);
  }
  query.serial = name;
  Result<CameraInfo> by_serial = gige::find(query, patience);
  if (by_serial || by_serial.status().code() == Code::conflict) return by_serial;
  query.serial.clear();
  query.user_name = name;
  Result<CameraInfo> by_name = gige::find(query, patience);
  return by_name || by_name.status().code() == Code::conflict ? by_name : by_serial;
}

bool split_assignment(const std::string& text, std::string& name, std::string& value) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return false;
  name = text.substr(0, equals);
  value = text.substr(equals + 1);
  return true;
}

int failed(const Status& status) {
  std::fprintf(stderr, "%s\n", status.text().c_str());
  return mapper::exit_failed;
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  }
}

}  // namespace gige_tools
