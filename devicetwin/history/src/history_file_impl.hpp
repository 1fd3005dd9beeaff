// The file's statements and what is known of it in memory: shared by writing (history_file.cpp) and
// reading (history_read.cpp). Private; one thread.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "base/text.hpp"
#include "devicetwin/sqlite_file.hpp"
#include "history_file.hpp"

namespace devicetwin {

// By device first, so that those of one device are neighbours.
using HistoryKey = std::tuple<std::string, std::string, std::string>;

struct HistorySeries {
  std::int64_t id = 0;
  dmi::HistoryRule rule;
  std::int64_t count = 0;  // of its samples; not counted: of those up to counted_to
  bool counted = true;
  std::int64_t counted_to = 0;
  // No sample came before, of those whose arrival is known: what went since does not move it, the
  // next look does. 0: not looked at since open().
  std::int64_t oldest_ms = 0;
};

struct HistoryFile::Impl {
  std::filesystem::path file;
  std::uint64_t quota_bytes;
  SQLite::Database db;
  SQLite::Statement put_series, delete_series, put_sample, delete_samples, delete_below, page_count,
      free_count, oldest, cut, count_on, read_up, read_down;

  static constexpr int count_step = 4096;  // samples, so that nobody waits for more

  std::map<HistoryKey, HistorySeries> series;
  std::vector<HistoryKey> uncounted;
  // What a transaction changed of series, as it was: put back when it fails.
  std::map<HistoryKey, std::optional<HistorySeries>> touched;
  std::int64_t next_id = 1;
  std::int64_t next_sequence = 1;
  std::int64_t lowest_sequence = 1;
  std::uint64_t removed = 0;
  std::uint64_t removed_before = 0;  // the transaction

  Impl(std::filesystem::path path, std::uint64_t quota, SQLite::Database opened)
      : file(std::move(path)),
        quota_bytes(quota),
        db(std::move(opened)),
        put_series(db, "INSERT OR REPLACE INTO series VALUES(?,?,?,?,?,?)"),
        delete_series(db, "DELETE FROM series WHERE id=?"),
        put_sample(db, "INSERT INTO samples VALUES(?,?,?,?,?,?,?,?)"),
        delete_samples(db, "DELETE FROM samples WHERE series=?"),
        delete_below(db, "DELETE FROM samples WHERE series=? AND sequence<?"),
        page_count(db, "PRAGMA page_count"),
        free_count(db, "PRAGMA freelist_count"),
        oldest(db,
               "SELECT sequence,came_ms FROM samples WHERE series=? AND came_ms>0 AND came_ms<=? "
               "ORDER BY sequence LIMIT ?"),
        cut(db, "SELECT sequence FROM samples WHERE series=? ORDER BY sequence LIMIT 1 OFFSET ?"),
        count_on(db, base::cat("SELECT COUNT(*),MAX(sequence) FROM (SELECT sequence FROM samples "
                               "WHERE series=? AND sequence>? ORDER BY sequence LIMIT ",
                               count_step, ")")),
        read_up(db, read_sql("(time_ms,sequence)>(?5,?6)", "")),
        read_down(db, read_sql("(time_ms,sequence)<(?5,?6)", " DESC")) {}

  static std::string read_sql(const char* after, const char* order) {
    return base::cat(
        "SELECT sequence,time_ms,came_ms,type,quality,quality_text,value FROM samples WHERE "
        "series=?1 AND time_ms>=?2 AND time_ms<=?3 AND (came_ms>=?4 OR came_ms=0) AND ",
        after, " ORDER BY time_ms", order, ",sequence", order, " LIMIT ?7");
  }

  void load();
  void count_some();
  void went(HistorySeries& from, std::int64_t gone);
  bool is_empty(const HistorySeries& of);
  HistorySeries& touch(const HistoryKey& key);
  void add(const NewSample& sample);
  void forget(const HistoryKey& key);
  void forget(const dmi::ObjectId& device);
  void trim_count(const HistoryKey& key);
  int trim_age(const HistoryKey& key, std::int64_t now_ms, int most);
  std::int64_t first_arrival(const HistorySeries& of);
  void trim_quota();
  std::uint64_t used_bytes();
  HistoryPage read(const HistorySeries& series, const HistoryQuery& query,
                   const HistoryPlace& after, std::int64_t now_ms);

  // Does work in one transaction; what failed has not happened.
  template <class Work>
  base::Status transact(Work work) {
    touched.clear();
    removed_before = removed;
    const std::int64_t sequence_before = next_sequence;
    const std::int64_t lowest_before = lowest_sequence;
    try {
      SQLite::Transaction transaction(db);
      work();
      transaction.commit();
      return base::Status();
    } catch (const SQLite::Exception& error) {
      for (SQLite::Statement* statement :
           {&put_series, &delete_series, &put_sample, &delete_samples, &delete_below, &page_count,
            &free_count, &oldest, &cut, &count_on, &read_up, &read_down}) {
        statement->tryReset();
      }
      for (auto& [key, was] : touched) {
        if (was) {
          series[key] = *was;
        } else {
          series.erase(key);
        }
      }
      next_sequence = sequence_before;
      lowest_sequence = lowest_before;
      removed = removed_before;
      return sqlite_failed(file, error);
    }
  }
};

}  // namespace devicetwin
