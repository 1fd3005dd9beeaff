#include "feature_names.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/text.hpp"

namespace gige {

namespace {

// Rows of names for one thing: SFNC 2.x first, then what SFNC 1.x and vendors called it.
constexpr std::array<std::array<std::string_view, 3>, 18> synonyms{{
    {"ExposureTime", "ExposureTimeAbs", "ExposureTimeRaw"},
    {"Gain", "GainRaw", "GainAbs"},
    {"BlackLevel", "BlackLevelRaw", "BlackLevelAbs"},
    {"Gamma", "GammaAbs", "GammaRaw"},
    {"AcquisitionFrameRate", "AcquisitionFrameRateAbs", "AcquisitionFrameRateRaw"},
    {"TriggerDelay", "TriggerDelayAbs", "TriggerDelayRaw"},
    {"BalanceRatio", "BalanceRatioAbs", "BalanceRatioRaw"},
    {"LineDebouncerTime", "LineDebouncerTimeAbs", "LineDebouncerTimeRaw"},
    {"DeviceSerialNumber", "DeviceID", ""},
    {"DeviceTemperature", "TemperatureAbs", "DeviceTemperatureRaw"},
    // The old register held what was latched, so that is looked for first.
    {"TimestampLatchValue", "GevTimestampValue", ""},
    {"Timestamp", "GevTimestampValue", ""},
    {"TimestampLatch", "GevTimestampControlLatch", ""},
    {"TimestampReset", "GevTimestampControlReset", ""},
    {"PtpEnable", "GevIEEE1588", ""},
    {"PtpStatus", "GevIEEE1588Status", ""},
    {"DeviceStreamChannelPacketSize", "GevSCPSPacketSize", ""},
    {"AcquisitionFrameRateEnable", "AcquisitionFrameRateEnabled", ""},
}};

constexpr std::string_view shaping[] = {"Width",
                                        "Height",
                                        "OffsetX",
                                        "OffsetY",
                                        "PixelFormat",
                                        "PixelSize",
                                        "BinningHorizontal",
                                        "BinningVertical",
                                        "DecimationHorizontal",
                                        "DecimationVertical",
                                        "ReverseX",
                                        "ReverseY",
                                        "RegionSelector",
                                        "RegionMode",
                                        "SensorTaps",
                                        "AcquisitionMode",
                                        "GevSCPSPacketSize",
                                        "GevSCPD",
                                        "ChunkModeActive",
                                        "ChunkEnable",
                                        "TestPattern",
                                        "PayloadSize"};

// Levenshtein's distance, of short words.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, corner + (a[i - 1] == b[j - 1] ? 0 : 1)});
      corner = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> names_of(std::string_view name) {
  std::vector<std::string> names{std::string(name)};
  for (const auto& row : synonyms) {
    if (std::ranges::find(row, name) == row.end()) continue;
    for (const std::string_view other : row) {
      if (!other.empty() && other != name) names.emplace_back(other);
    }
  }
  return names;
}

std::string nearest(std::string_view name, const std::vector<std::string>& all) {
  const std::string wanted = base::lower(name.substr(0, 64));
  std::vector<std::pair<std::size_t, std::string_view>> near;
  for (const std::string& each : all) {
    const std::string other = base::lower(each);
    const bool inside = wanted.size() >= 4 && other.find(wanted) != std::string::npos;
    const std::size_t far = inside ? 1 : distance(wanted, other);
    if (far <= 1 + wanted.size() / 4) near.emplace_back(far, each);
  }
  std::ranges::sort(near);
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(near.size(), 3); ++i) {
    text += (text.empty() ? "; nearest: " : ", ") + std::string(near[i].second);
  }
  return text;
}

bool shapes_frames(std::string_view name) {
  return std::ranges::find(shaping, name) != std::ranges::end(shaping);
}

}  // namespace gige
