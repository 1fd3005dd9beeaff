// What is special about a serial line: its times, its thread, its port.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include "modbus/line_rig.hpp"
#include "sim/server.hpp"

namespace modbus_test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class SerialLines : public ::testing::Test, public LineRig {
 protected:
  SerialLines() : LineRig({modbus::Transport::serial, modbus::Framing::rtu}) {}
  void use_baud(int baud) {
    endpoint_.serial.baud = baud;
    line_ = modbus::make_line(loop_, endpoint_, owner_);
  }
};

TEST_F(SerialLines, TheLineIsSilentForThreeAndAHalfCharactersBeforeARequest) {
  use_baud(1200);  // 29 ms at ten bits a character
  up();
  ask();
  const ByteVector first = request();
  const auto answered_at = Clock::now();
  say(frame(first, registers(1)));
  EXPECT_EQ(answered(), Status());
  ask();
  request();
  EXPECT_GE(Clock::now() - answered_at, 29ms);
}

TEST_F(SerialLines, TheTimeoutRunsFromTheEndOfTransmissionAndAddsTheAnswersCharacters) {
  use_baud(1200);
  up();
  const auto start = Clock::now();
  ask(0, 10, 20);
  EXPECT_EQ(answered().code(), Code::timeout);
  // 8 characters of the request and 25 of the answer, 8.3 ms each.
  EXPECT_GE(Clock::now() - start, 20ms + 270ms);
}

TEST_F(SerialLines, APortThatIsNotThereIsUnavailableAndNamed) {
  endpoint_.serial.port = "/dev/there-is-no-such-port";
  line_ = modbus::make_line(loop_, endpoint_, owner_);
  line_->connect();
  ASSERT_TRUE(run_until([&] { return !owner_.connections.empty(); }));
  EXPECT_EQ(owner_.connections[0].code(), Code::unavailable);
  EXPECT_THAT(owner_.connections[0].text(), HasSubstr("/dev/there-is-no-such-port?115200-8N1"));
  EXPECT_THAT(owner_.connections[0].text(), HasSubstr("No such file or directory"));
}

TEST_F(SerialLines, Rs485ThatThePortRefusesIsTolerated) {
  endpoint_.serial.rs485 = true;
  line_ = modbus::make_line(loop_, endpoint_, owner_);
  up();
  ask();
  say(frame(request(), registers(1)));
  EXPECT_EQ(answered(), Status());
}

TEST_F(SerialLines, ManyOpenFilesDoNotMatter) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit wanted{std::min<rlim_t>(2000, limit.rlim_max), limit.rlim_max};
  if (wanted.rlim_cur < 2000 || ::setrlimit(RLIMIT_NOFILE, &wanted) != 0) {
    GTEST_SKIP() << "the system allows " << limit.rlim_max << " descriptors";
  }
  std::vector<std::unique_ptr<FileDescriptor>> open;
  while (open.empty() || open.back()->get() < 1100) {
    open.push_back(std::make_unique<FileDescriptor>(::dup(0)));
    ASSERT_GE(open.back()->get(), 0);
  }
  up();
  ask();
  say(frame(request(), registers(1)));
  EXPECT_EQ(answered(), Status());
  line_.reset();
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace modbus_test
