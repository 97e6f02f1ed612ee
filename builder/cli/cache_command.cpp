// `minibuild cache ls` and `minibuild cache gc`.
#include <fmt/format.h>

#include <cstdlib>

#include "builder/cli/commands.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/build/build.h"
#include "minibuild/build/kept.h"
#include "minibuild/store/cache.h"

namespace minibuild::cli {

std::string& cache_limit_flag() {
  static std::string text;
  return text;
}

uint64_t cache_limit(const std::string& directory) {
  const char* variable = std::getenv("MINIBUILD_CACHE_LIMIT");
  const bool has_flag = !cache_limit_flag().empty();
  const std::string text = has_flag ? cache_limit_flag() : variable == nullptr ? "" : variable;
  if (text.empty()) return store::default_cache_limit(directory);
  if (text == "none") return UINT64_MAX;
  const auto size = base::parse_size(text);
  if (!size)
    throw base::Error(base::Code::usage, fmt::format("got {}{}, want a size such as 500MB or 10GB, or none",
                                                     has_flag ? "--cache-limit " : "MINIBUILD_CACHE_LIMIT=",
                                                     base::printable(text)));
  return *size;
}

CacheLimit::CacheLimit(store::Cache& cache, std::function<void(const std::string& text)> tell)
    : cache_(cache), tell_(std::move(tell)), limit_(cache_limit(cache.directory())) {}

CacheLimit::~CacheLimit() {
  if (interrupted) return;
  try {
    const auto report = cache_.keep_within(
        limit_, [&](const std::string& path) { build::remove_kept(path, cache_, build::Options().helper); });
    if (report && tell_)
      tell_(fmt::format("{} freed of what was not used for longest; its limit is {}",
                        base::human_size(report->freed), base::human_size(limit_)));
  } catch (const base::Error& error) {
    if (tell_) tell_(fmt::format("warning: {}", error.what()));
  }
}

int cache_list(const CacheArguments& arguments) {
  const store::Cache cache(cache_directory(arguments.cache_dir));
  uint64_t total = 0;
  std::string text = fmt::format("{:<8} {:>10}  {:<20}  {}\n", "KIND", "SIZE", "LAST USED", "NAME");
  for (const store::CacheEntry& entry : cache.list()) {
    text += fmt::format("{:<8} {:>10}  {:<20}  {}\n", entry.kind, base::human_size(entry.size),
                        base::format_time(entry.last_used), entry.name.substr(0, 16));
    total += entry.size;
  }
  const store::CacheUse use = cache.use();
  const uint64_t limit = cache_limit(cache.directory());
  text += fmt::format("{:<8} {:>10}  in {}\n", "total", base::human_size(total), cache.directory());
  text +=
      fmt::format("{:<8} {:>10}  {}\n", "limit", limit == UINT64_MAX ? "none" : base::human_size(limit),
                  use.collected == 0 ? "nothing was collected yet"
                                     : fmt::format("collected {}, {} freed", base::format_time(use.collected),
                                                   base::human_size(use.freed)));
  print_result(text);
  return 0;
}

int cache_collect(const CacheArguments& arguments) {
  const auto size = base::parse_size(arguments.max_size);
  if (!size && !arguments.max_size.empty())
    throw base::Error(base::Code::usage, fmt::format("got --max-size {}, want a size such as 500MB or 10GB",
                                                     arguments.max_size));
  store::Cache cache(cache_directory(arguments.cache_dir));
  const store::GcReport report = cache.collect(
      size ? *size : cache_limit(cache.directory()),
      [&](const std::string& path) { build::remove_kept(path, cache, build::Options().helper); });
  say("removed {} files, {} freed, {} kept in {}\n", report.removed, base::human_size(report.freed),
      base::human_size(report.kept), cache.directory());
  return 0;
}

}  // namespace minibuild::cli
