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
#include "minibuild/base/text.h"
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

pipeline::Wish wish_of(const BuildArguments& arguments) {
  pipeline::Wish wish = plain_wish(arguments.spec);
  wish.set = read_set(arguments.set);
  wish.platforms = read_platforms(arguments.platforms);
  give_secrets(arguments.secrets, arguments.registry.mirrors, wish);
  wish.stage = arguments.stage;
  if (arguments.no_cache) wish.stage_runs = build::StageRuns::anew;
  wish.locked = arguments.locked;
  wish.provenance = arguments.provenance;
  if (arguments.preserve_special) wish.special_files = pipeline::SpecialFiles::preserve;
  for (const std::string& output : arguments.outputs) wish.targets.push_back(find_destination(output));
  if (!arguments.sign_key.empty()) {
    if (!wish.targets.empty() &&
        std::none_of(wish.targets.begin(), wish.targets.end(), pipeline::can_be_signed))
      throw base::Error(
          Code::usage,
          "--sign-key signs what is in a registry or a layout; add -o docker://REF or -o oci:DIR");
    wish.signer = read_signer(arguments.sign_key);
  }
  return wish;
}

void print_event(const oci::Json& event) {
  say("{}\n", event.dump(-1, ' ', false, oci::Json::error_handler_t::replace));
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

int run_build(const BuildArguments& arguments, const pipeline::Wish& wish, double start) {
  CommandEdges opened(arguments.cache_dir, make_progress(arguments.progress), arguments.registry,
                      arguments.no_cache ? CacheUse::anew : CacheUse::fill);
  if (arguments.jobs > 0) opened.edges().jobs = arguments.jobs;
  if (!arguments.stage.empty()) {
    pipeline::build_stage(wish, opened.edges());
    return 0;
  }
  const pipeline::Finished finished = pipeline::build(wish, opened.edges());
  if (!arguments.metadata_file.empty())
    base::write_file_atomic(arguments.metadata_file,
                            metadata(finished.built, finished.targets).dump(2) + "\n");
  const oci::Descriptor& top = store::top_of(finished.built.set);
  if (arguments.progress == "json")
    print_event({{"event", "done"}, {"digest", oci::to_string(top.digest)}});
  else if (arguments.progress != "none")
    print_summary(finished.built, finished.targets, seconds_now() - start);
  print_result(oci::to_string(top.digest) + "\n");
  return 0;
}

}  // namespace

int build(const BuildArguments& arguments) {
  const auto failed = [&](int status, const char* message) {
    print_event({{"event", "error"}, {"status", status}, {"message", message}});
    return status;
  };
  try {
    const double start = seconds_now();
    check_command(arguments.spec);
    const pipeline::Wish wish = wish_of(arguments);
    return run_build(arguments, wish, start);
  } catch (const base::Interrupted&) {
    if (arguments.progress != "json") throw;
    return failed(base::Interrupted::exit_status, "interrupted");
  } catch (const base::Error& error) {
    if (arguments.progress != "json") throw;
    return failed(static_cast<int>(error.code()), error.what());
  }
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
                  pipeline::Wish& wish) {
  for (const std::string& secret : secrets)
    if (const auto [it, is_new] = wish.secrets.insert(read_secret(secret)); !is_new)
      throw base::Error(Code::usage, fmt::format("--secret gives '{}' twice", base::printable(it->first)));
  wish.secret_forms = std::make_shared<const trust::SecretForms>(wish.secrets);
  for (const std::string& name : names)
    pipeline::refuse_secrets(wish, name, "an argument, which is told to others");
}

pipeline::Wish plain_wish(const std::string& spec) {
  pipeline::Wish wish;
  wish.spec = spec;
  wish.epoch = source_date_epoch();
  const auto variable = [](const char* name, const char* otherwise = "") {
    const char* value = std::getenv(name);
    return std::string(value == nullptr || *value == '\0' ? otherwise : value);
  };
  wish.caller_path = variable("PATH");
  wish.caller_home = variable("HOME");
  for (const char* name :
       {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy",
        "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT",
        "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO", "AWS_CA_BUNDLE", "NIX_SSL_CERT_FILE"})
    if (std::string value = variable(name); !value.empty())
      wish.caller_network.emplace_back(name, std::move(value));
  wish.version = MINIBUILD_VERSION;
  wish.builder = variable("MINIBUILD_BUILDER_ID", wish.builder.c_str());
  wish.invocation = variable("MINIBUILD_INVOCATION_ID");
  return wish;
}

int processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

CommandEdges::CommandEdges(const std::string& cache_dir, std::unique_ptr<build::Progress> progress,
                           const RegistryArguments& registry, CacheUse use)
    : progress_(std::move(progress)),
      edges_{[this, cache_dir, use]() -> store::Cache& {
               if (!cache_) {
                 cache_.emplace(cache_directory(cache_dir), use == CacheUse::anew);
                 if (use != CacheUse::look)
                   limit_.emplace(*cache_,
                                  [this](const std::string& text) { progress_->note("cache", text); });
               }
               return *cache_;
             },
             make_registries(registry, [this](const std::string& subject,
                                              const std::string& text) { progress_->note(subject, text); }),
             *progress_, [] { return static_cast<int64_t>(std::time(nullptr)); }, seconds_now} {
  edges_.registries.verify_again = use == CacheUse::anew;
  edges_.cancelled = &interrupted;
  edges_.jobs = processors();
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
  return spec::parse_image_location(
      text,
      "is not a place to write to; write docker://HOST/REPOSITORY:TAG, oci:DIR:TAG, oci-archive:FILE, "
      "docker-archive:FILE, tar:FILE or dir:DIR");
}

}  // namespace minibuild::cli
