// OpenSSL's older interface, as for SHA-256: EVP would look the algorithm up each time.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "minibuild/base/sha512.h"

#include <openssl/sha.h>

namespace minibuild::base {

struct Sha512::State {
  SHA512_CTX context{};
};

Sha512::Sha512() : state_(std::make_unique<State>()) { SHA512_Init(&state_->context); }
Sha512::~Sha512() = default;
Sha512::Sha512(Sha512&&) noexcept = default;
Sha512& Sha512::operator=(Sha512&&) noexcept = default;

void Sha512::update(std::string_view bytes) { SHA512_Update(&state_->context, bytes.data(), bytes.size()); }

std::array<uint8_t, 64> Sha512::finish() const {
  SHA512_CTX copy = state_->context;
  std::array<uint8_t, 64> hash{};
  SHA512_Final(hash.data(), &copy);
  return hash;
}

}  // namespace minibuild::base
