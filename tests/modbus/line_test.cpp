// What every line promises, whatever carries it: the same tests over every transport and framing,
// each with a real socket or pty and a peer that misbehaves.
#include "modbus/line.hpp"

#include <gmock/gmock.h>

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <thread>

#include "modbus/line_rig.hpp"

namespace modbus_test {
namespace {

using modbus::Framing;
using modbus::Transport;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Lines : public ::testing::TestWithParam<RigWire>, public LineRig {
 protected:
  Lines() : LineRig(GetParam()) {}

  // Asks and is answered: the line works.
  void expect_works(std::uint16_t marker) {
    ask();
    say(frame(request(), registers(marker)));
    ASSERT_EQ(answered(), Status());
    EXPECT_EQ(value(), marker);
  }
};

std::string wire_name(const ::testing::TestParamInfo<RigWire>& info) {
  const char* transports[] = {"tcp", "tls", "listen", "udp", "serial"};
  return std::string(transports[static_cast<int>(info.param.transport)]) +
         (info.param.framing == Framing::rtu ? "_rtu" : "_mbap");
}

constexpr RigWire every[] = {
    {Transport::tcp, Framing::mbap},    {Transport::tcp, Framing::rtu},
    {Transport::listen, Framing::mbap}, {Transport::listen, Framing::rtu},
    {Transport::udp, Framing::mbap},    {Transport::udp, Framing::rtu},
    {Transport::serial, Framing::rtu},
};

bool is_stream(const RigWire& wire) { return wire.transport != Transport::udp; }
bool is_rtu(const RigWire& wire) { return wire.framing == Framing::rtu; }
// A serial line has a thread of its own.
bool drains_on_the_loop(const RigWire& wire) {
  return is_rtu(wire) && wire.transport != Transport::serial;
}
// Behind half a frame the next one can be found: by its checksum, or because it is a datagram.
bool finds_frames_again(const RigWire& wire) { return is_rtu(wire) || !is_stream(wire); }

std::vector<RigWire> those(bool (*wanted)(const RigWire&)) {
  std::vector<RigWire> wires;
  std::ranges::copy_if(every, std::back_inserter(wires), wanted);
  return wires;
}

// What only some of them promise.
class StreamLines : public Lines {};
class RtuLines : public Lines {};
class DrainingLines : public Lines {};
class FindingLines : public Lines {};

INSTANTIATE_TEST_SUITE_P(Every, Lines, ::testing::ValuesIn(every), wire_name);
INSTANTIATE_TEST_SUITE_P(Stream, StreamLines, ::testing::ValuesIn(those(is_stream)), wire_name);
INSTANTIATE_TEST_SUITE_P(Rtu, RtuLines, ::testing::ValuesIn(those(is_rtu)), wire_name);
INSTANTIATE_TEST_SUITE_P(Draining, DrainingLines, ::testing::ValuesIn(those(drains_on_the_loop)),
                         wire_name);
INSTANTIATE_TEST_SUITE_P(Finding, FindingLines, ::testing::ValuesIn(those(finds_frames_again)),
                         wire_name);

TEST_P(Lines, ARequestIsAnswered) {
  up();
  expect_works(7);
  expect_works(8);
  EXPECT_EQ(line_->counters().requests, 2u);
  EXPECT_EQ(line_->counters().answers, 2u);
  EXPECT_EQ(line_->counters().connects, 1u);
}

TEST_P(Lines, AnExceptionIsRefusedAndNamed) {
  up();
  ask();
  say(frame(request(), {0x83, 2}));
  const Status status = answered();
  EXPECT_EQ(status.code(), Code::refused);
  EXPECT_THAT(status.text(), HasSubstr("exception 02"));
  EXPECT_EQ(line_->counters().answers, 1u);
}

TEST_P(Lines, SilenceIsATimeoutAndTheLineStaysUp) {
  up();
  ask(0, 1, 50);
  request();
  const Status status = answered();
  EXPECT_EQ(status.code(), Code::timeout);
  EXPECT_THAT(status.text(), HasSubstr("within 50 ms"));
  EXPECT_EQ(line_->counters().timeouts, 1u);
  EXPECT_TRUE(line_->is_up());
  expect_works(3);
}

TEST_P(StreamLines, AnAnswerInPiecesIsOne) {
  up();
  ask(0, 3);
  for (const std::uint8_t byte : frame(request(), registers(0x1234, 3))) {
    say({byte});
    run_for(1ms);
  }
  EXPECT_EQ(answered(), Status());
  EXPECT_EQ(value(), 0x1234);
}

TEST_P(Lines, ALateAnswerIsNeverTheNextOnes) {
  up();
  ask(0, 1, 100);
  const ByteVector first = request();
  EXPECT_EQ(answered().code(), Code::timeout);
  ask(1, 1, 2000);
  if (rtu()) {
    EXPECT_TRUE(nothing_asked_for(20ms)) << "the late answer could be taken for its own";
    say(frame(first, registers(666)));
    say(frame(request(), registers(42)));
  } else {
    const ByteVector second = request();
    say(frame(first, registers(666)));
    say(frame(second, registers(42)));
  }
  EXPECT_EQ(answered(), Status());
  EXPECT_EQ(value(), 42);
  EXPECT_EQ(line_->counters().late, 1u);
  EXPECT_EQ(line_->counters().foreign, 0u);
}

TEST_P(Lines, ALateAnswerIsNotTakenByAnotherUnit) {
  up();
  ask(0, 1, 50, 1);
  const ByteVector first = request();
  EXPECT_EQ(answered().code(), Code::timeout);
  ask(0, 1, 2000, 2);
  const ByteVector second = request();
  say(frame(first, registers(666)));
  say(frame(second, registers(42)));
  EXPECT_EQ(answered(), Status());
  EXPECT_EQ(value(), 42);
  EXPECT_EQ(line_->counters().late, 1u);
}

TEST_P(Lines, ARepeatedAnswerIsForeign) {
  up();
  ask();
  const ByteVector once = frame(request(), registers(1));
  say(once);
  EXPECT_EQ(answered(), Status());
  say(once);
  ASSERT_TRUE(run_until([&] {
    if (GetParam().transport == Transport::serial) return true;  // counted with the next answer
    return line_->counters().foreign == 1;
  }));
  expect_works(2);
  EXPECT_EQ(line_->counters().foreign, 1u);
}

TEST_P(Lines, AnAnswerToNobodysRequestIsForeignAndTheRightOneStillCounts) {
  up();
  ask();
  const ByteVector asked = request();
  say(rtu() ? frame(asked, registers(666), 9) : frame(asked, registers(666), -1, 100));
  say(frame(asked, registers(5)));
  EXPECT_EQ(answered(), Status());
  EXPECT_EQ(value(), 5);
  EXPECT_EQ(line_->counters().foreign, 1u);
}

TEST_P(FindingLines, ATruncatedAnswerIsATimeoutAndSpoilsNothing) {
  up();
  ask(0, 4, 50);
  ByteVector cut = frame(request(), registers(666, 4));
  cut.resize(cut.size() - 3);
  say(cut);
  EXPECT_EQ(answered().code(), Code::timeout);
  expect_works(9);
}

TEST_P(RtuLines, ADamagedRtuAnswerIsNotBelieved) {
  up();
  ask(0, 2, 50);
  ByteVector damaged = frame(request(), registers(666, 2));
  damaged[4] ^= 0x10;
  say(damaged);
  const Status status = answered();
  EXPECT_EQ(status.code(), Code::timeout);
  EXPECT_THAT(status.text(), HasSubstr("1 frames with a wrong checksum"));
  EXPECT_EQ(line_->counters().malformed, 1u);
}

TEST_P(RtuLines, NoiseInFrontOfAnRtuAnswerIsSkipped) {
  up();
  ask();
  ByteVector noisy = {1, 3, 200, 0xff, 1, 3};
  const ByteVector answer = frame(request(), registers(11));
  noisy.insert(noisy.end(), answer.begin(), answer.end());
  say(noisy);
  EXPECT_EQ(answered(), Status());
  EXPECT_EQ(value(), 11);
  EXPECT_EQ(line_->counters().dropped_bytes, 6u);
}

TEST_P(Lines, AnAnswerOfAnotherLengthIsNotBelieved) {
  up();
  ask(0, 2, 100);
  say(frame(request(), registers(666, 3)));
  EXPECT_THAT(answered().code(), ::testing::AnyOf(Code::malformed, Code::timeout));
}

TEST_P(Lines, ABroadcastIsDoneOnceItIsOut) {
  up();
  ask_pdu(modbus::write_register_request(1, 2), 1000, 0, true);
  EXPECT_TRUE(owner_.answers.empty()) << "told from within send()";
  EXPECT_EQ(answered(), Status());
  request();
  expect_works(4);
}

TEST_P(StreamLines, HangingUpWhileWaitingIsUnavailable) {
  up();
  ask();
  request();
  hang_up();
  EXPECT_EQ(answered().code(), Code::unavailable);
  EXPECT_FALSE(line_->is_up());
  EXPECT_EQ(line_->counters().losses, 1u);
  EXPECT_TRUE(owner_.losses.empty());
}

TEST_P(StreamLines, HangingUpWhileIdleIsSaidAsLost) {
  up();
  hang_up();
  ASSERT_TRUE(run_until([&] { return !owner_.losses.empty(); }));
  EXPECT_FALSE(line_->is_up());
  EXPECT_TRUE(owner_.answers.empty());
}

TEST_P(Lines, ClosingAndDestroyingWhileWaitingTellNothing) {
  up();
  ask(0, 1, 60'000);
  request();
  const auto start = std::chrono::steady_clock::now();
  line_->close();
  EXPECT_FALSE(line_->is_up());
  line_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 100ms);
  run_for(20ms);
  EXPECT_TRUE(owner_.answers.empty());
  EXPECT_TRUE(owner_.losses.empty());
}

TEST_P(Lines, ItMayBeDestroyedFromWithinAnAnswer) {
  up();
  owner_.on_answer = [this] { line_.reset(); };
  ask();
  say(frame(request(), registers(1)));
  EXPECT_EQ(answered(), Status());
  run_for(5ms);
}

TEST_P(Lines, TheNextRequestMayBeSentFromWithinAnAnswer) {
  up();
  owner_.on_answer = [this] {
    owner_.on_answer = nullptr;
    ask(5);
  };
  ask();
  say(frame(request(), registers(1)));
  say(frame(request(), registers(2)));
  EXPECT_EQ(answered(), Status());
  EXPECT_EQ(answered(), Status());
  EXPECT_EQ(value(), 2);
}

TEST_P(Lines, AnAnswerThatLiesThereWhenALateProcessLooksIsTaken) {
  up();
  ask(0, 1, 30);
  say(frame(request(), registers(6)));
  ::usleep(60'000);  // the loop is held up
  EXPECT_EQ(answered(), Status());
  EXPECT_EQ(value(), 6);
}

TEST_P(RtuLines, RandomBytesNeverBecomeAnAnswer) {
  up();
  ask(0, 1, 100);
  request();
  ByteVector noise(200);
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<std::uint8_t>(i * 37);
  for (int i = 0; i < 5; ++i) say(noise);
  EXPECT_EQ(answered().code(), Code::timeout);
}

TEST_P(DrainingLines, APeerThatNeverStopsTalkingDoesNotHoldTheLoop) {
  up();
  expect_works(7);
  std::atomic<bool> stop{false};
  std::thread babble([&] {
    const ByteVector noise(8192, 0x55);
    const auto end = std::chrono::steady_clock::now() + 10s;  // a loop that is held fails then
    while (!stop && std::chrono::steady_clock::now() < end) {
      if (::write(peer_.get(), noise.data(), is_stream(GetParam()) ? noise.size() : 200) < 0) {
        std::this_thread::yield();
      }
    }
    stop = true;
  });
  run_for(20ms);
  ask(0, 1, 100);
  EXPECT_FALSE(answered().ok());
  EXPECT_FALSE(stop) << "nothing was told before the peer fell silent";
  stop = true;
  babble.join();
}

TEST_P(RtuLines, ARequestLikeOneGivenUpWaitsForOneMoreTimeoutIfNothingComes) {
  up();
  ask(0, 1, 100);
  request();
  EXPECT_EQ(answered().code(), Code::timeout);
  const auto given_up = std::chrono::steady_clock::now();
  ask(0, 2, 1000);
  say(frame(request(), registers(42, 2)));
  EXPECT_EQ(answered(), Status());
  EXPECT_GE(std::chrono::steady_clock::now() - given_up, 95ms);
}

TEST_P(RtuLines, ARequestOfAnotherFunctionDoesNotWait) {
  up();
  ask(0, 1, 1500);
  request();
  EXPECT_EQ(answered().code(), Code::timeout);
  const auto given_up = std::chrono::steady_clock::now();
  ask_pdu(modbus::read_request({modbus::Table::input, 0, 1}));
  say(frame(request(), {4, 2, 0, 5}));
  EXPECT_EQ(answered(), Status());
  EXPECT_LT(std::chrono::steady_clock::now() - given_up, 1000ms);
}

TEST(LineMemory, AnIdleConnectionTakesLessThanTwoKibibytes) {
  constexpr std::size_t count = 200;
  for (const Framing framing : {Framing::mbap, Framing::rtu}) {
    const FileDescriptor listener(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address = LineRig::at(0);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    ::listen(listener.get(), 2 * count);
    base::IoLoop loop;
    Owner owner;
    owner.connections.reserve(count);
    modbus::Endpoint endpoint;
    endpoint.framing = framing;
    endpoint.host = "127.0.0.1";
    endpoint.port = ntohs(address.sin_port);
    std::vector<std::unique_ptr<modbus::Line>> lines;
    lines.reserve(count);
    const std::size_t before = ::mallinfo2().uordblks;
    for (std::size_t i = 0; i < count; ++i) {
      lines.push_back(modbus::make_line(loop, endpoint, owner));
      lines.back()->connect();
    }
    while (owner.connections.size() < count) loop.io().run_one();
    // What the kernel keeps for a socket comes on top and is not ours.
    EXPECT_LE((::mallinfo2().uordblks - before) / count, 2048u);
  }
}

}  // namespace
}  // namespace modbus_test
