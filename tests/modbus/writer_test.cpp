// Writes against a unit in memory, on a manual clock.
#include <gmock/gmock.h>

#include "modbus/driver.hpp"
#include "modbus/points.hpp"
#include "sim/memory.hpp"

namespace modbus_test {
namespace {

using base::Code;
using base::Status;
using dmi::Type;
using dmi::Value;
using modbus::Bytes;
using modbus::Pdu;
using modbus::Transaction;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A link with one unit behind it that answers at once.
class DirectLink final : public modbus::Link {
 public:
  // What a unit does instead of answering properly.
  enum class Act { proper, silent, obey_silently };
  using Misbehave = std::function<Act(Bytes request, Pdu& answer)>;  // a filled answer is sent

  explicit DirectLink(base::ManualLoop& loop) : loop_(loop) {}

  void send(std::shared_ptr<Transaction> transaction) override {
    loop_.post([this, transaction] { answer(*transaction); });
  }
  Counters counters() const override { return {}; }

  std::vector<int> functions() const {
    std::vector<int> all;
    for (const auto& request : seen) all.push_back(request[0]);
    return all;
  }

  modbus_sim::Memory memory{std::vector<bool>(100), std::vector<bool>(100),
                            std::vector<std::uint16_t>(200), std::vector<std::uint16_t>(200)};
  Misbehave misbehave;
  bool knows_mask_write = true;
  std::vector<std::vector<std::uint8_t>> seen;
  std::vector<int> units;

 private:
  void answer(Transaction& transaction) {
    if (transaction.client == nullptr) return;
    const Bytes request = transaction.request.bytes();
    seen.emplace_back(request.begin(), request.end());
    units.push_back(transaction.unit);
    Pdu reply;
    const Act act = misbehave ? misbehave(request, reply) : Act::proper;
    if (reply.size() == 0 && act != Act::silent) reply = obey(request);
    if (act != Act::proper) {
      return transaction.client->answered(Status(Code::timeout, "did not answer within 100 ms"),
                                          {});
    }
    if (transaction.broadcast) return transaction.client->answered(Status(), {});
    transaction.client->answered(modbus::check_answer(request, reply.bytes()), reply.bytes());
  }

  Pdu obey(Bytes request) {
    if (request[0] == 22 && !knows_mask_write) {
      return modbus_sim::exception(22, modbus::illegal_function);
    }
    return modbus_sim::answer(memory, request);
  }

  base::ManualLoop& loop_;
};

Json with(const char* table, int offset, Json more) {
  Json visitor = at(table, offset);
  visitor.update(more);
  return visitor;
}

class Writes : public ::testing::Test {
 protected:
  void open(std::vector<mapper::Point> points) {
    target_ = target_of(std::move(points));
    auto driver = modbus::make_driver(target_, loop_, link_, modbus::Settings());
    ASSERT_TRUE(driver.ok()) << driver.status().text();
    driver_ = std::move(*driver);
  }
  void open(Json visitor, Type type = Type::integer) { open({point(type, visitor, true)}); }

  // Starts writing values, one for each point; the outcomes stand in commands_ once status_ is set.
  void start(std::vector<Value> values) {
    commands_.clear();
    status_.reset();
    for (std::size_t i = 0; i < values.size(); ++i) {
      commands_.push_back({target_.points[i], std::move(values[i]), std::nullopt});
    }
    driver_->write(commands_, [this](const Status& status) { status_ = status; });
    EXPECT_FALSE(status_.has_value()) << "done was called from within write()";
    loop_.settle();
  }
  std::string write(Value value) {
    start({std::move(value)});
    loop_.advance(1min);
    return outcome();
  }
  std::string outcome(std::size_t index = 0) const {
    if (!status_) return "pending";
    return commands_[index].status ? commands_[index].status->to_string()
                                   : "unreached " + status_->to_string();
  }
  std::uint16_t& holding(std::size_t address) { return link_->memory.holding[address]; }

  base::ManualLoop loop_;
  std::shared_ptr<DirectLink> link_ = std::make_shared<DirectLink>(loop_);
  mapper::Target target_;
  std::unique_ptr<mapper::AsyncDriver> driver_;
  std::vector<mapper::Command> commands_;
  std::optional<Status> status_;
};

TEST_F(Writes, ABitIsWrittenWithoutItsNeighbours) {
  open(with("HoldingRegister", 5, {{"bit", 3}}), Type::boolean);
  holding(5) = 0xa0a0;
  EXPECT_EQ(write(true), "ok");
  EXPECT_EQ(holding(5), 0xa0a8);
  EXPECT_EQ(write(false), "ok");
  EXPECT_EQ(holding(5), 0xa0a0);
  EXPECT_THAT(link_->functions(), ElementsAre(22, 22));
}

TEST_F(Writes, AUnitWithoutMaskWriteIsAskedOnceAndThenReadChangedAndWritten) {
  open(with("HoldingRegister", 5, {{"bit", 3}}), Type::boolean);
  link_->knows_mask_write = false;
  holding(5) = 0xa0a0;
  EXPECT_EQ(write(true), "ok");
  EXPECT_EQ(holding(5), 0xa0a8);
  EXPECT_EQ(write(false), "ok");
  EXPECT_EQ(holding(5), 0xa0a0);
  EXPECT_THAT(link_->functions(), ElementsAre(22, 3, 6, 3, 6));
}

TEST_F(Writes, ReadModifyWriteIsUsedWhereTheVisitorSaysSo) {
  open(with("HoldingRegister", 5, {{"bit", 0}, {"bitWrite", "readModifyWrite"}}), Type::boolean);
  holding(5) = 0x8000;
  EXPECT_EQ(write(true), "ok");
  EXPECT_EQ(holding(5), 0x8001);
  EXPECT_THAT(link_->functions(), ElementsAre(3, 6));
}

TEST_F(Writes, AScaleFactorIsReadBeforeItsValueIsWritten) {
  open(with("HoldingRegister", 10, {{"scaleOffset", 12}, {"dataType", "int16"}}), Type::float64);
  holding(12) = static_cast<std::uint16_t>(-1);
  EXPECT_EQ(write(23.5), "ok");
  EXPECT_EQ(holding(10), 235);
  EXPECT_THAT(link_->functions(), ElementsAre(3, 6));
}

TEST_F(Writes, AVerifiedWriteIsOkWhenTheValueIsThere) {
  open(with("HoldingRegister", 5, {{"verify", true}}));
  EXPECT_EQ(write(std::int64_t{7}), "ok");
  EXPECT_THAT(link_->functions(), ElementsAre(6, 3));
}

TEST_F(Writes, TheVerifyRegisterMayBeAnotherAndMayTakeItsTime) {
  open(with("HoldingRegister", 5,
            {{"verifyRegister", "InputRegister"}, {"verifyOffset", 9}, {"verifyTimeout", 1000}}));
  start({std::int64_t{7}});
  loop_.advance(300ms);
  EXPECT_EQ(outcome(), "pending");
  link_->memory.input[9] = 7;
  loop_.advance(700ms);
  EXPECT_EQ(outcome(), "ok");
}

TEST_F(Writes, AValueThatTheDeviceOverridesIsRefusedWithBothValues) {
  open(with("HoldingRegister", 5,
            {{"verifyRegister", "InputRegister"}, {"verifyOffset", 9}, {"verifyTimeout", 1000}}));
  link_->memory.input[9] = 60;
  start({std::int64_t{65}});
  loop_.advance(900ms);
  loop_.advance(1s);
  EXPECT_EQ(outcome(), "refused: overridden by the device: wrote 65, reads 60 at input 9");
  // At 0, 20, 60, 140, 300, 620 ms; the next pause would pass the limit.
  EXPECT_EQ(link_->seen.size(), 1u + 6u);
}

TEST_F(Writes, ALostAnswerIsNotWrittenAgainButReadBack) {
  open(at("HoldingRegister", 5));
  link_->misbehave = [](Bytes request, Pdu&) {
    return request[0] == 6 ? DirectLink::Act::obey_silently : DirectLink::Act::proper;
  };
  EXPECT_EQ(write(std::int64_t{7}), "ok");
  EXPECT_THAT(link_->functions(), ElementsAre(6, 3));
}

TEST_F(Writes, ALostRequestIsATimeoutAfterOneLook) {
  open(at("HoldingRegister", 5));
  link_->misbehave = [](Bytes request, Pdu&) {
    return request[0] == 6 ? DirectLink::Act::silent : DirectLink::Act::proper;
  };
  EXPECT_EQ(write(std::int64_t{7}), "timeout: unit 1 did not answer within 100 ms (holding 5)");
  EXPECT_THAT(link_->functions(), ElementsAre(6, 3));
}

TEST_F(Writes, AUnitThatIsAwayDoesNotGetTheRestOfItsBatch) {
  open({point(Type::integer, at("HoldingRegister", 5), true, "a"),
        point(Type::integer, at("HoldingRegister", 6), true, "b")});
  link_->misbehave = [](Bytes, Pdu&) { return DirectLink::Act::silent; };
  start({std::int64_t{7}, std::int64_t{8}});
  EXPECT_EQ(outcome(0), "unreached timeout: unit 1 did not answer within 100 ms (holding 5)");
  EXPECT_EQ(outcome(1), outcome(0));
  EXPECT_THAT(link_->functions(), ElementsAre(6, 3));
}

TEST_F(Writes, ABroadcastGoesToUnitZeroAndIsConfirmedByReadingTheUnit) {
  open(with("HoldingRegister", 5, {{"broadcast", true}}));
  EXPECT_EQ(write(std::int64_t{7}), "ok");
  EXPECT_THAT(link_->units, ElementsAre(0, 1));
  link_->misbehave = [](Bytes request, Pdu& answer) {
    if (request[0] == 6) answer.byte(0);  // nobody was there
    return DirectLink::Act::proper;
  };
  EXPECT_EQ(write(std::int64_t{8}),
            "refused: overridden by the device: wrote 8, reads 7 at holding 5");
}

TEST_F(Writes, AcknowledgeIsWaitedForAndConfirmed) {
  open(at("HoldingRegister", 5));
  link_->misbehave = [](Bytes request, Pdu& answer) {
    if (request[0] == 6) answer = modbus_sim::exception(6, modbus::acknowledge);
    return DirectLink::Act::proper;
  };
  start({std::int64_t{7}});
  EXPECT_EQ(outcome(), "pending");
  holding(5) = 7;
  loop_.advance(100ms);
  EXPECT_EQ(outcome(), "ok");
}

TEST_F(Writes, EveryExceptionIsNamed) {
  open(at("HoldingRegister", 5));
  link_->misbehave = [](Bytes request, Pdu& answer) {
    answer = modbus_sim::exception(request[0], 6);
    return DirectLink::Act::proper;
  };
  EXPECT_EQ(write(std::int64_t{7}),
            "refused: unit 1 refused holding 5: server device busy (exception 06)");
}

TEST_F(Writes, AVerificationThatCannotBeReadSaysSoAndIsNotTriedAgain) {
  open(with("HoldingRegister", 5,
            {{"verifyRegister", "InputRegister"}, {"verifyOffset", 9}, {"verifyTimeout", 50}}));
  link_->misbehave = [](Bytes request, Pdu&) {
    return request[0] == 4 ? DirectLink::Act::silent : DirectLink::Act::proper;
  };
  EXPECT_THAT(write(std::int64_t{7}),
              HasSubstr("refused: written, but not seen there: timeout: unit 1 did not answer"));
}

TEST_F(Writes, ADriverMayBeDestroyedWhileItWaitsForTheValue) {
  open(with("HoldingRegister", 5,
            {{"verifyRegister", "InputRegister"}, {"verifyOffset", 9}, {"verifyTimeout", 1000}}));
  start({std::int64_t{7}});
  driver_.reset();
  loop_.advance(10s);
  EXPECT_FALSE(status_.has_value());
}

TEST_F(Writes, ReadsAndWritesOfOneDriverMayFollowEachOtherInAnyOrder) {
  open(at("HoldingRegister", 5));
  EXPECT_EQ(write(std::int64_t{7}), "ok");
  auto batch = batch_of(target_);
  std::optional<Status> read;
  driver_->read(batch, [&](const Status& status) { read = status; });
  loop_.settle();
  ASSERT_TRUE(read && read->ok());
  EXPECT_EQ(*batch[0].sample->value, Value(std::int64_t{7}));
  EXPECT_EQ(write(std::int64_t{8}), "ok");
}

}  // namespace
}  // namespace modbus_test
