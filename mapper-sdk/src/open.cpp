#include "open.hpp"

#include "base/text.hpp"

namespace mapper {

using base::Code;
using base::Result;
using base::Status;

namespace {

// Keeps the target while the driver lives: the last driver of a session may outlive it a little.
class Kept final : public AsyncDriver {
 public:
  Kept(std::shared_ptr<const Target> target, std::unique_ptr<AsyncDriver> driver)
      : target_(std::move(target)), driver_(std::move(driver)) {}
  void read(std::span<Reading> batch, Done done) override { driver_->read(batch, std::move(done)); }
  void write(std::span<Command> batch, Done done) override {
    driver_->write(batch, std::move(done));
  }
  bool hurry() override { return driver_->hurry(); }
  void settled() override { driver_->settled(); }

 private:
  std::shared_ptr<const Target> target_;
  std::unique_ptr<AsyncDriver> driver_;  // after target_: goes first
};

using Opened = Result<std::unique_ptr<AsyncDriver>>;

Opened guarded(const AsyncFactory& factory, const Target& target, Sink sink) {
  const std::string path = target.id.to_string();
  try {
    Opened driver = factory(target, std::move(sink));
    if (driver && *driver == nullptr) {
      return Status(Code::internal, base::cat(path, ": open gave no driver and no reason"));
    }
    return driver;
  } catch (const std::exception& error) {
    return Status(Code::internal, base::cat(path, ": open threw: ", error.what()));
  } catch (...) {  // the boundary to code of the mapper's author
    return Status(Code::internal, base::cat(path, ": open threw"));
  }
}

}  // namespace

Opener opener_of(base::Loop& loop, AsyncFactory factory) {
  return [&loop, factory = std::move(factory)](std::shared_ptr<const Target> target, Sink sink,
                                               OpenDone done) {
    Opened driver = guarded(factory, *target, std::move(sink));
    if (driver) {
      driver = std::unique_ptr<AsyncDriver>(
          std::make_unique<Kept>(std::move(target), std::move(*driver)));
    }
    // A timer, not a post: it is never refused.
    auto kept = std::make_shared<Opened>(std::move(driver));
    loop.after(base::Duration::zero(), [kept, done = std::move(done)] { done(std::move(*kept)); });
  };
}

Opener async_opener(base::IoLoop& loop, const Protocol& protocol) {
  return opener_of(loop, [&loop, &protocol](const Target& target, Sink sink) {
    return protocol.open_async(target, std::move(sink), loop);
  });
}

}  // namespace mapper
