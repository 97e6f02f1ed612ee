// Which of Debian's releases a version belongs to: backports and packages of other releases are made of their
// sources, and have their fixes.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace minibuild::trust {

/// The release and those after it as ecosystems, `Debian:sid` last; `ecosystem` alone if it is no release.
std::vector<std::string> debian_releases_from(const std::string& ecosystem);

/// The version that a backport was made of: `6.12.90-2` of `6.12.90-2~bpo12+1`; others as they are.
std::string without_backport(std::string_view version);

/// The ecosystem, one of `releases`, by which a version in an image of the first of them is to be judged.
/// `newest` has the newest version of the package in each release that has it. A suffix says it (`~bpo12`:
/// the release after 12; `+deb12u3`: 12); else it is the first release whose newest version is not below, or
/// one before that of which this looks like an update that the data do not have yet.
std::string debian_line(std::string_view version, const std::vector<std::string>& releases,
                        const std::map<std::string, std::string>& newest);

}  // namespace minibuild::trust
