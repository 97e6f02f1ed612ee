// The documents of distributions about vulnerabilities, fetched and kept in the cache.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minibuild/build/images.h"
#include "minibuild/trust/advisories.h"

namespace minibuild::build {

struct FeedUpdate {
  std::vector<trust::StoredFeed>
      feeds;  // in the order of the URLs; where one could not be had, what was there before
  std::vector<std::string> failures;  // a message each
};

/// Fetches and parses each URL (`https:`, `http:`, `file:`), and replaces the list of feeds in the cache.
/// `now` is noted as the date of what was fetched. A feed that cannot be fetched or read stays as it was.
FeedUpdate update_feeds(const std::vector<std::string>& urls, int64_t now, store::Cache& cache,
                        const Registries& registries);

}  // namespace minibuild::build
