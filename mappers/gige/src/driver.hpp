// A camera as a driver: its properties are features or what the mapper knows of it, its frames go
// to the station. Opened, called and destroyed on its bus; frames come on the stream's thread,
// commands of HTTP on a worker's, loss on the watch's.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "gige/camera.hpp"
#include "gige/features.hpp"
#include "gige/settings.hpp"
#include "mapper/driver.hpp"
#include "station.hpp"

namespace gige {

class CameraDriver final : public mapper::Driver {
 public:
  // How long opening looks for the camera before it says that it is not there.
  static constexpr auto search = std::chrono::milliseconds(2000);
  // How long a trigger waits for its frame: an exposure of seconds and its way here.
  static constexpr auto trigger_patience = std::chrono::milliseconds(3000);

  // Who is called by HTTP's commands: the driver while it lives, and nobody after.
  struct Door {
    std::mutex mutex;  // held while a command runs
    CameraDriver* driver = nullptr;
  };

  static base::Result<std::unique_ptr<mapper::Driver>> open(const mapper::Target& target,
                                                            const mapper::Sink& sink,
                                                            Stations& stations);
  ~CameraDriver() override;

  base::Status read(std::span<mapper::Reading> batch) override;
  base::Status write(std::span<mapper::Command> batch) override;
  void settled() override;  // streams from here on

 private:
  CameraDriver(const mapper::Target& target, mapper::Sink sink, Settings settings,
               std::vector<Visitor> visitors, std::shared_ptr<Station> station,
               std::unique_ptr<Camera> camera);

  const Visitor& visitor(const mapper::Point& point) const { return visitors_[point.index]; }
  base::Status start();

  // driver_values.cpp
  base::Result<dmi::Value> value_of(const mapper::Point& point);
  base::Result<dmi::Value> known(const Visitor& visitor);
  base::Result<dmi::Value> image_value(Source source);
  base::Result<dmi::Value> counter(Source source) const;
  base::Result<dmi::Value> link_speed();
  base::Result<dmi::Value> link_share();
  base::Result<dmi::Value> frame_rate_asked();
  base::Result<dmi::Value> clock(Source source);
  std::string who_controls();

  // driver_write.cpp
  base::Status write_all(std::span<mapper::Command> batch);
  base::Status write_known(const Visitor& to, const dmi::Value& value);
  base::Status run_command(const std::string& property);
  base::Status trigger();
  base::Status save(const Visitor& to);

  const mapper::Target& target_;
  const mapper::Sink sink_;
  const Settings settings_;
  const std::vector<Visitor> visitors_;  // by point.index
  const std::shared_ptr<Station> station_;
  const std::shared_ptr<Door> door_ = std::make_shared<Door>();
  std::mutex mutex_;      // guards camera_'s features: HTTP's commands come on another thread
  bool streams_ = false;  // is to stream: settled
  // Set by the watch: every further question to the camera would take seconds.
  const std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
  base::Status no_stream_;  // why it does not, although it is to: the payload is too large
  ImagePtr image_;          // the one that is in the twin
  std::unique_ptr<Camera> camera_;
  Features features_;
};

// A feature's value as a value of the property's type. malformed: it cannot be one without loss.
base::Result<dmi::Value> converted(const dmi::Value& value, dmi::Type type);

}  // namespace gige
