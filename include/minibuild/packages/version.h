// Version ordering of the two package formats.
#pragma once

#include <string_view>

namespace minibuild::packages {

/// Returns a value below, equal to or above zero, in the order of `dpkg --compare-versions` (deb-version(7)):
/// epoch, upstream version, revision. Accepts any text.
int compare_deb_versions(std::string_view a, std::string_view b);
/// The same in the order of `apk version -t`: digits, letter, suffixes `_alpha _beta _pre _rc` before, and
/// `_cvs _svn _git _hg _p` after, commit hash, `-rN`. Invalid versions sort before valid ones, bytewise.
int compare_apk_versions(std::string_view a, std::string_view b);
/// Returns true if `version` starts with `prefix` in whole components, as apk's `~` requires: `1.2` matches
/// 1.2, 1.2.3, 1.2-r1 and 1.2_rc1, but not 1.20.
bool apk_version_begins(std::string_view version, std::string_view prefix);
bool is_apk_version(std::string_view text);

}  // namespace minibuild::packages
