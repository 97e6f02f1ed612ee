#include "minibuild/trust/sbom.h"

#include <gtest/gtest.h>

#include <set>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::trust {
namespace {

void put(tree::FileTree& tree, const std::string& path, const std::string& text) {
  tree.put(path, tree::file_node(tree::inline_content(text), 0), 0);
}

// Debian's packages, one with files that lie below a link; and one file that no package has.
tree::FileTree image_tree() {
  tree::FileTree tree;
  tree.put("lib", tree::symlink_node("usr/lib", 0), 0);
  put(tree, "etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n");
  put(tree, "var/lib/dpkg/status.d/libc6",
      "Package: libc6\nVersion: 2.36-9+deb12u10\nArchitecture: amd64\nSource: glibc\nMaintainer: GNU Libc "
      "Maintainers <libc@example.com>\nHomepage: https://www.gnu.org/software/libc/libc.html\nDescription: "
      "GNU "
      "C Library: Shared libraries\n more\n");
  put(tree, "var/lib/dpkg/status.d/libc6.md5sums", "d41d8cd98f00b204e9800998ecf8427e  lib/libc.so.6\n");
  put(tree, "var/lib/dpkg/status.d/zlib1g",
      "Package: zlib1g\nVersion: 1:1.2.13.dfsg-1+b1\nArchitecture: amd64\nSource: zlib (1:1.2.13.dfsg-1)\n"
      "Homepage: not a URL\n");
  put(tree, "usr/lib/libc.so.6", "");
  put(tree, "usr/share/doc/libc6/copyright",
      "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: a\n"
      "License: LGPL-2.1+ and public-domain\n");
  put(tree, "usr/share/doc/zlib1g/copyright", "This is free software\n");
  put(tree, "app/hello.txt", "hello\n");
  return tree;
}

ImageIdentity identity() {
  ImageIdentity image;
  image.name = "registry.example.com/team/app";
  image.tag = "1.0";
  image.digest = oci::digest_of("manifest");
  image.platform = {"linux", "amd64", ""};
  image.created = 1700000000;
  image.base_name = "registry.example.com/base:2";
  image.base_digest = oci::to_string(oci::digest_of("base"));
  return image;
}

TEST(Components, FindsPackagesAndCopiedFiles) {
  const Components found = components_of(image_tree());
  ASSERT_EQ(found.packages.size(), 2U);
  const PackageComponent& libc = found.packages[0];
  EXPECT_EQ(libc.maintainer, "GNU Libc Maintainers <libc@example.com>");
  EXPECT_EQ(libc.homepage, "https://www.gnu.org/software/libc/libc.html");
  EXPECT_EQ(libc.summary, "GNU C Library: Shared libraries");
  ASSERT_EQ(libc.licenses.size(), 2U);
  EXPECT_EQ(libc.licenses[0].expression, "LGPL-2.1-or-later");
  EXPECT_EQ(libc.licenses[1].expression, "LicenseRef-public-domain");
  EXPECT_TRUE(found.packages[1].licenses.empty());
  EXPECT_NE(found.packages[1].license_comment.find("machine-readable"), std::string::npos);
  EXPECT_EQ(found.packages[1].homepage, "");
  std::vector<std::string> paths;
  for (const CopiedFile& file : found.files) paths.push_back(file.path);
  // lib/libc.so.6 lies in usr/lib. Nothing lists the documentation here.
  EXPECT_EQ(paths,
            (std::vector<std::string>{"app/hello.txt", "etc/os-release", "usr/share/doc/libc6/copyright",
                                      "usr/share/doc/zlib1g/copyright"}));
  // `printf 'hello\n' | sha1sum` and sha256sum.
  EXPECT_EQ(found.files[0].sha1, "f572d396fae9206628714fb2ce00f72e94f2258f");
  EXPECT_EQ(found.files[0].sha256, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
}

TEST(Components, ReadsApk) {
  tree::FileTree tree;
  put(tree, "etc/os-release", "ID=alpine\nVERSION_ID=3.20.3\n");
  put(tree, "lib/apk/db/installed",
      "C:Q1abc\nP:musl\nV:1.2.5-r0\nA:x86_64\nT:the musl c library\nU:https://musl.libc.org/\nL:MIT\n"
      "o:musl\nm:Timo <t@example.com>\nF:lib\nR:ld-musl-x86_64.so.1\nF:usr/bin\n\n");
  put(tree, "lib/ld-musl-x86_64.so.1", "x");
  put(tree, "usr/bin/own", "y");
  const Components found = components_of(tree);
  ASSERT_EQ(found.packages.size(), 1U);
  EXPECT_EQ(found.packages[0].licenses[0].expression, "MIT");
  EXPECT_EQ(found.packages[0].url, "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.3");
  ASSERT_EQ(found.files.size(), 2U);
  EXPECT_EQ(found.files[1].path, "usr/bin/own");
}

TEST(Components, PackageFilesComeFromALock) {
  Components found = components_of(image_tree());
  add_package_files(
      found, {{"libc6", "2.36-9+deb12u10", "amd64", "https://example.com/libc6.deb", oci::digest_of("deb")},
              {"zlib1g", "1", "amd64", "https://example.com/other.deb", oci::digest_of("x")}});
  EXPECT_EQ(found.packages[0].download, "https://example.com/libc6.deb");
  EXPECT_EQ(found.packages[0].download_digest, oci::digest_of("deb"));
  EXPECT_EQ(found.packages[1].download, "");
}

TEST(Sbom, NamesTheImage) {
  store::Image image;
  image.descriptor.digest = oci::digest_of("manifest");
  image.config.created = "2023-11-14T22:13:20.123456Z";
  EXPECT_EQ(identify(image, {}).name, "image");
  EXPECT_EQ(identify(image, {}).created, 1700000000);
  image.config.labels["org.opencontainers.image.title"] = "title";
  EXPECT_EQ(identify(image, {}).name, "title");
  image.manifest.annotations["org.opencontainers.image.base.name"] = "not a name!";
  EXPECT_EQ(identify(image, {}).base_name, "");
  const auto named =
      identify(image, {oci::parse_reference("short:1"), oci::parse_reference("registry.example.com/a/b:2")});
  EXPECT_EQ(named.name, "registry.example.com/a/b");
  EXPECT_EQ(named.tag, "2");
}

TEST(Sbom, ImageUrl) {
  EXPECT_EQ(
      image_url("registry.example.com:5000/team/App", "1.0", oci::digest_of(""), {"linux", "amd64", ""}),
      "pkg:oci/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855?arch=amd64&"
      "repository_url=registry.example.com:5000%2Fteam%2FApp&tag=1.0");
}

TEST(Spdx, HasWhatConsumersLookFor) {
  const Components components = components_of(image_tree());
  const std::string text = to_spdx(identity(), components, "0.1");
  EXPECT_EQ(text, to_spdx(identity(), components, "0.1"));
  const oci::Json json = oci::parse_json(text, "the document");
  EXPECT_EQ(json["spdxVersion"], "SPDX-2.3");
  EXPECT_EQ(json["creationInfo"]["created"], "2023-11-14T22:13:20Z");
  std::map<std::string, oci::Json> packages;
  for (const oci::Json& package : json["packages"]) packages[package["name"].get<std::string>()] = package;
  ASSERT_TRUE(packages.contains("libc6"));
  const oci::Json& libc = packages["libc6"];
  EXPECT_EQ(libc["sourceInfo"], "built package from: glibc 2.36-9+deb12u10");
  EXPECT_EQ(libc["externalRefs"][0]["referenceLocator"],
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12&upstream=glibc");
  EXPECT_EQ(libc["licenseDeclared"], "LGPL-2.1-or-later AND LicenseRef-public-domain");
  EXPECT_EQ(libc["supplier"], "Organization: GNU Libc Maintainers (libc@example.com)");
  EXPECT_EQ(packages["zlib1g"]["licenseDeclared"], "NOASSERTION");
  EXPECT_EQ(packages["zlib1g"]["sourceInfo"], "built package from: zlib 1:1.2.13.dfsg-1");
  EXPECT_EQ(packages["debian"]["primaryPackagePurpose"], "OPERATING_SYSTEM");
  EXPECT_TRUE(packages["debian"]["SPDXID"].get<std::string>().starts_with("SPDXRef-OperatingSystem-"));
  std::set<std::string> relations;
  std::map<std::string, std::string> names;
  for (const auto& [name, package] : packages) names[package["SPDXID"].get<std::string>()] = name;
  int described = 0;
  for (const oci::Json& one : json["relationships"]) {
    const std::string type = one["relationshipType"];
    if (type == "DESCRIBES") ++described;
    relations.insert(names[one["spdxElementId"].get<std::string>()] + " " + type + " " +
                     names[one["relatedSpdxElement"].get<std::string>()]);
  }
  EXPECT_EQ(described, 1);
  EXPECT_TRUE(relations.contains(" DESCRIBES registry.example.com/team/app"));
  EXPECT_TRUE(relations.contains("registry.example.com/team/app CONTAINS debian"));
  EXPECT_TRUE(relations.contains("debian CONTAINS libc6"));
  EXPECT_TRUE(relations.contains("registry.example.com/team/app DESCENDANT_OF registry.example.com/base:2"));
  EXPECT_EQ(json["hasExtractedLicensingInfos"][0]["licenseId"], "LicenseRef-public-domain");
  // Another image is another document.
  ImageIdentity other = identity();
  other.digest = oci::digest_of("other");
  EXPECT_NE(oci::parse_json(to_spdx(other, components, "0.1"), "it")["documentNamespace"],
            json["documentNamespace"]);
}

TEST(CycloneDx, HasWhatConsumersLookFor) {
  const Components components = components_of(image_tree());
  const oci::Json json = oci::parse_json(to_cyclonedx(identity(), components, "0.1"), "the document");
  EXPECT_EQ(json["specVersion"], "1.6");
  EXPECT_EQ(json["metadata"]["component"]["type"], "container");
  std::map<std::string, oci::Json> parts;
  for (const oci::Json& part : json["components"]) parts[part["name"].get<std::string>()] = part;
  const oci::Json& zlib = parts["zlib1g"];
  std::map<std::string, std::string> properties;
  for (const oci::Json& one : zlib["properties"])
    properties[one["name"].get<std::string>()] = one["value"].get<std::string>();
  EXPECT_EQ(properties["aquasecurity:trivy:SrcName"], "zlib");
  EXPECT_EQ(properties["aquasecurity:trivy:SrcEpoch"], "1");
  EXPECT_EQ(properties["aquasecurity:trivy:SrcVersion"], "1.2.13.dfsg");
  EXPECT_EQ(properties["aquasecurity:trivy:SrcRelease"], "1");
  EXPECT_EQ(parts["libc6"]["licenses"][0]["license"]["id"], "LGPL-2.1-or-later");
  EXPECT_EQ(parts["libc6"]["licenses"][1]["license"]["name"], "public-domain");
  EXPECT_EQ(parts["debian"]["type"], "operating-system");
  bool linked = false;
  std::set<std::string> references{json["metadata"]["component"]["bom-ref"].get<std::string>()};
  for (const oci::Json& part : json["components"])
    EXPECT_TRUE(references.insert(part["bom-ref"].get<std::string>()).second);
  for (const oci::Json& one : json["dependencies"]) {
    EXPECT_TRUE(references.contains(one["ref"].get<std::string>()));
    for (const oci::Json& other : one["dependsOn"]) {
      EXPECT_TRUE(references.contains(other.get<std::string>())) << other;
      if (one["ref"] == parts["debian"]["bom-ref"] && other == parts["libc6"]["bom-ref"]) linked = true;
    }
  }
  EXPECT_TRUE(linked);
}

TEST(Artifacts, ReferToTheImage) {
  const oci::Descriptor subject{std::string(oci::media_type::manifest), oci::digest_of("m"), 1, {}, {}};
  const Artifact artifact = document_artifact("application/spdx+json", "{}\n", subject, 0);
  const oci::Json json = oci::parse_json(artifact.manifest_json, "the manifest");
  EXPECT_EQ(json["artifactType"], "application/spdx+json");
  EXPECT_EQ(json["layers"][0]["mediaType"], "application/spdx+json");
  EXPECT_EQ(json["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
  // The digest that the image specification gives for `{}`.
  EXPECT_EQ(json["config"]["digest"],
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
  EXPECT_EQ(json["subject"]["digest"], oci::to_string(subject.digest));
  EXPECT_EQ(json["annotations"]["org.opencontainers.image.created"], "1970-01-01T00:00:00Z");
}

// Another cache gives the same manifests, and their blobs are in it.
TEST(Artifacts, SbomsAreAttachments) {
  store::Image image;
  image.descriptor = {std::string(oci::media_type::manifest), oci::digest_of("manifest"), 8, {}, {}};
  image.config.created = "2023-11-14T22:13:20Z";
  const Components components = components_of(image_tree());
  const std::vector<oci::Reference> names = {oci::parse_reference("registry.example.com/team/app:1")};
  std::vector<std::string> manifests;
  for (const char* name : {"one", "two"}) {
    const std::string directory = testing::TempDir() + "minibuild-sbom-" + name;
    base::remove_tree(directory);
    store::Cache cache(directory);
    const auto attachments =
        sbom_attachments(image, names, components, {SbomFormat::spdx, SbomFormat::cyclonedx}, "0.1", cache);
    ASSERT_EQ(attachments.size(), 2U);
    for (const store::Attachment& one : attachments) {
      EXPECT_EQ(one.subject, image.descriptor.digest);
      EXPECT_EQ(one.descriptor.digest, oci::digest_of(one.manifest_json));
      manifests.push_back(one.manifest_json);
      for (const store::ImageLayer& blob : one.blobs)
        EXPECT_EQ(oci::digest_of(base::read_file(*cache.find_blob(blob.descriptor.digest))),
                  blob.descriptor.digest);
    }
  }
  EXPECT_EQ(manifests[0], manifests[2]);
  EXPECT_EQ(manifests[1], manifests[3]);
  const oci::Json json = oci::parse_json(manifests[1], "the manifest");
  EXPECT_EQ(json["artifactType"], "application/vnd.cyclonedx+json");
  EXPECT_EQ(json["annotations"]["org.opencontainers.image.created"], "2023-11-14T22:13:20Z");
}

}  // namespace
}  // namespace minibuild::trust
