// What a database file may hold when it is not what this program wrote. First byte 'f': the rest is
// the file. Anything else: a file of ours with foreign rows; each row is a byte for its table and
// then a value a column: a byte for its type, one for its length, and so many bytes.
//
// The store opens or refuses, says so, and the core serves whatever came of it.
#include <sqlite3.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "core_rig.hpp"
#include "devicetwin/store.hpp"

namespace {

namespace fs = std::filesystem;
using devicetwin::Store;

// In memory where that is possible: thousands of files a second.
const fs::path& folder() {
  static const struct Folder {
    Folder() {
      std::string name = fs::exists("/dev/shm") ? "/dev/shm/fuzz-XXXXXX" : "/tmp/fuzz-XXXXXX";
      path = ::mkdtemp(name.data());
    }
    ~Folder() { fs::remove_all(path); }
    fs::path path;
  } made;
  return made.path;
}

fs::path file() { return folder() / "devicetwin.db"; }

void empty_folder() {
  for (const auto& entry : fs::directory_iterator(folder())) fs::remove(entry.path());
}

// A database as the store makes it, with one device.
const std::string& template_bytes() {
  static const std::string bytes = [] {
    empty_folder();
    fuzz::CoreRig rig;
    {
      auto store = Store::open(rig.loop, {.file = file()});
      fuzz::require(store.ok(), "a fresh store opens");
      for (const auto& [key, object] : rig.journal.objects) (*store)->put_object(object);
      (*store)->put_version(1000);
    }
    std::ifstream in(file(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  return bytes;
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(data, data + size) {}
  bool empty() const { return at_ >= rest_.size(); }
  std::uint8_t byte() { return empty() ? 0 : rest_[at_++]; }
  std::string text(std::size_t length) {
    length = std::min(length, rest_.size() - std::min(at_, rest_.size()));
    std::string out(rest_.begin() + static_cast<std::ptrdiff_t>(at_),
                    rest_.begin() + static_cast<std::ptrdiff_t>(at_ + length));
    at_ += length;
    return out;
  }

 private:
  std::vector<std::uint8_t> rest_;
  std::size_t at_ = 0;
};

void bind(sqlite3_stmt* statement, int column, Input& input) {
  const std::uint8_t type = input.byte();
  const std::string value = input.text(input.byte());
  const auto length = static_cast<int>(value.size());
  std::int64_t number = 0;
  std::memcpy(&number, value.data(), std::min(value.size(), sizeof number));
  double real = 0;
  std::memcpy(&real, value.data(), std::min(value.size(), sizeof real));
  switch (type % 8) {
    case 0:
      sqlite3_bind_null(statement, column);
      break;
    case 1:
      sqlite3_bind_int64(statement, column, number);
      break;
    case 2:
      sqlite3_bind_double(statement, column, real);
      break;
    case 3:
      sqlite3_bind_blob(statement, column, value.data(), length, SQLITE_TRANSIENT);
      break;
    default:
      sqlite3_bind_text(statement, column, value.data(), length, SQLITE_TRANSIENT);
  }
}

void add_rows(Input input) {
  sqlite3* db = nullptr;
  fuzz::require(sqlite3_open(file().c_str(), &db) == SQLITE_OK, "the template opens");
  sqlite3_exec(db, "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY", nullptr, nullptr, nullptr);
  for (int rows = 0; rows < 16 && !input.empty(); ++rows) {
    static constexpr const char* tables[] = {"objects", "rows", "states", "meta"};
    const std::string table = tables[input.byte() % 4];
    sqlite3_stmt* columns = nullptr;
    sqlite3_prepare_v2(db, ("SELECT * FROM " + table).c_str(), -1, &columns, nullptr);
    const int count = sqlite3_column_count(columns);
    sqlite3_finalize(columns);
    std::string insert = "INSERT OR REPLACE INTO " + table + " VALUES(?";
    for (int i = 1; i < count; ++i) insert += ",?";
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(db, (insert + ")").c_str(), -1, &statement, nullptr);
    fuzz::require(statement != nullptr, "table " + table);
    for (int i = 1; i <= count; ++i) bind(statement, i, input);
    sqlite3_step(statement);  // may be refused: NOT NULL
    sqlite3_finalize(statement);
  }
  sqlite3_close(db);
}

void write(const std::string& bytes) {
  std::ofstream(file(), std::ios::binary).write(bytes.data(), std::ssize(bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  base::set_log_level(static_cast<base::Level>(4));  // a damaged file is said each time
  const std::string& ours = template_bytes();
  empty_folder();
  if (data[0] == 'f') {
    write(std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  } else {
    write(ours);
    add_rows(Input(data + 1, size - 1));
  }
  base::ManualLoop loop;
  auto store = Store::open(loop, {.file = file()});
  if (!store) return 0;  // of a newer schema, say
  Store::Loaded loaded = (*store)->load();
  devicetwin::Core core(loop, **store, "edge-node");
  core.load(std::move(loaded.objects), std::move(loaded.rows), std::move(loaded.states),
            loaded.version);
  for (const devicetwin::Object* object : core.list(devicetwin::Kind::device, "")) {
    const dmi::ObjectId id = object->id;
    fuzz::require_servable(core, id);
    core.merged_device(id);
    devicetwin::TwinUpdate update;
    update.properties.push_back({.name = "setpoint", .expected = "7"});
    update.properties.push_back({.name = "temperature", .actual = "8"});
    core.update_twin(id, std::move(update), devicetwin::Origin::mqtt, [](const auto&) {});
    loop.settle();
  }
  for (const char* protocol : {"modbus", ""}) core.assignment(protocol);
  return 0;
}
