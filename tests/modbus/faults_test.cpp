// Devices and networks that misbehave: what a value delivered may never be is stale, foreign or
// half. Every fault goes over a real socket.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "modbus/buses.hpp"
#include "modbus/random.hpp"
#include "modbus/rig.hpp"

namespace modbus_test {
namespace {

using base::Code;
using dmi::Type;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Faults : public Rig {
 protected:
  std::shared_ptr<modbus::Link> make_link() {
    modbus::Settings settings;
    settings.endpoint.host = "127.0.0.1";
    settings.endpoint.port = link_port();
    auto link = buses_.get(loop_, settings);
    EXPECT_TRUE(link.ok()) << link.status().text();
    return link ? *link : nullptr;
  }

  std::uint16_t link_port() const { return port_ != 0 ? port_ : server_->port(); }

  // A driver on a link of its own, whose counters can be seen.
  void open_on_link(int timeout_ms = 200, int unit = 1, std::initializer_list<int> offsets = {1}) {
    if (!link_) link_ = make_link();
    std::vector<mapper::Point> points;
    for (const int offset : offsets) {
      points.push_back(point(Type::integer, at("InputRegister", offset)));
    }
    targets_.push_back(std::make_unique<mapper::Target>(target_of(std::move(points))));
    modbus::Settings settings;
    settings.unit = static_cast<std::uint8_t>(unit);
    settings.timeout = std::chrono::milliseconds(timeout_ms);
    settings.max_gap = 0;
    auto driver = modbus::make_driver(*targets_.back(), loop_, link_, settings);
    ASSERT_TRUE(driver.ok());
    drivers_.push_back(std::move(*driver));
  }

  Status read_once(std::size_t driver = 0) {
    batch_ = batch_of(*targets_[driver]);
    return read(*drivers_[driver], batch_);
  }
  std::int64_t value(std::size_t index = 0) const {
    const auto& sample = batch_[index].sample;
    return sample && sample->value ? std::get<std::int64_t>(*sample->value) : -1;
  }
  // Makes the next request's answer what reply says; later ones are answered properly.
  void next_answer(std::function<void(const Adu&, Reply&)> reply) {
    misbehave_ = [this, reply = std::move(reply), done = false](const Adu& request,
                                                                Reply& out) mutable {
      if (std::exchange(done, true)) return false;
      reply(request, out);
      return true;
    };
  }
  // A well-formed answer whose one register holds marker.
  static modbus::Pdu register_answer(std::uint16_t marker) {
    modbus::Pdu pdu;
    pdu.byte(4);
    pdu.byte(2);
    pdu.word(marker);
    return pdu;
  }

  modbus::Buses buses_;
  std::shared_ptr<modbus::Link> link_;
  std::vector<std::unique_ptr<mapper::Target>> targets_;
  std::vector<std::unique_ptr<mapper::AsyncDriver>> drivers_;
  std::vector<mapper::Reading> batch_;
};

TEST_F(Faults, SilenceIsATimeoutThatNamesUnitTimeAndAddresses) {
  serve();
  open_on_link(100, 1, {40, 41, 42});
  next_answer([](const Adu&, Reply&) {});
  const Status status = read_once();
  EXPECT_EQ(status.to_string(), "timeout: unit 1 did not answer within 100 ms (input 40..42)");
  EXPECT_FALSE(batch_[0].sample.has_value());
  EXPECT_TRUE(read_once().ok());
  EXPECT_EQ(value(), 40);
}

TEST_F(Faults, LateAnswerIsCountedAndNeverTakenForAnothers) {
  serve();
  open_on_link(300);
  next_answer([](const Adu& request, Reply& reply) {
    reply.delay = 400ms;
    reply.frame(request.transaction, request.unit, register_answer(6666));
  });
  EXPECT_EQ(read_once().code(), Code::timeout);
  EXPECT_TRUE(read_once().ok());
  EXPECT_EQ(value(), 1);
  EXPECT_TRUE(run_until([&] { return link_->counters().late == 1; }));
  EXPECT_EQ(link_->counters().foreign, 0u);
  EXPECT_EQ(link_->counters().connects, 1u);
}

TEST_F(Faults, ForeignTransactionIsDroppedCountedApartAndNamedInTheTimeout) {
  serve();
  open_on_link(100);
  next_answer([](const Adu& request, Reply& reply) {
    reply.frame(static_cast<std::uint16_t>(request.transaction + 7), request.unit,
                register_answer(6666));
  });
  EXPECT_THAT(read_once().text(), HasSubstr("but 1 answers to other transactions came"));
  EXPECT_EQ(link_->counters().foreign, 1u);
  EXPECT_EQ(link_->counters().late, 0u);
  EXPECT_TRUE(read_once().ok());
  EXPECT_EQ(value(), 1);
}

TEST_F(Faults, ForeignAnswerBeforeTheRightOneDoesNoHarm) {
  serve();
  open_on_link();
  next_answer([this](const Adu& request, Reply& reply) {
    reply.frame(static_cast<std::uint16_t>(request.transaction - 1), request.unit,
                register_answer(6666));
    answer(request, reply);
    answer(request, reply);  // and once more
  });
  EXPECT_TRUE(read_once().ok());
  EXPECT_EQ(value(), 1);
  EXPECT_TRUE(read_once().ok());
  EXPECT_EQ(link_->counters().foreign, 2u);
}

TEST_F(Faults, AnswerOfAnotherUnitOrFunctionOrLengthIsMalformed) {
  serve();
  open_on_link();
  const std::vector<std::function<void(const Adu&, Reply&)>> nonsense = {
      [](const Adu& request, Reply& reply) {
        reply.frame(request.transaction, 77, register_answer(6666));
      },
      [](const Adu& request, Reply& reply) {
        modbus::Pdu pdu;
        for (const int byte : {3, 2, 26, 10}) pdu.byte(static_cast<std::uint8_t>(byte));
        reply.frame(request.transaction, request.unit, pdu);
      },
      [](const Adu& request, Reply& reply) {
        modbus::Pdu pdu = register_answer(6666);
        pdu.word(6666);
        reply.frame(request.transaction, request.unit, pdu);
      }};
  for (const auto& answer : nonsense) {
    next_answer(answer);
    EXPECT_TRUE(read_once().ok());
    EXPECT_EQ(batch_[0].sample->status.code(), Code::malformed);
    EXPECT_FALSE(batch_[0].sample->value.has_value());
    EXPECT_THAT(batch_[0].sample->status.text(), HasSubstr("unit 1, input 1: "));
  }
  EXPECT_EQ(link_->counters().malformed, 3u);
  EXPECT_TRUE(read_once().ok());
  EXPECT_EQ(value(), 1);
}

TEST_F(Faults, AnswerInPiecesIsPutTogether) {
  serve();
  open_on_link(2000);
  next_answer([this](const Adu& request, Reply& reply) {
    answer(request, reply);
    reply.bytes.resize(5);
  });
  std::optional<Status> status;
  batch_ = batch_of(*targets_[0]);
  drivers_[0]->read(batch_, [&](const Status& done) { status = done; });
  ASSERT_TRUE(run_until([&] { return requests_ == 1; }));
  EXPECT_FALSE(run_until([&] { return status.has_value(); }, 50ms));
  server_->drop_connections();
  ASSERT_TRUE(run_until([&] { return status.has_value(); }));
  EXPECT_EQ(status->code(), Code::unavailable);
}

TEST_F(Faults, TruncatedFrameIsATimeoutNotAValue) {
  serve();
  open_on_link(100);
  next_answer([this](const Adu& request, Reply& reply) {
    answer(request, reply);
    reply.bytes.pop_back();
  });
  EXPECT_EQ(read_once().code(), Code::timeout);
  // The next frame's first byte completes the broken one; its rest is no frame any more.
  const Status next = read_once();
  EXPECT_TRUE(!next.ok() || batch_[0].sample->status.code() == Code::malformed);
  EXPECT_EQ(value(), -1);
  EXPECT_TRUE(run_until([&] { return read_once().ok() && value() == 1; }));
}

TEST_F(Faults, NonsenseOnTheConnectionClosesItAndTheNextReadWorks) {
  serve();
  open_on_link();
  next_answer([](const Adu&, Reply& reply) {
    for (const char c : std::string_view("HTTP/1.1 400 Bad Request\r\n\r\n")) {
      reply.bytes.push_back(static_cast<std::uint8_t>(c));
    }
  });
  EXPECT_THAT(read_once().text(), HasSubstr("is not Modbus"));
  EXPECT_FALSE(batch_[0].sample.has_value());
  EXPECT_TRUE(read_once().ok());
  EXPECT_EQ(value(), 1);
  EXPECT_EQ(link_->counters().connects, 2u);
}

TEST_F(Faults, LossFailsWhatIsOnTheWireAndWhatWaitsGoesOutOnTheNextConnection) {
  serve();
  open_on_link(2000, 1);
  open_on_link(2000, 2);
  next_answer([](const Adu&, Reply& reply) { reply.close = true; });
  auto first = batch_of(*targets_[0]);
  auto second = batch_of(*targets_[1]);
  std::optional<Status> one;
  std::optional<Status> two;
  drivers_[0]->read(first, [&](const Status& status) { one = status; });
  drivers_[1]->read(second, [&](const Status& status) { two = status; });
  ASSERT_TRUE(run_until([&] { return one && two; }));
  EXPECT_EQ(one->code(), Code::unavailable);
  EXPECT_THAT(one->text(),
              HasSubstr(base::cat("connection to tcp://127.0.0.1:", link_port(), " lost")));
  EXPECT_TRUE(two->ok());
  EXPECT_TRUE(second[0].sample->value.has_value());
  EXPECT_EQ(link_->counters().losses, 1u);
}

TEST_F(Faults, IdleConnectionThatTheDeviceClosesIsNobodysFailure) {
  serve();
  open_on_link();
  EXPECT_TRUE(read_once().ok());
  server_->drop_connections();
  // The farewell has arrived when nothing more happens on the loop.
  while (loop_.io().poll() > 0) {
  }
  EXPECT_TRUE(read_once().ok());
  EXPECT_EQ(value(), 1);
  EXPECT_EQ(link_->counters().losses, 0u);
}

TEST_F(Faults, PlantThatIsAwayAtStartIsReadWhenItComes) {
  serve();
  port_ = server_->port();
  server_.reset();
  open_on_link();
  const Status away = read_once();
  EXPECT_EQ(away.code(), Code::unavailable);
  EXPECT_THAT(away.text(), HasSubstr(base::cat("cannot connect to tcp://127.0.0.1:", port_,
                                               ": Connection refused; next try in 0.")));
  serve(port_);
  EXPECT_TRUE(run_until([&] { return read_once().ok(); }));
  EXPECT_EQ(value(), 1);
}

TEST_F(Faults, UnknownHostIsUnavailableWithItsName) {
  serve();
  const auto target = target_of({point(Type::integer, at("InputRegister", 1))},
                                Json{{"ip", "no-such-host.invalid"}, {"timeout", 100}});
  const auto driver = open(target);
  auto batch = batch_of(target);
  const Status status = read(*driver, batch);
  EXPECT_EQ(status.code(), Code::unavailable);
  EXPECT_THAT(status.text(), HasSubstr("cannot connect to tcp://no-such-host.invalid:502: "));
}

TEST_F(Faults, HostNamesAreResolved) {
  serve();
  const auto target = target_of({point(Type::integer, at("InputRegister", 1))},
                                Json{{"ip", "localhost"}, {"port", server_->port()}});
  const auto driver = open(target);
  auto batch = batch_of(target);
  EXPECT_TRUE(read(*driver, batch).ok());
}

TEST_F(Faults, OneSilentBlockDoesNotHoldUpTheOthers) {
  serve();
  open_on_link(100, 1, {1, 50, 100, 150});
  misbehave_ = [](const Adu& request, Reply&) { return asks_for(request, 50, 51); };
  EXPECT_TRUE(read_once().ok());
  EXPECT_EQ(value(0), 1);
  EXPECT_EQ(value(2), 100);
  EXPECT_EQ(value(3), 150);
  EXPECT_EQ(batch_[1].sample->status.to_string(),
            "timeout: unit 1 did not answer within 100 ms (input 50)");
}

TEST_F(Faults, UnitThatTimedOutTwiceInACycleDoesNotGetTheRestOfItsBatch) {
  serve();
  open_on_link(100, 1, {1, 50, 100, 150});
  misbehave_ = [](const Adu& request, Reply&) { return asks_for(request, 50, 101); };
  EXPECT_TRUE(read_once().ok());
  EXPECT_EQ(value(0), 1);
  EXPECT_EQ(batch_[3].sample->status.to_string(),
            "timeout: unit 1 did not answer within 100 ms (input 100)");
  EXPECT_EQ(requests_, 3);
}

TEST_F(Faults, DeadUnitIsLeftAloneAndItsNeighbourLosesNothing) {
  serve();
  open_on_link(100, 9);
  open_on_link(100, 2);
  int asked = 0;
  misbehave_ = [&](const Adu& request, Reply&) { return request.unit == 9 && ++asked > 0; };
  for (int cycle = 0; cycle < 20; ++cycle) {
    EXPECT_EQ(read_once(0).code(),
              cycle < modbus::Breaker::failures_to_open ? Code::timeout : Code::unavailable);
    EXPECT_TRUE(read_once(1).ok());
    EXPECT_EQ(value(), 1);
  }
  EXPECT_EQ(asked, modbus::Breaker::failures_to_open);
  EXPECT_EQ(link_->counters().connects, 1u);
}

TEST_F(Faults, ConnectionThatStaysSilentIsMadeAnew) {
  serve();
  open_on_link(50);
  misbehave_ = [](const Adu&, Reply&) { return true; };
  EXPECT_TRUE(run_until([&] {
    EXPECT_FALSE(read_once().ok());
    return link_->counters().timeouts == modbus::Bus::max_timeouts_in_a_row;
  }));
  misbehave_ = nullptr;
  EXPECT_TRUE(run_until([&] { return read_once().ok(); }));
  EXPECT_EQ(link_->counters().connects, 2u);
}

TEST_F(Faults, UnreachedWriteLeavesItsStatusEmptyAndSaysWhy) {
  serve();
  const auto target =
      target_of({point(Type::integer, at("HoldingRegister", 1), true)}, protocol(1, 100));
  const auto driver = open(target);
  misbehave_ = [](const Adu&, Reply&) { return true; };
  std::vector<mapper::Command> batch = {{target.points[0], std::int64_t{1}, {}}};
  EXPECT_EQ(write(*driver, batch).to_string(),
            "timeout: unit 1 did not answer within 100 ms (holding 1)");
  EXPECT_FALSE(batch[0].status.has_value());
}

class Forgotten : public modbus::Transaction::Client {
 public:
  void answered(const Status& status, modbus::Bytes) override {
    ++answers;
    if (status.code() == Code::unavailable) ++refusals;
  }
  int answers = 0;
  int refusals = 0;
};

TEST_F(Faults, QueueIsBoundedAndCountsWhatItRefused) {
  serve();
  link_ = make_link();
  Forgotten client;
  std::vector<std::shared_ptr<modbus::Transaction>> waiting;
  for (std::size_t i = 0; i < modbus::Link::max_queue + 5; ++i) {
    auto transaction = std::make_shared<modbus::Transaction>();
    transaction->client = &client;
    transaction->request = modbus::read_request({modbus::Table::input, 1, 1});
    waiting.push_back(transaction);
    link_->send(transaction);
  }
  EXPECT_EQ(client.answers, 0);
  ASSERT_TRUE(run_until([&] { return client.answers == static_cast<int>(waiting.size()); }));
  EXPECT_EQ(client.refusals, 5);
  EXPECT_EQ(link_->counters().queue_full, 5u);
}

TEST_F(Faults, DescriptorsAbove1023Work) {
  serve();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit wide = before;
  wide.rlim_cur = std::min<rlim_t>(before.rlim_max, 4096);
  setrlimit(RLIMIT_NOFILE, &wide);
  if (wide.rlim_cur < 1300) GTEST_SKIP() << "this shell allows " << wide.rlim_cur;
  std::vector<int> taken;
  for (int i = 0; i < 1100; ++i) taken.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_GT(taken.back(), 1024);
  open_on_link();
  EXPECT_TRUE(read_once().ok());
  EXPECT_EQ(value(), 1);
  drivers_.clear();
  link_.reset();
  for (const int fd : taken) ::close(fd);
  setrlimit(RLIMIT_NOFILE, &before);
}

// Whatever the server says, a value that comes out is the one of its address.
TEST_F(Faults, RandomMischiefNeverYieldsAWrongValue) {
  serve();
  open_on_link(15, 1, {1, 60, 120, 180});
  Random random(20261122);
  std::uint16_t former = 0;
  misbehave_ = [&](const Adu& request, Reply& reply) {
    const std::uint16_t before = std::exchange(former, request.transaction);
    switch (random.number(0, 19)) {
      case 0:  // late
        reply.delay = std::chrono::milliseconds(random.number(10, 30));
        answer(request, reply);
        return true;
      case 1:  // the transaction before
        reply.frame(before, request.unit, register_answer(6666));
        return true;
      case 2:  // duplicated, then right
        reply.frame(before, request.unit, register_answer(6666));
        answer(request, reply);
        return true;
      case 3:  // truncated
        answer(request, reply);
        reply.bytes.resize(random.number(1, static_cast<std::uint32_t>(reply.bytes.size())));
        reply.close = random.chance(0.5);
        return true;
      case 4:  // noise
        reply.bytes = random.bytes(random.number(1, 40));
        return true;
      case 5:
        reply.close = true;
        return true;
      default:
        return false;
    }
  };
  int good = 0;
  const std::int64_t expected[] = {1, 60, 120, 180};
  // Two in a row without an answer, and the unit is left alone for a while: it goes by answers.
  const auto end = std::chrono::steady_clock::now() + 20s;
  for (int cycle = 0; good <= 100 && std::chrono::steady_clock::now() < end; ++cycle) {
    (void)read_once();
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      if (value(i) == -1) continue;
      ++good;
      ASSERT_EQ(value(i), expected[i]) << "cycle " << cycle;
    }
  }
  EXPECT_GT(good, 100);
}

}  // namespace
}  // namespace modbus_test
