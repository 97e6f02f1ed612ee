// `minibuild scan`: known vulnerabilities of an image's packages.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "builder/cli/commands.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/build/advisory_feeds.h"
#include "minibuild/trust/scan.h"

namespace minibuild::cli {

using base::Code;

namespace {

void warn(const std::string& text) { say("minibuild: warning: {}\n", text); }

std::vector<std::string> feed_urls(const std::vector<std::string>& flag, int64_t now) {
  if (!flag.empty()) return flag;
  std::vector<std::string> urls;
  if (const char* list = std::getenv("MINIBUILD_ADVISORY_FEEDS"))
    for (std::string& url : base::split(list, ' '))
      if (!url.empty()) urls.push_back(std::move(url));
  return urls.empty() ? trust::default_feeds(now) : urls;
}

// Why feeds could not be had.
std::vector<std::string> update(const ScanArguments& arguments, int64_t now, store::Cache& cache,
                                const build::Registries& registries) {
  std::vector<std::string> urls;
  for (std::string& url : feed_urls(arguments.from, now))
    if (std::find(urls.begin(), urls.end(), url) == urls.end()) urls.push_back(std::move(url));
  for (const std::string& url : urls) {
    const size_t begin = url.find("://");
    if (begin == std::string::npos)
      throw base::Error(Code::usage, fmt::format("got --from {}, want a URL such as https://… or file:///…",
                                                 base::printable(url)));
    if (url.substr(0, url.find('/', begin + 3)).find('@') != std::string::npos)
      throw base::Error(Code::usage,
                        "a URL of a feed has a user or a password in it, which would stand in every report; "
                        "credentials belong in the files of --authfile");
  }
  const build::FeedUpdate done = build::update_feeds(urls, now, cache, registries);
  for (const std::string& failure : done.failures) warn(failure);
  const trust::Advisories advisories = trust::open_feeds(done.feeds, cache);
  for (const trust::FeedFacts& facts : advisories.feeds())
    say("{}: {} about {}\n", base::printable(facts.source), facts.records, base::printable(facts.ecosystem));
  return done.failures;
}

trust::Advisories advisories_of(const ScanArguments& arguments, store::Cache& cache) {
  trust::Advisories advisories;
  if (arguments.databases.empty()) {
    advisories = trust::open_feeds(trust::stored_feeds(cache), cache);
    if (advisories.empty())
      throw base::Error(Code::failed,
                        "there are no advisories to compare with: name files with --db, or fetch them with "
                        "'minibuild scan --update'");
  }
  for (const std::string& path : arguments.databases) trust::add_advisories(advisories, path, cache);
  return advisories;
}

// The image of an index that people mean: this machine's, else the first.
const store::Image& chosen_of(const store::ImageSet& set, bool named) {
  const store::Image* mine = named ? nullptr : store::image_for(set, oci::host_platform());
  return mine != nullptr ? *mine : set.images.front();
}

std::string annotation(const store::Image& image, const char* name) {
  if (const auto found = image.manifest.annotations.find(name); found != image.manifest.annotations.end())
    return found->second;
  const auto label = image.config.labels.find(name);
  return label == image.config.labels.end() ? "" : label->second;
}

std::string database_of(const tree::FileTree& tree, packages::Format format) {
  if (format == packages::Format::apk) {
    const char* old = "lib/apk/db/installed";
    return tree.find(old) != nullptr || tree.find("usr/lib/apk/db/installed") == nullptr
               ? old
               : "usr/lib/apk/db/installed";
  }
  return tree.find("var/lib/dpkg/status") != nullptr ? "var/lib/dpkg/status" : "var/lib/dpkg/status.d";
}

trust::Severity threshold_of(const std::string& word) {
  return word == "any" ? trust::Severity::unknown : trust::parse_severity(word);
}

void keep_fixed(trust::ScanReport& report) {
  const size_t all = report.found.size();
  std::erase_if(report.found, [](const trust::Vulnerability& one) { return one.fixed_version.empty(); });
  report.not_fixed = all - report.found.size();
}

trust::ScanReport report_on(const ScanArguments& arguments, const oci::ImageLocation& location,
                            const store::ImageSet& set, const trust::Advisories& advisories,
                            const std::vector<trust::VexStatement>& vex, int64_t now, store::Cache& cache) {
  const store::Image& image = chosen_of(set, !arguments.platform.empty());
  const tree::FileTree tree = store::image_tree(image, cache, oci::to_string(location));
  trust::ScanReport report;
  report.now = now;
  report.image = oci::to_string(location);
  report.digest = oci::to_string(image.descriptor.digest);
  report.platform = oci::to_string(image.config.platform);
  if (base::parse_time(image.config.created).value_or(0) > 0) report.created = image.config.created;
  report.base_name = annotation(image, "org.opencontainers.image.base.name");
  report.base_digest = annotation(image, "org.opencontainers.image.base.digest");
  report.inventory = trust::inventory(tree);
  try {
    report.found = trust::scan(report.inventory, advisories);
  } catch (const base::Error& error) {
    throw base::Error(error.code(), fmt::format("cannot scan {}: {}", report.image, error.what()));
  }
  const std::vector<std::string> ecosystems = trust::ecosystems_of(report.inventory.os);
  for (const trust::FeedFacts& feed : advisories.feeds())
    if (std::find(ecosystems.begin(), ecosystems.end(), feed.ecosystem) != ecosystems.end())
      report.feeds.push_back(feed);
  report.undetermined = trust::undetermined(report.inventory, advisories);
  report.doubts = trust::doubts(report.inventory, advisories, now, int64_t{86400} * arguments.max_age_days);
  for (const packages::Format format : {packages::Format::deb, packages::Format::apk})
    report.databases[format] = database_of(tree, format);
  trust::ImageNames names;
  names.digests = {report.digest};
  if (set.index) names.digests.push_back(oci::to_string(set.index->digest));
  if (location.transport == oci::Transport::registry) names.references.push_back(location.path);
  names.architecture = image.config.platform.architecture;
  report.suppressed = trust::suppress(report.found, vex, names, report.inventory.os);
  for (const trust::Suppressed& one : report.suppressed)
    if (one.statement.status == "not_affected" && one.statement.justification.empty() &&
        one.statement.impact.empty())
      report.doubts.push_back(
          fmt::format("{} says that {} does not affect {}, and not why: OpenVEX wants a justification",
                      base::printable(one.statement.source), base::printable(one.vulnerability.id),
                      base::printable(one.vulnerability.package.name)));
  if (arguments.only_fixed) keep_fixed(report);
  return report;
}

std::string text_of(const trust::ScanReport& report, const std::string& format) {
  if (format == "json") return trust::to_json(report);
  if (format == "sarif") return trust::to_sarif(report);
  return trust::to_table(report, ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr);
}

}  // namespace

int scan(const ScanArguments& arguments) {
  if (arguments.image.empty() && !arguments.update)
    throw base::Error(Code::usage,
                      "say which image, such as: minibuild scan oci:hello.oci:1.0 --db debian.json");
  if (!arguments.from.empty() && !arguments.update)
    throw base::Error(Code::usage, "--from names feeds for --update; for files there is --db");
  const std::optional<oci::Platform> platform = one_platform(arguments.platform);
  const int64_t now = std::time(nullptr);
  store::Cache cache(cache_directory(arguments.cache_dir));
  const CacheLimit limit(cache, {});
  const build::Registries registries = make_registries(arguments.registry, note_on_stderr);
  std::vector<std::string> failures;
  if (arguments.update) {
    failures = update(arguments, now, cache, registries);
    cache.save();
    if (arguments.image.empty()) return failures.empty() ? 0 : static_cast<int>(Code::failed);
  }
  std::vector<trust::VexStatement> vex;
  for (const std::string& path : arguments.vex)
    for (trust::VexStatement& one : trust::parse_vex(base::read_file(path, oci::max_json_size), path))
      vex.push_back(std::move(one));
  const oci::ImageLocation location = find_image(arguments.image);
  const trust::Advisories advisories = advisories_of(arguments, cache);
  const store::ImageSet set = build::read_image(location, platform, cache, registries);
  trust::ScanReport report = report_on(arguments, location, set, advisories, vex, now, cache);
  cache.save();
  for (const std::string& doubt : report.doubts) warn(doubt);
  report.doubts.insert(report.doubts.end(), failures.begin(), failures.end());  // told already
  print_result(text_of(report, arguments.format));
  const int status = failures.empty() ? 0 : static_cast<int>(Code::failed);
  if (arguments.fail_on.empty()) return status;
  const size_t bad = trust::at_least(report.found, threshold_of(arguments.fail_on)).size();
  if (bad > 0)
    throw base::Error(
        Code::refused,
        fmt::format("{}{} (--fail-on {})",
                    bad == 1 ? "1 vulnerability is" : fmt::format("{} vulnerabilities are", bad),
                    arguments.fail_on == "any" ? " found"
                                               : fmt::format(" of severity {} or worse", arguments.fail_on),
                    arguments.fail_on));
  return status;
}

}  // namespace minibuild::cli
