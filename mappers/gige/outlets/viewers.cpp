#include "outlets/viewers.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "outlets/image.hpp"

namespace gige {

using base::cat;

namespace {

// How soon a slow viewer is looked at again. The stream's own pictures come about as often.
constexpr auto look_again = std::chrono::milliseconds(20);
constexpr std::string_view boundary = "--frame\r\n";

// The boundary that ends a picture is sent with it: browsers show a part when they have seen its
// end, and the next picture may be a second away.
std::string part(const Image& image) {
  std::string text = cat("Content-Type: ", media_type(image.format),
                         "\r\nContent-Length: ", image.bytes.size(), "\r\n");
  for (const auto& [name, value] : headers(image.info)) text += cat(name, ": ", value, "\r\n");
  text += "\r\n";
  text.append(reinterpret_cast<const char*>(image.bytes.data()), image.bytes.size());
  text += "\r\n";
  text += boundary;
  return text;
}

}  // namespace

Viewers::~Viewers() {
  for (const Viewer& viewer : viewers_) viewer.response->end();
}

void Viewers::add(const std::shared_ptr<base::http::Response>& response, base::Duration every) {
  response->begin(200, content_type);
  response->write(std::string(boundary));
  viewers_.push_back({response, Pace(every)});
}

void Viewers::remove(const base::http::Response* response) {
  std::erase_if(viewers_, [&](const Viewer& each) { return each.response.get() == response; });
}

base::Duration Viewers::fastest() const {
  base::Duration fastest = base::Duration::max();
  for (const Viewer& each : viewers_) fastest = std::min(fastest, each.pace.every());
  return viewers_.empty() ? base::Duration::zero() : fastest;
}

void Viewers::show(ImagePtr picture) {
  if (!newest_ || picture->info.sequence > newest_->info.sequence) newest_ = std::move(picture);
  deliver();
}

void Viewers::deliver() {
  const base::SteadyTime now = loop_.now();
  bool behind = false;
  for (Viewer& viewer : viewers_) behind = is_behind(viewer, now) || behind;
  if (behind && !retry_.running()) retry_.start(look_again, [this] { deliver(); });
}

bool Viewers::is_behind(Viewer& viewer, base::SteadyTime now) {
  if (viewer.seen == newest_->info.sequence) return false;
  if (viewer.response->backlog() > 0) return true;
  if (!viewer.pace.due(now)) return false;
  viewer.seen = newest_->info.sequence;
  viewer.response->write(part(*newest_));  // false: he has left, and on_closed tells it
  return false;
}

}  // namespace gige
