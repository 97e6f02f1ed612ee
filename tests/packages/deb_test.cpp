#include "minibuild/packages/deb.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::packages {
namespace {

namespace fs = std::filesystem;

class Memory : public base::Sink {
 public:
  void write(std::string_view bytes) override { text.append(bytes); }
  std::string text;
};

// A directory of the test's own, and the programs that work in it.
class Scratch {
 public:
  Scratch() {
    std::string name = testing::TempDir() + "/deb-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Scratch() { fs::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Scratch(Scratch&&) = delete;
  Scratch& operator=(Scratch&&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(*this / name, std::ios::binary) << bytes;
  }
  std::string read(const std::string& name) const {
    std::ostringstream out;
    out << std::ifstream(*this / name, std::ios::binary).rdbuf();
    return out.str();
  }
  bool run(const std::string& command) const {
    return std::system(("cd '" + path_ + "' && { " + command + "; } > log 2>&1").c_str()) == 0;
  }

 private:
  std::string path_;
};

std::string tar_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string tar;
  for (const auto& [name, content] : files)
    tar += archive::tar_header(name, tree::file_node(tree::inline_content(content), 0)) + content +
           std::string(archive::tar_padding(content.size()), '\0');
  return tar + std::string(archive::tar_end_size, '\0');
}

std::string member(const std::string& name, const std::string& bytes,
                   const std::optional<std::string>& size = std::nullopt) {
  return fmt::format("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n{}{}", name, 0, 0, 0, "100644",
                     size.value_or(std::to_string(bytes.size())), bytes, bytes.size() % 2 == 0 ? "" : "\n");
}

const std::string magic = "!<arch>\n";
const std::string version = member("debian-binary", "2.0\n");
const std::string control_text = "Package: a\nVersion: 1\n";
const std::string control =
    member("control.tar", tar_of({{"control", control_text}, {"postinst", "exit 0\n"}}));
const std::string data_tar = tar_of({{"usr/share/a", "text\n"}});
const std::string data = member("data.tar", data_tar);

struct Got {
  PackageFile file;
  std::string data;
  std::string error;
};

Got read(const std::string& bytes) {
  const Scratch scratch;
  scratch.write("a.deb", bytes);
  Memory memory;
  Got got;
  try {
    got.file = read_deb(scratch / "a.deb", memory, "a.deb");
  } catch (const base::Error& error) {
    got.error = error.what();
  }
  got.data = memory.text;
  return got;
}

TEST(Deb, Plain) {
  const Got got = read(magic + version + control + data);
  EXPECT_EQ(got.error, "");
  EXPECT_EQ(got.file.control.at("control"), control_text);
  EXPECT_EQ(got.file.control.at("postinst"), "exit 0\n");
  EXPECT_EQ(got.file.control.size(), 2U);
  EXPECT_EQ(got.data, data_tar);
}

TEST(Deb, WhatArAllows) {
  // A name that ends with a slash, a member of an odd size, members of others that begin with `_`, names
  // with `./`, and what comes after the data.
  const std::string odd = member("_gpgorigin/", "odd");
  const Got got = read(magic + member("debian-binary/", "2.1\nmore\n") + odd +
                       member("control.tar/", tar_of({{"./control", control_text}})) + odd + data + "rest");
  EXPECT_EQ(got.error, "");
  EXPECT_EQ(got.file.control.at("control"), control_text);
  EXPECT_EQ(got.data, data_tar);
}

TEST(Deb, Compressors) {
  const Scratch scratch;
  scratch.write("control.tar", tar_of({{"control", control_text}}));
  scratch.write("data.tar", data_tar);
  const std::vector<std::pair<std::string, std::string>> table = {{"gz", "gzip -nk"},
                                                                  {"xz", "xz -k"},
                                                                  {"zst", "zstd -q"},
                                                                  {"bz2", "bzip2 -k"},
                                                                  {"lzma", "xz -k --format=lzma"}};
  for (const auto& [ending, command] : table) {
    ASSERT_TRUE(scratch.run(command + " control.tar && " + command + " data.tar")) << scratch.read("log");
    const std::string packed = scratch.read("data.tar." + ending);
    ASSERT_NE(packed, data_tar);
    const std::string start =
        magic + version + member("control.tar." + ending, scratch.read("control.tar." + ending));
    const Got got = read(start + member("data.tar." + ending, packed));
    EXPECT_EQ(got.error, "") << ending;
    EXPECT_EQ(got.file.control.at("control"), control_text) << ending;
    EXPECT_EQ(got.data, data_tar) << ending;
    EXPECT_NE(read(start + member("data.tar." + ending, packed.substr(0, packed.size() / 2))).error, "")
        << ending << ", cut off";
  }
}

TEST(Deb, ByDpkgDeb) {
  const Scratch scratch;
  fs::create_directories(scratch / "a/DEBIAN");
  fs::create_directories(scratch / "a/usr/bin");
  scratch.write("a/DEBIAN/control",
                "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: a\n");
  scratch.write("a/usr/bin/a", std::string(100000, 'a'));
  if (!scratch.run("dpkg-deb --root-owner-group -b a")) GTEST_SKIP() << "dpkg-deb: " << scratch.read("log");
  ASSERT_TRUE(scratch.run("dpkg-deb --fsys-tarfile a.deb > a.tar"));
  const Got got = read(scratch.read("a.deb"));
  EXPECT_EQ(got.error, "");
  EXPECT_EQ(got.file.control.at("control"), scratch.read("a/DEBIAN/control"));
  EXPECT_EQ(got.data, scratch.read("a.tar"));
}

TEST(Deb, Malformed) {
  const std::string cannot = "cannot read a.deb: ";
  std::string bad_end = data;
  bad_end[58] = '\'';
  const std::vector<std::tuple<std::string, std::string, std::string>> table = {
      {"empty", "", "it is not a Debian package"},
      {"a web page", "<html>not found</html>", "it is not a Debian package"},
      {"magic alone", magic, "it has no data"},
      {"no version", magic + control + data, "it is not a Debian package of format 2"},
      {"format 1", magic + member("debian-binary", "1.0\n") + control + data,
       "it is not a Debian package of format 2"},
      {"no control", magic + version + data, "unexpected member 'data.tar'"},
      {"two controls", magic + version + control + control + data, "unexpected member 'control.tar'"},
      {"no data", magic + version + control, "it has no data"},
      {"unknown compressor", magic + version + control + member("data.tar.rar", data_tar),
       "unexpected member 'data.tar.rar'"},
      {"a further member", magic + version + control + member("evil", "x") + data,
       "unexpected member 'evil'"},
      {"no control file", magic + version + member("control.tar", tar_of({{"postinst", ""}})) + data,
       "it has no control file"},
      {"a header that is cut off", magic + version + control + data.substr(0, 30),
       "it is cut off or damaged"},
      {"a header without its end", magic + version + control + bad_end, "it is cut off or damaged"},
      {"a size that is none", magic + version + member("control.tar", "", "12x"),
       "malformed size of the member 'control.tar'"},
      {"a negative size", magic + version + member("control.tar", "", "-1"),
       "malformed size of the member 'control.tar'"},
      {"no size", magic + version + member("control.tar", "", ""),
       "malformed size of the member 'control.tar'"},
      {"more than 16 GiB is no ten digits' worth",
       magic + version + control + member("data.tar", "", "9999999999"), ""},
  };
  for (const auto& [name, bytes, message] : table) {
    const Got got = read(bytes);
    if (message.empty())
      EXPECT_NE(got.error, "") << name;
    else
      EXPECT_EQ(got.error, cannot + message) << name;
  }
}

TEST(Deb, Limits) {
  // 17 MiB of control files, in two.
  const std::string half(size_t{17} << 19, 'x');
  const std::string big =
      member("control.tar", tar_of({{"control", control_text}, {"preinst", half}, {"postinst", half}}));
  EXPECT_EQ(read(magic + version + big + data).error,
            "cannot read a.deb: its control files have more than 16.8 MB");
  const std::string fits = member("control.tar", tar_of({{"control", control_text}, {"preinst", half}}));
  EXPECT_EQ(read(magic + version + fits + data).error, "");
  // A format of more than 64 bytes is none.
  EXPECT_NE(read(magic + member("debian-binary", "2.0\n" + std::string(100, ' ')) + control + data).error,
            "");
}

TEST(Deb, Missing) {
  Memory memory;
  EXPECT_THROW(read_deb("/nonexistent/a.deb", memory, "a.deb"), base::Error);
}

// --- Release ---

const std::string zeros(64, '0');
const std::string release_text =
    "Origin: Debian\nSuite: stable\nCodename: trixie\nDate: Sat, 06 Sep 2025 10:00:01 UTC\n"
    "Valid-Until: Sat, 13 Sep 2025 10:00:01 UTC\nAcquire-By-Hash: yes\n"
    "Components: main  contrib\nMD5Sum:\n 00 5 main/only-md5\nSHA256:\n " +
    zeros + "       10 main/binary-amd64/Packages\n " + std::string(64, 'f') +
    " 4294967296 main/binary-amd64/Packages.xz\nSHA512:\n 00 5 other\n";

TEST(Release, Fields) {
  for (const bool network : {false, true}) {
    std::string text = release_text;
    if (network)
      for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.insert(at, "\r");
    const Release release = parse_release(text, "InRelease");
    EXPECT_EQ(release.suite, "stable");
    EXPECT_EQ(release.codename, "trixie");
    EXPECT_EQ(release.date, 1757152801);  // date -d … +%s
    EXPECT_EQ(release.valid_until, 1757152801 + 7 * 86400);
    EXPECT_TRUE(release.by_hash);
    EXPECT_EQ(release.components, (std::vector<std::string>{"main", "contrib"}));
    ASSERT_EQ(release.files.size(), 2U);
    EXPECT_EQ(release.files.at("main/binary-amd64/Packages").size, 10U);
    const ReleaseFile& packed = release.files.at("main/binary-amd64/Packages.xz");
    EXPECT_EQ(packed.size, 4294967296U);
    EXPECT_EQ(packed.sha256[0], 0xFF);
  }
}

TEST(Release, WhatIsLeftOut) {
  const Release release = parse_release("SHA256:\n " + zeros + " 1 a\n", "InRelease");
  EXPECT_EQ(release.suite, "");
  EXPECT_FALSE(release.date);
  EXPECT_FALSE(release.valid_until);
  EXPECT_FALSE(release.by_hash);
  EXPECT_TRUE(release.components.empty());
  EXPECT_FALSE(parse_release("Acquire-By-Hash: no\nSHA256:\n " + zeros + " 1 a\n", "").by_hash);
}

TEST(Release, Malformed) {
  const auto error = [](const std::string& text) -> std::string {
    try {
      parse_release(text, "InRelease");
    } catch (const base::Error& what) {
      return what.what();
    }
    return "none";
  };
  const std::string line = "cannot read InRelease: malformed line '";
  EXPECT_EQ(error(""), "cannot read InRelease: it has no SHA256 of any index");
  EXPECT_EQ(error("MD5Sum:\n 00 5 a\n"), "cannot read InRelease: it has no SHA256 of any index");
  EXPECT_EQ(error("SHA256:\n 00 5 a\n"), line + "00 5 a' under SHA256");
  EXPECT_EQ(error("SHA256:\n " + zeros + " -5 a\n"), line + zeros + " -5 a' under SHA256");
  EXPECT_EQ(error("SHA256:\n " + zeros + " a\n"), line + zeros + " a' under SHA256");
  EXPECT_EQ(error("SHA256:\n " + zeros + " 5 a b\n"), line + zeros + " 5 a b' under SHA256");
  for (const char* date : {"tomorrow", "Sat, 32 Sep 2025 10:00:01 UTC", "Sat, 06 Foo 2025 10:00:01 UTC",
                           "Sat, 06 Sep 1969 10:00:01 UTC", "Sat, 06 Sep 2025 10:00 UTC", "Sat, 06 Sep 2025"})
    EXPECT_EQ(error("Valid-Until: " + std::string(date) + "\nSHA256:\n " + zeros + " 5 a\n"),
              "cannot read InRelease: malformed Valid-Until '" + std::string(date) + "'");
}

// --- Clear-signed documents, made by gpg ---

class Clearsigned : public testing::Test {
 protected:
  static constexpr const char* text_of =
      "Suite: stable\n- dashed\nFrom here\n  trailing blanks  \nSHA256:\n 00 1 a\n";

  static void SetUpTestSuite() {
    scratch = new Scratch;
    for (const char* name : {"alice", "bob"}) {
      // A home each: a signature is by the one key there.
      const std::string key = name;
      ok = ok &&
           scratch->run("mkdir -m 700 " + key + " && " + gpg(key) +
                        " --faked-system-time 20200101T000000 --quick-generate-key " + key + "@example.org " +
                        (key == "bob" ? "rsa2048" : "ed25519") + " sign 0 && " + gpg(key) + " --export > " +
                        key + ".gpg && " + gpg(key) + " --armor --export > " + key + ".asc");
    }
    scratch->write("text", text_of);
    ok = ok && scratch->run(gpg("alice") + " --clearsign -o signed text");
    if (!ok) reason = scratch->read("log");
  }
  static void TearDownTestSuite() {
    for (const char* name : {"alice", "bob"})
      scratch->run(fmt::format("gpgconf --homedir \"$PWD/{}\" --kill all", name));
    delete scratch;
    scratch = nullptr;
  }
  void SetUp() override {
    if (std::system("command -v gpg > /dev/null 2>&1") != 0) GTEST_SKIP() << "gpg is not installed";
    ASSERT_TRUE(ok) << reason;
  }

  static std::string gpg(const std::string& name) {
    return "gpg --homedir \"$PWD/" + name +
           "\" --batch --yes --quiet --pinentry-mode loopback --passphrase ''";
  }
  static std::string verify(const std::string& document, const std::vector<std::string>& keys) {
    std::vector<std::string> keyrings;
    for (const std::string& key : keys) keyrings.push_back(scratch->read(key));
    try {
      return verify_clearsigned(document, keyrings, "InRelease");
    } catch (const base::Error& error) {
      return error.what();
    }
  }
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    if (at == std::string::npos) std::abort();
    return text.replace(at, from.size(), to);
  }
  // The signed text with the line ends of a file; blanks at the ends of lines are not signed.
  static std::string lines(std::string text) {
    std::erase(text, '\r');
    std::string out;
    for (const std::string& line : base::split(text, '\n'))
      out += line.substr(0, line.find_last_not_of(" \t") + 1) + "\n";
    while (out.ends_with("\n\n")) out.pop_back();
    return out;
  }

  static Scratch* scratch;
  static bool ok;
  static std::string reason;
};
Scratch* Clearsigned::scratch = nullptr;
bool Clearsigned::ok = true;
std::string Clearsigned::reason;

constexpr const char* wrong =
    "cannot read InRelease: its signature is wrong: the text was changed after it was signed";

TEST_F(Clearsigned, Good) {
  const std::string document = scratch->read("signed");
  for (const auto& keys : std::vector<std::vector<std::string>>{
           {"alice.gpg"}, {"alice.asc"}, {"bob.gpg", "alice.gpg"}, {"alice.gpg", "bob.asc"}})
    EXPECT_EQ(lines(verify(document, keys)), lines(text_of)) << keys[0];
  ASSERT_TRUE(scratch->run(gpg("bob") + " --digest-algo SHA512 --clearsign -o by-bob text"));
  EXPECT_EQ(lines(verify(scratch->read("by-bob"), {"bob.asc"})), lines(text_of));
}

TEST_F(Clearsigned, OfSomeoneElse) {
  EXPECT_EQ(verify(scratch->read("signed"), {"bob.gpg"}),
            "cannot read InRelease: it is signed with none of the keys that the spec gives");
  EXPECT_EQ(verify(scratch->read("signed"), {}),
            "cannot read InRelease: it is signed with none of the keys that the spec gives");
}

TEST_F(Clearsigned, Changed) {
  const std::string document = scratch->read("signed");
  EXPECT_EQ(verify(replaced(document, "Suite: stable", "Suite: strange"), {"alice.gpg"}), wrong);
  EXPECT_EQ(verify(replaced(document, " 00 1 a\n", " 00 1 a\n 11 1 b\n"), {"alice.gpg"}), wrong);
  EXPECT_EQ(verify(replaced(document, " 00 1 a\n", ""), {"alice.gpg"}), wrong);
  // The signature of another text.
  scratch->write("other", "Suite: other\n");
  ASSERT_TRUE(scratch->run(gpg("alice") + " --clearsign -o other.signed other"));
  const std::string other = scratch->read("other.signed");
  const std::string begin = "-----BEGIN PGP SIGNATURE-----";
  EXPECT_EQ(verify(document.substr(0, document.find(begin)) + other.substr(other.find(begin)), {"alice.gpg"}),
            wrong);
}

TEST_F(Clearsigned, NotSigned) {
  const std::string document = scratch->read("signed");
  EXPECT_EQ(verify("", {"alice.gpg"}), "cannot read InRelease: it is not signed");
  EXPECT_EQ(verify(text_of, {"alice.gpg"}), "cannot read InRelease: it is not signed");
  EXPECT_EQ(verify("Suite: evil\n" + document, {"alice.gpg"}), "cannot read InRelease: it is not signed");
  const std::string cut = document.substr(0, document.find("-----BEGIN PGP SIGNATURE-----"));
  EXPECT_TRUE(verify(cut, {"alice.gpg"}).starts_with("cannot read InRelease: "))
      << verify(cut, {"alice.gpg"});
  EXPECT_TRUE(
      verify(document.substr(0, document.size() - 60), {"alice.gpg"}).starts_with("cannot read InRelease: "));
}

TEST_F(Clearsigned, NothingOutsideTheSignature) {
  const std::string document = scratch->read("signed");
  // Either all is refused, or what was not signed is not given.
  for (const std::string& more : {std::string("\nSuite: evil\n"), document}) {
    const std::string got = verify(document + more, {"alice.gpg"});
    EXPECT_EQ(got.find("evil"), std::string::npos) << got;
    EXPECT_TRUE(got.starts_with("cannot read InRelease: ") || lines(got) == lines(text_of)) << got;
  }
  // An armor header is not signed.
  const std::string got = verify(replaced(document, "\n\n", "\nComment: evil\n\n"), {"alice.gpg"});
  EXPECT_EQ(got.find("evil"), std::string::npos) << got;
}

TEST_F(Clearsigned, TwoSignatures) {
  // Both keys in one home; the trust of one suffices, a bad one of a trusted key does not pass.
  ASSERT_TRUE(scratch->run("mkdir -m 700 both && for name in alice bob; do " + gpg("$name") +
                           " --export-secret-keys > $name.secret && " + gpg("both") +
                           " --import $name.secret; done && " + gpg("both") +
                           " -u alice@example.org -u bob@example.org --clearsign -o two text && gpgconf "
                           "--homedir \"$PWD/both\" --kill all"))
      << scratch->read("log");
  const std::string document = scratch->read("two");
  for (const char* key : {"alice.gpg", "bob.gpg"})
    EXPECT_EQ(lines(verify(document, {key})), lines(text_of)) << key;
  EXPECT_EQ(lines(verify(document, {"alice.gpg", "bob.gpg"})), lines(text_of));
  EXPECT_EQ(verify(replaced(document, "stable", "strange"), {"alice.gpg"}), wrong);
}

TEST_F(Clearsigned, Expired) {
  const auto sign = [](const std::string& when, const std::string& name) {
    return scratch->run(gpg("alice") + " --faked-system-time " + when +
                        " --default-sig-expire 1d --clearsign -o " + name + " text");
  };
  ASSERT_TRUE(sign("20210101T000000", "expired")) << scratch->read("log");
  EXPECT_EQ(verify(scratch->read("expired"), {"alice.gpg"}),
            "cannot read InRelease: its signature has expired");
  EXPECT_EQ(verify(replaced(scratch->read("expired"), "stable", "strange"), {"alice.gpg"}), wrong);
  ASSERT_TRUE(sign("20900101T000000", "early")) << scratch->read("log");
  EXPECT_TRUE(verify(scratch->read("early"), {"alice.gpg"}).starts_with("cannot read InRelease: "));
}

TEST_F(Clearsigned, Keyrings) {
  scratch->write("garbage.gpg", "this is no keyring");
  EXPECT_EQ(verify(scratch->read("signed"), {"garbage.gpg"}),
            "cannot read InRelease: a keyring of its source is not one of OpenPGP");
}

}  // namespace
}  // namespace minibuild::packages
