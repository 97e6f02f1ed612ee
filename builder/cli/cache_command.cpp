// `minibuild cache ls` and `minibuild cache gc`.
#include <fmt/format.h>

#include "builder/cli/commands.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/store/cache.h"

namespace minibuild::cli {

int cache_list(const CacheArguments& arguments) {
  const store::Cache cache(cache_directory(arguments.cache_dir));
  uint64_t total = 0;
  std::string text = fmt::format("{:<8} {:>10}  {:<20}  {}\n", "KIND", "SIZE", "LAST USED", "NAME");
  for (const store::CacheEntry& entry : cache.list()) {
    text += fmt::format("{:<8} {:>10}  {:<20}  {}\n", entry.kind, base::human_size(entry.size),
                        base::format_time(entry.last_used), entry.name.substr(0, 16));
    total += entry.size;
  }
  text += fmt::format("{:<8} {:>10}  in {}\n", "total", base::human_size(total), cache.directory());
  print_result(text);
  return 0;
}

int cache_collect(const CacheArguments& arguments) {
  const auto size = base::parse_size(arguments.max_size);
  if (!size)
    throw base::Error(base::Code::usage, fmt::format("got --max-size {}, want a size such as 500MB or 10GB",
                                                     arguments.max_size));
  store::Cache cache(cache_directory(arguments.cache_dir));
  const store::GcReport report = cache.collect(*size);
  say("removed {} files, {} freed, {} kept in {}\n", report.removed, base::human_size(report.freed),
      base::human_size(report.kept), cache.directory());
  return 0;
}

}  // namespace minibuild::cli
