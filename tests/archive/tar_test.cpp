#include "minibuild/archive/tar.h"

#include <gtest/gtest.h>

#include <array>

#include "minibuild/archive/compress.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::archive {
namespace {

std::string run(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

class StringSink : public base::Sink {
 public:
  void write(std::string_view bytes) override { text += bytes; }
  std::string text;
};

tree::FileTree hard_tree() {
  tree::FileTree tree;
  tree::Node file = tree::file_node(tree::inline_content("hello"), 1700000000, 0644);
  file.uid = 4294967294;
  file.gid = 3000000;
  file.xattrs = {{"security.capability", std::string("\x01\0\0\x02\n=", 6)}, {"user.name", "value"}};
  tree.put("big ids", file, 3);
  file = tree::file_node(tree::inline_content("link"), 5, 04711);
  file.link_group = tree.new_link_group();
  tree.put("links/b", file, 3);
  tree.put("links/a", file, 3);
  tree.put(std::string(200, 'n'), tree::file_node(tree::inline_content("long"), 0), 3);
  tree.put(std::string(90, 'd') + "/" + std::string(90, 'e') + "/file",
           tree::file_node(tree::inline_content("split"), 0), 3);
  tree.put(
      "gr\xc3\xb6\xc3\x9f"
      "e",
      tree::symlink_node("zi\xc3\xa9l/" + std::string(150, 't'), 0), 3);
  tree::Node fifo = tree::file_node({}, 1);
  fifo.type = tree::NodeType::fifo;
  tree.put("fifo", fifo, 3);
  tree::Node device = fifo;
  device.type = tree::NodeType::character_device;
  device.device_major = 5;
  device.device_minor = 300;
  tree.put("device", device, 3);
  tree.put("old", tree::file_node(tree::inline_content(""), -77), 3);
  return tree;
}

TEST(WriteTar, ReadsBackAsTheSameTree) {
  StringSink sink;
  write_tar(hard_tree(), sink);
  const std::string path = testing::TempDir() + "/minibuild-round.tar";
  base::write_file_atomic(path, sink.text);
  const auto archive = std::make_shared<const tree::Archive>(tree::Archive{path, base::sha256(sink.text)});
  EXPECT_EQ(tree::dump(read_tar(archive, "test")), tree::dump(hard_tree()));
}

// Python's tarfile and bsdtar are the judges.
TEST(WriteTar, OthersReadIt) {
  StringSink sink;
  write_tar(hard_tree(), sink);
  const std::string path = testing::TempDir() + "/minibuild-judged.tar";
  base::write_file_atomic(path, sink.text);
  const std::string python =
      run("python3 -c \"import tarfile,sys\nfor m in tarfile.open(sys.argv[1]): "
          "print(m.name, m.type.decode(), oct(m.mode), m.uid, m.gid, int(m.mtime), m.size, m.linkname, "
          "m.devmajor, m.devminor, "
          "sorted(k for k in m.pax_headers if 'xattr' in k))\" " +
          path);
  EXPECT_NE(python.find("big ids 0 0o644 4294967294 3000000 1700000000 5  0 0 "
                        "['SCHILY.xattr.security.capability', 'SCHILY.xattr.user.name']"),
            std::string::npos)
      << python;
  EXPECT_NE(python.find("links/b 1 0o4711 0 0 5 0 links/a 0 0 []"), std::string::npos) << python;
  EXPECT_NE(python.find("device 3 0o644 0 0 1 0  5 300 []"), std::string::npos) << python;
  EXPECT_NE(python.find("old 0 0o644 0 0 -77 0"), std::string::npos) << python;
  EXPECT_NE(python.find(std::string(200, 'n') + " 0"), std::string::npos);
  EXPECT_NE(python.find("gr\xc3\xb6\xc3\x9f"
                        "e 2 0o777 0 0 0 0 zi\xc3\xa9l/ttt"),
            std::string::npos);
  EXPECT_NE(run("LC_ALL=C.UTF-8 bsdtar -tf " + path)
                .find(std::string(90, 'd') + "/" + std::string(90, 'e') + "/file\n"),
            std::string::npos);
  EXPECT_EQ(sink.text.size() % 512, 0U);
}

TEST(TarHeader, NeedsPaxOnlyWhereUstarIsTooSmall) {
  const auto header = [](const std::string& path, tree::Node node) { return tar_header(path, node).size(); };
  tree::Node node = tree::file_node({}, 0);
  EXPECT_EQ(header("usr/bin/hello", node), 512U);
  EXPECT_EQ(header(std::string(100, 'x'), node), 512U);
  EXPECT_EQ(header(std::string(155, 'x') + "/" + std::string(100, 'y'), node), 512U);
  EXPECT_EQ(header(std::string(101, 'x'), node), 1536U);
  EXPECT_EQ(header("\xc3\xbc", node), 1536U);
  node.content.size = (uint64_t{8} << 30U) - 1;
  EXPECT_EQ(header("x", node), 512U);
  node.content.size = uint64_t{8} << 30U;
  EXPECT_EQ(header("x", node), 1536U);
  node.content.size = 0;
  node.uid = 2097151;
  EXPECT_EQ(header("x", node), 512U);
  node.uid = 2097152;
  EXPECT_EQ(header("x", node), 1536U);
}

// What GNU tar writes in its own format and in pax: long names, numbers in base 256, sparse files.
TEST(TarReader, ReadsWhatTarWrites) {
  const std::string directory = testing::TempDir() + "/minibuild-gnu";
  base::remove_tree(directory);
  base::make_directories(directory + "/t");
  const std::string name(180, 'g');
  base::write_file_atomic(directory + "/t/" + name, "content");
  run("cd " + directory + "/t && ln -s " + std::string(150, 'l') + " link && ln " + name + " hard");
  for (const std::string format : {"gnu", "pax", "posix"}) {
    run("tar -C " + directory + " --format=" + format +
        " --owner=9999999:9999999 --group=1 --sort=name -cf " + directory + "/x.tar t");
    const std::string bytes = base::read_file(directory + "/x.tar");
    const auto archive =
        std::make_shared<const tree::Archive>(tree::Archive{directory + "/x.tar", base::sha256(bytes)});
    const tree::FileTree tree = read_tar(archive, format);
    ASSERT_NE(tree.find("t/" + name), nullptr) << format;
    EXPECT_EQ(tree.find("t/" + name)->uid, 9999999U) << format;
    EXPECT_EQ(tree::read_content(tree.find("t/hard")->content, 100), "content") << format;
    EXPECT_EQ(tree.find("t/link")->target, std::string(150, 'l')) << format;
  }
  run("truncate -s 10M " + directory + "/t/sparse && tar -C " + directory + " --sparse --format=pax -cf " +
      directory + "/s.tar t");
  const auto sparse = std::make_shared<const tree::Archive>(tree::Archive{directory + "/s.tar", {}});
  const tree::FileTree tree = read_tar(sparse, "sparse");
  const tree::Content& content = tree.find("t/sparse")->content;
  EXPECT_EQ(content.size, uint64_t{10} << 20U);
  EXPECT_EQ(tree::read_content(content, content.size), std::string(content.size, '\0'));
}

// e2e/tars.sh has the judges; this is what none of them can be asked.
TEST(TarReader, TellsWhatIsNoTar) {
  const auto told = [](std::string bytes, size_t least) {
    bytes.resize(std::max(least, bytes.size()), 'x');
    base::MemorySource source(bytes);
    TarReader reader(source, "it");
    TarEntry entry;
    try {
      while (reader.next(entry)) continue;
    } catch (const base::Error& error) {
      return std::string(error.what());
    }
    return std::string("read");
  };
  EXPECT_EQ(told("\x1F\x8B", 100),
            "cannot read it: it is compressed with gzip, and a plain tar archive is wanted here");
  EXPECT_EQ(told("\x28\xB5\x2F\xFD", 4000),
            "cannot read it: it is compressed with zstd, and a plain tar archive is wanted here");
  EXPECT_EQ(told("hello", 0), "cannot read it: it has 5 bytes, fewer than any tar archive");
  tree::FileTree tree;
  tree.put("a file", tree::file_node(tree::inline_content("hello"), 0), 0);
  StringSink sink;
  write_tar(tree, sink);
  EXPECT_EQ(told(sink.text.substr(0, 514), 0),
            "cannot read it: the archive ends after 514 bytes, within 'a file'");
  EXPECT_EQ(told(sink.text.substr(0, 1024) + "abc", 0),
            "cannot read it: the archive ends after 1027 bytes, within a header");
}

// AUFS keeps files with several names in a directory of its own (moby, containerd: "AUFS metadata").
TEST(ApplyLayer, LeavesOutWhatAufsKeeps) {
  const auto header = [](const std::string& path, const tree::Node& node, const std::string& link = {}) {
    return tar_header(path, node, link);
  };
  const tree::Node directory = tree::directory_node(0);
  const tree::Node file = tree::file_node({{}, 5}, 7, 0600);
  const tree::Node empty = tree::file_node({}, 0);
  const std::string data = std::string("hello") + std::string(507, '\0');
  const std::string bytes = header(".wh..wh.aufs", empty) + header(".wh..wh.orph", directory) +
                            header(".wh..wh.orph/x", empty) + header(".wh..wh.plnk", directory) +
                            header(".wh..wh.plnk/12.34", file) + data +
                            header("one", file, ".wh..wh.plnk/12.34") + header("d", directory) +
                            header("d/two", file, ".wh..wh.plnk/12.34") + std::string(1024, '\0');
  const std::string path = testing::TempDir() + "/minibuild-aufs.tar";
  base::write_file_atomic(path, bytes);
  tree::FileTree tree;
  apply_layer(tree, std::make_shared<const tree::Archive>(tree::Archive{path, base::sha256(bytes)}), "aufs");
  std::string paths;
  for (const auto& [name, node] : tree.nodes()) paths += name + " ";
  EXPECT_EQ(paths, "d d/two one ");
  EXPECT_EQ(tree::read_content(tree.find("one")->content, 9), "hello");
  EXPECT_NE(tree.find("one")->link_group, 0U);
  EXPECT_EQ(tree.find("one")->link_group, tree.find("d/two")->link_group);
  EXPECT_EQ(tree.find("one")->mode, 0600U);
}

// As Go's reader: `umoci insert` leaves away the last padding and the zeros behind it.
TEST(TarReader, NeedsNoPaddingAtTheEnd) {
  tree::FileTree tree;
  tree.put("file", tree::file_node(tree::inline_content("hello"), 0), 0);
  StringSink sink;
  write_tar(tree, sink);
  for (const size_t size : {size_t{512 + 5}, size_t{512 + 100}, size_t{1024}}) {
    base::MemorySource source(std::string_view(sink.text).substr(0, size));
    TarReader reader(source, "it");
    TarEntry entry;
    ASSERT_TRUE(reader.next(entry));
    std::array<char, 10> bytes{};
    EXPECT_EQ(reader.read(bytes), 5U);
    EXPECT_FALSE(reader.next(entry)) << size;
  }
  base::MemorySource source(std::string_view(sink.text).substr(0, 512 + 4));
  TarReader reader(source, "it");
  TarEntry entry;
  ASSERT_TRUE(reader.next(entry));
  EXPECT_THROW(reader.next(entry), base::Error);
}

TEST(ApplyLayer, FollowsTheRulesOfWhiteouts) {
  const auto archive = [](const tree::FileTree& tree, const char* name) {
    StringSink sink;
    write_tar(tree, sink);
    const std::string path = testing::TempDir() + "/minibuild-" + name;
    base::write_file_atomic(path, sink.text);
    return std::make_shared<const tree::Archive>(tree::Archive{path, base::sha256(sink.text)});
  };
  const auto file = [](const char* text) { return tree::file_node(tree::inline_content(text), 0); };
  tree::FileTree below;
  for (const char* path : {"a/x", "a/y", "b/x", "b/sub/z", "c", "d/x"}) below.put(path, file("below"), 0);
  below.put("link", tree::symlink_node("a", 0), 0);
  tree::FileTree layer;
  layer.put("a/.wh.x", file(""), 0);   // hides one file
  layer.put("b/new", file("new"), 0);  // with an opaque marker after it: it stays
  layer.put("b/.wh..wh..opq", file(""), 0);
  layer.put("c/inside", file("dir"), 0);  // a directory in place of a file
  layer.put(".wh.d", file(""), 0);
  layer.put("link/through", file("t"), 0);
  layer.put("link", tree::directory_node(0), 0);
  tree::FileTree tree;
  apply_layer(tree, archive(below, "below"), "below");
  tree::FileTree expected;
  apply_layer(tree, archive(layer, "layer"), "layer");
  std::string paths;
  for (const auto& [path, node] : tree.nodes()) paths += path + " ";
  EXPECT_EQ(paths, "a a/y b b/new c c/inside link link/through ");
}

TEST(Compressor, GivesStreamsThatOthersRead) {
  std::string plain;
  for (int i = 0; i < 200000; ++i) plain += std::to_string(i * 7919 % 10007) + "\n";
  for (const auto& [compression, program] :
       {std::pair<Compression, std::string>{{Algorithm::zstd, 3}, "zstd -dc"},
        {{Algorithm::zstd, 19}, "zstd -dc"},
        {{Algorithm::gzip, 6}, "gzip -dc"}}) {
    Compressor compressor(compression);
    std::string stored;
    for (size_t at = 0; at < plain.size(); at += 700000)
      stored += compressor.compress(std::string_view(plain).substr(at, 700000));
    // Equal input gives equal output, from a used compressor and a new one.
    EXPECT_EQ(compressor.compress(plain.substr(0, 5000)),
              Compressor(compression).compress(plain.substr(0, 5000)));
    const std::string path = testing::TempDir() + "/minibuild-stream";
    base::write_file_atomic(path, stored);
    EXPECT_EQ(run(program + " < " + path), plain);
    base::MemorySource source(stored);
    EXPECT_EQ(base::read_all(*decompress(source, "x"), plain.size() + 1, "x"), plain);
    for (const size_t cut : {size_t{1}, size_t{5}, stored.size() / 2}) {
      base::MemorySource damaged(std::string_view(stored).substr(0, stored.size() - cut));
      EXPECT_THROW(base::read_all(*decompress(damaged, "x"), plain.size() + 1, "x"), base::Error) << cut;
    }
  }
}

}  // namespace
}  // namespace minibuild::archive
