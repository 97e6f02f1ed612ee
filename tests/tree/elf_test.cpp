#include "minibuild/tree/elf.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <set>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::tree {
namespace {

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

Content disk(const std::string& path) {
  struct stat st {};
  EXPECT_EQ(::stat(path.c_str(), &st), 0) << path;
  return {DiskFile{base::real_path(path), base::stamp_of(st)}, static_cast<uint64_t>(st.st_size)};
}

// The machine's own files, as a root.
class HostRoot {
 public:
  const Node* find(const std::string& path) {
    const auto it = nodes_.find(path);
    if (it != nodes_.end()) return it->second ? &*it->second : nullptr;
    std::optional<Node> node;
    struct stat st {};
    if (::lstat(("/" + path).c_str(), &st) == 0) {
      node.emplace();
      node->type = S_ISDIR(st.st_mode)   ? NodeType::directory
                   : S_ISLNK(st.st_mode) ? NodeType::symlink
                                         : NodeType::file;
      node->content = {DiskFile{"/" + path, base::stamp_of(st)}, static_cast<uint64_t>(st.st_size)};
      char target[4096];
      if (S_ISLNK(st.st_mode))
        node->target.assign(target,
                            static_cast<size_t>(::readlink(("/" + path).c_str(), target, sizeof target)));
    }
    auto& kept = nodes_[path] = std::move(node);
    return kept ? &*kept : nullptr;
  }

 private:
  std::map<std::string, std::optional<Node>> nodes_;
};

// `ldd` is the judge: the real paths of all libraries and of the loader.
TEST(Closure, IsWhatLddSays) {
  for (const std::string program :
       {"/usr/bin/ls", "/usr/bin/python3", "/usr/bin/cmake", "/usr/bin/openssl"}) {
    if (!base::exists(program)) continue;
    std::set<std::string> want;
    for (const std::string& line : base::split(output_of("ldd " + program), '\n')) {
      const size_t slash = line.find('/');
      if (slash != std::string::npos)
        want.insert(base::real_path(line.substr(slash, line.find(' ', slash) - slash)));
    }
    ASSERT_GT(want.size(), 1U);
    HostRoot host;
    const Lookup root = [&](const std::string& path) { return host.find(path); };
    Node node = file_node(disk(program), 0, 0755);
    FileTree image;
    image.put("usr/bin/program", node, 0);
    const Closure closure = elf_closure({{"usr/bin/program", program.substr(1), node}}, root, image, {});
    EXPECT_TRUE(closure.missing.empty()) << program << " misses " << closure.missing.front().needed;
    std::set<std::string> got;
    for (const ClosureEntry& entry : closure.entries) {
      image.put(entry.path, entry.node, 0);
      if (entry.node.type == NodeType::file) got.insert("/" + entry.path);
    }
    EXPECT_EQ(got, want) << program;
    // With everything there, nothing is missing any more.
    EXPECT_TRUE(elf_closure({{"usr/bin/program", program.substr(1), node}}, root, image, {}).entries.empty())
        << program;
  }
}

TEST(ReadElf, AgreesWithReadelf) {
  for (const std::string file : {"/usr/bin/ls", "/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/python3"}) {
    if (!base::exists(file)) continue;
    const auto elf = read_elf(disk(file), file);
    ASSERT_TRUE(elf);
    std::vector<std::string> want;
    for (const std::string& line : base::split(output_of("readelf -d " + file), '\n'))
      if (line.find("(NEEDED)") != std::string::npos)
        want.push_back(line.substr(line.find('[') + 1, line.find(']') - line.find('[') - 1));
    EXPECT_EQ(elf->needed, want);
  }
  EXPECT_FALSE(read_elf(inline_content("#!/bin/sh\n" + std::string(100, 'x')), "script"));
}

TEST(ReadElf, RefusesWhatIsCutOff) {
  const std::string whole = base::read_file("/usr/bin/ls");
  int errors = 0;
  for (const size_t size : {60UL, 64UL, 100UL, 500UL, 1000UL, whole.size() / 2}) {
    try {
      read_elf(inline_content(whole.substr(0, size)), "cut");
    } catch (const base::Error&) {
      ++errors;
    }
  }
  EXPECT_GE(errors, 5);
}

class Origin : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/minibuild-elf";
    base::remove_tree(directory_);
    base::make_directories(directory_ + "/app/bin");
    base::make_directories(directory_ + "/app/lib");
    base::write_file_atomic(directory_ + "/a.c", "int b(void); int a(void) { return b(); }");
    base::write_file_atomic(directory_ + "/b.c", "int b(void) { return 3; }");
    base::write_file_atomic(directory_ + "/m.c", "int a(void); int main(void) { return a(); }");
    output_of(
        "cd " + directory_ +
        " && cc -shared -fPIC -o app/lib/libb.so.1.2 b.c -Wl,-soname,libb.so.1 && ln -s libb.so.1.2 "
        "app/lib/libb.so.1"
        " && cc -shared -fPIC -o app/lib/liba.so a.c -Wl,-soname,liba.so app/lib/libb.so.1.2 "
        "-Wl,-rpath,'$ORIGIN'"
        " && cc -o app/bin/main m.c app/lib/liba.so -Wl,-rpath,'$ORIGIN/../lib' -Wl,-rpath-link,app/lib");
  }
  std::string directory_;
};

TEST_F(Origin, MovesWithTheProgram) {
  HostRoot host;
  const std::string top = base::real_path(directory_).substr(1);
  const Lookup root = [&](const std::string& path) { return host.find(path); };
  const Node node = file_node(disk(directory_ + "/app/bin/main"), 0, 0755);
  FileTree image;
  image.put("opt/x/bin/main", node, 0);
  const Closure closure = elf_closure({{"opt/x/bin/main", top + "/app/bin/main", node}}, root, image, {});
  EXPECT_TRUE(closure.missing.empty());
  std::set<std::string> paths;
  for (const ClosureEntry& entry : closure.entries) paths.insert(entry.path);
  EXPECT_TRUE(paths.contains("opt/x/lib/liba.so"));
  EXPECT_TRUE(paths.contains("opt/x/lib/libb.so.1"));
}

TEST_F(Origin, MissingLibrariesAreNamed) {
  base::remove_tree(directory_ + "/app/lib/libb.so.1");
  HostRoot host;
  const std::string top = base::real_path(directory_).substr(1);
  const Lookup root = [&](const std::string& path) { return host.find(path); };
  const Node node = file_node(disk(directory_ + "/app/bin/main"), 0, 0755);
  FileTree image;
  image.put("main", node, 0);
  const Closure closure = elf_closure({{"main", top + "/app/bin/main", node}}, root, image, {});
  ASSERT_EQ(closure.missing.size(), 1U);
  EXPECT_EQ(closure.missing[0].needed, "libb.so.1");
}

}  // namespace
}  // namespace minibuild::tree
