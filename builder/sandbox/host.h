// Paths of the host, without leading `/`, that a stage on `base: host` sees read-only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace minibuild::sandbox {

/// Whole directories.
const std::vector<std::string>& host_directories();
/// Top-level links such as /bin → usr/bin; directories on systems without a merged /usr.
const std::vector<std::string>& host_links();
/// Parts of /etc.
const std::vector<std::string>& host_settings();

/// True if the path, without leading `/`, is one of these, or below one, or leads to one.
bool may_show_host_path(std::string_view path);

}  // namespace minibuild::sandbox
