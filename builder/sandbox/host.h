// Paths of the host, without leading `/`, that a stage on `base: host` sees read-only.
#pragma once

#include <string>
#include <vector>

namespace minibuild::sandbox {

/// Whole directories.
const std::vector<std::string>& host_directories();
/// Top-level links such as /bin → usr/bin; directories on systems without a merged /usr.
const std::vector<std::string>& host_links();
/// Parts of /etc.
const std::vector<std::string>& host_settings();

}  // namespace minibuild::sandbox
