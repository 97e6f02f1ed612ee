// Where dynamic loaders look: the part that closures and checks have in common.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/tree/elf.h"

namespace minibuild::tree {

/// The multiarch name of Debian; empty if it has none.
std::string elf_triplet(const ElfFile& file);
/// `text` with $ORIGIN, $LIB and $PLATFORM replaced; `origin` is a directory in the form of FileTree.
std::string expand_tokens(std::string text, std::string_view origin, const ElfFile& file);
/// True if a process of `wanted` can have `file` in it.
bool same_processor(const ElfFile& file, const ElfFile& wanted);

/// A name that musl's loader takes for itself: libc.so, libpthread.so.0.
bool is_part_of_musl(std::string_view name);

/// A root as loaders see it. Keeps what it has read.
class LoaderView {
 public:
  explicit LoaderView(const Lookup& root) : root_(root) {}

  /// The path with all links followed; nothing if it leads nowhere.
  std::optional<std::string> real_path(const std::string& path) const;
  /// The ELF file at a real path; null if it is none, or one that cannot be read.
  const ElfFile* elf_at(const std::string& real);
  /// The loader of programs with this PT_INTERP is musl's, or stands on it.
  bool is_musl(const std::string& interpreter);
  /// The directories that musl's loader looks in.
  std::vector<std::string> musl_directories(const std::string& interpreter) const;
  /// Those that glibc's has built in, as the loader itself says; all that any distribution has if there is no
  /// such loader.
  const std::vector<std::string>& default_directories(const ElfFile& file, const std::string& interpreter);
  /// What /etc/ld.so.cache has under a name, in its order. Entries for newer processors are left out.
  const std::vector<std::string>& cached(const std::string& name);
  /// The content of a small file; empty if it is not there.
  std::string small_file(const std::string& path) const;

 private:
  void read_cache();
  const Lookup& root_;
  std::map<std::string, std::optional<ElfFile>> files_;
  std::map<std::string, std::vector<std::string>> defaults_;
  std::optional<std::map<std::string, std::vector<std::string>>> cache_;
};

}  // namespace minibuild::tree
