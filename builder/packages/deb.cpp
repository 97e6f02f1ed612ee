// A deb is an ar archive of three members: the format's version, a tar of control files, a tar of data.
#include "minibuild/packages/deb.h"

#include <array>

#include "minibuild/archive/tar.h"
#include "minibuild/archive/unpack.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"

namespace minibuild::packages {

using base::fail;

namespace {

constexpr uint64_t max_deb_control = uint64_t{16} << 20;
constexpr uint64_t max_deb_data = uint64_t{16} << 30;
constexpr size_t ar_header_size = 60;

// At most `left` bytes of a source.
class PartSource : public base::Source {
 public:
  PartSource(base::Source& source, uint64_t size) : source_(source), left_(size) {}
  size_t read(std::span<char> buffer) override {
    const auto want = static_cast<size_t>(std::min<uint64_t>(buffer.size(), left_));
    if (want == 0) return 0;
    const size_t n = source_.read(buffer.subspan(0, want));
    left_ -= n;
    return n;
  }
  uint64_t left() const { return left_; }

 private:
  base::Source& source_;
  uint64_t left_;
};

class LimitedSink : public base::Sink {
 public:
  LimitedSink(base::Sink& sink, uint64_t limit, const std::string& what)
      : sink_(sink), left_(limit), what_(what) {}
  void write(std::string_view bytes) override {
    if (bytes.size() > left_)
      fail("cannot read {}: it unpacks to more than {}", what_, base::human_size(max_deb_data));
    left_ -= bytes.size();
    sink_.write(bytes);
  }

 private:
  base::Sink& sink_;
  uint64_t left_;
  const std::string& what_;
};

class DebReader {
 public:
  DebReader(const std::string& path, const std::string& what)
      : fd_(base::open_file(path)), source_(fd_.get(), what), what_(what) {}

  PackageFile read(base::Sink& data) {
    std::array<char, 8> magic{};
    if (base::read_full(source_, magic) != magic.size() ||
        std::string_view(magic.data(), magic.size()) != "!<arch>\n")
      fail("cannot read {}: it is not a Debian package", what_);
    PackageFile file;
    bool has_version = false;
    bool has_control = false;
    for (std::string name; next(name);) {
      PartSource part(source_, size_);
      if (!has_version) {
        if (name != "debian-binary" || !base::read_all(part, 64, what_).starts_with("2."))
          fail("cannot read {}: it is not a Debian package of format 2", what_);
        has_version = true;
      } else if (!has_control && is_member(name, "control.tar")) {
        read_control(part, file);
        has_control = true;
      } else if (has_control && is_member(name, "data.tar")) {
        const auto plain = archive::decompress_any(part, what_);
        LimitedSink limited(data, max_deb_data, what_);
        base::copy(*plain, limited);
        if (part.left() != 0) fail("cannot read {}: its data has bytes after its end", what_);
        return file;
      } else if (!name.starts_with('_')) {
        fail("cannot read {}: unexpected member '{}'", what_, base::printable(name));
      }
      source_.skip(part.left() + size_ % 2);
    }
    fail("cannot read {}: it has no data", what_);
  }

 private:
  static bool is_member(std::string_view name, std::string_view stem) {
    if (!name.starts_with(stem)) return false;
    const std::string_view end = name.substr(stem.size());
    return end.empty() || end == ".gz" || end == ".xz" || end == ".zst" || end == ".bz2" || end == ".lzma";
  }

  // The header of the next member; false at the end.
  bool next(std::string& name) {
    std::array<char, ar_header_size> header{};
    const size_t n = base::read_full(source_, header);
    if (n == 0) return false;
    const std::string_view text(header.data(), n);
    if (n != header.size() || text.substr(58) != "`\n")
      fail("cannot read {}: it is cut off or damaged", what_);
    name = base::trim(text.substr(0, 16));
    if (name.ends_with('/')) name.pop_back();
    const auto size = base::parse_number(base::trim(text.substr(48, 10)), max_deb_data);
    if (!size) fail("cannot read {}: malformed size of the member '{}'", what_, base::printable(name));
    size_ = *size;
    return true;
  }

  void read_control(base::Source& part, PackageFile& file) {
    const auto plain = archive::decompress_any(part, what_);
    archive::TarReader reader(*plain, what_ + ", control");
    archive::TarEntry entry;
    uint64_t total = 0;
    while (reader.next(entry)) {
      if (entry.kind != archive::TarEntry::Kind::file) continue;
      const uint64_t size = entry.node.content.size;
      if (size > max_deb_control - total)
        fail("cannot read {}: its control files have more than {}", what_, base::human_size(max_deb_control));
      total += size;
      std::string text;
      std::array<char, 8192> buffer{};
      while (const size_t n = reader.read(buffer)) text.append(buffer.data(), n);
      file.control[entry.path] = std::move(text);
    }
    if (!file.control.contains("control")) fail("cannot read {}: it has no control file", what_);
  }

  base::Fd fd_;
  base::FdSource source_;
  const std::string& what_;
  uint64_t size_ = 0;  // of the member
};

}  // namespace

PackageFile read_deb(const std::string& path, base::Sink& data, const std::string& what) {
  return DebReader(path, what).read(data);
}

}  // namespace minibuild::packages
