// The databases in which scanners and package tools find what an image has.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "minibuild/packages/install.h"

namespace minibuild::packages {

/// Is the file `path` of package number `package` in the image?
using IsKept = std::function<bool(size_t package, const std::string& path)>;

/// Debian's `var/lib/dpkg/status.d/NAME` and `NAME.md5sums` of one package, as distroless has them.
void put_status_d(const Package& package, const std::function<bool(const std::string&)>& kept,
                  tree::FileTree& tree);
/// `var/lib/dpkg/status` and `info/`, added to what `below` has.
void put_dpkg_database(const std::vector<Package>& packages, const IsKept& kept, std::string_view state,
                       const tree::FileTree& below, tree::FileTree& tree);
/// `lib/apk/db/installed` and `etc/apk/world`, added to what `below` has.
void put_apk_database(const std::vector<Package>& packages, const IsKept& kept, const Settings& settings,
                      const tree::FileTree& below, tree::FileTree& tree);

/// The files that apk's database gives to a package.
std::vector<std::string> apk_files(const tree::FileTree& tree, const std::string& name);

}  // namespace minibuild::packages
