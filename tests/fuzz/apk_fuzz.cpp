// Packages and indexes of Alpine: no input crashes, grows beyond all bounds or leads outside. Behind a hash
// or a signature comes only what has been hashed and signed, so an input that begins with a letter is the
// plain text of a part, and the rest of the file is made around it:
//   D  the tar of a package's data
//   C  the tar of its control stream
//   I  the tar of an index
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "minibuild/archive/compress.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/sha256.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/apk.h"

namespace {

using namespace minibuild;

class Memory : public base::Sink {
 public:
  void write(std::string_view bytes) override {
    text.append(bytes);
    if (text.size() > (size_t{256} << 20)) std::abort();
  }
  std::string text;
};

struct Key {
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> own{EVP_RSA_gen(1024), &EVP_PKEY_free};
  std::vector<packages::ApkKey> trusted;
  Key() {
    const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), &BIO_free);
    if (own == nullptr || PEM_write_bio_PUBKEY(bio.get(), own.get()) != 1) std::abort();
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    trusted = {{"fuzz.rsa.pub", std::string(text, static_cast<size_t>(size))}};
  }
};

const Key& key() {
  static const Key key;
  return key;
}

std::string sign(const std::string& bytes) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  std::string signature(512, '\0');
  size_t size = signature.size();
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key().own.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) != 1)
    std::abort();
  signature.resize(size);
  return signature;
}

std::string gzip(const std::string& plain) {
  return archive::Compressor({archive::Algorithm::gzip, 1}).compress(plain);
}

std::string file(const std::string& name, const std::string& content) {
  const tree::Node node = tree::file_node(tree::inline_content(content), 0);
  return archive::tar_header(name, node) + content + std::string(archive::tar_padding(content.size()), '\0');
}

void read_package(const std::string& bytes) {
  const base::Fd input(::memfd_create("input", MFD_CLOEXEC));
  base::write_all(input.get(), bytes, "the input");
  Memory data;
  packages::PackageFile package;
  try {
    package = packages::read_apk("/proc/self/fd/" + std::to_string(input.get()), data, "input");
  } catch (const base::Error&) {
    return;
  }
  // What was let through is a package: our own reader takes its data, and every file has its line.
  if (!package.control.contains(".PKGINFO") || package.checksum.size() != 30) std::abort();
  size_t lines = 0;
  base::MemorySource source(data.text);
  archive::TarReader reader(source, "the data");
  archive::TarEntry entry;
  while (reader.next(entry)) {
    if (entry.path.starts_with("/") || ("/" + entry.path + "/").find("/../") != std::string::npos)
      std::abort();
    const bool hashed = entry.kind == archive::TarEntry::Kind::file ||
                        entry.kind == archive::TarEntry::Kind::symlink ||
                        entry.kind == archive::TarEntry::Kind::hard_link;
    if (hashed && !entry.path.starts_with('.')) ++lines;
  }
  size_t at = 0;
  while (lines > 0) {
    const size_t end = package.file_checksums.find('\n', at);
    if (end == std::string::npos || package.file_checksums.compare(at, 2, "Q1") != 0) std::abort();
    at = end + 1;
    --lines;
  }
  if (at != package.file_checksums.size()) std::abort();
}

void read_index(const std::string& bytes, bool is_good) {
  try {
    packages::read_apk_index(bytes, key().trusted, "input");
  } catch (const base::Error&) {
    return;
  }
  // Nobody but the key's owner makes an index.
  if (!is_good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::string rest = input.substr(std::min<size_t>(size, 1));
  const std::string some_data = gzip(std::string(archive::tar_end_size, '\0'));
  switch (size == 0 ? 0 : input[0]) {
    case 'D': {
      const std::string stream = gzip(rest);
      read_package(gzip(file(".PKGINFO", "datahash = " + base::to_hex(base::sha256(stream)) + "\n")) +
                   stream);
      break;
    }
    case 'C':
      read_package(gzip(rest) + some_data);
      break;
    case 'I': {
      const std::string stream = gzip(rest);
      read_index(gzip(file(".SIGN.RSA256.fuzz.rsa.pub", sign(stream))) + stream, true);
      break;
    }
    default:
      read_package(input);
      read_index(input, false);
  }
  return 0;
}
