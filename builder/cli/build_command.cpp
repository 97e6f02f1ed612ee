// `minibuild build` and `minibuild check`.
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "builder/cli/commands.h"
#include "builder/cli/keys.h"
#include "builder/cli/progress.h"
#include "builder/cli/say.h"
#include "builder/cli/special_files.h"
#include "minibuild/base/text.h"
#include "minibuild/build/attestations.h"
#include "minibuild/build/build.h"
#include "minibuild/build/lock.h"
#include "minibuild/build/signatures.h"
#include "minibuild/store/output.h"

namespace minibuild::cli {

using base::Code;

namespace {

std::optional<int64_t> source_date_epoch() {
  const char* text = std::getenv("SOURCE_DATE_EPOCH");
  if (text == nullptr || *text == '\0') return std::nullopt;
  const auto value = base::parse_number(text, uint64_t{1} << 40U);
  if (!value)
    throw base::Error(Code::usage, fmt::format("got SOURCE_DATE_EPOCH={}, want seconds since 1970", text));
  return static_cast<int64_t>(*value);
}

int processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

oci::Json metadata(const build::Built& built, const std::vector<oci::ImageLocation>& destinations) {
  oci::Json json;
  const oci::Descriptor& top = store::top_of(built.set);
  json["digest"] = oci::to_string(top.digest);
  json["mediaType"] = top.media_type;
  json["references"] = oci::Json::array();
  for (const oci::Reference& name : built.names) json["references"].push_back(oci::to_string(name));
  json["outputs"] = oci::Json::array();
  for (const oci::ImageLocation& destination : destinations)
    json["outputs"].push_back(oci::to_string(destination));
  json["images"] = oci::Json::array();
  for (const store::Image& image : built.set.images) {
    oci::Json one;
    one["platform"] = oci::to_string(image.config.platform);
    one["digest"] = oci::to_string(image.descriptor.digest);
    one["config"] = oci::to_string(image.manifest.config.digest);
    one["layers"] = oci::Json::array();
    uint64_t size = 0;
    for (const store::ImageLayer& layer : image.layers) {
      one["layers"].push_back({{"digest", oci::to_string(layer.descriptor.digest)},
                               {"diffId", oci::to_string(layer.diff_id)},
                               {"mediaType", layer.descriptor.media_type},
                               {"size", layer.descriptor.size}});
      size += layer.descriptor.size;
    }
    one["size"] = size;
    json["images"].push_back(one);
  }
  for (size_t i = 0; i < built.trimmed.size() && i < json["images"].size(); ++i)
    for (const build::TrimmedPackage& package : built.trimmed[i].packages) {
      oci::Json gone = oci::Json::array();
      for (const std::string& path : package.gone) gone.push_back("/" + base::printable(path));
      json["images"][i]["trimmed"].push_back({{"package", package.name},
                                              {"whole", package.whole},
                                              {"left", package.left},
                                              {"bytes", package.bytes},
                                              {"files", gone}});
    }
  json["layers"] = json["images"][0]["layers"];
  json["size"] = json["images"][0]["size"];
  json["phases"] = oci::Json::object();
  for (const build::Phase& phase : built.phases) json["phases"][phase.name] = phase.seconds;
  return json;
}

void print_summary(const build::Built& built, const std::vector<oci::ImageLocation>& destinations,
                   double seconds) {
  std::string text;
  std::vector<std::string> names;
  for (const oci::Reference& name : built.names) names.push_back(oci::to_string(name));
  const oci::Descriptor& top = store::top_of(built.set);
  text += fmt::format("{}\n", names.empty() ? "image" : base::join(names, ", "));
  for (const oci::ImageLocation& destination : destinations)
    text += fmt::format("  written  {}\n", oci::to_string(destination));
  text += fmt::format("  digest   {}\n", oci::to_string(top.digest));
  for (const store::Image& image : built.set.images) {
    uint64_t size = 0;
    for (const store::ImageLayer& layer : image.layers) size += layer.descriptor.size;
    text += fmt::format("  image    {}, {} layer{}, {}, user {}\n", oci::to_string(image.config.platform),
                        image.layers.size(), image.layers.size() == 1 ? "" : "s", base::human_size(size),
                        image.config.user);
  }
  text += fmt::format("  files    {}\n", built.files);
  std::vector<build::Phase> phases = built.phases;
  std::stable_sort(phases.begin(), phases.end(),
                   [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  std::vector<std::string> parts;
  for (const build::Phase& phase : phases)
    if (phase.seconds >= 0.001 && parts.size() < 4)
      parts.push_back(phase.name + " " + base::human_seconds(phase.seconds));
  text += fmt::format("  time     {}{}{}\n", base::human_seconds(seconds), parts.empty() ? "" : ": ",
                      base::join(parts, ", "));
  say("{}", text);
}

struct Prepared {
  build::Options options;
  std::vector<oci::ImageLocation> destinations;
  std::shared_ptr<const trust::Signer> signer;
};

bool can_be_signed(const oci::ImageLocation& place) {
  return place.transport == oci::Transport::registry || place.transport == oci::Transport::oci_layout;
}

// The image as it was just written there: by its digest in registries, by its tag in layouts.
oci::ImageLocation written_place(const oci::ImageLocation& destination, const build::Built& built,
                                 const oci::Digest& digest) {
  if (destination.transport == oci::Transport::registry) {
    oci::Reference reference = oci::parse_reference(destination.path);
    reference.digest = digest;
    return {oci::Transport::registry, oci::to_string(reference), ""};
  }
  oci::ImageLocation place = destination;
  if (place.tag.empty() && !built.names.empty()) place.tag = built.names.front().tag;
  return place;
}

void sign_outputs(const Prepared& prepared, const build::Built& built, store::Cache& cache,
                  build::Progress& progress) {
  if (!prepared.signer) return;
  build::SignOptions options;
  options.created = time_of_signing();
  options.classic = trust::has_classic_form(prepared.signer->public_key());
  if (!built.names.empty()) {
    oci::Reference name = built.names.front();
    name.tag.clear();
    options.docker_reference = oci::to_string(name);
  }
  for (const oci::ImageLocation& destination : prepared.destinations) {
    if (!can_be_signed(destination)) continue;
    build::SignOptions own = options;
    if (destination.transport == oci::Transport::registry) own.docker_reference.clear();
    const oci::ImageLocation place = written_place(destination, built, store::top_of(built.set).digest);
    build::sign_image(place, *prepared.signer, own, cache, prepared.options.registries);
    progress.note("sign", "signed " + oci::to_string(place));
  }
}

Prepared prepare(const BuildArguments& arguments) {
  Prepared prepared;
  build::Options& options = prepared.options = plain_options(arguments.set);
  options.platforms = read_platforms(arguments.platforms);
  give_secrets(arguments.secrets, arguments.registry.mirrors, options);
  options.stage = arguments.stage;
  if (arguments.no_cache) options.stage_runs = build::StageRuns::anew;
  options.provenance = arguments.provenance;
  if (arguments.jobs > 0) options.jobs = arguments.jobs;
  for (const std::string& output : arguments.outputs)
    prepared.destinations.push_back(find_destination(output));
  for (const std::string& output : arguments.outputs)
    build::refuse_secrets_of_text(output, "a destination (-o), whose name is written and told", options);
  for (const oci::ImageLocation& destination : prepared.destinations)
    if (destination.transport != oci::Transport::registry) store::check_output(destination);
  if (!arguments.sign_key.empty()) {
    if (!prepared.destinations.empty() &&
        std::none_of(prepared.destinations.begin(), prepared.destinations.end(), can_be_signed))
      throw base::Error(
          Code::usage,
          "--sign-key signs what is in a registry or a layout; add -o docker://REF or -o oci:DIR");
    prepared.signer = read_signer(arguments.sign_key);
  }
  return prepared;
}

void print_event(const oci::Json& event) {
  say("{}\n", event.dump(-1, ' ', false, oci::Json::error_handler_t::replace));
}

// A wrong spec is told before anything is touched.
void check_spec(const BuildArguments& arguments, const build::Options& options) {
  const oci::Platform platform = options.platforms.empty() ? oci::host_platform() : options.platforms.front();
  build::refuse_secrets_of_spec(build::load_spec(arguments.spec, options.set, platform), options);
}

// The digests to use for tags: from the lock file, as it is or as it will be written.
build::Locking locked(const BuildArguments& arguments, const build::Options& options, store::Cache& cache,
                      build::Progress& progress) {
  const auto mode = arguments.locked ? build::LockMode::exact : build::LockMode::as_needed;
  build::Locking locking = build::resolve_lock(arguments.spec, options, mode, cache);
  if (!locking.compressor.empty())
    progress.note("lock",
                  fmt::format("warning: {} was made with another compressor ({}): the same files may get "
                              "another digest; to accept: minibuild lock {}",
                              build::lock_path(arguments.spec), locking.compressor, arguments.spec));
  for (const std::string& warning : locking.warnings) progress.note("lock", "warning: " + warning);
  for (const std::string& entry : locking.dropped)
    progress.note("lock", fmt::format("dropped {}: the spec has no use for it any more", entry));
  return locking;
}

void write_lock(const BuildArguments& arguments, const build::Locking& locking, build::Progress& progress) {
  const bool shipped =
      arguments.spec.starts_with(build::shipped_prefix);  // has its lock, and no place for another
  if (!locking.changed || arguments.locked || shipped) return;
  const std::string path = build::lock_path(arguments.spec);
  try {
    build::write_lock(arguments.spec, locking);
    progress.note("lock", "written to " + path);
  } catch (const base::Error& error) {
    progress.note("lock", std::string("warning: ") + error.what());
  }
}

template <typename Write>
void write_tree(const oci::ImageLocation& destination, const tree::FileTree* tree, build::Progress& progress,
                Write write) {
  std::optional<store::PlainTree> plain;
  write(tree_for(destination, tree, plain,
                 [&progress](const std::string& text) { progress.note("output", "warning: " + text); }));
}

int build_stage(const BuildArguments& arguments, const Prepared& prepared, store::Cache& cache,
                build::Progress& progress) {
  if (prepared.destinations.empty())
    throw base::Error(Code::usage,
                      "--stage needs a place for the stage's files; add -o dir:DIR or -o tar:FILE");
  for (const oci::ImageLocation& destination : prepared.destinations)
    if (destination.transport != oci::Transport::directory && destination.transport != oci::Transport::tar)
      throw base::Error(Code::usage,
                        fmt::format("a stage's result is a file tree; write it with dir: or tar:, not {}",
                                    oci::to_string(destination)));
  const tree::FileTree tree = build::build_stage(arguments.spec, prepared.options, cache, progress);
  const store::ImageSet none;
  for (const oci::ImageLocation& destination : prepared.destinations)
    write_tree(destination, &tree, progress, [&](const tree::FileTree* made) {
      store::write_output(destination, {&none, {}, made, 0}, cache);
    });
  cache.save();
  return 0;
}

// Who runs the build and when, for provenance.
build::Invocation invocation_of(const BuildArguments& arguments, int64_t started) {
  const auto variable = [](const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr || *value == '\0' ? otherwise : value);
  };
  build::Invocation invocation;
  invocation.version = MINIBUILD_VERSION;
  invocation.builder = variable("MINIBUILD_BUILDER_ID", "urn:minibuild:builder");
  invocation.id = variable("MINIBUILD_INVOCATION_ID", "");
  invocation.finished = time_of_signing();
  invocation.started = std::min(started, invocation.finished);
  invocation.git = build::commit_of(arguments.spec);
  return invocation;
}

bool holds_attachments(const oci::ImageLocation& place) {
  return can_be_signed(place) || place.transport == oci::Transport::oci_archive;
}

// Signs the documents too.
void attest_outputs(const Prepared& prepared, const build::Built& built,
                    const std::vector<build::Statement>& statements, store::Cache& cache) {
  if (!prepared.signer) return;
  const oci::Digest& top = store::top_of(built.set).digest;
  for (const oci::ImageLocation& destination : prepared.destinations) {
    if (!can_be_signed(destination)) continue;
    for (const build::Statement& statement : statements)
      build::attest_image(written_place(destination, built, top), *prepared.signer,
                          {statement.predicate_type, statement.predicate, statement.subject},
                          time_of_signing(), cache, prepared.options.registries);
  }
}

// Attestations that no output can hold are told of, not lost in silence.
void warn_of_lost(const std::vector<oci::ImageLocation>& destinations, const build::Built& built,
                  build::Progress& progress) {
  if (built.set.attachments.empty()) return;
  for (const oci::ImageLocation& destination : destinations)
    if (!holds_attachments(destination))
      progress.note("attest", fmt::format("warning: {} cannot hold SBOMs and provenance; write them into a "
                                          "registry, oci:DIR or oci-archive:FILE too",
                                          oci::to_string(destination)));
}

int build_image(const BuildArguments& arguments, Prepared& prepared, store::Cache& cache,
                build::Progress& progress, const build::Lock& lock, double start) {
  const int64_t started = std::time(nullptr);
  build::Built built = build::build_image(arguments.spec, prepared.options, cache, progress);
  spec::Attest wanted = built.attest;
  wanted.provenance = wanted.provenance || arguments.provenance;
  if (prepared.destinations.empty())
    prepared.destinations.push_back(default_destination(arguments.spec, built.names));
  if (wanted.provenance)
    for (const std::string& name : build::credential_args(prepared.options.set))
      progress.note("provenance",
                    fmt::format("warning: the value of --set {} looks like a credential and is left "
                                "out; stages get credentials with --secret",
                                base::printable(name)));
  const double output_start = seconds_now();
  const std::vector<build::Statement> statements = build::add_attestations(
      built, wanted, arguments.spec, prepared.options, lock, invocation_of(arguments, started), cache);
  store::ImageSet bare = built.set;
  bare.attachments.clear();
  for (const oci::ImageLocation& destination : prepared.destinations)
    write_tree(destination, built.trees.size() == 1 ? &built.trees.front() : nullptr, progress,
               [&](const tree::FileTree* tree) {
                 build::write_output(
                     destination,
                     {holds_attachments(destination) ? &built.set : &bare, built.names, tree, built.epoch},
                     cache, prepared.options.registries);
               });
  warn_of_lost(prepared.destinations, built, progress);
  attest_outputs(prepared, built, statements, cache);
  sign_outputs(prepared, built, cache, progress);
  built.phases.push_back({"output", seconds_now() - output_start});
  cache.save();
  if (!arguments.metadata_file.empty())
    base::write_file_atomic(arguments.metadata_file, metadata(built, prepared.destinations).dump(2) + "\n");
  const oci::Descriptor& top = store::top_of(built.set);
  if (arguments.progress == "json")
    print_event({{"event", "done"}, {"digest", oci::to_string(top.digest)}});
  else if (arguments.progress != "none")
    print_summary(built, prepared.destinations, seconds_now() - start);
  print_result(oci::to_string(top.digest) + "\n");
  return 0;
}

// `minibuild chek` is taken for a spec of that name: what was meant is said.
void check_command(const std::string& spec) {
  if (base::exists(spec) || spec.find_first_of("/.:") != std::string::npos) return;
  static const std::vector<std::string> commands = {
      "build", "check",   "init",      "plan",  "lock",       "copy",   "diff",
      "why",   "inspect", "rebase",    "sign",  "verify",     "attest", "sbom",
      "scan",  "prune",   "reproduce", "cache", "completion", "schema", "version"};
  const std::string close = base::nearest(spec, commands);
  throw base::Error(Code::usage, fmt::format("there is no command and no spec '{}'{}", base::printable(spec),
                                             close.empty() ? "; see minibuild --help"
                                                           : fmt::format("; did you mean '{}'?", close)));
}

int run_build(const BuildArguments& arguments, Prepared prepared, double start) {
  check_spec(arguments, prepared.options);
  const std::unique_ptr<build::Progress> progress = make_progress(arguments.progress);
  store::Cache cache(cache_directory(arguments.cache_dir), arguments.no_cache);
  const CacheLimit limit(cache, [&](const std::string& text) { progress->note("cache", text); });
  prepared.options.registries = make_registries(
      arguments.registry,
      [&progress](const std::string& subject, const std::string& text) { progress->note(subject, text); });
  prepared.options.registries.verify_again = arguments.no_cache;
  const build::Locking locking = locked(arguments, prepared.options, cache, *progress);
  prepared.options.registries.pinned = build::pins_of(locking.lock);
  prepared.options.packages = locking.lock.packages;
  int status = 0;
  try {
    status = arguments.stage.empty() ? build_image(arguments, prepared, cache, *progress, locking.lock, start)
                                     : build_stage(arguments, prepared, cache, *progress);
  } catch (const base::Error& error) {
    cache.save();  // what was learned about files stays true
    // A refused build leaves nothing behind; another failure does not make its digests less true.
    if (error.code() != Code::refused) write_lock(arguments, locking, *progress);
    throw;
  }
  write_lock(arguments, locking, *progress);
  return status;
}

}  // namespace

int build(const BuildArguments& arguments) {
  try {
    const double start = seconds_now();
    check_command(arguments.spec);
    const Prepared prepared = prepare(arguments);
    return without_secrets(prepared.options, [&] { return run_build(arguments, prepared, start); });
  } catch (const base::Error& error) {
    if (arguments.progress != "json") throw;
    print_event({{"event", "error"}, {"status", static_cast<int>(error.code())}, {"message", error.what()}});
    return static_cast<int>(error.code());
  }
}

oci::ImageLocation default_destination(const std::string& spec, const std::vector<oci::Reference>& names) {
  if (!names.empty()) {
    const std::string& repository = names.front().repository;
    return {oci::Transport::oci_layout, repository.substr(repository.rfind('/') + 1) + ".oci", ""};
  }
  std::string stem = base::file_name(spec);
  stem = stem.substr(0, stem.rfind('.'));
  if (stem == "minibuild") stem = base::file_name(base::real_path(base::parent_path(spec)));
  if (stem.empty() || stem == "/") stem = "image";
  return {oci::Transport::oci_layout, stem + ".oci", ""};
}

std::map<std::string, std::string> read_set(const std::vector<std::string>& entries) {
  std::map<std::string, std::string> set;
  for (const std::string& entry : entries) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0)
      throw base::Error(Code::usage, fmt::format("got --set {}, want --set NAME=VALUE", entry));
    set[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  return set;
}

std::vector<oci::Platform> read_platforms(const std::vector<std::string>& texts) {
  std::vector<oci::Platform> platforms;
  for (const std::string& list : texts)
    for (const std::string& text : base::split(list, ',')) {
      const auto platform = oci::parse_platform(text);
      if (!platform)
        throw base::Error(
            Code::usage, fmt::format("got --platform {}, want one such as linux/amd64 or linux/arm64", text));
      if (std::find(platforms.begin(), platforms.end(), *platform) == platforms.end())
        platforms.push_back(*platform);
    }
  return platforms;
}

namespace {

// With the secret's value.
std::pair<std::string, std::string> read_secret(const std::string& text) {
  std::map<std::string, std::string> fields;
  for (const std::string& field : base::split(text, ',')) {
    const size_t equals = field.find('=');
    if (equals == std::string::npos)
      throw base::Error(
          Code::usage,
          "got a malformed --secret, want --secret id=ID,env=VARIABLE or --secret id=ID,src=FILE");
    fields[field.substr(0, equals)] = field.substr(equals + 1);
  }
  const std::string id = fields["id"];
  const std::string source = fields.contains("source") ? fields["source"] : fields["src"];
  if (id.empty() || (source.empty() == fields["env"].empty()))
    throw base::Error(
        Code::usage, "got a malformed --secret, want --secret id=ID,env=VARIABLE or --secret id=ID,src=FILE");
  if (!source.empty()) return {id, base::read_file(source, size_t{1} << 20)};
  const char* value = std::getenv(fields["env"].c_str());
  if (value == nullptr)
    throw base::Error(Code::usage, fmt::format("cannot give the secret '{}': the variable {} is not set", id,
                                               fields["env"]));
  return {id, value};
}

}  // namespace

void give_secrets(const std::vector<std::string>& secrets, const std::vector<std::string>& names,
                  build::Options& options) {
  for (const std::string& secret : secrets)
    if (const auto [it, is_new] = options.secrets.insert(read_secret(secret)); !is_new)
      throw base::Error(Code::usage, fmt::format("--secret gives '{}' twice", base::printable(it->first)));
  options.secret_forms = build::secret_forms_of(options);
  for (const std::string& name : names)
    build::refuse_secrets_of_text(name, "an argument, which is told to others", options);
}

int without_secrets(const build::Options& options, const std::function<int()>& task) {
  try {
    return task();
  } catch (const base::Error& error) {
    throw build::without_secrets(*options.secret_forms, error);
  }
}

build::Options plain_options(const std::vector<std::string>& set) {
  build::Options options;
  options.set = read_set(set);
  options.epoch = source_date_epoch();
  options.jobs = processors();
  options.cancelled = &interrupted;
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  options.caller_path = variable("PATH");
  options.caller_home = variable("HOME");
  for (const char* name :
       {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy",
        "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT",
        "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO", "AWS_CA_BUNDLE", "NIX_SSL_CERT_FILE"})
    if (std::string value = variable(name); !value.empty())
      options.caller_network.emplace_back(name, std::move(value));
  options.clock = seconds_now;
  options.now = static_cast<int64_t>(std::time(nullptr));
  return options;
}

std::optional<oci::Platform> one_platform(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const std::vector<oci::Platform> platforms = read_platforms({text});
  if (platforms.size() != 1)
    throw base::Error(Code::usage, fmt::format("got --platform {}, want one platform", text));
  return platforms.front();
}

oci::ImageLocation find_destination(const std::string& text) {
  if (text.starts_with("tar:") && text.size() > 4) return {oci::Transport::tar, text.substr(4), ""};
  if (text.starts_with("dir:") && text.size() > 4) return {oci::Transport::directory, text.substr(4), ""};
  try {
    return spec::parse_image_location(text);
  } catch (const base::Error& error) {
    if (std::string_view(error.what()).find("is not a place for an image") == std::string_view::npos) throw;
    throw base::Error(
        Code::usage,
        fmt::format("'{}' is not a place to write to; write docker://HOST/REPOSITORY:TAG, oci:DIR:TAG, "
                    "oci-archive:FILE, docker-archive:FILE, tar:FILE or dir:DIR",
                    base::printable(text)));
  }
}

}  // namespace minibuild::cli
