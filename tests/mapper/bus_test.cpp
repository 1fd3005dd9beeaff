#include "bus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "base/text.hpp"
#include "fleet.hpp"
#include "mapper/fixture.hpp"
#include "mapper/testing.hpp"
#include "support/process.hpp"

namespace mapper {
namespace {

using base::Code;
using base::Status;
using dmi::Value;
using test_support::wait_until;
using testing::device_of;
using ::testing::ElementsAre;
using testing::FakeDevice;
using ::testing::HasSubstr;
using testing::model_of;
using namespace std::chrono_literals;

// A door that drivers may hang at.
class Door {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool someone_waits() {
    const std::lock_guard lock(mutex_);
    return waiting_ > 0;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

class Scripted final : public Driver {
 public:
  Scripted(std::function<Status(std::span<Reading>)> read, std::function<void()> closed)
      : read_(std::move(read)), closed_(std::move(closed)) {}
  ~Scripted() override { closed_(); }
  Status read(std::span<Reading> batch) override { return read_(batch); }

 private:
  std::function<Status(std::span<Reading>)> read_;
  std::function<void()> closed_;
};

class BusPlant {
 public:
  BusPlant() {
    protocol.name = "fake";
    protocol.open = [this](const Target& target, Sink sink) {
      return open(target, std::move(sink));
    };
  }
  ~BusPlant() {
    door.open();
    fleet.reset();
    loop.settle();
    EXPECT_THAT(buses->stop(5s), ElementsAre());
  }
  void start() {
    buses = std::make_unique<Buses>(loop, protocol);
    context.emplace(
        loop, buses->opener(), "fake", repeats, [](Session&) {}, false);
    fleet = std::make_unique<Fleet>(*context);
    fleet->put(model_of({"a"}));
  }
  base::Result<std::unique_ptr<Driver>> open(const Target& target, Sink) {
    const std::thread::id thread = std::this_thread::get_id();
    const std::lock_guard lock(mutex);
    threads[target.id.name].insert(thread);
    if (target.id.name == "throws") throw std::runtime_error("no such library");
    return std::unique_ptr<Driver>(std::make_unique<Scripted>(
        [this, name = target.id.name](std::span<Reading> batch) {
          {
            const std::lock_guard guard(mutex);
            threads[name].insert(std::this_thread::get_id());
          }
          if (name == "hangs") door.pass();
          if (name == "bad") throw 5;
          for (Reading& reading : batch) reading.sample = dmi::Sample(Value(1.0), base::Time{});
          return Status();
        },
        [this, name = target.id.name] {
          const std::lock_guard guard(mutex);
          threads[name].insert(std::this_thread::get_id());
          ++closed;
        }));
  }
  bool until(const std::function<bool()>& condition) {
    return wait_until([&] {
      loop.advance(1ms);
      return condition();
    });
  }
  bool online(const std::string& name) {
    return fleet->find({"default", name})->state() == "online";
  }
  Status first_status(const std::string& name) {
    const auto& sample = fleet->find({"default", name})->twin().reported(0);
    return sample ? sample->status : Status();
  }

  Door door;
  std::mutex mutex;
  std::map<std::string, std::set<std::thread::id>> threads;
  int closed = 0;
  base::ManualLoop loop;
  base::Repeats repeats;
  Protocol protocol;
  std::unique_ptr<Buses> buses;
  std::optional<SessionContext> context;
  std::unique_ptr<Fleet> fleet;
};

TEST(Bus, OpensReadsAndClosesOnItsOwnThread) {
  BusPlant plant;
  plant.start();
  ASSERT_TRUE(plant.fleet->put(device_of("d", {"a"})).ok());
  ASSERT_TRUE(plant.until([&] { return plant.online("d"); }));
  ASSERT_TRUE(plant.fleet->remove({"default", "d"}).ok());
  ASSERT_TRUE(plant.until([&] { return plant.buses->size() == 0; }));
  EXPECT_EQ(plant.closed, 1);
  EXPECT_EQ(plant.threads["d"].size(), 1u);
  EXPECT_FALSE(plant.threads["d"].contains(std::this_thread::get_id()));
}

TEST(Bus, DevicesOfOneBusShareAThread) {
  BusPlant plant;
  plant.protocol.bus = [](const Target&) { return std::string("line1"); };
  plant.start();
  for (const char* name : {"d", "e"}) {
    ASSERT_TRUE(plant.fleet->put(device_of(name, {"a"})).ok());
  }
  ASSERT_TRUE(plant.until([&] { return plant.online("d") && plant.online("e"); }));
  const std::lock_guard lock(plant.mutex);
  EXPECT_EQ(plant.threads["d"], plant.threads["e"]);
  EXPECT_EQ(plant.buses->size(), 1u);
}

TEST(Bus, WhatADriverThrowsIsInternalWithItsText) {
  BusPlant plant;
  plant.start();
  ASSERT_TRUE(plant.fleet->put(device_of("throws", {"a"})).ok());
  ASSERT_TRUE(plant.fleet->put(device_of("bad", {"a"})).ok());
  ASSERT_TRUE(plant.until(
      [&] { return !plant.first_status("throws").ok() && !plant.first_status("bad").ok(); }));
  EXPECT_EQ(plant.first_status("throws"),
            Status(Code::internal, "default/throws: open threw: no such library"));
  EXPECT_EQ(plant.first_status("bad"), Status(Code::internal, "default/bad: read threw"));
}

TEST(Bus, ADriverThatHangsBlocksNobodyElse) {
  BusPlant plant;
  plant.start();
  ASSERT_TRUE(plant.fleet->put(device_of("hangs", {"a"})).ok());
  ASSERT_TRUE(plant.until([&] { return plant.door.someone_waits(); }));
  ASSERT_TRUE(plant.fleet->put(device_of("d", {"a"})).ok());
  EXPECT_TRUE(plant.until([&] { return plant.online("d"); }));
  // Removed while it hangs: the loop does not wait for it either.
  EXPECT_TRUE(plant.fleet->remove({"default", "hangs"}).ok());
}

TEST(Bus, StopNamesTheBusThatHangs) {
  // Of the process's life: the thread that is left behind uses them until it ends by itself.
  static Door door;
  static Protocol protocol;
  protocol.open = [](const Target&, Sink) -> base::Result<std::unique_ptr<Driver>> {
    door.pass();
    return Status(Code::unavailable, "too late");
  };
  base::ManualLoop loop;
  auto buses = std::make_unique<Buses>(loop, protocol);
  auto target = std::make_shared<Target>();
  target->id = {"default", "stuck"};
  buses->open(target, Sink(), [](auto) {});
  ASSERT_TRUE(wait_until([&] { return door.someone_waits(); }));
  EXPECT_THAT(buses->stop(50ms), ElementsAre("default/stuck"));
  buses.reset();
  door.open();
}

TEST(Bus, ThousandDevicesOpenAndCloseWhileAThreadPublishes) {
  base::ManualLoop loop;
  base::Repeats repeats;
  FakeDevice device;
  std::mutex mutex;
  std::vector<Sink> sinks;
  Protocol protocol;
  protocol.open = [&](const Target&, Sink sink) {
    const std::lock_guard lock(mutex);
    sinks.push_back(sink);
    return testing::open_fake(device);
  };
  protocol.bus = [](const Target& target) {
    return base::cat("bus", std::hash<std::string>()(target.id.name) % 8);
  };
  Buses buses(loop, protocol);
  SessionContext context{loop, buses.opener(), "fake", repeats, [](Session&) {}, false};
  Fleet fleet(context);
  fleet.put(model_of({"a"}));
  std::atomic<bool> stop = false;
  std::thread publisher([&] {
    while (!stop) {
      std::vector<Sink> now;
      {
        const std::lock_guard lock(mutex);
        now = sinks;
      }
      for (const Sink& sink : now) sink.publish(0, dmi::Sample(Value(1.0), base::Time{}));
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(fleet.put(device_of(base::cat("d", i), {"a"})).ok());
    if (i < 50) continue;
    ASSERT_TRUE(fleet.remove({"default", base::cat("d", i - 50)}).ok());
    loop.advance(1ms);
  }
  EXPECT_TRUE(wait_until([&] {
    loop.advance(1ms);
    for (const auto& [id, session] : fleet.sessions()) {
      if (session->state() != "online") return false;
    }
    return true;
  }));
  fleet.clear();
  stop = true;
  publisher.join();
  loop.settle();
  EXPECT_THAT(buses.stop(10s), ElementsAre());
  EXPECT_EQ(device.count("open"), device.count("close"));
}

}  // namespace
}  // namespace mapper
