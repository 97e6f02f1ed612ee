// What files take on disk, which is less than their size where they have holes.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace minibuild::store {

inline uint64_t disk_usage(const struct stat& st) { return static_cast<uint64_t>(st.st_blocks) * 512; }
/// Of a directory and all below it; what may not be read counts as nothing.
uint64_t disk_usage(const std::string& directory);

}  // namespace minibuild::store
