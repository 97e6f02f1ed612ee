// Tar archives: POSIX.1-2001 ustar headers, with pax records where ustar is too small; image-spec layer.md.
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

/// The number of zero bytes that follow `size` bytes of content.
constexpr uint64_t tar_padding(uint64_t size) { return (tar_block - size % tar_block) % tar_block; }

/// The header blocks of one entry. User and group names stay empty. If `hard_link` is not empty, the entry is
/// a hard link to that path, without content. Directories end with `/`. Pax records are used only where
/// needed: a path or target that exceeds the ustar limits or is not ASCII, a size of 8 GiB or more, ids over
/// 2097151, a negative or huge mtime, xattrs (SCHILY.xattr).
std::string tar_header(std::string_view path, const tree::Node& node, std::string_view hard_link = {});

/// Writes the entries of a tree in order, with its hard links, and the end of the archive.
void write_tar(const tree::FileTree& tree, base::Sink& sink);

/// Limits for archives from outside. Exceeding one is an Error that names it.
struct TarLimits {
  uint64_t entries = 2'000'000;
  uint64_t path = 4096;           // bytes of a path or link target
  uint64_t extended = 1U << 20U;  // bytes of one extended header
  uint64_t xattrs = 256;          // of one entry
  bool any_name = false;          // names may contain control characters too
};

/// For the results of stages, whose commands name files as they like. Names are checked when files are copied
/// into an image.
inline constexpr TarLimits stage_limits{.path = uint64_t{1} << 19U, .any_name = true};

/// For layers, and for archives from which a `copy` takes what it can: names are checked when files are added
/// to an image, not when an image is read.
inline constexpr TarLimits foreign_limits{.any_name = true};

/// One entry as it appears in the archive.
struct TarEntry {
  enum class Kind { directory, file, symlink, hard_link, character_device, block_device, fifo };
  Kind kind = Kind::file;
  std::string path;     // normalised: relative, no `.`, `..` or doubled `/`; empty for the root itself
  std::string target;   // of links; for a hard link normalised, from the archive's root
  tree::Node node;      // type, mode, owner, mtime, device, xattrs, target; of the content only the size
  uint64_t offset = 0;  // of the content in the archive
  std::shared_ptr<const tree::Extents> extents{};  // of a sparse file: where its content is instead
  std::string sha1;  // the value of the APK-TOOLS.checksum.SHA1 record as it is; empty if there is none
};

/// Reads an archive from front to back. Trusts nothing: checksums, sizes, names. A name that leads outside,
/// control characters (unless `any_name`), malformed extended headers and truncated archives are Errors
/// `cannot read WHAT: cause`. Understands ustar, pax (x, X and g), GNU long names, base-256 numbers, star,
/// old V7, and sparse files: GNU's old form, PAX 0.0, 0.1 and 1.0; holes count as growth (growth.h). From a
/// global header only the time is used; records that would turn an entry into another file are refused, since
/// programs disagree about them. The sizes of links, directories and devices are ignored.
class TarReader {
 public:
  TarReader(base::Source& source, std::string what, TarLimits limits = {});
  ~TarReader();
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;
  TarReader(TarReader&&) = delete;
  TarReader& operator=(TarReader&&) = delete;
  /// Reads the next entry; returns false at the end. Skips content that has not been read yet.
  bool next(TarEntry& entry);
  /// Reads the content of the entry that `next` returned.
  size_t read(std::span<char> buffer);
  /// The number of bytes read from the source so far.
  uint64_t position() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads a whole uncompressed archive on disk as a tree whose files are slices of it; hard links become link
/// groups. A later entry replaces an earlier one. Whiteouts are not applied: `.wh.` names stay as they are.
tree::FileTree read_tar(const std::shared_ptr<const tree::Archive>& archive, const std::string& what,
                        TarLimits limits = {});

/// Applies a layer's archive to `below`. Whiteouts and opaque markers affect only what is below the layer.
/// Leftovers of AUFS at the top (`.wh..wh.plnk` and others) become part of no image, but hard links into them
/// are resolved. A hard link whose target does not exist is an Error.
void apply_layer(tree::FileTree& below, const std::shared_ptr<const tree::Archive>& archive,
                 const std::string& what, TarLimits limits = foreign_limits);

}  // namespace minibuild::archive
