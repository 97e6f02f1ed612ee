// Version order of the two package formats.
#pragma once

#include <string_view>

namespace minibuild::packages {

/// Below zero, zero, above zero: as `dpkg --compare-versions` orders (deb-version(7)): epoch, upstream
/// version, revision. Any text is compared; none is refused.
int compare_deb_versions(std::string_view a, std::string_view b);
/// As `apk version -t` orders: digits, letter, suffixes `_alpha _beta _pre _rc` before and
/// `_cvs _svn _git _hg _p` after, commit hash, `-rN`. Invalid versions sort before valid ones, by their
/// bytes.
int compare_apk_versions(std::string_view a, std::string_view b);
/// True if `version` begins with `prefix` in whole parts, as apk's `~` wants: `1.2` for 1.2, 1.2.3, 1.2-r1
/// and 1.2_rc1, not for 1.20.
bool apk_version_begins(std::string_view version, std::string_view prefix);
bool is_apk_version(std::string_view text);

}  // namespace minibuild::packages
