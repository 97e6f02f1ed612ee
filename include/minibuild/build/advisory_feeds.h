// Distributions' vulnerability data, fetched and kept in the cache.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minibuild/build/images.h"
#include "minibuild/trust/advisories.h"

namespace minibuild::build {

struct FeedUpdate {
  std::vector<trust::StoredFeed> feeds;  // in URL order; if one is unavailable, its previous state
  std::vector<std::string> failures;     // one message each
};

/// Fetches and parses each URL (`https:`, `http:`, `file:`), and replaces the list of feeds in the cache.
/// `now` is recorded as the date of what was fetched. A feed that cannot be fetched or read keeps its
/// previous state.
FeedUpdate update_feeds(const std::vector<std::string>& urls, int64_t now, store::Cache& cache,
                        const Registries& registries);

}  // namespace minibuild::build
