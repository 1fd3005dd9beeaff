// Those who watch one camera's MJPEG stream. Each gets the newest picture when he has taken the one
// before; whoever is slower than the camera skips pictures, and nobody waits for him. Loop.
#pragma once

#include <memory>
#include <vector>

#include "base/http.hpp"
#include "base/loop.hpp"
#include "gige/outlets.hpp"
#include "outlets/pace.hpp"

namespace gige {

class Viewers {
 public:
  static constexpr std::string_view content_type = "multipart/x-mixed-replace; boundary=frame";

  explicit Viewers(base::Loop& loop) : loop_(loop), retry_(loop) {}
  ~Viewers();  // ends the streams

  // every: at least so far apart; zero: every picture.
  void add(const std::shared_ptr<base::http::Response>& response, base::Duration every);
  void remove(const base::http::Response* response);
  // A newer picture, or the one that is there already for who has just come.
  void show(ImagePtr picture);

  std::size_t size() const { return viewers_.size(); }
  base::Duration fastest() const;  // the smallest `every`

 private:
  struct Viewer {
    std::shared_ptr<base::http::Response> response;
    Pace pace;
    std::uint64_t seen = 0;  // sequence
  };

  void deliver();
  // Whether the viewer is to be asked again soon, because the last picture is still on its way.
  bool is_behind(Viewer& viewer, base::SteadyTime now);

  base::Loop& loop_;
  base::Timer retry_;
  ImagePtr newest_;
  std::vector<Viewer> viewers_;
};

}  // namespace gige
