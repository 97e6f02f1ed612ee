#include "minibuild/trust/inventory.h"

#include <gtest/gtest.h>

namespace minibuild::trust {
namespace {

TEST(Inventory, ReadsOsRelease) {
  const OperatingSystem os = parse_os_release(
      "# a comment\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n"
      "VERSION_CODENAME='bookworm'\nBROKEN\n");
  EXPECT_EQ(os, (OperatingSystem{"debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)"}));
}

TEST(Inventory, ReadsBothDatabases) {
  tree::FileTree tree;
  tree.put("usr/lib/os-release", tree::file_node(tree::inline_content("ID=debian\nVERSION_ID=12\n"), 0), 0);
  tree.put("etc/os-release", tree::symlink_node("../usr/lib/os-release", 0), 0);
  tree.put(
      "var/lib/dpkg/status.d/libc6",
      tree::file_node(tree::inline_content("Package: libc6\nVersion: 2.36-9+deb12u10\nArchitecture: amd64\n"
                                           "Source: glibc\n\n"),
                      0),
      0);
  tree.put("lib/apk/db/installed",
           tree::file_node(tree::inline_content("P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\n\n"), 0), 0);
  const Inventory found = inventory(tree);
  EXPECT_EQ(found.os.id, "debian");
  ASSERT_EQ(found.packages.size(), 2);
  EXPECT_EQ(found.packages[0], (InstalledPackage{packages::Format::deb, "libc6", "2.36-9+deb12u10", "amd64",
                                                 "glibc", "2.36-9+deb12u10"}));
  EXPECT_EQ(found.packages[1].source, "musl");
}

TEST(Inventory, MakesPackageUrls) {
  const OperatingSystem os{"debian", "12", "bookworm", ""};
  EXPECT_EQ(package_url(
                {packages::Format::deb, "libc6", "2.36-9+deb12u10", "amd64", "glibc", "2.36-9+deb12u10"}, os),
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12&upstream=glibc");
  EXPECT_EQ(package_url({packages::Format::deb, "zlib1g", "1:1.2+b1", "amd64", "zlib", "1:1.2"}, os),
            "pkg:deb/debian/zlib1g@1:1.2%2Bb1?arch=amd64&distro=debian-12&upstream=zlib%401:1.2");
  EXPECT_EQ(package_url({packages::Format::apk, "musl", "1.2.5-r0", "x86_64", "musl", "1.2.5-r0"},
                        {"alpine", "3.20.3", "", ""}),
            "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.3");
}

}  // namespace
}  // namespace minibuild::trust
