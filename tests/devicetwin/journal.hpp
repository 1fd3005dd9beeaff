// A disk in memory, for tests of whoever writes to a Journal: its flushes can be held, refused and
// let go one by one, and what it holds is what a crash would leave. As devicetwin/store: a flush
// that fails drops the objects of its transaction, twins are tried again with the next one.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "devicetwin/core.hpp"

namespace devicetwin::test {

// What is on disk.
struct Image {
  std::map<std::pair<Kind, dmi::ObjectId>, Object> objects;
  std::map<std::pair<dmi::ObjectId, std::string>, TwinRow> rows;
  std::map<dmi::ObjectId, DeviceState> states;
  std::map<std::string, std::string> notes;
  std::uint64_t version = 0;

  // A core that starts from it.
  void load_into(Core& core) const {
    std::vector<Object> all;
    for (const auto& [key, object] : objects) all.push_back(object);
    std::vector<std::pair<dmi::ObjectId, TwinRow>> twins;
    for (const auto& [key, row] : rows) twins.emplace_back(key.first, row);
    core.load(std::move(all), std::move(twins), {states.begin(), states.end()}, version);
  }
};

class MemoryJournal final : public Journal, public Image {
 public:
  explicit MemoryJournal(base::Loop& loop) : loop_(loop) {}

  void put_object(const Object& object) override {
    queue(true, [object](Image& disk) { disk.objects[{object.kind, object.id}] = object; });
  }
  void delete_object(Kind kind, const dmi::ObjectId& id) override {
    queue(true, [kind, id](Image& disk) { disk.objects.erase({kind, id}); });
  }
  void put_row(const dmi::ObjectId& device, const TwinRow& row) override {
    ++row_writes;
    queue(false, [device, row](Image& disk) { disk.rows[{device, row.name}] = row; });
  }
  void put_state(const dmi::ObjectId& device, const DeviceState& state) override {
    ++state_writes;
    queue(false, [device, state](Image& disk) { disk.states[device] = state; });
  }
  void keep_state(const dmi::ObjectId& device, const DeviceState& state) override {
    queued_.push_back({false, [device, state](Image& disk) { disk.states[device] = state; }});
  }
  void delete_twins(const dmi::ObjectId& device) override {
    queue(false, [device](Image& disk) {
      std::erase_if(disk.rows, [&](const auto& entry) { return entry.first.first == device; });
      disk.states.erase(device);
    });
  }
  void put_note(const std::string& key, const std::string& text) override {
    queue(false, [key, text](Image& disk) {
      if (text.empty()) {
        disk.notes.erase(key);
      } else {
        disk.notes[key] = text;
      }
    });
  }
  void put_version(std::uint64_t reserved) override {
    queue(false, [reserved](Image& disk) { disk.version = reserved; });
  }
  void flush(std::function<void(base::Status)> done) override {
    ++flushes;
    push(std::move(done));
  }

  // The oldest held flush ends as status says; false: none is held.
  bool let_go(const base::Status& status = base::Status()) {
    if (transactions_.empty()) return false;
    end(status);
    return true;
  }
  // All that are held, and no more is.
  void let_go_on() {
    held = false;
    for (std::size_t i = transactions_.size(); i > 0; --i) post();
    if (!queued_.empty()) push([](const base::Status&) {});
  }

  base::Status disk;  // what flushes answer from now on
  bool held = false;  // flushes wait for let_go()
  int flushes = 0;
  int row_writes = 0;
  int state_writes = 0;

 private:
  struct Write {
    bool object = false;
    std::function<void(Image&)> apply;
  };
  struct Transaction {
    std::vector<Write> writes;
    std::function<void(base::Status)> done;
  };

  // What nobody flushes is on disk a turn later, as in the store a window later.
  void queue(bool object, std::function<void(Image&)> apply) {
    queued_.push_back({object, std::move(apply)});
    if (held || std::exchange(posted_, true)) return;
    loop_.post([this] {
      posted_ = false;
      if (!queued_.empty() && transactions_.empty()) push([](const base::Status&) {});
    });
  }
  void push(std::function<void(base::Status)> done) {
    transactions_.push_back({std::exchange(queued_, {}), std::move(done)});
    if (!held) post();
  }
  void post() {
    loop_.post([this] {
      if (!transactions_.empty()) end(disk);
    });
  }
  void end(const base::Status& status) {
    Transaction next = std::move(transactions_.front());
    transactions_.pop_front();
    std::vector<Write> again;
    for (Write& write : next.writes) {
      if (status.ok()) {
        write.apply(*this);
      } else if (!write.object) {
        again.push_back(std::move(write));
      }
    }
    std::vector<Write>& later = transactions_.empty() ? queued_ : transactions_.front().writes;
    later.insert(later.begin(), std::make_move_iterator(again.begin()),
                 std::make_move_iterator(again.end()));
    next.done(status);
  }

  base::Loop& loop_;
  std::vector<Write> queued_;
  std::deque<Transaction> transactions_;
  bool posted_ = false;
};

}  // namespace devicetwin::test
