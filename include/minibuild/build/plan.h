// What a build would do, said before anything is done.
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
  std::vector<std::string> details;  // where from or to, with which mirror and credential
  bool work = false;                 // something is to be done: not in the cache, not in the lock
};
using Plan = std::vector<PlanStep>;

/// Looks at the spec, the lock file, the cache and the registries; runs, fetches and writes nothing. Tags
/// that are not locked are asked for; what cannot be known before something is fetched or run is said so.
/// Throws as the build would for a wrong spec or an image that is not there.
Plan make_plan(const project::Project& project, const Options& options,
               const std::vector<oci::ImageLocation>& destinations, store::Cache& cache);

/// For people: a line for each step, its details below it.
std::string to_text(const Plan& plan);
oci::Json to_json(const Plan& plan);

}  // namespace minibuild::build
