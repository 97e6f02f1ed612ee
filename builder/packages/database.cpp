#include "builder/packages/database.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/apk.h"

namespace minibuild::packages {

namespace {

constexpr uint64_t max_database = uint64_t{256} << 20;

// Text at a path, links of its parents followed; nothing if there is no file.
std::string database_at(const tree::FileTree& tree, const std::string& path) {
  const tree::Node* node = tree.find(tree.resolve(path, true));
  if (node == nullptr || node->type != tree::NodeType::file || node->content.size > max_database) return {};
  return tree::read_content(node->content, max_database);
}

// `below` knows the links, `tree` gets the file.
void put_text(const tree::FileTree& below, tree::FileTree& tree, const std::string& path, std::string text,
              uint32_t mode = 0644) {
  tree.put(below.resolve(path, true), tree::file_node(tree::inline_content(std::move(text)), 0, mode), 0);
}

std::string member(const Package& package, const std::string& name) {
  const auto it = package.file.control.find(name);
  return it == package.file.control.end() ? std::string() : it->second;
}

std::string with_line_end(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text + "\n";
}

std::string kept_md5sums(const Package& package, const std::function<bool(const std::string&)>& kept) {
  std::string out;
  for (const std::string& line : base::split(member(package, "md5sums"), '\n')) {
    const size_t space = line.find(' ');
    if (space == std::string::npos) continue;
    if (kept(tree::normalise(base::trim(std::string_view(line).substr(space))))) out += line + "\n";
  }
  return out;
}

// What dpkg calls a file's state.
std::string md5_of(const tree::Content& content) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
  std::array<char, 8192> buffer{};
  ::EVP_DigestInit_ex(context.get(), ::EVP_md5(), nullptr);
  for (uint64_t at = 0; at < content.size; at += buffer.size()) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(buffer.size(), content.size - at));
    tree::read_content(content, at, std::span(buffer).first(n));
    ::EVP_DigestUpdate(context.get(), buffer.data(), n);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  ::EVP_DigestFinal_ex(context.get(), hash.data(), &size);
  return base::to_hex(std::string_view(reinterpret_cast<const char*>(hash.data()), size));
}

// The paragraph of dpkg's status: the control file with its state.
std::string status_paragraph(const Package& package, std::string_view state) {
  const std::string control = with_line_end(member(package, "control"));
  const size_t line = control.find('\n') + 1;
  std::string out =
      control.substr(0, line) + fmt::format("Status: install ok {}\n", state) + control.substr(line);
  std::string conffiles;
  for (const std::string& path : base::split(member(package, "conffiles"), '\n')) {
    const std::string_view name = base::trim(path);
    if (name.empty() || !name.starts_with('/')) continue;
    const tree::Node* node = package.tree.find(tree::normalise(name));
    if (node != nullptr && node->type == tree::NodeType::file)
      conffiles += fmt::format(" {} {}\n", name, md5_of(node->content));
  }
  if (!conffiles.empty()) out += "Conffiles:\n" + conffiles;
  return out;
}

std::string info_name(const Package& package) {
  return package.facts.multi_arch == "same" ? package.facts.name + ":" + package.facts.architecture
                                            : package.facts.name;
}

std::string file_list(const Package& package, size_t number, const IsKept& kept) {
  std::string out = "/.\n";
  for (const auto& [path, node] : package.tree.nodes())
    if (node.type == tree::NodeType::directory || kept(number, path)) out += "/" + path + "\n";
  return out;
}

}  // namespace

void put_status_d(const Package& package, const std::function<bool(const std::string&)>& kept,
                  tree::FileTree& tree) {
  const std::string stem = "var/lib/dpkg/status.d/" + package.facts.name;
  tree.put(stem, tree::file_node(tree::inline_content(with_line_end(member(package, "control"))), 0), 0);
  tree.put(stem + ".md5sums", tree::file_node(tree::inline_content(kept_md5sums(package, kept)), 0), 0);
}

void put_dpkg_database(const std::vector<Package>& packages, const IsKept& kept, std::string_view state,
                       const tree::FileTree& below, tree::FileTree& tree) {
  std::set<std::string> names;
  for (const Package& package : packages) names.insert(package.facts.name);
  std::string status;
  for_each_paragraph(database_at(below, "var/lib/dpkg/status"), [&](std::string_view paragraph, size_t) {
    if (!names.contains(std::string(field_of(paragraph, "Package")))) status += std::string(paragraph) + "\n";
  });
  const std::string info = "var/lib/dpkg/info/";
  for (size_t i = 0; i < packages.size(); ++i) {
    status += status_paragraph(packages[i], state) + "\n";
    const std::string name = info_name(packages[i]);
    put_text(below, tree, info + name + ".list", file_list(packages[i], i, kept));
    for (const auto& [file, text] : packages[i].file.control) {
      if (file == "control") continue;
      const bool script =
          file == "preinst" || file == "postinst" || file == "prerm" || file == "postrm" || file == "config";
      put_text(below, tree, info + name + "." + file, text, script ? 0755 : 0644);
    }
  }
  put_text(below, tree, "var/lib/dpkg/status", status);
  put_text(below, tree, "var/lib/dpkg/available", "");
  put_text(below, tree, "var/lib/dpkg/info/format", "1\n");
  for (const char* directory :
       {"var/lib/dpkg/updates", "var/lib/dpkg/triggers", "var/lib/dpkg/alternatives", "var/lib/dpkg/parts"})
    if (below.find(directory) == nullptr && tree.find(directory) == nullptr)
      tree.put(directory, tree::directory_node(0), 0);
}

void put_apk_database(const std::vector<Package>& packages, const IsKept& kept, const Settings& settings,
                      const tree::FileTree& below, tree::FileTree& tree) {
  const std::string path = "lib/apk/db/installed";
  std::set<std::string> names;
  for (const Package& package : packages) names.insert(package.facts.name);
  std::string out;
  for_each_paragraph(database_at(below, path), [&](std::string_view record, size_t) {
    if (!names.contains(apk_facts(record).name)) out += std::string(record) + "\n";
  });
  for (size_t i = 0; i < packages.size(); ++i) {
    const Package& package = packages[i];
    const std::string pkginfo = member(package, ".PKGINFO");
    out += fmt::format("C:{}\nP:{}\nV:{}\nA:{}\nS:{}\nI:{}\n", package.file.checksum, package.facts.name,
                       package.facts.version, package.facts.architecture, package.facts.size,
                       package.facts.installed_size);
    const auto line = [&](char letter, std::string_view key) {
      const std::vector<std::string> values = pkginfo_values(pkginfo, key);
      if (!values.empty() && !(values.size() == 1 && values[0].empty()))
        out += fmt::format("{}:{}\n", letter, base::join(values, " "));
    };
    line('T', "pkgdesc");
    line('U', "url");
    line('L', "license");
    line('o', "origin");
    line('m', "maintainer");
    line('t', "builddate");
    line('c', "commit");
    line('k', "provider_priority");
    line('D', "depend");
    line('p', "provides");
    line('r', "replaces");
    line('i', "install_if");
    std::map<std::string, std::string> sums;
    for (const std::string& sum : base::split(package.file.file_checksums, '\n'))
      if (const size_t space = sum.find(' '); space != std::string::npos)
        sums[sum.substr(space + 1)] = sum.substr(0, space);
    // Directories in order, each followed by its files.
    std::map<std::string, std::vector<std::pair<std::string, const tree::Node*>>> directories;
    for (const auto& [file, node] : package.tree.nodes()) {
      if (node.type == tree::NodeType::directory)
        directories[file];
      else if (kept(i, file))
        directories[std::string(tree::directory_of(file))].emplace_back(file, &node);
    }
    for (const auto& [directory, files] : directories) {
      out += "F:" + directory + "\n";
      if (const tree::Node* node = package.tree.find(directory);
          node != nullptr && (node->mode != 0755 || node->uid != 0 || node->gid != 0))
        out += fmt::format("M:{}:{}:{:o}\n", node->uid, node->gid, node->mode);
      for (const auto& [file, node] : files) {
        out += fmt::format("R:{}\n", tree::name_of(file));
        if (node->mode != 0644 || node->uid != 0 || node->gid != 0)
          out += fmt::format("a:{}:{}:{:o}\n", node->uid, node->gid, node->mode);
        if (const auto it = sums.find(file); it != sums.end()) out += "Z:" + it->second + "\n";
      }
    }
    out += "\n";
  }
  put_text(below, tree, path, out);
  std::vector<std::string> world = base::split(database_at(below, "etc/apk/world"), '\n');
  world.insert(world.end(), settings.world.begin(), settings.world.end());
  std::sort(world.begin(), world.end());
  world.erase(std::unique(world.begin(), world.end()), world.end());
  std::erase(world, "");
  put_text(below, tree, "etc/apk/world", world.empty() ? "" : base::join(world, "\n") + "\n");
}

namespace {

// apk-tools 3 and Wolfi have it below /usr.
std::string apk_database(const tree::FileTree& tree) {
  const std::string text = database_at(tree, "lib/apk/db/installed");
  return text.empty() ? database_at(tree, "usr/lib/apk/db/installed") : text;
}

}  // namespace

std::string apk_owner(const tree::FileTree& tree, const std::string& path) {
  std::string found;
  for_each_paragraph(apk_database(tree), [&](std::string_view record, size_t) {
    std::string directory;
    if (!found.empty()) return;
    for (const std::string& line : base::split(record, '\n')) {
      if (line.starts_with("F:")) directory = line.substr(2);
      if (!line.starts_with("R:") || tree::join_path(directory, line.substr(2)) != path) continue;
      const Facts facts = apk_facts(record);
      found = facts.name + " " + facts.version;
    }
  });
  return found;
}

std::vector<std::string> apk_files(const tree::FileTree& tree, const std::string& name) {
  std::vector<std::string> paths;
  for_each_paragraph(apk_database(tree), [&](std::string_view record, size_t) {
    if (apk_facts(record).name != name) return;
    std::string directory;
    for (const std::string& line : base::split(record, '\n')) {
      if (line.starts_with("F:")) directory = line.substr(2);
      if (line.starts_with("R:")) paths.push_back(tree.resolve(tree::join_path(directory, line.substr(2))));
    }
  });
  return paths;
}

bool has_database(const tree::FileTree& tree, Format format) {
  if (format == Format::apk) return !apk_database(tree).empty();
  if (tree.find("var/lib/dpkg/status") != nullptr) return true;
  bool any = false;
  tree::for_each_below(tree, "var/lib/dpkg/status.d",
                       [&](const std::string&, const tree::Node&) { any = true; });
  return any;
}

namespace {

// Calls `visit(facts, text)` for each installed package of a format.
template <typename Visit>
void for_each_installed(const tree::FileTree& tree, Format format, Visit visit) {
  if (format == Format::apk) {
    for_each_paragraph(apk_database(tree), [&](std::string_view record, size_t) {
      if (Facts facts = apk_facts(record); !facts.name.empty()) visit(std::move(facts), record);
    });
    return;
  }
  const auto add = [&](std::string_view paragraph, size_t) {
    const std::string_view status = field_of(paragraph, "Status");
    // Half-configured and the like: the files are there.
    if (status.ends_with(" not-installed") || status.ends_with(" config-files")) return;
    if (Facts facts = deb_facts(paragraph); !facts.name.empty()) visit(std::move(facts), paragraph);
  };
  for_each_paragraph(database_at(tree, "var/lib/dpkg/status"), add);
  tree::for_each_below(tree, "var/lib/dpkg/status.d", [&](const std::string& path, const tree::Node& node) {
    if (node.type == tree::NodeType::file && !path.ends_with(".md5sums") && node.content.size <= max_database)
      for_each_paragraph(tree::read_content(node.content, max_database), add);
  });
}

// The paths of a tree with the links of their parents followed; each directory is followed once.
class Places {
 public:
  explicit Places(const tree::FileTree& tree) : tree_(tree) {}
  void add(std::string_view path, std::set<std::string>& to) {
    const std::string plain = tree::normalise(path);
    if (plain.empty()) return;
    const std::string directory(tree::directory_of(plain));
    auto known = known_.find(directory);
    if (known == known_.end()) {
      std::string place = directory;
      try {
        place = tree_.resolve(directory, true);
      } catch (const base::Error&) {  // a circle, or no directory: nothing lies there
      }
      known = known_.emplace(directory, std::move(place)).first;
    }
    to.insert(tree::join_path(known->second, tree::name_of(plain)));
  }

 private:
  const tree::FileTree& tree_;
  std::map<std::string, std::string> known_;
};

}  // namespace

std::vector<Facts> installed_packages(const tree::FileTree& tree, Format format) {
  std::vector<Facts> all;
  for_each_installed(tree, format, [&](Facts&& facts, std::string_view) { all.push_back(std::move(facts)); });
  return all;
}

std::vector<InstalledRecord> installed_records(const tree::FileTree& tree, Format format) {
  std::vector<InstalledRecord> all;
  for_each_installed(tree, format, [&](Facts&& facts, std::string_view text) {
    all.push_back({std::move(facts), std::string(text)});
  });
  return all;
}

std::set<std::string> packaged_files(const tree::FileTree& tree) {
  std::set<std::string> paths;
  Places places(tree);
  for (const char* directory : {"var/lib/dpkg/status.d", "var/lib/dpkg/info"})
    tree::for_each_below(tree, directory, [&](const std::string& file, const tree::Node& node) {
      const bool sums = file.ends_with(".md5sums");
      const bool list = file.ends_with(".list") || file.ends_with(".conffiles");
      if (node.type != tree::NodeType::file || (!sums && !list) || node.content.size > max_database) return;
      for (const std::string& line : base::split(tree::read_content(node.content, max_database), '\n')) {
        const size_t space = sums ? line.find(' ') : 0;
        if (space != std::string::npos && !line.empty())
          places.add(base::trim(std::string_view(line).substr(space)), paths);
      }
    });
  std::string directory;
  const std::string database = apk_database(tree);
  for (size_t at = 0; at < database.size();) {
    const size_t end = std::min(database.find('\n', at), database.size());
    const std::string_view line = std::string_view(database).substr(at, end - at);
    if (line.empty()) directory.clear();
    if (line.starts_with("F:")) directory = line.substr(2);
    if (line.starts_with("R:")) places.add(tree::join_path(directory, line.substr(2)), paths);
    at = end + 1;
  }
  return paths;
}

}  // namespace minibuild::packages
