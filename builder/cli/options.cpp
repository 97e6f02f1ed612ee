// The options of every command.
#include "builder/cli/options.h"

#include <fmt/format.h>

#include <memory>

#include "builder/cli/commands.h"
#include "minibuild/build/lock.h"
#include "minibuild/spec/spec.h"

namespace minibuild::cli {

namespace {

void add_cache(CLI::App& app, std::string& directory) {
  app.add_option("--cache-dir", directory, "The cache's directory");
  app.add_option(
      "--cache-limit", cache_limit_flag(),
      "How large the cache may become (default: $MINIBUILD_CACHE_LIMIT, 10GB or a fifth of its disk)");
}

void add_set(CLI::App& app, std::vector<std::string>& set) {
  app.add_option("--set", set, "NAME=VALUE for the spec's args; may be repeated")->allow_extra_args(false);
}

void add_secrets(CLI::App& app, std::vector<std::string>& secrets) {
  app.add_option("--secret", secrets,
                 "id=ID,env=VARIABLE or id=ID,src=FILE for the stages that name it; may be repeated")
      ->allow_extra_args(false);
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

void add_preserve_special(CLI::App& app, bool& preserve_special) {
  app.add_flag("--preserve-special", preserve_special,
               "In dir:DIR also make devices, setuid and setgid files and file capabilities, as tar: always "
               "holds them");
}

void add_build(CLI::App& app, BuildArguments& a) {
  app.add_option("SPEC", a.spec, "The spec")->capture_default_str();
  app.add_option("-o,--output", a.outputs,
                 "Where to: docker://HOST/REPOSITORY[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG], "
                 "docker-archive:FILE[:NAME:TAG], tar:FILE or dir:DIR; may be "
                 "repeated. Default: oci:NAME.oci:TAG after the spec's 'image'")
      ->allow_extra_args(false);
  app.add_option("--platform", a.platforms,
                 "Platforms such as linux/amd64,linux/arm64; several make an index")
      ->allow_extra_args(false);
  add_set(app, a.set);
  add_secrets(app, a.secrets);
  app.add_option("--stage", a.stage, "Stop at this stage; write its files with -o dir:DIR or -o tar:FILE");
  add_preserve_special(app, a.preserve_special);
  app.add_option("--jobs,-j", a.jobs, "Threads for compression, and stages at once (default: all processors)")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--no-cache", a.no_cache,
               "Run every stage again with emptied caches, read every file again, and look at signatures of "
               "bases again; what a digest names still comes from the cache");
  app.add_option("--cache-dir", a.cache_dir,
                 "The cache's directory (default: $MINIBUILD_CACHE_DIR, ~/.cache/minibuild)");
  app.add_option(
      "--cache-limit", cache_limit_flag(),
      "How large the cache may become (default: $MINIBUILD_CACHE_LIMIT, 10GB or a fifth of its disk)");
  app.add_option("--metadata-file", a.metadata_file,
                 "Write digest, layers, sizes and times to this file as JSON");
  app.add_option("--progress", a.progress, "auto, plain, json or none")
      ->check(CLI::IsMember({"auto", "plain", "json", "none"}))
      ->capture_default_str();
  app.add_option("--sign-key", a.sign_key,
                 "Sign what was pushed, last: a key file, env://VARIABLE or a pkcs11: URI, as for 'sign'");
  app.add_flag("--provenance", a.provenance,
               "Attach SLSA provenance, as attest: { provenance: true } in the spec does");
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
  add_set(app, a.set);
  add_secrets(app, a.secrets);
  app.add_option("--format", a.format, "text, json or sarif")
      ->check(CLI::IsMember({"text", "json", "sarif"}))
      ->capture_default_str();
  app.add_option("--write-baseline", a.write_baseline,
                 "Write the credentials that were found to this file, for policy.secret-baseline");
  add_cache(app, a.cache_dir);
  add_registry(app, a.registry);
  app.footer(
      "Exit status 2 for a spec that is wrong, 3 for one or an image that the policy refuses.\nExample:\n  "
      "minibuild check "
      "--format sarif minibuild.yaml > minibuild.sarif\n  minibuild check --image "
      "registry.example.com/team/app:1 --policy "
      "team.yaml");
}

void add_inspect(CLI::App& app, InspectArguments& a) {
  app.add_option("IMAGE", a.image,
                 "docker://HOST/REPOSITORY[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG], "
                 "docker-archive:FILE[:NAME:TAG], or the "
                 "path alone")
      ->required();
  app.add_option("--platform", a.platform, "The platform to show, of an index");
  app.add_flag("--json", a.json, "All as one JSON document");
  app.add_flag("--files", a.files, "The files with mode, owner and size");
  add_cache(app, a.cache_dir);
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild inspect --files oci:hello.oci:1.0");
}

void add_diff(CLI::App& app, DiffArguments& a) {
  app.add_option("A", a.before, "An image, wherever it is")->required();
  app.add_option("B", a.after, "The image to compare it with")->required();
  app.add_option("--platform", a.platform, "The platform to compare, of indexes (default: this machine's)");
  app.add_flag("--json", a.json, "As one JSON document");
  add_cache(app, a.cache_dir);
  add_registry(app, a.registry);
  app.footer("Exit status 3 if they differ.\nExample:\n  minibuild diff oci:hello.oci:1.0 oci:hello.oci:1.1");
}

void add_why(CLI::App& app, WhyArguments& a) {
  app.add_option("IMAGE", a.image, "An image, wherever it is")->required();
  app.add_option("PATH", a.path, "A path in it")->required();
  app.add_option("--platform", a.platform, "The platform to look at, of an index (default: this machine's)");
  add_cache(app, a.cache_dir);
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild why oci:hello.oci:1.0 /usr/bin/hello");
}

void add_reproduce(CLI::App& app, ReproduceArguments& a) {
  app.add_option("SPEC", a.spec, "The spec")->required();
  app.add_option("IMAGE", a.image, "The image that it should give, wherever it is")->required();
  app.add_flag("--reuse-stages", a.reuse_stages,
               "Take kept results of stages, and what is in their caches, instead of running all anew");
  add_set(app, a.set);
  add_secrets(app, a.secrets);
  app.add_option("--progress", a.progress, "auto, plain, json or none")
      ->check(CLI::IsMember({"auto", "plain", "json", "none"}))
      ->capture_default_str();
  add_cache(app, a.cache_dir);
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
  add_cache(app, a.cache_dir);
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
  app.add_option("--format", a.format, "Whose signatures: cosign's, or those of Notation, which need --cert")
      ->check(CLI::IsMember({"cosign", "notation"}))
      ->capture_default_str();
  app.add_option("--cert", a.certificates,
                 "For Notation: a PEM of the key's certificate and those that issued it, the root's last");
  app.add_option("--form", a.form,
                 "For cosign: bundle (a referrer), classic (the tag sha256-HEX.sig), or both")
      ->check(CLI::IsMember({"bundle", "classic", "both"}))
      ->capture_default_str();
  app.add_option("--docker-reference", a.docker_reference,
                 "What a classic signature says that the image is called (default: HOST/REPOSITORY)");
  add_cache(app, a.cache_dir);
  add_registry(app, a.registry);
  app.footer(
      "An index is signed with every image below it. Prints the digest that was signed.\n"
      "Examples:\n  minibuild sign docker://registry.example.com/team/hello:1.0 --key cosign.key\n"
      "  minibuild sign docker://registry.example.com/team/hello:1.0 --format notation --key signer.key "
      "--cert chain.pem");
}

void add_verify(CLI::App& app, VerifyArguments& a) {
  add_signed_image(app, a.image);
  app.add_option("--key", a.keys,
                 "A public key or certificate: a PEM file, env://VARIABLE or a pkcs11: URI; of several, one "
                 "must have signed")
      ->allow_extra_args(false);
  app.add_option("--format", a.format, "Whose signatures: cosign's, which need --key, or those of Notation")
      ->check(CLI::IsMember({"cosign", "notation"}))
      ->capture_default_str();
  app.add_option("--cert", a.certificates,
                 "For Notation: certificates to trust, a PEM or DER file; stands for a trust policy that is "
                 "strict and lets any of their signers do")
      ->allow_extra_args(false);
  app.add_option("--trust-policy", a.trust_policy,
                 "For Notation: the trust policy (default: notation/trustpolicy.json in $XDG_CONFIG_HOME or "
                 "~/.config)");
  app.add_option("--trust-store", a.trust_store,
                 "For Notation: the directory that has x509/ca/NAME/*.{pem,crt,cer} (default: "
                 "notation/truststore, there)");
  app.add_option("--type", a.type,
                 "Verify an attestation of this type, as for 'attest', and print what it states");
  app.add_option("-o,--output", a.output,
                 "With --type: write what it states to this file, and print the digest");
  add_cache(app, a.cache_dir);
  add_registry(app, a.registry);
  app.footer(
      "Prints the digest that is verified; exit status 3 if no signature is good.\n"
      "Examples:\n  minibuild verify docker://registry.example.com/team/hello:1.0 --key cosign.pub\n"
      "  minibuild verify docker://registry.example.com/team/hello:1.0 --format notation --cert ca.pem");
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
  add_cache(app, a.cache_dir);
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
  add_cache(app, a.cache_dir);
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild scan oci:hello.oci:1.0 --db debian.json --fail-on high");
}

void add_sbom(CLI::App& app, SbomArguments& a) {
  app.add_option("IMAGE", a.image, "An image, wherever it is")->required();
  app.add_option("--format", a.formats,
                 "spdx (2.3, the default) or cyclonedx (1.6), or both as spdx,cyclonedx")
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
  add_cache(app, a.cache_dir);
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
  add_set(app, a.set);
  add_secrets(app, a.secrets);
  add_cache(app, a.cache_dir);
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild lock minibuild.yaml --update");
}

void add_plan(CLI::App& app, PlanArguments& a) {
  app.add_option("SPEC", a.spec, "The spec")->capture_default_str();
  app.add_option("-o,--output", a.outputs, "Where the image would go; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--platform", a.platforms, "Platforms to build for (default: the spec's)")
      ->allow_extra_args(false);
  add_set(app, a.set);
  add_secrets(app, a.secrets);
  app.add_flag("--json", a.json, "As one JSON document");
  app.add_flag("--offline", a.registry.offline, "Ask nobody: what the cache does not hold is an error");
  add_cache(app, a.cache_dir);
  add_registry(app, a.registry);
  app.footer("Example:\n  minibuild plan minibuild.yaml -o docker://registry.example.com/team/hello:1.0");
}

void add_copy(CLI::App& app, CopyArguments& a) {
  app.add_option("SOURCE", a.source,
                 "docker://HOST/REPOSITORY[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG] or "
                 "docker-archive:FILE[:NAME:TAG]")
      ->required();
  app.add_option("DESTINATION", a.destination, "One of these, or tar:FILE or dir:DIR for the merged files")
      ->required();
  app.add_option("--platform", a.platform,
                 "Copy this platform's image only (default: all, with their index)");
  add_preserve_special(app, a.preserve_special);
  app.add_flag("--referrers", a.referrers, "Also what belongs to the image: signatures, SBOMs, attestations");
  add_cache(app, a.cache_dir);
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
  app.add_flag("--ignore-missing", a.ignore_missing,
               "Take tags and indexes that are named and not there for gone, instead of deleting nothing");
  add_registry(app, a.registry);
  app.footer(
      "Exit status 3 if too much would go.\nExample:\n  minibuild prune "
      "docker://registry.example.com/team/app "
      "--policy retention.yaml");
}

void add_init(CLI::App& app, InitArguments& a) {
  app.add_option("DIRECTORY", a.directory, "The project")->capture_default_str();
  app.add_flag("--print", a.print, "Print it instead of writing minibuild.yaml");
  app.footer("Example:\n  minibuild init && minibuild build");
}

void add_schema(CLI::App& app, std::string& document) {
  document = "spec";
  app.add_option("DOCUMENT", document, "spec or lock")
      ->check(CLI::IsMember({"spec", "lock"}))
      ->capture_default_str();
  app.footer("Example:\n  minibuild schema > minibuild.schema.json");
}

int schema(const std::string& document) {
  print_result(document == "lock" ? project::lock_schema() : spec::json_schema());
  return 0;
}

void add_completion(CLI::App& app, std::string& shell) {
  app.add_option("SHELL", shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  app.footer("Example:\n  source <(minibuild completion bash)");
}

void add_version(CLI::App& app, std::string& /*nothing*/) { app.footer("Example:\n  minibuild version"); }

int version(const std::string& /*nothing*/) {
  print_result("minibuild " MINIBUILD_VERSION "\n");
  return 0;
}

void add_cache_commands(CLI::App& app, std::function<int()>& chosen) {
  const auto a = std::make_shared<CacheArguments>();
  app.require_subcommand(1);
  const auto add = [&](const char* name, const char* text, int (*function)(const CacheArguments&)) {
    CLI::App* sub = app.add_subcommand(name, text);
    add_cache(*sub, a->cache_dir);
    sub->callback([a, &chosen, function] { chosen = [a, function] { return function(*a); }; });
    return sub;
  };
  add("ls", "List what the cache holds", cache_list)->footer("Example:\n  minibuild cache ls");
  CLI::App* collect = add("gc", "Remove what was not used for longest", cache_collect);
  collect->add_option("--max-size", a->max_size, "What may stay, such as 500MB (default: the limit)");
  collect->footer("Example:\n  minibuild cache gc --max-size 2GB");
  app.footer("Example:\n  minibuild cache gc --max-size 2GB");
}

// The arguments live as long as the command that they are for.
template <typename Arguments>
void add_command(CLI::App& app, std::function<int()>& chosen, const char* name, const char* text,
                 void (*options)(CLI::App&, Arguments&), int (*function)(const Arguments&)) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* sub = app.add_subcommand(name, text);
  options(*sub, *arguments);
  sub->callback(
      [&chosen, arguments, function] { chosen = [arguments, function] { return function(*arguments); }; });
}

}  // namespace

void add_commands(CLI::App& app, std::function<int()>& chosen) {
  const auto add = [&](const char* name, const char* text, auto options, auto function) {
    add_command(app, chosen, name, text, options, function);
  };
  add("build", "Build an image from a spec", add_build, build);
  add("check", "Say everything about a spec that can be said without building", add_check, check);
  add("init", "Write a starting spec for the project in this directory", add_init, init);
  add("inspect", "Show an image: config, layers, files, sizes", add_inspect, inspect);
  add("diff", "Say what differs between two images", add_diff, diff);
  add("why", "Say which layer and package brought a file into an image", add_why, why);
  add("reproduce", "Build a spec again, and compare the result with an image", add_reproduce, reproduce);
  add("rebase", "Put an image on another base without building it again", add_rebase, rebase);
  add("sign", "Sign an image", add_sign, sign);
  add("verify", "Check that an image is signed by a key", add_verify, verify);
  add("attest", "Sign a statement about an image, such as an SBOM", add_attest, attest);
  add("scan", "List the known vulnerabilities of an image's packages", add_scan, scan);
  add("sbom", "List what an image contains, as SPDX or CycloneDX", add_sbom, sbom);
  add("plan", "Say what a build would fetch, run, write and push, and why", add_plan, plan);
  add("lock", "Resolve packages, tags and URLs of the spec, and write the lock file", add_lock, lock);
  add("copy", "Copy an image from one place to another, byte for byte", add_copy, copy);
  add("prune", "Delete the images of a repository that no rule of a policy keeps", add_prune, prune);
  add("schema", "Print the JSON Schema of the spec language, for editors", add_schema, schema);
  add_cache_commands(*app.add_subcommand("cache", "Look at the cache, or make it smaller"), chosen);
  add("completion", "Print the completion script of a shell", add_completion, completion);
  add("version", "Print the version", add_version, version);
}

}  // namespace minibuild::cli
