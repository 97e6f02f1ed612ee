// Clear-signed documents, by librnp.
#include <dlfcn.h>
#include <fcntl.h>
#include <rnp/rnp.h>
#include <rnp/rnp_err.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/packages/deb.h"

namespace minibuild::packages {

using base::fail;

namespace {

// The functions of librnp that are used; it is loaded when the first signature is to be checked, since its
// own libraries would cost every start.
struct Library {
  decltype(&rnp_ffi_create) ffi_create;
  decltype(&rnp_ffi_destroy) ffi_destroy;
  decltype(&rnp_load_keys) load_keys;
  decltype(&rnp_input_from_memory) input_from_memory;
  decltype(&rnp_input_destroy) input_destroy;
  decltype(&rnp_output_to_memory) output_to_memory;
  decltype(&rnp_output_memory_get_buf) output_buffer;
  decltype(&rnp_output_destroy) output_destroy;
  decltype(&rnp_op_verify_create) verify_create;
  decltype(&rnp_op_verify_execute) verify_execute;
  decltype(&rnp_op_verify_destroy) verify_destroy;
  decltype(&rnp_op_verify_get_signature_count) signature_count;
  decltype(&rnp_op_verify_get_signature_at) signature_at;
  decltype(&rnp_op_verify_signature_get_status) signature_status;
};

Library load() {
  void* handle = ::dlopen("librnp.so.0", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    fail("cannot check signatures: librnp.so.0 is not installed; on Debian: apt-get install librnp0");
  Library library{};
  const auto find = [handle]<typename Function>(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(handle, name));
    if (function == nullptr) fail("cannot check signatures: librnp.so.0 has no {}", name);
  };
  find(library.ffi_create, "rnp_ffi_create");
  find(library.ffi_destroy, "rnp_ffi_destroy");
  find(library.load_keys, "rnp_load_keys");
  find(library.input_from_memory, "rnp_input_from_memory");
  find(library.input_destroy, "rnp_input_destroy");
  find(library.output_to_memory, "rnp_output_to_memory");
  find(library.output_buffer, "rnp_output_memory_get_buf");
  find(library.output_destroy, "rnp_output_destroy");
  find(library.verify_create, "rnp_op_verify_create");
  find(library.verify_execute, "rnp_op_verify_execute");
  find(library.verify_destroy, "rnp_op_verify_destroy");
  find(library.signature_count, "rnp_op_verify_get_signature_count");
  find(library.signature_at, "rnp_op_verify_get_signature_at");
  find(library.signature_status, "rnp_op_verify_signature_get_status");
  return library;
}

// librnp writes to the standard error whatever it is told: for a moment that leads nowhere.
class Silence {
 public:
  Silence()
      : nowhere_(::open("/dev/null", O_WRONLY | O_CLOEXEC)),
        before_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    std::fflush(stderr);
    if (nowhere_ && before_) ::dup2(nowhere_.get(), STDERR_FILENO);
  }
  ~Silence() {
    std::fflush(stderr);
    if (nowhere_ && before_) ::dup2(before_.get(), STDERR_FILENO);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  Silence(Silence&&) = delete;
  Silence& operator=(Silence&&) = delete;

 private:
  base::Fd nowhere_;
  base::Fd before_;
};

template <typename Handle>
using Owned = std::unique_ptr<Handle, rnp_result_t (*)(Handle*)>;

class Verification {
 public:
  Verification(const std::string& what)
      : library_(loaded()), what_(what), ffi_(nullptr, library_.ffi_destroy) {
    rnp_ffi_t ffi = nullptr;
    if (library_.ffi_create(&ffi, "GPG", "GPG") != RNP_SUCCESS)
      fail("cannot check signatures: librnp does not start");
    ffi_.reset(ffi);
  }

  void add_keys(const std::string& keyring) {
    if (keyring.empty()) fail("cannot read {}: a keyring of its source is empty", what_);
    const auto input = input_of(keyring);
    const Silence silence;
    if (library_.load_keys(ffi_.get(), "GPG", input.get(), RNP_LOAD_SAVE_PUBLIC_KEYS) != RNP_SUCCESS)
      fail("cannot read {}: a keyring of its source is not one of OpenPGP", what_);
  }

  std::string text_of(std::string_view document) {
    const auto input = input_of(document);
    rnp_output_t raw = nullptr;
    library_.output_to_memory(&raw, 0);
    const Owned<std::remove_pointer_t<rnp_output_t>> output(raw, library_.output_destroy);
    rnp_op_verify_t op = nullptr;
    if (library_.verify_create(&op, ffi_.get(), input.get(), output.get()) != RNP_SUCCESS)
      fail("cannot read {}: its signature cannot be checked", what_);
    const Owned<std::remove_pointer_t<rnp_op_verify_t>> verify(op, library_.verify_destroy);
    const rnp_result_t result = [&] {
      const Silence silence;
      return library_.verify_execute(verify.get());
    }();
    check(verify.get(), result);
    uint8_t* bytes = nullptr;
    size_t size = 0;
    if (library_.output_buffer(output.get(), &bytes, &size, false) != RNP_SUCCESS)
      fail("cannot read {}: its signature cannot be checked", what_);
    return {reinterpret_cast<const char*>(bytes), size};
  }

 private:
  static const Library& loaded() {
    static const Library library = load();
    return library;
  }

  Owned<std::remove_pointer_t<rnp_input_t>> input_of(std::string_view bytes) const {
    rnp_input_t input = nullptr;
    if (library_.input_from_memory(&input, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                                   false) != RNP_SUCCESS)
      fail("cannot read {}: no memory", what_);
    return {input, library_.input_destroy};
  }

  void check(rnp_op_verify_t verify, rnp_result_t result) const {
    size_t count = 0;
    library_.signature_count(verify, &count);
    size_t good = 0;
    size_t bad = 0;
    size_t expired = 0;
    for (size_t i = 0; i < count; ++i) {
      rnp_op_verify_signature_t signature = nullptr;
      if (library_.signature_at(verify, i, &signature) != RNP_SUCCESS) continue;
      switch (library_.signature_status(signature)) {
        case RNP_SUCCESS:
          ++good;
          break;
        case RNP_ERROR_KEY_NOT_FOUND:  // of someone whom the spec does not name
          break;
        case RNP_ERROR_SIGNATURE_EXPIRED:
          ++expired;
          break;
        default:
          ++bad;
      }
    }
    if (bad > 0)
      fail("cannot read {}: its signature is wrong: the text was changed after it was signed", what_);
    if (good > 0 && result == RNP_SUCCESS) return;
    if (expired > 0) fail("cannot read {}: its signature has expired", what_);
    if (count > 0) fail("cannot read {}: it is signed with none of the keys that the spec gives", what_);
    fail("cannot read {}: it has no signature that can be read", what_);
  }

  const Library& library_;
  const std::string& what_;
  Owned<std::remove_pointer_t<rnp_ffi_t>> ffi_;
};

}  // namespace

std::string verify_clearsigned(std::string_view document, const std::vector<std::string>& keyrings,
                               const std::string& what) {
  constexpr std::string_view begin = "-----BEGIN PGP SIGNED MESSAGE-----";
  if (!document.starts_with(begin)) fail("cannot read {}: it is not signed", what);
  Verification verification(what);
  for (const std::string& keyring : keyrings) verification.add_keys(keyring);
  return verification.text_of(document);
}

}  // namespace minibuild::packages
