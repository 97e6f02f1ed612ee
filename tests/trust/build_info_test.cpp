#include "builder/trust/build_info.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/elf.h"

namespace minibuild::trust {
namespace {

std::string counted(const std::string& text) {
  std::string out;
  for (size_t n = text.size();; n >>= 7U) {
    if (n < 0x80) {
      out += static_cast<char>(n);
      break;
    }
    out += static_cast<char>((n & 0x7FU) | 0x80U);
  }
  return out + text;
}

// As cmd/link writes it since Go 1.18: 32 bytes of header, version, modules between marks of 16 bytes.
std::string go_section(const std::string& version, const std::string& modules) {
  std::string section = "\xff Go buildinf:";
  section += std::string("\x08\x02", 2) + std::string(16, '\0');
  return section + counted(version) + counted(std::string(16, 'a') + modules + std::string(16, 'b'));
}

const char* const modules_text =
    "path\texample.com/app\nmod\texample.com/App\tv1.2.3\t\ndep\tgithub.com/BurntSushi/"
    "toml\tv1.2.0\th1:abc=\n"
    "dep\texample.com/old\tv0.1.0\n=>\texample.com/fork\tv0.2.0+incompatible\th1:def=\n"
    "dep\texample.com/local\tv0.0.0\n=>\t./local\t(devel)\t\nbuild\tCGO_ENABLED=0\n";

TEST(GoBuild, ReadsModules) {
  const auto build = parse_go_build(go_section("go1.22.1", modules_text));
  ASSERT_TRUE(build);
  EXPECT_EQ(build->toolchain, "go1.22.1");
  ASSERT_TRUE(build->main);
  EXPECT_EQ(build->main->url, "pkg:golang/example.com/app@v1.2.3");
  ASSERT_EQ(build->modules.size(), 4U);
  EXPECT_EQ(build->modules[1].url, "pkg:golang/example.com/local");  // a directory in its place
  EXPECT_EQ(build->modules[0], (Module{"example.com/fork", "v0.2.0+incompatible",
                                       "h1:def=", "pkg:golang/example.com/fork@v0.2.0%2Bincompatible"}));
  EXPECT_EQ(build->modules[2].url, "pkg:golang/github.com/burntsushi/toml@v1.2.0");
  EXPECT_EQ(build->modules[3].url, "pkg:golang/stdlib@1.22.1");
}

TEST(GoBuild, RefusesWhatIsCutOffOrOfAnotherForm) {
  const std::string whole = go_section("go1.22.1", modules_text);
  for (size_t size = 0; size < 41; ++size) EXPECT_FALSE(parse_go_build(whole.substr(0, size))) << size;
  const auto cut = parse_go_build(whole.substr(0, whole.size() - 1));
  ASSERT_TRUE(cut);  // the version is there, the modules are not
  EXPECT_FALSE(cut->main);
  std::string pointers = whole;
  pointers[15] = 0;
  EXPECT_FALSE(parse_go_build(pointers));
  std::string huge = whole.substr(0, 32) + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + "x";
  EXPECT_FALSE(parse_go_build(huge));
}

TEST(GoBuild, StandardLibrary) {
  EXPECT_EQ(stdlib_version("go1.22.1"), "1.22.1");
  EXPECT_EQ(stdlib_version("go1.23.4 X:boringcrypto"), "1.23.4");
  EXPECT_EQ(stdlib_version("devel go1.24-abcdef"), "");
  EXPECT_EQ(stdlib_version("gotip"), "");
}

std::string deflated(const std::string& text) {
  std::string out(::compressBound(text.size()), '\0');
  uLongf size = out.size();
  EXPECT_EQ(::compress(reinterpret_cast<Bytef*>(out.data()), &size,
                       reinterpret_cast<const Bytef*>(text.data()), text.size()),
            Z_OK);
  out.resize(size);
  return out;
}

TEST(RustBuild, ReadsCrates) {
  const auto build = parse_rust_build(deflated(
      R"({"packages":[{"name":"app","version":"0.1.0","source":"local","dependencies":[1],"root":true},)"
      R"({"name":"serde","version":"1.0.200","source":"crates.io"},)"
      R"({"name":"cc","version":"1.0.1","source":"crates.io","kind":"build"},{"name":3},7]})"));
  ASSERT_TRUE(build);
  EXPECT_EQ(build->main->url, "pkg:cargo/app@0.1.0");
  ASSERT_EQ(build->modules.size(), 1U);
  EXPECT_EQ(build->modules[0], (Module{"serde", "1.0.200", "", "pkg:cargo/serde@1.0.200"}));
}

TEST(RustBuild, RefusesBombsAndDamage) {
  const std::string good = deflated(R"({"packages":[]})");
  EXPECT_TRUE(parse_rust_build(good));
  EXPECT_FALSE(parse_rust_build(good.substr(0, good.size() - 3)));
  EXPECT_FALSE(parse_rust_build(deflated("{\"packages\":[]}" + std::string(size_t{64} << 20, ' '))));
  EXPECT_FALSE(parse_rust_build(deflated("[]")));
  EXPECT_FALSE(parse_rust_build("plain"));
  EXPECT_FALSE(parse_rust_build(""));
}

std::string note(const std::string& owner, uint32_t type, const std::string& text) {
  std::string out;
  const auto word = [&](size_t n) {
    for (int i = 0; i < 4; ++i) out += static_cast<char>(n >> (8U * static_cast<unsigned>(i)));
  };
  const auto padded = [&](std::string bytes) {
    while (bytes.size() % 4 != 0) bytes += '\0';
    out += bytes;
  };
  word(owner.size() + 1);
  word(text.size());
  word(type);
  padded(owner + '\0');
  padded(text);
  return out;
}

TEST(Notes, ReadsPackageAndBuildId) {
  const std::string json =
      R"({"type":"deb","os":"debian","osVersion":"12","name":"systemd","version":"252.1-1","architecture":"amd64"})";
  const std::string section = note("GNU", 3, "\x01\xab\xff") + note("FDO", 0xcafe1a7e, json + '\0');
  EXPECT_EQ(parse_build_id(section, true), "01abff");
  const auto found = parse_package_note(section, true);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->url, "pkg:deb/debian/systemd@252.1-1?arch=amd64&distro=debian-12");
  for (size_t size = 0; size < section.size() - 4; ++size)
    EXPECT_FALSE(parse_package_note(section.substr(0, size), true)) << size;
  EXPECT_FALSE(parse_package_note(section, false));
  EXPECT_FALSE(parse_package_note(note("FDO", 0xcafe1a7e, "{\"type\":\"deb\"}"), true));
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  ::pclose(pipe);
  return text;
}

// `readelf -n` is the judge.
TEST(Notes, BuildIdIsWhatReadelfSays) {
  const std::string path = "/usr/bin/ls";
  const std::string printed = output_of("readelf -n " + path);
  const size_t at = printed.find("Build ID: ");
  ASSERT_NE(at, std::string::npos) << printed;
  const std::string want = printed.substr(at + 10, printed.find('\n', at) - at - 10);
  const auto sections = tree::elf_sections(tree::inline_content(base::read_file(path)),
                                           {".note.gnu.build-id"}, max_build_section, path);
  EXPECT_EQ(parse_build_id(sections.at(".note.gnu.build-id"), true), want);
}

// `objcopy --dump-section` is the judge, and what is cut off is an Error.
TEST(Sections, AreWhatObjcopySays) {
  const std::string directory = testing::TempDir() + "/minibuild-sections";
  base::remove_tree(directory);
  base::make_directories(directory);
  base::write_file_atomic(directory + "/text", std::string(5000, 'x') + "end");
  ASSERT_EQ(output_of("cd " + directory +
                      " && objcopy --add-section .dep-v0=text /usr/bin/ls with && objcopy --dump-section "
                      ".interp=interp with /dev/null && echo done"),
            "done\n");
  const std::string whole = base::read_file(directory + "/with");
  const std::vector<std::string_view> names = {".dep-v0", ".interp", ".nothing"};
  const auto sections = tree::elf_sections(tree::inline_content(whole), names, 10000, "with");
  ASSERT_EQ(sections.size(), 2U);
  EXPECT_EQ(sections.at(".dep-v0"), base::read_file(directory + "/text"));
  EXPECT_EQ(sections.at(".interp"), base::read_file(directory + "/interp"));
  EXPECT_EQ(tree::elf_sections(tree::inline_content(whole), names, 1000, "with").size(), 1U);
  EXPECT_THROW(
      tree::elf_sections(tree::inline_content(whole.substr(0, whole.size() / 2)), names, 10000, "cut"),
      base::Error);
  EXPECT_TRUE(tree::elf_sections(tree::inline_content("#!/bin/sh"), names, 1000, "script").empty());
}

}  // namespace
}  // namespace minibuild::trust
