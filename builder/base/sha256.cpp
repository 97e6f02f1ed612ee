// OpenSSL's EVP interface cannot give out a running state, so the older one is used: same code underneath.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "minibuild/base/sha256.h"

#include <openssl/sha.h>

#include <cstring>

namespace minibuild::base {

namespace {

template <typename T>
SHA256_CTX* context(T& state) {
  static_assert(sizeof(T) == sizeof(SHA256_CTX));
  return reinterpret_cast<SHA256_CTX*>(&state);
}

void put32(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

uint32_t get32(std::string_view in, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8U | static_cast<uint8_t>(in[at + i]);
  return value;
}

}  // namespace

Sha256::Sha256() : state_{} { SHA256_Init(context(state_)); }

Sha256& Sha256::update(std::string_view bytes) {
  SHA256_Update(context(state_), bytes.data(), bytes.size());
  return *this;
}

Hash Sha256::finish() const {
  State copy = state_;
  Hash hash;
  SHA256_Final(hash.data(), context(copy));
  return hash;
}

uint64_t Sha256::size() const { return (uint64_t{state_.high} << 32U | state_.low) / 8; }

std::string Sha256::save() const {
  std::string out;
  out.reserve(40 + state_.num);
  for (const uint32_t word : state_.h) put32(out, word);
  put32(out, state_.high);
  put32(out, state_.low);
  out.append(reinterpret_cast<const char*>(state_.data.data()), state_.num);
  return out;
}

std::optional<Sha256> Sha256::restore(std::string_view saved) {
  if (saved.size() < 40 || saved.size() >= 40 + 64) return std::nullopt;
  Sha256 hash;
  for (size_t i = 0; i < 8; ++i) hash.state_.h[i] = get32(saved, 4 * i);
  hash.state_.high = get32(saved, 32);
  hash.state_.low = get32(saved, 36);
  hash.state_.num = static_cast<uint32_t>(saved.size() - 40);
  if (hash.size() % 64 != hash.state_.num) return std::nullopt;
  std::memcpy(hash.state_.data.data(), saved.data() + 40, saved.size() - 40);
  return hash;
}

Hash sha256(std::string_view bytes) { return Sha256().update(bytes).finish(); }

std::string to_hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out.push_back(digits[static_cast<uint8_t>(c) >> 4U]);
    out.push_back(digits[static_cast<uint8_t>(c) & 15U]);
  }
  return out;
}

std::string to_hex(const Hash& hash) { return to_hex(as_bytes(hash)); }

std::optional<Hash> hash_from_hex(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (text.size() != 64) return std::nullopt;
  Hash hash;
  for (size_t i = 0; i < 32; ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    hash[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return hash;
}

std::string_view as_bytes(const Hash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

}  // namespace minibuild::base
