#include "outlets/route.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/text.hpp"

namespace gige {
namespace {

using Kind = Route::Kind;

TEST(Route, KnowsEveryAddress) {
  EXPECT_EQ(route("/").kind, Kind::page);
  EXPECT_EQ(route("/cameras").kind, Kind::cameras);
  EXPECT_EQ(route("/cameras/default/cam/stream.mjpg").kind, Kind::stream);
  const Route latest = route("/cameras/default/cam/latest.tiff");
  EXPECT_EQ(latest.kind, Kind::latest);
  EXPECT_EQ(latest.format, ImageFormat::tiff);
  EXPECT_EQ(latest.device, (dmi::ObjectId{"default", "cam"}));
  EXPECT_EQ(route("/cameras/default/cam/latest.jpg").format, ImageFormat::jpeg);
  const Route frame = route("/cameras/default/cam/frames/18.png");
  EXPECT_EQ(frame.kind, Kind::frame);
  EXPECT_EQ(frame.sequence, 18u);
  EXPECT_EQ(frame.format, ImageFormat::png);
  const Route command = route("/cameras/default/cam/commands/TriggerSoftware");
  EXPECT_EQ(command.kind, Kind::command);
  EXPECT_EQ(command.command, "TriggerSoftware");
}

TEST(Route, KnowsNothingElse) {
  for (const char* path : {"",
                           "//",
                           "/cameras/",
                           "/cameras/a",
                           "/cameras/a/b",
                           "/cameras/a/b/",
                           "/cameras/a//latest.jpg",
                           "/cameras//b/latest.jpg",
                           "/cameras/a/b/latest",
                           "/cameras/a/b/latest.",
                           "/cameras/a/b/.jpg",
                           "/cameras/a/b/latest.exe",
                           "/cameras/a/b/latest.JPG",
                           "/cameras/a/b/frames/.jpg",
                           "/cameras/a/b/frames/0.jpg",
                           "/cameras/a/b/frames/01.jpg",
                           "/cameras/a/b/frames/-1.jpg",
                           "/cameras/a/b/frames/+1.jpg",
                           "/cameras/a/b/frames/1 .jpg",
                           "/cameras/a/b/frames/1",
                           "/cameras/a/b/frames/99999999999999999999.jpg",
                           "/cameras/a/b/frames/../1.jpg",
                           "/cameras/a/b/frames/1.jpg/",
                           "/cameras/a/b/commands/",
                           "/cameras/a/b/commands/x/y",
                           "/Cameras",
                           "/../cameras",
                           "/cameras/a/b/other/1.jpg",
                           "/etc/passwd"}) {
    EXPECT_EQ(route(path).kind, Kind::none) << path;
  }
}

TEST(Route, OfAFramesPathIsThatFrame) {
  const Route back = route(frame_path({"default", "cam-1.x"}, 77, ImageFormat::tiff));
  EXPECT_EQ(back.kind, Kind::frame);
  EXPECT_EQ(back.sequence, 77u);
  EXPECT_EQ(back.format, ImageFormat::tiff);
  EXPECT_EQ(back.device.name, "cam-1.x");
  EXPECT_EQ(device_path({"a b", "c/d"}), "/cameras/a%20b/c%2Fd");
}

// Whatever comes: at most one of the addresses above, with parts that are of the path, unchanged.
TEST(Route, TakesNothingFromAnyPathThatIsNotInIt) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(base::cat("seed ", seed));
  std::mt19937 random(seed);
  const std::string pieces[] = {"/",      "cameras",  "default", "cam",         "..",   ".",
                                "frames", "commands", "latest",  "stream.mjpg", ".jpg", "12",
                                "\xff",   "%2e",      "\n",      "tiff",        "a",    " ",
                                "\\",     "0",        "//"};
  for (int round = 0; round < 20'000; ++round) {
    std::string path = round % 2 == 0 ? "/cameras/default/cam/" : "";
    for (auto left = random() % 8; left > 0; --left) path += pieces[random() % std::size(pieces)];
    const Route found = route(path);
    if (found.kind >= Kind::latest) {
      EXPECT_TRUE(
          path.starts_with(base::cat("/cameras/", found.device.space, '/', found.device.name, '/')))
          << path;
      EXPECT_EQ(found.device.space.find('/'), std::string::npos);
      EXPECT_EQ(found.device.name.find('/'), std::string::npos);
    }
    if (found.kind == Kind::command) {
      EXPECT_TRUE(path.ends_with("/commands/" + found.command)) << path;
      EXPECT_EQ(found.command.find('/'), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace gige
