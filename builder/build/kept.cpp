#include "builder/build/kept.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "builder/build/secret_gate.h"
#include "minibuild/base/text.h"
#include "minibuild/build/kept.h"

namespace minibuild::build {

using base::Code;

namespace {

// Beside a kept directory, locked, while a stage that has secrets may write to it.
constexpr const char* unsearched_mark = ".unsearched";

}  // namespace

void remove_kept(const std::string& path, const store::Cache& cache, const std::string& helper) {
  if (!base::exists(path)) return;
  const base::TemporaryDirectory place(cache.work_directory(), "kept");
  if (::rename(path.c_str(), (place.path() + "/root").c_str()) == 0)
    sandbox::remove_work(place.path(), helper);
  else
    base::remove_tree(path);
}

namespace {

bool holds_anything(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), &::closedir);
  if (!dir) return true;  // of a user of the sandbox: not known
  while (const dirent* entry = ::readdir(dir.get()))
    if (const std::string_view name = entry->d_name; name != "." && name != "..") return true;
  return false;
}

// By the clock that file systems take their times from.
int64_t coarse_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

base::Hash key_of(std::string_view what, const base::Hash& id) {
  return base::Sha256().update(what).update(base::as_bytes(id)).finish();
}

}  // namespace

KeptDirectories::KeptDirectories(const std::vector<std::string>& directories, const std::string& project,
                                 const Options& options, store::Cache& cache,
                                 const std::function<void(const std::string&)>& waits)
    : options_(options), cache_(cache), now_(coarse_now()) {
  std::vector<std::pair<Directory, std::string>> wanted;
  for (const std::string& directory : directories) {
    const std::string name = fmt::format("{}:{}{}:{}", project.size(), project, directory.size(), directory);
    Directory one;
    one.id = base::sha256(name);
    one.path = cache.mount_path(name);
    wanted.emplace_back(std::move(one), directory);
  }
  // Runs that wait for each other's locks take them in the same order.
  std::sort(wanted.begin(), wanted.end(),
            [](const auto& a, const auto& b) { return a.first.id < b.first.id; });
  for (auto& [directory, inside] : wanted) {
    open(directory, inside, waits);
    directories_.push_back(std::move(directory));
  }
}

void KeptDirectories::lock(Directory& directory, const std::string& inside,
                           const std::function<void(const std::string&)>& waits) {
  bool told = false;
  while (!(directory.lock = cache_.try_lock_mount(directory.id))) {
    if (!told) waits(inside);
    told = true;
    if (options_.cancelled != nullptr && *options_.cancelled) throw base::Interrupted();
    ::usleep(50'000);
  }
}

void KeptDirectories::open(Directory& directory, const std::string& inside,
                           const std::function<void(const std::string&)>& waits) {
  if (options_.stage_runs == StageRuns::apart) {
    directory.apart = std::make_unique<base::TemporaryDirectory>(cache_.work_directory(), "kept");
    directory.path = directory.apart->path() + "/root";
  } else {
    lock(directory, inside, waits);
    now_ = std::max(now_, coarse_now());
    if (options_.stage_runs == StageRuns::anew) remove_kept(directory.path, cache_, options_.helper);
  }
  base::make_directories(directory.path);
  mounts_.push_back({inside, directory.path});
  if (!holds_anything(directory.path)) return;
  const auto known = cache_.find_result(key_of("seen", directory.id));
  seen_.push_back(known ? parse_seen(known->value) : std::nullopt);
  if (const auto last = cache_.find_result(key_of("last use", directory.id)))
    if (const auto time = base::parse_number(last->value, INT64_MAX))
      now_ = std::max(now_, static_cast<int64_t>(*time) + 1);  // the clock may have been set back
}

KeptDirectories::~KeptDirectories() {
  try {
    for (const Directory& directory : directories_) {
      if (directory.lock)
        cache_.put_result(key_of("last use", directory.id), {"kept", std::to_string(coarse_now()), {}});
      if (directory.apart) sandbox::remove_work(directory.apart->path(), options_.helper);
    }
  } catch (const base::Error&) {
    return;  // what stays is removed by the next build
  }
}

void KeptDirectories::note(const Seen& seen) {
  for (const Directory& directory : directories_)
    if (directory.lock) cache_.put_result(key_of("seen", directory.id), {"kept", to_text(seen), {}});
}

void KeptDirectories::expect_search() {
  for (const sandbox::CacheMount& mount : mounts_)
    unsearched_.push_back(std::make_unique<base::AtomicFile>(mount.host + unsearched_mark));
}

void KeptDirectories::search(const std::string& stage, const timespec& since) {
  std::exception_ptr first;
  for (const sandbox::CacheMount& mount : mounts_) {
    const auto remove_all = [&] { remove_kept(mount.host, cache_, options_.helper); };
    try {
      refuse_secrets_in_directory(*options_.secret_forms, stage, mount.host, since, remove_all);
    } catch (const base::Error& error) {
      if (error.code() != Code::refused) remove_all();
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
}

void remove_leftovers(const Options& options, store::Cache& cache) {
  base::remove_stale_temporaries(cache.work_directory(), [&](const std::string& path) {
    sandbox::remove_work(path, options.helper);
    base::remove_tree(path);
  });
  const std::string kept = cache.mounts_directory();
  base::remove_stale_temporaries(kept, [&](const std::string& path) {
    const std::string name = base::file_name(path).substr(1);
    if (const size_t mark = name.find(unsearched_mark); mark != std::string::npos)
      remove_kept(kept + "/" + name.substr(0, mark), cache, options.helper);
    base::remove_tree(path);
  });
}

}  // namespace minibuild::build
