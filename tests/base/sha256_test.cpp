#include "minibuild/base/sha256.h"

#include <gtest/gtest.h>

namespace minibuild::base {
namespace {

// FIPS 180-4 examples.
TEST(Sha256, GivesTheStandardsExamples) {
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, GoesOnFromASavedState) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 31);
  for (size_t cut = 0; cut <= text.size(); cut += 7) {
    const auto restored = Sha256::restore(Sha256().update(text.substr(0, cut)).save());
    ASSERT_TRUE(restored);
    EXPECT_EQ(restored->size(), cut);
    EXPECT_EQ(Sha256(*restored).update(text.substr(cut)).finish(), sha256(text)) << cut;
  }
  for (const std::string& wrong :
       {std::string(), std::string(39, 'x'), std::string(41, '\0'), std::string(200, 'x')})
    EXPECT_FALSE(Sha256::restore(wrong));
}

TEST(HashFromHex, TakesLowerCaseOnly) {
  EXPECT_EQ(hash_from_hex(to_hex(sha256("x"))), sha256("x"));
  for (const std::string& wrong :
       {std::string(63, '0'), std::string(64, 'A'), std::string(64, 'g'), std::string(65, '0')})
    EXPECT_FALSE(hash_from_hex(wrong));
}

}  // namespace
}  // namespace minibuild::base
