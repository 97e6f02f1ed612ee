// Notation's signatures as they come from a registry, certificates and trust policies: no input crashes, and
// none is accepted that is not signed. An input's first letter says what the rest is:
//   E  an envelope, as it is        M  the manifest of a signature
//   S  the header and, after a line, the payload of an envelope, which is signed as it should be
//   C  certificates; what can be signed with them has to be good
//   P  a trust policy               N  a name that is trusted
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/notation.h"

namespace {

using namespace minibuild;

// Of openssl genpkey and openssl req -x509; they sign nothing else.
constexpr std::string_view key =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgNS+p6JuyhtmvCjcj\n"
    "QEBxTmerg2ZPcQXDTHtmWLnIjkmhRANCAATSN2E569BIAqm5xNdnSh0tAw//WE6+\n"
    "ZzEN9yjCpixS4wq1PLZvE+XjKwGNW2ZcKevN4Be5Fpr/QtbRyROtdt4R\n"
    "-----END PRIVATE KEY-----\n";
constexpr std::string_view certificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIB4TCCAYigAwIBAgIULoTXpsJrXEVUQ4ajtqCzjg4QAYUwCgYIKoZIzj0EAwIw\n"
    "PzELMAkGA1UEBhMCREUxDzANBgNVBAgMBkJlcmxpbjEQMA4GA1UECgwHRXhhbXBs\n"
    "ZTENMAsGA1UEAwwEZnV6ejAgFw0yNjExMjUxODM0MzlaGA8yMTI2MTEwMTE4MzQz\n"
    "OVowPzELMAkGA1UEBhMCREUxDzANBgNVBAgMBkJlcmxpbjEQMA4GA1UECgwHRXhh\n"
    "bXBsZTENMAsGA1UEAwwEZnV6ejBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNI3\n"
    "YTnr0EgCqbnE12dKHS0DD/9YTr5nMQ33KMKmLFLjCrU8tm8T5eMrAY1bZlwp683g\n"
    "F7kWmv9C1tHJE6123hGjYDBeMB0GA1UdDgQWBBQokkgAdM/IeRSSDwOH37uaZx8f\n"
    "ajAfBgNVHSMEGDAWgBQokkgAdM/IeRSSDwOH37uaZx8fajAMBgNVHRMBAf8EAjAA\n"
    "MA4GA1UdDwEB/wQEAwIHgDAKBggqhkjOPQQDAgNHADBEAiBMey4wd4DYyjYeq2CE\n"
    "+91p3EhuTJyPMHO/AY2uZdFlGgIgfAdQrklCAE8iBltMq3JnbGSuFdSk0mxyg8sD\n"
    "q2ebayk=\n"
    "-----END CERTIFICATE-----\n";
constexpr int64_t now = 1800000000;  // the certificate is valid then

struct Given {
  std::unique_ptr<trust::Signer> signer = trust::parse_private_key(key, "", "the key");
  trust::CertificateChain chain = trust::parse_certificates(certificate, "the certificate");
  oci::Descriptor target{std::string(oci::media_type::manifest), oci::digest_of("image"), 5, {}, {}};
  trust::NotationTrust trusted{chain, {"*"}, {}};
  std::string envelope = trust::notation_sign(*signer, chain, target, now, "fuzz");
};

// True if the task accepts its input.
template <typename Task>
bool accepts(Task task) {
  try {
    task();
    return true;
  } catch (const base::Error&) {
    return false;
  }
}

// The two numbers of a signature of P-256 in DER.
std::string numbers(const std::string& der) {
  std::string raw;
  size_t at = 2;
  for (int i = 0; i < 2; ++i) {
    const size_t size = static_cast<unsigned char>(der[at + 1]);
    std::string number = der.substr(at + 2, size);
    number = std::string(32, '\0') + number;
    raw += number.substr(number.size() - 32);
    at += 2 + size;
  }
  return raw;
}

// What is accepted has to name the image, and to say how it is signed.
void sign(const Given& given, std::string_view header, std::string_view payload) {
  oci::Json json = oci::Json::parse(given.envelope);
  const std::string protected_text = base::base64url(header);
  const std::string payload_text = base::base64url(payload);
  json["protected"] = protected_text;
  json["payload"] = payload_text;
  json["signature"] = base::base64url(
      numbers(given.signer->sign(protected_text + "." + payload_text, trust::Scheme::ecdsa_p256_sha256)));
  const std::string envelope = json.dump();
  if (!accepts([&] { trust::notation_verify(envelope, given.target, given.trusted, now); })) return;
  const bool escaped =
      header.find('\\') != std::string_view::npos || payload.find('\\') != std::string_view::npos;
  if (!escaped && (payload.find(oci::hex(given.target.digest)) == std::string_view::npos ||
                   header.find("ES256") == std::string_view::npos ||
                   header.find("notary.x509") == std::string_view::npos))
    std::abort();
}

void certify(const Given& given, std::string_view text) {
  std::string envelope;
  trust::NotationTrust trusted;
  trusted.checks.revocation = trust::Enforcement::skip;
  if (accepts([&] { trust::parse_roots(text, "it"); }) &&
      !accepts([&] { trust::parse_certificates(text, "it"); }))
    std::abort();
  const bool signs = accepts([&] {
    trusted.roots = trust::parse_certificates(text, "it");
    envelope = trust::notation_sign(*given.signer, trusted.roots, given.target, now, "fuzz");
  });
  if (signs) trust::notation_verify(envelope, given.target, trusted, now);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Given given;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'E': {
      // The kept inputs are signatures of another image.
      if (accepts([&] { trust::notation_verify(text, given.target, given.trusted, now); })) std::abort();
      break;
    }
    case 'M':
      accepts([&] { trust::notation_layer(text); });
      break;
    case 'S': {
      const size_t line = text.find('\n');
      if (line != std::string_view::npos) sign(given, text.substr(0, line), text.substr(line + 1));
      break;
    }
    case 'C':
      certify(given, text);
      break;
    case 'P':
      accepts([&] {
        const auto policy = trust::parse_trust_policy(text, "it");
        for (const trust::TrustStatement& statement : policy)
          if (statement.level != "skip" && statement.identities.empty()) std::abort();
        trust::statement_for(policy, "registry.example.com/a", "it");
      });
      break;
    case 'N': {
      trust::NotationTrust trusted = given.trusted;
      trusted.identities = {"x509.subject:" + std::string(text)};
      accepts([&] { trust::notation_verify(given.envelope, given.target, trusted, now); });
      break;
    }
    default:
      break;
  }
  return 0;
}
