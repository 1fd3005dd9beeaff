// A core without a disk, and an HTTP answer that is looked at instead of sent.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/http.hpp"
#include "base/loop.hpp"
#include "devicetwin/core.hpp"
#include "devicetwin/journal.hpp"

namespace devicetwin::kube::test {

using devicetwin::test::MemoryJournal;

class Recorder : public base::http::Response {
 public:
  void send(int code, std::string_view type, std::string text, Headers with) override {
    status = code;
    content_type = type;
    body = std::move(text);
    headers = std::move(with);
  }
  void begin(int code, std::string_view type) override {
    status = code;
    content_type = type;
  }
  bool write(std::string chunk) override {
    if (full) return false;
    chunks.push_back(std::move(chunk));
    return true;
  }
  void end() override { ended = true; }
  void on_closed(std::function<void()> what) override { closed = std::move(what); }

  dmi::Json json() const { return dmi::Json::parse(body, nullptr, false); }
  // The events since the last call.
  std::vector<dmi::Json> events() {
    std::vector<dmi::Json> list;
    for (const std::string& chunk : chunks) list.push_back(dmi::Json::parse(chunk));
    chunks.clear();
    return list;
  }
  // "ADDED boiler", ... of the same.
  std::vector<std::string> told() {
    std::vector<std::string> list;
    for (const dmi::Json& event : events()) {
      list.push_back(event["type"].get<std::string>() + " " +
                     event["object"]["metadata"].value("name", ""));
    }
    return list;
  }

  int status = 0;
  std::string content_type;
  std::string body;
  Headers headers;
  std::vector<std::string> chunks;
  bool full = false;
  bool ended = false;
  std::function<void()> closed;
};

inline base::http::Request request(std::string method, std::string path, std::string body = "",
                                   std::string content_type = "application/json") {
  base::http::Request made;
  made.method = std::move(method);
  const std::size_t mark = path.find('?');
  made.path = path.substr(0, mark);
  for (std::size_t at = mark; at != path.npos;) {
    const std::size_t next = path.find('&', at + 1);
    const std::string pair = path.substr(at + 1, next == path.npos ? next : next - at - 1);
    const std::size_t equals = pair.find('=');
    made.query.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    at = next;
  }
  made.headers.emplace_back("content-type", std::move(content_type));
  made.body = std::move(body);
  return made;
}

}  // namespace devicetwin::kube::test
