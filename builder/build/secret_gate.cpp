#include "builder/build/secret_gate.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "builder/build/parallel.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/policy.h"

namespace minibuild::build {

using base::Code;

namespace {

constexpr size_t searched_at_once = size_t{1} << 20;

[[noreturn]] void refuse(const trust::SecretHit& hit, const std::string& where, const std::string& fix) {
  throw base::Error(
      Code::refused,
      fmt::format("[secret] the secret '{}' stands in {} ({}); nothing was written\n  why: {}\n  fix: {}",
                  hit.id, where, hit.encoding, trust::reason_of("secret"), fix));
}

// The first hit in all bytes of a file.
std::optional<trust::SecretHit> search(const trust::SecretForms& forms, const tree::Content& content,
                                       std::vector<char>& buffer) {
  trust::SecretSearch search(forms);
  for (uint64_t at = 0; at < content.size; at += buffer.size()) {
    const std::span<char> bytes(buffer.data(), std::min<uint64_t>(buffer.size(), content.size - at));
    tree::read_content(content, at, bytes);
    if (auto hit = search.add({bytes.data(), bytes.size()})) return hit;
  }
  return std::nullopt;
}

std::optional<trust::SecretHit> search(const trust::SecretForms& forms, const std::string& path,
                                       const tree::Node& node, std::vector<char>& buffer) {
  if (auto hit = find_secret(forms, path)) return hit;
  if (auto hit = find_secret(forms, node.target)) return hit;
  for (const auto& [name, value] : node.xattrs)
    if (auto hit = find_secret(forms, name + "=" + value)) return hit;
  return node.type == tree::NodeType::file ? search(forms, node.content, buffer) : std::nullopt;
}

std::optional<trust::SecretHit> search_file(const trust::SecretForms& forms, int fd,
                                            const std::string& what) {
  trust::SecretSearch search(forms);
  base::FdSource source(fd, what);
  std::vector<char> buffer(searched_at_once);
  while (const size_t n = source.read(buffer))
    if (auto hit = search.add({buffer.data(), n})) return hit;
  return std::nullopt;
}

// A path as it may be shown: not if it is what holds the secret.
std::string shown(const trust::SecretForms& forms, const std::string& path) {
  return find_secret(forms, path) ? "the name of a file" : "/" + base::printable(path);
}

const char* const image_fix =
    "let the stage use the secret without writing it, and leave the file out of 'copy'; then give out a new "
    "secret, "
    "since this one may have been seen";
const char* const stage_fix =
    "remove the file in the same 'run', or let the tool read the secret from its mount instead of a file of "
    "its own";

// A name that a message may show: not if it is what holds the secret.
std::string named(const trust::SecretForms& forms, const std::string& name) {
  return find_secret(forms, name) ? "its name" : base::printable(name);
}

std::optional<trust::SecretHit> search_name(const trust::SecretForms& forms, const std::string& path,
                                            const tree::Node& node) {
  if (auto hit = find_secret(forms, path)) return hit;
  return find_secret(forms, node.target);
}

std::string place_of(const trust::SecretForms& forms, const tree::FileTree& tree) {
  std::vector<char> buffer(searched_at_once);
  for (const auto& [path, node] : tree.nodes())
    if (search(forms, path, node, buffer)) return shown(forms, path);
  return "its files";
}

// The first hit in a tar: in its bytes, or in a name, which a header may hold in two fields.
std::optional<trust::SecretHit> search_tar(const trust::SecretForms& forms, const std::string& path,
                                           const std::function<tree::FileTree()>& read_tree) {
  const base::Fd fd = base::open_file(path);
  if (auto hit = search_file(forms, fd.get(), path)) return hit;
  const tree::FileTree tree = read_tree();
  for (const auto& [name, node] : tree.nodes())
    if (auto hit = search_name(forms, name, node)) return hit;
  return std::nullopt;
}

}  // namespace

void refuse_secrets(const trust::SecretForms& forms, const project::SpecFile& file) {
  if (forms.empty()) return;
  const char* const fix =
      "take it out, and give out a new secret; a stage takes one by 'secrets', never by an argument";
  for (const auto& [name, value] : file.set)
    if (const auto hit = find_secret(forms, name + "=" + value))
      refuse(*hit, fmt::format("the value of --set {}", named(forms, name)), fix);
  if (const auto hit = find_secret(forms, file.source)) {
    std::string place = file.spec.file;
    const std::vector<std::string> lines = base::split(file.source, '\n');
    for (size_t i = 0; i < lines.size(); ++i)
      if (find_secret(forms, lines[i])) {
        place += fmt::format(":{}", i + 1);
        break;
      }
    refuse(*hit, place, fix);
  }
  for (const oci::Reference& name : file.spec.images)
    if (const auto hit = find_secret(forms, oci::to_string(name))) refuse(*hit, "the name of the image", fix);
}

void refuse_secret_names(const trust::SecretForms& forms, const archive::LayerPlan& plan,
                         const std::string& what) {
  if (forms.empty()) return;
  for (const archive::LayerEntry& entry : plan)
    if (const auto hit = search_name(forms, entry.path, *entry.node))
      refuse(*hit, fmt::format("{} of {}", shown(forms, entry.path), what), image_fix);
}

void DiscreetProgress::note(const std::string& subject, const std::string& text) {
  if (const auto hit = find_secret(forms_, subject + ": " + text))
    progress_.note("secret", fmt::format("a message that has the secret '{}' was withheld", hit->id));
  else
    progress_.note(subject, text);
}

void DiscreetProgress::warning(const Warning& one) {
  if (find_secret(forms_, one.rule + ": warning: " + one.message + "; " + one.fix))
    Progress::warning(one);
  else
    progress_.warning(one);
}

base::Error without_secrets(const trust::SecretForms& forms, const base::Error& error) {
  const auto hit = find_secret(forms, error.what());
  if (!hit) return error;
  return base::Error(
      Code::refused,
      fmt::format(
          "[secret] the build failed, and what there is to say of it has the secret '{}' ({}), so it is "
          "not shown\n  why: {}\n  fix: take the secret out of names, arguments and commands",
          hit->id, hit->encoding, trust::reason_of("secret")));
}

void refuse_secrets(const trust::SecretForms& forms, const archive::LayerPlan& plan,
                    const std::string& what) {
  if (forms.empty()) return;
  std::vector<char> buffer(searched_at_once);
  for (const archive::LayerEntry& entry : plan) {
    // A hard link brings no bytes of its own.
    std::optional<trust::SecretHit> hit;
    if (entry.hard_link.empty())
      hit = search(forms, entry.path, *entry.node, buffer);
    else
      hit = find_secret(forms, entry.path);
    if (hit) refuse(*hit, fmt::format("{} of {}", shown(forms, entry.path), what), image_fix);
  }
}

void refuse_secrets(const trust::SecretForms& forms, const store::Image& base, store::Cache& cache,
                    const std::string& what) {
  if (forms.empty()) return;
  for (const store::ImageLayer& layer : base.layers) {
    const auto archive = store::plain_layer(layer, cache, what);
    const auto read = [&] { return archive::read_tar(archive, what, archive::foreign_limits); };
    const auto hit = search_tar(forms, archive->path, read);
    if (!hit) continue;
    const std::string file = place_of(forms, read());
    cache.forget_blob(oci::Digest{layer.diff_id.hash});
    cache.forget_blob(layer.descriptor.digest);
    refuse(*hit, fmt::format("{} of {}", file, what),
           "use another image, and give out a new secret: this one is published");
  }
}

void refuse_secrets(const trust::SecretForms& forms, std::string_view document, const std::string& what) {
  if (forms.empty()) return;
  if (const auto hit = find_secret(forms, document))
    refuse(*hit, what,
           "do not put the secret into 'args', 'env', 'labels' or the spec; a stage takes it by 'secrets'");
}

void refuse_secrets(const trust::SecretForms& forms, const oci::ImageConfig& config) {
  if (forms.empty()) return;
  const auto look = [&](const std::string& text, const std::string& where) {
    refuse_secrets(forms, text, where);
  };
  for (const auto& [name, value] : config.env)
    look(name + "=" + value, fmt::format("the image's environment (env: {})", named(forms, name)));
  for (const auto& [name, value] : config.labels)
    look(name + "=" + value, fmt::format("a label of the image ({})", named(forms, name)));
  for (const std::string& one : config.entrypoint) look(one, "the image's entrypoint");
  for (const std::string& one : config.cmd) look(one, "the image's cmd");
  look(config.working_dir, "the image's workdir");
  look(config.user, "the image's user");
  for (const std::string& one : config.volumes) look(one, "a volume of the image");
  for (const oci::History& entry : config.history)
    look(entry.created_by + "\n" + entry.comment + "\n" + entry.author, "the image's history");
}

void refuse_secrets(const trust::SecretForms& forms, const store::Image& image) {
  if (forms.empty()) return;
  refuse_secrets(forms, image.config);
  for (const auto& [name, value] : image.manifest.annotations)
    refuse_secrets(forms, name + "=" + value,
                   fmt::format("an annotation of the manifest ({})", named(forms, name)));
  refuse_secrets(forms, image.config_json, "the image's config");
  refuse_secrets(forms, image.manifest_json, "the image's manifest");
}

void refuse_secrets_of_stage(const trust::SecretForms& forms, const std::string& stage,
                             const std::string& tar_path, const std::function<tree::FileTree()>& read_tree) {
  if (forms.empty()) return;
  const auto hit = search_tar(forms, tar_path, read_tree);
  if (!hit) return;
  refuse(*hit,
         fmt::format("{} that the stage '{}' leaves, which would be kept in the cache",
                     place_of(forms, read_tree()), stage),
         stage_fix);
}

namespace {

bool is_newer(const struct stat& st, const timespec& since) {
  return st.st_ctim.tv_sec > since.tv_sec ||
         (st.st_ctim.tv_sec == since.tv_sec && st.st_ctim.tv_nsec >= since.tv_nsec);
}

// A search of a kept directory, whose files may be closed even to their owner.
class KeptDirectory {
 public:
  KeptDirectory(const trust::SecretForms& forms, const timespec& since) : forms_(forms), since_(since) {}

  // Looks through an open directory; closes it.
  void look(int fd, const std::string& path) {
    if (auto hit = search_attributes(fd); hit && !found_)
      found_.emplace(*hit, "an attribute of " + shown(forms_, path));
    DIR* directory = ::fdopendir(fd);
    if (directory == nullptr) {
      ::close(fd);
      return note_closed(path);
    }
    while (const dirent* entry = ::readdir(directory)) {
      const std::string name = entry->d_name;
      struct stat st {};
      if (name == "." || name == "..") continue;
      if (::fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
        note_closed(tree::join_path(path, name));
      else
        look_at(fd, name, st, tree::join_path(path, name));
    }
    ::closedir(directory);
  }

  // The first hit and its path.
  const std::optional<std::pair<trust::SecretHit, std::string>>& found() const { return found_; }
  // The first path that could not be looked at, or not be taken out.
  const std::string& closed() const { return closed_; }

 private:
  void note_closed(const std::string& path) {
    if (closed_.empty()) closed_ = shown(forms_, path);
  }

  void look_at(int directory, const std::string& name, const struct stat& st, const std::string& path) {
    auto hit = is_newer(st, since_) ? find_secret(forms_, name) : std::nullopt;
    if (S_ISDIR(st.st_mode)) {
      // May be searched and emptied meanwhile.
      const int inner = open_at(directory, name, st, O_DIRECTORY, 0700);
      if (inner < 0) return note_closed(path);
      const base::Fd kept(::dup(inner));
      look(inner, path);
      if ((st.st_mode & 0700U) != 0700U) ::fchmod(kept.get(), st.st_mode & 07777U);
    } else if (is_newer(st, since_) && !hit) {
      hit = search_entry(directory, name, st, path);
    }
    if (!hit) return;
    if (!remove_at(directory, name, S_ISDIR(st.st_mode))) note_closed(path);
    if (!found_) found_.emplace(*hit, shown(forms_, path));
  }

  // An extended attribute with a secret in its name or value is taken off.
  std::optional<trust::SecretHit> search_attributes(int fd) {
    std::vector<char> names(XATTR_LIST_MAX);
    const ssize_t size = ::flistxattr(fd, names.data(), names.size());
    std::optional<trust::SecretHit> found;
    for (size_t at = 0; size > 0 && at < static_cast<size_t>(size);) {
      const std::string name = names.data() + at;
      at += name.size() + 1;
      std::string value(XATTR_SIZE_MAX, '\0');
      const ssize_t bytes = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
      value.resize(bytes > 0 ? static_cast<size_t>(bytes) : 0);
      const auto hit = find_secret(forms_, name + "=" + value);
      if (!hit) continue;
      found = hit;
      if (::fremovexattr(fd, name.c_str()) != 0) note_closed("");
    }
    return found;
  }

  // A file by its bytes and attributes, a link by its target.
  std::optional<trust::SecretHit> search_entry(int directory, const std::string& name, const struct stat& st,
                                               const std::string& path) {
    if (S_ISLNK(st.st_mode)) {
      std::string target(PATH_MAX, '\0');
      const ssize_t size = ::readlinkat(directory, name.c_str(), target.data(), target.size());
      return size > 0 ? find_secret(forms_, std::string_view(target).substr(0, static_cast<size_t>(size)))
                      : std::nullopt;
    }
    if (!S_ISREG(st.st_mode)) return std::nullopt;
    const base::Fd file(open_at(directory, name, st, 0, 0400));
    if (!file) {
      note_closed(path);
      return std::nullopt;
    }
    if ((st.st_mode & 0400U) == 0) ::fchmod(file.get(), st.st_mode & 07777U);
    if (auto hit = search_attributes(file.get())) return hit;
    return search_file(forms_, file.get(), "a file of a kept directory");
  }

  // Opens what its mode lets nobody open, if it is ours.
  static int open_at(int directory, const std::string& name, const struct stat& st, int flags,
                     mode_t needed) {
    if ((st.st_mode & needed) != needed)
      ::fchmodat(directory, name.c_str(), (st.st_mode & 07777U) | needed, 0);
    return ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags);
  }

  static bool remove_at(int directory, const std::string& name, bool is_directory) {
    if (is_directory) base::remove_tree(fmt::format("/proc/self/fd/{}/{}", directory, name));
    return ::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT;
  }

  const trust::SecretForms& forms_;
  const timespec since_;
  std::optional<std::pair<trust::SecretHit, std::string>> found_;
  std::string closed_;
};

}  // namespace

void refuse_secrets_in_directory(const trust::SecretForms& forms, const std::string& stage,
                                 const std::string& directory, const timespec& since,
                                 const std::function<void()>& remove_all) {
  if (forms.empty()) return;
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  KeptDirectory kept(forms, since);
  kept.look(fd, "");
  if (!kept.closed().empty()) remove_all();
  if (kept.found())
    refuse(kept.found()->first,
           fmt::format("{} of a kept directory ('caches') of the stage '{}', from which it was removed",
                       kept.found()->second, stage),
           stage_fix);
  if (!kept.closed().empty())
    throw base::Error(
        Code::refused,
        fmt::format(
            "[secret] cannot look for secrets in {} of a kept directory ('caches') of the stage '{}': "
            "only another user of the sandbox may read it; the directory was emptied\n  why: {}\n  "
            "fix: make what is kept readable in the same 'run': chmod -R a+rX",
            kept.closed(), stage, trust::reason_of("secret")));
}

}  // namespace minibuild::build
