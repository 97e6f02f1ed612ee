#include "builder/trust/certificates.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {

using base::fail;

namespace {

constexpr size_t max_chain = 16;
constexpr int min_security_bits = 112;  // SHA-1 has fewer

std::string quoted(const X509* certificate) {
  return fmt::format("the certificate of '{}'", to_string(subject_of(certificate)));
}

std::string name_der(const X509_NAME* name) {
  const unsigned char* der = nullptr;
  size_t size = 0;
  if (::X509_NAME_get0_der(name, &der, &size) != 1) return "";
  return {reinterpret_cast<const char*>(der), size};
}

// True if the key of `issuer` signed `certificate`, and their names say so.
bool is_issued_by(const X509* certificate, const X509* issuer) {
  if (name_der(::X509_get_issuer_name(certificate)) != name_der(::X509_get_subject_name(issuer)))
    return false;
  // X509_verify does not change the certificate.
  const bool good = ::X509_verify(const_cast<X509*>(certificate), ::X509_get0_pubkey(issuer)) == 1;
  ::ERR_clear_error();
  return good;
}

int64_t seconds_of(const ASN1_TIME* time, const std::string& what) {
  std::tm fields{};
  if (::ASN1_TIME_to_tm(time, &fields) != 1) fail("{} has a malformed time", what);
  return ::timegm(&fields);
}

bool is_critical(const X509* certificate, int extension) {
  const int at = ::X509_get_ext_by_NID(certificate, extension, -1);
  return at >= 0 && ::X509_EXTENSION_get_critical(::X509_get_ext(certificate, at)) == 1;
}

bool has(const X509* certificate, int extension) {
  return ::X509_get_ext_by_NID(certificate, extension, -1) >= 0;
}

// OpenSSL reads the extensions when it is first asked for one, and notes them in the certificate.
uint32_t flags_of(const X509* certificate) {
  return ::X509_get_extension_flags(const_cast<X509*>(certificate));
}
uint32_t key_usage_of(const X509* certificate) {
  return ::X509_get_key_usage(const_cast<X509*>(certificate));
}

void check_key_usage(const X509* certificate, const std::string& what) {
  if (!has(certificate, NID_key_usage)) fail("{} has no keyUsage", what);
  if (!is_critical(certificate, NID_key_usage)) fail("{} has a keyUsage that is not critical", what);
}

// What holds for every certificate of a chain.
void check_any(const X509* certificate, const std::string& what) {
  if ((flags_of(certificate) & EXFLAG_INVALID) != 0) fail("{} has malformed extensions", what);
  key_of(certificate, what);
  int bits = 0;
  if (::X509_get_signature_info(const_cast<X509*>(certificate), nullptr, nullptr, &bits, nullptr) != 1 ||
      bits < min_security_bits)
    fail("{} is signed with a hash that is too weak, such as SHA-1", what);
  ::ERR_clear_error();
}

void check_signer(const X509* certificate) {
  const std::string what = quoted(certificate);
  check_any(certificate, what);
  if ((flags_of(certificate) & EXFLAG_CA) != 0)
    fail("{} is a CA's (basicConstraints has CA:true); a signer's must not be one", what);
  check_key_usage(certificate, what);
  const uint32_t usage = key_usage_of(certificate);
  if ((usage & KU_DIGITAL_SIGNATURE) == 0) fail("{} has a keyUsage without digitalSignature", what);
  if ((usage & ~(KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) != 0)
    fail("{} has a keyUsage for more than digitalSignature", what);
  if (!has(certificate, NID_ext_key_usage)) return;
  const uint32_t extended = ::X509_get_extended_key_usage(const_cast<X509*>(certificate));
  for (const auto& [bit, name] : {std::pair<uint32_t, const char*>{XKU_ANYEKU, "anyExtendedKeyUsage"},
                                  {XKU_SSL_SERVER, "serverAuth"},
                                  {XKU_SSL_CLIENT, "clientAuth"},
                                  {XKU_SMIME, "emailProtection"},
                                  {XKU_TIMESTAMP, "timeStamping"},
                                  {XKU_OCSP_SIGN, "OCSPSigning"}})
    if ((extended & bit) != 0)
      fail("{} has an extendedKeyUsage with {}; only such as codeSigning may be there", what, name);
}

// `below`: how many CAs stand between it and the signer.
void check_ca(const X509* certificate, size_t below) {
  const std::string what = quoted(certificate);
  check_any(certificate, what);
  if ((flags_of(certificate) & EXFLAG_CA) == 0 || !is_critical(certificate, NID_basic_constraints))
    fail("{} is no CA's (it has no critical basicConstraints with CA:true), but issued another", what);
  check_key_usage(certificate, what);
  if ((key_usage_of(certificate) & KU_KEY_CERT_SIGN) == 0)
    fail("{} has a keyUsage without keyCertSign, but issued another", what);
  const long length = ::X509_get_pathlen(const_cast<X509*>(certificate));
  if (length >= 0 && static_cast<size_t>(length) < below)
    fail("{} allows {} CAs below it, and there are {}", what, length, below);
}

}  // namespace

Certificate open_certificate(std::string_view der, const std::string& what) {
  start_openssl();
  const unsigned char* at = bytes_of(der);
  Certificate certificate(der.size() > max_der ? nullptr
                                               : ::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ::ERR_clear_error();
  if (!certificate || at != bytes_of(der) + der.size()) fail("{} is not a certificate", what);
  unsigned char* again = nullptr;
  const int size = ::i2d_X509(certificate.get(), &again);
  const bool same = size >= 0 && der == std::string_view(reinterpret_cast<const char*>(again), size);
  ::OPENSSL_free(again);
  ::ERR_clear_error();
  if (!same) fail("{} is not DER", what);
  return certificate;
}

std::vector<Certificate> open_chain(const CertificateChain& chain) {
  if (chain.empty()) fail("there is no certificate");
  if (chain.size() > max_chain) fail("there are {} certificates; want at most {}", chain.size(), max_chain);
  std::vector<Certificate> opened;
  for (size_t i = 0; i < chain.size(); ++i)
    opened.push_back(open_certificate(chain[i], fmt::format("certificate {}", i + 1)));
  return opened;
}

CertificateChain parse_certificates(std::string_view text, const std::string& what) {
  CertificateChain chain;
  if (text.find("-----BEGIN ") == std::string_view::npos) {
    chain.emplace_back(text);
  } else {
    for (const PemPart& part : parse_pem(text)) {
      if (part.label.ends_with("PRIVATE KEY"))
        fail("cannot read {}: it has a private key, and only certificates are wanted", what);
      if (part.label == "CERTIFICATE") chain.push_back(part.der.bytes);
    }
    if (chain.empty()) fail("cannot read {}: it has no CERTIFICATE in PEM", what);
  }
  for (size_t i = 0; i < chain.size(); ++i) {
    try {
      open_certificate(chain[i], chain.size() == 1 ? "it" : fmt::format("part {}", i + 1));
    } catch (const base::Error& error) {
      fail("cannot read {}: {}", what, error.what());
    }
  }
  return chain;
}

CertificateChain parse_roots(std::string_view text, const std::string& what) {
  CertificateChain roots = parse_certificates(text, what);
  for (const std::string& der : roots) {
    const Certificate root = open_certificate(der, what);
    if ((flags_of(root.get()) & EXFLAG_CA) == 0 && !is_issued_by(root.get(), root.get()))
      fail("cannot trust {}: {} is no CA's and does not sign itself; want the one at the end of its chain",
           what, quoted(root.get()));
  }
  return roots;
}

DistinguishedName subject_of(const X509* certificate) {
  return name_of(::X509_get_subject_name(certificate));
}

PublicKey key_of(const X509* certificate, const std::string& what) {
  EVP_PKEY* key = ::X509_get0_pubkey(certificate);
  ::ERR_clear_error();
  if (key == nullptr) fail("{} has no key that can be read", what);
  return public_half(key, "the key of " + what);
}

void check_chain(const std::vector<Certificate>& chain) {
  check_signer(chain.front().get());
  for (size_t i = 1; i < chain.size(); ++i) check_ca(chain[i].get(), i - 1);
  for (size_t i = 0; i + 1 < chain.size(); ++i) {
    if (is_issued_by(chain[i].get(), chain[i].get()))
      fail("{} signs itself, so it has to be the last of the chain", quoted(chain[i].get()));
    if (!is_issued_by(chain[i].get(), chain[i + 1].get()))
      fail("{} is not signed by the next of the chain, {}; want the signer's first and the root's last",
           quoted(chain[i].get()), quoted(chain[i + 1].get()));
  }
  if (!is_issued_by(chain.back().get(), chain.back().get()))
    fail("{} is the last of the chain and does not sign itself; want the root's there",
         quoted(chain.back().get()));
}

std::string validity_fault(const std::vector<Certificate>& chain, int64_t time) {
  for (const Certificate& certificate : chain) {
    const std::string what = quoted(certificate.get());
    const int64_t from = seconds_of(::X509_get0_notBefore(certificate.get()), what);
    const int64_t until = seconds_of(::X509_get0_notAfter(certificate.get()), what);
    if (time < from)
      return fmt::format("{} is valid from {}, and it is {}", what, base::format_time(from),
                         base::format_time(time));
    if (time > until)
      return fmt::format("{} expired {}, and it is {}", what, base::format_time(until),
                         base::format_time(time));
  }
  return "";
}

std::string revocation_place(const std::vector<Certificate>& chain) {
  for (const Certificate& certificate : chain) {
    const std::unique_ptr<AUTHORITY_INFO_ACCESS, Free<&::AUTHORITY_INFO_ACCESS_free>> access(
        static_cast<AUTHORITY_INFO_ACCESS*>(
            ::X509_get_ext_d2i(certificate.get(), NID_info_access, nullptr, nullptr)));
    bool ocsp = false;
    for (int i = 0; access && i < sk_ACCESS_DESCRIPTION_num(access.get()); ++i)
      ocsp = ocsp || ::OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(access.get(), i)->method) == NID_ad_OCSP;
    ::ERR_clear_error();
    if (ocsp || has(certificate.get(), NID_crl_distribution_points)) return quoted(certificate.get());
  }
  return "";
}

}  // namespace minibuild::trust
