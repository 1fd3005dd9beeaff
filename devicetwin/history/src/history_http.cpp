#include "devicetwin/history_http.hpp"

#include "base/text.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using base::http::Page;
using base::http::Request;

namespace {

constexpr const char* continue_header = "X-Continue";  // of a CSV page that is not the last

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out += '"';
}

// The property's name may hold slashes: it is the rest of the path.
bool read_path(std::string_view path, HistoryQuery& query) {
  const std::string start = cat(history_path, "/namespaces/");
  if (!path.starts_with(start)) return false;
  path.remove_prefix(start.size());
  const auto take = [&path](std::string_view word, std::string& out) {
    const std::size_t at = path.find(word);
    if (at == path.npos || at == 0 || path.substr(0, at).find('/') != path.npos) return false;
    out = path.substr(0, at);
    path.remove_prefix(at + word.size());
    return true;
  };
  if (!take("/devices/", query.device.space) || !take("/properties/", query.device.name)) {
    return false;
  }
  query.property = path;
  return !path.empty();
}

Status read_time(const Request& request, std::string_view key, std::optional<std::int64_t>& ms) {
  if (!request.has_parameter(key)) return Status();
  std::string text(request.parameter(key));
  // An offset's plus that was sent as it is has become a space.
  if (const std::size_t space = text.rfind(' '); space != text.npos) text[space] = '+';
  return read_history_time(key, text, ms);
}

Status check_parameters(const Request& request) {
  for (const auto& [key, unused] : request.query) {
    if (key == "from" || key == "to" || key == "limit" || key == "order" || key == "continue" ||
        key == "timeout") {  // kubectl's own
      continue;
    }
    return Status(Code::invalid, cat(base::is_utf8(key) ? base::cut(key, 40) : "parameter",
                                     ": not one of from, to, limit, order, continue"));
  }
  return Status();
}

}  // namespace

Result<HistoryQuery> parse_history_request(const Request& request) {
  HistoryQuery query;
  if (!read_path(request.path, query)) {
    return Status(Code::not_found, cat("the path is not ", history_path,
                                       "/namespaces/NAMESPACE/devices/NAME/properties/PROPERTY"));
  }
  if (Status wrong = check_parameters(request); !wrong.ok()) return wrong;
  if (Status wrong = read_time(request, "from", query.from_ms); !wrong.ok()) return wrong;
  if (Status wrong = read_time(request, "to", query.to_ms); !wrong.ok()) return wrong;
  if (Status wrong = read_history_order(request.parameter("order"), query.newest_first);
      !wrong.ok()) {
    return wrong;
  }
  query.token = request.parameter("continue");
  if (!request.has_parameter("limit")) return query;
  std::int64_t limit = 0;
  if (!base::parse_int(request.parameter("limit"), limit)) {
    return Status(Code::invalid, "limit: not a whole number");
  }
  if (Status wrong = check_history_limit(limit); !wrong.ok()) return wrong;
  query.limit = static_cast<std::size_t>(limit);
  return query;
}

std::string to_csv(const HistoryPage& page) {
  std::string text = "time,value,type,status,reason,came\r\n";
  for (const HistorySample& sample : page.samples) {
    text += cat(sample.time_ms, ',', quoted(sample.value), ',', quoted(sample.type), ',',
                base::name(sample.quality.code()), ',', quoted(sample.quality.text()), ',',
                sample.came_ms, "\r\n");
  }
  return text;
}

void get_history(HistoryReader& reader, const Request& request,
                 std::function<void(Result<Page>)> answer) {
  auto query = parse_history_request(request);
  if (!query) return answer(query.status());
  const bool csv = request.header("accept").find("text/csv") != std::string_view::npos;
  reader.query(std::move(*query), [csv, answer = std::move(answer)](Result<HistoryPage> page) {
    if (!page) return answer(page.status());
    if (!csv) return answer(Page{"application/json", to_json(*page)});
    Page text{"text/csv; charset=utf-8; header=present", to_csv(*page)};
    if (!page->token.empty()) text.headers.emplace_back(continue_header, page->token);
    answer(std::move(text));
  });
}

}  // namespace devicetwin
