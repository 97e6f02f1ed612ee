#include "minibuild/project/files.h"

#include <sys/stat.h>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/file_system.h"

namespace minibuild::project {

namespace {

constexpr size_t max_spec = size_t{4} << 20;  // as spec::parse takes

class DiskFiles final : public Files {
 public:
  std::string read_spec(const std::string& path) const override {
    struct stat st {};
    if (::stat(path.c_str(), &st) == 0) {
      if (S_ISDIR(st.st_mode)) base::fail("cannot open {}: it is a directory; name the spec in it", path);
      if (!S_ISREG(st.st_mode))
        base::fail(
            "cannot open {}: it is {}, and a spec is a file: what it copies and its lock file lie beside it; "
            "write it to a file first",
            path, base::kind_of_file(st.st_mode));
    }
    return base::read_file(path, max_spec);
  }
  std::string read(const std::string& path, size_t limit) const override {
    return base::read_file(path, limit);
  }
  bool exists(const std::string& path) const override { return base::exists(path); }
  std::string real_name(const std::string& path) const override { return base::real_path(path); }
};

}  // namespace

const Files& disk_files() {
  static const DiskFiles files;
  return files;
}

}  // namespace minibuild::project
