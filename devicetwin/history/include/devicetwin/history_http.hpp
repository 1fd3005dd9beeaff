// History over HTTP:
//   GET /history/v1/namespaces/NS/devices/NAME/properties/PROP?from=&to=&limit=&order=&continue=
// JSON as to_json() writes it, or CSV where Accept names text/csv. Confined to the loop.
#pragma once

#include <functional>
#include <string_view>

#include "base/http.hpp"
#include "devicetwin/history_reader.hpp"

namespace devicetwin {

inline constexpr std::string_view history_path = "/history/v1";

// invalid: the path or a parameter, with its name; out_of_range: the limit.
base::Result<HistoryQuery> parse_history_request(const base::http::Request& request);
// RFC 4180 with a head: time,value,type,status,reason,came.
std::string to_csv(const HistoryPage& page);

void get_history(HistoryReader& reader, const base::http::Request& request,
                 std::function<void(base::Result<base::http::Page>)> answer);

}  // namespace devicetwin
