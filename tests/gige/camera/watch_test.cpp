// What is said when a camera is lost, and how its successor opens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "cameras.hpp"

namespace gige {
namespace {

using namespace gige::testing;
using base::Code;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

generator::Options at(const std::string& ip) {
  generator::Options options;
  options.address = ip;
  options.serial = "GEN" + ip.substr(ip.rfind('.') + 1);
  return options;
}

// A camera that streams and is watched.
struct Watched {
  std::unique_ptr<Camera> camera;
  Taken taken;
  Lost lost;

  explicit Watched(const std::string& ip, const std::string& ring = "watched") {
    auto opened = open_at(ip);
    EXPECT_TRUE(opened.ok()) << opened.status().to_string();
    if (!opened) return;
    camera = std::move(*opened);
    const auto started = camera->start(ring_name(ring), 0, taken.callback());
    EXPECT_TRUE(started.ok()) << started.to_string();
    camera->watch(lost.callback());
    EXPECT_TRUE(taken.wait_for(3));
  }
  void close() {
    const auto began = Clock::now();
    taken.release();
    camera.reset();
    const std::chrono::duration<double> took = Clock::now() - began;
    std::printf("closed in %.3f s\n", took.count());
    ::testing::Test::RecordProperty("close_seconds", std::to_string(took.count()));
  }
};

TEST(Watch, AKilledCameraIsSaidToBeGoneAndOpensAgainWhenItIsBack) {
  auto process = fake_camera("127.0.0.2", "GV02");
  Watched first("127.0.0.2");
  ASSERT_TRUE(first.camera);
  const auto killed = Clock::now();
  process->kill();
  ASSERT_TRUE(first.lost.wait());
  const std::chrono::duration<double> took = Clock::now() - killed;
  std::printf("said after %.3f s\n", took.count());
  EXPECT_EQ(first.lost.status().code(), Code::unavailable);
  EXPECT_THAT(first.lost.status().text(), HasSubstr("does not answer any more (cable or power)"));
  first.close();
  EXPECT_EQ(first.lost.times(), 1U);

  process = fake_camera("127.0.0.2", "GV02");
  const Watched second("127.0.0.2");
  EXPECT_TRUE(second.camera);
}

TEST(Watch, AnUnpluggedCameraIsSaidToBeGone) {
  const auto source = own_camera(at("127.0.0.2"));
  Watched watched("127.0.0.2");
  ASSERT_TRUE(watched.camera);
  source->unplug();
  ASSERT_TRUE(watched.lost.wait());
  EXPECT_THAT(watched.lost.status().text(), HasSubstr("(cable or power)"));
  watched.close();
}

TEST(Watch, ARestartedCameraHasForgottenUs) {
  const auto source = own_camera(at("127.0.0.2"));
  Watched watched("127.0.0.2");
  ASSERT_TRUE(watched.camera);
  source->power_cycle(milliseconds(20));
  ASSERT_TRUE(watched.lost.wait());
  EXPECT_EQ(watched.lost.status().code(), Code::unavailable);
  EXPECT_THAT(watched.lost.status().text(), HasSubstr("has forgotten us (restarted"));
  watched.close();
  const Watched again("127.0.0.2");
  EXPECT_TRUE(again.camera);
}

TEST(Watch, AnotherProgramThatTookControlIsNamed) {
  const auto source = own_camera(at("127.0.0.2"));
  Watched watched("127.0.0.2");
  ASSERT_TRUE(watched.camera);
  source->take_over("127.0.0.9");
  ASSERT_TRUE(watched.lost.wait());
  EXPECT_EQ(watched.lost.status().code(), Code::conflict);
  EXPECT_THAT(watched.lost.status().text(), HasSubstr("127.0.0.9 has taken control"));
  EXPECT_EQ(watched.camera->controller().ip, "127.0.0.9");
  watched.close();
}

TEST(Watch, AnotherAddressIsNamed) {
  const auto source = own_camera(at("127.0.0.2"));
  Watched watched("127.0.0.2");
  ASSERT_TRUE(watched.camera);
  ASSERT_TRUE(source->move("127.0.0.7").ok());
  ASSERT_TRUE(watched.lost.wait());
  EXPECT_EQ(watched.lost.status().code(), Code::unavailable);
  EXPECT_THAT(watched.lost.status().text(), HasSubstr("has another address now: 127.0.0.7"));
  watched.close();
}

TEST(Watch, WithoutItClosingACameraThatHasGoneEndsToo) {
  const auto source = own_camera(at("127.0.0.2"));
  auto camera = open_at("127.0.0.2");
  ASSERT_TRUE(camera.ok());
  Taken taken;
  ASSERT_TRUE((*camera)->start(ring_name("unwatched"), 0, taken.callback()).ok());
  ASSERT_TRUE(taken.wait_for(1));
  source->unplug();
  taken.release();
  const auto began = Clock::now();
  camera->reset();
  const std::chrono::duration<double> took = Clock::now() - began;
  std::printf("closed in %.3f s\n", took.count());
}

TEST(Watch, ShortGapsAreNoLoss) {
  const auto source = own_camera(at("127.0.0.2"));
  Watched watched("127.0.0.2");
  ASSERT_TRUE(watched.camera);
  for (int i = 0; i < 5; ++i) {
    source->unplug();
    const auto until = Clock::now() + milliseconds(150);
    ASSERT_TRUE(test_support::wait_until([&] { return Clock::now() > until; }));
    source->plug();
    const std::size_t frames = watched.taken.complete();
    ASSERT_TRUE(watched.taken.wait_for(frames + 5));
  }
  EXPECT_EQ(watched.lost.times(), 0U) << watched.lost.status().to_string();
}

TEST(Watch, OneLossIsNotAnother) {
  const auto first = own_camera(at("127.0.0.2"));
  const auto second = own_camera(at("127.0.0.3"));
  Watched lost("127.0.0.2", "lost");
  Watched kept("127.0.0.3", "kept");
  ASSERT_TRUE(lost.camera && kept.camera);
  first->unplug();
  ASSERT_TRUE(lost.lost.wait());
  lost.close();
  EXPECT_TRUE(kept.taken.wait_for(kept.taken.complete() + 10));
  EXPECT_EQ(kept.lost.times(), 0U);
}

}  // namespace
}  // namespace gige
