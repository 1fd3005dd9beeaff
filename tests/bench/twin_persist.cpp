// Persisted twin changes per second, three ways: rows that the store alone writes, rows that arrive
// in the file while mappers report as fast as they are answered, and desired values that are
// acknowledged one after the other; each round of these ends with kill -9, and what was
// acknowledged must be there afterwards.
#include <sqlite3.h>

#include <csignal>
#include <map>
#include <thread>

#include "bench/report.hpp"
#include "bench/twin_rig.hpp"
#include "devicetwin/store.hpp"

namespace {

using base::cat;
using bench::Clock;
using bench::fail;

constexpr int devices = 100;
constexpr int properties = 100;
constexpr auto measured = std::chrono::seconds(5);
constexpr int kills = 10;
constexpr auto between_kills = std::chrono::milliseconds(300);

// ---- the store alone ----

constexpr int store_devices = 1000;
constexpr int store_rounds = 7;

// Rows per second of each round: 100,000 rows, then flush.
std::vector<double> store_rates() {
  test_support::TempFolder folder;
  base::IoLoop loop;
  auto store = devicetwin::Store::open(loop, {.file = folder / "devicetwin.db"});
  if (!store) fail(store.status().to_string());
  (*store)->load();
  std::vector<double> rates;
  std::function<void(int)> write = [&](int round) {
    if (round == store_rounds) return loop.stop();
    const auto begun = Clock::now();
    for (int device = 0; device < store_devices; ++device) {
      std::vector<devicetwin::TwinRow> rows(std::size_t{properties});
      for (int i = 0; i < properties; ++i) {
        devicetwin::TwinRow& row = rows[std::size_t(i)];
        row.name = bench::property_name(i);
        row.type = "float";
        row.actual = {true, cat(round, '.', i), bench::now_ms(), {0, round}, "mapper bench"};
      }
      (*store)->put_rows({"default", bench::device_name(device)}, std::move(rows));
    }
    (*store)->flush([&, begun, round](const base::Status& status) {
      if (!status.ok()) fail(status.to_string());
      rates.push_back(store_devices * properties / bench::seconds_since(begun));
      write(round + 1);
    });
  };
  loop.post([&] { write(0); });
  loop.run();
  return rates;
}

// ---- the file of a running devicetwin, read beside it ----

class File {
 public:
  explicit File(const std::filesystem::path& path) {
    if (sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK) {
      fail(cat(path.string(), ": ", sqlite3_errmsg(db_)));
    }
    sqlite3_busy_timeout(db_, 2000);
  }
  ~File() { sqlite3_close(db_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Rises with every transaction of others.
  int transactions() {
    int version = 0;
    each("PRAGMA data_version", [&](sqlite3_stmt* row) { version = sqlite3_column_int(row, 0); });
    return version;
  }
  // A column of table rows by device/property; "" where it is NULL.
  std::map<std::string, std::string> column(const char* name) {
    std::map<std::string, std::string> values;
    each(cat("SELECT name||'/'||property,", name, " FROM rows"), [&](sqlite3_stmt* row) {
      const auto text = [&](int at) {
        const unsigned char* const found = sqlite3_column_text(row, at);
        return found == nullptr ? "" : reinterpret_cast<const char*>(found);
      };
      values.emplace(text(0), text(1));
    });
    return values;
  }
  // How many rows are another change than the last time, by the edge's version of the reported
  // side.
  std::int64_t changed_rows() {
    std::int64_t changed = 0;
    std::size_t at = 0;
    each("SELECT actual_edge FROM rows", [&](sqlite3_stmt* row) {
      if (at == versions_.size()) versions_.push_back(0);
      const std::int64_t version = sqlite3_column_int64(row, 0);
      changed += version != std::exchange(versions_[at++], version) ? 1 : 0;
    });
    return changed;
  }

 private:
  template <class Each>
  void each(const std::string& query, Each row) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db_, query.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
      fail(sqlite3_errmsg(db_));
    }
    while (sqlite3_step(statement) == SQLITE_ROW) row(statement);
    sqlite3_finalize(statement);
  }

  sqlite3* db_ = nullptr;
  std::vector<std::int64_t> versions_;
};

// ---- reported values ----

void run_reported(bench::Report& report) {
  test_support::TempFolder folder;
  bench::TwinDaemon daemon(folder.path(), {"--mqtt", "none"});
  bench::create_devices(daemon, devices, properties);
  bench::report_all(daemon, devices, properties, 1);

  std::atomic<bool> stop = false;
  std::atomic<int> rounds = 1;
  std::thread reporting([&] {
    while (!stop) bench::report_all(daemon, devices, properties, ++rounds);
  });
  File file(folder / "devicetwin.db");
  file.changed_rows();
  const int first_round = rounds;
  const auto cpu = daemon.process().cpu_time();
  const auto begun = Clock::now();
  std::int64_t rows = 0;
  int transactions = 0;
  for (int seen = file.transactions(); Clock::now() - begun < measured;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (const int now = file.transactions(); std::exchange(seen, now) == now) continue;
    rows += file.changed_rows();
    ++transactions;
  }
  const double seconds = bench::seconds_since(begun);
  const auto used = daemon.process().cpu_time() - cpu;
  const int last_round = rounds;
  stop = true;
  reporting.join();

  // Everything is answered; what is on disk follows within the window.
  const auto answered = Clock::now();
  const std::string newest = cat(rounds.load(), '.');
  const auto missing = [&] {
    int count = devices * properties;
    for (const auto& [name, value] : file.column("actual")) count -= value.starts_with(newest);
    return count;
  };
  if (!test_support::wait_until([&] { return missing() == 0; })) {
    fail(cat(missing(), " of the last values did not reach the disk within 20 s"));
  }
  const double lag_ms = 1000 * bench::seconds_since(answered);
  daemon.process().kill();
  if (missing() != 0) fail("values that were on disk are gone after kill -9");

  report.add("twin.persist_changes_per_s", "reported changes taken, 100 in a call, without MQTT",
             (last_round - first_round) * devices * properties / seconds, "/s");
  report.add("twin.persist_live_rows_per_s", "  of them written: the newest of each per window",
             static_cast<double>(rows) / seconds, "rows/s");
  report.add("", "  transactions", transactions / seconds, "/s");
  report.add("", "  devicetwin meanwhile", static_cast<double>(used.count()) / 1e6 / seconds,
             "cores");
  report.add("twin.persist_lag_ms", "last answer to all 10,000 last values on disk", lag_ms, "ms");
}

// ---- desired values: acknowledged means on disk ----

void run_desired(bench::Report& report) {
  test_support::TempFolder folder;
  std::map<std::string, std::string> acknowledged;
  int writes = 0;
  int lost = 0;
  double seconds = 0;
  std::vector<double> latencies_us;
  for (int round = 0; round < kills; ++round) {
    bench::TwinDaemon daemon(folder.path(), {"--mqtt", "none"});
    if (round == 0) bench::create_devices(daemon, devices, 4);
    test_support::KubeClient kube = daemon.kube();
    const auto begun = Clock::now();
    while (Clock::now() - begun < between_kills) {
      const std::string device = bench::device_name(writes % devices);
      const std::string value = cat(++writes, ".5");
      const dmi::Json patch = dmi::Json::array(
          {{{"op", "add"}, {"path", "/spec/properties/0/desired"}, {"value", {{"value", value}}}}});
      const auto sent = Clock::now();
      const auto answer = kube.patch(cat(test_support::api, "devices/", device), patch);
      if (answer.status != 200) fail(cat("PATCH: HTTP ", answer.status));
      latencies_us.push_back(1e6 * bench::seconds_since(sent));
      acknowledged[cat(device, '/', bench::property_name(0))] = value;
    }
    seconds += bench::seconds_since(begun);
    daemon.process().kill();  // at once after the last answer
    const auto held = File(folder / "devicetwin.db").column("expected");
    for (const auto& [name, value] : acknowledged) {
      const auto found = held.find(name);
      lost += found == held.end() || found->second != value;
    }
  }
  report.add("twin.desired_per_s", "desired values acknowledged, one after the other",
             writes / seconds, "/s");
  report.add("", "  p50", bench::percentile(latencies_us, 0.5), "us");
  report.add("twin.desired_p99_us", "  p99", bench::percentile(latencies_us, 0.99), "us");
  report.add("twin.kill_lost", cat("acknowledged ones lost by ", kills, " kill -9"), lost, "",
             "aim 0");
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  const std::vector<double> rates = store_rates();
  report.add("twin.persist_rows_per_s", "the store alone: 100,000 rows and a flush, median",
             bench::percentile(rates, 0.5), "rows/s");
  report.add("", "  into the empty file", rates.front(), "rows/s");
  run_reported(report);
  run_desired(report);
  return 0;
}
