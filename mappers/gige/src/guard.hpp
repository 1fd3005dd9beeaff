// What a camera says of itself, before it is believed. Aravis takes as much memory as the camera
// says its description has, opens files and web pages that it names, and follows references until
// the stack ends; so all that is looked at here first. Pure but for check_size; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.hpp"
#include "src/gvcp_socket.hpp"

namespace gige::guard {

// The largest descriptions in the field have 5 MB unpacked, 15,000 nodes and less than 20 levels.
inline constexpr std::size_t max_bytes = std::size_t{16} << 20;
inline constexpr std::size_t max_nodes = 50'000;
inline constexpr std::size_t max_depth = 64;
// References from node to node until a value is reached; each is a few frames of Aravis' stack.
inline constexpr std::size_t max_references = 256;

// Where the description is: "Local:NAME.zip;ADDRESS;BYTES", hexadecimal.
struct Place {
  std::string name;
  std::uint32_t address = 0;
  std::size_t bytes = 0;
  bool zip = false;
};
// malformed: not of that form. unsupported: a file or web address: what a camera names there would
// be read on our side. out_of_range: above max_bytes.
base::Result<Place> parse_url(std::string_view url);

// head: the first 30 bytes or more of a ZIP file, tail: its last 1,024 (or all), bytes: of all.
// out_of_range: the first member unpacks to more than max_bytes; malformed: not a ZIP file.
base::Status check_zip(gvcp::View head, gvcp::View tail, std::size_t bytes);

// Reads the description's place, and the ends of a ZIP file, from the camera: 2 to 6 questions,
// patience each. malformed, with the reason; conflict: another program keeps the camera to itself;
// timeout.
base::Status check_size(GvcpSocket& camera, std::chrono::milliseconds patience);

// malformed: no elements, more than max_nodes, deeper than max_depth, own entities, or values that
// are defined by themselves (the text names the nodes of the loop).
base::Status check_xml(std::string_view xml);

}  // namespace gige::guard
