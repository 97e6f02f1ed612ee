// What an index, a package or an image's own database says about one package.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/packages/package_file.h"

namespace minibuild::packages {

struct Facts {
  std::string name;
  std::string version;
  std::string architecture;
  std::string source;           // name of the source package (apk: origin)
  std::string source_version;   // deb: set if it differs from `version`
  std::string filename;         // deb: relative to the repository URL; apk: to the index's directory
  uint64_t size = 0;            // of the file, in bytes
  uint64_t installed_size = 0;  // in bytes
  std::string sha256;           // of the file, hexadecimal; deb only
  std::string checksum;         // apk: `Q1…`
  std::string priority;         // deb
  bool essential = false;       // deb
  std::string multi_arch;       // deb: same, foreign, allowed
  int provider_priority = 0;    // apk
  /// One relation per entry (comma-separated in a deb, space-separated in an apk), alternatives not yet
  /// split.
  std::vector<std::string> depends;  // deb: Pre-Depends too
  std::vector<std::string> provides;
  std::vector<std::string> conflicts;  // deb: Conflicts and Breaks; apk: `!name` without the `!`
  std::vector<std::string> replaces;
  std::vector<std::string> install_if;  // apk
};

/// A paragraph of Packages, status or control (deb-control(5)); unknown fields are ignored.
Facts deb_facts(std::string_view paragraph);
/// A record of APKINDEX or lib/apk/db/installed (`P:`, `V:` …).
Facts apk_facts(std::string_view record);
/// The contents of a .PKGINFO.
Facts pkginfo_facts(std::string_view pkginfo);

/// Returns true for names that both formats allow: letters, digits, `+`, `-`, `.`, `_`, not starting with one
/// of `.+-`. Names become parts of paths.
bool is_package_name(std::string_view name);
/// Returns true if `version` contains only characters that versions may contain in either format.
bool is_plain_version(std::string_view version);

/// The value of a field of a paragraph, including continuation lines; empty if absent. Names are
/// case-insensitive.
std::string_view field_of(std::string_view paragraph, std::string_view name);

/// Calls `visit(paragraph, offset)` for each paragraph of a text; paragraphs are separated by empty lines.
template <typename Visit>
void for_each_paragraph(std::string_view text, Visit visit) {
  size_t at = 0;
  while (at < text.size()) {
    if (text[at] == '\n') {
      ++at;
      continue;
    }
    size_t end = text.find("\n\n", at);
    end = end == std::string_view::npos ? text.size() : end + 1;
    visit(text.substr(at, end - at), at);
    at = end;
  }
}

/// One dependency: `name`, optionally with a relation and a version.
struct Relation {
  std::string name;       // without an architecture qualifier
  std::string qualifier;  // deb: after `:`; `any`, `native`, an architecture
  std::string op;         // empty, `=`, `<`, `<=`, `>`, `>=`; apk also `~`
  std::string version;
  bool absent = false;  // apk: `!name`
};
/// `libc6 (>= 2.36)`, `python3:any`; deb-control(5), "Depends". `<<` and `>>` become `<` and `>`.
Relation deb_relation(std::string_view text);
/// `musl>=1.2`, `so:libz.so.1`, `!busybox`, `foo~1.2`, `foo=1.2`.
Relation apk_relation(std::string_view text);
/// The alternatives of one deb dependency, in order.
std::vector<Relation> deb_alternatives(std::string_view text);

/// Whether `a` may take over files of `b`: deb-control(5), "Replaces"; apk's `replaces`.
bool does_replace(const Facts& a, const Facts& b, Format format);

}  // namespace minibuild::packages
