#include "minibuild/archive/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <locale.h>
#include <sys/stat.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <vector>

#include "minibuild/archive/compress.h"
#include "minibuild/archive/growth.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::archive {

using base::fail;

namespace {

// The functions of libarchive that are used; the library is loaded when the first archive comes, since its
// own libraries would cost every start.
struct Library {
  decltype(&archive_read_new) read_new;
  decltype(&archive_read_free) read_free;
  decltype(&archive_read_support_filter_gzip) filter_gzip;
  decltype(&archive_read_support_filter_bzip2) filter_bzip2;
  decltype(&archive_read_support_filter_xz) filter_xz;
  decltype(&archive_read_support_filter_lzma) filter_lzma;
  decltype(&archive_read_support_filter_zstd) filter_zstd;
  decltype(&archive_read_support_format_tar) format_tar;
  decltype(&archive_read_support_format_zip) format_zip;
  decltype(&archive_read_support_format_raw) format_raw;
  decltype(&archive_read_support_format_empty) format_empty;
  decltype(&archive_read_open_filename) open_filename;
  decltype(&archive_read_open) open;
  decltype(&archive_read_next_header) next_header;
  decltype(&archive_read_data) data;
  decltype(&archive_filter_bytes) filter_bytes;
  decltype(&archive_error_string) error_string;
  decltype(&archive_entry_pathname) pathname;
  decltype(&archive_entry_hardlink) hardlink;
  decltype(&archive_entry_symlink) symlink;
  decltype(&archive_entry_filetype) filetype;
  decltype(&archive_entry_perm) perm;
  decltype(&archive_entry_mtime) mtime;
  decltype(&archive_entry_size) size;
  decltype(&archive_entry_size_is_set) size_is_set;
  decltype(&archive_entry_is_encrypted) is_encrypted;
  decltype(&archive_entry_sparse_count) sparse_count;
};

Library load() {
  void* handle = ::dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    fail(
        "cannot unpack archives: libarchive.so.13 is not installed; on Debian: apt-get install libarchive13");
  Library library{};
  const auto find = [handle]<typename Function>(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(handle, name));
    if (function == nullptr) fail("cannot unpack archives: libarchive.so.13 has no {}", name);
  };
  find(library.read_new, "archive_read_new");
  find(library.read_free, "archive_read_free");
  find(library.filter_gzip, "archive_read_support_filter_gzip");
  find(library.filter_bzip2, "archive_read_support_filter_bzip2");
  find(library.filter_xz, "archive_read_support_filter_xz");
  find(library.filter_lzma, "archive_read_support_filter_lzma");
  find(library.filter_zstd, "archive_read_support_filter_zstd");
  find(library.format_tar, "archive_read_support_format_tar");
  find(library.format_zip, "archive_read_support_format_zip");
  find(library.format_raw, "archive_read_support_format_raw");
  find(library.format_empty, "archive_read_support_format_empty");
  find(library.open_filename, "archive_read_open_filename");
  find(library.open, "archive_read_open");
  find(library.next_header, "archive_read_next_header");
  find(library.data, "archive_read_data");
  find(library.filter_bytes, "archive_filter_bytes");
  find(library.error_string, "archive_error_string");
  find(library.pathname, "archive_entry_pathname");
  find(library.hardlink, "archive_entry_hardlink");
  find(library.symlink, "archive_entry_symlink");
  find(library.filetype, "archive_entry_filetype");
  find(library.perm, "archive_entry_perm");
  find(library.mtime, "archive_entry_mtime");
  find(library.size, "archive_entry_size");
  find(library.size_is_set, "archive_entry_size_is_set");
  find(library.is_encrypted, "archive_entry_is_encrypted");
  find(library.sparse_count, "archive_entry_sparse_count");
  return library;
}

const Library& loaded() {
  static const Library library = load();
  return library;
}

// Without `/` at both ends, which tar_header puts where they belong.
std::string bare(std::string_view name) {
  while (name.starts_with('/')) name.remove_prefix(1);
  while (name.ends_with('/')) name.remove_suffix(1);
  return std::string(name);
}

// libarchive translates names by the thread's locale: it is UTF-8 here, whatever the user has.
class Utf8Thread {
 public:
  Utf8Thread() : locale_(::newlocale(LC_ALL_MASK, "C.UTF-8", nullptr)) {
    if (locale_ == nullptr) fail("this system has no locale C.UTF-8, which unpacking needs");
    before_ = ::uselocale(locale_);
  }
  ~Utf8Thread() {
    ::uselocale(before_);
    ::freelocale(locale_);
  }
  Utf8Thread(const Utf8Thread&) = delete;
  Utf8Thread& operator=(const Utf8Thread&) = delete;
  Utf8Thread(Utf8Thread&&) = delete;
  Utf8Thread& operator=(Utf8Thread&&) = delete;

 private:
  locale_t locale_;
  locale_t before_;
};

uint64_t size_of(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 ? static_cast<uint64_t>(st.st_size) : 0;
}

class Unpacker {
 public:
  Unpacker(const std::string& path, base::Sink& sink, const std::string& what, UnpackLimits limits)
      : library_(loaded()),
        reader_(library_.read_new(), library_.read_free),
        sink_(sink),
        what_(what),
        limits_(limits),
        packed_(size_of(path)) {
    struct archive* reader = reader_.get();
    for (const auto support :
         {library_.filter_gzip, library_.filter_bzip2, library_.filter_xz, library_.filter_lzma,
          library_.filter_zstd, library_.format_tar, library_.format_zip})
      support(reader);
    if (library_.open_filename(reader, path.c_str(), 256 << 10) != ARCHIVE_OK) broken();
  }

  void run() {
    for (uint64_t count = 0;; ++count) {
      struct archive_entry* entry = nullptr;
      const int result = library_.next_header(reader_.get(), &entry);
      if (result == ARCHIVE_EOF) break;
      if (result != ARCHIVE_OK && result != ARCHIVE_WARN) broken();
      if (count == limits_.entries) fail("cannot unpack {}: it has more than {} entries", what_, count);
      put(entry);
    }
    sink_.write(std::string(tar_end_size, '\0'));
  }

 private:
  [[noreturn]] void broken() const {
    const char* why = library_.error_string(reader_.get());
    fail("cannot unpack {}: {}", what_, why == nullptr ? "it is damaged" : base::printable(why));
  }

  void put(struct archive_entry* entry) {
    const char* name = library_.pathname(entry);
    if (name == nullptr) fail("cannot unpack {}: a name in it is not UTF-8", what_);
    const std::string path = bare(name);
    const auto refuse = [&](const char* why) {
      fail("cannot unpack {}: '{}' {}", what_, base::printable(path), why);
    };
    if (library_.is_encrypted(entry) != 0) refuse("is encrypted");
    if (path.empty() || path == ".") return;
    tree::Node node;
    node.mode = static_cast<uint32_t>(library_.perm(entry)) & 0777U;
    node.mtime = library_.mtime(entry);
    if (const char* target = library_.hardlink(entry); target != nullptr) {
      sink_.write(tar_header(path, node, bare(target)));
      return;
    }
    switch (library_.filetype(entry)) {
      case AE_IFDIR:
        node.type = tree::NodeType::directory;
        return sink_.write(tar_header(path, node));
      case AE_IFLNK: {
        const char* target = library_.symlink(entry);
        if (target == nullptr) refuse("is a link to a name that is not UTF-8");
        node.type = tree::NodeType::symlink;
        node.target = target;
        return sink_.write(tar_header(path, node));
      }
      case AE_IFREG:
        return put_file(path, node, entry);
      default:
        refuse("is neither file nor directory nor link");
    }
  }

  void put_file(const std::string& path, tree::Node& node, struct archive_entry* entry) {
    // A zip made as a stream tells sizes behind the data: then the file is read first.
    std::string whole;
    const bool known = library_.size_is_set(entry) != 0;
    if (!known) {
      while (const size_t n = read())
        if (whole.append(buffer_.data(), n); whole.size() > max_unsized)
          fail("cannot unpack {}: '{}' does not tell its size and has more than {}", what_,
               base::printable(path), base::human_size(max_unsized));
    }
    const int64_t said = known ? library_.size(entry) : static_cast<int64_t>(whole.size());
    if (said < 0 || static_cast<uint64_t>(said) > limits_.size - total_)
      fail("cannot unpack {}: its files have more than {}", what_, base::human_size(limits_.size));
    const auto size = static_cast<uint64_t>(said);
    total_ += size;
    node.content.size = size;
    sink_.write(tar_header(path, node));
    uint64_t done = 0;
    if (known) {
      while (const size_t n = read()) {
        if (n > size - done)
          fail("cannot unpack {}: '{}' is larger than it says", what_, base::printable(path));
        sink_.write({buffer_.data(), n});
        done += n;
      }
      // The hole at the end of a file is not given; that the archive is cut off there would be an error.
      if (done != size && library_.sparse_count(entry) == 0)
        fail("cannot unpack {}: '{}' is truncated", what_, base::printable(path));
      if (done < size) std::fill(buffer_.begin(), buffer_.end(), '\0');
      for (size_t n = 0; done < size; done += n) {
        n = static_cast<size_t>(std::min<uint64_t>(buffer_.size(), size - done));
        count(n);
        sink_.write({buffer_.data(), n});
      }
    } else {
      sink_.write(whole);
    }
    sink_.write(std::string(tar_padding(size), '\0'));
  }

  size_t read() {
    const la_ssize_t n = library_.data(reader_.get(), buffer_.data(), buffer_.size());
    if (n < 0) broken();
    count(static_cast<size_t>(n));
    return static_cast<size_t>(n);
  }

  void count(size_t given) {
    // Whatever compressors are stacked, what counts is what came from the file; a zip is read here and there,
    // and parts of it perhaps twice.
    const int64_t taken = library_.filter_bytes(reader_.get(), -1);
    growth_.add(taken < 0 ? packed_ : std::min(packed_, static_cast<uint64_t>(taken)), given, what_);
  }

  static constexpr size_t max_unsized = size_t{256} << 20;
  const Library& library_;
  std::unique_ptr<struct archive, int (*)(struct archive*)> reader_;
  base::Sink& sink_;
  const std::string& what_;
  UnpackLimits limits_;
  uint64_t packed_;  // bytes of the archive
  Growth growth_;
  uint64_t total_ = 0;
  std::vector<char> buffer_ = std::vector<char>(size_t{256} << 10);
};

// The plain bytes of a compressed stream, by libarchive's filters.
class FilteredSource : public base::Source {
 public:
  FilteredSource(std::unique_ptr<base::Source> source, std::string what)
      : library_(loaded()),
        source_(std::move(source)),
        what_(std::move(what)),
        reader_(library_.read_new(), library_.read_free) {
    struct archive* reader = reader_.get();
    for (const auto support : {library_.filter_bzip2, library_.filter_xz, library_.filter_lzma,
                               library_.format_raw, library_.format_empty})
      support(reader);
    struct archive_entry* entry = nullptr;
    if (library_.open(reader, this, nullptr, give, nullptr) != ARCHIVE_OK) broken();
    const int result = library_.next_header(reader, &entry);
    ended_ = result == ARCHIVE_EOF;
    if (result != ARCHIVE_OK && result != ARCHIVE_EOF) broken();
  }

  size_t read(std::span<char> buffer) override {
    if (ended_) return 0;
    const la_ssize_t n = library_.data(reader_.get(), buffer.data(), buffer.size());
    if (n < 0) broken();
    growth_.add(taken_, static_cast<uint64_t>(n), what_);
    return static_cast<size_t>(n);
  }

 private:
  // An exception must not pass through C: it is kept until libarchive returns.
  static la_ssize_t give(struct archive*, void* self, const void** bytes) {
    auto* source = static_cast<FilteredSource*>(self);
    try {
      *bytes = source->buffer_.data();
      const size_t n = source->source_->read(source->buffer_);
      source->taken_ += n;
      return static_cast<la_ssize_t>(n);
    } catch (...) {
      source->error_ = std::current_exception();
      return -1;
    }
  }

  [[noreturn]] void broken() const {
    if (error_) std::rethrow_exception(error_);
    const char* why = library_.error_string(reader_.get());
    fail("cannot read {}: {}", what_, why == nullptr ? "it is damaged" : base::printable(why));
  }

  const Library& library_;
  std::unique_ptr<base::Source> source_;
  std::string what_;
  std::vector<char> buffer_ = std::vector<char>(size_t{128} << 10);
  uint64_t taken_ = 0;
  Growth growth_;
  std::exception_ptr error_;
  std::unique_ptr<struct archive, int (*)(struct archive*)> reader_;
  bool ended_ = false;
};

// The source that `decompress` reads from lives as long as what it gives.
class OwningSource : public base::Source {
 public:
  OwningSource(std::unique_ptr<base::Source> below, const std::string& what)
      : below_(std::move(below)), above_(decompress(*below_, what)) {}
  size_t read(std::span<char> buffer) override { return above_->read(buffer); }

 private:
  std::unique_ptr<base::Source> below_;
  std::unique_ptr<base::Source> above_;
};

}  // namespace

std::unique_ptr<base::Source> decompress_any(base::Source& source, std::string what) {
  std::string front(6, '\0');
  front.resize(base::read_full(source, front));
  const bool filtered = front.starts_with(std::string_view("\xFD"
                                                           "7zXZ\0",
                                                           6)) ||
                        front.starts_with("BZh") || front.starts_with(std::string_view("]\0\0", 3));
  auto whole = std::make_unique<base::FrontSource>(source, std::move(front));
  if (filtered) return std::make_unique<FilteredSource>(std::move(whole), std::move(what));
  return std::make_unique<OwningSource>(std::move(whole), what);
}

void unpack(const std::string& path, base::Sink& sink, const std::string& what, UnpackLimits limits) {
  const Utf8Thread utf8;
  Unpacker(path, sink, what, limits).run();
}

}  // namespace minibuild::archive
