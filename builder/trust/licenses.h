// Converts the license fields of package databases to SPDX license expressions (SPDX 2.3, annex D).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "minibuild/trust/components.h"

namespace minibuild::trust {

/// The identifier as SPDX spells it, or empty if it is not in the list. Case-insensitive.
std::string spdx_license(std::string_view id);
std::string spdx_exception(std::string_view id);

/// An apk's `L:`: the operands of an SPDX expression joined by AND. A name that SPDX does not know becomes a
/// LicenseRef; a text that is not an expression is treated as one name. Empty for an empty text.
std::vector<License> expression_licenses(std::string_view text);

/// The licenses in the machine-readable copyright file of a Debian package (copyright-format 1.0): those of
/// its header and its Files paragraphs, sorted and unique. Empty if it has another form.
std::vector<License> copyright_licenses(std::string_view text);

}  // namespace minibuild::trust
