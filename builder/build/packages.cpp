#include "builder/build/packages.h"

#include <algorithm>

#include "builder/build/download.h"
#include "builder/build/parallel.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/build/lock.h"
#include "minibuild/packages/apk.h"
#include "minibuild/packages/deb.h"
#include "minibuild/packages/selection.h"

namespace minibuild::build {

using base::fail;
using packages::Format;

namespace {

constexpr int parallel_fetches = 8;

base::Hash package_key(const oci::Digest& digest) {
  return base::Sha256().update("package 2").update(base::as_bytes(digest.hash)).finish();
}

// `NAME SIZE\n` and the bytes, one after the other: control files may hold anything, and are read at every
// build.
std::string write_file(const packages::PackageFile& file) {
  std::string out;
  const auto add = [&out](const std::string& name, const std::string& bytes) {
    out += fmt::format("{} {}\n", name, bytes.size());
    out += bytes;
  };
  add("/checksum", file.checksum);
  add("/files", file.file_checksums);
  for (const auto& [name, text] : file.control) add(name, text);
  return out;
}

packages::PackageFile read_file(std::string_view rest, const std::string& what) {
  packages::PackageFile file;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    const size_t space = line.rfind(' ');
    const auto size =
        space == std::string_view::npos ? std::nullopt : base::parse_number(line.substr(space + 1));
    if (!size || rest.size() - line.size() < *size + 1) fail("the cache's record of {} is damaged", what);
    const std::string name(line.substr(0, space));
    std::string bytes(rest.substr(line.size() + 1, *size));
    rest.remove_prefix(line.size() + 1 + *size);
    (name == "/checksum" ? file.checksum
     : name == "/files"  ? file.file_checksums
                         : file.control[name]) = std::move(bytes);
  }
  return file;
}

packages::Package package_of(packages::PackageFile file, const oci::Digest& plain,
                             const project::LockedPackage& locked, store::Cache& cache) {
  packages::Package package;
  package.file = std::move(file);
  package.tree = archive::read_tar(
      std::make_shared<const tree::Archive>(tree::Archive{cache.blob_path(plain), plain.hash}), locked.url);
  // apk: names at the top that begin with a dot are about the package.
  if (locked.url.ends_with(".apk"))
    while (!package.tree.empty()) {
      const auto it = package.tree.nodes().lower_bound(".");
      if (it == package.tree.nodes().end() || !it->first.starts_with('.')) break;
      package.tree.remove(std::string(it->first));
    }
  return package;
}

std::optional<packages::Package> cached_package(const project::LockedPackage& locked, store::Cache& cache) {
  const auto known = cache.find_result(package_key(locked.digest));
  if (!known || known->blobs.size() != 1) return std::nullopt;
  return package_of(
      read_file(std::string_view(known->value).substr(known->value.find('\n') + 1), locked.name),
      known->blobs.front(), locked, cache);
}

packages::Package read_package(const project::LockedPackage& locked, Format format, store::Cache& cache,
                               const Registries& registries) {
  fetch_file(locked.url, locked.digest, cache, registries, locked.size > 0 ? locked.size : max_download);
  base::AtomicFile file(cache.temporary_directory() + "/package", 0444);
  const std::string path = cache.blob_path(locked.digest);
  packages::PackageFile content = format == Format::apk ? packages::read_apk(path, file, locked.url)
                                                        : packages::read_deb(path, file, locked.url);
  const oci::Digest plain = cache.keep_blob(file);
  cache.note_file_digest(cache.blob_path(plain), plain);
  // The first line is what `cache ls` shows.
  cache.put_result(package_key(locked.digest),
                   {"package", locked.name + " " + locked.version + "\n" + write_file(content), {plain}});
  return package_of(std::move(content), plain, locked, cache);
}

std::string member(const packages::Package& package, const char* name) {
  const auto it = package.file.control.find(name);
  return it == package.file.control.end() ? std::string() : it->second;
}

packages::Facts facts_of(const packages::Package& package, Format format) {
  return format == Format::apk ? packages::pkginfo_facts(member(package, ".PKGINFO"))
                               : packages::deb_facts(member(package, "control"));
}

}  // namespace

Format format_of(const spec::Spec& spec) {
  return !spec.sources.empty() && spec.sources.front().kind == spec::Source::Kind::apk ? Format::apk
                                                                                       : Format::deb;
}

std::string architecture_of(const oci::Platform& platform, Format format) {
  struct Words {
    const char* platform;
    const char* deb;
    const char* apk;
  };
  static constexpr Words all[] = {
      {"linux/amd64", "amd64", "x86_64"},
      {"linux/arm64", "arm64", "aarch64"},
      {"linux/arm64/v8", "arm64", "aarch64"},
      {"linux/arm/v7", "armhf", "armv7"},
      {"linux/arm/v6", "armel", "armhf"},
      {"linux/arm", "armhf", "armv7"},
      {"linux/386", "i386", "x86"},
      {"linux/ppc64le", "ppc64el", "ppc64le"},
      {"linux/s390x", "s390x", "s390x"},
      {"linux/riscv64", "riscv64", "riscv64"},
      {"linux/loong64", "loong64", "loongarch64"},
  };
  const std::string text = oci::to_string(platform);
  for (const Words& words : all)
    if (text == words.platform) return format == Format::apk ? words.apk : words.deb;
  fail("{} has no packages for {}", format == Format::apk ? "Alpine" : "Debian", text);
}

bool has_packages(const std::vector<spec::PackageEntry>& entries) {
  return std::any_of(entries.begin(), entries.end(), [](const auto& entry) { return entry.name != "*"; });
}

std::vector<std::string> request_texts(const std::vector<spec::PackageEntry>& entries) {
  std::vector<std::string> texts;
  for (const spec::PackageEntry& entry : entries)
    if (entry.name != "*")
      texts.push_back((entry.omit ? "omit " : "") + entry.text +
                      (entry.from.empty() ? "" : " from " + entry.from));
  return texts;
}

std::vector<std::string> source_texts(const spec::Spec& spec) {
  std::vector<std::string> texts;
  for (const spec::Source& source : spec.sources)
    texts.push_back(
        (source.kind == spec::Source::Kind::apk
             ? fmt::format("{} apk {} {}", source.name, source.url, base::join(source.components, ","))
             : fmt::format("{} deb {} {} {}", source.name, source.url, base::join(source.suites, ","),
                           base::join(source.components, ","))) +
        (source.priority ? fmt::format(" priority {}", *source.priority) : ""));
  return texts;
}

const project::LockedPackages* find_set(const std::vector<project::LockedPackages>& sets,
                                        const std::string& spec, const std::string& stage,
                                        const oci::Platform& platform) {
  const std::string text = oci::to_string(platform);
  for (const project::LockedPackages& set : sets)
    if (set.spec == spec && set.stage == stage && set.platform == text) return &set;
  return nullptr;
}

bool is_package_cached(const project::LockedPackage& locked, store::Cache& cache) {
  return cache.find_result(package_key(locked.digest)).has_value();
}

std::vector<packages::Package> load_packages(const std::vector<project::LockedPackage>& locked, Format format,
                                             store::Cache& cache, const Registries& registries) {
  std::vector<packages::Package> all(locked.size());
  std::vector<size_t> missing;
  for (size_t i = 0; i < locked.size(); ++i) {
    auto there = cached_package(locked[i], cache);
    if (there)
      all[i] = std::move(*there);
    else
      missing.push_back(i);
  }
  for_each_in_parallel(missing.size(), parallel_fetches, [&](size_t i) {
    all[missing[i]] = read_package(locked[missing[i]], format, cache, registries);
  });
  for (size_t i = 0; i < locked.size(); ++i) {
    packages::Package& package = all[i];
    package.facts = facts_of(package, format);
    package.facts.size = locked[i].size;
    if (!packages::is_package_name(package.facts.name) ||
        !packages::is_plain_version(package.facts.version) ||
        !packages::is_package_name(package.facts.source))
      fail("cannot use {}: it has a malformed name or version", locked[i].url);
    if (package.facts.name != locked[i].name || package.facts.version != locked[i].version)
      fail("cannot use {}: it is the package {} {}, want {} {}", locked[i].url,
           base::printable(package.facts.name), base::printable(package.facts.version), locked[i].name,
           locked[i].version);
    if (package.facts.architecture != locked[i].architecture)
      fail("cannot use {}: it is for the architecture {}, want {}", locked[i].url,
           base::printable(package.facts.architecture), locked[i].architecture);
  }
  return all;
}

std::optional<std::string> wrong_selection(const std::vector<const packages::Facts*>& facts,
                                           const std::optional<std::vector<packages::Facts>>& present,
                                           const std::vector<spec::PackageEntry>& entries, Format format) {
  std::vector<packages::Request> requests;
  for (const spec::PackageEntry& entry : entries)
    if (entry.name != "*")
      requests.push_back({entry.name, entry.op, entry.version, entry.absent, entry.omit, entry.text});
  const packages::Selection found =
      packages::examine_selection(facts, present.value_or(std::vector<packages::Facts>()), requests, format);
  if (present && !found.missing.empty()) {
    const packages::Gap& gap = found.missing.front();
    return gap.package.empty()
               ? fmt::format("no package for '{}', which the spec asks for", gap.needs)
               : fmt::format("no package for '{}', which {} needs", base::printable(gap.needs), gap.package);
  }
  if (found.unneeded.empty()) return std::nullopt;
  return fmt::format(
      "'{}'{}, which nothing that the spec asks for needs", found.unneeded.front(),
      found.unneeded.size() == 1 ? "" : fmt::format(" and {} more", found.unneeded.size() - 1));
}

std::optional<std::vector<packages::Facts>> known_facts(const project::LockedPackages& set, Format format,
                                                        store::Cache& cache) {
  std::vector<packages::Facts> all;
  for (const project::LockedPackage& locked : set.packages) {
    if (!is_package_cached(locked, cache)) {
      // Its file is there if it was locked, but not yet used.
      if (!cache.find_blob(locked.digest)) return std::nullopt;
      Registries nobody;
      nobody.offline = true;
      read_package(locked, format, cache, nobody);
    }
    all.push_back(facts_of(cached_package(locked, cache).value(), format));
  }
  return all;
}

namespace {

// That a set of the lock file is neither too much nor too little. What is below is read only if something
// seems to be missing.
void check_selection(const project::Project& project, const project::SpecFile& file,
                     const project::LockedPackages& set, const std::vector<packages::Package>& loaded,
                     const std::vector<spec::PackageEntry>& entries, const tree::FileTree& base,
                     const Options& options, store::Cache& cache) {
  const Format format = format_of(file.spec);
  std::vector<const packages::Facts*> facts;
  for (const packages::Package& package : loaded) facts.push_back(&package.facts);
  std::optional<std::vector<packages::Facts>> present(std::in_place);
  auto wrong = wrong_selection(facts, present, entries, format);
  if (!wrong) return;
  present = packages::installed_packages(base, format);
  for (const project::LockedPackages& other : options.packages)
    if (&other != &set && other.platform == set.platform)
      for (packages::Package& package : load_packages(other.packages, format, cache, options.registries))
        present->push_back(std::move(package.facts));
  wrong = wrong_selection(facts, present, entries, format);
  if (!wrong) return;
  const std::string& top = project.path();
  fail(
      "the lock file {} has {}: it was changed since it was made; to resolve anew: minibuild lock {} "
      "--update",
      project::lock_path(top), *wrong, top);
}

}  // namespace

std::optional<Packaged> add_packages(const project::Project& project, const project::SpecFile& file,
                                     const spec::Stage* stage, const oci::Platform& platform,
                                     const tree::FileTree& base, int64_t epoch, const Options& options,
                                     store::Cache& cache) {
  const std::vector<spec::PackageEntry>& entries = stage != nullptr ? stage->packages : file.spec.packages;
  if (!has_packages(entries)) return std::nullopt;
  const std::string name = project.name_of(file);
  const project::LockedPackages* set =
      find_set(options.packages, name, stage != nullptr ? stage->name : "", platform);
  if (set == nullptr)
    project::fail_at(file, entries.front().position, base::Code::failed,
                     fmt::format("the packages for {} are not in the lock file; run: minibuild lock {}",
                                 oci::to_string(platform), project.path()));
  packages::Settings settings;
  settings.format = format_of(file.spec);
  settings.architecture = architecture_of(platform, settings.format);
  settings.epoch = epoch;
  settings.full_database = stage != nullptr || file.spec.full_package_database;
  if (stage != nullptr) settings.state = "unpacked";
  base::Sha256 id;
  for (const spec::PackageEntry& entry : entries) {
    if (!entry.only.empty() || !entry.except.empty())
      settings.choices.push_back({entry.name, entry.only, entry.except});
    if (entry.name != "*" && !entry.omit && !entry.absent) settings.world.push_back(entry.text);
    id.update(
        fmt::format("{};{};{};", entry.text, base::join(entry.only, ","), base::join(entry.except, ",")));
  }
  for (const project::LockedPackage& package : set->packages) id.update(base::as_bytes(package.digest.hash));
  Packaged packaged;
  packaged.id = base::to_hex(id.finish());
  try {
    packaged.packages = load_packages(set->packages, settings.format, cache, options.registries);
    check_selection(project, file, *set, packaged.packages, entries, base, options, cache);
    packaged.installation = packages::install(base, packaged.packages, settings);
  } catch (const base::Error& error) {
    project::fail_at(file, entries.front().position, error.code(), error.what());
  }
  for (const packages::Package& package : packaged.packages) packaged.names.push_back(package.facts.name);
  return packaged;
}

void put_groups(const packages::Installation& installation, tree::FileTree& tree) {
  for (const packages::Group& group : installation.groups)
    for (const auto& [path, node] : group.tree.nodes()) tree.put(path, node, 0);
}

void put_packages(const packages::Installation& installation, tree::FileTree& tree) {
  for (const std::string& path : installation.removed) tree.remove(path);
  put_groups(installation, tree);
}

base::Hash indexes_key(const std::string& source_text, const std::string& architecture) {
  return base::Sha256().update("indexes of ").update(source_text).update(" ").update(architecture).finish();
}

namespace {

// Debian Policy 8.1: the package of libNAME.so.VERSION is libNAMEVERSION, with `-` after a digit.
std::vector<std::string> library_packages(const std::string& library) {
  if (library.starts_with("ld-")) return {"libc6"};
  const size_t so = library.find(".so");
  if (so == std::string::npos) return {};
  std::string stem = library.substr(0, so);
  std::string version = library.substr(so + 3);
  if (version.starts_with('.')) version.erase(0, 1);
  for (std::string* text : {&stem, &version})
    std::transform(text->begin(), text->end(), text->begin(),
                   [](char c) { return c == '_' ? '-' : base::lower_case(c); });
  const bool digit = !stem.empty() && stem.back() >= '0' && stem.back() <= '9';
  std::vector<std::string> names;
  for (const std::string& name :
       {stem + (digit && !version.empty() ? "-" : "") + version, stem + version, stem})
    for (const char* end : {"", "t64"}) names.push_back(name + end);
  return names;
}

std::string supplier_in(const std::string& path, bool apk, const std::string& library) {
  const std::string text = base::read_file(path, size_t{1} << 30);
  if (!apk) {
    for (const std::string& name : library_packages(library))
      if (text.find("\nPackage: " + name + "\n") != std::string::npos ||
          text.starts_with("Package: " + name + "\n"))
        return name;
    return {};
  }
  std::string found;
  packages::for_each_paragraph(text, [&](std::string_view record, size_t) {
    if (!found.empty() || record.find("so:" + library) == std::string_view::npos) return;
    const packages::Facts facts = packages::apk_facts(record);
    for (const std::string& provided : facts.provides)
      if (packages::apk_relation(provided).name == "so:" + library) found = facts.name;
  });
  return found;
}

}  // namespace

std::string package_with_library(const std::string& library, const Options& options, store::Cache& cache) {
  for (const project::LockedPackages& set : options.packages)
    for (const std::string& source : set.sources) {
      const bool apk = source.find(" apk ") != std::string::npos;
      const auto platform = oci::parse_platform(set.platform);
      if (!platform) continue;
      const std::string architecture = architecture_of(*platform, apk ? Format::apk : Format::deb);
      const auto known = cache.find_result(indexes_key(source, architecture));
      if (!known) continue;
      for (const oci::Digest& index : known->blobs) {
        const base::Hash key =
            base::Sha256().update("supplier 1").update(base::as_bytes(index.hash)).update(library).finish();
        std::optional<store::Result> answer = cache.find_result(key);
        if (!answer) {
          answer = store::Result{"check", supplier_in(cache.blob_path(index), apk, library), {}};
          cache.put_result(key, *answer);
        }
        if (!answer->value.empty()) return answer->value;
      }
    }
  return {};
}

}  // namespace minibuild::build
