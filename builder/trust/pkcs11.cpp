// Keys on tokens: PKCS#11 (OASIS, v2.40) by the modules that libp11-kit finds or a URI names (RFC 7512).
#include "minibuild/trust/pkcs11.h"

#include <dlfcn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "builder/trust/openssl.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {

using base::fail;

namespace {

constexpr size_t max_pin = 4096;
constexpr CK_ULONG max_attribute = 16384;
constexpr CK_ULONG max_slots = 1024;

// The functions of libp11-kit that are used; it is loaded when the first token is.
struct Library {
  decltype(&p11_kit_uri_new) uri_new;
  decltype(&p11_kit_uri_free) uri_free;
  decltype(&p11_kit_uri_parse) uri_parse;
  decltype(&p11_kit_uri_message) uri_message;
  decltype(&p11_kit_uri_any_unrecognized) uri_unrecognized;
  decltype(&p11_kit_uri_get_attributes) uri_attributes;
  decltype(&p11_kit_uri_get_module_path) uri_module_path;
  decltype(&p11_kit_uri_get_pin_value) uri_pin_value;
  decltype(&p11_kit_uri_get_pin_source) uri_pin_source;
  decltype(&p11_kit_uri_get_slot_id) uri_slot_id;
  decltype(&p11_kit_uri_match_module_info) match_module;
  decltype(&p11_kit_uri_match_slot_info) match_slot;
  decltype(&p11_kit_uri_match_token_info) match_token;
  decltype(&p11_kit_module_load) module_load;
  decltype(&p11_kit_module_initialize) module_initialize;
  decltype(&p11_kit_module_finalize) module_finalize;
  decltype(&p11_kit_module_release) module_release;
  decltype(&p11_kit_modules_load_and_initialize) modules_load;
  decltype(&p11_kit_modules_finalize_and_release) modules_release;
};

Library load() {
  void* handle = ::dlopen("libp11-kit.so.0", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    fail(
        "cannot use keys on tokens: libp11-kit.so.0 is not installed; on Debian: apt-get install "
        "libp11-kit0");
  Library library{};
  const auto find = [handle]<typename Function>(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(handle, name));
    if (function == nullptr) fail("cannot use keys on tokens: libp11-kit.so.0 has no {}", name);
  };
  find(library.uri_new, "p11_kit_uri_new");
  find(library.uri_free, "p11_kit_uri_free");
  find(library.uri_parse, "p11_kit_uri_parse");
  find(library.uri_message, "p11_kit_uri_message");
  find(library.uri_unrecognized, "p11_kit_uri_any_unrecognized");
  find(library.uri_attributes, "p11_kit_uri_get_attributes");
  find(library.uri_module_path, "p11_kit_uri_get_module_path");
  find(library.uri_pin_value, "p11_kit_uri_get_pin_value");
  find(library.uri_pin_source, "p11_kit_uri_get_pin_source");
  find(library.uri_slot_id, "p11_kit_uri_get_slot_id");
  find(library.match_module, "p11_kit_uri_match_module_info");
  find(library.match_slot, "p11_kit_uri_match_slot_info");
  find(library.match_token, "p11_kit_uri_match_token_info");
  find(library.module_load, "p11_kit_module_load");
  find(library.module_initialize, "p11_kit_module_initialize");
  find(library.module_finalize, "p11_kit_module_finalize");
  find(library.module_release, "p11_kit_module_release");
  find(library.modules_load, "p11_kit_modules_load_and_initialize");
  find(library.modules_release, "p11_kit_modules_finalize_and_release");
  return library;
}

const Library& library() {
  static const Library loaded = load();
  return loaded;
}

// The URI without what is secret, for messages.
std::string without_secrets(const std::string& uri) { return uri.substr(0, uri.find('?')); }

class Uri {
 public:
  explicit Uri(const std::string& text) : uri_(library().uri_new()) {
    const int result = library().uri_parse(text.c_str(), P11_KIT_URI_FOR_ANY, uri_);
    const char* fault = nullptr;
    if (result != P11_KIT_URI_OK)
      fault = library().uri_message(result);
    else if (library().uri_unrecognized(uri_) != 0)
      fault = "it has attributes that are not known";
    if (fault == nullptr) return;
    const std::string cause = fault;
    library().uri_free(uri_);
    throw base::Error(base::Code::usage,
                      fmt::format("cannot read the key {}: {}", without_secrets(text), cause));
  }
  ~Uri() { library().uri_free(uri_); }
  Uri(const Uri&) = delete;
  Uri& operator=(const Uri&) = delete;
  Uri(Uri&&) = delete;
  Uri& operator=(Uri&&) = delete;
  P11KitUri* get() const { return uri_; }

  // The PIN that the URI says; nothing if it says none.
  std::optional<Secret> pin() const {
    if (const char* value = library().uri_pin_value(uri_)) return Secret(value);
    const char* source = library().uri_pin_source(uri_);
    if (source == nullptr) return std::nullopt;
    std::string path = source;
    if (path.starts_with("file:")) path.erase(0, 5);
    if (path.starts_with("//")) path.erase(0, path.find('/', 2));  // file://HOST/PATH: of this machine
    if (!path.starts_with('/')) fail("cannot read the PIN: its source is not the path of a file");
    const Secret text(base::read_file(path, max_pin));
    return Secret(base::trim(text.bytes));
  }

 private:
  P11KitUri* uri_;
};

// The modules that a URI speaks of, ready for use.
class Modules {
 public:
  explicit Modules(const Uri& uri) {
    if (const char* path = library().uri_module_path(uri.get())) {
      single_ = library().module_load(path, 0);
      if (single_ == nullptr) fail("the module {} cannot be loaded", path);
      if (const CK_RV result = library().module_initialize(single_); result != CKR_OK) {
        library().module_release(single_);
        fail("the module {} does not start (error 0x{:x})", path, result);
      }
      all_.push_back(single_);
      return;
    }
    list_ = library().modules_load(0);
    for (CK_FUNCTION_LIST** one = list_; one != nullptr && *one != nullptr; ++one) {
      CK_INFO info{};
      if ((*one)->C_GetInfo(&info) == CKR_OK && library().match_module(uri.get(), &info) == 1)
        all_.push_back(*one);
    }
  }
  ~Modules() {
    if (single_ != nullptr) {
      library().module_finalize(single_);
      library().module_release(single_);
    }
    if (list_ != nullptr) library().modules_release(list_);
  }
  Modules(const Modules&) = delete;
  Modules& operator=(const Modules&) = delete;
  Modules(Modules&&) = delete;
  Modules& operator=(Modules&&) = delete;
  const std::vector<CK_FUNCTION_LIST*>& all() const { return all_; }

 private:
  CK_FUNCTION_LIST* single_ = nullptr;
  CK_FUNCTION_LIST** list_ = nullptr;
  std::vector<CK_FUNCTION_LIST*> all_;
};

void check(CK_RV result, const char* action) {
  if (result == CKR_OK) return;
  if (result == CKR_PIN_INCORRECT || result == CKR_PIN_INVALID || result == CKR_PIN_LEN_RANGE)
    fail("the PIN is wrong");
  if (result == CKR_PIN_LOCKED) fail("the PIN is locked after too many wrong ones");
  if (result == CKR_USER_PIN_NOT_INITIALIZED) fail("the token has no PIN yet");
  fail("the token does not {} (error 0x{:x})", action, result);
}

// An open token.
class Session {
 public:
  Session(CK_FUNCTION_LIST* module, CK_SLOT_ID slot) : module_(module) {
    check(module_->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session_), "open");
  }
  Session(Session&& other) noexcept
      : module_(other.module_), session_(std::exchange(other.session_, CK_INVALID_HANDLE)) {}
  Session& operator=(Session&&) = delete;
  ~Session() {
    if (session_ != CK_INVALID_HANDLE) module_->C_CloseSession(session_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void log_in(CK_USER_TYPE user, std::string_view pin) const {
    std::string copy(pin);
    const CK_RV result = module_->C_Login(session_, user, bytes_of(copy), copy.size());
    ::OPENSSL_cleanse(copy.data(), copy.size());
    if (result != CKR_USER_ALREADY_LOGGED_IN) check(result, "let us in");
  }

  std::vector<CK_OBJECT_HANDLE> find(std::vector<CK_ATTRIBUTE> wanted) const {
    check(module_->C_FindObjectsInit(session_, wanted.data(), wanted.size()), "search");
    std::array<CK_OBJECT_HANDLE, 2> found{};
    CK_ULONG count = 0;
    const CK_RV result = module_->C_FindObjects(session_, found.data(), found.size(), &count);
    module_->C_FindObjectsFinal(session_);
    check(result, "search");
    return {found.begin(), found.begin() + static_cast<std::ptrdiff_t>(std::min<CK_ULONG>(count, 2))};
  }

  // The bytes of an attribute; empty if the object does not have it.
  std::string attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const {
    CK_ATTRIBUTE wanted{type, nullptr, 0};
    if (module_->C_GetAttributeValue(session_, object, &wanted, 1) != CKR_OK ||
        wanted.ulValueLen > max_attribute)  // what is not available is above it, too
      return "";
    std::string bytes(wanted.ulValueLen, '\0');
    wanted.pValue = bytes.data();
    if (module_->C_GetAttributeValue(session_, object, &wanted, 1) != CKR_OK) return "";
    bytes.resize(std::min<size_t>(bytes.size(), wanted.ulValueLen));
    return bytes;
  }

  std::string sign(CK_OBJECT_HANDLE key, CK_MECHANISM mechanism, std::string data,
                   const std::optional<Secret>& pin) const {
    check(module_->C_SignInit(session_, &mechanism, key), "sign so");
    // A key that wants its PIN for each signature.
    const std::string always = attribute(key, CKA_ALWAYS_AUTHENTICATE);
    if (always.size() == 1 && always[0] != 0 && pin) log_in(CKU_CONTEXT_SPECIFIC, pin->bytes);
    std::string signature(max_attribute, '\0');
    CK_ULONG size = signature.size();
    check(module_->C_Sign(session_, bytes_of(data), data.size(), bytes_of(signature), &size), "sign");
    signature.resize(std::min<size_t>(signature.size(), size));
    return signature;
  }

 private:
  CK_FUNCTION_LIST* module_;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
};

// One value in DER (X.690).
std::string der(unsigned char tag, const std::string& content) {
  std::string length;
  for (size_t rest = content.size(); rest > 0; rest >>= 8U)
    length.insert(length.begin(), static_cast<char>(rest & 0xFFU));
  std::string out(1, static_cast<char>(tag));
  if (content.size() < 0x80)
    out += static_cast<char>(content.size());
  else
    out += static_cast<char>(0x80U | length.size()) + length;
  return out + content;
}

// A whole number of big-endian bytes.
std::string der_integer(std::string bytes) {
  bytes.erase(0, std::min(bytes.find_first_not_of('\0'), bytes.size()));
  if (bytes.empty() || static_cast<unsigned char>(bytes.front()) >= 0x80) bytes.insert(bytes.begin(), '\0');
  return der(0x02, bytes);
}

std::string public_key_info(const std::string& algorithm, const std::string& key) {
  return der(0x30, der(0x30, algorithm) + der(0x03, std::string(1, '\0') + key));
}

const std::string ec_public_key = der(0x06, std::string("\x2a\x86\x48\xce\x3d\x02\x01", 7));
const std::string rsa_encryption =
    der(0x06, std::string("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9)) + der(0x05, "");

// What an object says of the public key; nothing if it does not.
std::optional<std::string> described(const Session& session, CK_OBJECT_HANDLE object) {
  const std::string curve = session.attribute(object, CKA_EC_PARAMS);
  std::string point = session.attribute(object, CKA_EC_POINT);
  if (!curve.empty() && !point.empty()) {
    // An OCTET STRING around the point; some tokens leave it off.
    if (point[0] == 0x04 && point.size() > 2) {
      const size_t header = static_cast<unsigned char>(point[1]) < 0x80 ? 2 : 3;
      if (point.size() > header && der(0x04, point.substr(header)) == point) point.erase(0, header);
    }
    return public_key_info(ec_public_key + curve, point);
  }
  const std::string modulus = session.attribute(object, CKA_MODULUS);
  const std::string exponent = session.attribute(object, CKA_PUBLIC_EXPONENT);
  if (modulus.empty() || exponent.empty()) return std::nullopt;
  return public_key_info(rsa_encryption, der(0x30, der_integer(modulus) + der_integer(exponent)));
}

// What a URI says of the object it means, for objects of a class.
struct Wanted {
  Wanted(const Uri& uri, CK_OBJECT_CLASS kind) : class_(kind) {
    attributes.push_back({CKA_CLASS, &class_, sizeof class_});
    CK_ULONG count = 0;
    const CK_ATTRIBUTE* said = library().uri_attributes(uri.get(), &count);
    for (CK_ULONG i = 0; i < count; ++i)
      if (said[i].type != CKA_CLASS) attributes.push_back(said[i]);
  }
  Wanted(const Wanted&) = delete;
  Wanted& operator=(const Wanted&) = delete;
  std::vector<CK_ATTRIBUTE> attributes;

 private:
  CK_OBJECT_CLASS class_;
};

struct Place {
  CK_FUNCTION_LIST* module = nullptr;
  CK_SLOT_ID slot = 0;
  bool wants_login = false;
};

std::vector<Place> tokens(const Uri& uri, const Modules& modules) {
  std::vector<Place> found;
  const CK_SLOT_ID only = library().uri_slot_id(uri.get());
  for (CK_FUNCTION_LIST* module : modules.all()) {
    CK_ULONG count = 0;
    if (module->C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_OK || count > max_slots) continue;
    std::vector<CK_SLOT_ID> slots(count);
    if (count == 0 || module->C_GetSlotList(CK_TRUE, slots.data(), &count) != CKR_OK) continue;
    slots.resize(std::min<size_t>(slots.size(), count));
    for (const CK_SLOT_ID slot : slots) {
      CK_SLOT_INFO slot_info{};
      CK_TOKEN_INFO token{};
      if (only != static_cast<CK_SLOT_ID>(-1) && slot != only) continue;
      if (module->C_GetSlotInfo(slot, &slot_info) == CKR_OK &&
          library().match_slot(uri.get(), &slot_info) == 1 &&
          module->C_GetTokenInfo(slot, &token) == CKR_OK && library().match_token(uri.get(), &token) == 1 &&
          (token.flags & CKF_TOKEN_INITIALIZED) != 0)
        found.push_back({module, slot, (token.flags & CKF_LOGIN_REQUIRED) != 0});
    }
  }
  return found;
}

// The digest, with PKCS#1's name of its algorithm before it if `named` (RFC 8017, 9.2, note 1).
std::string hashed(std::string_view bytes, const EVP_MD* digest, bool named) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  if (::EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, digest, nullptr) != 1)
    fail("OpenSSL refuses");
  const std::string hash(reinterpret_cast<const char*>(out.data()), size);
  if (!named) return hash;
  const std::string sha256 =
      der(0x06, std::string("\x60\x86\x48\x01\x65\x03\x04\x02\x01", 9)) + der(0x05, "");
  return der(0x30, der(0x30, sha256) + der(0x04, hash));
}

std::string der_signature(const std::string& raw) {
  if (raw.empty() || raw.size() % 2 != 0) fail("the token gives no ECDSA signature");
  const size_t half = raw.size() / 2;
  return der(0x30, der_integer(raw.substr(0, half)) + der_integer(raw.substr(half)));
}

class TokenSigner : public Signer {
 public:
  TokenSigner(std::string name, std::unique_ptr<Modules> modules, Session session, CK_OBJECT_HANDLE key,
              PublicKey public_key, std::optional<Secret> pin)
      : name_(std::move(name)),
        modules_(std::move(modules)),
        session_(std::move(session)),
        key_(key),
        public_(std::move(public_key)),
        pin_(std::move(pin)) {}

  const PublicKey& public_key() const override { return public_; }

  std::string sign(std::string_view bytes, Scheme scheme) const override {
    if (!suits(scheme, open_public_key(public_, name_).get()) || scheme == Scheme::ed25519)
      fail("cannot sign with {}: the key is not one for {}", name_, name_of(scheme));
    try {
      return made(bytes, scheme);
    } catch (const base::Error& error) {
      fail("cannot sign with {}: {}", name_, error.what());
    }
  }

 private:
  std::string made(std::string_view bytes, Scheme scheme) const {
    const EVP_MD* digest = digest_of(scheme);
    if (is_ecdsa(scheme))
      return der_signature(session_.sign(key_, {CKM_ECDSA, nullptr, 0}, hashed(bytes, digest, false), pin_));
    if (scheme == Scheme::rsa_pkcs1_sha256)
      return session_.sign(key_, {CKM_RSA_PKCS, nullptr, 0}, hashed(bytes, digest, true), pin_);
    CK_RSA_PKCS_PSS_PARAMS parameters{CKM_SHA256, CKG_MGF1_SHA256, 32};
    if (scheme == Scheme::rsa_pss_sha384) parameters = {CKM_SHA384, CKG_MGF1_SHA384, 48};
    if (scheme == Scheme::rsa_pss_sha512) parameters = {CKM_SHA512, CKG_MGF1_SHA512, 64};
    return session_.sign(key_, {CKM_RSA_PKCS_PSS, &parameters, sizeof parameters},
                         hashed(bytes, digest, false), pin_);
  }

  std::string name_;
  std::unique_ptr<Modules> modules_;  // outlives the session
  Session session_;
  CK_OBJECT_HANDLE key_;
  PublicKey public_;
  std::optional<Secret> pin_;
};

// The public key that belongs to a private one: beside it under the same id, or in what it says of itself.
std::optional<std::string> public_of(const Session& session, CK_OBJECT_HANDLE key) {
  if (auto found = described(session, key)) return found;
  std::string id = session.attribute(key, CKA_ID);
  CK_OBJECT_CLASS kind = CKO_PUBLIC_KEY;
  const auto beside = session.find({{CKA_CLASS, &kind, sizeof kind}, {CKA_ID, id.data(), id.size()}});
  if (id.empty() || beside.size() != 1) return std::nullopt;
  return described(session, beside.front());
}

PublicKey checked_public(const std::string& info, const std::string& name) {
  return public_half(open_public_key({info}, name).get(), name);
}

template <typename Task>
auto with_key_named(const std::string& name, Task task) {
  start_openssl();
  try {
    return task();
  } catch (const base::Error& error) {
    if (error.code() == base::Code::usage) throw;
    throw base::Error(error.code(), fmt::format("cannot use the key {}: {}", name, error.what()));
  }
}

}  // namespace

bool is_token_uri(std::string_view text) { return text.starts_with("pkcs11:"); }

bool has_pin(const std::string& uri) {
  const Uri parsed(uri);
  return library().uri_pin_value(parsed.get()) != nullptr ||
         library().uri_pin_source(parsed.get()) != nullptr;
}

std::unique_ptr<Signer> open_token_key(const std::string& uri, std::string_view pin) {
  const std::string name = without_secrets(uri);
  return with_key_named(name, [&]() -> std::unique_ptr<Signer> {
    const Uri parsed(uri);
    std::optional<Secret> secret = parsed.pin();
    if (!secret && !pin.empty()) secret.emplace(pin);
    auto modules = std::make_unique<Modules>(parsed);
    const Wanted wanted(parsed, CKO_PRIVATE_KEY);
    const std::vector<Place> places = tokens(parsed, *modules);
    if (places.empty()) fail("there is no such token");
    std::optional<std::pair<Session, CK_OBJECT_HANDLE>> chosen;
    for (const Place& place : places) {
      Session session(place.module, place.slot);
      if (place.wants_login && !secret) fail("the token wants a PIN, and none was given");
      if (place.wants_login) session.log_in(CKU_USER, secret->bytes);
      const auto keys = session.find(wanted.attributes);
      if (keys.empty()) continue;
      if (chosen || keys.size() > 1)
        fail("it names more than one key; say more, such as token, id and object");
      chosen.emplace(std::move(session), keys.front());
    }
    if (!chosen) fail("the token has no such private key");
    const auto info = public_of(chosen->first, chosen->second);
    if (!info) fail("the token does not show its public key");
    return std::make_unique<TokenSigner>(name, std::move(modules), std::move(chosen->first), chosen->second,
                                         checked_public(*info, name), std::move(secret));
  });
}

PublicKey read_token_key(const std::string& uri, std::string_view pin) {
  const std::string name = without_secrets(uri);
  const auto open = with_key_named(name, [&]() -> std::optional<PublicKey> {
    const Uri parsed(uri);
    const Modules modules(parsed);
    const Wanted wanted(parsed, CKO_PUBLIC_KEY);
    std::optional<std::string> info;
    for (const Place& place : tokens(parsed, modules)) {
      const Session session(place.module, place.slot);
      const auto keys = session.find(wanted.attributes);
      if (keys.empty()) continue;
      if (info || keys.size() > 1) fail("it names more than one key; say more, such as token, id and object");
      info = described(session, keys.front());
    }
    return info ? std::optional(checked_public(*info, name)) : std::nullopt;
  });
  return open ? *open : open_token_key(uri, pin)->public_key();
}

}  // namespace minibuild::trust
