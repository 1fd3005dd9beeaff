// Twins per second through the batch extension: one mapper, batches of 2,000 changed values, a few
// of them on their way, as the SDK sends them. With the private broker, where every change becomes
// a document, and without MQTT. The mapper is a thread of this process; its cost is on the same
// cores.
#include <thread>

#include "bench/report.hpp"
#include "bench/twin_rig.hpp"

namespace {

using base::cat;
using base::Status;
using bench::Clock;
using dmi::wire::BatchItem;
using dmi::wire::BatchStream;

constexpr int devices = 100;
constexpr int properties = 100;
constexpr int devices_per_batch = 20;
constexpr int rounds = 8;  // every value differs from the one before
constexpr auto measured = std::chrono::seconds(5);
constexpr auto warming = std::chrono::milliseconds(500);

// What a registered mapper must serve; it is told of its devices and needs nothing.
class Mapper final : public dmi::wire::MapperHandler {
 public:
  void register_device(std::int64_t, dmi::Device, dmi::wire::Done done) override { done(Status()); }
  void update_device(std::int64_t, dmi::Device, dmi::wire::Done done) override { done(Status()); }
  void remove_device(std::int64_t, dmi::ObjectId, dmi::wire::Done done) override { done(Status()); }
  void create_model(std::int64_t, dmi::DeviceModel, dmi::wire::Done done) override {
    done(Status());
  }
  void update_model(std::int64_t, dmi::DeviceModel, dmi::wire::Done done) override {
    done(Status());
  }
  void remove_model(std::int64_t, dmi::ObjectId, dmi::wire::Done done) override { done(Status()); }
  void get_device(
      dmi::ObjectId device,
      std::function<void(base::Result<std::pair<dmi::Device, dmi::DeviceReport>>)> done) override {
    done(Status(base::Code::not_found, device.to_string()));
  }
};

// The stream, and how many of its twins are answered.
class Stream {
 public:
  Stream(const std::string& socket, const std::string& address)
      : server_(std::move(*dmi::wire::serve_mapper(address, mapper_))),
        client_(dmi::wire::connect_manager(socket)) {
    client_->mapper_register({"bench", "1", "v1beta1", "bench", address, "ok"},
                             [this](const auto& answer) {
                               if (!answer) bench::fail(answer.status().to_string());
                               if (!answer->extended) bench::fail("devicetwin takes no batches");
                               leave();
                             });
    ++flying_;
    drain();
    stream_ = client_->open_batches("bench", [](const Status&) {});
  }
  ~Stream() { drain(); }

  void send(const std::vector<BatchItem>& items, std::size_t twins) {
    {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [this] { return flying_ < BatchStream::max_open; });
      ++flying_;
    }
    stream_->send(items, [this, twins](const auto& verdicts) {
      if (!verdicts) bench::fail(verdicts.status().to_string());
      for (const Status& verdict : *verdicts) {
        if (!verdict.ok()) bench::fail(verdict.to_string());
      }
      answered_ += twins;
      leave();
    });
  }
  void drain() {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return flying_ == 0; });
  }
  std::uint64_t answered() const { return answered_; }

 private:
  void leave() {
    const std::lock_guard lock(mutex_);
    --flying_;
    room_.notify_all();
  }

  Mapper mapper_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::size_t flying_ = 0;
  std::atomic<std::uint64_t> answered_ = 0;
  std::unique_ptr<dmi::wire::Server> server_;
  std::unique_ptr<dmi::wire::ManagerClient> client_;
  std::unique_ptr<BatchStream> stream_;
};

std::vector<std::vector<BatchItem>> make_batches() {
  std::vector<std::vector<BatchItem>> batches;
  for (int round = 0; round < rounds; ++round) {
    for (int first = 0; first < devices; first += devices_per_batch) {
      std::vector<BatchItem>& items = batches.emplace_back();
      for (int device = first; device < first + devices_per_batch; ++device) {
        BatchItem& item = items.emplace_back();
        item.report.device = {"default", bench::device_name(device)};
        for (int i = 0; i < properties; ++i) {
          item.report.twins.push_back(bench::twin_of(i, cat(1000 * round + i, ".25")));
        }
      }
    }
  }
  return batches;
}

void run(bench::Report& report, const std::string& suffix, std::vector<std::string> flags) {
  test_support::TempFolder folder;
  bench::TwinDaemon daemon(folder.path(), std::move(flags));
  bench::create_devices(daemon, devices, properties);
  const auto batches = make_batches();
  Stream stream(daemon.socket(), (folder.path() / "mapper.sock").string());
  std::atomic<bool> stop = false;
  std::thread sender([&] {
    for (std::size_t next = 0; !stop; next = (next + 1) % batches.size()) {
      stream.send(batches[next], devices_per_batch * properties);
    }
  });
  std::this_thread::sleep_for(warming);
  const auto cpu = daemon.process().cpu_time();
  const std::uint64_t before = stream.answered();
  const auto begun = Clock::now();
  std::this_thread::sleep_for(measured);
  const double twins = static_cast<double>(stream.answered() - before);
  const double seconds = bench::seconds_since(begun);
  const double cores =
      static_cast<double>((daemon.process().cpu_time() - cpu).count()) / 1e6 / seconds;
  stop = true;
  sender.join();
  stream.drain();
  const std::string where = suffix.empty() ? "" : ", without MQTT";
  report.add(cat("twin.batch_twins", suffix), cat("batches of 2,000 changed values", where),
             twins / seconds, "twins/s", suffix.empty() ? "aim >= 300,000" : "");
  report.add("", "  devicetwin meanwhile", cores, "cores");
  report.add("", "  devicetwin, of its own time", 1e9 * cores * seconds / twins, "ns/twin");
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  run(report, "", {"--mqtt-port", "0"});
  run(report, "_no_mqtt", {"--mqtt", "none"});
  return 0;
}
