// What an ELF file needs to run (System V ABI, gABI "Dynamic Linking").
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/tree/file_tree.h"

namespace minibuild::tree {

struct ElfFile {
  std::string interpreter;           // PT_INTERP, empty if none
  std::string soname;                // DT_SONAME
  std::vector<std::string> needed;   // DT_NEEDED in order
  std::vector<std::string> rpath;    // DT_RPATH, empty if there is a DT_RUNPATH
  std::vector<std::string> runpath;  // DT_RUNPATH
  uint16_t machine = 0;              // e_machine
  bool is_64 = true;
  bool little_endian = true;
  bool has_dynamic = false;  // a dynamic section is there: a dynamic program or a shared library
};
/// Nothing if the content is not ELF. Throws Error naming `what` if it is ELF but malformed. Distrusts every
/// offset.
std::optional<ElfFile> read_elf(const Content& content, const std::string& what);

/// The content of those of the named sections that the file has, by name; what is larger than `limit` bytes
/// or compressed is left out. Nothing at all if it has no section headers. Throws as `read_elf`.
std::map<std::string, std::string> elf_sections(const Content& content,
                                                const std::vector<std::string_view>& names, uint64_t limit,
                                                const std::string& what);

/// Looks a path up in a root; null if nothing is there. Links are not followed.
using Lookup = std::function<const Node*(const std::string& path)>;

/// A path that the closure adds: a library or loader, or a symbolic link on the way to one.
struct ClosureEntry {
  std::string path;
  Node node;
};
/// A requirement that could not be met.
struct MissingLibrary {
  std::string needed;     // the soname or loader
  std::string wanted_by;  // path of the ELF file
};
struct Closure {
  std::vector<ClosureEntry> entries;  // without duplicates, ordered by path
  std::vector<MissingLibrary> missing;
};
/// The libraries and loaders that the ELF files `starts` (paths where they will be in the image, with their
/// nodes; `origin` is where each lies in `root`) need, directly or not, as the dynamic loader would find them
/// in `root`: DT_RPATH, DT_RUNPATH with $ORIGIN, $LIB and $PLATFORM, the directories of `/etc/ld.so.conf`,
/// the loader's default directories (glibc's with the multiarch triplet, musl's with
/// `/etc/ld-musl-ARCH.path`). A library of another machine or class is passed over. Every entry stands where
/// it stands in `root`, with the links that lead to it. What `image` already holds where the loader of the
/// image will look is left out. A library that is found only through ld.so.conf also gets a link in a default
/// directory, since the image has no ld.so.cache.
struct ClosureStart {
  std::string path;    // in the image
  std::string origin;  // in the root
  Node node;
};
Closure elf_closure(const std::vector<ClosureStart>& starts, const Lookup& root, const FileTree& image,
                    int64_t mtime);

}  // namespace minibuild::tree
