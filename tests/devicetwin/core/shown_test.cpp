// What readers are shown is on disk: a crash cannot take it back.
#include "devicetwin/core/fixture.hpp"

namespace devicetwin::test {
namespace {

class Shown : public CoreTest {
 protected:
  Shown() { make_boiler(); }
  // What a reader is told who asks now: "" as long as he is told nothing.
  std::shared_ptr<std::string> ask() {
    auto told = std::make_shared<std::string>();
    core_.when_on_disk([told](const Status& disk) { *told = disk.ok() ? "shown" : disk.text(); });
    return told;
  }
};

TEST_F(Shown, AtOnceWhereNothingIsOnItsWayToTheDisk) { EXPECT_EQ(*ask(), "shown"); }

TEST_F(Shown, AnObjectAfterItIsOnDisk) {
  core_.update(Kind::device, device_json("22"), 0, Origin::kubernetes, [](const auto&) {});
  const auto told = ask();
  EXPECT_EQ(*told, "");
  loop_.settle();
  EXPECT_EQ(*told, "shown");
  EXPECT_EQ(*ask(), "shown");
}

TEST_F(Shown, ADesiredValueOfATwinAloneAfterItIsOnDisk) {
  core_.update_twin(boiler_, expected("note", "x"), Origin::mqtt, [](const auto&) {});
  const auto told = ask();
  EXPECT_EQ(*told, "");
  loop_.settle();
  EXPECT_EQ(*told, "shown");
}

TEST_F(Shown, NotWhatTheDiskDoesNotTake) {
  journal_.disk = Status(Code::unavailable, "full");
  core_.update(Kind::device, device_json("22"), 0, Origin::kubernetes, [](const auto&) {});
  const auto told = ask();
  loop_.settle();
  EXPECT_EQ(*told, "disk: full");
  EXPECT_EQ(*ask(), "shown");  // the object is what it was
}

TEST_F(Shown, AReportHoldsNobodyUp) {
  core_.update_twin(boiler_, actual("temperature", "5"), Origin::mapper, [](const auto&) {});
  EXPECT_EQ(*ask(), "shown");
}

}  // namespace
}  // namespace devicetwin::test
