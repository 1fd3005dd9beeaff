// The journal on disk: one SQLite file, one writer thread, group commit.
//
// What is promised, in the words in which it is tested:
// - What a flush() answered ok for survives kill -9 and, as far as the disk tells the truth, a loss
//   of power (WAL, synchronous=FULL).
// - What was put without flush is on disk at most Store::window later, or with the next flush.
// - A failed flush changes nothing that is stored; objects of it are dropped (Core takes them
// back),
//   twins stay queued and are tried again; later flushes work when the disk does.
// - Queued writes of one key are one write, the newest: memory is bounded by what Core holds.
// - A start reads what is there and writes nothing, so that a disk that takes nothing costs writes
//   alone. Damage is looked for behind (devicetwin/sqlite). A damaged file is moved aside, said
//   loudly, and replaced: while running by one with everything that is in memory, at a start by an
//   empty one.
//
// Methods are called on the loop; the database is touched by the writer thread alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "devicetwin/core.hpp"

namespace devicetwin {

class Store final : public Journal {
 public:
  // Reported values may be this much older after a crash. One fsync per window keeps flash alive.
  static constexpr auto window = std::chrono::milliseconds(100);
  // After a failure without anybody waiting, the next try.
  static constexpr auto retry = std::chrono::seconds(1);
  // Stored in the file (user_version); a newer one is refused, not guessed at.
  static constexpr int schema_version = 2;

  struct Settings {
    std::filesystem::path file;  // its folder must exist and gets "devicetwin.lock"
    // The file's size limit: past it writes fail as on a full disk, and the rest of the disk lives.
    std::uint64_t max_bytes = std::uint64_t{2} << 30;
    std::chrono::milliseconds check_after = std::chrono::seconds(10);  // the look for damage begins
  };
  struct Loaded {
    std::vector<Object> objects;
    std::vector<std::pair<dmi::ObjectId, TwinRow>> rows;
    std::vector<std::pair<dmi::ObjectId, DeviceState>> states;
    std::map<std::string, std::string> notes;
    std::uint64_t version = 0;
  };

  struct Counters {
    std::uint64_t transactions = 0;  // since the start, as failed and rows
    std::uint64_t failed = 0;        // transactions that the disk did not take
    std::uint64_t rows = 0;          // twins written
    std::uint64_t waiting = 0;       // now: devices whose twins are not written yet
    double last_seconds = 0;         // how long the last transaction took, its fsync with it
  };

  // conflict: another process has the folder; unsupported: the file is of a newer schema;
  // unavailable: anything else, but for a disk that takes nothing now. A file that is too damaged
  // to be read is moved aside as FILE.damaged-SECONDS, and an empty one takes its place.
  static base::Result<std::unique_ptr<Store>> open(base::Loop& loop, Settings settings);
  // Writes what is queued, waits for it, and lets go of the folder. Answers flushes in flight no
  // more.
  ~Store() override;

  // What the file held at open(); once, the second call is empty.
  Loaded load();

  // What the file should hold, asked for on the loop when it turns out to be damaged. Until it is
  // set a damaged file stays where it is, and writes fail.
  void set_truth(std::function<Loaded()> truth);

  void put_object(const Object& object) override;
  void delete_object(Kind kind, const dmi::ObjectId& id) override;
  void put_row(const dmi::ObjectId& device, const TwinRow& row) override;
  void put_rows(const dmi::ObjectId& device, std::vector<TwinRow> rows) override;
  void put_state(const dmi::ObjectId& device, const DeviceState& state) override;
  void keep_state(const dmi::ObjectId& device, const DeviceState& state) override;
  void delete_twins(const dmi::ObjectId& device) override;
  void put_note(const std::string& key, const std::string& text) override;
  void put_version(std::uint64_t version) override;
  void flush(std::function<void(base::Status)> done) override;
  Counters counters() const;

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin
