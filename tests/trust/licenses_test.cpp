#include "builder/trust/licenses.h"

#include <gtest/gtest.h>

namespace minibuild::trust {
namespace {

std::vector<std::string> texts(const std::vector<License>& licenses) {
  std::vector<std::string> out;
  for (const License& license : licenses) out.push_back(license.expression);
  return out;
}
using List = std::vector<std::string>;

TEST(Licenses, KnowsSpdx) {
  EXPECT_EQ(spdx_license("mit"), "MIT");
  EXPECT_EQ(spdx_license("GPL-2.0-only"), "GPL-2.0-only");
  EXPECT_EQ(spdx_license("Classpath-exception-2.0"), "");
  EXPECT_EQ(spdx_exception("Classpath-exception-2.0"), "Classpath-exception-2.0");
  EXPECT_EQ(spdx_license("BSD"), "");
  EXPECT_EQ(spdx_license(""), "");
}

TEST(Licenses, ReadsExpressions) {
  EXPECT_EQ(texts(expression_licenses("MIT")), List{"MIT"});
  EXPECT_EQ(texts(expression_licenses("MIT AND (GPL-2.0-or-later OR BSD-2-Clause)")),
            (List{"(GPL-2.0-or-later OR BSD-2-Clause)", "MIT"}));
  EXPECT_EQ(texts(expression_licenses("GPL-2.0-only WITH Classpath-exception-2.0")),
            List{"GPL-2.0-only WITH Classpath-exception-2.0"});
  EXPECT_EQ(texts(expression_licenses("GPL-2.0+")), List{"GPL-2.0-or-later"});
  EXPECT_EQ(texts(expression_licenses("Apache-1.1+")), List{"Apache-1.1+"});
  EXPECT_EQ(texts(expression_licenses("(MIT OR ISC) AND MIT AND MIT")), (List{"(MIT OR ISC)", "MIT"}));
  // AND binds more than OR.
  EXPECT_EQ(texts(expression_licenses("MIT OR ISC AND Zlib")), List{"(MIT OR (ISC AND Zlib))"});
  EXPECT_EQ(texts(expression_licenses("")), List{});
}

TEST(Licenses, WhatSpdxDoesNotHaveBecomesAReference) {
  const std::vector<License> custom = expression_licenses("MIT AND custom:foo");
  ASSERT_EQ(texts(custom), (List{"LicenseRef-custom-foo", "MIT"}));
  EXPECT_EQ(custom[0].names.at("LicenseRef-custom-foo"), "custom:foo");
  EXPECT_EQ(texts(expression_licenses("GPL2 MIT BSD")), List{"LicenseRef-GPL2-MIT-BSD"});
  EXPECT_EQ(texts(expression_licenses("MIT AND")), List{"LicenseRef-MIT-AND"});
  EXPECT_EQ(texts(expression_licenses("GPL-2.0-only WITH my-own")),
            List{"LicenseRef-GPL-2.0-only-WITH-my-own"});
  EXPECT_EQ(texts(expression_licenses("LicenseRef-own")), List{"LicenseRef-own"});
  EXPECT_EQ(texts(expression_licenses("LicenseRef-")), List{"LicenseRef-unnamed"});
  EXPECT_EQ(texts(expression_licenses("caf\xe9")), List{"LicenseRef-caf-xe9"});
  EXPECT_EQ(expression_licenses(std::string(100, '(') + "MIT" + std::string(100, ')')).size(), 1U);
}

std::vector<std::string> of_name(const std::string& name) {
  return texts(copyright_licenses(
      "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: x\n"
      "License: " +
      name + "\n text\n"));
}

// copyright-format 1.0, "License names".
TEST(Licenses, MapsShortNames) {
  EXPECT_EQ(of_name("Expat"), List{"MIT"});
  EXPECT_EQ(of_name("GPL-2+"), List{"GPL-2.0-or-later"});
  EXPECT_EQ(of_name("GPL-2"), List{"GPL-2.0-only"});
  EXPECT_EQ(of_name("GPL-3.0"), List{"GPL-3.0-only"});
  EXPECT_EQ(of_name("LGPL-2.1+"), List{"LGPL-2.1-or-later"});
  EXPECT_EQ(of_name("GFDL-NIV-1.3+"), List{"GFDL-1.3-no-invariants-or-later"});
  EXPECT_EQ(of_name("BSD-3-clause"), List{"BSD-3-Clause"});
  EXPECT_EQ(of_name("Apache-2"), List{"Apache-2.0"});
  EXPECT_EQ(of_name("Zope-2.1"), List{"ZPL-2.1"});
  EXPECT_EQ(of_name("Artistic-2"), List{"Artistic-2.0"});
  EXPECT_EQ(of_name("GPL-2.0-only"), List{"GPL-2.0-only"});
  // Names that stand for several licenses, or for none of SPDX's.
  EXPECT_EQ(of_name("GPL"), List{"LicenseRef-GPL"});
  EXPECT_EQ(of_name("BSD"), List{"LicenseRef-BSD"});
  EXPECT_EQ(of_name("public-domain"), List{"LicenseRef-public-domain"});
  EXPECT_EQ(of_name("GPL-9"), List{"LicenseRef-GPL-9"});
}

TEST(Licenses, MapsCombinations) {
  EXPECT_EQ(of_name("GPL-2+ or Artistic-2.0"), List{"(GPL-2.0-or-later OR Artistic-2.0)"});
  EXPECT_EQ(of_name("GPL-2+ and Expat"), (List{"GPL-2.0-or-later", "MIT"}));
  EXPECT_EQ(of_name("GPL-1+ or Artistic-2.0, and BSD-3-clause"),
            (List{"(GPL-1.0-or-later OR Artistic-2.0)", "BSD-3-Clause"}));
  EXPECT_EQ(of_name("GPL-3+ with GCC exception"), List{"LicenseRef-GPL-3--with-GCC-exception"});
  EXPECT_EQ(of_name("Expat, ISC"), List{"LicenseRef-Expat--ISC"});
  EXPECT_EQ(of_name("and"), List{"LicenseRef-and"});
}

TEST(Licenses, TakesWhatFilesHave) {
  EXPECT_EQ(texts(copyright_licenses(
                "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
                "Upstream-Name: x\nLicense: ISC\n\nFiles: *\nCopyright: 2020 A\nLicense: GPL-2+\n\n"
                "Files: debian/*\nCopyright: B\nLicense: Expat\n Permission is hereby granted\n\n"
                "License: GPL-2\n The text of another\n")),
            (List{"GPL-2.0-or-later", "ISC", "MIT"}));
  EXPECT_TRUE(copyright_licenses("This package was debianized by A.\n\nLicense: GPL-2\n").empty());
  EXPECT_TRUE(copyright_licenses("").empty());
}

}  // namespace
}  // namespace minibuild::trust
