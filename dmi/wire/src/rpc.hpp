// What both directions share: codes, socket paths, limits. Pure; any thread.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.hpp"

namespace dmi::wire {

// What a server takes: one device with its 4,096 properties is 1 MB, one report of them 1 MB more.
inline constexpr int max_message_bytes = 16 << 20;
// What a server holds of messages that are not whole yet, with gRPC's own buffers.
inline constexpr std::size_t max_wire_bytes = 128u << 20;
// What a client takes: the answer to a registration has all devices of the mapper, some 180 bytes a
// point; a million points must fit.
inline constexpr int max_answer_bytes = 256 << 20;
// sockaddr_un::sun_path without its end.
inline constexpr std::size_t max_path = 107;

// Metadata of MapperRegister, of its request and of its answer: the sender is ours. A request's
// value is ordered_value if the sender orders calls by registration_key too.
inline constexpr const char* extended_key = "mapper-framework-extended";
inline constexpr const char* ordered_value = "2";  // before 0.7: "1"
// Metadata of that answer and of the edge core's calls after it: Registration::number.
inline constexpr const char* registration_key = "mapper-framework-registration";

// Metadata of the calls of a mapper of ours to an edge core of ours, and of MapperRegister to any:
// its process' base::instance().
inline constexpr const char* instance_key = "mapper-framework-instance";

// What a peer's metadata has under a key; nullopt: nothing. Valid as long as the metadata.
template <class Metadata>
std::optional<std::string_view> metadata_of(const Metadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return std::nullopt;
  return std::string_view(found->second.data(), found->second.size());
}

// The table stands in dmi/wire/dmi.hpp. Texts gRPC could not send (not UTF-8) are repaired.
grpc::Status to_grpc(const base::Status& status);
base::Status from_grpc(const grpc::Status& status);

// RESOURCE_EXHAUSTED with google.rpc.RetryInfo in its details. text has the words "too many
// request", of which mappers for a stock EdgeCore know that they are to pause.
grpc::Status exhausted(const std::string& text, std::chrono::nanoseconds retry);

// invalid: not absolute, with a NUL in it, or longer than max_path.
base::Status check_path(const std::string& socket_path);
// "unix:" and the path, with everything percent-encoded that gRPC's URI parser would misread.
std::string target_of(const std::string& socket_path);

}  // namespace dmi::wire
