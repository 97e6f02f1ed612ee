// What an image starts: the program of its command, through wrappers and scripts as far as they say it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "minibuild/oci/image.h"
#include "minibuild/tree/elf.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::build {

/// A command as a container's runtime gets it.
struct StartedCommand {
  std::vector<std::string> words;
  std::string path;     // PATH
  std::string workdir;  // absolute; empty: the root
};
/// Entrypoint and cmd of a config.
StartedCommand command_of(const oci::ImageConfig& config);

enum class Reach {
  certain,   // what certainly runs: of a shell script, what it gives way to with `exec`
  possible,  // every command of shell scripts
};
/// The files that `command` runs, with the interpreters of scripts: real paths in the tree, ELF files in
/// `programs`; `passed` has every path on the way, links and scripts included.
struct StartedFiles {
  std::vector<tree::LoadStart> programs;
  std::set<std::string> passed;
};
StartedFiles started_files(const tree::FileTree& tree, const StartedCommand& command, Reach reach);

/// True for what begins as an ELF file does.
bool is_elf(const tree::Node& node);

}  // namespace minibuild::build
