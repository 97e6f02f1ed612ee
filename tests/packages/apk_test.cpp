#include "minibuild/packages/apk.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>
#include <cstring>
#include <optional>

#include "minibuild/archive/compress.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/sha256.h"
#include "minibuild/base/text.h"

namespace minibuild::packages {
namespace {

using archive::tar_block;

std::string run(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> buffer;
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), n);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

class StringSink : public base::Sink {
 public:
  void write(std::string_view bytes) override { text += bytes; }
  std::string text;
};

class CountingSink : public base::Sink {
 public:
  void write(std::string_view bytes) override { size += bytes.size(); }
  uint64_t size = 0;
};

// One entry, by hand: what is tested goes into it as it is given.
std::string entry(const std::string& name, const std::string& content, char type = '0',
                  const std::string& target = "") {
  std::string block(tar_block, '\0');
  const auto put = [&block](size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  put(0, name);
  put(100, type == '5' ? "0000755" : "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, fmt::format("{:011o}", content.size()));
  put(136, "00000000001");
  put(148, "        ");
  put(156, std::string(1, type));
  put(157, target);
  put(257, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<uint8_t>(c);
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return block + content + std::string(archive::tar_padding(content.size()), '\0');
}

// The extended header that abuild-tar puts before an entry.
std::string record(const std::string& value, const std::string& key = "APK-TOOLS.checksum.SHA1") {
  const std::string rest = " " + key + "=" + value + "\n";
  size_t length = rest.size() + 2;
  if (std::to_string(length).size() > 2) ++length;
  return entry("PaxHeaders/x", std::to_string(length) + rest, 'x');
}

std::string end() { return std::string(archive::tar_end_size, '\0'); }

std::string gzip(const std::string& plain) {
  return archive::Compressor({archive::Algorithm::gzip, 6}).compress(plain);
}

// What `gzip -n < /dev/null` writes.
std::string empty_member() { return {"\x1F\x8B\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", 20}; }

using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
Key made_key() { return {EVP_RSA_gen(2048), &EVP_PKEY_free}; }
EVP_PKEY* our_key() {
  static const Key key = made_key();
  return key.get();
}
EVP_PKEY* other_key() {
  static const Key key = made_key();
  return key.get();
}

std::string pem_of(EVP_PKEY* key) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_PUBKEY(bio.get(), key);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(size)};
}

std::string sign(const std::string& bytes, EVP_PKEY* key, const EVP_MD* digest) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t size = 4096;
  std::string signature(size, '\0');
  EXPECT_EQ(EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key), 1);
  EXPECT_EQ(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, data,
                           bytes.size()),
            1);
  signature.resize(size);
  return signature;
}

constexpr const char* index_text = "C:Q1pSfxdR4zWeoX5IgFrZd/mRLrZ3I=\nP:musl\nV:1.2.5-r0\nA:x86_64\n\n";

std::string index_streams(const std::string& text = index_text) {
  return gzip(entry("DESCRIPTION", "v3.20\n") + entry("APKINDEX", text) + end());
}

std::string signed_index(const std::string& rest, const std::string& algorithm = "RSA",
                         const EVP_MD* digest = EVP_sha1()) {
  return gzip(entry(".SIGN." + algorithm + ".our.rsa.pub", sign(rest, our_key(), digest))) + rest;
}

std::string read_index(const std::string& bytes,
                       const std::vector<ApkKey>& keys = {{"our.rsa.pub", pem_of(our_key())}}) {
  return read_apk_index(bytes, keys, "APKINDEX.tar.gz");
}

template <typename Call>
std::string failure_of(Call call) {
  try {
    call();
  } catch (const base::Error& error) {
    EXPECT_EQ(std::string(error.what()).rfind("cannot ", 0), 0U) << error.what();
    return error.what();
  }
  return "no failure";
}

#define EXPECT_FAILURE(call, part) \
  EXPECT_PRED_FORMAT2(::testing::IsSubstring, part, failure_of([&] { call; }))

TEST(ApkIndex, GivesTheText) {
  EXPECT_EQ(read_index(signed_index(index_streams())), index_text);
  EXPECT_EQ(read_index(signed_index(index_streams(), "RSA256", EVP_sha256())), index_text);
  EXPECT_EQ(read_index(signed_index(index_streams(), "RSA512", EVP_sha512())), index_text);
  EXPECT_EQ(read_index(signed_index(index_streams(""))), "");
  // Larger than one gzip member of the compressor.
  std::string large;
  while (large.size() < (size_t{3} << 20)) large += index_text;
  EXPECT_EQ(read_index(signed_index(index_streams(large))), large);
}

TEST(ApkIndex, OneGoodSignatureIsEnough) {
  const std::string rest = index_streams();
  const std::string ours = entry(".SIGN.RSA.our.rsa.pub", sign(rest, our_key(), EVP_sha1()));
  const std::string others = entry(".SIGN.RSA.other.rsa.pub", sign(rest, other_key(), EVP_sha1()));
  EXPECT_EQ(read_index(gzip(others + ours) + rest), index_text);
  EXPECT_EQ(read_index(gzip(entry(".SIGN.DSA.our.rsa.pub", "x") + ours) + rest), index_text);
  // Two keys of the same name.
  EXPECT_EQ(read_index(gzip(ours) + rest,
                       {{"our.rsa.pub", pem_of(other_key())}, {"our.rsa.pub", pem_of(our_key())}}),
            index_text);
}

TEST(ApkIndex, RefusesWhatIsNotSigned) {
  const std::string rest = index_streams();
  EXPECT_FAILURE(read_index(rest), "cannot read APKINDEX.tar.gz: it has no signature");
  EXPECT_FAILURE(read_index(signed_index(rest), {}),
                 "it is signed by 'our.rsa.pub', which is not among the keys given");
  EXPECT_FAILURE(read_index(signed_index(rest), {{"their.rsa.pub", pem_of(our_key())}}),
                 "which is not among the keys given");
  EXPECT_FAILURE(read_index(signed_index(rest), {{"our.rsa.pub", pem_of(other_key())}}),
                 "its signature by 'our.rsa.pub' is wrong");
  // The name of the file says how it was signed.
  EXPECT_FAILURE(read_index(signed_index(rest, "RSA256", EVP_sha1())), "is wrong");
  EXPECT_FAILURE(read_index(signed_index(rest, "RSA", EVP_sha256())), "is wrong");
  EXPECT_FAILURE(read_index(signed_index(rest, "DSA")), "is not among the keys given");
  EXPECT_FAILURE(read_index(gzip(entry(".SIGN.RSA.our.rsa.pub", "")) + rest), "is wrong");
  EXPECT_FAILURE(read_index(gzip(entry(".SIGN.", "")) + rest), "is not among the keys given");
  EXPECT_FAILURE(read_index(gzip(entry(".SIGN.RSA.our.rsa.pub", std::string(70000, 'x'))) + rest),
                 "more than 65536 bytes");
  // A signature covers everything behind its stream, and nothing in it.
  EXPECT_FAILURE(read_index(signed_index(rest) + empty_member()), "is wrong");
  const std::string smuggled = entry("APKINDEX", "P:evil\n");
  EXPECT_FAILURE(
      read_index(gzip(entry(".SIGN.RSA.our.rsa.pub", sign(rest, our_key(), EVP_sha1())) + smuggled) + rest),
      "'APKINDEX' stands among its signatures");
  EXPECT_FAILURE(
      read_index(gzip(entry(".SIGN.RSA.our.rsa.pub", sign(rest, our_key(), EVP_sha1())) + end() + smuggled) +
                 rest),
      "something after the end of an archive");
}

TEST(ApkIndex, RefusesWrongKeys) {
  const std::string bytes = signed_index(index_streams());
  EXPECT_FAILURE(read_index(bytes, {{"our.rsa.pub", "no key"}}),
                 "the key 'our.rsa.pub' is not a public RSA key in PEM");
  EXPECT_FAILURE(read_index(bytes, {{"our.rsa.pub", ""}}), "is not a public RSA key in PEM");
  const Key curve(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  EXPECT_FAILURE(read_index(bytes, {{"our.rsa.pub", pem_of(curve.get())}}), "is not a public RSA key in PEM");
}

TEST(ApkIndex, RefusesWhatIsMalformed) {
  EXPECT_FAILURE(read_index(""), "cannot read APKINDEX.tar.gz: the gzip data is cut off");
  EXPECT_FAILURE(read_index("P:musl\n"), "damaged gzip data");
  EXPECT_FAILURE(read_index(signed_index("")), "the gzip data is cut off");
  EXPECT_FAILURE(read_index(signed_index(empty_member())), "has no member 'APKINDEX'");
  EXPECT_FAILURE(read_index(signed_index("garbage")), "damaged gzip data");
  EXPECT_FAILURE(read_index(signed_index(gzip("garbage"))), "fewer than any tar archive");
  EXPECT_FAILURE(read_index(signed_index(gzip(entry("DESCRIPTION", "x") + end()))),
                 "has no member 'APKINDEX'");
  EXPECT_FAILURE(read_index(signed_index(gzip(entry("APKINDEX", "1") + entry("APKINDEX", "2")))),
                 "two members 'APKINDEX'");
  EXPECT_FAILURE(read_index(signed_index(gzip(entry("APKINDEX", "1") + end() + entry("APKINDEX", "2")))),
                 "something after the end of an archive");
  EXPECT_FAILURE(read_index(signed_index(gzip(entry("../APKINDEX", "1")))), "leads out of the archive");
}

TEST(ApkIndex, EveryByteMatters) {
  const std::string rest = index_streams();
  const std::string whole = signed_index(rest);
  const size_t boundary = whole.size() - rest.size();
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x04);
    // In the signature's stream there is a gzip header that nobody vouches for.
    try {
      EXPECT_EQ(read_index(changed), index_text) << "byte " << i;
      EXPECT_LT(i, boundary);
    } catch (const base::Error&) {
    }
    EXPECT_THROW(read_index(whole.substr(0, i)), base::Error) << "cut at " << i;
  }
}

TEST(ApkIndex, RefusesBombs) {
  EXPECT_FAILURE(read_index(gzip(entry(".SIGN.RSA.our.rsa.pub", std::string(size_t{2} << 20, '\0'))) + "x"),
                 "more than 65536 bytes");
  EXPECT_FAILURE(read_index(gzip(entry(".SIGN.RSA.our.rsa.pub", "x") + std::string(1000 * 1000, '\0'))),
                 "is wrong");  // padding within the limit
  EXPECT_FAILURE(read_index(signed_index(index_streams(std::string(size_t{140} << 20, '\n')))),
                 "this looks like a decompression bomb");
}

struct Parts {
  std::string signature = gzip(entry(".SIGN.RSA.our.rsa.pub", "not looked at"));
  std::string pkginfo =
      "# made by a test\npkgname = hello\npkgver = 1.2-r3\ndepend = so:libc.musl-x86_64.so.1\n"
      "depend = !bye\n";
  std::string hash;  // of the data, unless it is set
  std::string more_control = entry(".post-install", "#!/bin/sh\n");
  std::string data;  // plain

  std::string control() const {
    const std::string digest = hash.empty() ? base::to_hex(base::sha256(gzip(data))) : hash;
    return gzip(entry(".PKGINFO", pkginfo + "datahash = " + digest + "\n") + more_control);
  }
  std::string package() const { return signature + control() + gzip(data); }
};

// `printf 'hello\n' | sha1sum`, and of nothing.
constexpr const char* hello_sha1 = "f572d396fae9206628714fb2ce00f72e94f2258f";
constexpr const char* empty_sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

class ApkPackage : public ::testing::Test {
 protected:
  PackageFile read(const std::string& bytes) {
    const std::string path = directory_.path() + "/package.apk";
    base::write_file_atomic(path, bytes);
    data_.text.clear();
    return read_apk(path, data_, "hello-1.2-r3.apk");
  }
  void expect_refused(const std::string& data, const std::string& message) {
    Parts parts;
    parts.data = data;
    EXPECT_FAILURE(read(parts.package()), message);
  }

  base::TemporaryDirectory directory_{"/tmp", "apk"};
  StringSink data_;
};

TEST_F(ApkPackage, GivesWhatIsInIt) {
  Parts parts;
  parts.data = entry("usr/", "", '5') + entry("usr/bin/", "", '5') + record(hello_sha1) +
               entry("usr/bin/hello", "hello\n") + entry("usr/bin/unhashed", "hello\n") +
               entry("usr/bin/same", "", '1', "usr/bin/hello") + record(empty_sha1) + entry("etc/empty", "") +
               // sha1("abc"), FIPS 180-1, appendix A
               record("a9993e364706816aba3e25717850c26c9cd0d89d") + entry("usr/bin/link", "", '2', "abc") +
               entry("usr/bin/unhashed-link", "", '2', "abc") + record(hello_sha1) +
               entry(".hidden", "hello\n") + entry("dev/null", "", '3') + end();
  const PackageFile package = read(parts.package());
  EXPECT_EQ(data_.text, parts.data);
  EXPECT_EQ(package.control.size(), 2U);
  EXPECT_EQ(package.control.at(".post-install"), "#!/bin/sh\n");
  EXPECT_EQ(pkginfo_values(package.control.at(".PKGINFO"), "pkgname"), std::vector<std::string>{"hello"});
  EXPECT_EQ(package.file_checksums,
            "Q19XLTlvrpIGYocU+yzgD3LpTyJY8= usr/bin/hello\n"
            "Q19XLTlvrpIGYocU+yzgD3LpTyJY8= usr/bin/unhashed\n"
            "Q19XLTlvrpIGYocU+yzgD3LpTyJY8= usr/bin/same\n"
            "Q12jmj7l5rSw0yVb/vlWAYkK/YBwk= etc/empty\n"
            "Q1qZk+NkcGgWq6PiVxeFDCbJzQ2J0= usr/bin/link\n"
            "Q1qZk+NkcGgWq6PiVxeFDCbJzQ2J0= usr/bin/unhashed-link\n");
  base::write_file_atomic(directory_.path() + "/control", parts.control());
  EXPECT_EQ(package.checksum,
            "Q1" + run("openssl dgst -sha1 -binary < " + directory_.path() + "/control | base64 -w 0"));
}

TEST_F(ApkPackage, NeedsNoSignature) {
  Parts parts;
  parts.data = entry("a", "1") + end();
  const std::string checksum = read(parts.package()).checksum;
  parts.signature.clear();
  EXPECT_EQ(read(parts.package()).checksum, checksum);
  EXPECT_EQ(data_.text, parts.data);
}

TEST_F(ApkPackage, DataMayHaveSeveralMembers) {
  const std::string tar = entry("a", std::string(3000, 'a')) + entry("b", "b") + end();
  for (const size_t cut : {size_t{1}, size_t{512}, size_t{600}, tar.size() - 1}) {
    const std::string data = gzip(tar.substr(0, cut)) + gzip(tar.substr(cut));
    Parts parts;
    parts.hash = base::to_hex(base::sha256(data));
    read(parts.signature + parts.control() + data);
    EXPECT_EQ(data_.text, tar);
  }
  // A file larger than every buffer, and one without an end.
  Parts parts;
  parts.data = entry("large", std::string(size_t{3} << 20, 'x'));
  read(parts.package());
  EXPECT_EQ(data_.text, parts.data);
  parts.data = end();
  EXPECT_EQ(read(parts.package()).file_checksums, "");
}

TEST_F(ApkPackage, EveryByteMatters) {
  Parts parts;
  parts.data = entry("usr/", "", '5') + record(hello_sha1) + entry("usr/hello", "hello\n") +
               entry("link", "", '2', "usr/hello") + end();
  const std::string whole = parts.package();
  const PackageFile good = read(whole);
  const size_t control = parts.signature.size();
  const size_t data = control + parts.control().size();
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char bits : {'\x01', '\x40'}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ bits);
      try {
        const PackageFile package = read(changed);
        EXPECT_LT(i, data) << "byte " << i;
        // The index vouches for the checksum, and the checksum for the control stream.
        EXPECT_EQ(package.checksum == good.checksum, i < control) << "byte " << i;
        EXPECT_EQ(package.file_checksums, good.file_checksums) << "byte " << i;
        EXPECT_EQ(data_.text, parts.data) << "byte " << i;
      } catch (const base::Error&) {
      }
    }
    EXPECT_THROW(read(whole.substr(0, i)), base::Error) << "cut at " << i;
  }
  EXPECT_THROW(read(whole + '\0'), base::Error);
  EXPECT_THROW(read(whole + empty_member()), base::Error);
}

TEST_F(ApkPackage, RefusesWrongHashes) {
  Parts parts;
  parts.data = entry("a", "1") + end();
  parts.hash = std::string(64, '0');
  EXPECT_FAILURE(read(parts.package()), "cannot read hello-1.2-r3.apk: wrong SHA-256 of its data: got ");
  parts.hash = "abc";
  EXPECT_FAILURE(read(parts.package()), "malformed 'datahash' in its .PKGINFO: got 'abc'");
  parts.hash = std::string(64, '0') + "\ndatahash = " + std::string(64, '1');
  EXPECT_FAILURE(read(parts.package()), "64 hexadecimal digits, once");
  EXPECT_FAILURE(read(gzip(entry(".PKGINFO", "pkgname = a\n")) + gzip(parts.data)), "has no 'datahash'");
  expect_refused(record(empty_sha1) + entry("usr/bin/hello", "hello\n") + end(),
                 "wrong checksum of 'usr/bin/hello': got f572d396fae9206628714fb2ce00f72e94f2258f, want "
                 "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  expect_refused(record(hello_sha1) + entry("link", "", '2', "abc") + end(), "wrong checksum of 'link'");
  for (const char* text :
       {"f572", "f572d396fae9206628714fb2ce00f72e94f2258fff", "x572d396fae9206628714fb2ce00f72e94f2258f"})
    expect_refused(record(text) + entry("a", "hello\n") + end(), "want 40 hexadecimal digits");
}

TEST_F(ApkPackage, LongLinksHaveTheRecordThatAbuildGives) {
  // Its hash is of what the header has room for.
  const std::string target(120, 't');
  Parts parts;
  parts.data =
      record(target, "linkpath") + record(hello_sha1) + entry("l", "", '2', target.substr(0, 100)) + end();
  EXPECT_EQ(read(parts.package()).file_checksums, "Q19XLTlvrpIGYocU+yzgD3LpTyJY8= l\n");
}

TEST_F(ApkPackage, RefusesWhatLeadsOut) {
  expect_refused(entry("../etc/passwd", "x") + end(), "'../etc/passwd' leads out of the archive");
  expect_refused(entry("usr/../../x", "x") + end(), "leads out of the archive");
  expect_refused(entry("a", "", '1', "../../etc/shadow") + end(), "leads out of the archive");
  expect_refused(entry("a", "", '1', "etc/shadow") + end(), "leads to 'etc/shadow', which is not before it");
  expect_refused(entry("a\nb", "x") + end(), "control character");
  expect_refused(entry("a", "1") + end() + entry("b", "2") + end(), "something after the end of an archive");
}

TEST_F(ApkPackage, RefusesAnotherControl) {
  Parts parts;
  parts.data = end();
  for (const auto& [more, message] : std::vector<std::pair<std::string, std::string>>{
           {entry("usr/bin/evil", "x"), "'usr/bin/evil' stands in its control stream"},
           {entry(".x/evil", "x"), "stands in its control stream"},
           {entry(".link", "", '2', "/etc/passwd"), "'.link' stands in its control stream"},
           {entry(".SIGN.RSA.x", "x"), "stands in its control stream"},
           {entry(".PKGINFO", "x"), "two members '.PKGINFO'"},
           {entry("../x", "x"), "leads out of the archive"},
           {end() + entry(".late", "x"), "something after the end"},
           {"garbage", "the archive ends after"}}) {
    parts.more_control = more;
    EXPECT_FAILURE(read(parts.package()), message);
  }
  parts.more_control = entry("./", "", '5') + end();
  EXPECT_EQ(read(parts.package()).control.size(), 1U);
  const std::string signature = parts.signature;
  EXPECT_FAILURE(read(gzip(entry(".post-install", "x")) + gzip(end())),
                 "has no .PKGINFO, it is not a package");
  EXPECT_FAILURE(read(gzip(end())), "its control stream is empty");
  EXPECT_FAILURE(read(signature + parts.package()), "stands in its control stream");
  EXPECT_FAILURE(read(signature), "cut off");
  EXPECT_FAILURE(read(signature + parts.control()), "it ends after its control stream");
  EXPECT_FAILURE(read(""), "cut off");
  EXPECT_FAILURE(read("ADBd"), "damaged gzip data");
  EXPECT_FAILURE(read_apk("/nonexistent", data_, "x"), "cannot open /nonexistent");
}

TEST_F(ApkPackage, RefusesBombs) {
  Parts parts;
  parts.data = end();
  parts.more_control = entry(".post-install", std::string(size_t{20} << 20, '\0'));
  // Compressed as one member.
  const std::string path = directory_.path() + "/plain";
  base::write_file_atomic(path, entry(".PKGINFO", "datahash = 0\n") + parts.more_control);
  EXPECT_FAILURE(read(run("gzip -n < " + path)), "it unpacks to more than 16777216 bytes");

  const std::string name = directory_.path() + "/bomb.apk";
  Parts large;
  large.data = entry("zeros", std::string(size_t{140} << 20, '\0')) + end();
  base::write_file_atomic(name, large.package());
  CountingSink sink;
  EXPECT_FAILURE(read_apk(name, sink, "bomb.apk"), "this looks like a decompression bomb");
  EXPECT_LT(sink.size, uint64_t{130} << 20);
}

// The same formats by the programs that abuild is made of.
TEST(Apk, ReadsWhatOtherProgramsMake) {
  const base::TemporaryDirectory directory("/tmp", "apk");
  const std::string& path = directory.path();
  base::write_file_atomic(path + "/make.sh", R"sh(set -eu
cd "$(dirname "$0")"
openssl genrsa -out key.pem 2048 2> /dev/null
openssl rsa -in key.pem -pubout -out test-1.rsa.pub 2> /dev/null
mkdir -p root/usr/bin root/etc
printf 'hello\n' > root/usr/bin/hello
ln root/usr/bin/hello root/usr/bin/hullo
sum=$(sha1sum < root/usr/bin/hello | cut -d ' ' -f 1)
cut_tar() { tar --format=pax -b 1 -c "$@" > cut; truncate -s -1024 cut; gzip -n -9 < cut; }
sign() {
  openssl dgst -sha1 -sign key.pem -out .SIGN.RSA.test-1.rsa.pub "$1"
  cut_tar .SIGN.RSA.test-1.rsa.pub
}
tar --format=pax --pax-option="APK-TOOLS.checksum.SHA1:=$sum,atime:=0,ctime:=0" --xattrs -C root --sort=name \
  -c etc usr | gzip -n > data.tar.gz
hash=$(sha256sum < data.tar.gz | cut -d ' ' -f 1)
printf 'pkgname = hello\npkgver = 1-r0\ndatahash = %s\n' "$hash" > .PKGINFO
cut_tar .PKGINFO > control.tar.gz
sign control.tar.gz > signature.tar.gz
cat signature.tar.gz control.tar.gz data.tar.gz > hello-1-r0.apk
printf 'C:Q1%s\nP:hello\nV:1-r0\n\n' "$(openssl dgst -sha1 -binary < control.tar.gz | base64)" > APKINDEX
printf 'test\n' > DESCRIPTION
tar -c DESCRIPTION APKINDEX | gzip -n > index.tar.gz
sign index.tar.gz | cat - index.tar.gz > APKINDEX.tar.gz
)sh");
  run("sh " + path + "/make.sh");
  const std::string text =
      read_apk_index(base::read_file(path + "/APKINDEX.tar.gz"),
                     {{"test-1.rsa.pub", base::read_file(path + "/test-1.rsa.pub")}}, "the index");
  EXPECT_EQ(text, base::read_file(path + "/APKINDEX"));
  StringSink data;
  const PackageFile package = read_apk(path + "/hello-1-r0.apk", data, "the package");
  EXPECT_EQ(text.substr(0, text.find('\n')), "C:" + package.checksum);
  EXPECT_EQ(package.control.at(".PKGINFO"), base::read_file(path + "/.PKGINFO"));
  EXPECT_EQ(package.file_checksums,
            "Q19XLTlvrpIGYocU+yzgD3LpTyJY8= usr/bin/hello\nQ19XLTlvrpIGYocU+yzgD3LpTyJY8= usr/bin/hullo\n");
  EXPECT_EQ(base::to_hex(base::sha256(data.text)),
            run("gzip -dc " + path + "/data.tar.gz | sha256sum | cut -d ' ' -f 1 | tr -d '\\n'"));
}

TEST(Apk, PkginfoValues) {
  const std::string_view text =
      "# depend = comment\npkgname = a\ndepend = b>=1\ndepend=c\n  depend =  d \nlicense = \nnothing\n"
      "pkgdesc = x = y\ndepend = last";
  EXPECT_EQ(pkginfo_values(text, "depend"), (std::vector<std::string>{"b>=1", "c", "d", "last"}));
  EXPECT_EQ(pkginfo_values(text, "pkgdesc"), std::vector<std::string>{"x = y"});
  EXPECT_EQ(pkginfo_values(text, "license"), std::vector<std::string>{""});
  EXPECT_TRUE(pkginfo_values(text, "nothing").empty());
  EXPECT_TRUE(pkginfo_values("", "depend").empty());
}

}  // namespace
}  // namespace minibuild::packages
