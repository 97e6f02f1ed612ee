// What tests of keys and signatures share: a directory for other programs, and what an error says.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace minibuild::trust {

/// A directory that is gone when the test is.
class Scratch {
 public:
  Scratch() {
    std::string pattern = ::testing::TempDir() + "minibuild-trust-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~Scratch() { base::remove_tree(path); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Scratch(Scratch&&) = delete;
  Scratch& operator=(Scratch&&) = delete;
  /// Runs a command there; what it prints is in the file `log`.
  bool run(const std::string& command) const {
    return std::system(("cd '" + path + "' && { " + command + "; } > log 2>&1").c_str()) == 0;
  }
  std::string read(const std::string& name) const { return base::read_file(path + "/" + name); }
  void write(const std::string& name, std::string_view bytes) const {
    base::write_file_atomic(path + "/" + name, bytes);
  }

  std::string path;
};

/// What the error of a task says.
template <typename Task>
std::string error_of(Task task) {
  try {
    task();
  } catch (const base::Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace minibuild::trust
