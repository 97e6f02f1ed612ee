// Which Debian release a version belongs to: backports and packages from other releases are built from those
// releases' sources, and contain their fixes.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace minibuild::trust {

/// The release and those after it as ecosystems, `Debian:sid` last; only `ecosystem` if it is not a release.
std::vector<std::string> debian_releases_from(const std::string& ecosystem);

/// The version that a backport was built from: `6.12.90-2` for `6.12.90-2~bpo12+1`; others are returned
/// unchanged.
std::string without_backport(std::string_view version);

/// The ecosystem, one of `releases`, by which to judge a version in an image of the first of them. `newest`
/// has the newest version of the package in each release that contains it. A suffix decides (`~bpo12`: the
/// release after 12; `+deb12u3`: 12); otherwise it is the first release whose newest version is not lower, or
/// an earlier one if the version looks like an update of it that the data do not include yet.
std::string debian_line(std::string_view version, const std::vector<std::string>& releases,
                        const std::map<std::string, std::string>& newest);

}  // namespace minibuild::trust
