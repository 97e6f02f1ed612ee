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
  uint16_t type = 0;                 // e_type: 2 an executable, 3 a shared object or a PIE
  bool is_64 = true;
  bool little_endian = true;
  bool has_dynamic = false;  // a dynamic section is there: a dynamic program or a shared library
  bool no_default = false;   // DF_1_NODEFLIB: neither ld.so.cache nor default directories count for it
};
/// Nothing if the content is not ELF. Throws Error naming `what` if it is ELF but malformed. Distrusts every
/// offset.
std::optional<ElfFile> read_elf(const Content& content, const std::string& what);

/// A symbol version that a file needs of a library (DT_VERNEED).
struct VersionNeed {
  std::string library;  // as in DT_NEEDED
  std::string version;  // GLIBC_2.38
  bool weak = false;    // the loader only warns
};
struct ElfVersions {
  std::vector<VersionNeed> needs;
  std::vector<std::string> defined;  // DT_VERDEF, with the base version
  bool defines = false;              // the loader looks for versions here: not if DT_VERSYM is there alone
};
/// The symbol versions of an ELF file; empty for other content. Throws as `read_elf`.
ElfVersions read_elf_versions(const Content& content, const std::string& what);

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
/// What a closure is told besides the files.
struct ClosureSettings {
  int64_t mtime = 0;
  std::vector<std::string> search;  // directories that loaders look in last, though nothing says so
};
/// The libraries and loaders that the ELF files `starts` (paths where they will be in the image, with their
/// nodes; `origin` is where each lies in `root`) need, directly or not, as the dynamic loader would find them
/// in `root`: DT_RPATH, DT_RUNPATH with $ORIGIN, $LIB and $PLATFORM, `/etc/ld.so.cache` and the directories
/// of
/// `/etc/ld.so.conf`, the loader's default directories (glibc's with the multiarch triplet, musl's with
/// `/etc/ld-musl-ARCH.path`). A library of another machine or class is passed over; so is a start that is
/// malformed, or that is itself for another machine than the loaders of `root`. A library that is nowhere
/// there but that `image` has in any place, under its name or soname, is not missing: programs find such ones
/// by means of their own. Every entry stands where
/// it stands in `root`, with the links that lead to it. What `image` already holds where the loader of the
/// image will look is left out. A library that is found only through ld.so.conf also gets a link in a default
/// directory, since the image has no ld.so.cache.
struct ClosureStart {
  std::string path;    // in the image
  std::string origin;  // in the root
  Node node;
};
Closure elf_closure(const std::vector<ClosureStart>& starts, const Lookup& root, const FileTree& image,
                    const ClosureSettings& settings);

/// Something that the dynamic loader of an image would stop at, or whose program is not for the image.
struct LoadProblem {
  enum class Kind { library, interpreter, version, machine };
  Kind kind = Kind::library;
  std::string needed;     // the soname or loader; of a version, the library that lacks it
  std::string wanted_by;  // path of the ELF file that needs it
  std::string version;    // kind version: what the library lacks
  std::string there;      // path of a file that could be meant but is not taken; empty if there is none
  bool fits = true;       // `there` is for the right processor
  bool started = false;   // what the image starts reaches it
  uint16_t machine = 0;   // of `wanted_by`
  auto operator<=>(const LoadProblem&) const = default;
};
struct LoadStart {
  std::string path;         // of the ELF file in the tree, links followed
  bool sets_paths = false;  // whatever starts it tells the loader where to look
};
struct LoadSettings {
  std::vector<LoadStart> started;         // what the image starts
  bool all = true;                        // look at every other ELF file too
  std::vector<std::string> library_path;  // LD_LIBRARY_PATH
  std::vector<std::string> search;        // directories that loaders look in last, though nothing says so
  std::vector<uint16_t> machines;         // that run the image, by e_machine; empty: any
};
/// What the loaders of `tree` (ld.so(8), musl's) would miss, sorted. Files that `below` has in the same state
/// are looked at only as far as something started needs them. Of shared libraries that no program needs by
/// its headers, what is found in any place of the tree is not missing, since they are loaded by path; files
/// for other processors, and those that cannot be read, are data.
std::vector<LoadProblem> loading_problems(const FileTree& tree, const FileTree& below,
                                          const LoadSettings& settings);
/// The name of an e_machine in platforms: `arm64`; `machine 9999` if it has none.
std::string machine_name(uint16_t machine);

}  // namespace minibuild::tree
