// A program that a stage did not find, and where this machine has it.
#pragma once

#include <string>
#include <vector>

namespace minibuild::build {

/// Where to look for a program that the sandbox does not show or whose directory is not on its PATH.
struct ProgramPlaces {
  std::string path;  // $PATH of the user who builds
  std::string home;
};

/// The program that a shell did not find, from its last lines, such as `sh: 1: go: not found`, else the first
/// word of the command. Empty if it cannot be determined.
std::string program_not_found(const std::string& command, const std::vector<std::string>& last_lines);

/// Advice if the machine has the program: `go is in /usr/local/go/bin: add it to PATH …`. Empty if it is not
/// found, or is on the stage's own PATH, `stage_path`.
std::string advice_for_missing(const std::string& program, const std::string& stage_path,
                               const ProgramPlaces& places);

}  // namespace minibuild::build
