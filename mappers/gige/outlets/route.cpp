#include "outlets/route.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace gige {

namespace {

constexpr ImageFormat formats[] = {ImageFormat::jpeg, ImageFormat::png, ImageFormat::tiff,
                                   ImageFormat::pnm, ImageFormat::raw};

// "jpg" and also "jpeg": what people type. Not image_format(): a URL has one spelling of case.
bool take_format(std::string_view extension_text, ImageFormat& format) {
  for (const ImageFormat each : formats) {
    if (extension_text != extension(each) && extension_text != name(each)) continue;
    format = each;
    return true;
  }
  return false;
}

// A whole number as we write it: no sign, no leading zero, so that a frame has one URL.
bool take_sequence(std::string_view text, std::uint64_t& sequence) {
  if (text.empty() || text.size() > 18 || text.front() == '0') return false;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return false;
  }
  std::int64_t number = 0;
  if (!base::parse_int(text, number)) return false;
  sequence = static_cast<std::uint64_t>(number);
  return true;
}

std::string url_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += digits[byte >> 4];
      encoded += digits[byte & 15];
    }
  }
  return encoded;
}

Route of_device(const std::vector<std::string_view>& parts) {
  Route route;
  route.device = {std::string(parts[2]), std::string(parts[3])};
  const std::string_view leaf = parts.back();
  const std::size_t dot = leaf.rfind('.');
  const std::string_view stem = leaf.substr(0, dot);
  const std::string_view ending = dot == leaf.npos ? "" : leaf.substr(dot + 1);
  if (parts.size() == 5) {
    if (leaf == "stream.mjpg") {
      route.kind = Route::Kind::stream;
    } else if (stem == "latest" && take_format(ending, route.format)) {
      route.kind = Route::Kind::latest;
    }
  } else if (parts[4] == "frames") {
    if (take_sequence(stem, route.sequence) && take_format(ending, route.format)) {
      route.kind = Route::Kind::frame;
    }
  } else if (parts[4] == "commands" && !leaf.empty()) {
    route.kind = Route::Kind::command;
    route.command = leaf;
  }
  return route;
}

}  // namespace

Route route(std::string_view path) {
  Route route;
  if (path == "/") {
    route.kind = Route::Kind::page;
  } else if (path == "/cameras") {
    route.kind = Route::Kind::cameras;
  } else if (path.starts_with("/cameras/")) {
    const auto parts = base::split(path, '/');  // "", "cameras", NAMESPACE, NAME, …
    const bool named =
        (parts.size() == 5 || parts.size() == 6) && !parts[2].empty() && !parts[3].empty();
    if (named) return of_device(parts);
  }
  return route;
}

std::string device_path(const dmi::ObjectId& device) {
  return base::cat("/cameras/", url_encoded(device.space), '/', url_encoded(device.name));
}

std::string frame_path(const dmi::ObjectId& device, std::uint64_t sequence, ImageFormat format) {
  return base::cat(device_path(device), "/frames/", sequence, '.', extension(format));
}

}  // namespace gige
