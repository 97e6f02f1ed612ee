#include "builder/tree/elf_search.h"

#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::tree {

namespace {

constexpr uint64_t max_loader = uint64_t{8} << 20;
constexpr uint64_t max_cache = uint64_t{16} << 20;

std::string elf_platform(const ElfFile& file) {
  switch (file.machine) {
    case 62:
      return "x86_64";
    case 183:
      return "aarch64";
    case 3:
      return "i686";
    default:
      return "";
  }
}

}  // namespace

std::string elf_triplet(const ElfFile& file) {
  switch (file.machine) {
    case 62:
      return file.is_64 ? "x86_64-linux-gnu" : "x86_64-linux-gnux32";
    case 183:
      return "aarch64-linux-gnu";
    case 40:
      return "arm-linux-gnueabihf";
    case 3:
      return "i386-linux-gnu";
    case 243:
      return "riscv64-linux-gnu";
    case 21:
      return "powerpc64le-linux-gnu";
    case 22:
      return "s390x-linux-gnu";
    case 258:
      return "loongarch64-linux-gnu";
    default:
      return "";
  }
}

std::string machine_name(uint16_t machine) {
  static const std::map<uint16_t, std::string> names = {
      {3, "386"},    {8, "mips"},   {20, "ppc"},    {21, "ppc64le"},  {22, "s390x"},   {40, "arm"},
      {43, "sparc"}, {62, "amd64"}, {183, "arm64"}, {243, "riscv64"}, {258, "loong64"}};
  const auto it = names.find(machine);
  return it != names.end() ? it->second : "machine " + std::to_string(machine);
}

std::string expand_tokens(std::string text, std::string_view origin, const ElfFile& file) {
  const std::string lib = file.is_64 && elf_triplet(file).empty() ? "lib64" : "lib/" + elf_triplet(file);
  const std::pair<std::string, std::string> words[] = {
      {"ORIGIN", "/" + std::string(origin)}, {"LIB", lib}, {"PLATFORM", elf_platform(file)}};
  for (const auto& [word, value] : words)
    for (const std::string& form : {"${" + word + "}", "$" + word})
      for (size_t at = text.find(form); at != std::string::npos; at = text.find(form, at + value.size()))
        text.replace(at, form.size(), value);
  return text;
}

bool same_processor(const ElfFile& file, const ElfFile& wanted) {
  return file.machine == wanted.machine && file.is_64 == wanted.is_64 &&
         file.little_endian == wanted.little_endian;
}

bool is_part_of_musl(std::string_view name) {
  for (const std::string_view part :
       {"libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet.", "ld-musl-"})
    if (name.starts_with(part)) return true;
  return false;
}

std::optional<std::string> LoaderView::real_path(const std::string& path) const {
  std::vector<std::string> rest = base::split(path, '/');
  std::reverse(rest.begin(), rest.end());
  std::string done;
  int links = 0;
  while (!rest.empty()) {
    const std::string part = std::move(rest.back());
    rest.pop_back();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      done = std::string(directory_of(done));
      continue;
    }
    const std::string next = join_path(done, part);
    const Node* node = root_(next);
    if (node == nullptr) return std::nullopt;
    if (node->type != NodeType::symlink) {
      done = next;
      continue;
    }
    if (++links > 40) return std::nullopt;
    if (node->target.starts_with('/')) done.clear();
    std::vector<std::string> parts = base::split(node->target, '/');
    rest.insert(rest.end(), parts.rbegin(), parts.rend());
  }
  return done;
}

const ElfFile* LoaderView::elf_at(const std::string& real) {
  const auto known = files_.find(real);
  if (known != files_.end()) return known->second ? &*known->second : nullptr;
  std::optional<ElfFile> file;
  const Node* node = root_(real);
  if (node != nullptr && node->type == NodeType::file) {
    // A stage's file that changes while it is read is an error, a malformed one is not a library.
    char magic[4] = {};
    if (node->content.size >= 52) read_content(node->content, 0, magic);
    if (std::string_view(magic, 4) ==
        "\x7f"
        "ELF")
      try {
        file = read_elf(node->content, "/" + real);
      } catch (const base::Error&) {
        file.reset();
      }
  }
  auto& kept = files_[real] = std::move(file);
  return kept ? &*kept : nullptr;
}

bool LoaderView::is_musl(const std::string& interpreter) {
  if (interpreter.find("ld-musl-") != std::string::npos) return true;
  const auto real = real_path(interpreter);
  if (!real) return false;
  // gcompat's loader is a program that musl's loader starts.
  const ElfFile* loader = elf_at(*real);
  return real->find("ld-musl-") != std::string::npos ||
         (loader != nullptr && loader->interpreter.find("ld-musl-") != std::string::npos);
}

std::vector<std::string> LoaderView::musl_directories(const std::string& interpreter) const {
  static const std::string begin = "ld-musl-";
  const size_t start = interpreter.find(begin);
  std::string text;
  if (start != std::string::npos) {
    const size_t name = start + begin.size();
    text =
        small_file("etc/ld-musl-" + interpreter.substr(name, interpreter.find(".so", name) - name) + ".path");
  }
  if (text.empty()) text = "/lib:/usr/local/lib:/usr/lib";
  for (char& c : text)
    if (c == '\n') c = ':';
  std::vector<std::string> paths;
  for (const std::string& path : base::split(text, ':'))
    if (!path.empty()) paths.push_back(normalise(path));
  return paths;
}

const std::vector<std::string>& LoaderView::default_directories(const ElfFile& file,
                                                                const std::string& interpreter) {
  const std::string triplet = elf_triplet(file);
  auto [it, is_new] = defaults_.try_emplace(triplet + (file.is_64 ? " 64 " : " 32 ") + interpreter);
  if (!is_new) return it->second;
  std::vector<std::string> all;
  if (!triplet.empty()) all = {"lib/" + triplet, "usr/lib/" + triplet};
  if (file.is_64) all.insert(all.end(), {"lib64", "usr/lib64"});
  if (!file.is_64 && file.machine == 62) all.insert(all.end(), {"libx32", "usr/libx32"});
  all.insert(all.end(), {"lib", "usr/lib"});
  const auto real = real_path(interpreter);
  const Node* loader = real ? root_(*real) : nullptr;
  std::vector<std::pair<size_t, std::string>> found;
  if (loader != nullptr && loader->type == NodeType::file && loader->content.size <= max_loader) {
    // Its list is one string behind the other: `/lib/\0/usr/lib/\0`.
    const std::string bytes = read_content(loader->content, max_loader);
    for (const std::string& path : all)
      if (const size_t at = bytes.find(std::string(1, '\0') + "/" + path + "/" + std::string(1, '\0'));
          at != std::string::npos)
        found.emplace_back(at, path);
  }
  std::sort(found.begin(), found.end());
  for (auto& [at, path] : found) it->second.push_back(std::move(path));
  if (it->second.empty()) it->second = std::move(all);
  return it->second;
}

// glibc's format since 2.2, alone or behind the older one (sysdeps/generic/dl-cache.h), in the byte order of
// the machine that wrote it.
void LoaderView::read_cache() {
  cache_.emplace();
  const auto real = real_path("etc/ld.so.cache");
  const Node* node = real ? root_(*real) : nullptr;
  if (node == nullptr || node->type != NodeType::file || node->content.size > max_cache) return;
  const std::string bytes = read_content(node->content, max_cache);
  const size_t start = bytes.find("glibc-ld.so.cache1.1");
  if (start == std::string::npos || bytes.size() - start < 48) return;
  const std::string_view data = std::string_view(bytes).substr(start);
  const bool big = (static_cast<uint8_t>(data[28]) & 3U) == 3;
  const auto number = [&](size_t at, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      const size_t k = big ? at + i : at + size - 1 - i;
      value = value << 8U | static_cast<uint8_t>(data[k]);
    }
    return value;
  };
  const auto text = [&](uint64_t at) {
    if (at >= data.size()) return std::string();
    const size_t end = data.find('\0', at);
    return end == std::string_view::npos ? std::string() : std::string(data.substr(at, end - at));
  };
  const uint64_t count = std::min<uint64_t>(number(20, 4), (data.size() - 48) / 24);
  for (uint64_t i = 0; i < count; ++i) {
    const size_t entry = 48 + i * 24;
    if (number(entry + 16, 8) != 0) continue;  // of some processors only
    const std::string name = text(number(entry + 4, 4));
    const std::string path = text(number(entry + 8, 4));
    if (!name.empty() && path.starts_with('/')) (*cache_)[name].push_back(normalise(path));
  }
}

const std::vector<std::string>& LoaderView::cached(const std::string& name) {
  static const std::vector<std::string> nothing;
  if (!cache_) read_cache();
  const auto it = cache_->find(name);
  return it == cache_->end() ? nothing : it->second;
}

std::string LoaderView::small_file(const std::string& path) const {
  const auto real = real_path(path);
  if (!real) return {};
  const Node* node = root_(*real);
  if (node->type != NodeType::file || node->content.size > (uint64_t{64} << 10U)) return {};
  return read_content(node->content, uint64_t{64} << 10U);
}

}  // namespace minibuild::tree
