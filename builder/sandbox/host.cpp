// What of the host a stage on `base: host` sees.
#include "builder/sandbox/host.h"

#include <sys/stat.h>

#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/sha256.h"
#include "minibuild/base/text.h"
#include "minibuild/sandbox/sandbox.h"

namespace minibuild::sandbox {

const std::vector<std::string>& host_directories() {
  static const std::vector<std::string> paths = {"usr", "opt"};
  return paths;
}

const std::vector<std::string>& host_links() {
  static const std::vector<std::string> paths = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
  return paths;
}

const std::vector<std::string>& host_settings() {
  // What compilers, linkers, interpreters and TLS clients read. Nothing that holds a key, a password or a
  // host name.
  static const std::vector<std::string> paths = {"etc/alternatives",
                                                 "etc/ld.so.cache",
                                                 "etc/ld.so.conf",
                                                 "etc/ld.so.conf.d",
                                                 "etc/ssl/certs",
                                                 "etc/ssl/openssl.cnf",
                                                 "etc/pki/tls/certs",
                                                 "etc/ca-certificates",
                                                 "etc/ca-certificates.conf",
                                                 "etc/debian_version",
                                                 "etc/os-release",
                                                 "etc/lsb-release",
                                                 "etc/services",
                                                 "etc/protocols",
                                                 "etc/mime.types",
                                                 "etc/magic",
                                                 "etc/perl",
                                                 "etc/python3",
                                                 "etc/python3.11",
                                                 "etc/python3.12",
                                                 "etc/python3.13",
                                                 "etc/java-17-openjdk",
                                                 "etc/java-21-openjdk",
                                                 "etc/maven",
                                                 "etc/dpkg",
                                                 "etc/gai.conf",
                                                 "etc/host.conf",
                                                 "etc/terminfo",
                                                 "etc/xml",
                                                 "etc/sgml"};
  return paths;
}

bool may_show_host_path(std::string_view path) {
  if (path.empty()) return false;
  for (const auto* list : {&host_directories(), &host_links(), &host_settings()})
    for (const std::string& one : *list)
      if (tree::is_within(path, one) || tree::is_within(one, path)) return true;
  return false;
}

bool shows_host_path(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  const auto covers = [&](const std::vector<std::string>& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const std::string& one) { return tree::is_within(path, one); });
  };
  return path == "etc" || path == "etc/ssl" || covers(host_directories()) || covers(host_links()) ||
         covers(host_settings());
}

std::string host_fingerprint() {
  std::string text;
  // Package databases change whenever a tool of the distribution does; the directories' times tell of the
  // rest.
  for (const char* path :
       {"/etc/os-release", "/var/lib/dpkg/status", "/lib/apk/db/installed", "/var/lib/rpm/rpmdb.sqlite",
        "/etc/ld.so.cache", "/etc/alternatives", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64",
        "/usr/include", "/usr/libexec", "/usr/local/bin", "/usr/local/sbin", "/usr/local/lib",
        "/usr/local/include", "/usr/local/go/VERSION", "/opt"}) {
    struct stat st {};
    if (::stat(path, &st) != 0) continue;
    text += fmt::format("{} {} {}.{:09}\n", path, S_ISDIR(st.st_mode) ? 0 : st.st_size, st.st_mtim.tv_sec,
                        st.st_mtim.tv_nsec);
  }
  return text;
}

}  // namespace minibuild::sandbox
