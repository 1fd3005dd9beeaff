#include "host.hpp"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"

namespace base::http {

namespace {

// "Box.example.:8090" → "box.example", "[::1]:8090" → "::1".
std::string name_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    return std::string(authority.substr(1, authority.find(']') - 1));
  }
  std::string name = lower(authority.substr(0, authority.rfind(':')));
  if (name.ends_with('.')) name.pop_back();
  return name;
}

bool is_address(const std::string& name) {
  in6_addr bytes{};
  return ::inet_pton(AF_INET, name.c_str(), &bytes) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), &bytes) == 1;
}

bool is_listed(const std::string& name, const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [&](const std::string& each) { return lower(each) == name; });
}

std::string own_name() {
  char name[256] = "";
  if (::gethostname(name, sizeof name - 1) != 0) return "";
  return lower(name);
}

}  // namespace

std::string host_objection(const Request& request, const Options& options) {
  for (const auto& [field, value] : request.headers) {
    if (field != "host" || value.empty()) continue;
    const std::string name = name_of(value);
    if (is_address(name) || name == "localhost" || is_listed(name, options.names)) continue;
    if (!name.empty() && name == own_name()) continue;
    return cat("this server is not known as \"", cut(name, 255),
               "\": ask for its IP address, localhost or the machine's name",
               options.names_flag.empty() ? "" : ", or start it with ", options.names_flag,
               options.names_flag.empty() ? "" : " " + std::string(cut(name, 255)));
  }
  return "";
}

bool is_cross_site(const Request& request, const std::vector<std::string>& names) {
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return false;
  const std::size_t scheme = origin.find("://");
  if (scheme == origin.npos) return true;  // "null"
  const std::string_view authority = origin.substr(scheme + 3);
  return lower(authority) != lower(request.header("host")) && !is_listed(name_of(authority), names);
}

}  // namespace base::http
