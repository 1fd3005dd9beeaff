#include "base/post.hpp"

#include <curl/curl.h>
#include <dlfcn.h>

#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/access.hpp"
#include "base/text.hpp"

namespace base {

namespace {

constexpr long connect_ms = 5000;

std::size_t drop_body(char*, std::size_t size, std::size_t count, void*) { return size * count; }

int is_stopped(void* stopped, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const std::function<bool()>*>(stopped))() ? 1 : 0;
}

// libcurl's own functions.
struct Library {
  decltype(&curl_global_init) global_init = nullptr;
  decltype(&curl_easy_init) easy_init = nullptr;
  decltype(&curl_easy_setopt) setopt = nullptr;
  decltype(&curl_easy_perform) perform = nullptr;
  decltype(&curl_easy_getinfo) getinfo = nullptr;
  decltype(&curl_easy_strerror) strerror = nullptr;
  decltype(&curl_easy_cleanup) cleanup = nullptr;
  decltype(&curl_slist_append) append = nullptr;
  decltype(&curl_slist_free_all) free_all = nullptr;
  std::string missing;  // why it is of no use; "": it is complete

  Library() {
    void* const library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      missing = ::dlerror();
      return;
    }
    load(library, "curl_global_init", global_init);
    load(library, "curl_easy_init", easy_init);
    load(library, "curl_easy_setopt", setopt);
    load(library, "curl_easy_perform", perform);
    load(library, "curl_easy_getinfo", getinfo);
    load(library, "curl_easy_strerror", strerror);
    load(library, "curl_easy_cleanup", cleanup);
    load(library, "curl_slist_append", append);
    load(library, "curl_slist_free_all", free_all);
    if (missing.empty() && global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
      missing = "libcurl does not start";
    }
  }

 private:
  template <class Function>
  void load(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    if (function == nullptr) missing = cat("libcurl.so.4 has no ", name);
  }
};

const Library& library() {
  static const Library loaded;  // for the rest of the process
  return loaded;
}

// 408 and 429 say "later".
bool later(long status) { return status == 408 || status == 429 || status >= 500; }

// Statuses about the body or the headers that were sent (RFC 9110, RFC 6585).
bool never(long status) {
  constexpr long about_this_one[] = {400, 413, 414, 415, 422, 431};
  return std::ranges::find(about_this_one, status) != std::end(about_this_one);
}

}  // namespace

Status check_post_form(std::string_view url, const PostAccess& access, const PostNames& names) {
  const std::string start = lower(url.substr(0, 8));
  if (!start.starts_with("http://") && !start.starts_with("https://")) {
    return Status(Code::invalid, cat(url, " is neither http:// nor https://"));
  }
  Status status = check_both(names.certificate, access.certificate, names.key, access.key);
  if (status.ok()) {
    status = check_both(names.user, access.user, names.password, access.password_file);
  }
  return status;
}

Status check_post_files(const PostAccess& access, const PostNames& names) {
  Status status = check_file(names.ca, access.ca, Trust::file);
  if (status.ok()) status = check_file(names.certificate, access.certificate, Trust::file);
  if (status.ok()) status = check_file(names.key, access.key, Trust::secret);
  if (status.ok()) status = check_file(names.password, access.password_file, Trust::secret);
  return status;
}

struct Post::Handle {
  Handle(PostAccess wanted, std::function<bool()> asked)
      : access(std::move(wanted)), stopped(std::move(asked)) {
    if (library().missing.empty()) curl = library().easy_init();
  }
  ~Handle() {
    if (curl == nullptr) return;
    library().free_all(headers);
    library().cleanup(curl);
  }
  void set_access();
  Status set_password();
  void set_headers(const Headers& wanted) {
    library().free_all(headers);
    headers = nullptr;
    for (const auto& [name, value] : wanted) {
      headers = library().append(headers, cat(name, ": ", value).c_str());
    }
    headers = library().append(headers, "Expect:");  // no "100-continue": many ignore it for 1 s
    library().setopt(curl, CURLOPT_HTTPHEADER, headers);
  }

  const PostAccess access;
  const std::function<bool()> stopped;
  CURL* curl = nullptr;
  curl_slist* headers = nullptr;
  char error[CURL_ERROR_SIZE] = "";
};

void Post::Handle::set_access() {
  library().setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  library().setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!access.ca.empty()) library().setopt(curl, CURLOPT_CAINFO, access.ca.c_str());
  if (!access.certificate.empty()) {
    library().setopt(curl, CURLOPT_SSLCERT, access.certificate.c_str());
    library().setopt(curl, CURLOPT_SSLKEY, access.key.c_str());
  }
  if (!access.proxy.empty()) {
    library().setopt(curl, CURLOPT_PROXY, access.proxy == "none" ? "" : access.proxy.c_str());
  }
}

// Before each request: only whose the files are. What is in them libcurl reads when it connects.
Status Post::Handle::set_password() {
  for (const auto& [name, file, how] : {std::tuple("CA", &access.ca, Trust::file),
                                        {"certificate", &access.certificate, Trust::file},
                                        {"key", &access.key, Trust::secret}}) {
    const Status status = file->empty() ? Status() : trusted(*file, how);
    if (!status.ok()) return Status(status.code(), cat(name, ": ", status.text()));
  }
  if (access.user.empty()) return Status();
  const auto password = read_password(access.password_file);
  if (!password) {
    return Status(password.status().code(), cat("password file: ", password.status().text()));
  }
  library().setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
  library().setopt(curl, CURLOPT_USERNAME, access.user.c_str());
  library().setopt(curl, CURLOPT_PASSWORD, password->c_str());
  return Status();
}

Post::Post(PostAccess access, std::chrono::milliseconds whole, std::function<bool()> stopped)
    : handle_(std::make_unique<Handle>(std::move(access), std::move(stopped))) {
  CURL* const curl = handle_->curl;
  if (curl == nullptr) return;
  handle_->set_access();
  // Neither the setting nor a redirect may read a file or talk to another service.
  library().setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  library().setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  library().setopt(curl, CURLOPT_POST, 1L);
  library().setopt(curl, CURLOPT_WRITEFUNCTION, drop_body);
  library().setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
  library().setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(whole.count()));
  library().setopt(curl, CURLOPT_NOSIGNAL, 1L);
  library().setopt(curl, CURLOPT_ERRORBUFFER, handle_->error);
  library().setopt(curl, CURLOPT_XFERINFOFUNCTION, is_stopped);
  library().setopt(curl, CURLOPT_XFERINFODATA, &handle_->stopped);
  library().setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

Post::~Post() = default;

Status Post::send(const std::string& url, const Headers& headers, std::string_view body) {
  CURL* const curl = handle_->curl;
  if (curl == nullptr) return Status(Code::unavailable, library().missing);
  if (handle_->stopped()) return Status(Code::unavailable, cat(url, ": stopped"));
  if (const Status status = handle_->set_password(); !status.ok()) {
    return Status(Code::unavailable, cat(url, ": ", status.text()));
  }
  handle_->set_headers(headers);
  handle_->error[0] = '\0';
  library().setopt(curl, CURLOPT_URL, url.c_str());
  library().setopt(curl, CURLOPT_POSTFIELDS, body.data() == nullptr ? "" : body.data());
  library().setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  const CURLcode code = library().perform(curl);
  if (code != CURLE_OK) {
    const bool wrong_url = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
    const char* why = handle_->error[0] != '\0' ? handle_->error : library().strerror(code);
    return Status(wrong_url ? Code::invalid : Code::unavailable, cat(url, ": ", why));
  }
  long status = 0;
  library().getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 200 && status < 300) return Status();
  const Code why = later(status)   ? Code::unavailable
                   : never(status) ? Code::refused
                                   : Code::invalid;
  return Status(why, cat(url, " answers ", status));
}

}  // namespace base
