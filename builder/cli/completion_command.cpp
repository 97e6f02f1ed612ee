// `minibuild completion`: scripts for bash, zsh and fish.
#include "builder/cli/commands.h"

namespace minibuild::cli {

namespace {

constexpr std::string_view bash = R"(# minibuild completion for bash: source <(minibuild completion bash)
_minibuild() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
  local commands="build check plan init inspect lock copy rebase diff why reproduce sign verify attest sbom scan prune schema cache completion version"
  local registry="--authfile --tls-ca --tls-cert --tls-key --plain-http --mirror --network-timeout"
  local build="$registry --locked --offline --output --platform --set --secret --stage --jobs --no-cache --cache-dir --preserve-special --metadata-file --progress --provenance --sign-key --help"
  case $before in
    --progress) COMPREPLY=($(compgen -W "auto plain json none" -- "$word")); return ;;
    --format)
      case $command in
        sign|verify) COMPREPLY=($(compgen -W "cosign notation" -- "$word")) ;;
        sbom) COMPREPLY=($(compgen -W "spdx cyclonedx spdx,cyclonedx" -- "$word")) ;;
        scan) COMPREPLY=($(compgen -W "table json sarif" -- "$word")) ;;
        prune) COMPREPLY=($(compgen -W "table json" -- "$word")) ;;
        *) COMPREPLY=($(compgen -W "text json sarif" -- "$word")) ;;
      esac
      return ;;
    --fail-on) COMPREPLY=($(compgen -W "any negligible low medium high critical" -- "$word")); return ;;
    --type) COMPREPLY=($(compgen -W "slsaprovenance1 slsaprovenance spdxjson cyclonedx openvex vuln link custom" -- "$word")); return ;;
    --platform) COMPREPLY=($(compgen -W "linux/amd64 linux/arm64 linux/arm/v7 linux/riscv64" -- "$word")); return ;;
    -o|--output) COMPREPLY=($(compgen -W "docker:// oci: oci-archive: docker-archive: tar: dir:" -- "$word")); compopt -o nospace; return ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$word")); return ;;
    cache) COMPREPLY=($(compgen -W "ls gc" -- "$word")); return ;;
    schema) COMPREPLY=($(compgen -W "spec lock" -- "$word")); return ;;
  esac
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W "$commands --help --version" -- "$word") $(compgen -f -X '!*.yaml' -- "$word"))
    return
  fi
  case $word in
    -*)
      case $command in
        check) COMPREPLY=($(compgen -W "$registry --set --secret --format --image --policy --platform --write-baseline --cache-dir --help" -- "$word")) ;;
        sign) COMPREPLY=($(compgen -W "$registry --key --format --form --cert --docker-reference --cache-dir --help" -- "$word")) ;;
        verify) COMPREPLY=($(compgen -W "$registry --key --format --cert --trust-policy --trust-store --type --output --cache-dir --help" -- "$word")) ;;
        attest) COMPREPLY=($(compgen -W "$registry --key --type --predicate --cache-dir --help" -- "$word")) ;;
        sbom) COMPREPLY=($(compgen -W "$registry --format --output --platform --name --cache-dir --help" -- "$word")) ;;
        scan) COMPREPLY=($(compgen -W "$registry --db --format --vex --fail-on --only-fixed --max-db-age --update --from --platform --cache-dir --help" -- "$word")) ;;
        prune) COMPREPLY=($(compgen -W "$registry --policy --yes --format --max-deletions --ignore-missing --cache-dir --help" -- "$word")) ;;
        inspect) COMPREPLY=($(compgen -W "$registry --platform --json --files --cache-dir --help" -- "$word")) ;;
        plan) COMPREPLY=($(compgen -W "$registry --output --platform --set --secret --json --offline --cache-dir --help" -- "$word")) ;;
        lock) COMPREPLY=($(compgen -W "$registry --update --platform --set --secret --help" -- "$word")) ;;
        copy|why) COMPREPLY=($(compgen -W "$registry --platform --referrers --preserve-special --cache-dir --help" -- "$word")) ;;
        rebase) COMPREPLY=($(compgen -W "$registry --onto --output --cache-dir --help" -- "$word")) ;;
        diff) COMPREPLY=($(compgen -W "$registry --json --platform --cache-dir --help" -- "$word")) ;;
        reproduce) COMPREPLY=($(compgen -W "$registry --reuse-stages --set --secret --progress --cache-dir --help" -- "$word")) ;;
        init) COMPREPLY=($(compgen -W "--print --help" -- "$word")) ;;
        cache) COMPREPLY=($(compgen -W "--max-size --cache-dir --help" -- "$word")) ;;
        *) COMPREPLY=($(compgen -W "$build" -- "$word")) ;;
      esac ;;
    *) compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -F _minibuild minibuild
)";

constexpr std::string_view zsh = R"(#compdef minibuild
# minibuild completion for zsh: source <(minibuild completion zsh)
_minibuild() {
  local -a commands
  commands=('build:build an image from a spec' 'check:check a spec' 'plan:say what a build would do' 'init:write a starting spec' 'inspect:show an image' 'lock:resolve tags' 'copy:copy an image' 'rebase:put an image on another base'
            'diff:compare two images' 'why:say where a file comes from' 'reproduce:build again and compare' 'sign:sign an image' 'verify:check signatures' 'attest:sign a statement' 'sbom:list what is in an image'
            'scan:list known vulnerabilities' 'prune:delete what no rule keeps'
            'schema:print the JSON Schema' 'cache:look at the cache' 'completion:print a completion script' 'version:print the version')
  if (( CURRENT == 2 )); then
    _describe command commands
    _files -g '*.yaml'
    return
  fi
  case $words[2] in
    check) _arguments '--set=[NAME=VALUE]' '--format=[format]:format:(text json sarif)' '*:spec:_files' ;;
    inspect) _arguments '--platform=[platform]' '--json' '--files' '--cache-dir=[directory]:directory:_directories' '*:image:_files' ;;
    completion) _values shell bash zsh fish ;;
    cache) _arguments '2:command:(ls gc)' '--max-size=[size]' '--cache-dir=[directory]:directory:_directories' ;;
    *) _arguments '*'{-o,--output}'[destination]:destination:(oci\: oci-archive\: docker-archive\: tar\: dir\:)' '--platform=[platforms]' \
         '*--set=[NAME=VALUE]' '*--secret=[id=ID,env=VARIABLE]' '--stage=[stage]' '--jobs=[number]' '--no-cache' '--preserve-special' \
         '--cache-dir=[directory]:directory:_directories' '--metadata-file=[file]:file:_files' \
         '--progress=[mode]:mode:(auto plain json none)' '*:spec:_files' ;;
  esac
}
compdef _minibuild minibuild
)";

constexpr std::string_view fish = R"(# minibuild completion for fish: minibuild completion fish | source
complete -c minibuild -n __fish_use_subcommand -a 'build check plan init inspect lock copy rebase diff why reproduce sign verify attest sbom scan prune schema cache completion version'
complete -c minibuild -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'
complete -c minibuild -n '__fish_seen_subcommand_from cache' -f -a 'ls gc'
complete -c minibuild -n '__fish_seen_subcommand_from cache' -l max-size -x
complete -c minibuild -n '__fish_seen_subcommand_from check' -l format -x -a 'text json sarif'
complete -c minibuild -n '__fish_seen_subcommand_from inspect' -l json
complete -c minibuild -n '__fish_seen_subcommand_from inspect' -l files
complete -c minibuild -n '__fish_seen_subcommand_from build' -s o -l output -x -a 'docker:// oci: oci-archive: docker-archive: tar: dir:'
complete -c minibuild -n '__fish_seen_subcommand_from build' -l progress -x -a 'auto plain json none'
complete -c minibuild -l platform -x -a 'linux/amd64 linux/arm64'
complete -c minibuild -l set -x
complete -c minibuild -l secret -x
complete -c minibuild -l stage -x
complete -c minibuild -l jobs -x
complete -c minibuild -l no-cache
complete -c minibuild -n '__fish_seen_subcommand_from build copy' -l preserve-special
complete -c minibuild -l cache-dir -r
complete -c minibuild -l metadata-file -r
complete -c minibuild -l authfile -r
complete -c minibuild -l tls-ca -r
complete -c minibuild -l plain-http -x
complete -c minibuild -l mirror -x
complete -c minibuild -n '__fish_seen_subcommand_from build' -l locked
complete -c minibuild -n '__fish_seen_subcommand_from build' -l offline
complete -c minibuild -n '__fish_seen_subcommand_from lock' -l update
)";

}  // namespace

int completion(const std::string& shell) {
  print_result(shell == "bash" ? bash : shell == "zsh" ? zsh : fish);
  return 0;
}

}  // namespace minibuild::cli
