#include "minibuild/build/advisory_feeds.h"

#include <algorithm>

#include "builder/build/download.h"
#include "minibuild/base/error.h"

namespace minibuild::build {

namespace {

constexpr uint64_t max_feed = uint64_t{4} << 30;  // bytes; the largest that is published has a tenth

}  // namespace

FeedUpdate update_feeds(const std::vector<std::string>& urls, int64_t now, store::Cache& cache,
                        const Registries& registries) {
  const std::vector<trust::StoredFeed> before = trust::stored_feeds(cache);
  FeedUpdate update;
  for (const std::string& url : urls) {
    try {
      const Downloaded fetched = fetch_file(url, std::nullopt, cache, registries, max_feed);
      update.feeds.push_back(trust::store_feed(fetched.digest, url, now, cache));
    } catch (const base::Error& error) {
      update.failures.emplace_back(error.what());
      const auto old = std::find_if(before.begin(), before.end(),
                                    [&](const trust::StoredFeed& feed) { return feed.url == url; });
      if (old != before.end()) update.feeds.push_back(*old);
    }
  }
  if (!update.feeds.empty()) trust::keep_feeds(update.feeds, cache);
  return update;
}

}  // namespace minibuild::build
