// The mapper's end of a stream of batches.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "dmi/wire/dmi.hpp"

namespace dmi::wire {

std::unique_ptr<BatchStream> open_batches(const std::shared_ptr<grpc::Channel>& channel,
                                          const std::string& socket_path,
                                          const std::string& instance, const std::string& mapper,
                                          Done ended);

}  // namespace dmi::wire
