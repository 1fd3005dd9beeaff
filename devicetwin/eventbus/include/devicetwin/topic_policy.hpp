// Quality of service and retain flag of what the event bus publishes, per kind of topic. Values;
// any thread.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "base/status.hpp"

namespace devicetwin {

enum class TopicKind : unsigned char {
  update_result,  // …/twin/update/result
  document,       // …/twin/update/document
  delta,          // …/twin/update/delta
  get_result,     // …/twin/get/result
  state,          // …/state/update/result
  membership,     // $hw/events/node/<node>/membership/…
  node_state,     // $hw/events/node/<node>/state, ours: KubeEdge has no such topic
};
inline constexpr std::size_t topic_kinds = 7;

struct TopicPolicy {
  int qos = 1;
  bool retain = false;
  friend bool operator==(const TopicPolicy&, const TopicPolicy&) = default;
};

// KubeEdge's own to begin with: 1, not retained. The node's state is retained, because who comes
// late must learn that devicetwin is gone.
class TopicPolicies {
 public:
  TopicPolicies() { at(TopicKind::node_state).retain = true; }
  TopicPolicy& at(TopicKind kind) { return policies_[static_cast<std::size_t>(kind)]; }
  const TopicPolicy& at(TopicKind kind) const { return policies_[static_cast<std::size_t>(kind)]; }
  // "document=1,retain", "delta=0". invalid: another kind, or a quality that is not 0, 1 or 2.
  base::Status set(std::string_view text);

 private:
  std::array<TopicPolicy, topic_kinds> policies_;
};

}  // namespace devicetwin
