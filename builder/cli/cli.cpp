// The arguments of every command.
#include "minibuild/cli/cli.h"

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>

#include "builder/cli/commands.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/build/lock.h"
#include "minibuild/sandbox/sandbox.h"
#include "minibuild/spec/spec.h"

namespace minibuild::cli {

std::atomic<bool> interrupted{false};

namespace {

using base::Code;

void on_signal(int /*number*/) {
  if (interrupted.exchange(true)) ::_exit(static_cast<int>(Code::interrupted));  // the second time: at once
}

void watch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

// `minibuild SPEC` and `minibuild -o DEST` mean `minibuild build …`.
std::vector<std::string> with_command(int argc, char** argv, const std::vector<std::string>& commands) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty()) return {"build"};
  const std::string first = arguments.front();
  const bool is_command = std::find(commands.begin(), commands.end(), first) != commands.end();
  const bool is_global = first == "--help" || first == "-h" || first == "--version" || first == "help";
  if (!is_command && !is_global) arguments.insert(arguments.begin(), "build");
  if (first == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  return arguments;
}

void add_registry(CLI::App& app, RegistryArguments& a) {
  app.add_option("--authfile", a.authfile,
                 "Credentials, as skopeo and docker login write them (default: $REGISTRY_AUTH_FILE, "
                 "$XDG_RUNTIME_DIR/containers/auth.json, $DOCKER_CONFIG/config.json)");
  app.add_option("--tls-ca", a.ca_file, "Certificates to trust besides the system's, PEM");
  app.add_option("--tls-cert", a.certificate, "Client certificate, PEM");
  app.add_option("--tls-key", a.key, "Key of the client certificate, PEM");
  app.add_option("--plain-http", a.plain_http, "HOST[:PORT] that speaks HTTP without TLS; may be repeated")
      ->allow_extra_args(false);
  app.add_option(
         "--mirror", a.mirrors,
         "PREFIX=URL: look there first for what is below PREFIX; may be repeated (also $MINIBUILD_MIRRORS)")
      ->allow_extra_args(false);
  app.add_option("--network-timeout", a.timeout, "Seconds without a byte until a transfer counts as dead")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
}

void add_build(CLI::App& app, BuildArguments& a) {
  app.add_option("SPEC", a.spec, "The spec")->capture_default_str();
  app.add_option("-o,--output", a.outputs,
                 "Where to: docker://HOST/REPOSITORY[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG], "
                 "docker-archive:FILE, tar:FILE or dir:DIR; may be "
                 "repeated. Default: oci:NAME.oci:TAG after the spec's 'image'")
      ->allow_extra_args(false);
  app.add_option("--platform", a.platforms,
                 "Platforms such as linux/amd64,linux/arm64; several make an index")
      ->allow_extra_args(false);
  app.add_option("--set", a.set, "NAME=VALUE for the spec's args; may be repeated")->allow_extra_args(false);
  app.add_option("--secret", a.secrets,
                 "id=ID,env=VARIABLE or id=ID,src=FILE for the stages that name it; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--stage", a.stage, "Stop at this stage; write its files with -o dir:DIR or -o tar:FILE");
  app.add_option("--jobs,-j", a.jobs, "Threads for compression, and stages at once (default: all processors)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--no-cache", a.no_cache, "Use nothing that an earlier build left");
  app.add_option("--cache-dir", a.cache_dir,
                 "The cache's directory (default: $MINIBUILD_CACHE_DIR, ~/.cache/minibuild)");
  app.add_option("--metadata-file", a.metadata_file,
                 "Write digest, layers, sizes and times to this file as JSON");
  app.add_option("--progress", a.progress, "auto, plain, json or none")
      ->check(CLI::IsMember({"auto", "plain", "json", "none"}))
      ->capture_default_str();
  app.add_option("--sign-key", a.sign_key,
                 "Sign what was pushed, last: a key file, env://VARIABLE or a pkcs11: URI, as for 'sign'");
  app.add_flag("--locked", a.locked, "Fail if the lock file is missing or stale, instead of writing it");
  app.add_flag("--offline", a.registry.offline, "Fetch nothing: use what the cache holds");
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild build hello.yaml -o oci:hello.oci:1.0 -o docker-archive:hello.tar");
}

void add_check(CLI::App& app, CheckArguments& a) {
  app.add_option("SPEC", a.spec, "The spec (default: minibuild.yaml)");
  app.add_option("--image", a.image, "Look at a finished image instead, of any builder, wherever it is");
  app.add_option("--policy", a.policy, "The policy for --image, as policy.file of a spec names one");
  app.add_option("--platform", a.platform,
                 "With --image: the platform to look at, of an index (default: all)");
  app.add_option("--set", a.set, "NAME=VALUE for the spec's args; may be repeated")->allow_extra_args(false);
  app.add_option("--format", a.format, "text, json or sarif")
      ->check(CLI::IsMember({"text", "json", "sarif"}))
      ->capture_default_str();
  app.add_option("--write-baseline", a.write_baseline,
                 "Write the credentials that were found to this file, for policy.secret-baseline");
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer(
      "Exit status 2 for a spec that is wrong, 3 for one or an image that the policy refuses.\nExample:\n  "
      "minibuild check "
      "--format sarif minibuild.yaml > minibuild.sarif\n  minibuild check --image "
      "registry.example.com/team/app:1 --policy "
      "team.yaml");
}

void add_inspect(CLI::App& app, InspectArguments& a) {
  app.add_option(
         "IMAGE", a.image,
         "docker://HOST/REPOSITORY[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE, or the "
         "path alone")
      ->required();
  app.add_option("--platform", a.platform, "The platform to show, of an index");
  app.add_flag("--json", a.json, "All as one JSON document");
  app.add_flag("--files", a.files, "The files with mode, owner and size");
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild inspect --files oci:hello.oci:1.0");
}

void add_diff(CLI::App& app, DiffArguments& a) {
  app.add_option("A", a.before, "An image, wherever it is")->required();
  app.add_option("B", a.after, "The image to compare it with")->required();
  app.add_option("--platform", a.platform, "The platform to compare, of indexes (default: this machine's)");
  app.add_flag("--json", a.json, "As one JSON document");
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer("Exit status 3 if they differ.\nExample:\n  minibuild diff oci:hello.oci:1.0 oci:hello.oci:1.1");
}

void add_why(CLI::App& app, WhyArguments& a) {
  app.add_option("IMAGE", a.image, "An image, wherever it is")->required();
  app.add_option("PATH", a.path, "A path in it")->required();
  app.add_option("--platform", a.platform, "The platform to look at, of an index (default: this machine's)");
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild why oci:hello.oci:1.0 /usr/bin/hello");
}

void add_reproduce(CLI::App& app, ReproduceArguments& a) {
  app.add_option("SPEC", a.spec, "The spec")->required();
  app.add_option("IMAGE", a.image, "The image that it should give, wherever it is")->required();
  app.add_option("--set", a.set, "NAME=VALUE for the spec's args; may be repeated")->allow_extra_args(false);
  app.add_option("--secret", a.secrets, "id=ID,env=VARIABLE or id=ID,src=FILE; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--progress", a.progress, "auto, plain, json or none")
      ->check(CLI::IsMember({"auto", "plain", "json", "none"}))
      ->capture_default_str();
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer(
      "Exit status 3 if they differ.\nExample:\n  minibuild reproduce minibuild.yaml "
      "docker://registry.example.com/team/hello:1.0");
}

void add_rebase(CLI::App& app, RebaseArguments& a) {
  app.add_option("IMAGE", a.image, "An image that was built on a base from a registry")->required();
  app.add_option("--onto", a.onto, "The base that it gets, such as docker://registry.example.com/base:2")
      ->required();
  app.add_option("-o,--output", a.output, "Where to (default: the place of IMAGE)");
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer(
      "Example:\n  minibuild rebase docker://registry.example.com/team/app:1 --onto "
      "docker://registry.example.com/base:2");
}

void add_signed_image(CLI::App& app, std::string& image) {
  app.add_option("IMAGE", image,
                 "docker://HOST/REPOSITORY[:TAG][@DIGEST] or oci:DIR[:TAG]; a tag is asked for once")
      ->required();
}

void add_sign(CLI::App& app, SignArguments& a) {
  add_signed_image(app, a.image);
  app.add_option("--key", a.key,
                 "The private key: a PEM file, env://VARIABLE or a pkcs11: URI. Its password or PIN is "
                 "$COSIGN_PASSWORD or $MINIBUILD_KEY_PASSWORD, or is asked for")
      ->required();
  app.add_option("--form", a.form,
                 "For cosign: bundle (a referrer), classic (the tag sha256-HEX.sig), or both")
      ->check(CLI::IsMember({"bundle", "classic", "both"}))
      ->capture_default_str();
  app.add_option("--docker-reference", a.docker_reference,
                 "What a classic signature says that the image is called (default: HOST/REPOSITORY)");
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer(
      "An index is signed with every image below it. Prints the digest that was signed.\n"
      "Example:\n  minibuild sign docker://registry.example.com/team/hello:1.0 --key cosign.key");
}

void add_verify(CLI::App& app, VerifyArguments& a) {
  add_signed_image(app, a.image);
  app.add_option("--key", a.keys,
                 "A public key or certificate: a PEM file, env://VARIABLE or a pkcs11: URI; of several, one "
                 "must have signed")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--type", a.type,
                 "Verify an attestation of this type, as for 'attest', and print what it states");
  app.add_option("-o,--output", a.output,
                 "With --type: write what it states to this file, and print the digest");
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer(
      "Prints the digest that is verified; exit status 3 if no signature is good.\n"
      "Example:\n  minibuild verify docker://registry.example.com/team/hello:1.0 --key cosign.pub");
}

void add_attest(CLI::App& app, AttestArguments& a) {
  add_signed_image(app, a.image);
  app.add_option("--key", a.key, "The private key, as for 'sign'")->required();
  app.add_option("--type", a.type,
                 "What is stated: slsaprovenance1, slsaprovenance, spdxjson, cyclonedx, openvex, vuln, link, "
                 "custom, or the URI of a predicate type")
      ->capture_default_str();
  app.add_option("--predicate", a.predicate, "The statement's content, a file with a JSON object")
      ->required();
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer(
      "Prints the digest that it is about.\nExample:\n  minibuild attest "
      "docker://registry.example.com/team/hello:1.0 --key cosign.key --type spdxjson --predicate sbom.json");
}

void add_scan(CLI::App& app, ScanArguments& a) {
  app.add_option("IMAGE", a.image, "An image, wherever it is");
  CLI::Option* databases =
      app.add_option(
             "--db", a.databases,
             "Advisories: the Debian tracker's JSON, an Alpine secdb, OSV records (JSON or zip), or a "
             "directory of such files; may be repeated. Default: what --update fetched")
          ->allow_extra_args(false);
  app.add_option("--format", a.format, "table, json or sarif")
      ->check(CLI::IsMember({"table", "json", "sarif"}))
      ->capture_default_str();
  app.add_option("--vex", a.vex,
                 "OpenVEX document whose not_affected and fixed are left out; may be repeated")
      ->allow_extra_args(false);
  app.add_option(
         "--fail-on", a.fail_on,
         "Exit status 3 if there is one as bad as this: any, negligible, low, medium, high or critical")
      ->check(CLI::IsMember({"any", "negligible", "low", "medium", "high", "critical"}));
  app.add_flag("--only-fixed", a.only_fixed, "Leave out what no newer package fixes");
  app.add_option("--max-db-age", a.max_age_days,
                 "Days after which advisories are too old to go without a warning")
      ->check(CLI::Range(0, 36500))
      ->capture_default_str();
  app.add_flag("--update", a.update, "Fetch the feeds into the cache first; without IMAGE, only that")
      ->excludes(databases);
  app.add_option(
         "--from", a.from,
         "URL of a feed for --update; may be repeated (default: $MINIBUILD_ADVISORY_FEEDS, else the feeds "
         "of Debian and Alpine)")
      ->allow_extra_args(false);
  app.add_option("--platform", a.platform, "The platform to scan, of an index (default: this machine's)");
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild scan oci:hello.oci:1.0 --db debian.json --fail-on high");
}

void add_sbom(CLI::App& app, SbomArguments& a) {
  app.add_option("IMAGE", a.image, "An image, wherever it is")->required();
  app.add_option("--format", a.formats, "spdx (2.3) or cyclonedx (1.6), or both as spdx,cyclonedx")
      ->required()
      ->allow_extra_args(false);
  app.add_option(
      "-o,--output", a.output,
      "Write to this file, or into this directory: NAME.spdx.json, NAME.cdx.json, for each platform "
      "if there are several (default: the standard output)");
  app.add_option("--platform", a.platform,
                 "The platform to describe, of an index (default: this machine's; with a directory: all)");
  app.add_option("--name", a.name,
                 "What the documents call the image, such as registry.example.com/team/app:1.0 (default: its "
                 "name in a registry, else its title)");
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild sbom oci:hello.oci:1.0 --format spdx > hello.spdx.json");
}

void add_lock(CLI::App& app, LockArguments& a) {
  app.add_option("SPEC", a.spec, "The spec")->capture_default_str();
  app.add_flag("--update", a.update, "Resolve again what the lock has: all, or the names that are given")
      ->disable_flag_override();
  app.add_option("NAME", a.names,
                 "Packages, sources, images and URLs to update, as the spec has them (with --update)");
  app.add_option("--platform", a.platforms, "Platforms whose images are resolved (default: the spec's)")
      ->allow_extra_args(false);
  app.add_option("--set", a.set, "NAME=VALUE for the spec's args; may be repeated")->allow_extra_args(false);
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild lock minibuild.yaml --update");
}

void add_plan(CLI::App& app, PlanArguments& a) {
  app.add_option("SPEC", a.spec, "The spec")->capture_default_str();
  app.add_option("-o,--output", a.outputs, "Where the image would go; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--platform", a.platforms, "Platforms to build for (default: the spec's)")
      ->allow_extra_args(false);
  app.add_option("--set", a.set, "NAME=VALUE for the spec's args; may be repeated")->allow_extra_args(false);
  app.add_flag("--json", a.json, "As one JSON document");
  app.add_flag("--offline", a.registry.offline, "Ask nobody: what the cache does not hold is an error");
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild plan minibuild.yaml -o docker://registry.example.com/team/hello:1.0");
}

void add_copy(CLI::App& app, CopyArguments& a) {
  app.add_option(
         "SOURCE", a.source,
         "docker://HOST/REPOSITORY[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE")
      ->required();
  app.add_option("DESTINATION", a.destination, "One of these, or tar:FILE or dir:DIR for the merged files")
      ->required();
  app.add_option("--platform", a.platform,
                 "Copy this platform's image only (default: all, with their index)");
  app.add_flag("--referrers", a.referrers, "Also what belongs to the image: signatures, SBOMs, attestations");
  app.add_option("--cache-dir", a.cache_dir, "The cache's directory");
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild copy oci:hello.oci:1.0 docker://registry.example.com/team/hello:1.0");
}

void add_prune(CLI::App& app, PruneArguments& a) {
  app.add_option("REPO", a.repository, "docker://HOST/REPOSITORY or oci:DIR, without a tag")->required();
  app.add_option("--policy", a.policy, "The file with the 'retention' rules")->required();
  app.add_flag("--yes", a.yes, "Delete what the rules do not keep, instead of only listing it");
  app.add_option("--format", a.format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--max-deletions", a.max_deletions,
                 "Refuse to delete anything if more manifests would go (default: the policy's max-deletions, "
                 "else 1000, and never every tag)");
  add_registry(app, a.registry);
  app.footer(
      "Exit status 3 if too much would go.\nExample:\n  minibuild prune "
      "docker://registry.example.com/team/app "
      "--policy retention.yaml");
}

void add_cache(CLI::App& app, CacheArguments& a, const std::function<void(std::function<int()>)>& choose) {
  app.require_subcommand(1);
  CLI::App* list = app.add_subcommand("ls", "List what the cache holds");
  list->add_option("--cache-dir", a.cache_dir, "The cache's directory");
  list->footer("Example:\n  minibuild cache ls");
  list->callback([&a, choose] { choose([&a] { return cache_list(a); }); });
  CLI::App* collect = app.add_subcommand("gc", "Remove what was not used for longest");
  collect->add_option("--max-size", a.max_size, "What may stay, such as 500MB or 10GB")
      ->capture_default_str();
  collect->add_option("--cache-dir", a.cache_dir, "The cache's directory");
  collect->footer("Example:\n  minibuild cache gc --max-size 2GB");
  collect->callback([&a, choose] { choose([&a] { return cache_collect(a); }); });
  app.footer("Example:\n  minibuild cache gc --max-size 2GB");
}

int run_command(int argc, char** argv) {
  CLI::App app{
      "Builds minimal container images from a spec: no daemon, no root, the same digest everywhere."};
  app.name("minibuild");
  app.set_version_flag("--version", "minibuild " MINIBUILD_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Example:\n  minibuild hello.yaml -o oci:hello.oci:1.0\n\n'minibuild SPEC' is 'minibuild build "
      "SPEC'. "
      "Every command has --help.");
  std::function<int()> command;
  const auto choose = [&command](std::function<int()> chosen) { command = std::move(chosen); };

  BuildArguments build_arguments;
  CheckArguments check_arguments;
  InspectArguments inspect_arguments;
  DiffArguments diff_arguments;
  WhyArguments why_arguments;
  ReproduceArguments reproduce_arguments;
  RebaseArguments rebase_arguments;
  SignArguments sign_arguments;
  VerifyArguments verify_arguments;
  AttestArguments attest_arguments;
  ScanArguments scan_arguments;
  SbomArguments sbom_arguments;
  PlanArguments plan_arguments;
  LockArguments lock_arguments;
  CopyArguments copy_arguments;
  InitArguments init_arguments;
  PruneArguments prune_arguments;
  CacheArguments cache_arguments;
  std::string shell;
  std::string document = "spec";

  CLI::App* sub = app.add_subcommand("build", "Build an image from a spec");
  add_build(*sub, build_arguments);
  sub->callback([&] { choose([&] { return build(build_arguments); }); });
  sub = app.add_subcommand("check", "Say everything about a spec that can be said without building");
  add_check(*sub, check_arguments);
  sub->callback([&] { choose([&] { return check(check_arguments); }); });
  sub = app.add_subcommand("init", "Write a starting spec for the project in this directory");
  sub->add_option("DIRECTORY", init_arguments.directory, "The project")->capture_default_str();
  sub->add_flag("--print", init_arguments.print, "Print it instead of writing minibuild.yaml");
  sub->footer("Example:\n  minibuild init && minibuild build");
  sub->callback([&] { choose([&] { return init(init_arguments); }); });
  sub = app.add_subcommand("inspect", "Show an image: config, layers, files, sizes");
  add_inspect(*sub, inspect_arguments);
  sub->callback([&] { choose([&] { return inspect(inspect_arguments); }); });
  sub = app.add_subcommand("diff", "Say what differs between two images");
  add_diff(*sub, diff_arguments);
  sub->callback([&] { choose([&] { return diff(diff_arguments); }); });
  sub = app.add_subcommand("why", "Say which layer and package brought a file into an image");
  add_why(*sub, why_arguments);
  sub->callback([&] { choose([&] { return why(why_arguments); }); });
  sub = app.add_subcommand("reproduce", "Build a spec again, and compare the result with an image");
  add_reproduce(*sub, reproduce_arguments);
  sub->callback([&] { choose([&] { return reproduce(reproduce_arguments); }); });
  sub = app.add_subcommand("rebase", "Put an image on another base without building it again");
  add_rebase(*sub, rebase_arguments);
  sub->callback([&] { choose([&] { return rebase(rebase_arguments); }); });
  sub = app.add_subcommand("sign", "Sign an image");
  add_sign(*sub, sign_arguments);
  sub->callback([&] { choose([&] { return sign(sign_arguments); }); });
  sub = app.add_subcommand("verify", "Check that an image is signed by a key");
  add_verify(*sub, verify_arguments);
  sub->callback([&] { choose([&] { return verify(verify_arguments); }); });
  sub = app.add_subcommand("attest", "Sign a statement about an image, such as an SBOM");
  add_attest(*sub, attest_arguments);
  sub->callback([&] { choose([&] { return attest(attest_arguments); }); });
  sub = app.add_subcommand("scan", "List the known vulnerabilities of an image's packages");
  add_scan(*sub, scan_arguments);
  sub->callback([&] { choose([&] { return scan(scan_arguments); }); });
  sub = app.add_subcommand("sbom", "List what an image contains, as SPDX or CycloneDX");
  add_sbom(*sub, sbom_arguments);
  sub->callback([&] { choose([&] { return sbom(sbom_arguments); }); });
  sub = app.add_subcommand("plan", "Say what a build would fetch, run, write and push, and why");
  add_plan(*sub, plan_arguments);
  sub->callback([&] { choose([&] { return plan(plan_arguments); }); });
  sub = app.add_subcommand("lock", "Resolve packages, tags and URLs of the spec, and write the lock file");
  add_lock(*sub, lock_arguments);
  sub->callback([&] { choose([&] { return lock(lock_arguments); }); });
  sub = app.add_subcommand("copy", "Copy an image from one place to another, byte for byte");
  add_copy(*sub, copy_arguments);
  sub->callback([&] { choose([&] { return copy(copy_arguments); }); });
  sub = app.add_subcommand("prune", "Delete the images of a repository that no rule of a policy keeps");
  add_prune(*sub, prune_arguments);
  sub->callback([&] { choose([&] { return prune(prune_arguments); }); });
  sub = app.add_subcommand("schema", "Print the JSON Schema of the spec language, for editors");
  sub->add_option("DOCUMENT", document, "spec or lock")
      ->check(CLI::IsMember({"spec", "lock"}))
      ->capture_default_str();
  sub->footer("Example:\n  minibuild schema > minibuild.schema.json");
  sub->callback([&] {
    choose([&document] {
      print_result(document == "lock" ? build::lock_schema() : spec::json_schema());
      return 0;
    });
  });
  add_cache(*app.add_subcommand("cache", "Look at the cache, or make it smaller"), cache_arguments, choose);
  sub = app.add_subcommand("completion", "Print the completion script of a shell");
  sub->add_option("SHELL", shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  sub->footer("Example:\n  source <(minibuild completion bash)");
  sub->callback([&] { choose([&] { return completion(shell); }); });
  sub = app.add_subcommand("version", "Print the version");
  sub->footer("Example:\n  minibuild version");
  sub->callback([&] {
    choose([] {
      print_result("minibuild " MINIBUILD_VERSION "\n");
      return 0;
    });
  });

  std::vector<std::string> names;
  for (const CLI::App* one : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(one->get_name());
  std::vector<std::string> arguments = with_command(argc, argv, names);
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // help and version
    print_error(fmt::format("{}; see 'minibuild --help'", error.what()));
    return static_cast<int>(Code::usage);
  }
  return command ? command() : 0;
}

}  // namespace

void print_result(std::string_view text) { base::write_all(STDOUT_FILENO, text, "the standard output"); }

void print_error(const std::string& message) {
  const bool colour = ::isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  // A diagnostic of the spec says "error" itself.
  std::string text =
      message.find(": error: ") == std::string::npos ? "minibuild: error: " + message : message;
  if (const size_t at = text.find("error: "); colour && at != std::string::npos)
    text.replace(at, 6, "\x1b[31merror:\x1b[0m");
  fmt::print(stderr, "{}\n", text);
}

std::string cache_directory(const std::string& flag) {
  if (!flag.empty()) return flag;
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const std::string own = variable("MINIBUILD_CACHE_DIR"); !own.empty()) return own;
  if (const std::string xdg = variable("XDG_CACHE_HOME"); xdg.starts_with('/')) return xdg + "/minibuild";
  const std::string home = variable("HOME");
  if (home.empty())
    throw base::Error(Code::usage, "cannot place the cache: $HOME is not set; use --cache-dir DIR");
  return home + "/.cache/minibuild";
}

int run(int argc, char** argv) {
  if (argc > 1 && argv[1] == sandbox::helper_argument) sandbox::helper_main();
  // Few arenas, and large buffers go back to the system: memory stays small on many threads.
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
  watch_signals();
  try {
    return run_command(argc, argv);
  } catch (const base::Error& error) {
    if (error.code() == Code::interrupted)
      fmt::print(stderr, "minibuild: interrupted\n");
    else
      print_error(error.what());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
  } catch (const std::exception& error) {
    print_error(error.what());
  }
  return static_cast<int>(Code::failed);
}

}  // namespace minibuild::cli
