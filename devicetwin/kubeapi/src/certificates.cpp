#include "certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <memory>

#include "base/build.hpp"
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

Certificate read_certificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

Key read_key(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // An encrypted one counts as unreadable; without this OpenSSL asks at the terminal.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
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

// Clients' clocks may be behind.
constexpr long backdate_seconds = 24L * 3600;

std::time_t seconds_of(base::Time time) { return std::chrono::system_clock::to_time_t(time); }

// Unsigned: who signs adds the extensions first.
Certificate blank_certificate(const std::string& name, EVP_PKEY* key, std::chrono::days life,
                              base::Time now) {
  Certificate certificate(X509_new());
  if (!certificate || X509_set_version(certificate.get(), 2) != 1) return nullptr;
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
  std::time_t begin = seconds_of(base::build().date);
  std::time_t end = seconds_of(base::believed(now));
  const bool done =
      set_serial(certificate.get()) &&
      X509_time_adj_ex(X509_getm_notBefore(certificate.get()), 0, -backdate_seconds, &begin) &&
      X509_time_adj_ex(X509_getm_notAfter(certificate.get()), static_cast<int>(life.count()), 0,
                       &end) &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, -1, -1, 0) == 1 &&
      X509_set_pubkey(certificate.get(), key) == 1;
  return done ? std::move(certificate) : nullptr;
}

bool sign(X509* certificate, X509* issuer, EVP_PKEY* issuer_key) {
  return X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
         X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
}

Result<KeyPair> to_pair(X509* certificate, EVP_PKEY* key) {
  KeyPair pair;
  pair.certificate_pem = to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
  pair.key_pem = to_pem([&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
  if (pair.certificate_pem.empty() || pair.key_pem.empty()) return openssl_failed("a PEM text");
  return pair;
}

}  // namespace

Result<KeyPair> make_authority(const std::string& key_pem, base::Time now) {
  const Key key = key_pem.empty() ? Key(EVP_EC_gen("P-256")) : read_key(key_pem);
  if (!key && !key_pem.empty()) return Status(Code::malformed, "no private key");
  if (!key) return openssl_failed("a key");
  const Certificate made = blank_certificate("devicetwin-ca", key.get(), authority_life, now);
  if (!made || !add_extension(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE") ||
      !add_extension(made.get(), made.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(made.get(), made.get(), NID_subject_key_identifier, "hash") ||
      !sign(made.get(), made.get(), key.get())) {
    return openssl_failed("the authority's certificate");
  }
  return to_pair(made.get(), key.get());
}

Result<KeyPair> make_server(const KeyPair& authority, const std::string& key_pem,
                            const std::string& address, base::Time now) {
  const Certificate ca = read_certificate(authority.certificate_pem);
  const Key ca_key = read_key(authority.key_pem);
  if (!ca || !ca_key) return Status(Code::malformed, "no authority");
  Key key = read_key(key_pem);
  if (!key) key.reset(EVP_EC_gen("P-256"));
  ERR_clear_error();
  if (!key) return openssl_failed("a key");
  const Certificate made = blank_certificate("devicetwin", key.get(), server_life, now);
  if (!made || !add_extension(made.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(made.get(), ca.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(made.get(), ca.get(), NID_ext_key_usage, "serverAuth") ||
      !add_extension(made.get(), ca.get(), NID_authority_key_identifier, "keyid") ||
      !add_extension(made.get(), ca.get(), NID_subject_alt_name, alternative_names(address)) ||
      !sign(made.get(), ca.get(), ca_key.get())) {
    return openssl_failed("the server's certificate");
  }
  return to_pair(made.get(), key.get());
}

Lack lack_of(const KeyPair& authority, base::Time now) {
  const Certificate ca = read_certificate(authority.certificate_pem);
  const Key key = read_key(authority.key_pem);
  const bool fit = ca && key && X509_check_private_key(ca.get(), key.get()) == 1;
  ERR_clear_error();
  if (!ca) return Lack::certificate;
  std::time_t at = seconds_of(now);
  const bool over = X509_cmp_time(X509_get0_notAfter(ca.get()), &at) < 0;
  if (base::believable(now) && over) return Lack::time;
  return fit ? Lack::none : Lack::key;
}

std::string_view server_objection(const KeyPair& server) {
  const Certificate certificate = read_certificate(server.certificate_pem);
  const Key key = read_key(server.key_pem);
  ERR_clear_error();
  if (!certificate || !key) return "absent or not readable";
  if (X509_check_private_key(certificate.get(), key.get()) != 1) return "not of its key";
  return "";
}

std::string_view renewal_reason(const KeyPair& server, const std::string& authority_pem,
                                const std::string& address, base::Time now) {
  if (const auto unusable = server_objection(server); !unusable.empty()) return unusable;
  const Certificate ca = read_certificate(authority_pem);
  const Certificate own = read_certificate(server.certificate_pem);
  const bool of_it = ca && X509_verify(own.get(), X509_get0_pubkey(ca.get())) == 1;
  ERR_clear_error();
  if (!ca) return "of an authority that cannot be read";
  if (!of_it) return "not of this authority";
  if (X509_check_ip_asc(own.get(), is_ip(address) ? address.c_str() : "127.0.0.1", 0) != 1) {
    return "for another address";
  }
  if (!base::believable(now)) return "";
  std::time_t at = seconds_of(now);
  std::time_t later = seconds_of(now + renewal);
  if (X509_cmp_time(X509_get0_notAfter(own.get()), &later) < 0) return "over within eight weeks";
  if (X509_cmp_time(X509_get0_notBefore(own.get()), &at) > 0) return "not valid yet";
  return "";
}

bool is_certificate(const std::string& pem) {
  const bool is = read_certificate(pem) != nullptr;
  ERR_clear_error();
  return is;
}

std::string end_of(const std::string& certificate_pem) {
  const Certificate certificate = read_certificate(certificate_pem);
  ERR_clear_error();
  std::tm utc{};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &utc) != 1) return "";
  return base::to_rfc3339(std::chrono::system_clock::from_time_t(::timegm(&utc)));
}

}  // namespace devicetwin::kube
