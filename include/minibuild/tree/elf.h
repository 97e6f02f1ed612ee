// What an ELF file needs in order to run (System V ABI, gABI "Dynamic Linking").
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
  std::vector<std::string> needed;   // DT_NEEDED, in order
  std::vector<std::string> rpath;    // DT_RPATH, empty if there is a DT_RUNPATH
  std::vector<std::string> runpath;  // DT_RUNPATH
  uint16_t machine = 0;              // e_machine
  uint16_t type = 0;                 // e_type: 2 is an executable, 3 a shared object or a PIE
  bool is_64 = true;
  bool little_endian = true;
  bool has_dynamic = false;  // it has a dynamic section: a dynamic program or a shared library
  bool no_default = false;   // DF_1_NODEFLIB: the loader ignores ld.so.cache and the default directories
};
/// Returns std::nullopt if the content is not ELF. Throws Error naming `what` if it is ELF but malformed.
/// Trusts no offset.
std::optional<ElfFile> read_elf(const Content& content, const std::string& what);

/// A symbol version that a file requires from a library (DT_VERNEED).
struct VersionNeed {
  std::string library;  // as in DT_NEEDED
  std::string version;  // GLIBC_2.38
  bool weak = false;    // the loader only warns
};
struct ElfVersions {
  std::vector<VersionNeed> needs;
  std::vector<std::string> defined;  // DT_VERDEF, with the base version
  bool defines = false;              // the loader checks versions here; false if there is only a DT_VERSYM
};
/// The symbol versions of an ELF file; empty for other content. Throws like `read_elf`.
ElfVersions read_elf_versions(const Content& content, const std::string& what);

/// The content, by name, of those named sections that the file has; sections that are larger than `limit`
/// bytes or compressed are left out. Empty if the file has no section headers. Throws like `read_elf`.
std::map<std::string, std::string> elf_sections(const Content& content,
                                                const std::vector<std::string_view>& names, uint64_t limit,
                                                const std::string& what);

/// Looks up a path in a root; returns null if nothing is there. Does not follow links.
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
/// Settings of a closure, apart from the files.
struct ClosureSettings {
  int64_t mtime = 0;
  std::vector<std::string> search;  // directories that loaders search last, though no header names them
};
/// An ELF file from which a closure starts.
struct ClosureStart {
  std::string path;    // in the image
  std::string origin;  // in the root
  Node node;
};
/// Finds the libraries and loaders that the ELF files `starts` need, directly or indirectly, as the dynamic
/// loader would find them in `root`: DT_RPATH, DT_RUNPATH with $ORIGIN, $LIB and $PLATFORM,
/// `/etc/ld.so.cache` and the directories of `/etc/ld.so.conf`, and the loader's default directories (glibc's
/// with the multiarch triplet, musl's with `/etc/ld-musl-ARCH.path`). Each start has its path in the image,
/// its node, and its `origin`, its path in `root`. Libraries for another machine or class are skipped; so are
/// starts that are malformed, or that are for another machine than the loaders of `root`. A library that is
/// nowhere in `root` but that `image` has in any place, under its name or soname, is not missing: programs
/// find such libraries by means of their own. Every entry keeps its path in `root`, and the links that lead
/// to it are included. Whatever `image` already holds where its loader will look is left out. A library that
/// is found only through ld.so.conf also gets a link in a default directory, since the image has no
/// ld.so.cache.
Closure elf_closure(const std::vector<ClosureStart>& starts, const Lookup& root, const FileTree& image,
                    const ClosureSettings& settings);

/// Something at which the dynamic loader of an image would stop, or a program that is not for the image's
/// platform.
struct LoadProblem {
  enum class Kind { library, interpreter, version, machine };
  Kind kind = Kind::library;
  std::string needed;     // the soname or loader; for a version, the library that lacks it
  std::string wanted_by;  // path of the ELF file that needs it
  std::string version;    // kind version: what the library lacks
  std::string there;      // path of a file that may be meant but is not used; empty if there is none
  bool fits = true;       // `there` is for the right processor
  bool started = false;   // something that the image starts reaches it
  uint16_t machine = 0;   // of `wanted_by`
  auto operator<=>(const LoadProblem&) const = default;
};
struct LoadStart {
  std::string path;         // of the ELF file in the tree, links resolved
  bool sets_paths = false;  // its caller tells the loader where to look
};
struct LoadSettings {
  std::vector<LoadStart> started;         // what the image starts
  bool all = true;                        // check every other ELF file too
  std::vector<std::string> library_path;  // LD_LIBRARY_PATH
  std::vector<std::string> search;        // directories that loaders search last, though no header names them
  std::vector<uint16_t> machines;         // those that run the image, by e_machine; empty: any
};
/// What the loaders of `tree` (ld.so(8), musl's) would fail to find, sorted. Files that `below` has in the
/// same state are checked only as far as something started needs them. For shared libraries that no program
/// needs according to its headers, a dependency that is anywhere in the tree is not missing, since such
/// libraries are loaded by path. Files for other processors and unreadable files are treated as data.
std::vector<LoadProblem> loading_problems(const FileTree& tree, const FileTree& below,
                                          const LoadSettings& settings);
/// The name of an e_machine in platforms: `arm64`; `machine 9999` if it has none.
std::string machine_name(uint16_t machine);

}  // namespace minibuild::tree
