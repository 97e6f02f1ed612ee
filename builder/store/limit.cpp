// A cache that stays below a size by itself. How much it holds is known from a note that every build brings
// up to date, so that a build which adds nothing looks at one small file.
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "builder/store/disk_usage.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/store/cache.h"

namespace minibuild::store {

namespace {

constexpr std::string_view use_magic = "minibuild cache use 1";
constexpr int64_t day = 86400;

int64_t now_s() { return static_cast<int64_t>(::time(nullptr)); }

}  // namespace

uint64_t default_cache_limit(const std::string& directory) {
  struct statvfs disk {};
  if (::statvfs(directory.c_str(), &disk) != 0 || disk.f_blocks == 0) return most_cached;
  return std::min<uint64_t>(most_cached, static_cast<uint64_t>(disk.f_blocks) * disk.f_frsize / 5);
}

CacheUse Cache::use() const {
  CacheUse use;
  std::vector<std::string> lines;
  try {
    const std::string path = directory_ + "/tables/use";
    if (!base::exists(path)) return use;
    lines = base::split(base::read_file(path, 4096), '\n');
  } catch (const base::Error&) {
    return use;
  }
  if (lines.size() < 5 || lines[0] != use_magic) return use;
  const auto number = [&](size_t line) { return base::parse_number(lines[line], INT64_MAX).value_or(0); };
  return {number(1), static_cast<int64_t>(number(2)), static_cast<int64_t>(number(3)), number(4)};
}

void Cache::note_use(const CacheUse& use) {
  const std::string path = directory_ + "/tables/use";
  base::clear_unless_file(path);
  base::AtomicFile file(path);
  file.write(
      fmt::format("{}\n{}\n{}\n{}\n{}\n", use_magic, use.used, use.measured, use.collected, use.freed));
  file.commit(false);
  written_ = 0;
  mounts_used_ = false;
}

uint64_t Cache::measure() const {
  uint64_t size = 0;
  for (const char* part : {"/blobs", "/results", "/tables", "/mounts"}) size += disk_usage(directory_ + part);
  return size;
}

std::optional<GcReport> Cache::keep_within(uint64_t limit, const RemoveTree& remove) {
  CacheUse now = use();
  // What stages wrote into directories that they keep is known only by looking.
  const bool look = now.measured == 0 || mounts_used_ || (written_ > 0 && now_s() - now.measured > day);
  if (!look && written_ == 0 && now.used <= limit) return std::nullopt;
  now.used += written_;
  if (look || now.used > limit) {
    now.used = measure();
    now.measured = now_s();
  }
  std::optional<GcReport> report;
  // A little more than has to go, so that the next build need not do it again.
  if (now.used > limit) report = collect_unless_used(limit - limit / 10, remove);
  if (report) {
    // What could not be removed this time is not tried at every build.
    now.used = std::min(report->kept, limit);
    now.collected = now_s();
    now.freed = report->freed;
  }
  note_use(now);
  return report && report->removed > 0 ? report : std::nullopt;
}

}  // namespace minibuild::store
