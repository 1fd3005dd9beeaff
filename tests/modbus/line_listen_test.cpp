// Devices that dial in.
#include <gmock/gmock.h>

#include "modbus/line_rig.hpp"

namespace modbus_test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

class ListenLines : public ::testing::Test, public LineRig {
 protected:
  ListenLines() : LineRig({modbus::Transport::listen, modbus::Framing::mbap}) {}
};

TEST_F(ListenLines, NobodyIsUnavailableAtOnceAndADeviceIsUpAsSoonAsItDials) {
  line_->connect();
  ASSERT_TRUE(run_until([&] { return owner_.connections.size() == 1; }, 500ms));
  EXPECT_EQ(owner_.connections[0].code(), Code::unavailable);
  EXPECT_THAT(owner_.connections[0].text(), HasSubstr("no device has dialled in yet"));
  dial();
  ASSERT_TRUE(run_until([&] { return owner_.connections.size() == 2; }));
  EXPECT_TRUE(owner_.connections[1].ok());
  EXPECT_TRUE(line_->is_up());
}

TEST_F(ListenLines, LinesOfOnePortAreToldApartByPeer) {
  Owner second_owner;
  modbus::Endpoint second = endpoint_;
  second.peer = "127.0.0.3";
  auto second_line = modbus::make_line(loop_, second, second_owner);
  modbus::Endpoint first = endpoint_;
  first.peer = "127.0.0.2";
  line_ = modbus::make_line(loop_, first, owner_);
  line_->connect();
  second_line->connect();
  dial("127.0.0.3");
  ASSERT_TRUE(run_until([&] { return second_line->is_up(); }));
  EXPECT_FALSE(line_->is_up());
  const FileDescriptor other(dialled("127.0.0.2"));
  ASSERT_TRUE(run_until([&] { return line_->is_up(); }));
  EXPECT_TRUE(second_owner.losses.empty());
}

TEST_F(ListenLines, DiallingInAgainReplacesTheFormerConnection) {
  up();
  const FileDescriptor former(::dup(peer_.get()));
  ask();
  request();
  dial();
  EXPECT_EQ(answered().code(), Code::unavailable);
  EXPECT_FALSE(line_->is_up());
  line_->connect();
  ASSERT_TRUE(run_until([&] { return line_->is_up(); }));
  ask();
  say(frame(request(), registers(5)));
  EXPECT_EQ(answered(), Status());
}

TEST_F(ListenLines, AnotherDeviceDoesNotPushTheFirstOut) {
  up();
  const FileDescriptor other(dialled("127.0.0.2"));
  std::uint8_t byte = 0;
  ASSERT_TRUE(run_until([&] { return ::read(other.get(), &byte, 1) == 0; }));
  EXPECT_TRUE(line_->is_up());
  EXPECT_TRUE(owner_.losses.empty());
}

TEST_F(ListenLines, AnAddressThatIsNotOursIsSaid) {
  modbus::Endpoint elsewhere = endpoint_;
  elsewhere.host = "192.0.2.1";
  line_ = modbus::make_line(loop_, elsewhere, owner_);
  line_->connect();
  ASSERT_TRUE(run_until([&] { return !owner_.connections.empty(); }));
  EXPECT_THAT(owner_.connections[0].text(), HasSubstr("cannot listen: Cannot assign requested"));
}

}  // namespace
}  // namespace modbus_test
