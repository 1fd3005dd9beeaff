#include "post.hpp"

#include <curl/curl.h>
#include <dlfcn.h>

#include <algorithm>
#include <iterator>

#include "base/text.hpp"

namespace devicetwin::upload {

using base::cat;
using base::Code;
using base::Status;

namespace {

constexpr long connect_ms = 5000;

std::size_t drop_body(char*, std::size_t size, std::size_t count, void*) { return size * count; }

int is_stopped(void* stopped, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(stopped)->load() ? 1 : 0;
}

// libcurl's own functions, loaded when there is something to upload: with what it needs (GnuTLS,
// Kerberos, LDAP, …) it takes 3.4 MiB of memory, an eighth of an idle devicetwin, and few upload.
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

// Statuses about the body or the headers that were sent (RFC 9110, RFC 6585); others, 401, 403, 404
// among them, are somebody's settings, which are mended.
bool never(long status) {
  constexpr long about_this_one[] = {400, 413, 414, 415, 422, 431};
  return std::ranges::find(about_this_one, status) != std::end(about_this_one);
}

}  // namespace

std::string header_value(std::string_view text) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (c > ' ' && c < 0x7f && c != '%') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

struct Post::Handle {
  Handle() {
    if (library().missing.empty()) curl = library().easy_init();
  }
  ~Handle() {
    if (curl == nullptr) return;
    library().free_all(headers);
    library().cleanup(curl);
  }
  void set_headers(const Headers& wanted) {
    library().free_all(headers);
    headers = nullptr;
    for (const auto& [name, value] : wanted) {
      headers = library().append(headers, cat(name, ": ", value).c_str());
    }
    headers = library().append(headers, "Expect:");  // no "100-continue": many ignore it for 1 s
    library().setopt(curl, CURLOPT_HTTPHEADER, headers);
  }

  CURL* curl = nullptr;
  curl_slist* headers = nullptr;
  char error[CURL_ERROR_SIZE] = "";
};

Post::Post(std::string url, std::string ca, std::chrono::milliseconds timeout)
    : url_(std::move(url)),
      ca_(std::move(ca)),
      timeout_(timeout),
      handle_(std::make_unique<Handle>()) {
  CURL* const curl = handle_->curl;
  if (curl == nullptr) return;
  library().setopt(curl, CURLOPT_URL, url_.c_str());
  // Neither the setting nor a redirect may read a file or talk to another service.
  library().setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  library().setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  library().setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  library().setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!ca_.empty()) library().setopt(curl, CURLOPT_CAINFO, ca_.c_str());
  library().setopt(curl, CURLOPT_POST, 1L);
  library().setopt(curl, CURLOPT_WRITEFUNCTION, drop_body);
  library().setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
  library().setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_.count()));
  library().setopt(curl, CURLOPT_NOSIGNAL, 1L);
  library().setopt(curl, CURLOPT_ERRORBUFFER, handle_->error);
  library().setopt(curl, CURLOPT_XFERINFOFUNCTION, is_stopped);
  library().setopt(curl, CURLOPT_XFERINFODATA, &stopped_);
  library().setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

Post::~Post() = default;

Status Post::send(const Headers& headers, std::string_view body) {
  CURL* const curl = handle_->curl;
  if (curl == nullptr) return Status(Code::unavailable, library().missing);
  if (stopped_) return Status(Code::unavailable, cat(url_, ": stopped"));
  handle_->set_headers(headers);
  handle_->error[0] = '\0';
  library().setopt(curl, CURLOPT_POSTFIELDS, body.data() == nullptr ? "" : body.data());
  library().setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  const CURLcode code = library().perform(curl);
  if (code != CURLE_OK) {
    const char* why = handle_->error[0] != '\0' ? handle_->error : library().strerror(code);
    return Status(Code::unavailable, cat(url_, ": ", why));
  }
  long status = 0;
  library().getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 200 && status < 300) return Status();
  return Status(never(status) ? Code::refused : Code::unavailable, cat(url_, " answers ", status));
}

}  // namespace devicetwin::upload
