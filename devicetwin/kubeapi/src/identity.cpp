#include "identity.hpp"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <memory>
#include <span>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace devicetwin::kube {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* thing) const {
    Free(thing);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;

constexpr long day_seconds = 24L * 3600;
constexpr long lifetime_seconds = 3650 * day_seconds;
// A node may run for months between starts, and only a start issues anew.
constexpr long renew_seconds = 365 * day_seconds;
// Clocks of edge nodes without a battery start behind: a fresh certificate must not lie ahead.
constexpr long backdate_seconds = day_seconds;

Status openssl_failed(std::string_view what) {
  char text[256] = "no reason given";
  if (const unsigned long error = ERR_get_error()) ERR_error_string_n(error, text, sizeof text);
  return Status(Code::internal, cat("cannot make ", what, ": ", text));
}

template <class Write>
std::string to_pem(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || write(bio.get()) != 1) return "";
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : "";
}

std::string to_pem(X509* certificate) {
  return to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

Certificate read_certificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

Key read_key(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

bool is_ip(const std::string& address) {
  ASN1_OCTET_STRING* octets = a2i_IPADDRESS(address.c_str());
  ASN1_OCTET_STRING_free(octets);
  return octets != nullptr;
}

std::string host_name() {
  char name[256] = "";
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::string alternative_names(const std::string& address) {
  std::string names = "IP:127.0.0.1,IP:::1,DNS:localhost";
  const std::string host = host_name();
  // Only what cannot break the list: a host's name may be anything.
  if (!host.empty() && host != "localhost" &&
      host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
          host.npos) {
    names += cat(",DNS:", host);
  }
  if (is_ip(address) && address != "127.0.0.1" && address != "::1") names += cat(",IP:", address);
  return names;
}

bool add_extension(X509* certificate, X509* issuer, int which, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, which, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool set_serial(X509* certificate) {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  bytes[0] &= 0x7f;  // positive, RFC 5280 §4.1.2.2
  const std::unique_ptr<BIGNUM, Freer<BN_free>> number(BN_bin2bn(bytes, sizeof bytes, nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

// Unsigned: who signs adds the extensions first.
Certificate blank_certificate(const std::string& name, EVP_PKEY* key, std::time_t now) {
  Certificate certificate(X509_new());
  if (!certificate || X509_set_version(certificate.get(), 2) != 1) return nullptr;
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
  std::time_t at = now;
  const bool done =
      set_serial(certificate.get()) &&
      X509_time_adj_ex(X509_getm_notBefore(certificate.get()), 0, -backdate_seconds, &at) &&
      X509_time_adj_ex(X509_getm_notAfter(certificate.get()), 0, lifetime_seconds, &at) &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, -1, -1, 0) == 1 &&
      X509_set_pubkey(certificate.get(), key) == 1;
  return done ? std::move(certificate) : nullptr;
}

bool sign(X509* certificate, X509* issuer, EVP_PKEY* issuer_key) {
  return X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
         X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
}

Result<Identity> issue(const std::string& address, std::time_t now) {
  const Key ca_key(EVP_EC_gen("P-256"));
  const Key key(EVP_EC_gen("P-256"));
  if (!ca_key || !key) return openssl_failed("a key");
  const Certificate ca = blank_certificate("devicetwin-ca", ca_key.get(), now);
  if (!ca || !add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE") ||
      !add_extension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(ca.get(), ca.get(), NID_subject_key_identifier, "hash") ||
      !sign(ca.get(), ca.get(), ca_key.get())) {
    return openssl_failed("the authority's certificate");
  }
  const Certificate server = blank_certificate("devicetwin", key.get(), now);
  if (!server ||
      !add_extension(server.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(server.get(), ca.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(server.get(), ca.get(), NID_ext_key_usage, "serverAuth") ||
      !add_extension(server.get(), ca.get(), NID_authority_key_identifier, "keyid") ||
      !add_extension(server.get(), ca.get(), NID_subject_alt_name, alternative_names(address)) ||
      !sign(server.get(), ca.get(), ca_key.get())) {
    return openssl_failed("the server's certificate");
  }
  Identity identity;
  identity.ca_pem = to_pem(ca.get());
  identity.certificate_pem = to_pem(server.get());
  identity.key_pem = to_pem([&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  if (identity.ca_pem.empty() || identity.certificate_pem.empty() || identity.key_pem.empty()) {
    return openssl_failed("the PEM files");
  }
  return identity;
}

bool lasts(X509* certificate, std::time_t now) {
  std::time_t later = now + renew_seconds;
  return X509_cmp_time(X509_get0_notAfter(certificate), &later) > 0 &&
         X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0;
}

// "" when the stored certificate can be used, else why not.
std::string_view objection(const Identity& stored, const std::string& address, std::time_t now) {
  const Certificate ca = read_certificate(stored.ca_pem);
  const Certificate server = read_certificate(stored.certificate_pem);
  const Key key = read_key(stored.key_pem);
  ERR_clear_error();
  if (!ca || !server || !key) return "absent or not readable";
  if (X509_check_private_key(server.get(), key.get()) != 1) return "not of this key";
  if (X509_verify(server.get(), X509_get0_pubkey(ca.get())) != 1) return "not of this authority";
  if (!lasts(ca.get(), now) || !lasts(server.get(), now)) return "over within a year";
  if (X509_check_ip_asc(server.get(), is_ip(address) ? address.c_str() : "127.0.0.1", 0) != 1) {
    return "for another address";
  }
  return "";
}

// Absent is "": it will be made.
std::string read_or_empty(const std::filesystem::path& path) {
  auto text = base::read_file(path, 64u << 10);
  return text ? std::move(*text) : "";
}

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

std::string base64(const std::string& text) {
  return base::base64(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

}  // namespace

bool Identity::accepts(std::string_view authorization_header) const {
  constexpr std::string_view scheme = "bearer ";
  if (authorization_header.size() != scheme.size() + token.size() || token.empty()) return false;
  if (base::lower(authorization_header.substr(0, scheme.size())) != scheme) return false;
  return CRYPTO_memcmp(authorization_header.data() + scheme.size(), token.data(), token.size()) ==
         0;
}

Result<Identity> load_identity(const std::filesystem::path& folder, const std::string& address,
                               base::Time now) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Status(Code::unavailable, cat(folder.string(), ": cannot create: ", error.message()));
  }
  Identity identity;
  identity.ca_pem = read_or_empty(folder / "ca.crt");
  identity.certificate_pem = read_or_empty(folder / "server.crt");
  identity.key_pem = read_or_empty(folder / "server.key");
  identity.token = trimmed(read_or_empty(folder / "token"));

  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  if (const auto why = objection(identity, address, seconds); !why.empty()) {
    auto issued = issue(address, seconds);
    if (!issued) return issued.status();
    base::log_info(cat("kubeapi: made a new certificate in ", folder.string(), " (the old one was ",
                       why, ")"));
    issued->token = std::move(identity.token);
    identity = std::move(*issued);
    // The key first: after a crash in between, the three do not fit and are made again.
    if (Status s = base::write_file(folder / "server.key", identity.key_pem, 0600); !s.ok())
      return s;
    if (Status s = base::write_file(folder / "server.crt", identity.certificate_pem); !s.ok()) {
      return s;
    }
    if (Status s = base::write_file(folder / "ca.crt", identity.ca_pem); !s.ok()) return s;
  }
  // 32 characters are 128 bits of hex: what is shorter was cut off.
  if (identity.token.size() < 32) {
    identity.token = base::random_hex(32);
    if (Status s = base::write_file(folder / "token", identity.token + "\n", 0600); !s.ok())
      return s;
  }
  return identity;
}

Status write_kubeconfig(const std::filesystem::path& folder, const Identity& identity,
                        const std::string& address, std::uint16_t port) {
  std::string host = address;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != host.npos) host = cat('[', host, ']');
  const std::string text = cat(
      "apiVersion: v1\nkind: Config\nclusters:\n- name: devicetwin\n  cluster:\n    server: "
      "https://",
      host, ':', port, "\n    certificate-authority-data: ", base64(identity.ca_pem),
      "\nusers:\n- name: devicetwin\n  user:\n    token: ", identity.token,
      "\ncontexts:\n- name: devicetwin\n  context:\n    cluster: devicetwin\n    user: devicetwin\n"
      "    namespace: default\ncurrent-context: devicetwin\n");
  const auto path = folder / "kubeconfig";
  if (read_or_empty(path) == text) return Status();
  return base::write_file(path, text, 0600);
}

}  // namespace devicetwin::kube
