// Retention policies: every error has a place inside the source; what a policy keeps of a repository is
// closed (nothing that stays needs what goes), and another run deletes nothing.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "minibuild/spec/retention.h"
#include "minibuild/trust/retention.h"

namespace {

using namespace minibuild;

constexpr int64_t now = 1'800'000'000;

// A repository out of the input's bytes: three for each manifest.
trust::Holdings holdings_of(std::string_view bytes) {
  static constexpr const char* tags[] = {"v1.0.0", "v1.2.0-rc.1", "latest",    "1.10.0",
                                         "pr-7",   "v2",          "nightly-12"};
  trust::Holdings holdings;
  holdings.repository = "team/app";
  std::vector<oci::Digest> all;
  for (size_t i = 0; i + 2 < bytes.size() && all.size() < 60; i += 3) {
    const auto kind = static_cast<uint8_t>(bytes[i]);
    const auto other = static_cast<uint8_t>(bytes[i + 1]);
    const auto age = static_cast<uint8_t>(bytes[i + 2]);
    const oci::Digest digest = oci::digest_of(std::to_string(i));
    trust::StoredManifest manifest;
    if (age != 0) manifest.pushed = age == 1 ? 0 : now - int64_t{age} * 86400;
    if (!all.empty()) {
      const oci::Digest& earlier = all[other % all.size()];
      if ((kind & 1U) != 0) manifest.children.push_back(earlier);
      if ((kind & 2U) != 0) manifest.subject = earlier;
      if ((kind & 4U) != 0)
        holdings.tags["sha256-" + oci::hex(earlier) + ((kind & 8U) != 0 ? ".sig" : "")] = digest;
    }
    if ((kind & 16U) != 0) holdings.tags[tags[other % std::size(tags)]] = digest;
    holdings.manifests[digest] = std::move(manifest);
    all.push_back(digest);
  }
  return holdings;
}

void check_plan(const trust::Holdings& holdings, const trust::RetentionPlan& plan) {
  std::set<oci::Digest> gone;
  for (const auto& group : plan.groups)
    for (const oci::Digest& digest : group)
      if (!gone.insert(digest).second) std::abort();
  for (const auto& [digest, manifest] : holdings.manifests) {
    if (gone.contains(digest)) continue;
    // A list whose subject went is only as whole as before.
    for (const oci::Digest& child : manifest.children)
      if (gone.contains(child)) std::abort();
  }
  for (const auto& [digest, manifest] : holdings.manifests)
    if (gone.contains(digest) && manifest.subject && holdings.manifests.contains(*manifest.subject) &&
        !gone.contains(*manifest.subject))
      std::abort();
  for (const trust::TagDecision& one : plan.tags)
    if (gone.contains(one.digest) != (one.fate == trust::Fate::remove || one.fate == trust::Fate::rewrite))
      std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = std::min(input.find('\0'), input.size());
  const std::string_view source = input.substr(0, zero);
  const spec::RetentionResult result = spec::parse_retention(source);
  for (const spec::Diagnostic& one : result.diagnostics)
    if (one.position.line < 1 || one.position.column < 1) std::abort();
  spec::render_text(result.diagnostics, "f.yaml", source);
  if (spec::has_errors(result.diagnostics)) return 0;
  trust::Holdings holdings = holdings_of(input.substr(std::min(zero + 1, input.size())));
  const trust::RetentionPlan plan = trust::plan_retention(result.retention, holdings, now);
  check_plan(holdings, plan);
  return 0;
}
