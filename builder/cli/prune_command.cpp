// `minibuild prune`: what of a repository stays and what goes, and with --yes its deletion.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "builder/cli/commands.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/build/prune.h"
#include "minibuild/oci/json.h"

namespace minibuild::cli {

namespace {

using base::Code;
using base::Error;
using trust::Fate;

spec::Retention read_policy(const std::string& path) {
  std::string source;
  try {
    if (base::is_directory(path))
      base::fail("cannot open {}: it is a directory; name the policy in it", path);
    source = base::read_file(path, size_t{4} << 20);
  } catch (const Error& error) {
    throw Error(Code::usage, error.what());
  }
  spec::RetentionResult result = spec::parse_retention(source);
  if (spec::has_errors(result.diagnostics)) {
    std::string text = spec::render_text(result.diagnostics, path, source);
    if (text.ends_with('\n')) text.pop_back();
    throw Error(Code::usage, text);
  }
  return std::move(result.retention);
}

std::string_view word_of(Fate fate) {
  switch (fate) {
    case Fate::keep:
      return "keep";
    case Fate::remove:
      return "delete";
    case Fate::untag:
      return "untag";
    case Fate::rewrite:
      return "shorten";
  }
  return "";
}

std::string counted(size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

struct Numbers {
  size_t deleted = 0;  // manifests
  size_t kept = 0;
  size_t deleted_tags = 0;
  size_t kept_tags = 0;
  size_t untagged = 0;
};

Numbers numbers_of(const trust::RetentionPlan& plan) {
  Numbers numbers;
  for (const trust::ManifestDecision& one : plan.manifests) ++(one.keep ? numbers.kept : numbers.deleted);
  for (const trust::TagDecision& one : plan.tags)
    ++(one.fate == Fate::remove  ? numbers.deleted_tags
       : one.fate == Fate::untag ? numbers.untagged
                                 : numbers.kept_tags);
  return numbers;
}

std::string age_of(const trust::Holdings& holdings, const oci::Digest& digest, int64_t now) {
  const auto it = holdings.manifests.find(digest);
  if (it == holdings.manifests.end() || !it->second.pushed) return "?";
  return trust::age_text(now - *it->second.pushed);
}

uint64_t size_of(const trust::Holdings& holdings, const oci::Digest& digest) {
  const auto it = holdings.manifests.find(digest);
  if (it == holdings.manifests.end()) return 0;
  uint64_t size = it->second.size;
  for (const oci::Digest& child : it->second.children)
    if (const auto part = holdings.manifests.find(child);
        part != holdings.manifests.end() && size <= UINT64_MAX - part->second.size)
      size += part->second.size;
  return size;
}

std::string table_of(const trust::Holdings& holdings, const trust::RetentionPlan& plan, int64_t now) {
  std::vector<std::array<std::string, 6>> rows{{"TAG", "DIGEST", "SIZE", "AGE", "DECISION", "WHY"}};
  const auto add = [&](const std::string& tag, const oci::Digest& digest, std::string_view decision,
                       const std::string& why) {
    rows.push_back({tag, oci::hex(digest).substr(0, 12), base::human_size(size_of(holdings, digest)),
                    age_of(holdings, digest, now), std::string(decision), why});
  };
  std::set<oci::Digest> tagged;
  for (const trust::TagDecision& one : plan.tags) {
    tagged.insert(one.digest);
    // Long tags made of digests would push everything else out of sight.
    std::string tag = base::printable(one.tag);
    if (trust::derived_tag(one.tag)) tag = tag.substr(0, 19) + "…" + tag.substr(71);
    add(tag, one.digest, word_of(one.fate), one.why);
  }
  for (const trust::ManifestDecision& one : plan.manifests)
    if (!tagged.contains(one.digest)) add("-", one.digest, one.keep ? "keep" : "delete", one.why);
  std::array<size_t, 6> widths{};
  const auto width_of = [](const std::string& text) {
    return static_cast<size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0U) != 0x80; }));
  };
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i + 1 < row.size(); ++i) {
      const std::string space(widths[i] - width_of(row[i]), ' ');
      const bool right = i == 2;
      text += (right ? space + row[i] : row[i] + space) + "  ";
    }
    text += row.back() + "\n";
  }
  return text;
}

oci::Json json_of(const std::string& name, const trust::Holdings& holdings,
                  const trust::RetentionPlan& plan) {
  oci::Json json = {{"repository", name}, {"tags", oci::Json::array()}, {"manifests", oci::Json::array()}};
  for (const trust::TagDecision& one : plan.tags)
    json["tags"].push_back({{"tag", one.tag},
                            {"digest", oci::to_string(one.digest)},
                            {"decision", word_of(one.fate)},
                            {"why", one.why}});
  const auto time = [](const std::optional<int64_t>& seconds) {
    return seconds ? oci::Json(base::format_time(*seconds)) : oci::Json();
  };
  for (const trust::ManifestDecision& one : plan.manifests) {
    const trust::StoredManifest& manifest = holdings.manifests.at(one.digest);
    json["manifests"].push_back({{"digest", oci::to_string(one.digest)},
                                 {"mediaType", manifest.media_type},
                                 {"size", size_of(holdings, one.digest)},
                                 {"pushed", time(manifest.pushed)},
                                 {"created", time(manifest.created)},
                                 {"decision", one.keep ? "keep" : "delete"},
                                 {"why", one.why}});
  }
  json["deletions"] = oci::Json::array();
  for (const std::vector<oci::Digest>& group : plan.groups)
    for (const oci::Digest& digest : group) json["deletions"].push_back(oci::to_string(digest));
  json["notes"] = plan.notes;
  return json;
}

std::optional<uint64_t> read_limit(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const auto number = base::parse_number(*text);
  if (!number)
    throw Error(Code::usage, fmt::format("got --max-deletions '{}', want a number", base::printable(*text)));
  return number;
}

}  // namespace

int prune(const PruneArguments& arguments) {
  const std::optional<uint64_t> limit = read_limit(arguments.max_deletions);
  const spec::Retention policy = read_policy(arguments.policy);
  const oci::ImageLocation location = find_image(arguments.repository);
  const build::Registries registries = make_registries(arguments.registry, {});
  const auto target = build::open_prune_target(location, policy, registries, arguments.ignore_missing);
  const auto now = static_cast<int64_t>(std::time(nullptr));
  const trust::Holdings holdings = target->read();
  const trust::RetentionPlan plan = trust::plan_retention(policy, holdings, now);
  const std::string name = oci::to_string(location);
  const auto print_plan = [&](bool done, const build::PruneResult& result) {
    if (arguments.format == "json") {
      oci::Json json = json_of(name, holdings, plan);
      json["dryRun"] = !done;
      if (done)
        json["deleted"] = {{"manifests", result.manifests},
                           {"tags", result.tags},
                           {"blobs", result.blobs},
                           {"bytes", result.freed},
                           {"remarks", result.remarks}};
      print_result(json.dump(2, ' ', false, oci::Json::error_handler_t::replace) + "\n");
    } else {
      print_result(table_of(holdings, plan, now));
    }
  };
  for (const std::string& note : plan.notes) say("note: {}\n", note);
  const Numbers numbers = numbers_of(plan);
  const std::string also =
      numbers.untagged == 0 ? ""
                            : fmt::format(", take {} off images that stay", counted(numbers.untagged, "tag"));
  const std::string outlook = fmt::format(
      "would delete {} ({}){}, keep {} ({})", counted(numbers.deleted, "manifest"),
      counted(numbers.deleted_tags, "tag"), also, numbers.kept, counted(numbers.kept_tags, "tag"));
  const auto allowed = [&] { build::check_prune(plan, name, limit ? limit : policy.max_deletions); };
  if (!arguments.yes) {
    print_plan(false, {});
    allowed();
    say("{}: {}{}\n", name, outlook,
        numbers.deleted + numbers.untagged > 0 ? "; nothing is done without --yes" : "");
    return 0;
  }
  try {
    allowed();
  } catch (const Error&) {
    if (arguments.format == "json") print_plan(false, {});  // what it would have been
    throw;
  }
  const build::PruneResult result =
      target->remove(policy, plan, now, [](const std::string& text) { say("{}\n", text); });
  print_plan(true, result);
  for (const std::string& remark : result.remarks) say("note: {}\n", remark);
  std::string freed;
  if (result.blobs > 0)
    freed = fmt::format(", {} removed ({})", counted(result.blobs, "blob"), base::human_size(result.freed));
  say("{}: deleted {} ({}){}, kept {}\n", name, counted(result.manifests, "manifest"),
      counted(result.tags, "tag"), freed, result.kept);
  return 0;
}

}  // namespace minibuild::cli
