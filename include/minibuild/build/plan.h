// What a build would do, determined before anything is done.
#pragma once

#include <string>
#include <vector>

#include "minibuild/build/build.h"
#include "minibuild/oci/json.h"

namespace minibuild::build {

struct PlanStep {
  std::string kind;                  // resolve, fetch, stage, assemble, push or write
  std::string subject;               // an image, a URL, a stage, a platform, a destination
  std::string text;                  // what and why
  std::vector<std::string> details;  // source or destination, with the mirror and credential used
  bool work = false;                 // there is work to do: not in the cache, not in the lock
};
using Plan = std::vector<PlanStep>;

/// Examines the spec, the lock file, the cache and the registries; runs, fetches and writes nothing. Tags
/// that are not locked are looked up; anything that cannot be known before something is fetched or run is
/// marked as such. Throws as the build would for an invalid spec or a missing image.
Plan make_plan(const project::Project& project, const Options& options,
               const std::vector<oci::ImageLocation>& destinations, store::Cache& cache);

/// For display: one line per step, with its details below.
std::string to_text(const Plan& plan);
oci::Json to_json(const Plan& plan);

}  // namespace minibuild::build
