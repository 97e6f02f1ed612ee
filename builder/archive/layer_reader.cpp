// Archives on disk as trees: whole ones, and layers laid over each other (image-spec layer.md "Applying
// Changesets").
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::archive {

using base::fail;

namespace {

constexpr std::string_view whiteout = ".wh.";
constexpr std::string_view opaque = ".wh..wh..opq";
constexpr std::string_view aufs = ".wh..wh.";  // its own files, at the top

// What of a layer's archive is already laid over the tree.
struct Layering {
  tree::FileTree& tree;
  const std::shared_ptr<const tree::Archive>& archive;
  const std::string& what;
  std::set<std::string, std::less<>> added;  // paths of this layer
  std::map<std::string, tree::Node> kept_by_aufs{};

  // Where an entry lands: below the links that its parents are.
  std::string place(const std::string& path) const {
    const std::string parent = resolve_directory(path);
    const tree::Node* node = tree.find(parent);
    if (node != nullptr && node->type != tree::NodeType::directory)
      fail("cannot read {}: '{}' lies below '{}', which is not a directory", what, base::printable(path),
           base::printable(parent));
    return tree::join_path(parent, tree::name_of(path));
  }

  std::string resolve_directory(const std::string& path) const {
    try {
      return tree.resolve(tree::directory_of(path), true);
    } catch (const base::Error& error) {
      fail("cannot read {}: {}", what, error.what());
    }
  }

  void locate(TarEntry& entry) const {
    if (entry.kind == TarEntry::Kind::file)
      entry.node.content.where = tree::Slice{archive, entry.offset, entry.extents};
  }

  // AUFS keeps files that have several names in a directory of its own, to which all names are links.
  void keep_for_links(TarEntry& entry) {
    if (entry.kind != TarEntry::Kind::file || !entry.path.starts_with(".wh..wh.plnk/")) return;
    locate(entry);
    kept_by_aufs.insert_or_assign(entry.path, std::move(entry.node));
  }

  void add(TarEntry& entry) {
    const std::string path = place(entry.path);
    if (entry.kind == TarEntry::Kind::hard_link) {
      if (const auto kept = kept_by_aufs.find(entry.target); kept != kept_by_aufs.end()) {
        if (kept->second.link_group == 0) kept->second.link_group = tree.new_link_group();
        tree.put(path, tree::Node(kept->second), 0);
        added.insert(path);
        return;
      }
      const std::string target = place(entry.target);
      tree::Node* other = tree.find(target);
      if (other == nullptr || other->type == tree::NodeType::directory)
        fail("cannot read {}: the hard link '{}' leads to '{}', which is not there", what,
             base::printable(entry.path), base::printable(entry.target));
      if (target == path) return;
      if (other->type == tree::NodeType::file && other->link_group == 0)
        other->link_group = tree.new_link_group();
      tree.put(path, tree::Node(*other), 0);
    } else {
      locate(entry);
      tree.put(path, std::move(entry.node), 0);
    }
    added.insert(path);
  }

  // Removes what is below `directory` but not from this layer; `directory` itself is kept.
  void hide_below(const std::string& directory) {
    std::vector<std::string> hidden;
    tree::for_each_below(tree, directory, [&](const std::string& path, const tree::Node&) {
      const auto it = added.lower_bound(path);
      const bool kept = it != added.end() && tree::is_within(*it, path);
      if (!kept) hidden.push_back(path);
    });
    for (const std::string& path : hidden) tree.remove(path);
  }

  void apply_whiteout(const std::string& path) {
    const std::string_view name = tree::name_of(path);
    const std::string parent = resolve_directory(path);
    if (name == opaque) {
      hide_below(parent);
      return;
    }
    if (name.starts_with(".wh..wh.")) return;  // AUFS' own files carry no meaning
    const std::string_view victim = name.substr(whiteout.size());
    if (victim.empty() || victim == "." || victim == "..")
      fail("cannot read {}: malformed whiteout '{}'", what, base::printable(path));
    const std::string hidden = tree::join_path(parent, victim);
    const auto it = added.lower_bound(hidden);
    if (it != added.end() && tree::is_within(*it, hidden))
      hide_below(hidden);
    else
      tree.remove(hidden);
  }
};

base::Fd open_archive(const tree::Archive& archive) { return base::open_file(archive.path); }

}  // namespace

namespace {

// A file of which headers are read and contents passed over: a page at a time, since small files' headers lie
// close together.
class HeaderSource : public base::Source {
 public:
  HeaderSource(int fd, const std::string& what) : fd_(fd), what_(what) {
    struct stat st {};
    if (::fstat(fd, &st) != 0) base::fail("cannot read {}: {}", what, base::errno_text());
    size_ = static_cast<uint64_t>(st.st_size);
  }
  size_t read(std::span<char> buffer) override {
    if (at_ >= size_) return 0;
    if (at_ < start_ || at_ >= start_ + filled_) {
      start_ = at_;
      filled_ = static_cast<size_t>(std::min<uint64_t>(page_.size(), size_ - at_));
      base::read_at(fd_, std::span(page_).first(filled_), start_, what_);
    }
    const auto offset = static_cast<size_t>(at_ - start_);
    const size_t n = std::min(buffer.size(), filled_ - offset);
    std::copy_n(page_.data() + offset, n, buffer.data());
    at_ += n;
    return n;
  }
  uint64_t skip(uint64_t count) override {
    const uint64_t step = std::min(count, size_ - at_);
    at_ += step;
    return step;
  }

 private:
  int fd_;
  const std::string& what_;
  uint64_t size_ = 0;
  uint64_t at_ = 0;
  uint64_t start_ = 0;
  size_t filled_ = 0;
  std::array<char, 8192> page_{};
};

}  // namespace

tree::FileTree read_tar(const std::shared_ptr<const tree::Archive>& archive, const std::string& what,
                        TarLimits limits) {
  const base::Fd fd = open_archive(*archive);
  HeaderSource source(fd.get(), what);
  TarReader reader(source, what, limits);
  tree::FileTree result;
  Layering layering{result, archive, what, {}, {}};
  TarEntry entry;
  while (reader.next(entry))
    if (!entry.path.empty()) layering.add(entry);
  return result;
}

void apply_layer(tree::FileTree& below, const std::shared_ptr<const tree::Archive>& archive,
                 const std::string& what, TarLimits limits) {
  const base::Fd fd = open_archive(*archive);
  HeaderSource source(fd.get(), what);
  TarReader reader(source, what, limits);
  Layering layering{below, archive, what, {}, {}};
  TarEntry entry;
  while (reader.next(entry)) {
    if (entry.path.empty()) continue;
    if (entry.path.starts_with(aufs) && entry.path != opaque)
      layering.keep_for_links(entry);
    else if (tree::name_of(entry.path).starts_with(whiteout))
      layering.apply_whiteout(entry.path);
    else
      layering.add(entry);
  }
}

}  // namespace minibuild::archive
