#include "minibuild/trust/published_files.h"

#include <gtest/gtest.h>

#include "minibuild/base/sha256.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {
namespace {

tree::FileTree tree_of(const std::map<std::string, std::string>& files) {
  tree::FileTree tree;
  for (const auto& [path, text] : files) tree.put(path, tree::file_node(tree::inline_content(text), 0), 0);
  return tree;
}

std::string line_of(const std::string& name, const std::string& text) {
  const base::Hash hash = base::Sha256().update(text).finish();
  std::string encoded = base::base64url(std::string(hash.begin(), hash.end()));
  while (encoded.ends_with('=')) encoded.pop_back();
  return name + ",sha256=" + encoded + "," + std::to_string(text.size()) + "\n";
}

std::string publisher(const std::map<std::string, std::string>& files, const std::string& path) {
  const tree::FileTree tree = tree_of(files);
  const auto found = PublishedFiles(tree).publisher_of(path);
  return found ? found->package + (found->exact ? " exact" : "") + (found->fetched ? " fetched" : "")
               : "none";
}

TEST(PublishedFiles, KnowsWhatInstallersLeave) {
  const std::string site = "app/lib/python3.11/site-packages/";
  const std::map<std::string, std::string> python = {
      {site + "h11/url.py", "text"},
      {site + "h11/own.py", "more"},
      {site + "h11-0.14.0.dist-info/RECORD", "a.py,,\n" + line_of("h11/url.py", "text")}};
  std::map<std::string, std::string> changed = python, own = python;
  changed[site + "h11/url.py"] = "test";
  own[site + "h11-0.14.0.dist-info/direct_url.json"] = R"({"url":"file:///src","dir_info":{}})";
  const std::map<std::string, std::string> npm = {
      {"app/node_modules/@a/b/package.json", R"({"name":"@a/b","version":"1.2.3"})"},
      {"app/node_modules/own/package.json", R"({"name":"own","version":"1.0.0","private":true})"},
      {"app/node_modules/none/x.js", "x"},
      {"app/package.json", R"({"name":"app","version":"1.0.0"})"}};
  const std::string description = R"({"name":"a","version":"1.2.3"})";
  const std::map<std::string, std::string> lists = {
      {"n/node_modules/a/package.json", description},
      {"n/node_modules/a/node_modules/b/package.json", description},
      {"n/node_modules/link/package.json", description},
      {"n/node_modules/tarball/package.json", description},
      {"n/node_modules/more/package.json", description},
      {"n/node_modules/.package-lock.json", R"({"packages":{
        "node_modules/a":{"integrity":"sha512-A","resolved":"https://registry.example.com/a.tgz"},
        "node_modules/a/node_modules/b":{"integrity":"sha512-A"},
        "node_modules/link":{"resolved":"../link","link":true},
        "node_modules/tarball":{"integrity":"sha512-A","resolved":"file:../a.tgz"}}})"},
      {"y/node_modules/@a/b/package.json", description},
      {"y/node_modules/own/package.json", description},
      {"y/node_modules/.yarn-integrity", R"({"lockfileEntries":{
        "@a/b@^1.0.0":"https://registry.example.com/@a/b/-/b-1.2.3.tgz#00","own@file:../own":""}})"},
      {"p/node_modules/.modules.yaml", ""},
      {"p/node_modules/.pnpm/@a+b@1.2.3/node_modules/@a/b/package.json", description},
      {"p/node_modules/.pnpm/own@file+own/node_modules/own/package.json", description}};
  const base::Hash hash = base::Sha256().update("fn").finish();
  const std::map<std::string, std::string> cargo = {
      {"v/rand/src/lib.rs", "fn"},
      {"v/rand/src/more.rs", "fn2"},
      {"v/rand/.cargo-checksum.json",
       R"({"files":{"src/lib.rs":")" + base::to_hex(hash) + R"("},"package":"00"})"},
      {"root/.cargo/registry/src/index-1/libc-0.2.1/.cargo-ok", "{}"}};
  const std::map<std::string, std::string> others = {
      {"app/vendor/modules.txt", "# example.com/a v1.0.0\n# example.com/b v1.0.0 => ../b\n"},
      {"usr/lib/ruby/specifications/rack-3.0.gemspec", ""},
      {"web/vendor/composer/installed.json",
       R"({"packages":[{"name":"a/b","version":"2.0","dist":{"type":"zip"}},
                       {"name":"a/own","version":"2.0","dist":{"type":"path"}}]})"}};
  const struct {
    const std::map<std::string, std::string>& files;
    std::string path, want;
  } cases[] = {
      {python, site + "h11/url.py", "h11 0.14.0 exact"},
      {python, site + "h11/own.py", "none"},
      {changed, site + "h11/url.py", "none"},
      {own, site + "h11/url.py", "none"},
      {npm, "app/node_modules/@a/b/lib/x.js", "@a/b 1.2.3"},
      {npm, "app/node_modules/@a/.env", "none"},
      {npm, "app/node_modules/own/x.js", "none"},
      {npm, "app/node_modules/none/x.js", "none"},
      {npm, "app/node_modules/.cache/x.js", "none"},
      {lists, "n/node_modules/a/x.js", "a 1.2.3 fetched"},
      {lists, "n/node_modules/a/node_modules/b/x.js", "b 1.2.3 fetched"},
      {lists, "n/node_modules/link/x.js", "link 1.2.3"},
      {lists, "n/node_modules/tarball/x.js", "tarball 1.2.3"},
      {lists, "n/node_modules/more/x.js", "more 1.2.3"},
      {lists, "y/node_modules/@a/b/x.js", "@a/b 1.2.3 fetched"},
      {lists, "y/node_modules/own/x.js", "own 1.2.3"},
      {lists, "p/node_modules/.pnpm/@a+b@1.2.3/node_modules/@a/b/x.js", "@a/b 1.2.3 fetched"},
      {lists, "p/node_modules/.pnpm/own@file+own/node_modules/own/x.js", "own 1.2.3"},
      {npm, "app/src/x.js", "none"},
      {cargo, "v/rand/src/lib.rs", "rand exact"},
      {cargo, "v/rand/src/more.rs", "none"},
      {cargo, "root/.cargo/registry/src/index-1/libc-0.2.1/src/lib.rs", "libc-0.2.1"},
      {cargo, "root/.cargo/registry/src/index-1/other-0.2.1/src/lib.rs", "none"},
      {others, "root/go/pkg/mod/example.com/a/b@v1.2.3/x.go", "example.com/a/b v1.2.3"},
      {others, "root/go/pkg/mod/x.go", "none"},
      {others, "app/vendor/example.com/a/x.go", "example.com/a v1.0.0"},
      {others, "app/vendor/example.com/b/x.go", "none"},
      {others, "usr/lib/ruby/gems/rack-3.0/lib/rack.rb", "rack-3.0"},
      {others, "usr/lib/ruby/gems/mine-3.0/lib/rack.rb", "none"},
      {others, "web/vendor/a/b/src/x.php", "a/b 2.0"},
      {others, "web/vendor/a/own/src/x.php", "none"},
  };
  for (const auto& one : cases) EXPECT_EQ(publisher(one.files, one.path), one.want) << one.path;
}

TEST(PublishedFiles, KeysWithoutAHashStayErrors) {
  const Publisher exact{"a 1", true}, named{"a 1", false};
  EXPECT_TRUE(is_mild("private-key", "/app/a/x.py", exact));
  EXPECT_TRUE(is_mild("assignment", "/app/node_modules/a/x.js", named));
  EXPECT_TRUE(is_mild("url-password", "/app/node_modules/a/x.js", named));
  EXPECT_TRUE(is_mild("private-key", "/app/node_modules/a/test/key.pem", named));
  EXPECT_TRUE(is_mild("private-key", "/app/node_modules/a/README.md", named));
  EXPECT_TRUE(is_mild("private-key", "/app/node_modules/a/types.d.ts", named));
  EXPECT_FALSE(is_mild("private-key", "/app/node_modules/a/key.pem", named));
  const Publisher fetched{"a 1", false, true};
  EXPECT_TRUE(is_mild("private-key", "/app/node_modules/a/lib/x.js", fetched));
  EXPECT_TRUE(is_mild("github-token", "/app/node_modules/a/dist/x.mjs", fetched));
  EXPECT_FALSE(is_mild("private-key", "/app/node_modules/a/key.pem", fetched));
  EXPECT_FALSE(is_mild("github-token", "/app/node_modules/a/config.json", fetched));
  EXPECT_FALSE(is_mild("github-token", "/app/node_modules/a/x.js", named));
}

}  // namespace
}  // namespace minibuild::trust
