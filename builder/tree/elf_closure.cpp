// The libraries that ELF files need, found as ld.so(8) finds them.
#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/elf.h"

namespace minibuild::tree {

namespace {

constexpr size_t max_libraries = 10'000;

// The multiarch names of Debian, by e_machine.
std::string triplet(const ElfFile& file) {
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

std::string platform(const ElfFile& file) {
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

// An ELF file whose needs are being met.
struct Object {
  std::string image_path;
  std::string root_path;
  ElfFile elf;
  std::vector<std::string> inherited;  // RPATHs of those that loaded it, with $ORIGIN replaced: root form
  std::string interpreter;             // of the program that it belongs to
};

// A directory in which to look: in the root, and the same in the image, which differs below a moved $ORIGIN.
struct Place {
  std::string root;
  std::string image;
  bool by_configuration = false;  // known only from ld.so.conf
};

class ClosureFinder {
 public:
  ClosureFinder(const Lookup& root, const FileTree& image, int64_t mtime)
      : root_(root), image_(image), mtime_(mtime) {}

  Closure find(const std::vector<ClosureStart>& starts) {
    for (const ClosureStart& start : starts) {
      auto elf = read_elf(start.node.content, "/" + start.origin);
      if (elf) objects_.push_back({start.path, start.origin, std::move(*elf), {}, ""});
    }
    // A library among the starts has the loader of the programs beside it.
    for (const Object& object : objects_)
      if (!object.elf.interpreter.empty()) common_interpreter_ = object.elf.interpreter;
    while (!objects_.empty()) {
      Object object = std::move(objects_.front());
      objects_.pop_front();
      meet(object);
    }
    Closure closure;
    for (auto& [path, node] : added_) closure.entries.push_back({path, std::move(node)});
    closure.missing = std::move(missing_);
    return closure;
  }

 private:
  void meet(Object& object) {
    if (object.interpreter.empty())
      object.interpreter = object.elf.interpreter.empty() ? common_interpreter_ : object.elf.interpreter;
    if (!object.elf.interpreter.empty()) add_interpreter(object);
    const std::vector<Place> places = search_path(object);
    for (const std::string& name : object.elf.needed) add_library(object, name, places);
  }

  void add_interpreter(const Object& object) {
    const std::string path = normalise(object.elf.interpreter);
    if (in_image(path)) return;
    if (const auto real = real_path(path); real && root_(*real)->type == NodeType::file)
      place(path);
    else
      missing_.push_back({object.elf.interpreter, "/" + object.image_path});
  }

  void add_library(const Object& object, const std::string& name, const std::vector<Place>& places) {
    if (name.find('/') != std::string::npos) {
      add_found(object, name,
                {normalise(expand(name, directory_of(object.root_path), object.elf)),
                 normalise(expand(name, directory_of(object.image_path), object.elf))},
                false);
      return;
    }
    for (const Place& one : places) {
      const std::string in_image_path = join_path(one.image, name);
      if (fits_in_image(in_image_path, object.elf)) return;
    }
    for (const Place& one : places) {
      const std::string path = join_path(one.root, name);
      const auto real = real_path(path);
      if (!real || !fits(*root_(*real), *real, object.elf)) continue;
      add_found(object, name, {path, join_path(one.image, name)}, one.by_configuration);
      return;
    }
    missing_.push_back({name, "/" + object.image_path});
  }

  struct Found {
    std::string root;
    std::string image;
  };

  void add_found(const Object& object, const std::string& name, const Found& found, bool by_configuration) {
    if (in_image(found.image)) return;
    const auto real = real_path(found.root);
    if (!real || root_(*real)->type != NodeType::file) {
      missing_.push_back({name, "/" + object.image_path});
      return;
    }
    std::string placed;
    if (found.root == found.image) {
      placed = place(found.root);
    } else {
      put(found.image, *root_(*real));
      placed = found.image;
    }
    if (by_configuration) {
      // The image has no ld.so.cache: a link where the loader looks anyway.
      const std::string name_in_default = join_path("usr/lib/" + triplet(object.elf), name);
      put(name_in_default, symlink_node("/" + found.image, mtime_));
    }
    if (!queued_.insert(placed).second) return;
    if (queued_.size() > max_libraries)
      base::fail("cannot find all libraries: there are more than {}", max_libraries);
    auto elf = read_elf(root_(*real)->content, "/" + *real);
    if (!elf) return;
    Object next{placed, *real, std::move(*elf), object.inherited, object.interpreter};
    for (const std::string& path : object.elf.rpath)
      next.inherited.push_back(normalise(expand(path, directory_of(object.root_path), object.elf)));
    objects_.push_back(std::move(next));
  }

  static std::string expand(std::string text, std::string_view origin, const ElfFile& elf) {
    const std::string lib = elf.is_64 && triplet(elf).empty() ? "lib64" : "lib/" + triplet(elf);
    const std::pair<std::string, std::string> words[] = {
        {"ORIGIN", "/" + std::string(origin)}, {"LIB", lib}, {"PLATFORM", platform(elf)}};
    for (const auto& [word, value] : words)
      for (const std::string& form : {"${" + word + "}", "$" + word})
        for (size_t at = text.find(form); at != std::string::npos; at = text.find(form, at + value.size()))
          text.replace(at, form.size(), value);
    return text;
  }

  std::vector<Place> search_path(const Object& object) {
    std::vector<Place> places;
    const auto add_paths = [&](const std::vector<std::string>& paths) {
      for (const std::string& path : paths)
        places.push_back({normalise(expand(path, directory_of(object.root_path), object.elf)),
                          normalise(expand(path, directory_of(object.image_path), object.elf)), false});
    };
    if (object.elf.runpath.empty()) {
      add_paths(object.elf.rpath);
      for (const std::string& path : object.inherited) places.push_back({path, path, false});
    }
    add_paths(object.elf.runpath);
    const auto add = [&places](const std::string& path, bool by_configuration) {
      const std::string clean = normalise(path);
      places.push_back({clean, clean, by_configuration});
    };
    if (object.interpreter.find("ld-musl-") != std::string::npos) {
      for (const std::string& path : musl_path(object.interpreter)) add(path, false);
      return places;
    }
    const std::string name = triplet(object.elf);
    if (!name.empty()) {
      add("lib/" + name, false);
      add("usr/lib/" + name, false);
    }
    if (object.elf.is_64) {
      add("lib64", false);
      add("usr/lib64", false);
    }
    add("lib", false);
    add("usr/lib", false);
    for (const std::string& path : configured(name)) add(path, true);
    return places;
  }

  std::vector<std::string> musl_path(const std::string& interpreter) {
    const size_t start = interpreter.find("ld-musl-");
    const std::string arch = interpreter.substr(start + 8, interpreter.find(".so", start) - start - 8);
    std::string text = small_file("etc/ld-musl-" + arch + ".path");
    if (text.empty()) text = "/lib:/usr/local/lib:/usr/lib";
    for (char& c : text)
      if (c == '\n') c = ':';
    std::vector<std::string> paths = base::split(text, ':');
    std::erase(paths, "");
    return paths;
  }

  // Directories of /etc/ld.so.conf and of the files that distributions put beside it.
  std::vector<std::string> configured(const std::string& name) {
    std::vector<std::string> paths;
    for (const std::string& file : {std::string("etc/ld.so.conf"), std::string("etc/ld.so.conf.d/libc.conf"),
                                    "etc/ld.so.conf.d/" + name + ".conf"})
      for (const std::string& line : base::split(small_file(file), '\n')) {
        const std::string path(base::trim(line.substr(0, line.find('#'))));
        if (path.starts_with('/')) paths.push_back(path);
      }
    if (paths.empty()) paths = {"/usr/local/lib/" + name, "/usr/local/lib"};
    return paths;
  }

  std::string small_file(const std::string& path) {
    const auto real = real_path(path);
    if (!real) return {};
    const Node* node = root_(*real);
    if (node->type != NodeType::file || node->content.size > (uint64_t{64} << 10U)) return {};
    return read_content(node->content, uint64_t{64} << 10U);
  }

  // The path with all links of the root followed; nothing if it leads nowhere.
  std::optional<std::string> real_path(const std::string& path) {
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

  bool in_image(const std::string& path) const {
    if (added_.contains(path)) return true;
    try {
      const Node* node = image_.find(image_.resolve(path, true));
      return node != nullptr && node->type == NodeType::file;
    } catch (const base::Error&) {
      return false;
    }
  }

  static bool fits(const Node& node, const std::string& path, const ElfFile& wanted) {
    if (node.type != NodeType::file) return false;
    const auto elf = read_elf(node.content, "/" + path);
    return elf && elf->machine == wanted.machine && elf->is_64 == wanted.is_64;
  }

  bool fits_in_image(const std::string& path, const ElfFile& wanted) const {
    if (added_.contains(path)) return true;
    try {
      const std::string real = image_.resolve(path, true);
      const Node* node = image_.find(real);
      return node != nullptr && fits(*node, real, wanted);
    } catch (const base::Error&) {
      return false;
    }
  }

  void put(const std::string& path, const Node& node) {
    if (image_.find(path) == nullptr) added_.try_emplace(path, node);
  }

  // Brings the file at `path` of the root and every link on the way to it; where the file is in the image.
  std::string place(const std::string& path) {
    std::vector<std::string> rest = base::split(path, '/');
    std::reverse(rest.begin(), rest.end());
    std::string in_root;
    std::string in_image;
    int links = 0;
    while (!rest.empty()) {
      const std::string part = std::move(rest.back());
      rest.pop_back();
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        in_root = std::string(directory_of(in_root));
        in_image = std::string(directory_of(in_image));
        continue;
      }
      in_root = join_path(in_root, part);
      in_image = join_path(in_image, part);
      const Node* node = root_(in_root);
      if (node == nullptr || node->type != NodeType::symlink) continue;
      if (++links > 40) base::fail("cannot follow /{}: more than 40 symbolic links", path);
      if (image_.find(in_image) != nullptr) {
        // The image has something there already, its own link or a real directory: the library goes where
        // that leads.
        in_root = *real_path(in_root);
        in_image = image_.resolve(in_image, true);
        continue;
      }
      put(in_image, *node);
      const std::string target = node->target;
      in_root = target.starts_with('/') ? "" : std::string(directory_of(in_root));
      in_image = target.starts_with('/') ? "" : std::string(directory_of(in_image));
      std::vector<std::string> parts = base::split(target, '/');
      rest.insert(rest.end(), parts.rbegin(), parts.rend());
    }
    put(in_image, *root_(in_root));
    return in_image;
  }

  const Lookup& root_;
  const FileTree& image_;
  int64_t mtime_;
  std::deque<Object> objects_;
  std::set<std::string> queued_;
  std::map<std::string, Node> added_;
  std::vector<MissingLibrary> missing_;
  std::string common_interpreter_;
};

}  // namespace

Closure elf_closure(const std::vector<ClosureStart>& starts, const Lookup& root, const FileTree& image,
                    int64_t mtime) {
  return ClosureFinder(root, image, mtime).find(starts);
}

}  // namespace minibuild::tree
