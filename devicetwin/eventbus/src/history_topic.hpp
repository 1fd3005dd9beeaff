// …/twin/history/get over MQTT: a property's past, read where devicetwin/history keeps it.
//   {"event_id","property":"t" or "properties":["t",…],"from","to","limit","order","continue"}
//   → {"event_id","timestamp","history":{"t":{"samples":[…],"continue":"…"}}}
// One property that fails is answered as on the other result topics; of several, each has its
// samples or its code and reason. Belongs to the loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "devicetwin/core.hpp"
#include "devicetwin/history_reader.hpp"
#include "topic.hpp"

namespace devicetwin::bus {

struct HistoryRequest {
  // Properties of one request, and bytes of one answer, shared by them: brokers and clients of
  // small machines take a message of that size.
  static constexpr std::size_t max_properties = 32;
  static constexpr std::size_t max_answer_bytes = 1u << 20;

  std::string event_id;  // also of a refused request, where it could be read
  base::Status status;   // why the request is refused
  HistoryQuery query;    // but device and property
  std::vector<std::string> properties;
};
HistoryRequest parse_history(std::string_view payload);

class HistoryTopic {
 public:
  using Publish = std::function<void(std::string topic, std::string payload)>;

  // publish is called on the loop, later than get() or within.
  HistoryTopic(Core& core, Publish publish) : core_(core), publish_(std::move(publish)) {}

  // nullptr: there is none, and requests are answered 404. Outlives this.
  void set_reader(HistoryReader* reader) { reader_ = reader; }
  void get(const Topic& topic, std::string_view payload);

 private:
  struct Answer;
  void finish(const Answer& answer);
  std::int64_t now_ms() const { return base::to_ms(core_.loop().wall()); }

  Core& core_;
  Publish publish_;
  HistoryReader* reader_ = nullptr;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace devicetwin::bus
