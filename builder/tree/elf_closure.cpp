// The libraries that ELF files need, found as ld.so(8) finds them.
#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "builder/tree/elf_search.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/elf.h"

namespace minibuild::tree {

namespace {

constexpr size_t max_libraries = 10'000;

// A directory in which to look, or a file that was found: in the root, and the same in the image, which
// differs below a moved $ORIGIN.
struct Place {
  std::string root;
  std::string image;
  bool by_configuration = false;  // known only from ld.so.conf or its cache
};

// An ELF file whose needs are being met.
struct Object {
  std::string image_path;
  std::string root_path;
  ElfFile elf;
  std::vector<Place> inherited;  // RPATHs of those that loaded it, the nearest first
  std::string interpreter;       // of the program that it belongs to
};

class ClosureFinder {
 public:
  ClosureFinder(const Lookup& root, const FileTree& image, const ClosureSettings& settings)
      : root_(root), view_(root), image_(image), settings_(settings) {}

  Closure find(const std::vector<ClosureStart>& starts) {
    for (const ClosureStart& start : starts) {
      auto elf = readable(start);
      if (elf) objects_.push_back({start.path, start.origin, std::move(*elf), {}, ""});
    }
    drop_foreign();
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
  // What looks like ELF and is cut off or malformed is somebody's data; so are objects, modules and dumps.
  static std::optional<ElfFile> readable(const ClosureStart& start) {
    try {
      auto elf = read_elf(start.node.content, "/" + start.origin);
      if (elf && elf->type != 2 && elf->type != 3) return std::nullopt;
      return elf;
    } catch (const base::Error&) {
      return std::nullopt;
    }
  }

  // Files for other processors beside those of the root's own are data: parts that were built for every
  // system, test fixtures.
  void drop_foreign() {
    std::vector<ElfFile> own;
    for (const std::string_view path :
         {"lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1", "lib/ld-linux-armhf.so.3",
          "lib/ld-linux.so.2", "lib/ld-linux-riscv64-lp64d.so.1", "lib64/ld64.so.2", "lib/ld64.so.1",
          "lib64/ld-linux-loongarch-lp64d.so.1", "lib/ld-musl-x86_64.so.1", "lib/ld-musl-aarch64.so.1",
          "lib/ld-musl-armhf.so.1", "lib/ld-musl-i386.so.1", "lib/ld-musl-riscv64.so.1",
          "lib/ld-musl-powerpc64le.so.1", "lib/ld-musl-s390x.so.1", "lib/ld-musl-loongarch64.so.1"})
      if (const auto real = view_.real_path(std::string(path)))
        if (const ElfFile* loader = view_.elf_at(*real)) own.push_back(*loader);
    const auto is_own = [&](const Object& object) {
      return std::any_of(own.begin(), own.end(),
                         [&](const ElfFile& one) { return same_processor(object.elf, one); });
    };
    if (std::any_of(objects_.begin(), objects_.end(), is_own))
      std::erase_if(objects_, [&](const Object& object) { return !is_own(object); });
  }

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
    if (const auto real = view_.real_path(path); real && root_(*real)->type == NodeType::file)
      place(path);
    else
      missing_.push_back({object.elf.interpreter, "/" + object.image_path});
  }

  void add_library(const Object& object, const std::string& name, const std::vector<Place>& places) {
    if (name.find('/') != std::string::npos) {
      add_found(object, name,
                {normalise(expand_tokens(name, directory_of(object.root_path), object.elf)),
                 normalise(expand_tokens(name, directory_of(object.image_path), object.elf))});
      return;
    }
    for (const Place& one : places) {
      const std::string in_image_path = join_path(one.image, name);
      if (fits_in_image(in_image_path, object.elf)) return;
    }
    std::optional<Place> found;
    for (const Place& one : places) {
      const auto real = view_.real_path(join_path(one.root, name));
      if (!real || !fits(*real, object.elf)) continue;
      found = Place{join_path(one.root, name), join_path(one.image, name), one.by_configuration};
      break;
    }
    if (const auto cached = in_cache(object, name, found)) found = cached;
    if (found) return add_found(object, name, *found);
    if (!is_loader_itself(object, name) && !is_supplied(name, object.elf))
      missing_.push_back({name, "/" + object.image_path});
  }

  // musl is the C library and its own loader; glibc's loader is there before anything asks for it.
  bool is_loader_itself(const Object& object, const std::string& name) {
    if (view_.is_musl(object.interpreter)) return is_part_of_musl(name);
    return !object.interpreter.empty() && name_of(object.interpreter) == name;
  }

  // What ld.so.cache leads to, where that is another file than those directories have that it is asked
  // before.
  std::optional<Place> in_cache(const Object& object, const std::string& name,
                                const std::optional<Place>& found) {
    if (object.elf.no_default || view_.is_musl(object.interpreter)) return std::nullopt;
    const std::vector<std::string>& defaults = view_.default_directories(object.elf, object.interpreter);
    const auto is_default = [&](const std::string& path) {
      return std::find(defaults.begin(), defaults.end(), directory_of(path)) != defaults.end();
    };
    if (found && !found->by_configuration && !is_default(found->root)) return std::nullopt;
    for (const std::string& path : view_.cached(name)) {
      const auto real = view_.real_path(path);
      if (!real || !fits(*real, object.elf)) continue;
      if (found && view_.real_path(found->root) == real) return std::nullopt;
      return Place{path, path, !is_default(path)};
    }
    return std::nullopt;
  }

  // A library that the image has in some place of its own, under this name or soname.
  bool is_supplied(const std::string& name, const ElfFile& wanted) {
    if (!supplied_) {
      supplied_.emplace();
      for (const auto& [path, node] : image_.nodes()) {
        if (node.type != NodeType::file || name_of(path).find(".so") == std::string_view::npos) continue;
        try {
          if (const auto elf = read_elf(node.content, "/" + path)) {
            supplied_->emplace_back(name_of(path), *elf);
            if (!elf->soname.empty()) supplied_->emplace_back(elf->soname, *elf);
          }
        } catch (const base::Error&) {
          continue;
        }
      }
    }
    return std::any_of(supplied_->begin(), supplied_->end(), [&](const auto& one) {
      return one.first == name && same_processor(one.second, wanted);
    });
  }

  void add_found(const Object& object, const std::string& name, const Place& found) {
    if (in_image(found.image)) return;
    const auto real = view_.real_path(found.root);
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
    if (found.by_configuration) {
      // The image has no ld.so.cache: a link where the loader looks anyway.
      const std::string name_in_default = join_path("usr/lib/" + elf_triplet(object.elf), name);
      put(name_in_default, symlink_node("/" + found.image, settings_.mtime));
    }
    if (!queued_.insert(placed).second) return;
    if (queued_.size() > max_libraries)
      base::fail("cannot find all libraries: there are more than {}", max_libraries);
    const ElfFile* elf = view_.elf_at(*real);
    if (elf == nullptr) return;
    // $ORIGIN of a library is the directory of the name that it was found by.
    Object next{found.image, found.root, *elf, own_rpath(object), object.interpreter};
    next.inherited.insert(next.inherited.end(), object.inherited.begin(), object.inherited.end());
    objects_.push_back(std::move(next));
  }

  static std::vector<Place> expanded(const std::vector<std::string>& paths, const Object& object) {
    std::vector<Place> places;
    for (const std::string& path : paths)
      places.push_back({normalise(expand_tokens(path, directory_of(object.root_path), object.elf)),
                        normalise(expand_tokens(path, directory_of(object.image_path), object.elf)), false});
    return places;
  }

  // What those that this one loads inherit: DT_RPATH, for musl DT_RUNPATH as well.
  std::vector<Place> own_rpath(const Object& object) {
    const bool runpath = !object.elf.runpath.empty() && view_.is_musl(object.interpreter);
    return expanded(runpath ? object.elf.runpath : object.elf.rpath, object);
  }

  std::vector<Place> search_path(const Object& object) {
    std::vector<Place> places;
    const auto add = [&places](const std::vector<Place>& more) {
      places.insert(places.end(), more.begin(), more.end());
    };
    const auto add_paths = [&places](const std::vector<std::string>& paths, bool by_configuration) {
      for (const std::string& path : paths)
        places.push_back({normalise(path), normalise(path), by_configuration});
    };
    const bool musl = view_.is_musl(object.interpreter);
    if (musl || object.elf.runpath.empty()) {
      add(own_rpath(object));
      add(object.inherited);
    }
    if (musl) {
      add_paths(view_.musl_directories(object.interpreter), false);
    } else {
      add(expanded(object.elf.runpath, object));
      if (!object.elf.no_default) {
        add_paths(view_.default_directories(object.elf, object.interpreter), false);
        add_paths(configured(elf_triplet(object.elf)), true);
      }
    }
    add_paths(settings_.search, false);
    return places;
  }

  // Directories of /etc/ld.so.conf and of the files that distributions put beside it.
  std::vector<std::string> configured(const std::string& name) {
    std::vector<std::string> paths;
    for (const std::string& file : {std::string("etc/ld.so.conf"), std::string("etc/ld.so.conf.d/libc.conf"),
                                    "etc/ld.so.conf.d/" + name + ".conf"})
      for (const std::string& line : base::split(view_.small_file(file), '\n')) {
        const std::string path(base::trim(line.substr(0, line.find('#'))));
        if (path.starts_with('/')) paths.push_back(path);
      }
    if (paths.empty()) paths = {"/usr/local/lib/" + name, "/usr/local/lib"};
    return paths;
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

  bool fits(const std::string& real, const ElfFile& wanted) {
    const ElfFile* elf = view_.elf_at(real);
    return elf != nullptr && same_processor(*elf, wanted);
  }

  bool fits_in_image(const std::string& path, const ElfFile& wanted) const {
    if (added_.contains(path)) return true;
    try {
      const std::string real = image_.resolve(path, true);
      const Node* node = image_.find(real);
      if (node == nullptr || node->type != NodeType::file) return false;
      const auto elf = read_elf(node->content, "/" + real);
      return elf && same_processor(*elf, wanted);
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
        in_root = *view_.real_path(in_root);
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
  LoaderView view_;
  const FileTree& image_;
  const ClosureSettings& settings_;
  std::deque<Object> objects_;
  std::set<std::string> queued_;
  std::map<std::string, Node> added_;
  std::vector<MissingLibrary> missing_;
  std::string common_interpreter_;
  std::optional<std::vector<std::pair<std::string, ElfFile>>> supplied_;
};

}  // namespace

Closure elf_closure(const std::vector<ClosureStart>& starts, const Lookup& root, const FileTree& image,
                    const ClosureSettings& settings) {
  return ClosureFinder(root, image, settings).find(starts);
}

}  // namespace minibuild::tree
