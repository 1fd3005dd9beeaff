#include "gige/outlets.hpp"

#include <algorithm>
#include <future>
#include <mutex>
#include <system_error>

#include "base/text.hpp"
#include "outlets/front.hpp"

namespace gige {

using base::Result;

namespace {

constexpr auto farewell = std::chrono::seconds(2);
// A camera has one turn waiting at most, so this is a number of cameras.
constexpr std::size_t max_turns = 1024;
constexpr std::size_t max_file_tasks = 256;
constexpr std::size_t max_commands = 16;

// Half of the cores, because the streams need theirs; more than four encode more than a disk or a
// network takes.
unsigned encoder_count() { return std::clamp(std::thread::hardware_concurrency() / 2, 1u, 4u); }

// Connections that nobody uses any more. To end one takes Paho a second, and who drops it is an
// encoder of other cameras, or holds a lock. Any thread.
class Leavers {
 public:
  void take(Publisher* publisher) {
    const std::lock_guard guard(mutex_);
    std::erase_if(leaving_, [](const auto& one) {
      return one.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    });
    try {
      leaving_.push_back(std::async(std::launch::async, [publisher] { delete publisher; }));
    } catch (const std::system_error&) {  // no thread to be had
      delete publisher;
    }
  }

 private:
  std::mutex mutex_;                        // guards what follows
  std::vector<std::future<void>> leaving_;  // wait for their threads when they go
};

class OutletsImpl final : public Outlets {
 public:
  OutletsImpl() : workshop_(std::make_shared<Workshop>()) {
    for (unsigned i = 0; i < encoder_count(); ++i) {
      workshop_->encoders.push_back(
          std::make_unique<Worker>(base::cat("gige-encode-", i), max_turns));
    }
    workshop_->files = std::make_unique<Worker>("gige-files", max_file_tasks);
    workshop_->commands = std::make_unique<Worker>("gige-commands", max_commands);
  }
  ~OutletsImpl() override;

  base::Status open(const Options& options);
  std::shared_ptr<Feed> feed(const dmi::ObjectId& device, const OutletSettings& settings) override;
  std::string url() const override { return workshop_->link_base; }

 private:
  std::shared_ptr<Publisher> publisher(const base::MqttAccess& broker);

  const std::shared_ptr<Workshop> workshop_;
  Registry registry_;
  const std::shared_ptr<Leavers> leavers_ = std::make_shared<Leavers>();
  std::mutex mutex_;  // guards what follows
  std::map<base::MqttAccess, std::weak_ptr<Publisher>> publishers_;
  std::size_t feeds_made_ = 0;
  std::unique_ptr<Front> front_;  // last: it uses the registry
};

base::Status OutletsImpl::open(const Options& options) {
  if (options.http == "off") return base::Status();
  auto front = Front::start(options, registry_);
  if (!front) return front.status();
  front_ = std::move(*front);
  workshop_->link_base =
      options.public_url.empty() ? "http://" + front_->address() : options.public_url;
  while (workshop_->link_base.ends_with('/')) workshop_->link_base.pop_back();
  return base::Status();
}

// In the order of the way a frame takes, so that what is queued still gets out.
OutletsImpl::~OutletsImpl() {
  const base::SteadyTime deadline = std::chrono::steady_clock::now() + farewell;
  for (const auto& encoder : workshop_->encoders) encoder->finish(deadline);
  workshop_->commands->finish({});
  for (const auto& feed : registry_.all()) feed->finish(deadline);
  workshop_->files->finish(deadline);
  for (const auto& [broker, weak] : publishers_) {
    if (const auto publisher = weak.lock()) publisher->finish(deadline);
  }
  front_.reset();
}

std::shared_ptr<Publisher> OutletsImpl::publisher(const base::MqttAccess& broker) {
  if (broker.url.empty()) return nullptr;
  auto& known = publishers_[broker];
  auto publisher = known.lock();
  if (publisher) return publisher;
  publisher.reset(new Publisher(broker),
                  [leavers = leavers_](Publisher* gone) { leavers->take(gone); });
  known = publisher;
  return publisher;
}

std::shared_ptr<Feed> OutletsImpl::feed(const dmi::ObjectId& device,
                                        const OutletSettings& settings) {
  const std::lock_guard guard(mutex_);
  const auto feed = std::make_shared<FeedImpl>(device, settings, workshop_, feeds_made_++,
                                               publisher(settings.mqtt.broker));
  feed->open();
  registry_.add(feed);
  return feed;
}

}  // namespace

Result<std::unique_ptr<Outlets>> Outlets::start(Options options) {
  auto outlets = std::make_unique<OutletsImpl>();
  if (base::Status status = outlets->open(options); !status.ok()) return status;
  return std::unique_ptr<Outlets>(std::move(outlets));
}

}  // namespace gige
