// devicetwin on a disk that is full, read-only, damaged or not its own: real file systems.
#include <fcntl.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>

#include "base/file.hpp"
#include "system/fixture.hpp"

namespace system_test {
namespace {

namespace fs = std::filesystem;
using test_support::built;
using test_support::KubeClient;
using test_support::TempFolder;

// A tmpfs of its own, seen by this thread and the processes it starts.
class Disk {
 public:
  static constexpr const char* size = "size=24m,mode=0755";  // of everybody's, it is not trusted

  // The reason why there is none; "": mounted.
  std::string mount() {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return cat("no mount namespace here: ", std::strerror(errno));
    }
    fs::create_directory(path());
    if (::mount("tmpfs", path().c_str(), "tmpfs", 0, size) != 0) {
      return cat("no tmpfs here: ", std::strerror(errno));
    }
    mounted_ = true;
    return "";
  }
  ~Disk() {
    if (mounted_) ::umount2(path().c_str(), MNT_DETACH);
  }
  fs::path path() const { return folder_.path() / "disk"; }

  // Until not a byte more goes in.
  void fill() const {
    const int fd = ::open((path() / "filler").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const std::string block(1 << 16, 'x');
    for (std::size_t bytes = block.size(); bytes > 0;) {
      if (::write(fd, block.data(), bytes) < 0) bytes /= 2;
    }
    ::close(fd);
  }
  void free() const { fs::remove(path() / "filler"); }
  bool remount_read_only() const {
    return ::mount(nullptr, path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, size) == 0;
  }

 private:
  TempFolder folder_;
  bool mounted_ = false;
};

class DiskTest : public ::testing::Test {
 protected:
  static std::vector<std::string> arguments(const fs::path& dir) {
    return {built("devicetwin/devicetwin"),
            "--dir",
            dir.string(),
            "--kube-port",
            "0",
            "--mqtt",
            "none"};
  }
  // The same with an event bus.
  static std::vector<std::string> arguments(const fs::path& dir, std::uint16_t broker) {
    auto flags = arguments(dir);
    flags.back() = cat("tcp://127.0.0.1:", broker);
    return flags;
  }
  void start(const fs::path& dir) { start(dir, arguments(dir)); }
  void start(const fs::path& dir, std::vector<std::string> flags) {
    kube_.reset();
    devicetwin_ = std::make_unique<Process>(std::move(flags));
    ASSERT_TRUE(devicetwin_->wait_for_output("ready: ")) << devicetwin_->output();
    kube_ = std::make_unique<KubeClient>(dir);
  }
  void create_device() {
    const auto object = [](const char* kind, const char* name, const Json& spec) {
      return Json{{"apiVersion", "devices.kubeedge.io/v1beta1"},
                  {"kind", kind},
                  {"metadata", {{"name", name}}},
                  {"spec", spec}};
    };
    const Json type = {{"name", "note"}, {"type", "STRING"}, {"accessMode", "ReadWrite"}};
    ASSERT_EQ(kube_
                  ->post(cat(test_support::api, "devicemodels"),
                         object("DeviceModel", "m",
                                {{"protocol", "p"}, {"properties", Json::array({type})}}))
                  .status,
              201);
    const Json property = {{"name", "note"}, {"desired", {{"value", "0"}}}};
    ASSERT_EQ(kube_
                  ->post(cat(test_support::api, "devices"),
                         object("Device", "d",
                                {{"deviceModelRef", {{"name", "m"}}},
                                 {"nodeName", "edge-node"},
                                 {"protocol", {{"protocolName", "p"}}},
                                 {"properties", Json::array({property})}}))
                  .status,
              201);
  }
  KubeClient::Answer desire(const std::string& value) {
    return kube_->patch(
        cat(test_support::api, "devices/d"),
        Json::array(
            {{{"op", "replace"}, {"path", "/spec/properties/0/desired/value"}, {"value", value}}}));
  }
  std::string desired() {
    const Json device = kube_->get(cat(test_support::api, "devices/d")).body;
    return device["spec"]["properties"][0]["desired"]["value"];
  }
  // What a client is shown of the reported side.
  std::string reported() {
    const Json answer = kube_->get(cat(test_support::api, "devicestatuses/d")).body;
    if (!answer.contains("status")) return "";
    for (const Json& twin : answer["status"].value("twins", Json::array())) {
      if (twin["propertyName"] == "note" && twin.contains("reported")) {
        return twin["reported"].value("value", "");
      }
    }
    return "";
  }
  // The reported side as it is in the file, read beside whoever has it open. "": cannot be read.
  static std::string reported_on_disk(const fs::path& dir) {
    sqlite3* db = nullptr;
    sqlite3_stmt* rows = nullptr;
    std::string value;
    const std::string file = (dir / "devicetwin.db").string();
    if (sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT actual FROM rows WHERE name='d' AND property='note'", -1,
                           &rows, nullptr) == SQLITE_OK &&
        sqlite3_step(rows) == SQLITE_ROW && sqlite3_column_text(rows, 0) != nullptr) {
      value = reinterpret_cast<const char*>(sqlite3_column_text(rows, 0));
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return value;
  }
  // Of the running devicetwin, whose metrics kubectl reads; -1: it does not say.
  static double failed_transactions(const fs::path& dir) {
    const Outcome outcome =
        test_support::run({test_support::find_program("kubectl"), "--kubeconfig",
                           (dir / "kubeconfig").string(), "get", "--raw", "/metrics"},
                          {{"HOME", dir.parent_path().string()}});
    const std::string name = "\ndevicetwin_store_failed_total ";
    const std::size_t at = outcome.output.find(name);
    return at == std::string::npos ? -1 : std::stod(outcome.output.substr(at + name.size()));
  }
  // A folder that a devicetwin has lived in: the device, desired "kept", every file closed.
  void live_in(const fs::path& dir) {
    start(dir);
    create_device();
    ASSERT_EQ(desire("kept").status, 200);
    ASSERT_EQ(devicetwin_->stop(), 0);
  }
  static bool moved_aside(const fs::path& dir, const std::string& name) {
    for (const auto& entry : fs::directory_iterator(dir)) {
      if (entry.path().filename().string().starts_with(cat(name, ".damaged-"))) return true;
    }
    return false;
  }
  // Long, and so that every one needs room.
  static std::string note(int number) { return cat(number, '-', std::string(50'000, 'n')); }

  std::unique_ptr<Process> devicetwin_;
  std::unique_ptr<KubeClient> kube_;
};

TEST_F(DiskTest, FullOneRefusesWritesKeepsWhatItHasAndGoesOnWhenThereIsRoom) {
  Disk disk;
  if (const std::string why = disk.mount(); !why.empty()) GTEST_SKIP() << why;
  start(disk.path());
  create_device();
  std::string kept = note(0);
  ASSERT_EQ(desire(kept).status, 200);
  disk.fill();
  KubeClient::Answer answer;
  for (int i = 1; i < 1000; ++i) {
    answer = desire(note(i));
    if (answer.status != 200) break;
    kept = note(i);  // a log of the database had room for it
  }
  ASSERT_EQ(answer.status, 503) << answer.body;
  EXPECT_NE(answer.body["message"].get<std::string>().find("disk"), std::string::npos)
      << answer.body;
  EXPECT_EQ(desired(), kept) << "the object is what it was";
  disk.free();
  ASSERT_TRUE(wait_until([&] { return desire("after").status == 200; })) << devicetwin_->output();
  devicetwin_->kill();
  start(disk.path());
  EXPECT_EQ(desired(), "after");
}

TEST_F(DiskTest, DeathOnAFullOneLosesNothingThatWasAcknowledged) {
  Disk disk;
  if (const std::string why = disk.mount(); !why.empty()) GTEST_SKIP() << why;
  start(disk.path());
  create_device();
  disk.fill();
  std::string kept = "0";
  for (int i = 1; i < 1000; ++i) {
    if (desire(note(i)).status != 200) break;
    kept = note(i);
  }
  devicetwin_->kill();
  disk.free();
  start(disk.path());
  EXPECT_EQ(desired(), kept);
}

// Reports are never held up by the disk: they go on in memory, and what waits is written without
// anybody asking for it.
TEST_F(DiskTest, FullOneHoldsNoReportUpAndTheNewestIsWrittenWhenThereIsRoom) {
  Disk disk;
  if (const std::string why = disk.mount(); !why.empty()) GTEST_SKIP() << why;
  test_support::Plane plane;  // for its broker, which is on another disk
  plane.start_broker();
  start(disk.path(), arguments(disk.path(), plane.broker_port()));
  ASSERT_TRUE(devicetwin_->wait_for_output("connected to the MQTT broker"));
  create_device();
  const auto report = [&](const std::string& value) {
    const Json twin = {{"twin", {{"note", {{"actual", {{"value", value}}}}}}}};
    plane.publish("$hw/events/device/default/d/twin/update", dmi::to_text(twin));
    return wait_until([&] { return reported() == value; });
  };
  ASSERT_TRUE(report("before")) << devicetwin_->output();
  ASSERT_TRUE(wait_until([&] { return reported_on_disk(disk.path()) == "before"; }));
  disk.fill();
  bool refused = false;
  for (int i = 1; i < 1000 && !refused; ++i) refused = desire(note(i)).status == 503;
  ASSERT_TRUE(refused);
  // Larger than what was refused, so that there is no room for them either.
  const auto full = [](int i) { return cat("full-", i, std::string(60'000, 'r')); };
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(report(full(i))) << "report " << i;
  const std::string newest = full(3);
  // The first failure may be of a transaction that had begun before the newest report.
  const double before = failed_transactions(disk.path());
  ASSERT_TRUE(wait_until([&] { return failed_transactions(disk.path()) >= before + 2; }));
  EXPECT_NE(reported_on_disk(disk.path()), newest) << "the disk was not full";
  disk.free();
  EXPECT_TRUE(wait_until([&] { return reported_on_disk(disk.path()) == newest; }))
      << devicetwin_->output();
  devicetwin_->kill();
  start(disk.path());
  EXPECT_EQ(reported(), newest);
}

// The start is what ends an outage; it must not need room.
TEST_F(DiskTest, StartOnAFullOneServesWhatIsThereAndWritesWhenThereIsRoom) {
  Disk disk;
  if (const std::string why = disk.mount(); !why.empty()) GTEST_SKIP() << why;
  test_support::Plane plane;  // for its broker, which is on another disk
  plane.start_broker();
  auto flags = arguments(disk.path(), plane.broker_port());
  flags[4] = cat(test_support::free_port());  // another one would need another kubeconfig
  start(disk.path(), flags);
  create_device();
  ASSERT_EQ(desire("kept").status, 200);
  ASSERT_EQ(devicetwin_->stop(), 0);
  disk.fill();
  start(disk.path(), flags);
  EXPECT_EQ(desired(), "kept");
  const auto refused = desire("refused");
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_EQ(desired(), "kept");
  disk.free();
  EXPECT_TRUE(wait_until([&] { return desire("after").status == 200; })) << devicetwin_->output();
  devicetwin_->kill();
  start(disk.path(), flags);
  EXPECT_EQ(desired(), "after");
}

TEST_F(DiskTest, ReadOnlyOneIsSaidAtTheStart) {
  Disk disk;
  if (const std::string why = disk.mount(); !why.empty()) GTEST_SKIP() << why;
  start(disk.path());
  create_device();
  ASSERT_EQ(desire("kept").status, 200);
  ASSERT_EQ(devicetwin_->stop(), 0);
  ASSERT_TRUE(disk.remount_read_only()) << std::strerror(errno);
  const Outcome outcome = test_support::run(arguments(disk.path()));
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_NE(outcome.output.find("Read-only file system"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find(disk.path().string()), std::string::npos) << outcome.output;
}

TEST_F(DiskTest, DamagedFilesAreMovedAsideAndSaid) {
  for (const char* name : {"devicetwin.db", "history.db", "outbox.db"}) {
    const TempFolder folder;
    std::ofstream(folder.path() / name) << std::string(100'000, 'x');
    devicetwin_ = std::make_unique<Process>(arguments(folder.path(), 1));  // MQTT for the outbox
    ASSERT_TRUE(devicetwin_->wait_for_output("ready: ")) << name << devicetwin_->output();
    EXPECT_NE(devicetwin_->output().find(cat(name, ".damaged-")), std::string::npos)
        << devicetwin_->output();
    EXPECT_TRUE(wait_until([&] { return moved_aside(folder.path(), name); })) << name;
    EXPECT_EQ(devicetwin_->stop(), 0);
  }
}

// A file that was ours, and then its disk wrote over a part of it or lost one.
TEST_F(DiskTest, DamageInsideOfWhatWasOursIsMovedAsideAndAFreshOneServes) {
  struct Damage {
    const char* what;
    std::function<void(const fs::path&)> do_to;
  };
  const auto overwrite = [](const fs::path& file, std::uintmax_t from, std::uintmax_t bytes) {
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(static_cast<std::streamoff>(from));
    out << std::string(bytes, '\xa5');
  };
  const Damage damages[] = {
      {"its head", [&](const fs::path& file) { overwrite(file, 0, 100); }},
      {"all but its head",
       [&](const fs::path& file) { overwrite(file, 4096, fs::file_size(file) - 4096); }},
      {"its second half is gone",
       [](const fs::path& file) { fs::resize_file(file, fs::file_size(file) / 2); }},
      {"all but a piece of its head is gone",
       [](const fs::path& file) { fs::resize_file(file, 50); }},
      {"nothing is left", [](const fs::path& file) { fs::resize_file(file, 0); }},
  };
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.what);
    const TempFolder folder;
    live_in(folder.path());
    damage.do_to(folder.path() / "devicetwin.db");
    start(folder.path());
    EXPECT_NE(devicetwin_->output().find("DATABASE DAMAGED: "), std::string::npos)
        << devicetwin_->output();
    EXPECT_NE(devicetwin_->output().find((folder.path() / "devicetwin.db.damaged-").string()),
              std::string::npos)
        << devicetwin_->output();
    EXPECT_TRUE(moved_aside(folder.path(), "devicetwin.db"));
    create_device();
    EXPECT_EQ(desire("anew").status, 200);
    EXPECT_EQ(devicetwin_->stop(), 0);
  }
}

TEST_F(DiskTest, SecondOneInAFolderIsToldOfTheFirst) {
  const TempFolder folder;
  start(folder.path());
  const Outcome outcome = test_support::run(arguments(folder.path()));
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_NE(outcome.output.find(cat(devicetwin_->pid())), std::string::npos) << outcome.output;
}

TEST_F(DiskTest, FolderThatIsNotOursIsSaid) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const TempFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_all);
  std::vector<std::string> flags = {test_support::find_program("setpriv"), "--reuid=65534",
                                    "--regid=65534", "--clear-groups"};
  for (const std::string& argument : arguments(folder.path() / "dir")) flags.push_back(argument);
  const Outcome outcome = test_support::run(flags);
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_NE(outcome.output.find("Permission denied"), std::string::npos) << outcome.output;
}

}  // namespace
}  // namespace system_test
