// `minibuild check`: a spec before it is built, or an image of any builder.
#include "minibuild/build/check.h"

#include <fmt/format.h>

#include "builder/cli/commands.h"
#include "builder/cli/progress.h"
#include "builder/cli/say.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/sarif.h"

namespace minibuild::cli {

using base::Code;

namespace {

trust::Level level_of(spec::Severity severity) {
  return severity == spec::Severity::error ? trust::Level::error : trust::Level::warning;
}

std::string sarif_of(const spec::Diagnostics& diagnostics, const std::string& file) {
  std::vector<trust::SarifRule> rules;
  std::vector<trust::SarifResult> results;
  for (const spec::Diagnostic& one : diagnostics) {
    const auto same = [&](const trust::SarifRule& rule) { return rule.id == one.rule; };
    if (!one.why.empty() && std::none_of(rules.begin(), rules.end(), same))
      rules.push_back({one.rule, "", one.why, one.fix, -1});
    results.push_back({one.rule, level_of(one.severity),
                       one.fix.empty() ? one.message : one.message + "; " + one.fix, file, one.position.line,
                       one.position.column, "", ""});
  }
  return trust::to_sarif(rules, results);
}

bool has_errors(const std::vector<trust::Violation>& violations) {
  return std::any_of(violations.begin(), violations.end(),
                     [](const trust::Violation& one) { return one.level == trust::Level::error; });
}

// What is known already stays known: with a policy that names this file only new findings are left to see.
void write_baseline(const std::string& path, const std::vector<trust::Violation>& violations,
                    trust::Baseline baseline) {
  if (path.empty()) return;
  for (const trust::Violation& one : violations)
    if (one.rule == "secret")
      baseline.entries.insert({one.rule, one.path.empty() ? "config" : one.path, one.id});
  base::write_file_atomic(path, trust::to_json(baseline));
  say("{}: {} finding{} written to {}\n", "baseline", baseline.entries.size(),
      baseline.entries.size() == 1 ? "" : "s", path);
}

int check_spec(const CheckArguments& arguments) {
  pipeline::Wish wish = plain_wish(arguments.spec.empty() ? "minibuild.yaml" : arguments.spec);
  wish.set = read_set(arguments.set);
  give_secrets(arguments.secrets, {}, wish);
  CommandEdges opened(arguments.cache_dir, make_silence(), {}, CacheUse::look);
  pipeline::CheckResult result = pipeline::check(wish, !arguments.write_baseline.empty(), opened.edges());
  spec::Diagnostics& diagnostics = result.diagnostics;
  const build::Checked& checked = result.checked;
  bool refused = false;
  if (!spec::has_errors(diagnostics)) {
    if (!spec::has_errors(checked.wrong))
      write_baseline(arguments.write_baseline, checked.violations, checked.baseline);
    refused = !spec::has_errors(checked.wrong) && has_errors(checked.violations);
    const spec::Diagnostics policy = arguments.format == "text"
                                         ? build::diagnostics_of(checked.violations, build::most_shown)
                                         : build::diagnostics_of(checked.violations);
    diagnostics.insert(diagnostics.end(), checked.wrong.begin(), checked.wrong.end());
    diagnostics.insert(diagnostics.end(), policy.begin(), policy.end());
    spec::sort(diagnostics);
  }
  const std::string& path = wish.spec;
  pipeline::refuse_secrets(wish, spec::render_json(diagnostics, path),
                           "what there is to say of the spec, by the name of a file");
  if (arguments.format == "json")
    print_result(spec::render_json(diagnostics, path));
  else if (arguments.format == "sarif")
    print_result(sarif_of(diagnostics, path));
  else if (!diagnostics.empty())
    say("{}", spec::render_text(diagnostics, path, result.source));
  else
    say("{}: no errors\n", path);
  if (refused) return static_cast<int>(Code::refused);
  return spec::has_errors(diagnostics) ? static_cast<int>(Code::usage) : 0;
}

int check_image(const CheckArguments& arguments) {
  if (!arguments.spec.empty())
    throw base::Error(Code::usage, "check looks at a spec or at an image, not at both; leave one out");
  const build::ImagePolicy policy = build::image_policy(arguments.policy);
  store::Cache cache(cache_directory(arguments.cache_dir));
  const oci::ImageLocation location = find_image(arguments.image);
  const store::ImageSet set = build::read_image(location, one_platform(arguments.platform), cache,
                                                make_registries(arguments.registry, {}));
  std::vector<oci::Reference> names;
  if (location.transport == oci::Transport::registry) names.push_back(oci::parse_reference(location.path));
  std::vector<trust::Violation> all;
  for (const store::Image& image : set.images)
    for (trust::Violation& one : build::check_image(image, names, policy, cache, processors())) {
      if (set.images.size() > 1) one.message = oci::to_string(image.config.platform) + ": " + one.message;
      all.push_back(std::move(one));
    }
  cache.save();
  write_baseline(arguments.write_baseline, all, policy.baseline);
  if (arguments.format == "json")
    print_result(trust::violations_json(all, arguments.image));
  else if (arguments.format == "sarif")
    print_result(trust::violations_sarif(all));
  else if (all.empty())
    say("{}: keeps the policy\n", arguments.image);
  else
    say("{}", trust::violations_text(all, arguments.image));
  return has_errors(all) ? static_cast<int>(Code::refused) : 0;
}

}  // namespace

int check(const CheckArguments& arguments) {
  if (arguments.image.empty() && !arguments.policy.empty())
    throw base::Error(Code::usage,
                      "--policy is for --image; a spec names its policy itself: policy: { file: team.yaml }");
  if (!arguments.image.empty()) return check_image(arguments);
  return check_spec(arguments);
}

}  // namespace minibuild::cli
