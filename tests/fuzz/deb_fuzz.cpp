// Packages of Debian: no input crashes or grows beyond all bounds, and what is written is a tar that our own
// reader takes or refuses. An input that begins with one of these letters is the plain text of a part, and
// the rest of the package is made around it:
//   D  the tar of a package's data
//   C  the tar of its control files
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/deb.h"

namespace {

using namespace minibuild;

constexpr size_t max_control = size_t{16} << 20;

// A disk that is full after 64 MiB: much less than a package may unpack to.
class Memory : public base::Sink {
 public:
  void write(std::string_view bytes) override {
    if (bytes.size() > (size_t{64} << 20) - text.size()) base::fail("no space is left");
    text.append(bytes);
  }
  std::string text;
};

std::string member(const std::string& name, const std::string& bytes) {
  return fmt::format("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n{}{}", name, 0, 0, 0, "100644", bytes.size(), bytes,
                     bytes.size() % 2 == 0 ? "" : "\n");
}

std::string deb(const std::string& control, const std::string& data) {
  return "!<arch>\n" + member("debian-binary", "2.0\n") + member("control.tar", control) +
         member("data.tar", data);
}

std::string tar_of(const std::string& name, const std::string& content) {
  const tree::Node node = tree::file_node(tree::inline_content(content), 0);
  return archive::tar_header(name, node) + content +
         std::string(archive::tar_padding(content.size()) + archive::tar_end_size, '\0');
}

// What was written, if the package was taken.
std::optional<std::string> read(const std::string& bytes) {
  const base::Fd input(::memfd_create("input", MFD_CLOEXEC));
  base::write_all(input.get(), bytes, "the input");
  Memory data;
  packages::PackageFile package;
  try {
    package = packages::read_deb("/proc/self/fd/" + std::to_string(input.get()), data, "input");
  } catch (const base::Error&) {
    return std::nullopt;
  }
  if (!bytes.starts_with("!<arch>\n") || !package.control.contains("control")) std::abort();
  size_t total = 0;
  for (const auto& [name, text] : package.control) {
    if (name.empty() || name.starts_with("/") || ("/" + name + "/").find("/../") != std::string::npos)
      std::abort();
    total += text.size();
  }
  if (total > max_control) std::abort();
  try {
    base::MemorySource source(data.text);
    archive::TarReader reader(source, "the data");
    archive::TarEntry entry;
    while (reader.next(entry))
      if (entry.path.starts_with("/") || ("/" + entry.path + "/").find("/../") != std::string::npos)
        std::abort();
  } catch (const base::Error&) {
    return data.text;
  }
  return data.text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::string rest = input.substr(std::min<size_t>(size, 1));
  switch (size == 0 ? 0 : input[0]) {
    case 'D': {
      // Plain bytes pass as they are, unless they look like a compressor's.
      const auto written = read(deb(tar_of("./control", "Package: a\nVersion: 1\n"), rest));
      if (rest.starts_with("plain") && written != rest) std::abort();
      break;
    }
    case 'C':
      read(deb(rest, tar_of("usr/a", "a")));
      break;
    default:
      read(input);
  }
  return 0;
}
