#include "rpc.hpp"

#include <retry.pb.h>

#include "base/text.hpp"
#include "convert.hpp"

namespace dmi::wire {

namespace {

using base::Code;
using grpc::StatusCode;

struct Pair {
  Code ours;
  StatusCode grpc;
};

constexpr Pair pairs[] = {
    {Code::timeout, StatusCode::DEADLINE_EXCEEDED},
    {Code::unavailable, StatusCode::UNAVAILABLE},
    {Code::invalid, StatusCode::INVALID_ARGUMENT},
    {Code::unsupported, StatusCode::UNIMPLEMENTED},
    {Code::not_found, StatusCode::NOT_FOUND},
    {Code::conflict, StatusCode::ALREADY_EXISTS},
    {Code::refused, StatusCode::FAILED_PRECONDITION},
    {Code::malformed, StatusCode::DATA_LOSS},
    {Code::out_of_range, StatusCode::OUT_OF_RANGE},
    {Code::stale, StatusCode::ABORTED},
    {Code::internal, StatusCode::INTERNAL},
};

// The codes that only gRPC itself, or a peer that is not ours, answers.
Code foreign_code(const grpc::Status& status) {
  const std::string text = status.error_message();
  switch (status.error_code()) {
    case StatusCode::CANCELLED:  // the peer is stopping
      return Code::unavailable;
    case StatusCode::RESOURCE_EXHAUSTED:  // too busy; but a message too large stays too large
      return text.find("larger than max") == std::string::npos ? Code::unavailable : Code::invalid;
    case StatusCode::UNKNOWN:  // every error of a stock EdgeCore or Go mapper
      return text.find("too many request") == std::string::npos ? Code::internal
                                                                : Code::unavailable;
    default:
      return Code::internal;
  }
}

}  // namespace

grpc::Status to_grpc(const base::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  for (const Pair& pair : pairs) {
    if (pair.ours == status.code()) return grpc::Status(pair.grpc, valid_text(status.text()));
  }
  return grpc::Status(StatusCode::INTERNAL, valid_text(status.text()));
}

grpc::Status exhausted(const std::string& text, std::chrono::nanoseconds retry) {
  using std::chrono::seconds;
  const auto whole = std::chrono::duration_cast<seconds>(retry);
  mapperframework::v1::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(whole.count());
  info.mutable_retry_delay()->set_nanos(static_cast<std::int32_t>((retry - whole).count()));
  mapperframework::v1::RpcStatus status;
  status.set_code(StatusCode::RESOURCE_EXHAUSTED);
  status.set_message(text);
  google::protobuf::Any& detail = *status.add_details();
  detail.set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  detail.set_value(info.SerializeAsString());
  return grpc::Status(StatusCode::RESOURCE_EXHAUSTED, text, status.SerializeAsString());
}

base::Status from_grpc(const grpc::Status& status) {
  if (status.ok()) return base::Status();
  for (const Pair& pair : pairs) {
    if (pair.grpc == status.error_code()) return base::Status(pair.ours, status.error_message());
  }
  return base::Status(foreign_code(status), status.error_message());
}

base::Status check_path(const std::string& path) {
  if (path.empty() || path.front() != '/' || path.find('\0') != std::string::npos) {
    return base::Status(Code::invalid, base::cat("socket ", path, ": not an absolute path"));
  }
  if (path.size() <= max_path) return base::Status();
  return base::Status(Code::invalid, base::cat("socket ", path, ": ", path.size(),
                                               " characters, at most ", max_path));
}

std::string target_of(const std::string& socket_path) {
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-._~";  // RFC 3986 §2.3
  constexpr std::string_view hex = "0123456789ABCDEF";
  std::string target = "unix:";
  for (const char c : socket_path) {
    if (plain.find(c) != std::string_view::npos) {
      target += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      target += '%';
      target += hex[byte >> 4];
      target += hex[byte & 15];
    }
  }
  return target;
}

}  // namespace dmi::wire
