// Names of hosts: what a dead one costs the others, which is nothing.
#include "modbus/names.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <future>

#include "base/text.hpp"
#include "modbus/line_rig.hpp"

namespace modbus_test {
namespace {

using modbus::Framing;
using modbus::Names;
using modbus::Transport;
using Found = base::Result<Names::Addresses>;
using ::testing::HasSubstr;

// Name servers that do not answer for *.dead until it is opened, and then know nothing of it; what
// else is asked for is here. Threads may outlast the test: shared.
struct NameServer {
  std::promise<void> gate;
  std::shared_future<void> opened = gate.get_future().share();
  std::atomic<int> asked{0};
  std::atomic<int> answered{0};

  static Names::LookUp of(const std::shared_ptr<NameServer>& server) {
    return [server](const std::string& host) -> Found {
      ++server->asked;
      if (host.ends_with(".dead")) server->opened.wait();
      ++server->answered;
      if (host.ends_with(".dead")) return Status(Code::unavailable, "nobody knows " + host);
      return Names::Addresses{"127.0.0.1"};
    };
  }
};

class NamesTest : public ::testing::Test {
 protected:
  NamesTest() { names().use(NameServer::of(server_)); }
  ~NamesTest() override {
    open();
    // The seam may be a thread's until then.
    EXPECT_TRUE(test_support::wait_until([&] { return server_->asked == server_->answered; }));
  }
  Names& names() { return Names::of(loop_->io()); }
  void open() {
    if (!std::exchange(is_open_, true)) server_->gate.set_value();
  }
  void ask(const std::string& host) {
    names().resolve(host, [this, host](const Found& found) { heard_.emplace_back(host, found); });
  }
  std::size_t heard(const std::string& host) const {
    return static_cast<std::size_t>(
        std::ranges::count(heard_, host, [](const auto& one) { return one.first; }));
  }
  bool until(const std::function<bool()>& condition) {
    return modbus_test::run_until(*loop_, condition);
  }

  std::shared_ptr<NameServer> server_ = std::make_shared<NameServer>();
  std::unique_ptr<base::IoLoop> loop_ = std::make_unique<base::IoLoop>();
  std::vector<std::pair<std::string, Found>> heard_;
  bool is_open_ = false;
};

TEST_F(NamesTest, DeadOnesCostTheLivingNothing) {
  for (std::size_t i = 1; i < Names::max_threads; ++i) ask(base::cat("plc", i, ".dead"));
  ask("living");
  ASSERT_TRUE(until([&] { return heard("living") == 1; }));
  EXPECT_EQ(heard_.front().second->front(), "127.0.0.1");
  EXPECT_EQ(heard_.size(), 1u);
}

TEST_F(NamesTest, HoweverManyWereDeadOnceTheyWaitForEachOther) {
  const auto ask_all = [&] {
    for (std::size_t i = 0; i < 3 * Names::max_threads; ++i) ask(base::cat("plc", i, ".dead"));
  };
  ask_all();
  open();
  ASSERT_TRUE(until([&] { return heard_.size() == 3 * Names::max_threads; }));
  heard_.clear();
  const auto silent = std::make_shared<NameServer>();
  names().use(NameServer::of(silent));
  ask_all();
  ask("living");
  EXPECT_TRUE(until([&] { return heard("living") == 1; }));
  EXPECT_EQ(heard_.size(), 1u);
  silent->gate.set_value();
  EXPECT_TRUE(until([&] { return heard_.size() == 3 * Names::max_threads + 1; }));
}

TEST_F(NamesTest, WhoAsksForTheSameNameSharesTheLookUp) {
  for (int i = 0; i < 100; ++i) ask("plc.dead");
  open();
  ASSERT_TRUE(until([&] { return heard("plc.dead") == 100; }));
  EXPECT_EQ(server_->asked, 1);
  EXPECT_THAT(heard_.back().second.status().text(), HasSubstr("nobody knows plc.dead"));
  ask("plc.dead");
  ASSERT_TRUE(until([&] { return heard("plc.dead") == 101; }));
  EXPECT_EQ(server_->asked, 2) << "it may have come to life: nothing is remembered of an answer";
}

TEST_F(NamesTest, NoMoreThanSoManyWaitForAName) {
  for (std::size_t i = 0; i <= Names::max_waiting; ++i) ask("plc.dead");
  ASSERT_TRUE(until([&] { return heard_.size() == 1; }));
  EXPECT_THAT(heard_.front().second.status().text(), HasSubstr("wait for it"));
}

TEST_F(NamesTest, TheEndOfTheLoopWaitsForNoneOfThem) {
  ask("plc.dead");
  ASSERT_TRUE(test_support::wait_until([&] { return server_->asked == 1; }));
  loop_.reset();  // would not return before the gate is opened
  EXPECT_EQ(server_->answered, 0);
  open();
  ASSERT_TRUE(test_support::wait_until([&] { return server_->answered == 1; }));
  EXPECT_TRUE(heard_.empty());
}

TEST_F(NamesTest, TheSystemKnowsLocalhostAndSaysWhatItDoesNotKnow) {
  loop_ = std::make_unique<base::IoLoop>();
  ask("localhost");
  ask("not a name");
  ASSERT_TRUE(until([&] { return heard_.size() == 2; }));
  for (const auto& [host, found] : heard_) {
    EXPECT_EQ(found.ok(), host == "localhost") << host;
    if (!found) EXPECT_THAT(found.status().text(), HasSubstr("not a name: ")) << host;
  }
}

class NamedLines : public ::testing::TestWithParam<Transport> {};

INSTANTIATE_TEST_SUITE_P(Every, NamedLines,
                         ::testing::Values(Transport::tcp, Transport::tls, Transport::udp));

TEST_P(NamedLines, ALineWithADeadNameLeavesTheOthersAlone) {
  const auto server = std::make_shared<NameServer>();
  LineRig rig({GetParam(), Framing::mbap});
  Names::of(rig.loop_.io()).use(NameServer::of(server));
  rig.endpoint_.tls.verify = false;
  rig.endpoint_.host = "plc.dead";
  Owner dead_owner;
  const auto dead = modbus::make_line(rig.loop_, rig.endpoint_, dead_owner);
  rig.endpoint_.host = "plc.living";
  rig.line_ = modbus::make_line(rig.loop_, rig.endpoint_, rig.owner_);
  dead->connect();
  rig.line_->connect();
  EXPECT_TRUE(rig.run_until([&] {
    return GetParam() == Transport::udp ? rig.line_->is_up()
                                        : LineRig::readable(rig.listener_.get());
  }));
  EXPECT_TRUE(dead_owner.connections.empty());
  server->gate.set_value();
  ASSERT_TRUE(rig.run_until([&] { return !dead_owner.connections.empty(); }));
  EXPECT_THAT(dead_owner.connections.front().text(), HasSubstr("nobody knows plc.dead"));
}

}  // namespace
}  // namespace modbus_test
