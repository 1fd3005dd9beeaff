// A ring with its writer and its readers in processes of their own: no torn frame is ever taken,
// and what Python and the example see is what was written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <fstream>
#include <vector>

#include "base/file.hpp"
#include "gige/frame_reader.hpp"
#include "ring_support.hpp"
#include "support/process.hpp"

namespace {

using gige_frames::Order;
using gige_frames::Reader;
using ring_test::Child;
using ring_test::Name;
using ring_test::Writer;
using std::chrono::milliseconds;
using test_support::Outcome;
using testing::HasSubstr;

const std::string python = "/usr/bin/python3";  // not any other one in PATH
const std::string module_folder = PROJECT_SOURCE "/mappers/gige/reader";

// What readers in other processes have done, in memory of all of them.
struct Tally {
  std::atomic<std::uint64_t> whole{0};
  std::atomic<std::uint64_t> overwritten{0};  // noticed
};
class SharedTally {
 public:
  SharedTally()
      : tally_(new (::mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Tally) {}
  ~SharedTally() { ::munmap(tally_, sizeof(Tally)); }
  SharedTally(const SharedTally&) = delete;
  SharedTally& operator=(const SharedTally&) = delete;
  Tally* operator->() const { return tally_; }

 private:
  Tally* tally_;
};

// Reads until the ring has ended. 1: a frame was taken that is not one.
int read_all(const std::string& name, Order order, const SharedTally& tally) {
  Reader reader(name, order);
  for (;;) {
    const auto view = reader.wait(milliseconds(20'000));
    if (!view) return 2;
    if (view->info.status == gige_frames::Status::aborted) return 0;  // the writer's last
    const bool pattern = ring_test::is(view->pixels, view->info.size, view->info.sequence);
    if (!view->still_valid()) {
      ++tally->overwritten;
    } else if (!pattern) {
      return 1;
    } else {
      ++tally->whole;
    }
  }
}

TEST(FrameProcesses, NoTornFrameIsTakenByAnyReaderOfAWriterThatNeverWaits) {
  const Name name;
  const SharedTally tally;
  std::vector<std::unique_ptr<Child>> readers;
  for (int i = 0; i < 4; ++i) {
    readers.push_back(std::make_unique<Child>(
        [&, i] { return read_all(name.text(), i % 2 == 0 ? Order::newest : Order::next, tally); }));
  }
  // As few slots and as fast as can be: readers are overtaken all the time.
  Writer writer(name.text(), 4, 200'000);
  const bool seen = test_support::wait_until([&] {
    for (int i = 0; i < 50; ++i) writer.write(1);
    return tally->whole >= 2000 && tally->overwritten >= 200;
  });
  EXPECT_TRUE(seen) << tally->whole << " whole, " << tally->overwritten << " overwritten";
  ASSERT_TRUE(writer.write(gige::FrameStatus::aborted));
  for (const auto& reader : readers) EXPECT_EQ(reader->wait(), 0);
}

TEST(FrameProcesses, ReadersFollowFromMapperToMapperThatAreKilled) {
  const Name name;
  const SharedTally tally;
  Child reader([&] { return read_all(name.text(), Order::next, tally); });
  for (int round = 0; round < 5; ++round) {
    Child mapper([&]() -> int {
      Writer writer(name.text(), 4, 4000);
      for (;;) writer.write(1);
    });
    const std::uint64_t before = tally->whole;
    EXPECT_TRUE(test_support::wait_until([&] { return tally->whole > before + 20; }));
    mapper.kill();  // in the middle of anything
  }
  Writer last(name.text(), 4, 4000);
  ASSERT_TRUE(last.write(gige::FrameStatus::aborted));
  EXPECT_EQ(reader.wait(), 0);
}

// ---- Python ----

Outcome run_python(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {python, "-c", "from gige_frames import *\n" + program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return test_support::run(words, {{"PYTHONPATH", module_folder}, {"PYTHONDONTWRITEBYTECODE", "1"}},
                           std::chrono::seconds(60));
}

TEST(FrameProcesses, PythonReadsTheSameFieldsAndBytes) {
  const Name name;
  const test_support::TempFolder folder;
  Writer writer(name.text(), 4, 40'000);
  writer.write(4);
  writer.write(gige::FrameStatus::missing_packets);
  const Outcome outcome = run_python(R"(
reader = Reader(sys.argv[1], "next")
for _ in range(4):
    f = reader.wait(0)
    print(f.sequence, f.id, f.camera_ns, f.arrived_ns, f.exposed_ns, f.width, f.height, f.x, f.y,
          hex(f.format), f.padding, f.size, f.missing, f.status.name, f.still_valid(), reader.skipped)
    open(f"{sys.argv[2]}/{f.sequence}", "wb").write(f.pixels)
print(reader.wait(0), reader.live(), reader.problem == "")
)",
                                     {name.text(), folder.path()});
  EXPECT_EQ(outcome.output,
            "2 2 2000 2001 2002 40000 1 3 4 0x1080001 5 40000 0 COMPLETE True 0\n"
            "3 3 3000 3001 3002 40000 1 3 4 0x1080001 5 40000 0 COMPLETE True 0\n"
            "4 4 4000 4001 4002 40000 1 3 4 0x1080001 5 40000 0 COMPLETE True 0\n"
            "5 5 5000 5001 5002 40000 1 3 4 0x1080001 5 40000 0 MISSING_PACKETS True 0\n"
            "None True True\n");
  for (std::uint64_t sequence = 2; sequence <= 5; ++sequence) {
    const std::string bytes = base::read_file(folder / std::to_string(sequence)).value();
    ASSERT_EQ(bytes.size(), 40'000u);
    EXPECT_TRUE(
        ring_test::is(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), sequence));
  }
}

TEST(FrameProcesses, PythonNoticesOverwrittenFramesSkipsAndFollows) {
  const Name name;
  auto writer = std::make_unique<Writer>(name.text(), 4, 4000);
  writer->write(1);
  test_support::Process reader({python, "-u", "-c", R"(
from gige_frames import *
reader = Reader(sys.argv[1])
frame = reader.wait(20)
print("has", frame.sequence, frame.still_valid())
while reader._ring.newest() < 9: time.sleep(0.001)
later = reader.wait(0)
print("then", later.sequence, reader.skipped, frame.still_valid(), frame.copy(), later.copy() is not None)
later = reader.wait(20)
print("and", later.sequence, later.size, reader.skipped)
)",
                                name.text()},
                               {{"PYTHONPATH", module_folder}, {"PYTHONDONTWRITEBYTECODE", "1"}});
  ASSERT_TRUE(reader.wait_for_output("has 1 True\n")) << reader.output();
  writer->write(8);
  ASSERT_TRUE(reader.wait_for_output("then 9 7 False None True\n")) << reader.output();
  writer = std::make_unique<Writer>(name.text(), 4, 8000, 9);
  writer->write(1);
  ASSERT_TRUE(reader.wait_for_output("and 10 8000 7\n")) << reader.output();
  EXPECT_EQ(reader.wait(), 0);
}

TEST(FrameProcesses, PythonRefusesGarbageWithAText) {
  const Name name;
  std::string sound;
  {
    Writer writer(name.text(), 4, 100);
    writer.write(3);
    sound = base::read_file(name.path()).value();
  }
  std::ofstream(name.path(), std::ios::binary) << sound;
  const Outcome outcome = run_python(R"(
import random
path, seed = "/dev/shm/" + sys.argv[1], random.randrange(1 << 30)
random.seed(seed)
sound = open(path, "rb").read()
for round in range(1500):
    bad = bytearray(sound)
    for _ in range(random.randint(1, 4)):
        bad[random.randrange(80 if round % 2 else 1024)] = random.choice((255, random.randrange(256)))
    if random.random() < 0.1: del bad[random.randrange(len(bad)):]
    open(path, "wb").write(bad)
    reader = Reader(sys.argv[1], random.choice(("next", "newest")))
    if not reader.open(): assert reader.problem.startswith(path), seed
    for _ in range(5):  # it ends, and stays within the file
        frame = reader.wait(0)
        if frame is None: break
        sum(frame.pixels), frame.still_valid(), frame.age_s()
bad = bytearray(sound)
struct.pack_into("<Q", bad, 256 + 2 * 128 + 8 + 64, 101)  # the size of the third frame
open(path, "wb").write(bad)
reader = Reader(sys.argv[1])
print(reader.wait(0), reader.problem.removeprefix(path))
)",
                                     {name.text()});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_EQ(outcome.output, "None : frame 3 of 101 bytes is not one of this ring\n");
}

TEST(FrameProcesses, PythonCommandPrintsFramesAndEnds) {
  const Name name;
  Writer writer(name.text(), 4, 640);
  writer.write(4);
  const std::string command = module_folder + "/gige_frames.py";
  Outcome outcome = test_support::run({python, command, name.text(), "--count", "3"});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_THAT(outcome.output, HasSubstr("SEQUENCE"));
  EXPECT_THAT(outcome.output, HasSubstr("\n       3          3      640x1 "));
  EXPECT_THAT(outcome.output, HasSubstr("  complete\n"));
  outcome = test_support::run({python, command, "gige-test-no-such", "--timeout", "0.1"});
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_THAT(outcome.output, HasSubstr("/dev/shm/gige-test-no-such: No such file"));
}

TEST(FrameProcesses, ExampleCountsFramesAndWhatItSkipped) {
  const Name name;
  Writer writer(name.text(), 8, 640);
  writer.write(6);
  const Outcome outcome =
      test_support::run({PROJECT_BINARY "/examples/frame-reader", name.text(), "--count", "6"});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_THAT(outcome.output, HasSubstr("6 frames/s"));
  EXPECT_THAT(outcome.output, HasSubstr("0 not whole  0 overwritten  0 skipped in all"));
}

}  // namespace
