// One queue per object on its way to the disk. Belongs to the loop.
//
// A verb on an object that is on its way waits for its turn; when the disk has answered, all that
// wait run together and share the next flush. So every verb is judged by what the ones before it
// left, a flush that fails takes back exactly the verbs that shared it, and at any time an object
// is one thing on disk and at most one thing on its way.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "state.hpp"

namespace devicetwin {

// What came to a device that is on its way: reports, states, a reason to wait. It is shown already,
// and told when the device's own change has been: the newest, from what was told last.
struct News {
  Origin origin = Origin::self;
  std::string event_id = {};
  bool state_changed = false;
  std::map<std::string, std::optional<TwinRow>> rows = {};  // as they were told last
};

// One verb that shares the flush.
struct StagedVerb {
  Origin origin = Origin::self;
  std::string event_id = {};
  std::optional<Change> change = {};  // of the object itself
  std::vector<TwinRow> rows = {};     // that it changed, as it left them
  bool moved = false;                 // rows have other places in the status
  std::function<void(const base::Status& disk)> done = {};
};

struct Line {
  // What the object will be when this is on disk: one of the two by its kind, or gone.
  std::optional<DeviceBody> device = {};
  std::optional<Object> model = {};
  bool gone = false;
  bool renewed = false;                     // a device was removed, and perhaps made again
  std::optional<PaceRules> paces = {};      // absent: as they are
  std::map<std::string, int> touched = {};  // rows by name, and by how many of the verbs
  std::uint64_t first_version = 0;          // the lowest that was given; 0: none
  std::vector<StagedVerb> verbs = {};
  std::vector<News> news = {};

  bool staged() const { return device || model || gone; }
};

class Turns {
 public:
  using Task = std::function<void()>;
  // Verbs that share a flush: they are decided in one go, which holds the loop.
  static constexpr std::size_t max_together = 64;
  // Makes of a line what is shown, or drops it; answers its verbs.
  using Settle = std::function<void(const Key&, Line, const base::Status& disk)>;

  explicit Turns(State& state, Settle settle) : state_(state), settle_(std::move(settle)) {}

  // Runs task now, within the turn that is running, or when the object's turn comes. false: it will
  // not run, because so many wait already.
  bool run(const Key& key, Task task);
  // Of an object whose turn it is; what a verb stages stands in it.
  Line& line(const Key& key) { return lines_.at(key).line; }
  // nullptr: nothing of the object is on its way.
  Line* on_its_way(const Key& key);
  // The same for reports, of which there are many, while nothing at all is on its way as a rule.
  Line* device_on_its_way(const dmi::ObjectId& id) {
    return lines_.empty() ? nullptr : on_its_way(Key(Kind::device, id));
  }
  // Lines of devices that will be there.
  void for_each_device(const std::function<void(Line&)>& each);
  // As the next verb on it finds it; nullptr: not there.
  const Object* newest(const Key& key);
  // Objects of that kind that will be there, and are not yet.
  std::size_t coming(Kind kind) const;
  // What is shown of all objects is complete up to this version.
  std::uint64_t shown_version() const;

 private:
  struct Entry {
    Line line;
    bool running = false;  // its verbs are decided at this moment
    std::deque<Task> waiting;
  };
  using Lines = std::map<Key, Entry>;

  static bool nothing(Lines::iterator entry) { return entry->second.line.verbs.empty(); }
  void turn(Lines::iterator entry, const Task& first);
  void ended(const Key& key, const base::Status& disk);

  State& state_;
  Settle settle_;
  Lines lines_;
};

}  // namespace devicetwin
