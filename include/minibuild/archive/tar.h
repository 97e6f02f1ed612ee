// Tar archives: POSIX.1-2001 ustar headers with pax records where ustar is too small; image-spec layer.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "minibuild/base/stream.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::archive {

inline constexpr uint64_t tar_block = 512;
/// The two empty blocks at the end of an archive.
inline constexpr uint64_t tar_end_size = 1024;

/// The number of zero bytes after `size` bytes of content.
constexpr uint64_t tar_padding(uint64_t size) { return (tar_block - size % tar_block) % tar_block; }

/// The header blocks of one entry. User and group names stay empty. `hard_link`, if not empty, makes the
/// entry a hard link to that path, without content. Directories end with `/`. Pax records only where needed:
/// path or target over the ustar limits or not ASCII, size of 8 GiB and more, ids over 2097151, negative or
/// huge mtime, xattrs (SCHILY.xattr).
std::string tar_header(std::string_view path, const tree::Node& node, std::string_view hard_link = {});

/// Writes the entries of a tree, in order, with its hard links, and the end of the archive.
void write_tar(const tree::FileTree& tree, base::Sink& sink);

/// Limits for archives from outside. Reaching one is an Error that names it.
struct TarLimits {
  uint64_t entries = 2'000'000;
  uint64_t path = 4096;           // bytes of a path or link target
  uint64_t extended = 1U << 20U;  // bytes of one extended header
  uint64_t xattrs = 256;          // of one entry
  bool any_name = false;          // control characters in names too
};

/// For what a stage left: commands name files as they like. What goes into an image is judged when it is
/// copied.
inline constexpr TarLimits stage_limits{.path = uint64_t{1} << 19U, .any_name = true};

/// For layers, and archives of which a `copy` takes what it can have: names are judged when files are added
/// to an image, not when an image is read.
inline constexpr TarLimits foreign_limits{.any_name = true};

/// One entry as it stands in the archive.
struct TarEntry {
  enum class Kind { directory, file, symlink, hard_link, character_device, block_device, fifo };
  Kind kind = Kind::file;
  std::string path;     // normalised: relative, no `.`, `..` or doubled `/`; empty for the root itself
  std::string target;   // of links; of a hard link normalised, from the archive's root
  tree::Node node;      // type, mode, owner, mtime, device, xattrs, target; content only its size
  uint64_t offset = 0;  // of the content in the archive
  std::shared_ptr<const tree::Extents> extents{};  // of a file with holes: where its content is instead
  std::string sha1;  // what the record APK-TOOLS.checksum.SHA1 says, as it stands; empty if there is none
};

/// Reads an archive from front to back. Distrusts everything: checksums, sizes, names; a name that leads out,
/// control characters (unless `any_name`), malformed extended headers, a truncated archive are Errors `cannot
/// read WHAT: cause`. Understands ustar, pax (x, X and g), GNU long names, base-256 numbers, star, old V7,
/// and files with holes: GNU's old form, PAX 0.0, 0.1 and 1.0; holes count as growth (growth.h). Of a global
/// header the time is heeded; what would make another file of an entry is refused, since programs differ
/// there. Sizes of links, directories and devices mean nothing.
class TarReader {
 public:
  TarReader(base::Source& source, std::string what, TarLimits limits = {});
  ~TarReader();
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;
  TarReader(TarReader&&) = delete;
  TarReader& operator=(TarReader&&) = delete;
  /// The next entry; false at the end. Content not read yet is skipped.
  bool next(TarEntry& entry);
  /// Reads the content of the entry that `next` gave.
  size_t read(std::span<char> buffer);
  /// The number of bytes taken from the source so far.
  uint64_t position() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads a whole uncompressed archive on disk as a tree whose files are slices of it; hard links become link
/// groups. A later entry replaces an earlier one. No whiteouts: `.wh.` names stay as they are.
tree::FileTree read_tar(const std::shared_ptr<const tree::Archive>& archive, const std::string& what,
                        TarLimits limits = {});

/// Lays a layer's archive over `below`: whiteouts and opaque markers act on what is below only. What AUFS
/// left at the top (`.wh..wh.plnk` and others) is in no image, but hard links into it are. A hard link whose
/// target is nowhere is an Error.
void apply_layer(tree::FileTree& below, const std::shared_ptr<const tree::Archive>& archive,
                 const std::string& what, TarLimits limits = foreign_limits);

}  // namespace minibuild::archive
