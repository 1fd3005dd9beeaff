#include "connection.hpp"

namespace base::http {

Exchange::~Exchange() {
  // A handler that forgets to answer is a bug of ours, but not the client's to wait for.
  if (state_ == State::fresh) send(500, "text/plain", "the request was dropped\n", {});
  if (state_ == State::streaming) end();
}

void Exchange::send(int status, std::string_view content_type, std::string body, Headers headers) {
  if (state_ != State::fresh) return;
  state_ = State::done;
  closed_ = nullptr;
  const auto connection = connection_.lock();
  if (connection) connection->send(status, content_type, std::move(body), headers);
}

void Exchange::begin(int status, std::string_view content_type) {
  if (state_ != State::fresh) return;
  state_ = State::streaming;
  if (const auto connection = connection_.lock()) connection->begin(status, content_type);
}

bool Exchange::write(std::string chunk) {
  const auto connection = connection_.lock();
  return state_ == State::streaming && connection && connection->write(std::move(chunk));
}

std::size_t Exchange::backlog() const {
  const auto connection = connection_.lock();
  return connection ? connection->backlog() : 0;
}

void Exchange::end() {
  if (state_ != State::streaming) return;
  state_ = State::done;
  closed_ = nullptr;
  if (const auto connection = connection_.lock()) connection->end();
}

void Exchange::on_closed(std::function<void()> closed) {
  if (state_ != State::done) {
    closed_ = std::move(closed);
  } else if (connection_.expired() && !hub_->down) {
    hub_->loop.post(std::move(closed));
  }
}

}  // namespace base::http
