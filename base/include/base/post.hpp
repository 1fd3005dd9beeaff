// HTTP POST, for whoever sends something to a URL: one client with all settings. libcurl is loaded
// when it is first used: with what it needs (GnuTLS, Kerberos, LDAP, …) it takes 3.4 MiB, an eighth
// of an idle devicetwin, and few send anything.
#pragma once

#include <chrono>
#include <compare>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.hpp"

namespace base {

struct PostAccess {
  std::string ca = {};           // PEM file of the CA that signed the server; "": the system's
  std::string certificate = {};  // PEM files of ours, for servers that want one; "": none
  std::string key = {};
  std::string user = {};           // HTTP Basic; "": none
  std::string password_file = {};  // its first line is the password, read for every request
  // URL of a proxy; "": as the environment says (https_proxy, no_proxy …); "none": none.
  std::string proxy = {};
  friend auto operator<=>(const PostAccess&, const PostAccess&) = default;
};

// What a person calls these settings, for texts.
struct PostNames {
  std::string_view ca = "--upload-ca";
  std::string_view certificate = "--upload-cert";
  std::string_view key = "--upload-key";
  std::string_view user = "--upload-user";
  std::string_view password = "--upload-password-file";
};

// invalid: the URL is neither http:// nor https://, or what is set does not fit together. Pure.
Status check_post_form(std::string_view url, const PostAccess& access, const PostNames& names);
// As trusted() of every file that is set.
Status check_post_files(const PostAccess& access, const PostNames& names);

// Requests on one connection that is kept alive. One thread at a time.
class Post {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  // whole: of one request, from connecting (5 s of it) to the end of the answer. stopped: asked
  // once a second and more often while a request runs; true ends it. Any thread it is made on.
  Post(PostAccess access, std::chrono::milliseconds whole, std::function<bool()> stopped);
  ~Post();
  Post(const Post&) = delete;

  // ok: the server answered 2xx. unavailable: it did not answer or asks to come later (408, 429,
  // 5xx), or a file of the access cannot be used now. refused: it will never take this body or
  // these headers (400, 413, 414, 415, 422, 431). invalid: somebody's settings are to be mended
  // (the URL is none, 401, 403, 404; 3xx, because redirects are not followed). The server's
  // certificate is verified.
  Status send(const std::string& url, const Headers& headers, std::string_view body);

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

}  // namespace base
