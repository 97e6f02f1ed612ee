// Signatures as they come from a registry, and keys: no input crashes, and none is accepted that is not
// signed. An input's first letter says what the rest is:
//   B  a bundle        E  an envelope        S  a statement, which is signed as it should be
//   P  the payload of a classic signature, signed as it should be
//   M  a classic manifest that a signature is added to; its config follows after a line
//   K  a key
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/cosign.h"
#include "minibuild/trust/dsse.h"
#include "minibuild/trust/keys.h"

namespace {

using namespace minibuild;

// Of openssl genpkey; it signs nothing else.
constexpr std::string_view pem =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5u/aeyVi9zM31H0C\n"
    "nEJys6lP3sUTQIgQxupDty3yhMihRANCAASoRdTJCKQ33NoVMJFk+/kigDwLrbv3\n"
    "YQZLSKjTMfJFcvqIXmfQLNjiHfxR6UgXU2r0RW0l+aHOoC2N0Q2spxOa\n"
    "-----END PRIVATE KEY-----\n";

struct Keys {
  std::unique_ptr<trust::Signer> signer = trust::parse_private_key(pem, "", "the key");
  std::vector<trust::PublicKey> known{signer->public_key()};
  oci::Digest image = oci::digest_of("image");
  std::string type{trust::sign_predicate};
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

// A signature cannot be guessed: one that is accepted has to be that of the known key over a statement about
// the image, and no input can hold it unless the key was found.
void never(bool accepted) {
  if (accepted) std::abort();
}

void classic(const Keys& keys, std::string_view payload) {
  const std::string signature = keys.signer->sign(payload, trust::Scheme::ecdsa_p256_sha256);
  const bool accepted =
      accepts([&] { trust::verify_classic(payload, base::base64(signature), keys.image, keys.known); });
  if (accepted && payload.find(oci::hex(keys.image)) == std::string_view::npos &&
      payload.find('\\') == std::string_view::npos)
    std::abort();
}

void statement(const Keys& keys, const std::string& text) {
  const std::string bundle = trust::make_bundle(*keys.signer, text);
  const bool accepted = accepts([&] { trust::verify_bundle(bundle, keys.image, keys.type, keys.known); });
  if (accepted && text.find(oci::hex(keys.image)) == std::string::npos &&
      text.find('\\') == std::string::npos)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Keys keys;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'B':
      never(accepts([&] { trust::verify_bundle(text, keys.image, keys.type, keys.known); }));
      break;
    case 'E':
      never(accepts([&] { trust::verify_envelope(text, keys.image, keys.type, keys.known); }));
      break;
    case 'S':
      statement(keys, std::string(text));
      break;
    case 'P':
      classic(keys, text);
      break;
    case 'M': {
      const size_t line = text.find('\n');
      if (line == std::string_view::npos) break;
      accepts([&] {
        trust::classic_signature(
            *keys.signer, "registry.example.com/app", keys.image,
            trust::ClassicManifest{std::string(text.substr(0, line)), std::string(text.substr(line + 1))});
      });
      break;
    }
    case 'K':
      accepts([&] { trust::parse_public_key(text, "the key"); });
      // Deriving a key from a password takes its time; the parameters are read before that.
      if (text.find("ENCRYPTED") == std::string_view::npos)
        accepts([&] { trust::parse_private_key(text, "", "the key"); });
      break;
    default:
      break;
  }
  return 0;
}
