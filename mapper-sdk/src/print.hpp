// How samples are shown to people: for `--local`, `read` and `write`. Pure; any thread.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "base/loop.hpp"

namespace mapper {

// Seconds with milliseconds, UTC: "2026-11-22T19:27:29.012Z".
std::string shown_time(base::Time time);
// One line, at most 60 bytes and "…": a table has one line a row.
std::string shown_value(std::string text);
// Filled up with blanks to width characters (not bytes: "°C" has two); left: blanks first.
std::string padded(const std::string& text, std::size_t width, bool left = false);

// A table of samples, a line each; the widths are those of the widest text that will come.
struct SampleTable {
  std::size_t device_width = 6;
  std::size_t property_width = 8;
  std::size_t unit_width = 4;

  void widen(std::string_view device, std::string_view property, std::string_view unit);
  void head(std::FILE* out) const;
  void row(std::FILE* out, const std::string& time, const std::string& device,
           const std::string& property, const std::string& value, const std::string& unit,
           const std::string& status) const;
};

}  // namespace mapper
