#include "minibuild/archive/layer.h"

#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace minibuild::archive {
namespace {

// Remembers in memory, and counts what it is asked for.
class Memory : public LayerMemory {
 public:
  explicit Memory(std::string directory) : directory_(std::move(directory)) {
    base::make_directories(directory_);
  }
  std::optional<base::Hash> known_hash(const tree::Content& content, uint64_t offset,
                                       uint64_t length) override {
    if (const auto* bytes = std::get_if<tree::InlineBytes>(&content.where))
      return base::sha256(std::string_view(*bytes->bytes).substr(offset, length));
    return std::nullopt;
  }
  void remember_hash(const tree::Content&, uint64_t, uint64_t, const base::Hash&) override {}
  std::optional<StoredLayer> find_layer(const base::Hash& key) override {
    const auto it = layers_.find(key);
    if (it == layers_.end()) return std::nullopt;
    return *it->second;
  }
  std::optional<std::pair<std::shared_ptr<const StoredLayer>, size_t>> find_group(
      const base::Hash& key) override {
    const std::lock_guard lock(mutex_);
    const auto it = groups_.find(key);
    if (it == groups_.end()) return std::nullopt;
    ++reused;
    return it->second;
  }
  class Blob : public NewBlob {
   public:
    Blob(Memory& memory, const std::string& path) : memory_(memory), file_(path), path_(path) {}
    void write(std::string_view bytes) override { file_.write(bytes); }
    int fd() const override { return file_.fd(); }
    void keep(const base::Hash& key, const Layer& layer) override {
      file_.commit(false);
      const auto stored =
          std::make_shared<const StoredLayer>(StoredLayer{*parse_layer(serialise(layer)), path_});
      memory_.layers_[key] = stored;
      for (size_t i = 0; i < layer.groups.size(); ++i) memory_.groups_[layer.groups[i].key] = {stored, i};
    }

   private:
    Memory& memory_;
    base::AtomicFile file_;
    std::string path_;
  };
  std::unique_ptr<NewBlob> new_blob() override {
    return std::make_unique<Blob>(*this, directory_ + "/" + std::to_string(count_++));
  }

  int reused = 0;
  std::string last() const { return base::read_file(directory_ + "/" + std::to_string(count_ - 1)); }

 private:
  std::string directory_;
  int count_ = 0;
  std::mutex mutex_;
  std::map<base::Hash, std::shared_ptr<const StoredLayer>> layers_;
  std::map<base::Hash, std::pair<std::shared_ptr<const StoredLayer>, size_t>> groups_;
};

std::string noise(size_t size, uint64_t seed) {
  std::string out(size, '\0');
  for (char& c : out) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    c = static_cast<char>('a' + (seed >> 60U));
  }
  return out;
}

tree::FileTree big_tree() {
  tree::FileTree tree;
  for (int i = 0; i < 120; ++i)
    tree.put("dir" + std::to_string(i % 7) + "/file" + std::to_string(i),
             tree::file_node(tree::inline_content(noise(200000, i)), 0), 0);
  tree.put("large", tree::file_node(tree::inline_content(noise(11'000'000, 99)), 0), 0);
  return tree;
}

std::string plain_tar(const LayerPlan& plan) {
  class Sink : public base::Sink {
   public:
    void write(std::string_view bytes) override { text += bytes; }
    std::string text;
  } sink;
  write_plain_tar(plan, sink);
  return sink.text;
}

class WriteLayer : public testing::TestWithParam<Compression> {};

TEST_P(WriteLayer, IsTheSameHoweverItIsMade) {
  static const tree::FileTree nothing;
  const tree::FileTree tree = big_tree();
  const LayerPlan plan = difference(nothing, tree);
  const std::string tar = plain_tar(plan);
  Memory fresh(testing::TempDir() + "/minibuild-layer1");
  const Layer first = write_layer(plan, GetParam(), fresh, 3);
  EXPECT_EQ(first.diff_id.hash, base::sha256(tar));
  EXPECT_EQ(first.plain_size, tar.size());
  EXPECT_EQ(first.digest.hash, base::sha256(fresh.last()));
  EXPECT_EQ(first.size, fresh.last().size());
  base::MemorySource source(fresh.last());
  const std::string stored = fresh.last();
  base::MemorySource again(stored);
  EXPECT_EQ(base::read_all(*decompress(again, "layer"), tar.size() + 1, "layer"), tar);
  for (const int jobs : {1, 2, 8}) {
    Memory other(testing::TempDir() + "/minibuild-layer-jobs");
    EXPECT_EQ(write_layer(plan, GetParam(), other, jobs).digest, first.digest) << jobs;
  }

  // A changed file, from what is remembered and from nothing: the same bytes; most groups are taken over.
  for (const char* path : {"dir0/file0", "dir3/file10", "large", "dir6/file118"}) {
    tree::FileTree changed = big_tree();
    changed.put(path, tree::file_node(tree::inline_content(noise(150000, 4711)), 0), 0);
    const LayerPlan next = difference(nothing, changed);
    Memory scratch(testing::TempDir() + "/minibuild-layer2");
    const Layer cold = write_layer(next, GetParam(), scratch, 2);
    fresh.reused = 0;
    const Layer warm = write_layer(next, GetParam(), fresh, 2);
    EXPECT_EQ(warm.digest, cold.digest) << path;
    EXPECT_EQ(warm.diff_id.hash, base::sha256(plain_tar(next))) << path;
    EXPECT_EQ(warm.digest.hash, base::sha256(fresh.last())) << path;
    EXPECT_GT(fresh.reused, 0) << path;
  }
}

INSTANTIATE_TEST_SUITE_P(Compressions, WriteLayer,
                         testing::Values(Compression{Algorithm::zstd, 3}, Compression{Algorithm::zstd, 1},
                                         Compression{Algorithm::gzip, 6}, Compression{Algorithm::none, 0}));

TEST(WriteLayerErrors, AFileThatChangesStoresNothing) {
  const std::string path = testing::TempDir() + "/minibuild-changing";
  base::write_file_atomic(path, "before");
  struct stat st {};
  ASSERT_TRUE(base::lstat_path(path, st));
  tree::FileTree tree;
  tree.put("x", tree::file_node({tree::DiskFile{path, base::stamp_of(st)}, 6}, 0), 0);
  base::write_file_atomic(path, "after!");
  Memory memory(testing::TempDir() + "/minibuild-layer3");
  static const tree::FileTree nothing;
  EXPECT_THROW(write_layer(difference(nothing, tree), {}, memory, 2), base::Error);
}

std::string paths_of(const LayerPlan& plan) {
  std::string out;
  for (const LayerEntry& entry : plan)
    out += entry.path + (entry.hard_link.empty() ? "" : "=" + entry.hard_link) + " ";
  return out;
}

TEST(Difference, HasParentsWhiteoutsAndLinks) {
  const auto file = [](const char* text) { return tree::file_node(tree::inline_content(text), 0); };
  tree::FileTree below;
  for (const char* path : {"a/b/gone", "a/b/stays", "old/deep/file", "swap/x", "plain"})
    below.put(path, file("1"), 0);
  tree::Node linked = file("linked");
  linked.link_group = 1;
  below.put("l/one", linked, 0);
  below.put("l/two", linked, 0);
  tree::FileTree above = below;
  EXPECT_EQ(paths_of(difference(below, above)), "");
  above.remove("a/b/gone");
  above.remove("old");
  above.remove("swap");
  above.put("swap", file("now a file"), 0);
  above.put("!new/file", file("2"), 0);
  tree::Node moved = *above.find("l/two");
  moved.mode = 0600;
  above.put("l/two", moved, 0);
  // A whiteout comes before its siblings, `!` sorts before `.`, and what a type change hides needs no
  // whiteout.
  EXPECT_EQ(paths_of(difference(below, above)),
            ".wh.old !new !new/file a a/b a/b/.wh.gone l l/one l/two=l/one swap ");
}

TEST(Difference, PutsWhiteoutsBeforeTheirSiblings) {
  const auto file = [] { return tree::file_node(tree::inline_content("x"), 0); };
  tree::FileTree below;
  below.put("zzz", file(), 0);
  tree::FileTree above;
  above.put("!a", file(), 0);
  EXPECT_EQ(paths_of(difference(below, above)), ".wh.zzz !a ");
}

TEST(Split, CutsLargePlansAndKeepsLinksTogether) {
  tree::FileTree tree;
  const auto content = std::make_shared<const std::string>(noise(3'000'000, 1));
  for (int i = 0; i < 100; ++i)
    tree.put("d" + std::to_string(i / 10) + "/f" + std::to_string(i),
             tree::file_node({tree::InlineBytes{content}, content->size()}, 0), 0);
  tree.find("d0/f0")->link_group = 1;
  tree::Node linked = *tree.find("d0/f0");
  tree.put("z/link", linked, 0);
  static const tree::FileTree nothing;
  const std::vector<LayerPlan> parts = split(difference(nothing, tree), tree);
  ASSERT_GT(parts.size(), 2U);
  size_t files = 0;
  for (const LayerPlan& part : parts) {
    std::map<std::string, bool> seen;
    for (const LayerEntry& entry : part) {
      EXPECT_FALSE(seen.contains(entry.path)) << entry.path;
      const std::string parent(tree::directory_of(entry.path));
      EXPECT_TRUE(parent.empty() || seen.contains(parent)) << entry.path;
      EXPECT_TRUE(entry.hard_link.empty() || seen.contains(entry.hard_link)) << entry.path;
      seen[entry.path] = true;
      if (entry.node->type == tree::NodeType::file) ++files;
    }
  }
  EXPECT_EQ(files, 101U);
  // A small one stays whole.
  tree::FileTree small;
  small.put("x", tree::file_node(tree::inline_content("x"), 0), 0);
  EXPECT_EQ(split(difference(nothing, small), small).size(), 1U);
}

TEST(ParseLayer, RefusesDamage) {
  Layer layer;
  layer.groups.push_back({base::sha256("k"), 1, 2, base::Sha256().update("a").save(), base::Sha256().save()});
  const std::string bytes = serialise(layer);
  ASSERT_TRUE(parse_layer(bytes));
  EXPECT_EQ(serialise(*parse_layer(bytes)), bytes);
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(parse_layer(bytes.substr(0, n)));
  EXPECT_FALSE(parse_layer(bytes + "x"));
}

}  // namespace
}  // namespace minibuild::archive
