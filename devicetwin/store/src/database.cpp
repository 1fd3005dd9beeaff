#include "database.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "devicetwin/sqlite_file.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS objects(
  kind INTEGER NOT NULL, space TEXT NOT NULL, name TEXT NOT NULL,
  uid TEXT NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY(kind, space, name));
CREATE TABLE IF NOT EXISTS rows(
  space TEXT NOT NULL, name TEXT NOT NULL, property TEXT NOT NULL,
  type TEXT NOT NULL, optional INTEGER NOT NULL, deleted INTEGER NOT NULL,
  expected TEXT, expected_ms INTEGER NOT NULL, expected_cloud INTEGER NOT NULL,
  expected_edge INTEGER NOT NULL,
  actual TEXT, actual_ms INTEGER NOT NULL, actual_cloud INTEGER NOT NULL,
  actual_edge INTEGER NOT NULL,
  observed TEXT NOT NULL, observed_ms INTEGER NOT NULL,
  quality TEXT NOT NULL, quality_text TEXT NOT NULL,
  refusal TEXT NOT NULL, refusal_text TEXT NOT NULL,
  expected_by TEXT NOT NULL DEFAULT '', actual_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY(space, name, property)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS states(
  space TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, last_online TEXT NOT NULL,
  PRIMARY KEY(space, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
)";

// What a file of schema version 1 lacks.
constexpr const char* since_version_1 = R"(
ALTER TABLE rows ADD COLUMN expected_by TEXT NOT NULL DEFAULT '';
ALTER TABLE rows ADD COLUMN actual_by TEXT NOT NULL DEFAULT '';
)";

constexpr const char* version_key = "version";
constexpr const char* note_prefix = "note/";

Status status_of(const std::string& word, std::string text) {
  const Code code = base::code_of(word);
  return code == Code::ok ? Status() : Status(code, std::move(text));
}

Side read_side(SQLite::Statement& row, int first) {
  Side side;
  side.present = !row.getColumn(first).isNull();
  if (side.present) side.value = row.getColumn(first).getString();
  side.time_ms = row.getColumn(first + 1).getInt64();
  side.version = {row.getColumn(first + 2).getInt64(), row.getColumn(first + 3).getInt64()};
  return side;
}

void bind_side(SQLite::Statement& statement, int first, const Side& side) {
  if (side.present) {
    statement.bind(first, side.value);
  } else {
    statement.bind(first);
  }
  statement.bind(first + 1, side.time_ms);
  statement.bind(first + 2, side.version.cloud);
  statement.bind(first + 3, side.version.edge);
}

void run(SQLite::Statement& statement) {
  statement.exec();
  statement.reset();
}

// An open file of our schema.
struct OpenFile {
  SQLite::Database db;
  SQLite::Statement put_object, delete_object, put_row, put_state, delete_rows, delete_state;
  SQLite::Statement put_meta, delete_meta;

  // The schema must exist before the statements can be prepared.
  explicit OpenFile(SQLite::Database opened)
      : db(std::move(opened)),
        put_object(db, "INSERT OR REPLACE INTO objects VALUES(?,?,?,?,?,?)"),
        delete_object(db, "DELETE FROM objects WHERE kind=? AND space=? AND name=?"),
        put_row(db,
                "INSERT OR REPLACE INTO rows VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
        put_state(db, "INSERT OR REPLACE INTO states VALUES(?,?,?,?)"),
        delete_rows(db, "DELETE FROM rows WHERE space=? AND name=?"),
        delete_state(db, "DELETE FROM states WHERE space=? AND name=?"),
        put_meta(db, "INSERT OR REPLACE INTO meta VALUES(?,?)"),
        delete_meta(db, "DELETE FROM meta WHERE key=?") {}

  void write(const Batch& batch);

 private:
  void write_object(const std::pair<Kind, dmi::ObjectId>& key, const std::optional<Object>& object);
  void write_row(const dmi::ObjectId& id, const TwinRow& row);
  void write_twins(const dmi::ObjectId& id, const Batch::Twins& twins);
  void write_all(const Batch& batch);
  void reset_statements();
};

std::unique_ptr<OpenFile> open_file(const std::filesystem::path& file, std::uint64_t max_bytes) {
  SQLite::Database db = open_sqlite(file, {.max_bytes = max_bytes});
  const int found = schema_of(db, Store::schema_version);
  if (found != Store::schema_version) {
    SQLite::Transaction whole(db);
    if (found == 1) db.exec(since_version_1);
    db.exec(schema);
    db.exec(cat("PRAGMA user_version=", Store::schema_version));
    whole.commit();
  }
  return std::make_unique<OpenFile>(std::move(db));
}

// ---- reading ----

void read_objects(SQLite::Database& db, Store::Loaded& loaded) {
  SQLite::Statement objects(db, "SELECT kind,space,name,uid,version,text FROM objects");
  while (objects.executeStep()) {
    Object object;
    object.kind = objects.getColumn(0).getInt() == 0 ? Kind::device : Kind::device_model;
    object.id = {objects.getColumn(1).getString(), objects.getColumn(2).getString()};
    object.uid = objects.getColumn(3).getString();
    object.version = static_cast<std::uint64_t>(objects.getColumn(4).getInt64());
    object.text = Text(objects.getColumn(5).getString());
    loaded.objects.push_back(std::move(object));
  }
}

void read_rows(SQLite::Database& db, Store::Loaded& loaded) {
  SQLite::Statement rows(db, "SELECT * FROM rows");
  const bool by = rows.getColumnCount() > 20;  // since schema version 2
  while (rows.executeStep()) {
    TwinRow row;
    row.name = rows.getColumn(2).getString();
    row.type = rows.getColumn(3).getString();
    row.optional = rows.getColumn(4).getInt() != 0;
    row.deleted = rows.getColumn(5).getInt() != 0;
    row.expected = read_side(rows, 6);
    row.actual = read_side(rows, 10);
    row.observed = rows.getColumn(14).getString();
    row.observed_ms = rows.getColumn(15).getInt64();
    row.quality = status_of(rows.getColumn(16).getString(), rows.getColumn(17).getString());
    row.refusal = status_of(rows.getColumn(18).getString(), rows.getColumn(19).getString());
    if (by) row.expected.by = rows.getColumn(20).getString();
    if (by) row.actual.by = rows.getColumn(21).getString();
    loaded.rows.emplace_back(
        dmi::ObjectId{rows.getColumn(0).getString(), rows.getColumn(1).getString()},
        std::move(row));
  }
}

void read_states(SQLite::Database& db, Store::Loaded& loaded) {
  SQLite::Statement states(db, "SELECT space,name,state,last_online FROM states");
  while (states.executeStep()) {
    DeviceState state{states.getColumn(2).getString(), states.getColumn(3).getString(), ""};
    loaded.states.emplace_back(
        dmi::ObjectId{states.getColumn(0).getString(), states.getColumn(1).getString()},
        std::move(state));
  }
}

void read_meta(SQLite::Database& db, Store::Loaded& loaded) {
  SQLite::Statement meta(db, "SELECT key,value FROM meta");
  while (meta.executeStep()) {
    const std::string key = meta.getColumn(0).getString();
    const std::string value = meta.getColumn(1).getString();
    std::int64_t number = 0;
    if (key == version_key && base::parse_int(value, number)) {
      loaded.version = static_cast<std::uint64_t>(number);
    } else if (key.starts_with(note_prefix)) {
      loaded.notes[key.substr(std::string_view(note_prefix).size())] = value;
    }
  }
}

Store::Loaded read(SQLite::Database& db) {
  Store::Loaded loaded;
  read_objects(db, loaded);
  read_rows(db, loaded);
  read_states(db, loaded);
  read_meta(db, loaded);
  // The pages that were read are not needed again: Core has what they said.
  db.exec("PRAGMA shrink_memory");
  return loaded;
}

// For a start on a disk that takes nothing. Throws what SQLite throws.
Store::Loaded read_as_it_is(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return {};
  SQLite::Database db = open_sqlite_as_it_is(file);
  schema_of(db, Store::schema_version);
  return read(db);
}

// ---- writing ----

void OpenFile::write_object(const std::pair<Kind, dmi::ObjectId>& key,
                            const std::optional<Object>& object) {
  SQLite::Statement& statement = object ? put_object : delete_object;
  statement.bind(1, static_cast<int>(key.first));
  statement.bind(2, key.second.space);
  statement.bind(3, key.second.name);
  if (object) {
    statement.bind(4, object->uid);
    statement.bind(5, static_cast<std::int64_t>(object->version));
    statement.bind(6, object->text.str());
  }
  run(statement);
}

void OpenFile::write_row(const dmi::ObjectId& id, const TwinRow& row) {
  put_row.bind(1, id.space);
  put_row.bind(2, id.name);
  put_row.bind(3, row.name);
  put_row.bind(4, row.type);
  put_row.bind(5, row.optional ? 1 : 0);
  put_row.bind(6, row.deleted ? 1 : 0);
  bind_side(put_row, 7, row.expected);
  bind_side(put_row, 11, row.actual);
  put_row.bind(15, row.observed);
  put_row.bind(16, row.observed_ms);
  put_row.bind(17, std::string(base::name(row.quality.code())));
  put_row.bind(18, row.quality.text());
  put_row.bind(19, std::string(base::name(row.refusal.code())));
  put_row.bind(20, row.refusal.text());
  put_row.bind(21, row.expected.by);
  put_row.bind(22, row.actual.by);
  run(put_row);
}

void OpenFile::write_twins(const dmi::ObjectId& id, const Batch::Twins& twins) {
  if (twins.wipe) {
    for (SQLite::Statement* statement : {&delete_rows, &delete_state}) {
      statement->bind(1, id.space);
      statement->bind(2, id.name);
      run(*statement);
    }
  }
  for (const TwinRow& row : twins.rows) write_row(id, row);
  if (!twins.state) return;
  put_state.bind(1, id.space);
  put_state.bind(2, id.name);
  put_state.bind(3, twins.state->state);
  put_state.bind(4, twins.state->last_online);
  run(put_state);
}

void OpenFile::write_all(const Batch& batch) {
  // What deletes goes first, so that a full disk can be emptied in one transaction.
  for (const auto& [key, object] : batch.objects) {
    if (!object) write_object(key, object);
  }
  for (const auto& [key, object] : batch.objects) {
    if (object) write_object(key, object);
  }
  for (const auto& [id, twins] : batch.twins) write_twins(id, twins);
  const auto write_meta = [this](const std::string& key, const std::string& value) {
    SQLite::Statement& statement = value.empty() ? delete_meta : put_meta;
    statement.bind(1, key);
    if (!value.empty()) statement.bind(2, value);
    run(statement);
  };
  for (const auto& [key, text] : batch.notes) write_meta(note_prefix + key, text);
  if (batch.version != 0) write_meta(version_key, cat(batch.version));
}

void OpenFile::reset_statements() {
  for (SQLite::Statement* statement : {&put_object, &delete_object, &put_row, &put_state,
                                       &delete_rows, &delete_state, &put_meta, &delete_meta}) {
    statement->tryReset();
  }
}

void OpenFile::write(const Batch& batch) {
  try {
    SQLite::Transaction transaction(db);
    write_all(batch);
    transaction.commit();
  } catch (const SQLite::Exception&) {
    // The transaction's destructor has rolled back; a statement that failed holds its error.
    reset_statements();
    throw;
  }
}

}  // namespace

struct Database::Impl {
  std::filesystem::path file;
  std::uint64_t max_bytes;
  std::unique_ptr<OpenFile> open = {};  // nullptr: not yet, as the disk took nothing

  std::filesystem::path renewed() const { return file.string() + ".renewed"; }
  Status take_renewed(std::string_view why);
};

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(const Store::Settings& settings,
                                                 Store::Loaded& loaded) {
  auto impl = std::make_unique<Impl>(settings.file, settings.max_bytes);
  if (std::error_code error; std::filesystem::exists(impl->renewed(), error)) {
    const char* const why = "an earlier process found it, and ended while it replaced it";
    if (Status status = impl->take_renewed(why); !status.ok()) return status;
  }
  for (bool second_try : {false, true}) {
    Status status;
    try {
      try {
        impl->open = open_file(impl->file, impl->max_bytes);
        loaded = read(impl->open->db);
      } catch (const SQLite::Exception& error) {
        impl->open.reset();
        if (!disk_takes_nothing(error)) throw;
        loaded = read_as_it_is(impl->file);
        base::log_warning(
            cat("the database is read alone: ", sqlite_failed(impl->file, error).text()));
      }
      return std::unique_ptr<Database>(new Database(std::move(impl)));
    } catch (const SQLite::Exception& error) {
      status = sqlite_failed(impl->file, error);
    }
    if (second_try || status.code() != Code::malformed) return status;
    const auto aside = move_sqlite_aside(impl->file);
    if (!aside) return aside.status();
    base::log_error(cat("DATABASE DAMAGED: ", status.text(), "; it is kept as ", aside->string(),
                        " and an empty one takes its place: apply your objects again"));
  }
  return Status(Code::internal, "not reached");
}

Status Database::write(const Batch& batch) {
  try {
    if (!impl_->open) impl_->open = open_file(impl_->file, impl_->max_bytes);
    impl_->open->write(batch);
    return Status();
  } catch (const SQLite::Exception& error) {
    return sqlite_failed(impl_->file, error);
  }
}

// What has that name is complete, and newer than the damaged file: nothing was written to that
// since.
Status Database::Impl::take_renewed(std::string_view why) {
  const auto aside = move_sqlite_aside(file);
  if (!aside && aside.status().code() != Code::not_found) return aside.status();
  std::error_code error;
  std::filesystem::rename(renewed(), file, error);
  if (error) {
    return Status(Code::unavailable,
                  cat(renewed().string(), ": cannot be renamed: ", error.message()));
  }
  (void)base::sync_folder(file.parent_path());  // or it is done again
  base::log_error(cat("DATABASE DAMAGED: ", why, aside.ok() ? "; it is kept as " : "",
                      aside.ok() ? aside->string() : "",
                      "; one with all that was in memory has taken its place"));
  return Status();
}

Status Database::renew(const Batch& everything, const Status& why) {
  const std::string fresh = impl_->file.string() + ".new";
  std::error_code error;
  for (const char* part : {"", "-wal", "-shm"}) std::filesystem::remove(fresh + part, error);
  try {
    open_file(fresh, impl_->max_bytes)->write(everything);  // closing it empties its log
    std::filesystem::rename(fresh, impl_->renewed(), error);
    if (error)
      return Status(Code::unavailable, cat(fresh, ": cannot be renamed: ", error.message()));
    impl_->open.reset();
    if (Status status = impl_->take_renewed(why.text()); !status.ok()) return status;
    impl_->open = open_file(impl_->file, impl_->max_bytes);
    return Status();
  } catch (const SQLite::Exception& failed) {
    return Status(Code::unavailable, sqlite_failed(fresh, failed).text());
  }
}

}  // namespace devicetwin
