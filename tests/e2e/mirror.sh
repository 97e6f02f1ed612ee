#!/usr/bin/env bash
# tests/e2e/mirror.sh DIR: makes DIR/debian, a small mirror of Debian with Debian's own signatures and packages, for
# tests that need no network then. It returns at once when DIR holds all that this version of the script asks for.
#
#   dists/SUITE/InRelease                          as it was fetched; apt has verified it
#   dists/SUITE/main/binary-ARCH/Packages[.xz]     and by-hash/SHA256/HASH for both
#   pool/main/...                                  the packages listed below
#
# MIRROR_FROM=URI replaces the address that the machine's own apt sources give, MIRROR_KEYRING=FILE Debian's keyring.
set -euo pipefail
export LC_ALL=C
umask 022

# Per suite: its architectures, the first being the one that dependencies are followed for; packages that are wanted
# with all that they depend on; and packages, perhaps of another architecture, wanted alone.
SUITES=(bookworm trixie)
KEYRING=${MIRROR_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

ARCHITECTURES_bookworm=(amd64)
CLOSURE_bookworm=(
  base-files netbase tzdata media-types libc6 libssl3 libgomp1 libstdc++6 libgcc-s1 gcc-12-base ca-certificates
  busybox-static libcrypt1 mawk hello
  # and what the python3 image of this release holds
  python3.11-minimal python3.11-venv libpython3.11-stdlib libc-bin libgssapi-krb5-2
)
ALONE_bookworm=()

ARCHITECTURES_trixie=(amd64 arm64)
CLOSURE_trixie=(
  # what distroless' static, base and cc images hold
  base-files netbase tzdata tzdata-legacy media-types libc6 libssl3t64 libzstd1 zlib1g openssl-provider-legacy
  libgomp1 libstdc++6 libgcc-s1 gcc-14-base ca-certificates busybox-static
  # and its python3
  libbz2-1.0 libdb5.3t64 libexpat1 liblzma5 libsqlite3-0 libuuid1 libncursesw6 libtinfo6 libcom-err2 libcrypt1
  libc-bin libgssapi-krb5-2 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 libnsl2 libreadline8t64 libtirpc3t64
  libffi8 libpython3.13-minimal libpython3.13-stdlib python3.13-minimal python3.13-venv
  # a stage that compiles, with the essential packages that scripts count on
  gcc libc6-dev dash coreutils base-passwd bash dpkg sed grep debianutils diffutils findutils gzip hostname
  init-system-helpers ncurses-base ncurses-bin perl-base sysvinit-utils tar bsdutils util-linux
)
# For an image of another platform: with netbase, tzdata, tzdata-legacy, media-types, which are of all architectures and
# thus there already, these are base-files and libc6 with what they depend on.
ALONE_trixie=(base-files:arm64 mawk:arm64 libc6:arm64 libgcc-s1:arm64 gcc-14-base:arm64)

fail() { echo "mirror.sh: $*" >&2; exit 1; }

# Where the machine's apt gets its release from. Only read, never written down: it may be a company's own mirror.
debian_uri() {
  [ -n "${MIRROR_FROM:-}" ] && { echo "${MIRROR_FROM%/}"; return; }
  local release file uri
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  for file in /etc/apt/sources.list.d/*.sources; do
    uri=$(awk -v release="$release" '
      BEGIN { RS = ""; FS = "\n" }
      { uri = found = ""
        for (i = 1; i <= NF; i++) {
          if ($i ~ /^URIs:/) { split($i, words, " "); uri = words[2] }
          if ($i ~ /^Suites:/ && $i ~ "[ :]" release "( |$)") found = 1
        }
        if (found) { print uri; exit } }' "$file")
    [ -n "$uri" ] && { echo "${uri%/}"; return; }
  done
  fail "no source of $release in /etc/apt/sources.list.d; set MIRROR_FROM"
}

# configure SUITE: a configuration of apt's in $STATE that neither reads nor writes the machine's state. It is given
# with -c, thus read last: the machine's own settings, such as a proxy, hold but for what is set here.
configure() {
  local suite=$1 state=$STATE/$1
  local -n architectures=ARCHITECTURES_$suite
  mkdir -p "$state"/{lists/partial,archives/partial,log}
  : > "$state/status"
  echo "deb [signed-by=$KEYRING] $URI $suite main" > "$state/sources.list"
  {
    printf 'Dir::State "%s";\nDir::State::Lists "%s/lists";\nDir::State::status "%s/status";\n' "$state" "$state" "$state"
    printf 'Dir::Cache "%s";\nDir::Cache::archives "%s/archives";\nDir::Cache::pkgcache "pkgcache.bin";\n' "$state" "$state"
    printf 'Dir::Log "%s/log";\nDir::Etc::SourceList "%s/sources.list";\nDir::Etc::SourceParts "/dev/null";\n' "$state" "$state"
    printf 'Dir::Etc::Preferences "/dev/null";\nDir::Etc::PreferencesParts "/dev/null";\n'
    printf 'APT::Architecture "%s";\n#clear APT::Architectures;\n' "${architectures[0]}"
    printf 'APT::Architectures { %s };\n' "$(printf '"%s"; ' "${architectures[@]}")"
    # Plain lists, as Release knows their hash, and no others than Packages.
    printf 'Acquire::GzipIndexes "false";\n#clear Acquire::IndexTargets;\n'
    printf 'Acquire::IndexTargets::deb::Packages { MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages"; ShortDescription "Packages"; Description "Packages"; Optional "no"; };\n'
    printf 'Acquire::Languages "none";\nAcquire::PDiffs "false";\nAcquire::Retries "3";\n'
    printf 'APT::Sandbox::User "root";\nAPT::Install-Recommends "false";\n'
    printf '#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n'
  } > "$state/apt.conf"
}

# apt SUITE ARGUMENT...: quiet unless it fails.
apt() {
  local state=$STATE/$1
  shift
  apt-get -q -c "$state/apt.conf" "$@" 2> "$state/err" || { cat "$state/err" >&2; fail "apt-get $* failed"; }
}

# listed SUITE PATH: the SHA256 that the suite's InRelease gives for PATH.
listed() {
  awk -v path="$2" '/^[^ ]/ { inside = $1 == "SHA256:" } inside && $3 == path { print $1; exit }' "$NEW/dists/$1/InRelease"
}

# add_index SUITE PATH FILE: puts an index into the tree, under its hash too.
add_index() {
  local hash to=$NEW/dists/$1/$2
  hash=$(listed "$1" "$2")
  [ "$(sha256sum < "$3" | cut -d' ' -f1)" = "$hash" ] || fail "$1: $2 is not what InRelease lists"
  mkdir -p "$(dirname "$to")/by-hash/SHA256"
  cp "$3" "$to"
  ln "$to" "$(dirname "$to")/by-hash/SHA256/$hash"
}

# indexes SUITE: InRelease and the lists. apt drops the compressed ones, so these are fetched by their hash.
indexes() {
  local suite=$1 state=$STATE/$1 architecture path file
  local -n for_indexes=ARCHITECTURES_$suite
  # Else apt says that all is well when it has fetched nothing.
  apt "$suite" update --error-on=any > "$state/out"
  mkdir -p "$NEW/dists/$suite"
  cp "$state"/lists/*_InRelease "$NEW/dists/$suite/InRelease"
  for architecture in "${for_indexes[@]}"; do
    path=main/binary-$architecture/Packages
    add_index "$suite" "$path" "$(echo "$state"/lists/*"_binary-${architecture}_Packages")"
    file=$state/$architecture.xz
    if /usr/lib/apt/apt-helper -c "$state/apt.conf" download-file \
      "$URI/dists/$suite/main/binary-$architecture/by-hash/SHA256/$(listed "$suite" "$path.xz")" "$file" > "$state/out" 2>&1; then
      add_index "$suite" "$path.xz" "$file"
    else
      echo "mirror.sh: $suite: no $path.xz; going on without" >&2
    fi
  done
}

# wanted SUITE: NAME:ARCHITECTURE=VERSION of all packages to fetch.
wanted() {
  local -n closure=CLOSURE_$1 alone=ALONE_$1 for_wanted=ARCHITECTURES_$1
  apt "$1" -s install "${closure[@]}" |
    sed -nE "s/^Inst ([^ :]+)(:[a-z0-9]+)? \(([^ ]+) .*/\1:${for_wanted[0]}=\3/p"
  printf '%s\n' ${alone[@]+"${alone[@]}"}
}

# packages SUITE: the packages, at the paths that their list gives. apt checks their hashes.
packages() {
  local suite=$1 state=$STATE/$1 names uri file path rest
  names=$(wanted "$suite")
  [ -n "$names" ] || fail "$suite: nothing to fetch"
  mkdir "$state/debs"
  cd "$state/debs"
  # Asked first: apt names no address of what is there already.
  apt "$suite" download --print-uris $names > "$state/uris"
  apt "$suite" download $names > "$state/out"
  while read -r uri file rest; do
    uri=${uri#\'}
    uri=${uri%\'}
    uri=${uri#"$URI/"}
    # apt writes a plus as %2b; the file has its own name.
    printf -v path %b "${uri//%/\\x}"
    mkdir -p "$NEW/$(dirname "$path")"
    # A package that two suites share is fetched twice and is the same.
    mv "$file" "$NEW/$path"
  done < "$state/uris"
  cd /
}

# verify: once more and without apt, that each package is what a list tells, and that none is listed nowhere.
verify() {
  cd "$NEW"
  find pool -type f | sort > "$STATE/have"
  awk '/^Filename: / { name = $2 } /^SHA256: / { hash = $2 } /^$/ { print hash "  " name }' dists/*/main/binary-*/Packages |
    sort -u -k2 | awk 'NR == FNR { have[$1] = 1; next } $2 in have' "$STATE/have" - > "$STATE/sums"
  [ "$(wc -l < "$STATE/sums")" = "$(wc -l < "$STATE/have")" ] || fail "packages that no list has"
  sha256sum --quiet -c "$STATE/sums"
  cd /
}

# What the stamp holds: another list of packages makes another mirror.
asked() {
  local name
  for name in ${!ARCHITECTURES_*} ${!CLOSURE_*} ${!ALONE_*} SUITES; do declare -p "$name"; done
}

make() {
  URI=$(debian_uri)
  STATE=$(mktemp -d)
  trap 'rm -rf "$STATE" "$NEW"' EXIT
  rm -rf "$NEW"
  mkdir "$NEW"
  local suite
  for suite in "${SUITES[@]}"; do
    configure "$suite"
    indexes "$suite"
    packages "$suite"
  done
  verify
  chmod -R a+rX "$NEW"
  rm -rf "$DIR/debian" "$STAMP"
  mv "$NEW" "$DIR/debian"
  asked > "$STAMP"
}

[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
mkdir -p "$1"
DIR=$(cd "$1" && pwd)
STAMP=$DIR/complete
NEW=$DIR/debian.new
# Two tests at once: the second waits and finds the mirror.
exec 9> "$DIR/lock"
flock 9
asked | cmp -s - "$STAMP" || make
