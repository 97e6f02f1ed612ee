// One table: what a package's scripts would make, and the function that makes it. To handle another, add a
// line.
#include "builder/packages/effects.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "builder/packages/script.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/certificates.h"
#include "minibuild/packages/version.h"
#include "minibuild/tree/accounts.h"
#include "minibuild/tree/glob.h"

namespace minibuild::packages {

namespace {

constexpr uint64_t max_script_input = uint64_t{16} << 20;

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
    return tree::read_content(node->content, max_script_input);
  }
  // The same at exactly this path, and without following what is there.
  const tree::Node* node_at(const std::string& real) const {
    const tree::Node* node = made.find(real);
    return node != nullptr ? node : whole.find(real);
  }
  const tree::Node* link_at(const std::string& path) const { return node_at(whole.resolve(path)); }
  // With the directories above it as they are.
  void put_exactly(const std::string& real, tree::Node node) const {
    for (size_t at = real.find('/'); at != std::string::npos; at = real.find('/', at + 1)) {
      const std::string parent = real.substr(0, at);
      const tree::Node* there = whole.find(parent);
      if (made.find(parent) == nullptr && there != nullptr && there->type == tree::NodeType::directory) {
        tree::Node copy = *there;
        copy.mtime = 0;
        made.put(parent, std::move(copy), 0);
      }
    }
    made.put(real, std::move(node), 0);
  }
  void put(const std::string& path, tree::Node node) const {
    put_exactly(whole.resolve(tree::normalise(path)), std::move(node));
  }
  void write(const std::string& path, std::string bytes, uint32_t mode = 0644) const {
    put_exactly(whole.resolve(path, true),
                tree::file_node(tree::inline_content(std::move(bytes)), settings.epoch, mode));
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

// base-passwd: the master files; passwd(5) wants `x` or `*`, and no shadow file is made. To accounts that are
// there, what they lack is added, as update-passwd does.
void make_accounts(const Scene& scene) {
  const auto complete = [&](const std::string& from, const std::string& to) {
    if (scene.at(to) == nullptr) return scene.copy_if_absent(from, to);
    std::string text = scene.text(to);
    std::set<std::string> names;
    std::set<std::string> ids;
    for (const std::string& line : base::split(text, '\n')) {
      const std::vector<std::string> fields = base::split(line, ':');
      if (fields.size() < 3) continue;
      names.insert(fields[0]);
      ids.insert(fields[2]);
    }
    std::string more;
    for (const std::string& line : base::split(scene.text(from), '\n')) {
      const std::vector<std::string> fields = base::split(line, ':');
      if (fields.size() >= 4 && !names.contains(fields[0]) && !ids.contains(fields[2])) more += line + "\n";
    }
    if (more.empty()) return;
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    scene.write(to, text + more);
  };
  complete("usr/share/base-passwd/passwd.master", "etc/passwd");
  complete("usr/share/base-passwd/group.master", "etc/group");
}

void make_certificate_bundle(const Scene& scene) {
  make_certificates(scene.whole, scene.packages, scene.settings.format, scene.settings.epoch, scene.made);
}

void make_keystore(const Scene& scene) {
  make_java_keystore(scene.whole, scene.packages, scene.settings.epoch, scene.made);
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
    {"ca-certificates-java", make_keystore, "/etc/ssl/certs/java/cacerts"},
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
std::vector<std::string> script_lines(const std::string& text) {
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

// --- Scripts that no line of the table replaces are followed as the shell would ---

// Those that base-passwd gives every Debian, under the same numbers for ever: users `NAME UID GID HOME`,
// groups `NAME GID`. In an image without base-passwd those come that scripts name.
struct StaticUser {
  std::string_view name;
  uint32_t uid;
  uint32_t gid;
  std::string_view home;
};
constexpr StaticUser static_users[] = {
    {"daemon", 1, 1, "/usr/sbin"},
    {"bin", 2, 2, "/bin"},
    {"sys", 3, 3, "/dev"},
    {"games", 5, 60, "/usr/games"},
    {"man", 6, 12, "/var/cache/man"},
    {"lp", 7, 7, "/var/spool/lpd"},
    {"mail", 8, 8, "/var/mail"},
    {"news", 9, 9, "/var/spool/news"},
    {"uucp", 10, 10, "/var/spool/uucp"},
    {"proxy", 13, 13, "/bin"},
    {"www-data", 33, 33, "/var/www"},
    {"backup", 34, 34, "/var/backups"},
    {"list", 38, 38, "/var/list"},
    {"irc", 39, 39, "/run/ircd"},
};
constexpr std::pair<std::string_view, uint32_t> static_groups[] = {
    {"daemon", 1},    {"bin", 2},      {"sys", 3},      {"adm", 4},    {"tty", 5},       {"disk", 6},
    {"lp", 7},        {"mail", 8},     {"news", 9},     {"uucp", 10},  {"man", 12},      {"proxy", 13},
    {"kmem", 15},     {"dialout", 20}, {"fax", 21},     {"voice", 22}, {"cdrom", 24},    {"floppy", 25},
    {"tape", 26},     {"sudo", 27},    {"audio", 29},   {"dip", 30},   {"www-data", 33}, {"backup", 34},
    {"operator", 37}, {"list", 38},    {"irc", 39},     {"src", 40},   {"shadow", 42},   {"utmp", 43},
    {"video", 44},    {"sasl", 45},    {"plugdev", 46}, {"staff", 50}, {"games", 60},    {"users", 100},
};

// The accounts of the image, and those that come.
class AccountBook {
 public:
  explicit AccountBook(const Scene& scene) : scene_(scene), before_(tree::default_accounts()) {
    if (scene.at("etc/passwd") != nullptr || scene.at("etc/group") != nullptr) {
      tree::FileTree files;
      for (const char* path : {"etc/passwd", "etc/group"})
        files.put(path, tree::file_node(tree::inline_content(scene.text(path)), 0), 0);
      before_ = tree::read_accounts(files);
    }
    now_ = before_;
  }

  // Also one of those that every Debian has, which then comes into the image; likewise for groups.
  const tree::User* user(std::string_view name) {
    if (const tree::User* there = find_user(name)) return there;
    if (scene_.settings.format != Format::deb) return nullptr;
    for (const StaticUser& one : static_users)
      if (one.name == name) {
        for (const auto& [group, gid] : static_groups)
          if (gid == one.gid && find_group(group) == nullptr)
            now_.groups.push_back({std::string(group), gid, {}});
        now_.users.push_back({std::string(name), one.uid, one.gid, std::string(name), std::string(one.home),
                              "/usr/sbin/nologin"});
        return &now_.users.back();
      }
    return nullptr;
  }
  tree::Group* group(std::string_view name) {
    if (tree::Group* there = find_group(name)) return there;
    if (scene_.settings.format != Format::deb) return nullptr;
    for (const auto& [one, gid] : static_groups)
      if (one == name) {
        now_.groups.push_back({std::string(name), gid, {}});
        return &now_.groups.back();
      }
    return nullptr;
  }
  const tree::User* find_user(std::string_view name) const {
    const auto it = std::find_if(now_.users.begin(), now_.users.end(),
                                 [&](const tree::User& one) { return one.name == name; });
    return it == now_.users.end() ? nullptr : &*it;
  }
  tree::Group* find_group(std::string_view name) {
    const auto it = std::find_if(now_.groups.begin(), now_.groups.end(),
                                 [&](const tree::Group& one) { return one.name == name; });
    return it == now_.groups.end() ? nullptr : &*it;
  }
  // An id that neither a user nor a group has: from 999 downwards (systemd, useradd) or from 100 up
  // (adduser).
  uint32_t free_id(bool upwards = false) const {
    for (uint32_t i = 0; i < 900; ++i) {
      const uint32_t id = upwards ? 100 + i : 999 - i;
      const bool taken =
          std::any_of(now_.users.begin(), now_.users.end(), [&](const auto& one) { return one.uid == id; }) ||
          std::any_of(now_.groups.begin(), now_.groups.end(), [&](const auto& one) { return one.gid == id; });
      if (!taken) return id;
    }
    base::fail("no free id is left for the system users of packages");
  }
  uint32_t add_group(const std::string& name, uint32_t id) {
    if (find_group(name) == nullptr) now_.groups.push_back({name, id, {}});
    return find_group(name)->gid;
  }
  void add_user(tree::User user) {
    const auto clean = [](std::string& text, const char* usual) {
      if (text.find_first_of(":\n\x01") != std::string::npos) text = usual;
    };
    clean(user.gecos, "");
    clean(user.home, "/");
    clean(user.shell, "/usr/sbin/nologin");
    now_.users.push_back(std::move(user));
  }
  void add_member(const std::string& name, const std::string& of) {
    auto& members = group(of)->members;
    if (std::find(members.begin(), members.end(), name) == members.end()) members.push_back(name);
  }

  // Lines that are there stay as they are.
  void write() const {
    if (now_ == before_) return;
    const auto append = [&](const std::string& path, const std::string& start, std::string more) {
      std::string text = scene_.at(path) != nullptr ? scene_.text(path) : start;
      if (!text.empty() && !text.ends_with('\n')) text += '\n';
      scene_.write(path, text + std::move(more));
    };
    const auto old_users = static_cast<std::ptrdiff_t>(before_.users.size());
    const auto old_groups = static_cast<std::ptrdiff_t>(before_.groups.size());
    append("etc/passwd", tree::write_passwd(before_.users),
           tree::write_passwd({now_.users.begin() + old_users, now_.users.end()}));
    if (!std::equal(before_.groups.begin(), before_.groups.end(), now_.groups.begin()))
      scene_.write("etc/group", tree::write_group(now_.groups));
    else
      append("etc/group", tree::write_group(before_.groups),
             tree::write_group({now_.groups.begin() + old_groups, now_.groups.end()}));
  }

 private:
  const Scene& scene_;
  tree::Accounts before_;
  tree::Accounts now_;
};

// sysusers.d(5): users and groups; ids that are not given come from 999 downwards.
void make_sysusers(const Scene& scene, AccountBook& book) {
  for (const std::string& file : files_in(scene, "usr/lib/sysusers.d", ".conf"))
    for (const std::string& line : script_lines(scene.text(file))) {
      std::vector<std::string> words = words_of(line);
      if (words.size() < 2) continue;
      const std::string& name = words[1];
      if (!is_package_name(name)) continue;  // a `%` of a template, or nothing that passwd(5) could hold
      const std::string id_text = words.size() > 2 ? words[2].substr(0, words[2].find(':')) : "-";
      const auto id = base::parse_number(id_text, tree::max_id);
      const char kind = words[0][0];
      if (kind == 'g') {
        if (book.find_group(name) == nullptr)
          book.add_group(name, id ? static_cast<uint32_t>(*id) : book.free_id());
      } else if (kind == 'u') {
        if (book.find_user(name) != nullptr) continue;
        const uint32_t uid = id ? static_cast<uint32_t>(*id) : book.free_id();
        std::string gecos;
        const size_t quote = line.find('"');
        if (quote != std::string::npos) gecos = line.substr(quote + 1, line.find('"', quote + 1) - quote - 1);
        const std::vector<std::string> rest = words_of(
            quote == std::string::npos ? ""
                                       : line.substr(std::min(line.find('"', quote + 1) + 1, line.size())));
        const uint32_t gid = book.add_group(name, uid);
        if (gecos.find(':') != std::string::npos) gecos.clear();
        const auto field = [&rest](size_t i, const char* usual) {
          return i >= rest.size() || rest[i] == "-" || rest[i].find(':') != std::string::npos ? usual
                                                                                              : rest[i];
        };
        book.add_user({name, uid, gid, gecos, field(0, "/"), field(1, "/usr/sbin/nologin")});
      } else if (kind == 'm' && words.size() > 2 && is_package_name(words[2])) {
        if (book.find_group(words[2]) == nullptr) book.add_group(words[2], book.free_id());
        book.add_member(name, words[2]);
      }
    }
}

// tmpfiles.d(5): directories and links; what is volatile (/run, /tmp) is made when a container starts, by
// others.
void make_tmpfiles(const Scene& scene) {
  tree::FileTree files;
  files.put("etc/passwd", tree::file_node(tree::inline_content(scene.text("etc/passwd")), 0), 0);
  files.put("etc/group", tree::file_node(tree::inline_content(scene.text("etc/group")), 0), 0);
  const tree::Accounts accounts = tree::read_accounts(files);
  for (const std::string& file : files_in(scene, "usr/lib/tmpfiles.d", ".conf"))
    for (const std::string& line : script_lines(scene.text(file))) {
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

struct Alternative {
  std::string target;
  int priority = 0;
  std::vector<std::pair<std::string, std::pair<std::string, std::string>>> slaves;  // link, name, target
};
using Alternatives = std::map<std::pair<std::string, std::string>, Alternative>;  // by link and name

// Commands whose work is not needed in an image, or done here for all packages, or that only look.
bool is_harmless(std::string_view name) {
  static const std::set<std::string, std::less<>> names = {"aa-enabled",
                                                           "aa-status",
                                                           "apparmor_parser",
                                                           "dbus-send",
                                                           "dbus-uuidgen",
                                                           "suidunregister",
                                                           "selinuxenabled",
                                                           "getfacl",
                                                           "fc-cache",
                                                           "find",
                                                           ".",
                                                           "[",
                                                           "add-shell",
                                                           "appstreamcli",
                                                           "awk",
                                                           "basename",
                                                           "busybox",
                                                           "cat",
                                                           "chfn",
                                                           "cmp",
                                                           "command",
                                                           "cut",
                                                           "date",
                                                           "deb-systemd-helper",
                                                           "deb-systemd-invoke",
                                                           "deluser",
                                                           "delgroup",
                                                           "df",
                                                           "diff",
                                                           "dirname",
                                                           "dpkg",
                                                           "dpkg-maintscript-helper",
                                                           "dpkg-query",
                                                           "dpkg-trigger",
                                                           "dpkg-vendor",
                                                           "echo",
                                                           "egrep",
                                                           "env",
                                                           "expr",
                                                           "fgrep",
                                                           "find-python",
                                                           "getconf",
                                                           "getent",
                                                           "getopt",
                                                           "grep",
                                                           "gtk-update-icon-cache",
                                                           "head",
                                                           "hostname",
                                                           "id",
                                                           "ischroot",
                                                           "install-docs",
                                                           "install-info",
                                                           "invoke-rc.d",
                                                           "journalctl",
                                                           "kill",
                                                           "killall",
                                                           "ldconfig",
                                                           "logger",
                                                           "ls",
                                                           "lsmod",
                                                           "mandb",
                                                           "md5sum",
                                                           "mktemp",
                                                           "modprobe",
                                                           "mountpoint",
                                                           "nohup",
                                                           "pidof",
                                                           "pgrep",
                                                           "pkill",
                                                           "printf",
                                                           "ps",
                                                           "pwd",
                                                           "py3clean",
                                                           "py3compile",
                                                           "py3versions",
                                                           "pycompile",
                                                           "pypycompile",
                                                           "readlink",
                                                           "realpath",
                                                           "remove-shell",
                                                           "restorecon",
                                                           "rm",
                                                           "rmdir",
                                                           "runlevel",
                                                           "sed",
                                                           "seq",
                                                           "service",
                                                           "set",
                                                           "setfacl",
                                                           "setfattr",
                                                           "sha256sum",
                                                           "shift",
                                                           "sleep",
                                                           "sort",
                                                           "start-stop-daemon",
                                                           "stat",
                                                           "stty",
                                                           "sync",
                                                           "sysctl",
                                                           "systemctl",
                                                           "systemd-sysusers",
                                                           "systemd-tmpfiles",
                                                           "tail",
                                                           "tempfile",
                                                           "tr",
                                                           "trap",
                                                           "tty",
                                                           "type",
                                                           "ucfr",
                                                           "udevadm",
                                                           "umask",
                                                           "unlink",
                                                           "uname",
                                                           "uniq",
                                                           "update-binfmts",
                                                           "update-ca-certificates",
                                                           "update-desktop-database",
                                                           "update-initramfs",
                                                           "update-menus",
                                                           "update-mime",
                                                           "update-rc.d",
                                                           "update-shells",
                                                           "wait",
                                                           "wc",
                                                           "whoami",
                                                           "xargs",
                                                           "alias",
                                                           "unalias",
                                                           "declare",
                                                           "typeset",
                                                           "let",
                                                           "getopts",
                                                           "hash",
                                                           "shopt",
                                                           "pushd",
                                                           "popd",
                                                           "dirs",
                                                           "times",
                                                           "ulimit",
                                                           "mapfile",
                                                           "readarray",
                                                           "caller",
                                                           "jobs",
                                                           "fg",
                                                           "bg",
                                                           "dpkg-architecture",
                                                           "cd",
                                                           "debconf-communicate",
                                                           "debconf-get"};
  return names.contains(name);
}

class Following final : public ScriptHost {
 public:
  Following(const Scene& scene, const Package& package, AccountBook& book, Alternatives& alternatives,
            bool only_alternatives)
      : scene_(scene),
        package_(package),
        book_(book),
        alternatives_(alternatives),
        only_alternatives_(only_alternatives) {}

  // Commands that nobody does.
  const std::vector<std::string>& left() const { return left_; }

  Outcome command(const std::vector<std::string>& words, const std::string& source, const std::string& output,
                  bool certain) override {
    std::string name = words[0];
    if (name.starts_with('/')) name = std::string(tree::name_of(name));
    if (name == "update-alternatives") return alternative(words, source);
    if (const auto seen = look(name, words)) return *seen;
    const bool writes = !output.empty() && !output.starts_with("/dev/") && !is_passing(output);
    if (is_harmless(name) && !writes && !(name == "sed" && has(words, 'i')))
      return name == "dpkg-maintscript-helper" || name == "set" ? Outcome::yes : Outcome::unknown;
    if (only_alternatives_) return Outcome::unknown;
    if (!writes && certain && act(name, words)) return Outcome::yes;
    if (!writes &&
        (name == "mkdir" || name == "chown" || name == "chmod" || name == "chgrp" || name == "touch") &&
        std::all_of(words.begin() + 1, words.end(),
                    [&](const auto& one) { return one[0] != '/' || is_passing(one); }) &&
        std::any_of(words.begin() + 1, words.end(), [&](const auto& one) { return one[0] == '/'; }))
      return Outcome::unknown;
    if (std::find(left_.begin(), left_.end(), source) == left_.end()) left_.push_back(source);
    return Outcome::unknown;
  }

  std::optional<std::string> printed(const std::vector<std::string>& words) override {
    const auto is = [&](size_t size, std::string_view name) {
      return words.size() == size && words[0] == name;
    };
    if (std::any_of(words.begin(), words.end(),
                    [](const auto& one) { return one.find(unknown_part) != std::string::npos; }))
      return std::nullopt;
    if (is(2, "dpkg") && words[1] == "--print-architecture")
      return package_.facts.architecture != "all" ? package_.facts.architecture
                                                  : scene_.settings.architecture;
    if (is(2, "basename")) return std::string(tree::name_of(words[1]));
    if (is(2, "dirname")) return std::string(tree::directory_of(words[1]));
    if (words[0] == "command" || words[0] == "which") {
      for (const char* place : {"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"})
        if (const std::string path = tree::join_path(place, words.back()); scene_.at(path) != nullptr)
          return "/" + path;
      return std::string();
    }
    if (is(4, "expr")) {
      const auto a = base::parse_number(words[1]);
      const auto b = base::parse_number(words[3]);
      if (a && b && *a < 1000000 && *b < 1000000 && words[2] == "+") return std::to_string(*a + *b);
      if (a && b && *a >= *b && words[2] == "-") return std::to_string(*a - *b);
    }
    if (words[0] == "echo" && (words.size() < 2 || !words[1].starts_with('-')))
      return base::join({words.begin() + 1, words.end()}, " ");
    // What lists alternatives, or statoverrides, finds none yet.
    if (is(3, "update-alternatives") && words[1] == "--list") return std::string();
    return std::nullopt;
  }

  Outcome test(char letter, const std::string& path) override {
    const std::string real = tree::normalise(path);
    for (const char* place : {"proc", "sys", "dev"})
      if (tree::is_within(real, place)) return Outcome::unknown;
    const tree::Node* node = letter == 'L' || letter == 'h' ? scene_.link_at(real) : scene_.at(real);
    if (node == nullptr) return Outcome::no;
    const auto outcome = [](bool one) { return one ? Outcome::yes : Outcome::no; };
    if (letter == 'f') return outcome(node->type == tree::NodeType::file);
    if (letter == 'd') return outcome(node->type == tree::NodeType::directory);
    if (letter == 'L' || letter == 'h') return outcome(node->type == tree::NodeType::symlink);
    if (letter == 'x') return outcome((node->mode & 0111U) != 0);
    if (letter == 's') return outcome(node->content.size > 0);
    return std::string_view("erw").find(letter) != std::string_view::npos ? Outcome::yes : Outcome::unknown;
  }

 private:
  static bool is_passing(const std::string& path) {
    const std::string real = tree::normalise(path);
    for (const char* place :
         {"run", "tmp", "var/run", "var/tmp", "var/lock", "proc", "sys", "dev", "var/lib/dpkg",
          "var/lib/systemd", "var/lib/ucf", "var/cache/debconf", "etc/rc2.d"})
      if (tree::is_within(real, place)) return true;
    return false;
  }
  // A short option among the words.
  static bool has(const std::vector<std::string>& words, char letter) {
    return std::any_of(words.begin() + 1, words.end(), [&](const std::string& one) {
      return one.size() > 1 && one[0] == '-' && one[1] != '-' && one.find(letter) != std::string::npos;
    });
  }

  Outcome alternative(const std::vector<std::string>& words, const std::string& source) {
    const auto verb = std::find(words.begin(), words.end(), "--install");
    if (verb == words.end()) {
      if (!only_alternatives_ && std::find(words.begin(), words.end(), "--set") != words.end())
        left_.push_back(source);
      return Outcome::unknown;
    }
    const bool known =
        words.end() - verb >= 5 && std::none_of(words.begin(), words.end(), [](const auto& one) {
          return one.find(unknown_part) != std::string::npos;
        });
    if (!known || tree::normalise(verb[2]).find('/') != std::string::npos) {
      if (!only_alternatives_) left_.push_back(source);
      return Outcome::unknown;
    }
    Alternative one{verb[3], std::atoi(verb[4].c_str()), {}};
    for (auto word = verb + 5; words.end() - word >= 4; ++word)
      if (*word == "--slave") one.slaves.push_back({word[1], {word[2], word[3]}});
    if (scene_.at(tree::normalise(one.target)) == nullptr) return Outcome::yes;  // left out of the package
    Alternative& best = alternatives_[{verb[1], verb[2]}];
    if (best.target.empty() || one.priority > best.priority) best = std::move(one);
    return Outcome::yes;
  }

  // What only asks, and has an answer here.
  std::optional<Outcome> look(const std::string& name, const std::vector<std::string>& words) {
    const auto answer = [](bool one) { return one ? Outcome::yes : Outcome::no; };
    if (name == "mountpoint") return Outcome::yes;
    if (name == "which" || ((name == "command" || name == "type") && words.size() > 1)) {
      const std::string& program = words.back();
      if (program.find(unknown_part) != std::string::npos) return Outcome::unknown;
      for (const char* place : {"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"})
        if (scene_.at(tree::join_path(place, program)) != nullptr) return Outcome::yes;
      return answer(program.starts_with('/') && scene_.at(tree::normalise(program)) != nullptr);
    }
    if (name == "dpkg" && words.size() > 4 && words[1] == "--compare-versions") {
      std::vector<std::string> plain = words;
      std::erase(plain, "--");
      if (plain.size() == 5) return compare(plain);
    }
    if (name == "getent" && words.size() == 3 && words[2].find(unknown_part) == std::string::npos)
      return words[1] == "passwd"  ? answer(book_.user(words[2]) != nullptr)
             : words[1] == "group" ? answer(book_.group(words[2]) != nullptr)
                                   : Outcome::unknown;
    if (name == "id" && words.size() > 1 && !words.back().starts_with('-') &&
        words.back().find(unknown_part) == std::string::npos)
      return answer(book_.user(words.back()) != nullptr);
    if (name == "dpkg-statoverride" && std::find(words.begin(), words.end(), "--list") != words.end())
      return Outcome::no;
    return std::nullopt;
  }

  // dpkg(1): an empty version is before all others, for the forms with -nl after them.
  static Outcome compare(const std::vector<std::string>& words) {
    if (words[2].find(unknown_part) != std::string::npos || words[4].find(unknown_part) != std::string::npos)
      return Outcome::unknown;
    std::string op = words[3];
    const bool later = op.ends_with("-nl");
    if (later) op.resize(op.size() - 3);
    int order = 0;
    if (words[2].empty() != words[4].empty())
      order = words[2].empty() != later ? -1 : 1;
    else
      order = compare_deb_versions(words[2], words[4]);
    const bool yes = op == "lt" || op == "<<"   ? order < 0
                     : op == "le" || op == "<=" ? order <= 0
                     : op == "gt" || op == ">>" ? order > 0
                     : op == "ge" || op == ">=" ? order >= 0
                     : op == "ne"               ? order != 0
                                                : order == 0;
    return yes ? Outcome::yes : Outcome::no;
  }

  struct Options {
    std::map<std::string, std::string> values;
    std::vector<std::string> operands;
    bool has(const std::string& name) const { return values.contains(name); }
    std::string get(const std::string& name, const std::string& usual) const {
      const auto it = values.find(name);
      return it == values.end() ? usual : it->second;
    }
  };
  // `with` are the options that take a value; short ones by their letter.
  static Options options_of(const std::vector<std::string>& words,
                            const std::set<std::string, std::less<>>& with) {
    Options options;
    for (size_t i = 1; i < words.size(); ++i) {
      const std::string& word = words[i];
      if (word.size() < 2 || word[0] != '-') {
        options.operands.push_back(word);
      } else if (word[1] == '-') {
        const size_t equals = word.find('=');
        const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
        if (equals != std::string::npos)
          options.values[name] = word.substr(equals + 1);
        else
          options.values[name] = with.contains(name) && i + 1 < words.size() ? words[++i] : "";
      } else {
        for (size_t at = 1; at < word.size(); ++at) {
          const std::string letter(1, word[at]);
          if (!with.contains(letter)) {
            options.values[letter] = "";
            continue;
          }
          options.values[letter] = at + 1 < word.size()   ? word.substr(at + 1)
                                   : i + 1 < words.size() ? words[++i]
                                                          : "";
          break;
        }
      }
    }
    return options;
  }

  std::optional<uint32_t> gid_of(const std::string& text) {
    if (const tree::Group* group = book_.group(text)) return group->gid;
    const auto number = base::parse_number(text, tree::max_id);
    return number ? std::optional(static_cast<uint32_t>(*number)) : std::nullopt;
  }
  std::optional<uint32_t> uid_of(const std::string& text) {
    if (const tree::User* user = book_.user(text)) return user->uid;
    const auto number = base::parse_number(text, tree::max_id);
    return number ? std::optional(static_cast<uint32_t>(*number)) : std::nullopt;
  }
  // chmod(1): octal, or parts like `u+rw` and `go=`; of what `there` has.
  static std::optional<uint32_t> mode_of(const std::string& text, const tree::Node* there = nullptr) {
    if (!text.empty() && text.size() < 6 && text.find_first_not_of("01234567") == std::string::npos)
      return static_cast<uint32_t>(std::strtoul(text.c_str(), nullptr, 8)) & 07777U;
    if (there == nullptr || text.empty()) return std::nullopt;
    uint32_t mode = there->mode;
    for (const std::string& part : base::split(text, ',')) {
      const size_t op = part.find_first_of("+-=");
      if (op == std::string::npos || part.find_first_not_of("ugoa") != op ||
          part.find_first_not_of("rwxXst", op + 1) != std::string::npos)
        return std::nullopt;
      const std::string who = op == 0 || part.find('a') < op ? "ugo" : part.substr(0, op);
      const auto has = [&](char c) { return part.find(c, op + 1) != std::string::npos; };
      const bool executes =
          has('x') || (has('X') && (there->type == tree::NodeType::directory || (there->mode & 0111U) != 0));
      const uint32_t bits = (has('r') ? 4U : 0U) | (has('w') ? 2U : 0U) | (executes ? 1U : 0U);
      uint32_t mask = 0;
      uint32_t whole = 0;
      for (const char one : who) {
        const unsigned shift = one == 'u' ? 6 : one == 'g' ? 3 : 0;
        mask |= bits << shift;
        whole |= 7U << shift;
        if (has('s') && one != 'o') mask |= one == 'u' ? 04000U : 02000U;
      }
      if (has('t')) mask |= 01000U;
      mode = part[op] == '+' ? mode | mask : part[op] == '-' ? mode & ~mask : (mode & ~whole) | mask;
    }
    return mode;
  }

  // True if it is done.
  bool act(const std::string& name, const std::vector<std::string>& words) {
    if (std::any_of(
            words.begin(), words.end(),
            [](const auto& one) { return one.find(unknown_part) != std::string::npos || one.empty(); }) &&
        name != "adduser" && name != "useradd")
      return false;
    if (name == "adduser" || name == "addgroup") return add_as_debian(name, words);
    if (name == "useradd" || name == "groupadd") return add_as_shadow(name, words);
    if (name == "mkdir" ||
        (name == "install" &&
         (has(words, 'd') || std::find(words.begin(), words.end(), "--directory") != words.end())))
      return make_directories(name, words);
    if (name == "chown" || name == "chgrp" || name == "chmod") return change(name, words);
    if (name == "dpkg-statoverride" && words.size() == 7 && words[1] == "--update" && words[2] == "--add")
      return change("chown", {"chown", words[3] + ":" + words[4], words[6]}) &&
             change("chmod", {"chmod", words[5], words[6]});
    if (name == "ln" && words.size() == 4 && words[1].starts_with("-s")) {
      if (is_passing(words[3])) return true;
      const std::string path = tree::normalise(words[3]);
      const tree::Node* there = scene_.at(path);
      if (path.empty() || (there != nullptr && there->type == tree::NodeType::directory)) return false;
      if (words[1].find('f') != std::string::npos || scene_.link_at(path) == nullptr)
        scene_.put(path, tree::symlink_node(words[2], scene_.settings.epoch));
      return true;
    }
    if (name == "touch" && words.size() == 2 && words[1].starts_with('/')) {
      if (!is_passing(words[1]) && scene_.at(tree::normalise(words[1])) == nullptr)
        scene_.write(tree::normalise(words[1]), "");
      return true;
    }
    if (name == "cp" || name == "install") {
      const Options options = options_of(words, {"m", "mode", "o", "owner", "g", "group"});
      if (options.operands.size() != 2 || options.has("r") || options.has("R") || options.has("a"))
        return false;
      const std::string from = tree::normalise(options.operands[0]);
      const std::string to = tree::normalise(options.operands[1]);
      const tree::Node* node = scene_.at(from);
      const tree::Node* there = scene_.at(to);
      const bool empty = options.operands[0] == "/dev/null" && name == "install";
      if (to.empty() || options.operands[1].ends_with('/') ||
          (there != nullptr && there->type == tree::NodeType::directory) ||
          (!empty && (node == nullptr || node->type != tree::NodeType::file)))
        return false;
      const auto mode = mode_of(options.get("m", options.get("mode", name == "cp" ? "0644" : "0755")));
      const auto uid = uid_of(options.get("o", options.get("owner", "0")));
      const auto gid = gid_of(options.get("g", options.get("group", "0")));
      if (!mode || !uid || !gid) return false;
      tree::Node copy =
          tree::file_node(empty ? tree::inline_content("") : node->content, scene_.settings.epoch, *mode);
      if (name == "cp") copy.mode = node->mode & 0777U;
      copy.uid = *uid;
      copy.gid = *gid;
      scene_.put_exactly(scene_.whole.resolve(to, true), std::move(copy));
      return true;
    }
    if (name == "ucf") {
      const Options options = options_of(words, {"debconf-template", "state-dir", "src-dir"});
      if (options.operands.size() != 2) return false;
      const std::string from = tree::normalise(options.operands[0]);
      const tree::Node* node = scene_.at(from);
      if (node == nullptr || node->type != tree::NodeType::file) return false;
      scene_.copy_if_absent(from, tree::normalise(options.operands[1]));
      return true;
    }
    return false;
  }

  bool add_as_debian(const std::string& name, const std::vector<std::string>& words) {
    const Options options = options_of(words, {"home", "shell", "gecos", "comment", "uid", "gid", "ingroup",
                                               "firstuid", "lastuid", "firstgid", "lastgid", "conf"});
    if (options.operands.empty() || !is_package_name(options.operands[0])) return false;
    const std::string& who = options.operands[0];
    if (options.operands.size() == 2) {
      if (book_.user(who) == nullptr || book_.group(options.operands[1]) == nullptr) return false;
      book_.add_member(who, options.operands[1]);
      return true;
    }
    const bool group_only = name == "addgroup" || (options.has("group") && !options.has("system"));
    if (group_only || !options.has("system")) {
      if (!group_only) return false;
      const auto id = base::parse_number(options.get("gid", ""), tree::max_id);
      book_.add_group(who, id ? static_cast<uint32_t>(*id) : book_.free_id(true));
      return true;
    }
    if (book_.user(who) != nullptr) return true;
    const auto id = base::parse_number(options.get("uid", ""), tree::max_id);
    const uint32_t uid = id ? static_cast<uint32_t>(*id) : book_.free_id(true);
    uint32_t gid = 65534;  // nogroup
    if (options.has("group")) {
      gid = book_.add_group(who, uid);
    } else if (options.has("ingroup") || options.has("gid")) {
      const auto in = gid_of(options.get("ingroup", options.get("gid", "")));
      if (!in) return false;
      gid = *in;
    }
    const std::string home = options.get("home", "/nonexistent");
    book_.add_user({who, uid, gid, options.get("gecos", options.get("comment", "")), home,
                    options.get("shell", "/usr/sbin/nologin")});
    const std::string place = tree::normalise(home);
    if (!options.has("no-create-home") && home != "/nonexistent" && !place.empty() && !is_passing(home) &&
        scene_.at(place) == nullptr) {
      tree::Node node = tree::directory_node(0);
      node.uid = uid;
      node.gid = gid;
      scene_.put(place, std::move(node));
    }
    return true;
  }

  bool add_as_shadow(const std::string& name, const std::vector<std::string>& words) {
    const bool user = name == "useradd";
    const Options options =
        options_of(words, user ? std::set<std::string, std::less<>>{"u", "uid", "g", "gid", "G", "groups",
                                                                    "d", "home-dir", "home", "b", "s",
                                                                    "shell", "c", "comment", "K", "p"}
                               : std::set<std::string, std::less<>>{"g", "gid", "K", "p"});
    const auto value = [&](const char* letter, const char* word, const char* usual) {
      return options.get(letter, options.get(word, usual));
    };
    if (options.operands.size() != 1 || !is_package_name(options.operands[0])) return false;
    const std::string& who = options.operands[0];
    if (!user) {
      const auto id = base::parse_number(value("g", "gid", ""), tree::max_id);
      book_.add_group(who, id ? static_cast<uint32_t>(*id) : book_.free_id());
      return true;
    }
    if (book_.user(who) != nullptr) return true;
    const auto id = base::parse_number(value("u", "uid", ""), tree::max_id);
    const uint32_t uid = id ? static_cast<uint32_t>(*id) : book_.free_id();
    const std::string in = value("g", "gid", "");
    const auto gid = in.empty() ? std::optional(book_.add_group(who, uid)) : gid_of(in);
    if (!gid) return false;
    book_.add_user({who, uid, *gid, value("c", "comment", ""),
                    options.get("d", value("home-dir", "home", ("/home/" + who).c_str())),
                    value("s", "shell", "/bin/sh")});
    for (const std::string& one : base::split(value("G", "groups", ""), ','))
      if (book_.group(one) != nullptr) book_.add_member(who, one);
    return true;
  }

  bool make_directories(const std::string& name, const std::vector<std::string>& words) {
    const Options options = options_of(words, {"m", "mode", "o", "owner", "g", "group"});
    tree::Node node = tree::directory_node(0);
    const std::string mode = options.get("m", options.get("mode", "0755"));
    const auto bits = mode_of(mode);
    const auto uid = uid_of(options.get("o", options.get("owner", "0")));
    const auto gid = gid_of(options.get("g", options.get("group", "0")));
    if (!bits || !uid || !gid) return false;
    node.mode = *bits;
    node.uid = *uid;
    node.gid = *gid;
    for (const std::string& path : options.operands) {
      const std::string place = tree::normalise(path);
      if (!path.starts_with('/') || place.empty()) return false;
      if (is_passing(path)) continue;
      const tree::Node* there = scene_.at(place);
      if (there != nullptr && there->type != tree::NodeType::directory) return false;
      if (there == nullptr || name == "install") scene_.put(scene_.whole.resolve(place, true), node);
    }
    return true;
  }

  bool change(const std::string& name, const std::vector<std::string>& words) {
    const Options options = options_of(words, {"from"});
    if (options.operands.size() < 2 || options.has("reference")) return false;
    std::optional<uint32_t> uid;
    std::optional<uint32_t> gid;
    const std::string what = options.operands[0];
    const bool modes = name == "chmod";
    static const tree::Node some;
    if (modes) {
      if (!mode_of(what, &some)) return false;
    } else if (name == "chgrp") {
      gid = gid_of(what);
      if (!gid) return false;
    } else {
      size_t colon = what.find(':');
      if (colon == std::string::npos && book_.user(what) == nullptr) colon = what.find('.');
      const std::string user = what.substr(0, colon);
      if (!user.empty()) uid = uid_of(user);
      if (!user.empty() && !uid) return false;
      const bool has_group = colon != std::string::npos && colon + 1 < what.size();
      if (has_group) gid = gid_of(what.substr(colon + 1));
      if (has_group && !gid) return false;
    }
    std::vector<std::string> places;
    for (size_t i = 1; i < options.operands.size(); ++i) {
      const std::string& path = options.operands[i];
      if (is_passing(path)) continue;
      const std::string place = scene_.whole.resolve(tree::normalise(path), !options.has("h"));
      if (!path.starts_with('/') || place.empty() || path.find('*') != std::string::npos) return false;
      if (scene_.node_at(place) == nullptr) {
        if (options.has("f")) continue;
        return false;
      }
      places.push_back(place);
      if (!options.has("R") && !options.has("recursive")) continue;
      std::set<std::string> below;
      for (const tree::FileTree* tree : {&scene_.whole, static_cast<const tree::FileTree*>(&scene_.made)})
        tree::for_each_below(*tree, place,
                             [&](const std::string& one, const tree::Node&) { below.insert(one); });
      places.insert(places.end(), below.begin(), below.end());
    }
    for (const std::string& place : places) {
      tree::Node node = *scene_.node_at(place);
      if (modes && node.type == tree::NodeType::symlink) continue;
      const tree::Node before = node;
      if (uid) node.uid = *uid;
      if (gid) node.gid = *gid;
      if (modes) node.mode = *mode_of(what, &before);
      if (node.uid == before.uid && node.gid == before.gid && node.mode == before.mode) continue;
      node.link_group = 0;
      scene_.put_exactly(place, std::move(node));
    }
    return true;
  }

  const Scene& scene_;
  const Package& package_;
  AccountBook& book_;
  Alternatives& alternatives_;
  bool only_alternatives_;
  std::vector<std::string> left_;
};

// update-alternatives(1): the link leads through /etc/alternatives to the file of the highest priority.
void make_alternatives(const Scene& scene, const Alternatives& alternatives) {
  const auto link = [&](const std::string& path, const std::string& name, const std::string& target) {
    if (scene.at(tree::normalise(target)) == nullptr) return;  // left out of the package
    scene.link_if_absent(tree::normalise(path), "/etc/alternatives/" + name);
    scene.link_if_absent("etc/alternatives/" + name, target);
  };
  for (const auto& [place, alternative] : alternatives) {
    link(place.first, place.second, alternative.target);
    for (const auto& [path, slave] : alternative.slaves) link(path, slave.first, slave.second);
  }
}

bool is_in_table(const Package& package) {
  return std::any_of(std::begin(effects), std::end(effects), [&](const Effect& effect) {
    return tree::glob_match(effect.package, package.facts.name);
  });
}

void follow_scripts(const Scene& scene, AccountBook& book) {
  Alternatives alternatives;
  for (const size_t number : dependency_order(scene.packages, scene.settings.format)) {
    const Package& package = scene.packages[number];
    std::vector<std::string> left;
    const char* where = nullptr;
    for (const char* name : {"preinst", "postinst", ".pre-install", ".post-install"}) {
      const std::string text = script(package, name);
      if (text.empty()) continue;
      Following following(scene, package, book, alternatives, is_in_table(package));
      std::vector<std::string> mine;
      try {
        const bool deb = name[0] != '.';
        const std::vector<std::string> arguments = !deb ? std::vector<std::string>{package.facts.version}
                                                   : std::string_view(name) == "preinst"
                                                       ? std::vector<std::string>{"install"}
                                                       : std::vector<std::string>{"configure", ""};
        follow_script(text, arguments, following);
        mine = following.left();
      } catch (const base::Error& error) {
        mine = following.left();
        if (!is_in_table(package)) mine.push_back(fmt::format("(cannot be followed: {})", error.what()));
      }
      if (where == nullptr && !mine.empty()) where = name[0] == '.' ? name + 1 : name;
      left.insert(left.end(), mine.begin(), mine.end());
    }
    if (left.empty()) continue;
    // Whole: what matters may stand anywhere.
    constexpr size_t most = 50;
    std::string shown;
    for (size_t i = 0; i < std::min(left.size(), most); ++i)
      shown += fmt::format("{}'{}'", i == 0 ? "" : ", ", base::printable(left[i].substr(0, 4096)));
    if (left.size() > most) shown += fmt::format(" and {} more", left.size() - most);
    scene.warnings.push_back(
        fmt::format("the package {} has a {} script that runs {}, which is not done for the image; if it "
                    "matters, do it with "
                    "'files', or in a stage and 'copy'",
                    package.facts.name, where, shown));
  }
  make_alternatives(scene, alternatives);
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
  const auto brings = [&](std::string_view directory) {
    return std::any_of(packages.begin(), packages.end(), [&](const Package& package) {
      const auto& nodes = package.tree.nodes();
      const auto it = nodes.lower_bound(directory);
      return it != nodes.end() && it->first.starts_with(directory);
    });
  };
  AccountBook book(scene);
  if (brings("usr/lib/sysusers.d/")) make_sysusers(scene, book);
  follow_scripts(scene, book);
  book.write();
  if (brings("usr/lib/tmpfiles.d/")) make_tmpfiles(scene);
}

}  // namespace minibuild::packages
