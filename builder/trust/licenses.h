// What package databases say of licenses, as SPDX license expressions (SPDX 2.3, annex D).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "minibuild/trust/components.h"

namespace minibuild::trust {

/// The identifier as SPDX writes it, or empty if the list does not have it. Case does not matter.
std::string spdx_license(std::string_view id);
std::string spdx_exception(std::string_view id);

/// An apk's `L:`: the parts of an SPDX expression that are joined by AND. A name that SPDX does not have
/// becomes a LicenseRef; what is no expression is one name as a whole. Nothing for an empty text.
std::vector<License> expression_licenses(std::string_view text);

/// The licenses that the machine-readable copyright file of a Debian package names (copyright-format 1.0):
/// those of its header and its Files paragraphs, each once, sorted. Nothing if it has another form.
std::vector<License> copyright_licenses(std::string_view text);

}  // namespace minibuild::trust
