// What each command does, once its arguments are parsed.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "builder/cli/registries.h"
#include "minibuild/oci/platform.h"
#include "minibuild/oci/reference.h"
#include "minibuild/pipeline/pipeline.h"

namespace minibuild::cli {

/// Set by SIGINT and SIGTERM.
extern std::atomic<bool> interrupted;

struct BuildArguments {
  std::string spec = "minibuild.yaml";
  std::vector<std::string> outputs;
  std::vector<std::string> platforms;
  std::vector<std::string> set;
  std::vector<std::string> secrets;
  std::string stage;
  std::string metadata_file;
  std::string progress = "auto";
  std::string cache_dir;
  int jobs = 0;
  bool no_cache = false;
  bool locked = false;
  std::string sign_key;
  bool provenance = false;
  bool preserve_special = false;
  RegistryArguments registry;
};
int build(const BuildArguments& arguments);

struct CheckArguments {
  std::string spec;
  std::vector<std::string> set;
  std::vector<std::string> secrets;
  std::string format = "text";
  std::string image;
  std::string platform;
  std::string policy;
  std::string write_baseline;
  std::string cache_dir;
  RegistryArguments registry;
};
int check(const CheckArguments& arguments);

struct InspectArguments {
  std::string image;
  std::string platform;
  std::string cache_dir;
  bool json = false;
  bool files = false;
  RegistryArguments registry;
};
int inspect(const InspectArguments& arguments);

struct DiffArguments {
  std::string before;
  std::string after;
  std::string platform;
  std::string cache_dir;
  bool json = false;
  RegistryArguments registry;
};
int diff(const DiffArguments& arguments);

struct WhyArguments {
  std::string image;
  std::string path;
  std::string platform;
  std::string cache_dir;
  RegistryArguments registry;
};
int why(const WhyArguments& arguments);

struct ReproduceArguments {
  std::string spec;
  std::string image;
  bool reuse_stages = false;
  std::vector<std::string> set;
  std::vector<std::string> secrets;
  std::string progress = "auto";
  std::string cache_dir;
  RegistryArguments registry;
};
int reproduce(const ReproduceArguments& arguments);

struct RebaseArguments {
  std::string image;
  std::string onto;
  std::string output;
  std::string cache_dir;
  RegistryArguments registry;
};
int rebase(const RebaseArguments& arguments);

struct SignArguments {
  std::string image;
  std::string key;
  std::string format = "cosign";
  std::string certificates;
  std::string form = "both";
  std::string docker_reference;
  std::string cache_dir;
  RegistryArguments registry;
};
int sign(const SignArguments& arguments);

struct VerifyArguments {
  std::string image;
  std::vector<std::string> keys;
  std::string format = "cosign";
  std::vector<std::string> certificates;
  std::string trust_policy;
  std::string trust_store;
  std::string type;
  std::string output;
  std::string cache_dir;
  RegistryArguments registry;
};
int verify(const VerifyArguments& arguments);

struct AttestArguments {
  std::string image;
  std::string key;
  std::string type = "custom";
  std::string predicate;
  std::string cache_dir;
  RegistryArguments registry;
};
int attest(const AttestArguments& arguments);

struct ScanArguments {
  std::string image;
  std::vector<std::string> databases;
  std::vector<std::string> vex;
  std::vector<std::string> from;
  std::string format = "table";
  std::string fail_on;
  std::string platform;
  std::string cache_dir;
  int max_age_days = 7;
  bool only_fixed = false;
  bool update = false;
  RegistryArguments registry;
};
int scan(const ScanArguments& arguments);

struct PlanArguments {
  std::string spec = "minibuild.yaml";
  std::vector<std::string> outputs;
  std::vector<std::string> platforms;
  std::vector<std::string> set;
  std::vector<std::string> secrets;
  std::string cache_dir;
  bool json = false;
  RegistryArguments registry;
};
int plan(const PlanArguments& arguments);

struct LockArguments {
  std::string spec = "minibuild.yaml";
  std::vector<std::string> names;
  std::vector<std::string> set;
  std::vector<std::string> secrets;
  std::vector<std::string> platforms;
  std::string cache_dir;
  bool update = false;
  RegistryArguments registry;
};
int lock(const LockArguments& arguments);

struct CopyArguments {
  std::string source;
  std::string destination;
  std::string platform;
  std::string cache_dir;
  bool referrers = false;
  bool preserve_special = false;
  RegistryArguments registry;
};
int copy(const CopyArguments& arguments);

struct PruneArguments {
  std::string repository;
  std::string policy;
  std::string format = "table";
  std::optional<std::string> max_deletions;  // a number; std::nullopt: as the policy says
  bool ignore_missing = false;
  bool yes = false;
  RegistryArguments registry;
};
int prune(const PruneArguments& arguments);

struct SbomArguments {
  std::string image;
  std::vector<std::string> formats;
  std::string output;
  std::string platform;
  std::string name;
  std::string cache_dir;
  RegistryArguments registry;
};
int sbom(const SbomArguments& arguments);

struct InitArguments {
  std::string directory = ".";
  bool print = false;
};
int init(const InitArguments& arguments);

int completion(const std::string& shell);

struct CacheArguments {
  std::string cache_dir;
  std::string max_size;  // empty: the cache's limit
};
int cache_list(const CacheArguments& arguments);
int cache_collect(const CacheArguments& arguments);

/// The value of --cache-limit, for any command.
std::string& cache_limit_flag();
/// The maximum size of the cache, in bytes: the flag, $MINIBUILD_CACHE_LIMIT, or what its disk allows. Throws
/// Error{Code::usage} for an invalid size.
uint64_t cache_limit(const std::string& directory);

/// Brings the cache within its limit when a command that fills it ends.
class CacheLimit {
 public:
  CacheLimit(store::Cache& cache, std::function<void(const std::string& text)> tell);
  ~CacheLimit();
  CacheLimit(const CacheLimit&) = delete;
  CacheLimit& operator=(const CacheLimit&) = delete;
  CacheLimit(CacheLimit&&) = delete;
  CacheLimit& operator=(CacheLimit&&) = delete;

 private:
  store::Cache& cache_;
  std::function<void(const std::string& text)> tell_;
  uint64_t limit_;
};

/// The cache's directory: the flag, $MINIBUILD_CACHE_DIR, $XDG_CACHE_HOME/minibuild, ~/.cache/minibuild.
std::string cache_directory(const std::string& flag);
/// A wish for a spec with the environment's settings: SOURCE_DATE_EPOCH, proxies, the user.
pipeline::Wish plain_wish(const std::string& spec);

/// The number of processors that this process may use, at least one.
int processors();

/// How a command uses the cache.
enum class CacheUse {
  fill,  // and keep it within its limit
  anew,  // likewise; what earlier commands cached is computed again
  look,  // its size does not change
};

/// What commands that read specs use on this machine.
class CommandEdges {
 public:
  CommandEdges(const std::string& cache_dir, std::unique_ptr<build::Progress> progress,
               const RegistryArguments& registry, CacheUse use = CacheUse::fill);
  CommandEdges(const CommandEdges&) = delete;
  CommandEdges& operator=(const CommandEdges&) = delete;
  CommandEdges(CommandEdges&&) = delete;
  CommandEdges& operator=(CommandEdges&&) = delete;
  ~CommandEdges() = default;
  pipeline::Edges& edges() { return edges_; }

 private:
  std::unique_ptr<build::Progress> progress_;
  std::optional<store::Cache> cache_;
  std::optional<CacheLimit> limit_;
  pipeline::Edges edges_;
};

/// Reads secrets (`id=ID,env=VARIABLE` or `id=ID,src=FILE`) into the wish, and searches for them in the
/// user's other input: destinations, image names, mirrors.
void give_secrets(const std::vector<std::string>& secrets, const std::vector<std::string>& names,
                  pipeline::Wish& wish);
/// Parse the `NAME=VALUE` entries of --set and the platforms of --platform, including lists. Both throw
/// Error{Code::usage}.
std::map<std::string, std::string> read_set(const std::vector<std::string>& entries);
std::vector<oci::Platform> read_platforms(const std::vector<std::string>& texts);
/// The platform for a command that shows one; std::nullopt if `text` is empty.
std::optional<oci::Platform> one_platform(const std::string& text);
/// The location of an image as written, or guessed from a bare path.
oci::ImageLocation find_image(const std::string& text);
/// The location to write to: an image's, `tar:FILE` or `dir:DIR`.
oci::ImageLocation find_destination(const std::string& text);
/// Writes the result to stdout; throws Error if that fails.
void print_result(std::string_view text);
/// Prints an error for the user, in colour on a terminal unless $NO_COLOR is set.
void print_error(const std::string& message);

}  // namespace minibuild::cli
