#include "minibuild/build/provenance.h"

#include <gtest/gtest.h>

#include "builder/build/notes.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace minibuild::build {
namespace {

const oci::Digest tool = oci::digest_of("tool");
const oci::Digest base_image = oci::digest_of("base");
const oci::Digest archive = oci::digest_of("archive");

class DescribeBuild : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "minibuild-provenance";
    base::remove_tree(directory_);
    base::make_directories(directory_);
    base::write_file_atomic(directory_ + "/below.yaml",
                            "minibuild: 1\nbase: registry.example.com/base:2\nuser: root\n");
    base::write_file_atomic(spec_, text_);
    options_.secrets = {{"npm", "correct-horse-battery"}};
    lock_.images = {{"registry.example.com/base:2", base_image, std::string(oci::media_type::index), 10}};
    lock_.downloads = {{"https://example.com/correct-horse-battery.tar", archive, 5}};
    lock_.packages = {
        {"",
         "",
         "linux/amd64",
         {"libc6"},
         {"debian deb https://example.com trixie main"},
         {{"libc6", "2.41-12", "amd64", "glibc", "https://user:pass@example.com/libc6_2.41-12_amd64.deb",
           oci::digest_of("deb"), 3, "requested"}}},
        {"",
         "",
         "linux/arm64",
         {},
         {},
         {{"other", "1", "arm64", "other", "https://example.com/o.deb", oci::digest_of("o"), 1,
           "requested"}}}};
    built_.names = {oci::parse_reference("registry.example.com/team/app:1")};
    store::Image image;
    image.descriptor.digest = oci::digest_of("manifest");
    image.config.platform = {"linux", "amd64", ""};
    image.manifest.layers = {{std::string(oci::media_type::layer_zstd), oci::digest_of("layer"), 5, {}, {}}};
    built_.set.images = {image};
    // As the flow notes it.
    const auto ledger = std::make_shared<Ledger>();
    const oci::Platform platform{"linux", "amd64", ""};
    const project::SpecFile& top = project_.top(platform);
    for (const project::SpecFile* file :
         {&top, &project_.below(top, std::get<spec::BaseSpec>(top.spec.base.what), platform)})
      note_spec(*ledger, *file);
    ledger->add_image("registry.example.com/base:2", platform, base_image);
    ledger->add_image("registry.example.com/tools@" + oci::to_string(tool), platform, tool);
    ledger->add_download("https://example.com/correct-horse-battery.tar", archive);
    ledger->add_open_stage("fetch");
    built_.ledger = ledger;
    // What happens afterwards does not matter.
    base::write_file_atomic(spec_, "changed");
  }

  const trust::Resource* find(const trust::Provenance& provenance, const std::string& name,
                              const std::string& uri) const {
    for (const trust::Resource& one : provenance.dependencies)
      if (one.name == name && one.uri == uri) return &one;
    return nullptr;
  }

  std::string directory_;
  std::string spec_ = testing::TempDir() + "minibuild-provenance/minibuild.yaml";
  project::Project project_{
      spec_, {{"TOKEN", "correct-horse-battery"}, {"VERSION", "1"}}, {{"linux", "amd64", ""}}};
  std::string text_ =
      "minibuild: 1\nargs: { TOKEN: x, VERSION: \"0\" }\nbase: ./below.yaml\nuser: root\ncopy:\n"
      "  - { url: \"https://example.com/${TOKEN}.tar\", to: /a.tar }\n"
      "  - { image: \"registry.example.com/tools@" +
      oci::to_string(tool) + "\", from: /bin/tool, to: /bin/ }\n";
  Options options_;
  project::Lock lock_;
  Built built_;
};

TEST_F(DescribeBuild, NamesAllThatWentIn) {
  const Invocation invocation{"0.1.0", "urn:example:ci",
                              "run-7", 100,
                              200,     GitCommit{"https://me:secret@git.example.com/app.git", "abc123"}};
  const trust::Provenance got = describe_build(project_, options_, lock_, built_, invocation);
  EXPECT_EQ(got.spec, spec_);
  EXPECT_EQ(got.secrets, std::vector<std::string>{"npm"});
  EXPECT_EQ(got.platforms, std::vector<std::string>{"linux/amd64"});
  const auto sha256 = [&](const std::string& name, const std::string& uri) -> std::string {
    const trust::Resource* one = find(got, name, uri);
    return one == nullptr || !one->digest.contains("sha256") ? "" : one->digest.at("sha256");
  };
  EXPECT_EQ(sha256("spec", spec_), oci::hex(oci::digest_of(text_)));
  EXPECT_EQ(sha256("spec", directory_ + "/below.yaml"),
            oci::hex(oci::digest_of(base::read_file(directory_ + "/below.yaml"))));
  EXPECT_EQ(sha256("lock", project::lock_path(spec_)), oci::hex(oci::digest_of(to_json(lock_))));
  EXPECT_EQ(sha256("image", "pkg:docker/registry.example.com/base@2?platform=linux%2Famd64"),
            oci::hex(base_image));
  EXPECT_EQ(sha256("image", "pkg:docker/registry.example.com/tools?platform=linux%2Famd64"), oci::hex(tool));
  EXPECT_EQ(sha256("download", "https://example.com/[secret npm].tar"), oci::hex(archive));
  const trust::Resource* libc = find(got, "package", "pkg:deb/debian/libc6@2.41-12?arch=amd64");
  ASSERT_NE(libc, nullptr);
  EXPECT_EQ(libc->digest.at("sha256"), oci::hex(oci::digest_of("deb")));
  EXPECT_EQ(libc->download_location, "https://example.com/libc6_2.41-12_amd64.deb");
  EXPECT_EQ(got.open_stages, std::vector<std::string>{"fetch"});
  // What is for another platform did not go in.
  for (const trust::Resource& one : got.dependencies) EXPECT_EQ(one.uri.find("other"), std::string::npos);
  const trust::Resource* git = find(got, "source", "git+https://git.example.com/app.git");
  ASSERT_NE(git, nullptr);
  EXPECT_EQ(git->digest.at("gitCommit"), "abc123");
  ASSERT_EQ(got.byproducts.size(), 1U);
  EXPECT_EQ(got.byproducts[0].digest.at("sha256"), oci::hex(oci::digest_of("layer")));
}

TEST_F(DescribeBuild, HasNoSecret) {
  const trust::Provenance got =
      describe_build(project_, options_, lock_, built_, {"0.1.0", "urn:example:ci", "", 0, 0, {}});
  EXPECT_EQ(got.args.at("TOKEN"), "[secret npm]");
  EXPECT_EQ(got.args.at("VERSION"), "1");
  const std::string text = trust::provenance_statement(subjects_of(built_), got);
  EXPECT_EQ(text.find("correct-horse"), std::string::npos);
  EXPECT_EQ(text.find("pass@"), std::string::npos);
}

TEST_F(DescribeBuild, SubjectsAreAllNames) {
  built_.names.push_back(oci::parse_reference("registry.example.com/team/app:latest"));
  const std::vector<trust::Resource> one = subjects_of(built_);
  ASSERT_EQ(one.size(), 2U);
  EXPECT_EQ(one[0].name, "registry.example.com/team/app:1");
  EXPECT_EQ(one[1].digest.at("sha256"), oci::hex(oci::digest_of("manifest")));
  built_.set.index = oci::Descriptor{std::string(oci::media_type::index), oci::digest_of("index"), 5, {}, {}};
  const std::vector<trust::Resource> several = subjects_of(built_);
  ASSERT_EQ(several.size(), 3U);
  EXPECT_EQ(several[0].digest.at("sha256"), oci::hex(oci::digest_of("index")));
  EXPECT_EQ(several[2].name, "registry.example.com/team/app:1 linux/amd64");
}

TEST_F(DescribeBuild, PackageFilesHaveNoCredentials) {
  const std::vector<trust::PackageFile> files = package_files(lock_);
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].url, "https://example.com/libc6_2.41-12_amd64.deb");
}

}  // namespace
}  // namespace minibuild::build
