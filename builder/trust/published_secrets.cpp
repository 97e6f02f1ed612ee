// The list, by where a credential is published. It holds hashes only: SHA-256 of rule, NUL, NUL, credential,
// as `secrets_bench --published FILE…` prints them; of a key store of the file's name, of the file's first 64
// KiB.
#include "builder/trust/published_secrets.h"

#include <algorithm>
#include <array>

namespace minibuild::trust {
namespace {

constexpr auto published = std::to_array<std::string_view>({
    // GnuTLS: keys of its self-tests, in the library itself
    "059dcc92e06986fa10bcaf6a0c03c49151fec505315b9af38333dc9ba8cfd9b5",
    "085877e311840e61d1db7bb841e14d9e15e97f99b4ca5daffbb3a3779e6eaea3",
    "3fc610c5d31d797b29caec8bf04b0afc1b39e22422000bd82094e3c2138e72dd",
    "4cbed8104c59e7505da366fb6d9e534855bfb65b482355f4a46619b4bb64664f",
    "6c63b49e35b830ea400557a42d32915999aa4af083084933a48994ab9e954854",
    "76713b2f9dba6b84b9d0ce76c714e9a09412c77040d901bdf5e4a3c9326dc6dd",
    "cae58c0627885b95d4a601654f45b0dfc4ec752331318876837f41e0289eb50d",
    "e14e90850680b87e9522001263d4aee046528593cf36e8a4f82c61e2bcb2c67d",
    "f2f26a1fb0fa221edf7b0287ed76767cf505a4eb7f3d92f3d855c1d670a35d3f",
    "f56caebe183b409cfdcdedb095f7f66bfcd0bccd16b361e778287a42a2b56dd8",
    // Go: keys in examples and tests of crypto/tls and crypto/x509
    "2cc950d7d595463a323b41347ba37ad99e48b2ddcc601ea791807f1b9910548c",
    "644d0dbadcfd4395fd9985c7d01a7214349f451d7b5616e72787f8967ecddc0d",
    // xmlsec: the key of its examples
    "d455cbc351e2279324e8877610c2e467669b4ede7e7e5b9b9c170c4e12cf5d01",
    // CMake: the certificate of a template
    "c9a85a5574e4986a9d117dd1ff75585116c90bd787daffcb240350b47591f59b",
    // OAuth 1: requests in the documentation of oauthlib and requests-oauthlib
    "6251355e74f85d18f61c699c46d74176d45b0cef95b15df262d3b728f92e56a8",
    "7669cf9f8da5e86308cf86bc5dfcd2324efc43b81908a316154eeeb32f1db512",
    "9e864321401c8df59c7e24cc27ddc522f554ac01b529154f5d0ff4ef4e250d37",
    // OAuth 2: tokens in the examples of RFC 6749
    "68121fd9a28979334ce949dafbbb8b9e3424105add3b3c93cedb9392ba55b9a5",
    "c7e1b8c97220902df1ecbc043c997886762f1dbcb5f2d6e61acc6bfdb95e32d1",
    // kubectl: an example in its help
    "22ea3195b8a43bf45c9c60020bda1e725bb80e7ebd87860740dfa87f97c1392f",
    // the Python client of Kubernetes: tests
    "60b9125186ac71152333ff4f43f90cb4519eca788796adb5467c0eec26207d0e",
    // Jetty: obfuscated default passwords and examples of its modules
    "1c95f7e354471990dfa38a5116710d689dc419a29e607751c1b7a7212bb554be",
    "ae3dbd794b060e5ae4d144413d8380ea64d549d489d53d7889af5b8bdb166e85",
    "f1a6df23e4080271391ef5625782509be244a1f6177b1726afad01dd9ccc4f70",
    // charset-normalizer: a test
    "8d274b2962c6b1f0b79f618a733d571ab94bc0fcf8226822eb3c497c54d1db14",
    // requests and urllib3: keys of test servers
    "24d52092a1f065768eee7617d3548dd54373e096b277382a968737b0af2ee196",
    "6ff795a43011c508af24954085b53f61a233720bbf9626399ee550a381e992bc",
    "9e069d0beaaaeaa906b3381200677c0fff0cda8699330206d428a79a391981f9",
    "aa59b991e71207f0650eb9e82881b9ae4f1630a25afd1fe357787252fb5a99ec",
    "cfb87e25989bd5a7026da4d0443a30e7e3bc885126b55f3375d2d56b5940bbeb",
    "f5e590df0ee85b9d62a6c70b9a26dc51b6e42a4a0873c5f9e8f1b4472400bb2a",
    // boto: a key of its tests
    "e9959966eb8d56c1ebb030373b023c19d36a59f5ac9eb8047904b91e4f5d7fef",
    // botocore: an example in the description of DataSync
    "5041e3b12b7f13af7c52b755850edc8b6558977fffcb424f8fb5e38038026ff0",
    // PyJWT: the token of its manual
    "30916151befc75d7fb1753be44356925abc7e920ab842b346e5bbedc23baa3ca",
    // google-auth: keys of its tests, and a token
    "da2ad3ed182b5184adc6c68768a4406a17f2ba35c379c83d15a46e6b6310b072",
    "db67a1fa938fa08d2b349365acc6d30be80bb3c6cc1f637ecf6f0cc42003c0b6",
    "01f3c8ef8769fa8bb8cc7708faf5a2e23f0583cfbfcd72fe298941dab2ee8a74",
    "17042fdbf54546279adcea220565be187b54d1c8259db428073da1389c8cfe3c",
    "29b7fed977be37b2f040e8aee6df597b9735352fd8001fbbaeff7949039d3db2",
    "3dac4cddb25c8d228040f193fb9c94bd6d3e68717931128ac7328f0d7d77f135",
    "45d8b610bf8a17e07c2de5c7b6638281930aaa017413dd6a35956f2317a344f5",
    "e500013ba7317f226cda7f78b168d529337b3ffd593946ffe540993962fdba79",
    // Azure's emulator of storage: the key of its one account, in every SDK
    "d23ec663104ed346222216cdb0ac470def8f9d0285adff9a4489e758d7efc148",
    // GitHub's API: keys in the examples of its description, in clients made of it
    "9aadd6704f3786b4f6310dd8ce68088c18f281b090516ab6569a13f64908f955",
    "b23bc3a787e832dfe27fa431d8c10b82d0edafcac8f3c7c4f57bcb30761e5e43",
    "ec134b905079df07cf2cc4363a76354d6c1e6e720fc201a28ade9ad80005a15a",
    // Twilio's API: a key in the description of credentials
    "d243a93e10db3442aff7fc5c20c737dc0e88324605183900e217f2cb716961f3",
    // HTTP signatures: the key of the examples of its draft
    "eaa0298d3a319eee524f4d63ab1ae2a5b15c389efc5dcd5a7e4bfacd35a1964d",
    // ssh2: a key by which it tries whether Ed25519 works
    "59c474eb774b51ec47d1e66af3d90ebaf38f1b17fcfefd9ceaa38decd2154535",
    // dotenv: addresses in its messages, in every program that is bundled with it
    "0d1d5bfb13ed6b80640d0313eb86fcf673d954ed21824c29cc75e098bd4cc42a",
    "d0863bbb240d72f8c05e5b271e141ea63ec3cfe485a45662043ec8f027a14579",
    // ethers: keys for everybody of two providers
    "225865989e14cd24d9b87686a891e9b92e1275b64933edfdc4a357d03618a397",
    "40d644d1ee61aa76150e9f22dfe8a5a7845798b1e91c86beae7b2ffdf3deba03",
    // gsutil: a key of its tests
    "5f2ca53e369a1269d9040e53ae1a55c7a6b97e310d8c22a4efcb7725b0926d68",
    "225516e90fea21c5def3c5d68c6c6a4bee5c4d28b81534701aaad6846b96e3b2",
    // Google Cloud SDK: identities of the programs themselves, in every installation
    "1eb43b5a696cbe7c1f5392c14ef6490ced700269ad45235665a759557e7e3e85",
    "3663e3d1b3917f45baf9f82c4a447108841ab2ab244dc22bf6834f3d47f3b0f4",
    "a0b0e5a6791a7ac489a352d2a0e1326aa33b1864979f3056e238f64ed99ba264",
    "af9d162fc820c823c9f8451f9c2c81f9538317b1ffbd32ca578be52611975876",
    "e2b87f3a56acbc89de5f321b9b812084b9dbfc69f71883ffcb693ae579b5e127",
    "fa8f5a1a792ad1f47c69dd0578b37b65a6ce4c0cfbc440a82614db65fb7e1a07",
});

}  // namespace

bool is_published(std::string_view fingerprint) {
  return std::find(published.begin(), published.end(), fingerprint) != published.end();
}

}  // namespace minibuild::trust
