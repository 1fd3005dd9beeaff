#include "devicetwin/topic_policy.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace devicetwin {

namespace {

// In the order of TopicKind.
constexpr std::array<std::string_view, topic_kinds> names = {
    "update-result", "document", "delta", "get-result", "state", "membership", "node-state"};

}  // namespace

base::Status TopicPolicies::set(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return base::Status(
        base::Code::invalid,
        base::cat("'", text, "': ", why,
                  "; wanted KIND=QOS[,retain], KIND one of update-result, document, "
                  "delta, get-result, state, membership, node-state, QOS 0, 1 or 2"));
  };
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return wrong("no '='");
  const auto name = std::find(names.begin(), names.end(), text.substr(0, equals));
  if (name == names.end()) return wrong("no kind of topic");
  const auto words = base::split(text.substr(equals + 1), ',');
  const bool retain = words.size() == 2 && words[1] == "retain";
  if (words.size() > 1 && !retain) return wrong("what follows the comma is not 'retain'");
  if (words[0] != "0" && words[0] != "1" && words[0] != "2") return wrong("no quality of service");
  policies_[static_cast<std::size_t>(name - names.begin())] = {words[0][0] - '0', retain};
  return base::Status();
}

}  // namespace devicetwin
