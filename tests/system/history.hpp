// What happened to the settings of a device plane under test: every operation with its answer,
// every value a reader saw, every write that reached a device, every fault. Each written value is
// unique within its setting, so that a value names its write.
//
// A History is plain data; Recorder fills one from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace system_test {

using Micros = std::int64_t;  // since the recorder was made
inline constexpr Micros never = std::numeric_limits<Micros>::max();

enum class Answer : unsigned char {
  none,      // no answer came: it may be carried out at any time after its start, or not at all
  accepted,  // promised to be on disk
  refused,   // promised to have changed nothing
};

// A desired value that a client wrote.
struct Write {
  std::string key;  // "device/property"
  std::string value;
  std::string client;
  Micros start = 0;
  Micros end = never;  // when the answer came
  Answer answer = Answer::none;
  std::uint64_t version = 0;  // resourceVersion in the answer; 0: not told
};

// A desired value that a client was shown. start 0: pushed without having been asked for.
struct Sight {
  std::string key;
  std::string value;
  std::string client;
  Micros start = 0;
  Micros end = 0;
  std::uint64_t version = 0;  // of the object; 0: not told
};

// A request of a mapper that set a register, as the device saw it.
struct Actuation {
  std::string key;
  std::string value;
  Micros at = 0;
};

// A value that the device took by itself: at its panel, or at a restart.
struct PanelChange {
  std::string key;
  std::string value;
  Micros at = 0;
};

enum class What : unsigned char { devicetwin_killed, mapper_killed, broker_killed, link_lost };
struct Fault {
  What what = What::devicetwin_killed;
  Micros at = 0;
};

// A version pair's local half, of the desired side, as found on disk.
struct EdgeVersion {
  std::string key;
  std::int64_t version = 0;
  Micros at = 0;
};

// After everything had become quiet.
struct End {
  std::string key;
  std::string desired;
  std::string held;  // by the device
};

struct History {
  std::set<std::string> commands;  // keys of writeOnce settings
  std::vector<Write> writes;
  std::vector<Sight> sights;
  std::vector<Actuation> actuations;
  std::vector<PanelChange> panel;
  std::vector<Fault> faults;
  std::vector<EdgeVersion> edge_versions;
  std::vector<End> ends;
};

// What of a finished history the next one must know: writes whose fate is open, what is desired now
// and was actuated last, the newest versions, and the faults since then. `now`: its beginning.
History carried_over(const History& history, Micros now);

// In order of time, one line an event; of one key, or of all ("").
std::string to_text(const History& history, const std::string& key = "");

class Recorder {
 public:
  Micros now() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 start_)
        .count();
  }
  // A write begins; its place, for answered().
  std::size_t begin(Write write) {
    const std::lock_guard lock(mutex_);
    write.start = now();
    history_.writes.push_back(std::move(write));
    return history_.writes.size() - 1;
  }
  // An answer may also come late, after its client gave up; a second one changes nothing.
  void answered(std::size_t place, Answer answer, std::uint64_t version = 0) {
    const std::lock_guard lock(mutex_);
    Write& write = history_.writes[place];
    if (write.answer != Answer::none) return;
    write.answer = answer;
    write.version = version;
    write.end = now();
  }
  void add(Sight sight) {
    const std::lock_guard lock(mutex_);
    sight.end = now();
    history_.sights.push_back(std::move(sight));
  }
  void add(Actuation actuation) {
    const std::lock_guard lock(mutex_);
    actuation.at = now();
    history_.actuations.push_back(std::move(actuation));
  }
  void add(PanelChange change) {
    const std::lock_guard lock(mutex_);
    change.at = now();
    history_.panel.push_back(std::move(change));
  }
  void add(What fault) {
    const std::lock_guard lock(mutex_);
    history_.faults.push_back({fault, now()});
  }
  void add(EdgeVersion version) {
    const std::lock_guard lock(mutex_);
    version.at = now();
    history_.edge_versions.push_back(std::move(version));
  }
  void restart(History history) {
    const std::lock_guard lock(mutex_);
    history_ = std::move(history);
  }
  History copy() const {
    const std::lock_guard lock(mutex_);
    return history_;
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;
  History history_;
};

}  // namespace system_test
