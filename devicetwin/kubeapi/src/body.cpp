#include "body.hpp"

#include <set>

#include "base/text.hpp"

namespace devicetwin::kube {

namespace {

using Event = dmi::Json::parse_event_t;

// Hears the parser's events and remembers where it is.
class Duplicates {
 public:
  void hear(Event event, const dmi::Json& parsed) {
    switch (event) {
      case Event::object_start:
      case Event::array_start:
        next_element();
        frames_.push_back({event == Event::array_start, -1, "", {}});
        break;
      case Event::object_end:
      case Event::array_end:
        if (!frames_.empty()) frames_.pop_back();
        break;
      case Event::key:
        frames_.back().key = parsed.get<std::string>();
        if (!frames_.back().keys.insert(frames_.back().key).second) found.push_back(path());
        break;
      case Event::value:
        next_element();
        break;
    }
  }

  std::vector<std::string> found;

 private:
  struct Frame {
    bool array;
    int index;
    std::string key;
    std::set<std::string> keys;
  };

  void next_element() {
    if (!frames_.empty() && frames_.back().array) ++frames_.back().index;
  }
  std::string path() const {
    std::string text;
    for (const Frame& frame : frames_) {
      if (frame.array) {
        text += base::cat('[', frame.index, ']');
      } else {
        text += base::cat(text.empty() ? "" : ".", frame.key);
      }
    }
    return text;
  }

  std::vector<Frame> frames_;
};

}  // namespace

base::Result<Body> parse_body(std::string_view text) {
  // First for its limits on depth and its messages; then once more, knowing that it is JSON.
  auto json = dmi::parse_json(text);
  if (!json) return json.status();
  Duplicates duplicates;
  const auto hear = [&](int, Event event, dmi::Json& parsed) {
    duplicates.hear(event, parsed);
    return event != Event::value;  // nothing needs to be built a second time
  };
  [[maybe_unused]] const dmi::Json ignored = dmi::Json::parse(text, hear, false);
  return Body{std::move(*json), std::move(duplicates.found)};
}

}  // namespace devicetwin::kube
