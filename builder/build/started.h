// What an image starts: the program of its command, through wrappers and scripts as far as they reveal it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "minibuild/oci/image.h"
#include "minibuild/tree/elf.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::build {

/// A command as a container runtime gets it.
struct StartedCommand {
  std::vector<std::string> words;
  std::string path;     // PATH
  std::string workdir;  // absolute; empty: the root
};
/// Entrypoint and cmd of a config.
StartedCommand command_of(const oci::ImageConfig& config);

enum class Reach {
  certain,   // what certainly runs: in a shell script, what it replaces itself with by `exec`
  possible,  // every command of shell scripts
};
/// The files that `command` runs, with the interpreters of scripts: real paths in the tree, ELF files in
/// `programs`; `passed` contains every path on the way, including links and scripts.
struct StartedFiles {
  std::vector<tree::LoadStart> programs;
  std::set<std::string> passed;
};
StartedFiles started_files(const tree::FileTree& tree, const StartedCommand& command, Reach reach);

/// Returns true if the file starts like an ELF file.
bool is_elf(const tree::Node& node);

}  // namespace minibuild::build
