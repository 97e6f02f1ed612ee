#include "builder/build/resolve_packages.h"

#include <algorithm>
#include <array>
#include <functional>
#include <tuple>

#include "builder/build/download.h"
#include "builder/build/lock_origin.h"
#include "builder/build/packages.h"
#include "builder/build/parallel.h"
#include "builder/build/stages.h"
#include "minibuild/archive/unpack.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/apk.h"
#include "minibuild/packages/deb.h"
#include "minibuild/packages/solve.h"
#include "minibuild/packages/version.h"
#include "minibuild/project/inputs.h"

namespace minibuild::build {

using base::Code;
using base::fail;
using packages::Facts;
using packages::Format;

namespace {

constexpr size_t max_release = size_t{64} << 20;
constexpr uint64_t max_index = uint64_t{1} << 30;

base::Hash key_of(std::string_view kind, const oci::Digest& digest, std::string_view more = {}) {
  return base::Sha256().update(kind).update(base::as_bytes(digest.hash)).update(more).finish();
}

// `20260901T000000Z` in the path of a snapshot: the moment at which it was valid.
std::optional<int64_t> snapshot_time(const std::string& url) {
  for (const std::string& part : base::split(url, '/')) {
    if (part.size() != 16 || part[8] != 'T' || part[15] != 'Z') continue;
    std::string digits = part.substr(0, 8) + part.substr(9, 6);
    if (digits.find_first_not_of("0123456789") != std::string::npos) continue;
    return base::parse_time(fmt::format("{}-{}-{}T{}:{}:{}Z", part.substr(0, 4), part.substr(4, 2),
                                        part.substr(6, 2), part.substr(9, 2), part.substr(11, 2),
                                        part.substr(13, 2)));
  }
  return std::nullopt;
}

class LimitedFile : public base::Sink {
 public:
  LimitedFile(base::Sink& file, const std::string& what) : file_(file), what_(what) {}
  void write(std::string_view bytes) override {
    hash_.update(bytes);
    if (hash_.size() > max_index)
      fail("cannot read {}: it unpacks to more than {}", what_, base::human_size(max_index));
    file_.write(bytes);
  }
  base::Hash hash() const { return hash_.finish(); }

 private:
  base::Sink& file_;
  const std::string& what_;
  base::Sha256 hash_;
};

class Nowhere : public base::Sink {
 public:
  void write(std::string_view /*bytes*/) override {}
};

// Signed indexes, fetched once for all that is resolved.
class Indexes {
 public:
  Indexes(const Options& options, store::Cache& cache, std::vector<std::string>& warnings)
      : options_(options), cache_(cache), warnings_(warnings) {}

  std::vector<packages::Index> of(const project::SpecFile& file, const spec::Source& source,
                                  const std::string& architecture) {
    try {
      std::vector<packages::Index> all = source.kind == spec::Source::Kind::apk
                                             ? apk(file, source, architecture)
                                             : deb(file, source, architecture);
      const auto& sources = file.spec.sources;
      const auto number = static_cast<size_t>(&source - sources.data());
      cache_.put_result(indexes_key(source_texts(file.spec).at(number), architecture),
                        {"index", source.name, texts_});
      texts_.clear();
      return all;
    } catch (const base::Error& error) {
      project::fail_at(file, source.position, error.code(), error.what() + advice(source, error.what()));
    }
  }

 private:
  std::vector<std::pair<std::string, std::string>> read_keys(const project::SpecFile& file,
                                                             const spec::Source& source) const {
    std::vector<std::pair<std::string, std::string>> keys;
    for (const std::string& key : source.keys)
      keys.emplace_back(base::file_name(key), read_key(project::beside(file, key)));
    return keys;
  }

  // A server that cannot be reached or has nothing there may have a mirror.
  std::string advice(const spec::Source& source, std::string_view error) const {
    if (!error.starts_with("cannot fetch ") || error.find(", want sha256:") != std::string_view::npos ||
        source.url.starts_with("file:") || options_.registries.offline)
      return {};
    return fmt::format("; a mirror of it can be named: --mirror {}=URL", source.url);
  }

  // Repositories only go on: an index that is older than one that was seen here before is old news, from a
  // mirror that is behind or from somebody who wants packages with known holes to be installed.
  void note_age(const std::string& url, std::optional<int64_t> made) {
    if (!made) return;
    const base::Hash key = base::Sha256().update("newest index of ").update(url).finish();
    const auto known = cache_.find_result(key);
    const int64_t newest = known ? base::parse_time(known->value).value_or(0) : 0;
    if (*made >= newest)
      cache_.put_result(key, {"index", base::format_time(*made), {}});
    else
      warnings_.push_back(fmt::format(
          "{} is of {}, older than the one of {} that was seen here before: a mirror is behind, or somebody "
          "serves old indexes",
          url, base::format_time(*made), base::format_time(newest)));
  }

  // Indexes of Alpine have no date; their youngest package does.
  static std::optional<int64_t> youngest(std::string_view index) {
    std::optional<int64_t> newest;
    for (size_t at = index.find("\nt:"); at != std::string_view::npos; at = index.find("\nt:", at + 1)) {
      const size_t end = std::min(index.find('\n', at + 1), index.size());
      if (const auto time = base::parse_number(index.substr(at + 3, end - at - 3), uint64_t{1} << 40))
        newest = std::max(newest.value_or(0), static_cast<int64_t>(*time));
    }
    return newest;
  }

  // What is refused does not stay in the cache.
  template <typename Task>
  auto or_forget(const oci::Digest& digest, Task task) {
    try {
      return task();
    } catch (const base::Error&) {
      cache_.forget_blob(digest);
      throw;
    }
  }

  static std::string read_key(const std::string& path) {
    if (!path.starts_with(project::shipped_prefix)) return base::read_file(path, size_t{16} << 20);
    const auto text = spec::shipped_file(path.substr(project::shipped_prefix.size()));
    if (!text) fail("no key '{}' comes with minibuild", path);
    return std::string(*text);
  }

  std::vector<packages::Index> deb(const project::SpecFile& file, const spec::Source& source,
                                   const std::string& architecture) {
    std::vector<packages::Index> all;
    for (const std::string& suite : source.suites) {
      const packages::Release& release = this->release(file, source, suite);
      for (const std::string& component : source.components) {
        const std::string stem = fmt::format("{}/binary-{}/Packages", component, architecture);
        packages::Index index;
        index.source = source.name;
        index.url = source.url;
        const oci::Digest plain = this->plain(source.url + "/dists/" + suite, release, stem);
        index.path = cache_.blob_path(plain);
        texts_.push_back(plain);
        const base::Hash key = key_of("parsed index 1", plain, architecture);
        if (const auto known = cache_.find_result(key); known && known->blobs.size() == 1)
          index.parsed = cache_.blob_path(known->blobs.front());
        else
          index.keep_parsed = [this, key, name = source.name + " " + suite](const std::string& bytes) {
            base::MemorySource from(bytes);
            cache_.put_result(key, {"index", name, {cache_.put_blob(from, std::nullopt, name)}});
          };
        all.push_back(std::move(index));
      }
    }
    return all;
  }

  const packages::Release& release(const project::SpecFile& file, const spec::Source& source,
                                   const std::string& suite) {
    const std::string url = fmt::format("{}/dists/{}/InRelease", source.url, suite);
    const auto known = releases_.find(url);
    if (known != releases_.end()) return known->second;
    const Downloaded fetched = fetch_file(url, std::nullopt, cache_, options_.registries, max_release);
    std::vector<std::string> keyrings;
    for (auto& [name, bytes] : read_keys(file, source)) keyrings.push_back(std::move(bytes));
    packages::Release release = or_forget(fetched.digest, [&] {
      return packages::parse_release(
          packages::verify_clearsigned(base::read_file(cache_.blob_path(fetched.digest), max_release),
                                       keyrings, url),
          url);
    });
    const std::string name = suite.substr(0, suite.find('/'));
    if (release.suite != suite && release.codename != suite && release.codename != name)
      fail("cannot use {}: it is the index of '{}' ('{}'), want '{}'", url, base::printable(release.codename),
           base::printable(release.suite), suite);
    check_time(source, release, url);
    note_age(url, release.date);
    return releases_[url] = std::move(release);
  }

  // A snapshot is judged by its own date: that it expired later says nothing.
  void check_time(const spec::Source& source, const packages::Release& release,
                  const std::string& url) const {
    if (!source.check_valid_until || !release.valid_until) return;
    const std::optional<int64_t> snapshot = snapshot_time(source.url);
    const std::optional<int64_t> now = snapshot ? snapshot : options_.now;
    if (now && *now > *release.valid_until)
      fail(
          "cannot use {}: it expired on {}; a mirror that is not brought up to date serves old packages. If "
          "that is "
          "meant, write check-valid-until: false",
          url, base::format_time(*release.valid_until));
  }

  // The plain text of an index that a Release names, in whatever form it is served.
  oci::Digest plain(const std::string& directory, const packages::Release& release, const std::string& stem) {
    static constexpr std::array<const char*, 4> endings = {".xz", ".zst", ".gz", ""};
    std::vector<std::string> missing;
    for (const char* ending : endings) {
      const auto entry = release.files.find(stem + ending);
      if (entry == release.files.end()) continue;
      const oci::Digest digest{entry->second.sha256};
      const std::string url = directory + "/" + entry->first;
      const base::Hash key = key_of("plain index 1", digest);
      if (const auto known = cache_.find_result(key); known && known->blobs.size() == 1)
        return known->blobs.front();
      if (entry->second.size > max_index)
        fail("cannot read {}: it has more than {}", url, base::human_size(max_index));
      std::optional<Downloaded> fetched;
      if (release.by_hash)
        fetched =
            find_file(fmt::format("{}/by-hash/SHA256/{}", url.substr(0, url.rfind('/')), oci::hex(digest)),
                      digest, cache_, options_.registries, entry->second.size);
      if (!fetched) fetched = find_file(url, digest, cache_, options_.registries, entry->second.size);
      if (!fetched) {
        missing.push_back(url);
        continue;
      }
      return unpack(digest, url, key, release.files.find(stem));
    }
    if (!missing.empty()) fail("cannot fetch {}: the server does not have it in any form", missing.back());
    fail("{} has no {}; its components are: {}", directory, stem, base::join(release.components, ", "));
  }

  template <typename Entry>
  oci::Digest unpack(const oci::Digest& digest, const std::string& url, const base::Hash& key, Entry) {
    const base::Fd fd = base::open_file(cache_.blob_path(digest));
    base::FdSource source(fd.get(), url);
    const auto text = archive::decompress_any(source, url);
    base::AtomicFile file(cache_.temporary_directory() + "/index", 0444);
    LimitedFile limited(file, url);
    base::copy(*text, limited);
    const oci::Digest plain{limited.hash()};
    cache_.keep_blob(file, plain);
    cache_.note_file_digest(cache_.blob_path(plain), plain);
    cache_.put_result(key, {"index", url, {plain}});
    return plain;
  }

  std::vector<packages::Index> apk(const project::SpecFile& file, const spec::Source& source,
                                   const std::string& architecture) {
    std::vector<std::string> directories;
    for (const std::string& repository : source.components)
      directories.push_back(source.url + "/" + repository);
    if (directories.empty()) directories.push_back(source.url);
    std::vector<packages::ApkKey> keys;
    for (auto& [name, bytes] : read_keys(file, source)) keys.push_back({std::move(name), std::move(bytes)});
    std::vector<packages::Index> all;
    for (const std::string& directory : directories) {
      const std::string url = directory + "/" + architecture + "/APKINDEX.tar.gz";
      const Downloaded fetched = fetch_file(url, std::nullopt, cache_, options_.registries, max_release);
      const std::string text = or_forget(fetched.digest, [&] {
        return packages::read_apk_index(base::read_file(cache_.blob_path(fetched.digest), max_release), keys,
                                        url);
      });
      note_age(url, youngest(text));
      base::MemorySource from(text);
      packages::Index index;
      index.source = source.name;
      index.url = directory + "/" + architecture;
      texts_.push_back(cache_.put_blob(from, std::nullopt, url));
      index.path = cache_.blob_path(texts_.back());
      all.push_back(std::move(index));
    }
    return all;
  }

  const Options& options_;
  store::Cache& cache_;
  std::vector<std::string>& warnings_;
  std::map<std::string, packages::Release> releases_;
  std::vector<oci::Digest> texts_;  // of the source that is being read
};

// The name of a set in messages.
std::string subject_of(const std::string& spec, const std::string& stage, const std::string& platform) {
  return fmt::format("the packages of {}{} for {}",
                     stage.empty() ? "the image" : fmt::format("the stage '{}'", stage),
                     spec.empty() ? "" : " of " + spec, platform);
}

// A later minibuild may bring a shipped spec with another snapshot: what is locked stays.
bool fits(const project::LockedPackages& set, const project::LockedPackages& wanted,
          const project::SpecFile& file) {
  return set.requests == wanted.requests &&
         (file.spec.file.starts_with(project::shipped_prefix) || set.sources == wanted.sources);
}

class Resolver {
 public:
  Resolver(const project::Project& project, const Options& options, LockMode mode, const PackageScope& scope,
           const std::vector<project::LockedPackages>& before, const std::vector<std::string>& update_names,
           store::Cache& cache)
      : project_(project),
        options_(options),
        mode_(mode),
        scope_(scope),
        before_(before),
        update_names_(update_names),
        cache_(cache),
        indexes_(options, cache, result_.warnings) {}

  // Hears of everything that packages are asked for, instead of resolving it.
  using Visit =
      std::function<void(const project::SpecFile& file, const std::string& name, const std::string& stage,
                         const std::vector<spec::PackageEntry>& entries, const oci::Platform& platform)>;

  ResolvedPackages run() {
    for (const oci::Platform& platform : scope_.images) image(project_.top(platform), 0);
    for (const oci::Platform& machine : scope_.machines) stages_of(machine);
    keep_others();
    std::sort(result_.sets.begin(), result_.sets.end(),
              [](const project::LockedPackages& a, const project::LockedPackages& b) {
                return std::tie(a.spec, a.stage, a.platform) < std::tie(b.spec, b.stage, b.platform);
              });
    return std::move(result_);
  }

  void visit_image(const oci::Platform& platform, Visit visit) {
    visit_ = std::move(visit);
    machine_ = scope_.machines.front();
    image(project_.top(platform), 0);
  }
  void visit_stages(const oci::Platform& machine, Visit visit) {
    visit_ = std::move(visit);
    machine_ = machine;
    stages(project_.top(machine_), 0);
  }

 private:
  // What a base has, worked out only when something is to be solved on top of it.
  using Below = std::vector<std::function<std::vector<Facts>()>>;

  // Stages of other machines are resolved along; where that cannot be, those machines do it for themselves.
  void stages_of(const oci::Platform& machine) {
    machine_ = machine;
    try {
      stages(project_.top(machine_), 0);
    } catch (const base::Error& error) {
      if (machine == scope_.machines.front() || error.code() != Code::failed) throw;
      warn(
          fmt::format("the packages of stages cannot all be resolved for machines of {}; a build on one will "
                      "do it: {}",
                      oci::to_string(machine), error.what()));
    }
  }

  // What other builds of the spec, for other platforms and on other machines, have resolved.
  void keep_others() {
    for (const project::LockedPackages& set : before_) {
      const auto platform = oci::parse_platform(set.platform);
      const auto same = [&](const project::LockedPackages& one) {
        return std::tie(one.spec, one.stage, one.platform) == std::tie(set.spec, set.stage, set.platform);
      };
      if (std::any_of(result_.sets.begin(), result_.sets.end(), same)) continue;
      if (platform && is_asked_for(set, *platform))
        result_.sets.push_back(set);
      else
        result_.dropped.push_back(subject_of(set.spec, set.stage, set.platform));
    }
  }

  bool is_asked_for(const project::LockedPackages& set, const oci::Platform& platform) {
    bool found = false;
    const Visit look = [&](const project::SpecFile&, const std::string& name, const std::string& stage,
                           const std::vector<spec::PackageEntry>&, const oci::Platform& one) {
      found = found || (name == set.spec && stage == set.stage && one == platform);
    };
    const auto& images = scope_.images;
    try {
      if (!scope_.no_others || std::find(images.begin(), images.end(), platform) != images.end()) {
        visit_image(platform, look);
        // The stages that an image stands on are the machine's, whichever that was.
        machine_ = platform;
        image(project_.top(platform), 0);
      }
      visit_stages(platform, look);
    } catch (const base::Error&) {
      found = true;  // whoever builds for that platform hears what is wrong
    }
    visit_ = nullptr;
    return found;
  }

  // The packages of the image that a spec makes.
  Below image(const project::SpecFile& file, int depth) {
    if (depth > 16) return {};  // the build says that specs stand on each other
    Below below = base(file, file.spec.base, file.platform, depth);
    add(file, "", file.spec.packages, file.platform, below);
    return below;
  }

  void stages(const project::SpecFile& file, int depth) {
    if (depth > 16) return;
    if (const auto* other = std::get_if<spec::BaseSpec>(&file.spec.base.what))
      stages(project_.below(file, *other, machine_), depth + 1);
    for (const spec::Stage& one : file.spec.stages) stage(file, one, depth);
  }

  Below stage(const project::SpecFile& file, const spec::Stage& stage, int depth) {
    Below below = base(file, stage.base, machine_, depth);
    add(file, stage.name, stage.packages, machine_, below);
    return below;
  }

  Below base(const project::SpecFile& file, const spec::Base& base, const oci::Platform& platform,
             int depth) {
    if (const auto* other = std::get_if<spec::BaseSpec>(&base.what))
      return image(project_.below(file, *other, platform), depth + 1);
    if (const auto* other = std::get_if<spec::BaseStage>(&base.what)) {
      for (const spec::Stage& one : file.spec.stages)
        if (one.name == other->name) return stage(file, one, depth);
      return {};
    }
    if (!std::holds_alternative<spec::BaseImage>(base.what)) return {};
    return {[this, &file, &base, platform] {
      const Base read = read_plain_base(file, base, platform, cache_, options_.registries);
      return packages::installed_packages(read.tree, format_of(file.spec));
    }};
  }

  // Gives the entries their packages, and adds these to what is below.
  void add(const project::SpecFile& file, const std::string& stage,
           const std::vector<spec::PackageEntry>& entries, const oci::Platform& platform, Below& below) {
    if (!has_packages(entries)) return;
    const std::string name = project_.name_of(file);
    if (visit_) {
      visit_(file, name, stage, entries, platform);
      return;
    }
    const project::LockedPackages* known = find_set(result_.sets, name, stage, platform);
    if (known == nullptr) {
      result_.sets.push_back(resolve(file, name, stage, entries, platform, below));
      known = &result_.sets.back();
    }
    below.push_back([this, locked = known->packages, format = format_of(file.spec)] {
      std::vector<Facts> facts;
      for (packages::Package& package : load_packages(locked, format, cache_, options_.registries))
        facts.push_back(std::move(package.facts));
      return facts;
    });
  }

  bool is_update(const project::LockedPackages& set, const spec::Spec& spec) const {
    if (mode_ != LockMode::update) return false;
    if (update_names_.empty()) return true;
    return std::any_of(update_names_.begin(), update_names_.end(), [&](const std::string& name) {
      const auto is_source = [&](const spec::Source& source) { return source.name == name; };
      const auto is_package = [&](const project::LockedPackage& package) { return package.name == name; };
      return std::any_of(spec.sources.begin(), spec.sources.end(), is_source) ||
             std::any_of(set.packages.begin(), set.packages.end(), is_package);
    });
  }

  project::LockedPackages resolve(const project::SpecFile& file, const std::string& name,
                                  const std::string& stage, const std::vector<spec::PackageEntry>& entries,
                                  const oci::Platform& platform, const Below& below) {
    project::LockedPackages wanted{
        name, stage, oci::to_string(platform), request_texts(entries), source_texts(file.spec), {}};
    const project::LockedPackages* old = find_set(before_, name, stage, platform);
    if (old != nullptr && fits(*old, wanted, file) && !is_update(*old, file.spec)) {
      check_origins(*old, file, entries.front().position, platform, project_.path());
      return *old;
    }
    if (mode_ == LockMode::exact)
      project::fail_at(file, entries.front().position, Code::failed, why_not_exact(wanted, old));
    if (!name.empty())
      if (const auto* own = own_lock(file, stage, platform); own != nullptr && fits(*own, wanted, file)) {
        check_origins(*own, file, entries.front().position, platform, file.spec.file);
        project::LockedPackages taken = *own;
        taken.spec = name;
        if (old != nullptr) note_changes(*old, taken, file.spec, entries);
        return taken;
      }
    wanted.packages = solve(file, entries, platform, below, !stage.empty());
    if (old != nullptr) note_changes(*old, wanted, file.spec, entries);
    return wanted;
  }

  std::string why_not_exact(const project::LockedPackages& wanted, const project::LockedPackages* old) const {
    const std::string lock = project::lock_path(project_.path());
    if (old != nullptr)
      return fmt::format(
          "the lock file {} is stale: 'packages' or 'sources' are not what it was made for; run: minibuild "
          "lock {}",
          lock, project_.path());
    std::vector<std::string> others;
    for (const project::LockedPackages& set : before_)
      if (set.spec == wanted.spec && set.stage == wanted.stage) others.push_back(set.platform);
    if (others.empty())
      return fmt::format(
          "the packages are not in the lock file {}, and --locked forbids resolving them; run: minibuild "
          "lock {}",
          lock, project_.path());
    const bool of_machine = !wanted.stage.empty() || std::find(scope_.images.begin(), scope_.images.end(),
                                                               machine_) == scope_.images.end();
    return fmt::format(
        "the lock file {} has {} only for {}{}, and --locked forbids resolving those for {}; run: minibuild "
        "lock {} --platform {}",
        lock,
        wanted.stage.empty() ? "the packages" : fmt::format("the packages of the stage '{}'", wanted.stage),
        base::join(others, ", "),
        of_machine && wanted.platform == oci::to_string(oci::host_platform()) ? ", not for this machine" : "",
        wanted.platform, project_.path(), wanted.platform);
  }

  void check_origins(const project::LockedPackages& set, const project::SpecFile& file,
                     spec::Position position, const oci::Platform& platform,
                     const std::string& locked_spec) const {
    const bool shipped = file.spec.file.starts_with(project::shipped_prefix);
    const std::string architecture = architecture_of(platform, format_of(file.spec));
    for (const project::LockedPackage& package : set.packages)
      if (const auto wrong = wrong_origin(package, file.spec, architecture, shipped))
        project::fail_at(
            file, position, Code::failed,
            fmt::format("the lock file {}{} has {}: it was not made for this spec, or was changed "
                        "since; to resolve anew: minibuild lock {} --update",
                        project::lock_path(locked_spec), project_.line_in_lock(locked_spec, package.url),
                        *wrong, project_.path()));
  }

  // What the lock file beside the spec below says.
  const project::LockedPackages* own_lock(const project::SpecFile& file, const std::string& stage,
                                          const oci::Platform& platform) {
    const std::optional<project::Lock>& lock = project_.lock_of(file.spec.file);
    return lock ? find_set(lock->packages, "", stage, platform) : nullptr;
  }

  static void say_once(std::vector<std::string>& lines, std::string line) {
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
  }
  void warn(std::string line) { say_once(result_.warnings, std::move(line)); }

  void note_changes(const project::LockedPackages& old, const project::LockedPackages& now,
                    const spec::Spec& spec, const std::vector<spec::PackageEntry>& entries) {
    std::map<std::string, const project::LockedPackage*> before;
    for (const project::LockedPackage& package : old.packages) before[package.name] = &package;
    for (const project::LockedPackage& package : now.packages) {
      const auto it = before.find(package.name);
      if (it == before.end()) {
        say_once(result_.changes, fmt::format("{} {} added, {}", package.name, package.version, package.why));
        continue;
      }
      const project::LockedPackage& one = *it->second;
      if (one.version != package.version)
        say_once(result_.changes, fmt::format("{} {} -> {}", package.name, one.version, package.version));
      const bool asked = std::any_of(entries.begin(), entries.end(), [&](const spec::PackageEntry& entry) {
        return entry.name == package.name && !entry.op.empty();
      });
      const int order = format_of(spec) == Format::apk
                            ? packages::compare_apk_versions(package.version, one.version)
                            : packages::compare_deb_versions(package.version, one.version);
      if (order < 0 && !asked)
        warn(
            fmt::format("{} {} is older than {}, which was locked: its repository, or a mirror of it, went "
                        "back or serves old indexes",
                        package.name, package.version, one.version));
      const std::string from = source_of(one, old.sources);
      const std::string to = source_of(package, now.sources);
      if (from != to && !from.empty() && !to.empty())
        warn(fmt::format("{} {} comes from the source '{}'; what was locked, {}, came from '{}'",
                         package.name, package.version, to, one.version, from));
      before.erase(it);
    }
    for (const auto& [name, package] : before)
      say_once(result_.changes, fmt::format("{} {} removed", name, package->version));
  }

  std::vector<project::LockedPackage> solve(const project::SpecFile& file,
                                            const std::vector<spec::PackageEntry>& entries,
                                            const oci::Platform& platform, const Below& below,
                                            bool for_stage) {
    packages::Problem problem;
    problem.format = format_of(file.spec);
    try {
      problem.architecture = architecture_of(platform, problem.format);
    } catch (const base::Error& error) {
      project::fail_at(file, entries.front().position, error.code(), error.what());
    }
    const std::vector<int> ranks = spec::ranks_of(file.spec.sources);
    for (size_t i = 0; i < ranks.size(); ++i)
      for (packages::Index& index : indexes_.of(file, file.spec.sources[i], problem.architecture)) {
        index.rank = ranks[i];
        problem.indexes.push_back(std::move(index));
      }
    for (const auto& facts_of : below)
      for (Facts& facts : facts_of()) problem.installed.push_back(std::move(facts));
    // Scripts of a stage's packages count on the essential ones without naming them.
    problem.essential = for_stage && problem.format == Format::deb;
    std::vector<spec::Position> positions;
    for (const spec::PackageEntry& entry : entries) {
      if (entry.name == "*") continue;
      problem.requests.push_back(
          {entry.name, entry.op, entry.version, entry.absent, entry.omit, entry.text, entry.from});
      positions.push_back(entry.position);
    }
    const packages::Solution solution = packages::solve(problem);
    if (solution.failure)
      project::fail_at(file, positions.at(solution.failure->request), Code::failed,
                       solution.failure->message);
    for (const packages::PassedOver& one : solution.passed_over)
      warn(fmt::format(
          "{} {} of '{}' is not taken: '{}' comes first and has {}; to take it: {{ name: {}, "
          "source: {} }}, or give the sources a 'priority'",
          one.name, one.version, one.source, one.taken_source, one.taken_version, one.name, one.source));
    for (const packages::Substitute& one : solution.substitutes)
      warn(
          fmt::format("{} of '{}' meets what {} needs, {}, for which a source before it has {}; if that is "
                      "meant: {{ name: {}, source: {} }}",
                      one.name, one.source, one.needed_by, one.dependency, one.usual, one.name, one.source));
    std::vector<Facts> facts;
    std::vector<project::LockedPackage> all =
        locked(solution, problem.format, file, entries.front().position, facts);
    note_replaced(solution, facts, file.spec.sources, problem.format);
    return all;
  }

  // Files that go from a package of an earlier source to one of a later one.
  void note_replaced(const packages::Solution& solution, const std::vector<Facts>& facts,
                     const std::vector<spec::Source>& sources, Format format) {
    const std::vector<int> ranks = spec::ranks_of(sources);
    const auto rank_of = [&](const std::string& name) {
      for (size_t i = 0; i < sources.size(); ++i)
        if (sources[i].name == name) return ranks[i];
      return 0;
    };
    for (size_t i = 0; i < facts.size(); ++i)
      for (size_t j = 0; j < facts.size() && !facts[i].replaces.empty(); ++j) {
        const packages::Selected& a = solution.packages[i];
        const packages::Selected& b = solution.packages[j];
        if (rank_of(a.source) > rank_of(b.source) && packages::does_replace(facts[i], facts[j], format))
          warn(
              fmt::format("{} of '{}' takes files that {} of '{}' has as well: it says that it replaces that "
                          "package; to leave files out of it: {{ name: {}, except: [...] }}",
                          a.facts.name, a.source, b.facts.name, b.source, a.facts.name));
      }
  }

  // deb: the index has the hashes. apk: the index vouches for the control part, which has that of the data;
  // the file's own hash is known when it is here. `known` is what the index says, and the packages.
  std::vector<project::LockedPackage> locked(const packages::Solution& solution, Format format,
                                             const project::SpecFile& file, spec::Position position,
                                             std::vector<Facts>& known) {
    std::vector<project::LockedPackage> all(solution.packages.size());
    known.resize(all.size());
    const auto lock_one = [&](size_t i) {
      const packages::Selected& selected = solution.packages[i];
      project::LockedPackage& one = all[i];
      one = {selected.facts.name,
             selected.facts.version,
             selected.facts.architecture,
             selected.facts.source,
             selected.url,
             {},
             selected.facts.size,
             selected.why};
      known[i] = selected.facts;
      if (format == Format::deb) {
        one.digest = oci::parse_digest("sha256:" + selected.facts.sha256, "the index's hash of " + one.name);
        return;
      }
      const Downloaded fetched = fetch_file(one.url, std::nullopt, cache_, options_.registries);
      one.digest = fetched.digest;
      one.size = fetched.size;
      // Nothing of a package that is refused is kept.
      try {
        Nowhere nowhere;
        const packages::PackageFile read = packages::read_apk(cache_.blob_path(one.digest), nowhere, one.url);
        if (read.checksum != selected.facts.checksum)
          fail("cannot use {}: its control data have the checksum {}, want {} as the index says", one.url,
               read.checksum, selected.facts.checksum);
        const Facts facts = packages::pkginfo_facts(read.control.at(".PKGINFO"));
        if (facts.name != one.name || facts.version != one.version)
          fail("cannot use {}: it is the package {} {}, want {} {}", one.url, base::printable(facts.name),
               base::printable(facts.version), one.name, one.version);
        one.architecture = facts.architecture;
        known[i].replaces = facts.replaces;  // indexes do not have it
      } catch (const base::Error&) {
        cache_.forget_blob(one.digest);
        throw;
      }
    };
    try {
      for_each_in_parallel(all.size(), format == Format::apk ? 8 : 1, lock_one);
    } catch (const base::Error& error) {
      project::fail_at(file, position, error.code(), error.what());
    }
    return all;
  }

  const project::Project& project_;
  const Options& options_;
  LockMode mode_;
  const PackageScope& scope_;
  const std::vector<project::LockedPackages>& before_;
  const std::vector<std::string>& update_names_;
  store::Cache& cache_;
  ResolvedPackages result_;
  Indexes indexes_;
  oci::Platform machine_ = oci::host_platform();  // whose stages are looked at
  Visit visit_;
};

}  // namespace

ResolvedPackages resolve_packages(const project::Project& project, const Options& options, LockMode mode,
                                  const PackageScope& scope,
                                  const std::vector<project::LockedPackages>& before,
                                  const std::vector<std::string>& update_names, store::Cache& cache) {
  return Resolver(project, options, mode, scope, before, update_names, cache).run();
}

spec::Diagnostics examine_locked_packages(const project::Project& project, const Options& options,
                                          const project::Lock& lock, store::Cache& cache) {
  const std::string& spec_path = project.path();
  const PackageScope scope{project.platforms(), {oci::host_platform()}};
  Resolver resolver(project, options, LockMode::look, scope, lock.packages, {}, cache);
  spec::Diagnostics found;
  const auto add = [&](const project::SpecFile& file, spec::Position position, spec::Severity severity,
                       const char* rule, std::string message, std::string fix) {
    if (file.spec.file != spec_path) position = {1, 1};
    found.push_back({severity, rule, position, std::move(message), "", std::move(fix)});
  };
  // Of the platforms that are wanted a set has to be there; of others it has to be right if it is.
  const auto look_at = [&](bool needed) {
    return [&, needed](const project::SpecFile& file, const std::string& name, const std::string& stage,
                       const std::vector<spec::PackageEntry>& entries, const oci::Platform& platform) {
      const spec::Position position = entries.front().position;
      const std::string subject = subject_of(name, stage, oci::to_string(platform));
      const std::string path = project::lock_path(spec_path);
      const project::LockedPackages* set = find_set(lock.packages, name, stage, platform);
      const project::LockedPackages wanted{name, stage, {}, request_texts(entries), source_texts(file.spec),
                                           {}};
      if (set == nullptr || !fits(*set, wanted, file)) {
        // Specs that come with minibuild have their own lock files, and other specs theirs.
        if (needed && name.empty())
          add(file, position, spec::Severity::warning, "unpinned",
              set == nullptr ? fmt::format("{} are not in the lock file {}", subject, path)
                             : fmt::format("{} are not what the lock file {} was made for", subject, path),
              fmt::format("minibuild lock {}", spec_path));
        return;
      }
      const bool shipped = file.spec.file.starts_with(project::shipped_prefix);
      const std::string architecture = architecture_of(platform, format_of(file.spec));
      for (const project::LockedPackage& package : set->packages)
        if (const auto wrong = wrong_origin(package, file.spec, architecture, shipped))
          add(file, position, spec::Severity::error, "lock",
              fmt::format("the lock file {}{} has {}", path, project.line_in_lock(spec_path, package.url),
                          *wrong),
              fmt::format("minibuild lock {} --update", spec_path));
      const packages::Format format = format_of(file.spec);
      const auto facts = known_facts(*set, format, cache);
      if (!facts) return;
      std::vector<const Facts*> chosen;
      for (const Facts& one : *facts) chosen.push_back(&one);
      // What a base has that was made elsewhere is not known here.
      std::optional<std::vector<Facts>> present;
      if (stage.empty() && std::holds_alternative<spec::BaseScratch>(file.spec.base.what)) present.emplace();
      if (const auto wrong = wrong_selection(chosen, present, entries, format))
        add(file, position, spec::Severity::error, "lock",
            fmt::format("the lock file {} has {}", path, *wrong),
            fmt::format("minibuild lock {} --update", spec_path));
    };
  };
  std::vector<oci::Platform> others;
  for (const project::LockedPackages& set : lock.packages)
    if (const auto platform = oci::parse_platform(set.platform)) others.push_back(*platform);
  for (const oci::Platform& platform : scope.images) resolver.visit_image(platform, look_at(true));
  resolver.visit_stages(scope.machines.front(), look_at(true));
  for (const oci::Platform& platform : others) {
    resolver.visit_image(platform, look_at(false));
    resolver.visit_stages(platform, look_at(false));
  }
  spec::sort(found);
  return found;
}

}  // namespace minibuild::build
