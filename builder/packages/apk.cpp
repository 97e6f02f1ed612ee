#include "minibuild/packages/apk.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>

#include "minibuild/archive/growth.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/sha256.h"
#include "minibuild/base/text.h"

namespace minibuild::packages {

using base::fail;

namespace {

constexpr uint64_t max_signatures = uint64_t{1} << 20;  // bytes of their stream
constexpr size_t max_signature = size_t{64} << 10;      // bytes of one, as apk has it
constexpr uint64_t max_apk_control = uint64_t{16} << 20;
constexpr uint64_t max_apk_data = uint64_t{16} << 30;
constexpr uint64_t max_index = uint64_t{256} << 20;
// What grew to more than this may not be more than so many times its compressed size.
constexpr size_t buffer_size = size_t{256} << 10;
constexpr std::string_view signature_prefix = ".SIGN.";

// The library must not read the configuration that the environment or /etc names.
void start_openssl() { ::OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr); }

// A running digest of OpenSSL's.
class Digest {
 public:
  explicit Digest(const EVP_MD* kind) : context_(::EVP_MD_CTX_new(), &::EVP_MD_CTX_free), kind_(kind) {
    restart();
  }
  void restart() {
    if (context_ == nullptr || ::EVP_DigestInit_ex(context_.get(), kind_, nullptr) != 1)
      fail("cannot start a digest");
  }
  void update(std::string_view bytes) {
    if (::EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) fail("cannot compute a digest");
  }
  // The object has to be restarted afterwards.
  std::string finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned int size = 0;
    if (::EVP_DigestFinal_ex(context_.get(), bytes.data(), &size) != 1) fail("cannot compute a digest");
    return {reinterpret_cast<const char*>(bytes.data()), size};
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
  const EVP_MD* kind_;
};

std::string sha1(std::string_view bytes) {
  Digest digest(::EVP_sha1());
  digest.update(bytes);
  return digest.finish();
}

std::string apk_checksum(std::string_view sha1_bytes) { return "Q1" + base::base64(sha1_bytes); }

// The compressed bytes of a file. What a gzip member took of them is hashed as it is taken.
class Compressed {
 public:
  Compressed(base::Source& source, std::string what) : source_(source), what_(std::move(what)) {}

  // False at the end of the file.
  bool refill() {
    if (at_ < end_) return true;
    at_ = 0;
    end_ = source_.read(buffer_);
    return end_ > 0;
  }
  std::string_view bytes() const { return {buffer_.data() + at_, end_ - at_}; }
  void take(size_t n) {
    const std::string_view taken = bytes().substr(0, n);
    if (sha1_ != nullptr) sha1_->update(taken);
    if (sha256_ != nullptr) sha256_->update(taken);
    at_ += n;
    position_ += n;
  }
  uint64_t position() const { return position_; }
  const std::string& what() const { return what_; }
  // From here on; either may be nothing.
  void hash_with(Digest* sha1, base::Sha256* sha256) {
    sha1_ = sha1;
    sha256_ = sha256;
  }

 private:
  base::Source& source_;
  std::string what_;
  std::vector<char> buffer_ = std::vector<char>(buffer_size);
  size_t at_ = 0;
  size_t end_ = 0;
  uint64_t position_ = 0;
  Digest* sha1_ = nullptr;
  base::Sha256* sha256_ = nullptr;
};

enum class Extent { one_member, all_members };

// What one gzip member holds (RFC 1952, 2.2), or all that are left. The next member begins exactly where the
// last one ended.
class Inflated : public base::Source {
 public:
  Inflated(Compressed& input, Extent extent, uint64_t limit)
      : input_(input), extent_(extent), limit_(limit), begin_(input.position()) {
    if (::inflateInit2(&stream_, 15 + 16) != Z_OK) fail("cannot start zlib");
  }
  ~Inflated() override { ::inflateEnd(&stream_); }
  Inflated(const Inflated&) = delete;
  Inflated& operator=(const Inflated&) = delete;
  Inflated(Inflated&&) = delete;
  Inflated& operator=(Inflated&&) = delete;

  size_t read(std::span<char> out) override {
    while (!ended_ && !out.empty()) {
      if (!input_.refill()) {
        if (inside_) fail("cannot read {}: the gzip data is cut off at byte {}", what(), input_.position());
        ended_ = true;
        break;
      }
      if (!inside_) {
        ::inflateReset(&stream_);
        inside_ = true;
      }
      const std::string_view bytes = input_.bytes();
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
      stream_.avail_in = static_cast<uInt>(bytes.size());
      stream_.next_out = reinterpret_cast<Bytef*>(out.data());
      stream_.avail_out = static_cast<uInt>(std::min(out.size(), size_t{1} << 30));
      const uInt room = stream_.avail_out;
      const int result = ::inflate(&stream_, Z_NO_FLUSH);
      input_.take(bytes.size() - stream_.avail_in);
      if (result == Z_STREAM_END) {
        inside_ = false;
        ended_ = extent_ == Extent::one_member;
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        fail("cannot read {}: damaged gzip data at byte {} ({})", what(), input_.position(),
             stream_.msg != nullptr ? stream_.msg : "zlib error");
      }
      if (room > stream_.avail_out) return give(room - stream_.avail_out);
    }
    return 0;
  }

 private:
  const std::string& what() const { return input_.what(); }

  size_t give(size_t n) {
    total_ += n;
    const uint64_t taken = input_.position() - begin_;
    if (total_ > limit_) fail("cannot read {}: it unpacks to more than {} bytes", what(), limit_);
    growth_.add(taken, n, what());
    return n;
  }

  Compressed& input_;
  Extent extent_;
  uint64_t limit_;
  uint64_t begin_;
  z_stream stream_{};
  uint64_t total_ = 0;
  archive::Growth growth_;
  bool inside_ = true;
  bool ended_ = false;
};

// Passes on what is read.
class Tee : public base::Source {
 public:
  Tee(base::Source& source, base::Sink& sink) : source_(source), sink_(sink) {}
  size_t read(std::span<char> buffer) override {
    const size_t n = source_.read(buffer);
    sink_.write({buffer.data(), n});
    return n;
  }

 private:
  base::Source& source_;
  base::Sink& sink_;
};

// Reads on to the end of the stream, so that all of it is hashed. After a tar's end there is only padding: a
// second tar there would be installed by apk and passed over by every other reader.
void finish(base::Source& source, const std::string& what) {
  std::vector<char> buffer(buffer_size);
  while (const size_t n = source.read(buffer))
    if (std::any_of(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n),
                    [](char c) { return c != '\0'; }))
      fail("cannot read {}: there is something after the end of an archive in it", what);
}

// The content of a small member; how large it may be is the limit of the stream.
std::string read_member(archive::TarReader& reader, size_t limit, const archive::TarEntry& entry,
                        const std::string& what) {
  std::string bytes;
  std::array<char, 16384> buffer;
  while (const size_t n = reader.read(buffer)) {
    if (n > limit - bytes.size())
      fail("cannot read {}: '{}' has more than {} bytes", what, base::printable(entry.path), limit);
    bytes.append(buffer.data(), n);
  }
  return bytes;
}

struct Signature {
  std::string name;  // of the file, such as `.SIGN.RSA.alpine@example.com-1234.rsa.pub`
  std::string bytes;
};

// `first` is the entry that the reader has come to.
std::vector<Signature> read_signatures(archive::TarReader& reader, archive::TarEntry first,
                                       const std::string& what) {
  std::vector<Signature> signatures;
  archive::TarEntry& entry = first;
  do {
    if (!entry.path.starts_with(signature_prefix) || entry.kind != archive::TarEntry::Kind::file)
      fail("cannot read {}: '{}' stands among its signatures", what, base::printable(entry.path));
    signatures.push_back({entry.path, read_member(reader, max_signature, entry, what)});
  } while (reader.next(entry));
  return signatures;
}

struct Scheme {
  const EVP_MD* digest;
  std::string_view key;  // its name
};

// DSA is not among them: no repository has such signatures.
std::optional<Scheme> scheme_of(std::string_view signature) {
  signature.remove_prefix(signature_prefix.size());
  const size_t dot = signature.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view algorithm = signature.substr(0, dot);
  const std::string_view key = signature.substr(dot + 1);
  if (algorithm == "RSA") return Scheme{::EVP_sha1(), key};
  if (algorithm == "RSA256") return Scheme{::EVP_sha256(), key};
  if (algorithm == "RSA512") return Scheme{::EVP_sha512(), key};
  return std::nullopt;
}

using PublicKey = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;

PublicKey read_key(const ApkKey& key, const std::string& what) {
  const std::unique_ptr<BIO, int (*)(BIO*)> text(
      ::BIO_new_mem_buf(key.pem.data(), static_cast<int>(std::min(key.pem.size(), size_t{1} << 20))),
      &::BIO_free);
  // The callback answers that there is no passphrase, instead of asking the terminal.
  PublicKey parsed(::PEM_read_bio_PUBKEY(
                       text.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr),
                   &::EVP_PKEY_free);
  if (parsed == nullptr || ::EVP_PKEY_get_base_id(parsed.get()) != EVP_PKEY_RSA)
    fail("cannot read {}: the key '{}' is not a public RSA key in PEM", what, base::printable(key.name));
  return parsed;
}

// RSASSA-PKCS1-v1_5 (RFC 8017, 8.2.2), which is what EVP does with an RSA key by default.
bool is_signed(std::string_view bytes, const Signature& signature, const EVP_MD* digest, EVP_PKEY* key) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(::EVP_MD_CTX_new(), &::EVP_MD_CTX_free);
  if (context == nullptr || ::EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) != 1)
    return false;
  return ::EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.bytes.data()),
                            signature.bytes.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                            bytes.size()) == 1;
}

// One good signature is enough, as for apk.
void check_signatures(std::string_view bytes, const std::vector<Signature>& signatures,
                      const std::vector<ApkKey>& keys, const std::string& what) {
  std::vector<std::string> unknown;
  std::vector<std::string> wrong;
  for (const Signature& signature : signatures) {
    const std::optional<Scheme> scheme = scheme_of(signature.name);
    if (!scheme) {
      unknown.push_back(base::printable(signature.name));
      continue;
    }
    bool known = false;
    for (const ApkKey& key : keys) {
      if (key.name != scheme->key) continue;
      known = true;
      if (is_signed(bytes, signature, scheme->digest, read_key(key, what).get())) return;
    }
    (known ? wrong : unknown).push_back(base::printable(scheme->key));
  }
  if (!wrong.empty())
    fail(
        "cannot read {}: its signature by '{}' is wrong: it was changed after it was signed, or signed with "
        "another key of this name",
        what, base::join(wrong, "', '"));
  fail("cannot read {}: it is signed by '{}', which is not among the keys given", what,
       base::join(unknown, "', '"));
}

std::string to_sha1_bytes(const archive::TarEntry& entry, const std::string& what) {
  std::string bytes;
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  for (size_t i = 0; i + 1 < entry.sha1.size(); i += 2) {
    const int high = digit(entry.sha1[i]);
    const int low = digit(entry.sha1[i + 1]);
    if (high < 0 || low < 0) break;
    bytes += static_cast<char>(high * 16 + low);
  }
  if (bytes.size() != 20 || entry.sha1.size() != 40)
    fail("cannot read {}: malformed checksum of '{}': got '{}', want 40 hexadecimal digits", what,
         base::printable(entry.path), base::printable(entry.sha1));
  return bytes;
}

void expect_checksum(const archive::TarEntry& entry, std::string_view got, std::string_view want,
                     const std::string& what) {
  if (got != want)
    fail("cannot read {}: wrong checksum of '{}': got {}, want {}", what, base::printable(entry.path),
         base::to_hex(got), base::to_hex(want));
}

// The checksums of the files that pass by.
class DataReader {
 public:
  DataReader(base::Source& source, const std::string& what) : reader_(source, what), what_(what) {}

  std::string run() {
    std::string lines;
    archive::TarEntry entry;
    while (reader_.next(entry)) {
      const std::string sha1_bytes = checksum(entry);
      // apk installs no hidden file at the top.
      if (!sha1_bytes.empty() && !entry.path.starts_with('.'))
        lines += apk_checksum(sha1_bytes) + " " + entry.path + "\n";
    }
    return lines;
  }

 private:
  // Empty for what has none.
  std::string checksum(const archive::TarEntry& entry) {
    switch (entry.kind) {
      case archive::TarEntry::Kind::file:
        return files_[entry.path] = file_checksum(entry);
      case archive::TarEntry::Kind::symlink:
        return files_[entry.path] = link_checksum(entry);
      case archive::TarEntry::Kind::hard_link: {
        // One more name of what came before: apk gives it that one's checksum.
        const auto it = files_.find(entry.target);
        if (it == files_.end())
          fail("cannot read {}: the hard link '{}' leads to '{}', which is not before it", what_,
               base::printable(entry.path), base::printable(entry.target));
        return files_[entry.path] = std::string(it->second);
      }
      default:
        return {};
    }
  }

  std::string file_checksum(const archive::TarEntry& entry) {
    digest_.restart();
    while (const size_t n = reader_.read(buffer_)) digest_.update({buffer_.data(), n});
    std::string got = digest_.finish();
    if (!entry.sha1.empty()) expect_checksum(entry, got, to_sha1_bytes(entry, what_), what_);
    return got;
  }

  std::string link_checksum(const archive::TarEntry& entry) const {
    std::string got = sha1(entry.target);
    if (entry.sha1.empty()) return got;
    std::string want = to_sha1_bytes(entry, what_);
    // abuild-tar hashes the field of the ustar header, which does not hold a longer target. apk keeps what
    // the record says.
    if (entry.target.size() < 100) expect_checksum(entry, got, want, what_);
    return want;
  }

  archive::TarReader reader_;
  const std::string& what_;
  Digest digest_{::EVP_sha1()};
  std::map<std::string, std::string> files_ = {};  // the SHA-1 of each by path
  std::vector<char> buffer_ = std::vector<char>(buffer_size);
};

// `first` is the entry that the reader has come to.
std::map<std::string, std::string> read_control(archive::TarReader& reader, archive::TarEntry first,
                                                const std::string& what) {
  std::map<std::string, std::string> members;
  archive::TarEntry& entry = first;
  do {
    if (entry.path.empty()) continue;  // the directory that was packed
    if (entry.kind != archive::TarEntry::Kind::file || !entry.path.starts_with('.') ||
        entry.path.starts_with(signature_prefix) || entry.path.find('/') != std::string::npos)
      fail("cannot read {}: '{}' stands in its control stream", what, base::printable(entry.path));
    std::string bytes = read_member(reader, max_apk_control, entry, what);
    if (!members.emplace(entry.path, std::move(bytes)).second)
      fail("cannot read {}: it has two members '{}'", what, base::printable(entry.path));
  } while (reader.next(entry));
  return members;
}

base::Hash data_hash(const std::map<std::string, std::string>& control, const std::string& what) {
  const auto pkginfo = control.find(".PKGINFO");
  if (pkginfo == control.end()) fail("cannot read {}: it has no .PKGINFO, it is not a package", what);
  const std::vector<std::string> values = pkginfo_values(pkginfo->second, "datahash");
  if (values.empty())
    fail("cannot read {}: its .PKGINFO has no 'datahash', nothing vouches for its files", what);
  const std::optional<base::Hash> hash = base::hash_from_hex(values[0]);
  if (values.size() > 1 || !hash)
    fail("cannot read {}: malformed 'datahash' in its .PKGINFO: got '{}', want 64 hexadecimal digits, once",
         what, base::printable(base::join(values, "', '")));
  return *hash;
}

}  // namespace

std::vector<std::string> pkginfo_values(std::string_view pkginfo, std::string_view key) {
  std::vector<std::string> values;
  while (!pkginfo.empty()) {
    const size_t end = std::min(pkginfo.find('\n'), pkginfo.size());
    const std::string_view line = pkginfo.substr(0, end);
    pkginfo.remove_prefix(std::min(end + 1, pkginfo.size()));
    const size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    if (base::trim(line.substr(0, equals)) == key) values.emplace_back(base::trim(line.substr(equals + 1)));
  }
  return values;
}

std::string read_apk_index(std::string_view bytes, const std::vector<ApkKey>& keys, const std::string& what) {
  start_openssl();
  base::MemorySource source(bytes);
  Compressed input(source, what);
  {
    Inflated stream(input, Extent::one_member, max_signatures);
    archive::TarReader reader(stream, what);
    archive::TarEntry entry;
    if (!reader.next(entry) || !entry.path.starts_with(signature_prefix))
      fail("cannot read {}: it has no signature", what);
    const std::vector<Signature> signatures = read_signatures(reader, entry, what);
    finish(stream, what);
    // Nothing of the rest is unpacked before it is known to be what was signed.
    check_signatures(bytes.substr(static_cast<size_t>(input.position())), signatures, keys, what);
  }
  Inflated stream(input, Extent::all_members, max_index + max_apk_control);
  archive::TarReader reader(stream, what);
  archive::TarEntry entry;
  std::optional<std::string> text;
  while (reader.next(entry)) {
    if (entry.path != "APKINDEX" || entry.kind != archive::TarEntry::Kind::file) continue;
    if (text) fail("cannot read {}: it has two members 'APKINDEX'", what);
    text = read_member(reader, max_index, entry, what);
  }
  finish(stream, what);
  if (!text) fail("cannot read {}: it has no member 'APKINDEX'", what);
  return *std::move(text);
}

PackageFile read_apk(const std::string& path, base::Sink& data, const std::string& what) {
  start_openssl();
  const base::Fd file = base::open_file(path);
  base::FdSource source(file.get(), path);
  Compressed input(source, what);
  Digest control_digest(::EVP_sha1());
  PackageFile package;
  bool has_signature = false;
  // A package without signature begins with its control stream.
  while (package.control.empty()) {
    control_digest.restart();
    input.hash_with(&control_digest, nullptr);
    Inflated stream(input, Extent::one_member, max_apk_control);
    archive::TarReader reader(stream, what);
    archive::TarEntry entry;
    if (!reader.next(entry)) fail("cannot read {}: its control stream is empty", what);
    if (entry.path.starts_with(signature_prefix) && !has_signature) {
      read_signatures(reader, entry, what);
      has_signature = true;
    } else {
      package.control = read_control(reader, entry, what);
      if (package.control.empty()) fail("cannot read {}: its control stream is empty", what);
    }
    finish(stream, what);
  }
  package.checksum = apk_checksum(control_digest.finish());
  const base::Hash want = data_hash(package.control, what);

  base::Sha256 data_digest;
  input.hash_with(nullptr, &data_digest);
  if (!input.refill()) fail("cannot read {}: it ends after its control stream", what);
  Inflated stream(input, Extent::all_members, max_apk_data);
  Tee plain(stream, data);
  package.file_checksums = DataReader(plain, what).run();
  finish(plain, what);
  if (const base::Hash got = data_digest.finish(); got != want)
    fail("cannot read {}: wrong SHA-256 of its data: got {}, want the 'datahash' {}", what, base::to_hex(got),
         base::to_hex(want));
  return package;
}

}  // namespace minibuild::packages
