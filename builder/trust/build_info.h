// What toolchains embed in programs. All of it comes from the image and may contain anything.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "minibuild/trust/components.h"

namespace minibuild::trust {

/// Largest section that is read, in bytes.
inline constexpr size_t max_build_section = size_t{4} << 20;

/// The content of `.go.buildinfo` as Go 1.18 and later write it (debug/buildinfo): strings in the section
/// itself. std::nullopt for anything else.
std::optional<ProgramBuild> parse_go_build(std::string_view section);

/// The content of `.dep-v0` (cargo-auditable): zlib, then JSON; crates that are needed only for building are
/// omitted. std::nullopt for anything else.
std::optional<ProgramBuild> parse_rust_build(std::string_view section);

/// The hexadecimal build id in a `.note.gnu.build-id`; empty if there is none.
std::string parse_build_id(std::string_view section, bool little_endian);

/// The JSON in a `.note.package` (owner FDO, type 0xcafe1a7e). std::nullopt if it names no package.
std::optional<PackageNote> parse_package_note(std::string_view section, bool little_endian);

/// Go's name in package URLs for a version that `go version` prints: `1.22.1` for `go1.22.1 X:nocoverage`.
std::string stdlib_version(std::string_view toolchain);

}  // namespace minibuild::trust
