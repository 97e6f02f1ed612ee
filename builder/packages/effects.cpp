// One table: what a package's scripts would make, and the function that makes it. To handle another, add a
// line.
#include "builder/packages/effects.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/accounts.h"
#include "minibuild/tree/glob.h"

namespace minibuild::packages {

namespace {

constexpr uint64_t max_text = uint64_t{16} << 20;

struct Scene {
  const tree::FileTree& whole;  // everything that packages and base have
  const std::vector<Package>& packages;
  const Settings& settings;
  tree::FileTree& made;
  std::vector<std::string>& warnings;

  // What is at a path, made just now or before.
  const tree::Node* at(const std::string& path) const {
    const std::string real = whole.resolve(tree::normalise(path), true);
    const tree::Node* node = made.find(real);
    return node != nullptr ? node : whole.find(real);
  }
  std::string text(const std::string& path) const {
    const tree::Node* node = at(path);
    if (node == nullptr || node->type != tree::NodeType::file) return {};
    return tree::read_content(node->content, max_text);
  }
  void put(const std::string& path, tree::Node node) const {
    made.put(whole.resolve(tree::normalise(path)), std::move(node), 0);
  }
  void write(const std::string& path, std::string bytes, uint32_t mode = 0644) const {
    made.put(whole.resolve(path, true),
             tree::file_node(tree::inline_content(std::move(bytes)), settings.epoch, mode), 0);
  }
  void copy_if_absent(const std::string& from, const std::string& to) const {
    if (at(to) == nullptr && at(from) != nullptr) write(to, text(from));
  }
  void link_if_absent(const std::string& path, const std::string& target) const {
    const std::string real = whole.resolve(tree::normalise(path));
    if (real.empty() || target.find('\n') != std::string::npos) return;
    if (made.find(real) == nullptr && whole.find(real) == nullptr)
      put(path, tree::symlink_node(target, settings.epoch));
  }
};

bool has_package(const Scene& scene, std::string_view name) {
  return std::any_of(scene.packages.begin(), scene.packages.end(),
                     [&](const Package& package) { return package.facts.name == name; });
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// Files of a directory that match an ending, by name; the links of the directory followed.
std::vector<std::string> files_in(const Scene& scene, const std::string& directory, std::string_view ending) {
  std::vector<std::string> paths;
  const std::string real = scene.whole.resolve(directory, true);
  tree::for_each_below(scene.whole, real, [&](const std::string& path, const tree::Node& node) {
    if (node.type == tree::NodeType::file && path.ends_with(ending)) paths.push_back(path);
  });
  return paths;
}

// base-passwd: the master files; passwd(5) wants `x` or `*`, and no shadow file is made.
void make_accounts(const Scene& scene) {
  scene.copy_if_absent("usr/share/base-passwd/passwd.master", "etc/passwd");
  scene.copy_if_absent("usr/share/base-passwd/group.master", "etc/group");
}

// ca-certificates: update-ca-certificates without the hashed links, which OpenSSL does not need for a bundle.
void make_certificate_bundle(const Scene& scene) {
  std::map<std::string, std::string> certificates;
  // From the packages themselves: a choice may leave the single files out of the image.
  for (const Package& package : scene.packages)
    tree::for_each_below(package.tree, "usr/share/ca-certificates",
                         [&](const std::string& path, const tree::Node& node) {
                           if (node.type == tree::NodeType::file && path.ends_with(".crt"))
                             certificates[path] = tree::read_content(node.content, max_text);
                         });
  for (const std::string& path : files_in(scene, "usr/local/share/ca-certificates", ".crt"))
    certificates[path] = scene.text(path);
  std::string bundle;
  for (const auto& [path, text] : certificates) {
    bundle += text;
    if (!bundle.ends_with('\n')) bundle += '\n';
  }
  if (!bundle.empty() && scene.at("etc/ssl/certs/ca-certificates.crt") == nullptr)
    scene.write("etc/ssl/certs/ca-certificates.crt", std::move(bundle));
}

void make_nsswitch(const Scene& scene) {
  scene.copy_if_absent("usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf");
}

void make_timezone(const Scene& scene) {
  if (scene.at("usr/share/zoneinfo/Etc/UTC") == nullptr) return;
  scene.link_if_absent("etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
  if (scene.at("etc/timezone") == nullptr) scene.write("etc/timezone", "Etc/UTC\n");
}

// update-shells: the list that debianutils starts with, and one file for each shell.
void make_shells(const Scene& scene) {
  if (scene.at("etc/shells") != nullptr) return;
  std::string shells = scene.text("usr/share/debianutils/shells");
  for (const std::string& path : files_in(scene, "usr/share/debianutils/shells.d", ""))
    for (const std::string& line : base::split(scene.text(path), '\n'))
      if (line.starts_with('/') && shells.find(line + "\n") == std::string::npos) shells += line + "\n";
  if (!shells.empty()) scene.write("etc/shells", std::move(shells));
}

void make_dpkg_origin(const Scene& scene) {
  if (scene.at("etc/dpkg/origins/debian") != nullptr)
    scene.link_if_absent("etc/dpkg/origins/default", "debian");
}

// Alpine's busybox: a link for each path of its list.
void make_busybox_links(const Scene& scene) {
  for (const std::string& list : files_in(scene, "etc/busybox-paths.d", ""))
    for (const std::string& line : base::split(scene.text(list), '\n')) {
      const std::string path = tree::normalise(line);
      if (!path.empty()) scene.link_if_absent(path, "/bin/" + std::string(tree::name_of(list)));
    }
}

void nothing(const Scene&) {}

struct Effect {
  const char* package;
  void (*make)(const Scene&);
  const char* text;  // for the documentation of this table
};

constexpr Effect effects[] = {
    {"base-files", make_dpkg_origin, "the link of dpkg's origin; directories for logins are not made"},
    {"base-passwd", make_accounts, "/etc/passwd and /etc/group from the master files"},
    {"bash", nothing, "its man page alternative is not needed"},
    {"busybox", make_busybox_links, "its links"},
    {"ca-certificates", make_certificate_bundle, "/etc/ssl/certs/ca-certificates.crt"},
    {"dash", nothing, "/bin/sh is in the package"},
    {"debianutils", make_shells, "/etc/shells"},
    {"libc-bin", make_nsswitch,
     "/etc/nsswitch.conf; no ld.so.cache: the loader's own directories are enough"},
    {"libc6", nothing, "it restarts services"},
    {"login", nothing, "it makes /var/log files"},
    {"mawk", nothing, "its alternatives, as for all packages"},
    {"netbase", nothing, "/etc/hosts belongs to the runtime"},
    {"openssl", nothing, "it moves files of old versions"},
    {"passwd", nothing, "shadow files are not made"},
    {"perl-base", nothing, "it moves files of old versions"},
    {"libgssapi-krb5-2", nothing, "it copies a README"},
    {"libpython3.*", nothing, "its script only prints"},
    {"python3*", nothing, "no bytecode is compiled"},
    {"tzdata", make_timezone, "/etc/localtime and /etc/timezone: UTC"},
    {"usr-is-merged", nothing, "links of the merged /usr"},
    {"usrmerge", nothing, "links of the merged /usr"},
    {"alpine-baselayout", nothing, "its directories are in the package"},
    {"alpine-baselayout-data", nothing, "its files are in the package"},
};

std::string script(const Package& package, const char* name) {
  const auto it = package.file.control.find(name);
  return it == package.file.control.end() ? std::string() : it->second;
}

// The script's lines without comments, continued lines joined.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::string open;
  for (const std::string& raw : base::split(text, '\n')) {
    const std::string line(base::trim(raw));
    if (open.empty() && (line.empty() || line.starts_with('#'))) continue;
    if (line.ends_with('\\')) {
      open += line.substr(0, line.size() - 1) + " ";
      continue;
    }
    lines.push_back(open + line);
    open.clear();
  }
  if (!open.empty()) lines.push_back(open);
  return lines;
}

struct Alternative {
  std::string target;
  int priority = 0;
  std::vector<std::pair<std::string, std::pair<std::string, std::string>>> slaves;  // link, name, target
};

// update-alternatives(1): the link leads through /etc/alternatives to the file of the highest priority.
void make_alternatives(const Scene& scene) {
  std::map<std::pair<std::string, std::string>, Alternative> best;  // by link and name
  for (const Package& package : scene.packages)
    for (const std::string& line : lines_of(script(package, "postinst"))) {
      const std::vector<std::string> words = words_of(line);
      const auto verb = std::find(words.begin(), words.end(), "--install");
      const bool ours = std::any_of(
          words.begin(), verb, [](const std::string& word) { return word.ends_with("update-alternatives"); });
      if (!ours || words.end() - verb < 5 || line.find('$') != std::string::npos) continue;
      Alternative one{verb[3], std::atoi(verb[4].c_str()), {}};
      for (auto word = verb + 5; words.end() - word >= 4; ++word)
        if (*word == "--slave") one.slaves.push_back({word[1], {word[2], word[3]}});
      Alternative& known = best[{verb[1], verb[2]}];
      if (known.target.empty() || one.priority > known.priority) known = std::move(one);
    }
  const auto link = [&](const std::string& path, const std::string& name, const std::string& target) {
    if (scene.at(tree::normalise(target)) == nullptr) return;  // left out of the package
    scene.link_if_absent(tree::normalise(path), "/etc/alternatives/" + name);
    scene.link_if_absent("etc/alternatives/" + name, target);
  };
  for (const auto& [place, alternative] : best) {
    link(place.first, place.second, alternative.target);
    for (const auto& [path, slave] : alternative.slaves) link(path, slave.first, slave.second);
  }
}

// sysusers.d(5): users and groups; ids that are not given come from 999 downwards.
void make_sysusers(const Scene& scene) {
  tree::Accounts accounts = tree::default_accounts();
  if (scene.at("etc/passwd") != nullptr || scene.at("etc/group") != nullptr) {
    tree::FileTree files;
    files.put("etc/passwd", tree::file_node(tree::inline_content(scene.text("etc/passwd")), 0), 0);
    files.put("etc/group", tree::file_node(tree::inline_content(scene.text("etc/group")), 0), 0);
    accounts = tree::read_accounts(files);
  }
  const tree::Accounts before = accounts;
  const auto group = [&](const std::string& name) {
    return std::find_if(accounts.groups.begin(), accounts.groups.end(),
                        [&](const auto& one) { return one.name == name; });
  };
  const auto free_id = [&]() -> uint32_t {
    for (uint32_t id = 999; id > 99; --id) {
      const bool taken = std::any_of(accounts.users.begin(), accounts.users.end(),
                                     [&](const auto& one) { return one.uid == id; }) ||
                         std::any_of(accounts.groups.begin(), accounts.groups.end(),
                                     [&](const auto& one) { return one.gid == id; });
      if (!taken) return id;
    }
    base::fail("no free id is left for the system users of packages");
  };
  const auto add_group = [&](const std::string& name, uint32_t id) {
    if (group(name) == accounts.groups.end()) accounts.groups.push_back({name, id, {}});
    return group(name)->gid;
  };
  for (const std::string& file : files_in(scene, "usr/lib/sysusers.d", ".conf"))
    for (const std::string& line : lines_of(scene.text(file))) {
      std::vector<std::string> words = words_of(line);
      if (words.size() < 2) continue;
      const std::string& name = words[1];
      if (!is_package_name(name)) continue;  // a `%` of a template, or nothing that passwd(5) could hold
      const std::string id_text = words.size() > 2 ? words[2].substr(0, words[2].find(':')) : "-";
      const auto id = base::parse_number(id_text, tree::max_id);
      const char kind = words[0][0];
      if (kind == 'g') {
        if (group(name) == accounts.groups.end())
          add_group(name, id ? static_cast<uint32_t>(*id) : free_id());
      } else if (kind == 'u') {
        const bool there = std::any_of(accounts.users.begin(), accounts.users.end(),
                                       [&](const auto& one) { return one.name == name; });
        if (there) continue;
        const uint32_t uid = id ? static_cast<uint32_t>(*id) : free_id();
        std::string gecos;
        const size_t quote = line.find('"');
        if (quote != std::string::npos) gecos = line.substr(quote + 1, line.find('"', quote + 1) - quote - 1);
        const std::vector<std::string> rest = words_of(
            quote == std::string::npos ? ""
                                       : line.substr(std::min(line.find('"', quote + 1) + 1, line.size())));
        const uint32_t gid = add_group(name, uid);
        if (gecos.find(':') != std::string::npos) gecos.clear();
        const auto field = [&rest](size_t i, const char* usual) {
          return i >= rest.size() || rest[i] == "-" || rest[i].find(':') != std::string::npos ? usual
                                                                                              : rest[i];
        };
        accounts.users.push_back({name, uid, gid, gecos, field(0, "/"), field(1, "/usr/sbin/nologin")});
      } else if (kind == 'm' && words.size() > 2 && is_package_name(words[2])) {
        if (group(words[2]) == accounts.groups.end()) add_group(words[2], free_id());
        auto& members = group(words[2])->members;
        if (std::find(members.begin(), members.end(), name) == members.end()) members.push_back(name);
      }
    }
  if (accounts == before) return;
  // Lines that are there stay as they are.
  const auto append = [&](const std::string& path, const std::string& start, std::string more) {
    std::string text = scene.at(path) != nullptr ? scene.text(path) : start;
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    scene.write(path, text + std::move(more));
  };
  append("etc/passwd", tree::write_passwd(before.users),
         tree::write_passwd({accounts.users.begin() + static_cast<std::ptrdiff_t>(before.users.size()),
                             accounts.users.end()}));
  const bool members_changed =
      !std::equal(before.groups.begin(), before.groups.end(), accounts.groups.begin());
  if (members_changed)
    scene.write("etc/group", tree::write_group(accounts.groups));
  else
    append("etc/group", tree::write_group(before.groups),
           tree::write_group({accounts.groups.begin() + static_cast<std::ptrdiff_t>(before.groups.size()),
                              accounts.groups.end()}));
}

// tmpfiles.d(5): directories and links; what is volatile (/run, /tmp) is made when a container starts, by
// others.
void make_tmpfiles(const Scene& scene) {
  tree::FileTree files;
  files.put("etc/passwd", tree::file_node(tree::inline_content(scene.text("etc/passwd")), 0), 0);
  files.put("etc/group", tree::file_node(tree::inline_content(scene.text("etc/group")), 0), 0);
  const tree::Accounts accounts = tree::read_accounts(files);
  for (const std::string& file : files_in(scene, "usr/lib/tmpfiles.d", ".conf"))
    for (const std::string& line : lines_of(scene.text(file))) {
      const std::vector<std::string> words = words_of(line);
      if (words.size() < 2 || line.find('%') != std::string::npos) continue;
      const std::string path = tree::normalise(words[1]);
      if (path.empty() || scene.at(path) != nullptr || tree::is_within(path, "run") ||
          tree::is_within(path, "tmp") || tree::is_within(path, "proc") || tree::is_within(path, "sys") ||
          tree::is_within(path, "dev") || tree::is_within(path, "var/run"))
        continue;
      const auto word = [&](size_t i) {
        return i < words.size() && words[i] != "-" ? words[i] : std::string();
      };
      if (words[0] == "d" || words[0] == "D" || words[0] == "v" || words[0] == "q") {
        tree::Node node = tree::directory_node(0);
        const std::string mode = word(2);
        if (!mode.empty() && mode.find_first_not_of("01234567") == std::string::npos)
          node.mode = static_cast<uint32_t>(std::strtoul(mode.c_str(), nullptr, 8)) & 07777U;
        for (const tree::User& user : accounts.users)
          if (user.name == word(3)) node.uid = user.uid;
        for (const tree::Group& group : accounts.groups)
          if (group.name == word(4)) node.gid = group.gid;
        scene.put(path, std::move(node));
      } else if ((words[0] == "L" || words[0] == "L+") && !word(6).empty()) {
        scene.put(path, tree::symlink_node(word(6), scene.settings.epoch));
      }
    }
}

// The first command of a script that is neither the shell's own nor one whose work is done here or needs not
// be done in an image; empty if there is none.
std::string unhandled_command(const std::string& text) {
  static const std::set<std::string> known = {"set",
                                              "exit",
                                              "return",
                                              "if",
                                              "then",
                                              "else",
                                              "elif",
                                              "fi",
                                              "case",
                                              "esac",
                                              "true",
                                              ":",
                                              "{",
                                              "}",
                                              "(",
                                              ")",
                                              "[",
                                              "[[",
                                              "test",
                                              "for",
                                              "do",
                                              "done",
                                              "while",
                                              "local",
                                              "echo",
                                              "printf",
                                              "shift",
                                              "export",
                                              "unset",
                                              "umask",
                                              "command",
                                              "which",
                                              "!",
                                              ".",
                                              "ldconfig",
                                              "dpkg-trigger",
                                              "dpkg-maintscript-helper",
                                              "dpkg",
                                              "py3compile",
                                              "py3clean",
                                              "pycompile",
                                              "deb-systemd-helper",
                                              "deb-systemd-invoke",
                                              "systemctl",
                                              "systemd-tmpfiles",
                                              "systemd-sysusers",
                                              "invoke-rc.d",
                                              "update-rc.d",
                                              "update-alternatives",
                                              "update-menus",
                                              "update-mime",
                                              "update-mime-database",
                                              "db_version",
                                              "db_stop",
                                              "db_get",
                                              "db_go",
                                              "db_input",
                                              "db_purge",
                                              "rm",
                                              "rmdir",
                                              "||",
                                              "&&",
                                              ";;",
                                              "in",
                                              "esac;",
                                              "fi;",
                                              "done;",
                                              "eval",
                                              "break",
                                              "continue",
                                              "trap",
                                              "kill",
                                              "ucf",
                                              "ucfr",
                                              "restorecon",
                                              "find-python",
                                              "py3versions",
                                              "install-info",
                                              "add-shell",
                                              "remove-shell",
                                              "update-shells",
                                              "/sbin/ldconfig",
                                              "/usr/sbin/ldconfig",
                                              "busybox",
                                              "/bin/busybox",
                                              "update-ca-certificates"};
  std::set<std::string> functions;
  const std::vector<std::string> lines = lines_of(text);
  for (const std::string& line : lines)
    if (const size_t paren = line.find("()"); paren != std::string::npos && paren > 0)
      functions.insert(std::string(base::trim(line.substr(0, paren))));
  std::string here;  // the word that ends a document in the script
  for (const std::string& line : lines) {
    if (line.find("usr-is-merged") != std::string::npos)
      continue;  // protects files while a system moves to /usr
    if (!here.empty()) {
      if (line == here) here.clear();
      continue;
    }
    if (const size_t start = line.find("<<"); start != std::string::npos) {
      here = line.substr(start + 2);
      std::erase_if(here, [](char c) { return c == '-' || c == '\'' || c == '"' || c == '\\' || c == ' '; });
      here = here.substr(0, here.find_first_of(" ;|&>"));
    }
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) continue;
    std::string first = words[0];
    if (first.starts_with("(") && first.size() > 1) first.erase(0, 1);
    if (first.ends_with(")") || first.find("()") != std::string::npos || first.find('=') != std::string::npos)
      continue;
    while (first.ends_with(';')) first.pop_back();
    if (known.contains(first) || functions.contains(first) || first.starts_with("\"$") ||
        first.starts_with("$"))
      continue;
    if (words.size() > 1 && words.back().ends_with(")") && words[1] == "|") continue;  // a pattern of `case`
    return first;
  }
  return {};
}

void warn_of_scripts(const Scene& scene) {
  for (const Package& package : scene.packages) {
    const bool handled = std::any_of(std::begin(effects), std::end(effects), [&](const Effect& effect) {
      return tree::glob_match(effect.package, package.facts.name);
    });
    if (handled) continue;
    for (const char* name : {"preinst", "postinst", ".pre-install", ".post-install"}) {
      const std::string command = unhandled_command(script(package, name));
      if (command.empty()) continue;
      scene.warnings.push_back(
          fmt::format("the package {} has a {} script that runs '{}', which is not done for the image; if it "
                      "matters, do it with "
                      "'files', or in a stage and 'copy'",
                      package.facts.name, name[0] == '.' ? name + 1 : name, base::printable(command)));
      break;
    }
  }
}

}  // namespace

void apply_effects(const tree::FileTree& whole, const std::vector<Package>& packages,
                   const Settings& settings, tree::FileTree& made, std::vector<std::string>& warnings) {
  const Scene scene{whole, packages, settings, made, warnings};
  if (settings.state != "installed") {
    // The scripts will run; only who owns files has to be known before, as preinst would have seen to.
    if (has_package(scene, "base-passwd")) make_accounts(scene);
    if (has_package(scene, "busybox")) make_busybox_links(scene);
    return;
  }
  for (const Effect& effect : effects)
    if (has_package(scene, effect.package)) effect.make(scene);
  make_alternatives(scene);
  const auto brings = [&](std::string_view directory) {
    return std::any_of(packages.begin(), packages.end(), [&](const Package& package) {
      const auto& nodes = package.tree.nodes();
      const auto it = nodes.lower_bound(directory);
      return it != nodes.end() && it->first.starts_with(directory);
    });
  };
  if (brings("usr/lib/sysusers.d/")) make_sysusers(scene);
  if (brings("usr/lib/tmpfiles.d/")) make_tmpfiles(scene);
  warn_of_scripts(scene);
}

}  // namespace minibuild::packages
