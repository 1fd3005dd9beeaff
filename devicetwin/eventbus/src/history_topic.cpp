#include "history_topic.hpp"

#include <set>

#include "base/text.hpp"
#include "inbound.hpp"
#include "payload.hpp"
#include "request.hpp"

namespace devicetwin::bus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Json;

namespace {

Status wrong(std::string_view key, std::string_view what) {
  return Status(Code::invalid, cat(key, ": ", what));
}

Status read_member(const Json& request, const char* key, std::string& out) {
  const auto found = request.find(key);
  if (found == request.end() || found->is_null()) return Status();
  if (!found->is_string()) return wrong(key, "not a text");
  out = found->get<std::string>();
  return Status();
}

Status read_time(const Json& request, const char* key, std::optional<std::int64_t>& ms) {
  const auto found = request.find(key);
  if (found == request.end() || found->is_null()) return Status();
  return read_history_time(
      key, found->is_string() ? found->get_ref<const std::string&>() : dmi::to_text(*found), ms);
}

Status read_limit(const Json& request, std::size_t& limit) {
  const auto found = request.find("limit");
  if (found == request.end() || found->is_null()) return Status();
  std::int64_t number = 0;
  if (!base::parse_int(dmi::to_text(*found), number)) return wrong("limit", "not a whole number");
  if (Status refused = check_history_limit(number); !refused.ok()) return refused;
  limit = static_cast<std::size_t>(number);
  return Status();
}

Status read_properties(const Json& json, HistoryRequest& request) {
  std::string one;
  if (Status bad = read_member(json, "property", one); !bad.ok()) return bad;
  if (!one.empty()) request.properties.push_back(one);
  const auto many = json.find("properties");
  if (many != json.end() && !many->is_null()) {
    if (!many->is_array()) return wrong("properties", "not a list of names");
    for (const Json& name : *many) {
      if (!name.is_string()) return wrong("properties", "not a list of names");
      if (request.properties.size() == HistoryRequest::max_properties) {
        return Status(Code::out_of_range,
                      cat("properties: more than ", HistoryRequest::max_properties,
                          "; ask for the others with another message"));
      }
      request.properties.push_back(name.get<std::string>());
    }
  }
  const std::set<std::string> names(request.properties.begin(), request.properties.end());
  request.properties.assign(names.begin(), names.end());
  if (names.empty()) return wrong("property", "missing; name the property, or properties");
  if (names.size() > 1 && !request.query.token.empty()) {
    return wrong("continue", "is for one property");
  }
  return Status();
}

Status read_all(const Json& json, HistoryRequest& request) {
  std::string order;
  HistoryQuery& query = request.query;
  for (const auto& [key, out] : {std::pair("continue", &query.token), std::pair("order", &order)}) {
    if (Status bad = read_member(json, key, *out); !bad.ok()) return bad;
  }
  if (Status bad = read_history_order(order, query.newest_first); !bad.ok()) return bad;
  if (Status bad = read_time(json, "from", query.from_ms); !bad.ok()) return bad;
  if (Status bad = read_time(json, "to", query.to_ms); !bad.ok()) return bad;
  if (Status bad = read_limit(json, query.limit); !bad.ok()) return bad;
  if (Status bad = read_properties(json, request); !bad.ok()) return bad;
  query.max_bytes = HistoryRequest::max_answer_bytes / request.properties.size();
  return Status();
}

int history_code(const Status& status) {
  switch (status.code()) {
    case Code::not_found:
      return 404;
    case Code::invalid:
      return 400;
    case Code::out_of_range:
      return 413;
    default:
      return 500;
  }
}

}  // namespace

HistoryRequest parse_history(std::string_view payload) {
  HistoryRequest request;
  if (payload.size() > Inbound::large_bytes) {
    request.status = Status(Code::invalid, cat("the payload has ", payload.size(), " bytes, above ",
                                               Inbound::large_bytes));
    return request;
  }
  const Request head = parse_get(payload, "history");
  request.event_id = head.event_id;
  request.status = head.status;
  if (!head.status.ok()) return request;
  request.status = read_all(dmi::parse_json(payload).value(), request);
  return request;
}

struct HistoryTopic::Answer {
  std::string topic;
  std::string event_id;
  std::vector<std::pair<std::string, Result<HistoryPage>>> pages;
  std::size_t left = 0;
};

void HistoryTopic::get(const Topic& topic, std::string_view payload) {
  HistoryRequest request = parse_history(payload);
  if (request.status.ok() && reader_ == nullptr) {
    request.status = Status(Code::not_found, "no history is kept here");
  }
  const auto answer = std::make_shared<Answer>();
  answer->topic = device_topic(topic.device, topic.bare, "/twin/history/get/result");
  answer->event_id = request.event_id;
  if (!request.status.ok()) {
    return publish_(answer->topic,
                    error_result(answer->event_id, now_ms(), history_code(request.status),
                                 request.status.text()));
  }
  for (const std::string& property : request.properties) {
    answer->pages.emplace_back(property, Status(Code::internal, "not answered"));
  }
  answer->left = answer->pages.size();
  for (std::size_t i = 0; i < answer->pages.size(); ++i) {
    HistoryQuery query = request.query;
    query.device = topic.device;
    query.property = answer->pages[i].first;
    reader_->query(std::move(query),
                   [this, life = std::weak_ptr(alive_), answer, i](Result<HistoryPage> page) {
                     if (life.expired()) return;
                     answer->pages[i].second = std::move(page);
                     if (--answer->left == 0) finish(*answer);
                   });
  }
}

void HistoryTopic::finish(const Answer& answer) {
  if (answer.pages.size() == 1 && !answer.pages.front().second.ok()) {
    const Status status = answer.pages.front().second.status();
    return publish_(answer.topic,
                    error_result(answer.event_id, now_ms(), history_code(status), status.text()));
  }
  std::string text = cat("{\"event_id\":", dmi::to_text(answer.event_id),
                         ",\"timestamp\":", now_ms(), ",\"history\":{");
  bool first = true;
  for (const auto& [name, page] : answer.pages) {
    text += cat(first ? "" : ",", dmi::to_text(name), ':');
    first = false;
    text += page.ok() ? to_json(*page)
                      : dmi::to_text({{"code", history_code(page.status())},
                                      {"reason", page.status().text()}});
  }
  publish_(answer.topic, text + "}}");
}

}  // namespace devicetwin::bus
