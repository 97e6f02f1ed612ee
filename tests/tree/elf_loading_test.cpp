// Programs and libraries of a real compiler in small roots; the real loader is the judge where it can be
// asked.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/elf.h"

namespace minibuild::tree {
namespace {

namespace fs = std::filesystem;

FileTree tree_of(const std::string& top) {
  FileTree tree;
  for (const auto& entry : fs::recursive_directory_iterator(top)) {
    const std::string path = entry.path().string().substr(top.size() + 1);
    if (entry.is_symlink())
      tree.put(path, symlink_node(fs::read_symlink(entry.path()).string(), 0), 0);
    else if (entry.is_directory())
      tree.put(path, directory_node(0), 0);
    else
      tree.put(path, file_node(inline_content(base::read_file(entry.path().string())), 0, 0755), 0);
  }
  return tree;
}

struct Case {
  const char* name;
  const char* commands;  // in a directory with the sources; `root` is the root file system, /bin/main starts
  const char* library_path;
  std::vector<std::string> want;  // `KIND NEEDED VERSION THERE`
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"DefaultDirectory",
       "cc -o root/bin/main main_v.c v2/libv.so.1 && cp v2/libv.so.1 root/usr/lib",
       "",
       {}},
      {"Missing", "cc -o root/bin/main main_v.c v2/libv.so.1", "", {"library libv.so.1  "}},
      {"Elsewhere",
       "cc -o root/bin/main main_v.c v2/libv.so.1 && cp v2/libv.so.1 root/opt/lib",
       "",
       {"library libv.so.1  /opt/lib/libv.so.1"}},
      {"LibraryPath",
       "cc -o root/bin/main main_v.c v2/libv.so.1 && cp v2/libv.so.1 root/opt/lib",
       "/opt/lib",
       {}},
      {"OnlyNewVersionThere",
       "cc -o root/bin/main main_v.c v2/libv.so.1 && cp v1/libv.so.1 root/usr/lib",
       "",
       {"version libv.so.1 V2 /usr/lib/libv.so.1"}},
      {"LibraryWithoutAnyVersions",
       "cc -o root/bin/main main_v.c v2/libv.so.1 && cp v0/libv.so.1 root/usr/lib",
       "",
       {"version libv.so.1 V1 /usr/lib/libv.so.1", "version libv.so.1 V2 /usr/lib/libv.so.1"}},
      {"LibraryWithoutOwnVersions",
       "cc -o root/bin/main main_v.c v2/libv.so.1 && cp u/libv.so.1 root/usr/lib",
       "",
       {}},
      {"OldVersionIsEnough",
       "cc -DOLD -o root/bin/main main_v.c v1/libv.so.1 && cp v2/libv.so.1 root/usr/lib",
       "",
       {}},
      {"RunpathWithOrigin",
       "cc -o root/bin/main main_v.c v2/libv.so.1 -Wl,-rpath,'$ORIGIN/../opt/lib' && cp v2/libv.so.1 "
       "root/opt/lib",
       "",
       {}},
      {"RunpathIsNotInherited",
       "cc -o root/bin/main main_a.c a/liba.so b/libb.so -Wl,--as-needed "
       "-Wl,--enable-new-dtags,-rpath,/opt/lib && cp "
       "a/liba.so b/libb.so root/opt/lib",
       "",
       {"library libb.so  /opt/lib/libb.so"}},
      {"RpathIsInherited",
       "cc -o root/bin/main main_a.c a/liba.so b/libb.so -Wl,--as-needed "
       "-Wl,--disable-new-dtags,-rpath,/opt/lib && cp "
       "a/liba.so b/libb.so root/opt/lib",
       "",
       {}},
      {"RunpathOfALibraryHidesRpath",
       "cc -o root/bin/main main_a.c r/liba.so b/libb.so -Wl,--as-needed "
       "-Wl,--disable-new-dtags,-rpath,/opt/lib && cp "
       "r/liba.so b/libb.so root/opt/lib",
       "",
       {"library libb.so  /opt/lib/libb.so"}},
      {"WhatIsLoadedIsFoundByName",
       "cc -o root/bin/main main_a.c -Wl,--no-as-needed b/libb.so a/liba.so "
       "-Wl,--enable-new-dtags,-rpath,/opt/lib && "
       "cp a/liba.so b/libb.so root/opt/lib",
       "",
       {}},
      {"ForeignIsPassedOver",
       "cc -o root/bin/main main_v.c v2/libv.so.1 -Wl,-rpath,/opt/lib && cp v2/libv.so.1 root/usr/lib && cp "
       "foreign/libv.so.1 root/opt/lib",
       "",
       {}},
      {"OnlyForeign",
       "cc -o root/bin/main main_v.c v2/libv.so.1 && cp foreign/libv.so.1 root/usr/lib",
       "",
       {"library libv.so.1  /usr/lib/libv.so.1 foreign"}},
      {"LocalWithoutCache",
       "cc -o root/bin/main main_v.c v2/libv.so.1 && cp v2/libv.so.1 root/usr/local/lib",
       "",
       {"library libv.so.1  /usr/local/lib/libv.so.1"}},
      {"LocalWithCache",
       "cc -o root/bin/main main_v.c v2/libv.so.1 && cp v2/libv.so.1 root/usr/local/lib && mkdir root/etc && "
       "echo "
       "/usr/local/lib > root/etc/ld.so.conf && /sbin/ldconfig -r root",
       "",
       {}},
      {"NoDefaultDirectories",
       "cc -o root/bin/main main_v.c v2/libv.so.1 -Wl,-z,nodefaultlib -Wl,-rpath,$(dirname $(cc "
       "-print-file-name=libc.so.6) | xargs realpath):/lib/x86_64-linux-gnu && cp v2/libv.so.1 root/usr/lib",
       "",
       {"library libv.so.1  /usr/lib/libv.so.1"}},
      {"NoLoader",
       "cc -o root/bin/main main_v.c v2/libv.so.1 -Wl,--dynamic-linker=/lib/none.so && cp v2/libv.so.1 "
       "root/usr/lib",
       "",
       {"interpreter /lib/none.so  "}},
      {"StaticPie", "cc -static-pie -o root/bin/main main.c", "", {}},
      {"Static", "cc -static -o root/bin/main main.c", "", {}},
      {"TheLoaderItself", "cp -L $(realpath /lib64/ld-linux-x86-64.so.2) root/bin/main", "", {}},
      {"LinkWithAnotherName",
       "cc -o root/bin/main main_v.c v2/libv.so.1 && cp v2/libv.so.1 root/usr/lib/libv.so.1.2.3",
       "",
       {"library libv.so.1  /usr/lib/libv.so.1.2.3"}},
  };
  return all;
}

class LoaderCase : public testing::TestWithParam<Case> {
 protected:
  static void run(const std::string& command) {
    ASSERT_EQ(std::system(("cd " + top() + " && { " + command + "; } > log 2>&1").c_str()), 0)
        << command << "\n"
        << base::read_file(top() + "/log");
  }

  static std::string top() { return testing::TempDir() + "/minibuild-loading-" + std::to_string(::getpid()); }

  static void SetUpTestSuite() {
    base::remove_tree(top());
    base::make_directories(top());
    const auto write = [](const std::string& name, const std::string& text) {
      std::ofstream(top() + "/" + name) << text;
    };
    write("main.c", "int main(void) { return 0; }\n");
    write("main_v.c",
          "int f(void); int g(void); int main(void) { return f()\n#ifndef OLD\n + g()\n#endif\n; }\n");
    write("main_a.c", "int a(void); int main(void) { return a(); }\n");
    write("v1.c", "int f(void) { return 0; }\n");
    write("v2.c",
          "int f(void) { return 0; } int g(void) { return 0; }\n#ifdef USES_LIBC\n#include <stdio.h>\nint "
          "h(void) { return puts(\"\"); }\n#endif\n");
    write("a.c", "int b(void); int a(void) { return b(); }\n");
    write("b.c", "int b(void) { return 0; }\n");
    write("v1.map", "V1 { global: f; local: *; };\n");
    write("v2.map", "V1 { global: f; local: *; }; V2 { global: g; } V1;\n");
    run("mkdir u v0 v1 v2 a b r foreign"
        " && cc -shared -fPIC -Wl,-soname,libv.so.1 -o v0/libv.so.1 v2.c"
        " && cc -shared -fPIC -Wl,-soname,libv.so.1 -DUSES_LIBC -o u/libv.so.1 v2.c"
        " && cc -shared -fPIC -Wl,-soname,libv.so.1 -Wl,--version-script,v1.map -o v1/libv.so.1 v1.c"
        " && cc -shared -fPIC -Wl,-soname,libv.so.1 -Wl,--version-script,v2.map -o v2/libv.so.1 v2.c"
        " && cc -shared -fPIC -Wl,-soname,libb.so -o b/libb.so b.c"
        " && cc -shared -fPIC -Wl,-soname,liba.so -o a/liba.so a.c b/libb.so"
        " && cc -shared -fPIC -Wl,-soname,liba.so -o r/liba.so a.c b/libb.so "
        "-Wl,--enable-new-dtags,-rpath,/nowhere"
        " && cp v2/libv.so.1 foreign/libv.so.1 && printf '\\267\\000' | dd of=foreign/libv.so.1 bs=1 seek=18 "
        "conv=notrunc");
  }
  static void TearDownTestSuite() { base::remove_tree(top()); }
};

TEST_P(LoaderCase, IsWhatTheLoaderSays) {
#ifndef __x86_64__
  GTEST_SKIP() << "the roots of these cases are for x86-64";
#endif
  const Case& one = GetParam();
  run("rm -rf root && mkdir -p root/bin root/opt/lib root/usr/lib root/usr/local/lib root/lib64 "
      "root/lib/x86_64-linux-gnu && cp -L /lib64/ld-linux-x86-64.so.2 root/lib64 && cp -L $(cc "
      "-print-file-name=libc.so.6) root/lib/x86_64-linux-gnu");
  run(one.commands);
  LoadSettings settings;
  settings.started = {{"bin/main", false}};
  settings.all = false;
  if (*one.library_path != '\0') settings.library_path = {one.library_path};
  const std::vector<LoadProblem> found = loading_problems(tree_of(top() + "/root"), FileTree(), settings);
  std::vector<std::string> got;
  for (const LoadProblem& problem : found) {
    static const char* kinds[] = {"library", "interpreter", "version", "machine"};
    EXPECT_TRUE(problem.started);
    got.push_back(std::string(kinds[static_cast<int>(problem.kind)]) + " " + problem.needed + " " +
                  problem.version + " " + problem.there +
                  (problem.fits || problem.there.empty() ? "" : " foreign"));
  }
  EXPECT_EQ(got, one.want);
  if (std::string(one.commands).find("$ORIGIN") != std::string::npos) return;  // which needs /proc
  if (::geteuid() != 0) {
    std::printf("not asked: the loader itself, in a root of its own, which needs root\n");
    return;
  }
  const std::string path =
      *one.library_path == '\0' ? "" : "LD_LIBRARY_PATH=" + std::string(one.library_path);
  const int status = std::system(("env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin " + path + " chroot " + top() +
                                  "/root /bin/main --help > " + top() + "/log 2>&1")
                                     .c_str());
  EXPECT_EQ(status == 0, one.want.empty()) << base::read_file(top() + "/log");
}

INSTANTIATE_TEST_SUITE_P(All, LoaderCase, testing::ValuesIn(cases()),
                         [](const auto& one) { return std::string(one.param.name); });

class Musl : public LoaderCase {};

// musl takes its own names for itself, knows no versions, and RUNPATH is inherited.
TEST_F(Musl, IsItsOwnLibrary) {
  run("rm -rf root && mkdir -p root/bin root/opt/lib root/usr/lib root/usr/local/lib root/lib root/srv/lib "
      "root/etc && cp -L "
      "/lib64/ld-linux-x86-64.so.2 root/lib/ld-musl-x86_64.so.1"
      " && cc -o root/bin/main main_a.c a/liba.so b/libb.so v1/libv.so.1 -Wl,--as-needed "
      "-Wl,--enable-new-dtags,-rpath,/opt/lib "
      "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 && cp a/liba.so b/libb.so root/opt/lib"
      " && cc -o root/bin/v main_v.c v2/libv.so.1 -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1");
  LoadSettings settings;
  settings.started = {{"bin/main", false}, {"bin/v", false}};
  const auto missing = [&] {
    std::vector<std::string> names;
    for (const LoadProblem& one : loading_problems(tree_of(top() + "/root"), FileTree(), settings))
      names.push_back(one.needed + " " + one.wanted_by);
    return names;
  };
  EXPECT_EQ(missing(), std::vector<std::string>{"libv.so.1 /bin/v"});
  run("cp v1/libv.so.1 root/usr/local/lib");  // an older one: no versions, and musl looks in /usr/local/lib
  EXPECT_EQ(missing(), std::vector<std::string>{});
  run("echo /srv/lib > root/etc/ld-musl-x86_64.path");
  EXPECT_EQ(missing(), std::vector<std::string>{"libv.so.1 /bin/v"});
  run("mv root/usr/local/lib/libv.so.1 root/srv/lib");
  EXPECT_EQ(missing(), std::vector<std::string>{});
}

class Others : public LoaderCase {};

TEST_F(Others, AreDataWhereTheyMayBe) {
  run("rm -rf root && mkdir -p root/bin root/opt/lib root/app/prebuilds root/lib64 root/lib/x86_64-linux-gnu "
      "&& cp -L "
      "/lib64/ld-linux-x86-64.so.2 root/lib64 && cp -L $(cc -print-file-name=libc.so.6) "
      "root/lib/x86_64-linux-gnu"
      " && cc -o root/bin/main main.c"
      " && for at in bin/foreign app/tool-arm64 app/prebuilds/tool; do cp root/bin/main root/$at && printf "
      "'\\267\\000' | dd "
      "of=root/$at bs=1 seek=18 conv=notrunc; done"
      // A plugin, and the library that it needs in a place of its own; one that nobody has; a file cut off.
      " && cp a/liba.so root/opt && cp b/libb.so root/opt/lib && head -c 100 root/bin/main > root/app/cut");
  LoadSettings settings;
  settings.started = {{"bin/main", false}};
  settings.machines = {62, 3};
  std::vector<LoadProblem> found = loading_problems(tree_of(top() + "/root"), FileTree(), settings);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, LoadProblem::Kind::machine);
  EXPECT_EQ(found[0].wanted_by, "/bin/foreign");
  EXPECT_FALSE(found[0].started);
  run("rm root/opt/lib/libb.so");
  found = loading_problems(tree_of(top() + "/root"), FileTree(), settings);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].needed, "libb.so");
}

TEST(Versions, AreWhatReadelfSays) {
  for (const std::string file :
       {"/usr/bin/ls", "/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6"}) {
    if (!base::exists(file)) continue;
    const ElfVersions versions = read_elf_versions(inline_content(base::read_file(file)), file);
    const std::string log = testing::TempDir() + "/minibuild-versions-" + std::to_string(::getpid());
    ASSERT_EQ(std::system(("readelf -VW " + file + " > " + log + " 2> /dev/null").c_str()), 0);
    size_t needs = 0;
    size_t defined = 0;
    for (const std::string& line : base::split(base::read_file(log), '\n')) {
      if (line.find("Rev:") != std::string::npos && line.find("Index:") != std::string::npos) ++defined;
      if (line.find("Name:") == std::string::npos || line.find("Version:") == std::string::npos) continue;
      const std::string name =
          line.substr(line.find("Name:") + 6, line.find("  ", line.find("Name:")) - line.find("Name:") - 6);
      ASSERT_LT(needs, versions.needs.size());
      EXPECT_EQ(versions.needs[needs].version, name);
      EXPECT_EQ(versions.needs[needs].weak, line.find("Flags: WEAK") != std::string::npos) << line;
      ++needs;
    }
    EXPECT_EQ(versions.needs.size(), needs);
    EXPECT_EQ(versions.defined.size(), defined);
    ::unlink(log.c_str());
  }
}

}  // namespace
}  // namespace minibuild::tree
