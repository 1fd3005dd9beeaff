// A publication on its way to the broker. Value; any thread.
#pragma once

#include <string>

#include "devicetwin/topic_policy.hpp"

namespace devicetwin::bus {

struct Message {
  std::string topic;
  std::string payload;
  TopicPolicy policy = {};
};

}  // namespace devicetwin::bus
