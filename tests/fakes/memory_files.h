// The files of a project in memory, with a count of how often each was read.
#pragma once

#include <map>
#include <string>

#include "minibuild/base/error.h"
#include "minibuild/project/files.h"

namespace minibuild::fakes {

class MemoryFiles final : public project::Files {
 public:
  std::map<std::string, std::string> texts;
  mutable std::map<std::string, int> reads;

  MemoryFiles(std::initializer_list<std::pair<const std::string, std::string>> files) : texts(files) {}

  std::string read_spec(const std::string& path) const override { return read(path, 0); }
  std::string read(const std::string& path, size_t /*limit*/) const override {
    const auto there = texts.find(plain(path));
    if (there == texts.end()) base::fail("cannot open {}: No such file or directory", path);
    ++reads[plain(path)];
    return there->second;
  }
  bool exists(const std::string& path) const override { return texts.contains(plain(path)); }
  std::string real_name(const std::string& path) const override { return "/" + plain(path); }

 private:
  // `./x` and `x` are one file.
  static std::string plain(const std::string& path) { return path.starts_with("./") ? path.substr(2) : path; }
};

}  // namespace minibuild::fakes
