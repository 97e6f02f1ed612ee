// Keys on a token of SoftHSM, with the openssl program as the judge of what they sign.
#include "minibuild/trust/pkcs11.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "tests/trust/scratch.h"

namespace minibuild::trust {
namespace {

constexpr const char* module = "/usr/lib/softhsm/libsofthsm2.so";

class Token : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!base::exists(module) || std::system("command -v softhsm2-util > /dev/null 2>&1") != 0)
      GTEST_SKIP() << "keys on tokens are not tested: softhsm2 is not installed";
    std::string pattern = ::testing::TempDir() + "minibuild-token-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
    base::make_directories(path_ + "/tokens");
    write("softhsm2.conf",
          "directories.tokendir = " + path_ + "/tokens\nobjectstore.backend = file\nlog.level = ERROR\n");
    ::setenv("SOFTHSM2_CONF", (path_ + "/softhsm2.conf").c_str(), 1);
    ASSERT_TRUE(run("softhsm2-util --init-token --free --label mine --so-pin 0000 --pin 1234"))
        << read("log");
  }
  void TearDown() override {
    ::unsetenv("SOFTHSM2_CONF");
    if (!path_.empty()) base::remove_tree(path_);
  }
  bool run(const std::string& command) const {
    return std::system(("cd '" + path_ + "' && { " + command + "; } > log 2>&1").c_str()) == 0;
  }
  std::string read(const std::string& name) const { return base::read_file(path_ + "/" + name); }
  void write(const std::string& name, std::string_view bytes) const {
    base::write_file_atomic(path_ + "/" + name, bytes);
  }
  // A key pair under that id; its public half goes to pub.pem.
  void generate(const std::string& options, const std::string& id) const {
    ASSERT_TRUE(run("openssl genpkey " + options +
                    " -out key.pem && openssl pkey -in key.pem -pubout -out pub.pem && "
                    "softhsm2-util --import key.pem --token mine --pin 1234 --label key --id " +
                    id))
        << read("log");
  }
  static std::string uri(const std::string& path, const std::string& query = "&pin-value=1234") {
    return "pkcs11:token=mine;" + path + "?module-path=" + module + query;
  }
  std::string path_;
};

TEST_F(Token, SignsAsOpensslVerifies) {
  struct Case {
    const char* type;
    const char* id;
    Scheme scheme;
    const char* verify;
  };
  const std::string pss = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest";
  const std::string pss256 = "-sha256 " + pss;
  const std::string pss384 = "-sha384 " + pss;
  const std::string pss512 = "-sha512 " + pss;
  const Case cases[] = {
      {"-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "01", Scheme::ecdsa_p256_sha256, "-sha256"},
      {"-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "02", Scheme::ecdsa_p384_sha384, "-sha384"},
      {"-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "03", Scheme::ecdsa_p521_sha512, "-sha512"},
      {"-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "04", Scheme::rsa_pkcs1_sha256, "-sha256"},
      {nullptr, "04", Scheme::rsa_pss_sha256, pss256.c_str()},
      {nullptr, "04", Scheme::rsa_pss_sha384, pss384.c_str()},
      {nullptr, "04", Scheme::rsa_pss_sha512, pss512.c_str()}};
  write("data", "some data");
  for (const Case& one : cases) {
    SCOPED_TRACE(one.verify);
    if (one.type != nullptr) generate(one.type, one.id);
    const auto signer = open_token_key(uri(std::string("id=%") + one.id), "");
    EXPECT_EQ(signer->public_key(), parse_public_key(read("pub.pem"), "pub.pem"));
    EXPECT_EQ(read_token_key(uri(std::string("id=%") + one.id, ""), ""), signer->public_key());
    for (int i = 0; i < 8; ++i) {  // numbers of an ECDSA signature begin with zeros at times
      const std::string signature = signer->sign("some data", one.scheme);
      write("signature", signature);
      EXPECT_TRUE(
          run(std::string("openssl dgst ") + one.verify + " -verify pub.pem -signature signature data"))
          << read("log");
      EXPECT_TRUE(verify(signer->public_key(), one.scheme, "some data", signature));
    }
    const Scheme wrong =
        one.scheme == Scheme::ecdsa_p256_sha256 ? Scheme::rsa_pkcs1_sha256 : Scheme::ecdsa_p256_sha256;
    EXPECT_NE(error_of([&] { signer->sign("some data", wrong); }), "no error");
  }
}

TEST_F(Token, SaysWhatIsWrong) {
  generate("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "01");
  generate("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "02");
  const auto fault = [](const std::string& text, const std::string& pin = "") {
    return error_of([&] { open_token_key(text, pin); });
  };
  EXPECT_EQ(fault(uri("id=%01")), "no error");
  EXPECT_EQ(fault(uri("id=%01", ""), "1234"), "no error");
  write("pin", "1234\n");
  EXPECT_EQ(fault(uri("id=%01", "&pin-source=file:" + path_ + "/pin")), "no error");
  EXPECT_EQ(fault(uri("id=%01", ""), "4321"),
            "cannot use the key pkcs11:token=mine;id=%01: the PIN is wrong");
  EXPECT_EQ(fault(uri("id=%01", "")),
            "cannot use the key pkcs11:token=mine;id=%01: the token wants a PIN, and none was given");
  EXPECT_NE(fault(uri("object=key")).find("more than one key"), std::string::npos);
  EXPECT_NE(fault(uri("id=%09")).find("no such private key"), std::string::npos);
  EXPECT_NE(fault(std::string("pkcs11:token=other?module-path=") + module).find("no such token"),
            std::string::npos);
  EXPECT_NE(fault("pkcs11:token=mine?module-path=/nowhere.so").find("cannot be loaded"), std::string::npos);
  EXPECT_NE(fault("pkcs11:token=%zz"), "no error");
  for (const char* text :
       {"pkcs11:token=%zz?pin-value=1234", "pkcs11:token=other?module-path=/nowhere.so&pin-value=1234"})
    EXPECT_EQ(fault(text).find("1234"), std::string::npos) << "a message has the PIN";
}

}  // namespace
}  // namespace minibuild::trust
