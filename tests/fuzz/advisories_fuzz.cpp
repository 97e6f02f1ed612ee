// Advisories and VEX: whatever is read can be kept, found again as the same value, and compared with
// packages.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/trust/scan.h"

namespace {

using namespace minibuild;

void read_advisories(std::string_view text) {
  std::vector<trust::Advisory> list;
  try {
    base::MemorySource source(text);
    trust::read_advisory_document(source, "input", [&](trust::Advisory&& one) {
      if (list.size() < 200) list.push_back(std::move(one));
    });
  } catch (const base::Error&) {  // what came before is judged all the same
  }
  if (list.empty()) return;
  const trust::Advisories kept(list);
  for (const trust::Advisory& one : list) {
    const std::vector<trust::Advisory> found = kept.find(one.ecosystem, one.package);
    if (std::find(found.begin(), found.end(), one) == found.end()) std::abort();
    (void)trust::is_affected(one, "1.2-r3", packages::Format::apk);
  }
  trust::ScanReport report;
  report.inventory.os = {"debian", "12", "", "Debian"};
  const trust::Advisory& first = list.front();
  report.inventory.packages = {
      {packages::Format::deb, first.package, "1:1.2-3", "amd64", first.package, "1:1.2-3"}};
  if (!trust::nothing_to_say(report.inventory, kept).empty()) return;
  report.found = trust::scan(report.inventory, kept);
  (void)trust::to_table(report, true);
  (void)trust::to_json(report);
  (void)trust::to_sarif(report);
}

void read_vex(std::string_view text) {
  std::vector<trust::VexStatement> statements;
  try {
    statements = trust::parse_vex(text, "input");
  } catch (const base::Error&) {
    return;
  }
  trust::Vulnerability one;
  one.id = "CVE-2024-1";
  one.package = {packages::Format::deb, "a", "1", "amd64", "a", "1"};
  std::vector<trust::Vulnerability> found = {one};
  (void)trust::suppress(found, statements, {{"sha256:00"}, {"registry.example.com/a:1"}, "amd64"},
                        {"debian", "12", "", ""});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_advisories(text);
  read_vex(text);
  (void)trust::cvss3_base_score(text);
  (void)trust::package_url_matches(text, "pkg:deb/debian/a@1?arch=amd64");
  return 0;
}
