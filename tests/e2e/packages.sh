#!/usr/bin/env bash
# Packages of Debian: what is resolved, locked, laid into trees and trusted. A mirror with Debian's own signatures and
# packages, from a directory and over HTTP; and a small repository that is made and signed here, for what Debian does not
# have. packages/NAME.stderr are the exact messages; MINIBUILD_TEST_ACCEPT=1 rewrites them, for review.
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/e2e/nginx_mirror.sh"
MIRROR=${MINIBUILD_TEST_MIRROR:-${TMPDIR:-/tmp}/minibuild-test-mirror}
"$SOURCE/tests/e2e/mirror.sh" "$MIRROR" || { echo "FAILED: there is no mirror of Debian"; exit 1; }
MIRROR=$(cd "$MIRROR" && pwd)
export GNUPGHOME=$SCRATCH/gpg no_proxy='*'
mkdir -m 700 gpg && : > words
OPEN=$(mktemp -d) && chmod 755 "$OPEN"
trap 'stop_mirror; gpgconf --kill all 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH" "$OPEN"' EXIT
SNAPSHOT=https://snapshot.debian.org/archive/debian/20261122T000000Z
KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

# spec NAME TEXT [URL]: a spec with packages of trixie. own NAME TEXT: with those of the small repository.
spec() { printf 'minibuild: 1\nsources: { debian: { deb: "%s", suites: [trixie], keys: [%s] } }\nuser: root\n%s\n' "${3:-$SNAPSHOT}" "${4:-$KEYS}" "$2" > "$1.yaml"; }
own() { printf 'minibuild: 1\nsources: { own: { deb: "file://%s/repo", suites: [stable], keys: [own.asc] } }\nuser: root\n%s\n' "$SCRATCH" "$2" > "$1.yaml"; }
near() { "$MINIBUILD" "$1" --mirror "$SNAPSHOT=file://$MIRROR/debian" "${@:2}"; }
# made NAME OUTPUT…: builds NAME.yaml, its log in NAME.log; prints the digest.
made() { near build --progress plain "$1.yaml" "${@:2}" 2> "$1.log" || cat "$1.log"; }
locked() { jq -r --arg stage "${2:-}" '.packages[] | select((.spec // "") == "" and (.stage // "") == $stage) | .packages[].name' "$1.lock.json" | xargs; }
manifest() { cat "$1/blobs/sha256/$(jq -r '.manifests[0].digest' "$1/index.json" | cut -d: -f2)"; }
layers() { manifest "$1" | jq -r '.layers[].digest'; }
paths() { "$MINIBUILD" inspect --json "$1" | jq -r '.files[].path'; }
# of PACKAGE FIELD: what the real index says.
INDEX=$MIRROR/debian/dists/trixie/main/binary-amd64/Packages
of() { awk -v package="$1" -v field="$2:" '$1 == "Package:" { name = $2 } name == package && $1 == field { print $2; exit }' "$INDEX"; }
# The words that the OpenPGP library writes by itself are left out here, and checked for below.
normal() {
  grep -E '^\[[a-z_]+\(\) .*\.cpp' got.err >> words
  sed -E -e '/^\[[a-z_]+\(\) .*\.cpp/d' -e "s#$SCRATCH#SCRATCH#g; s#$MIRROR#MIRROR#g" -e 's#127\.0\.0\.1:[0-9]+#HOST#g' -e 's#[0-9a-f]{64}#HASH#g' \
    -e 's#_[^/_]+_(all|amd64)\.deb#_VERSION_\1.deb#g' -e 's#^( *sources: ).*#\1…#'
}
# golden NAME COMMAND…: exit status 1 and exactly these messages.
golden() {
  local name=$1 status
  shift
  "$@" > got.out 2> got.err
  status=$?
  same "$name: exit status" "$status" 1
  same "$name: nothing on stdout" "$(cat got.out)" ""
  normal < got.err > got.normal
  [ "${MINIBUILD_TEST_ACCEPT:-}" = 1 ] && cp got.normal "$SOURCE/tests/e2e/packages/$name.stderr"
  check "$name: the message" diff -u "$SOURCE/tests/e2e/packages/$name.stderr" got.normal
}
# No bytes in the cache but those that their name says, and none of the files given.
sound() {
  local blob file hash
  for blob in "$MINIBUILD_CACHE_DIR"/blobs/sha256/*; do
    [ ! -f "$blob" ] || [ "$(sha256sum < "$blob" | cut -d' ' -f1)" = "$(basename "$blob")" ] || { echo "damaged: $blob"; return 1; }
  done
  for file in "$@"; do
    hash=$(sha256sum < "$file" | cut -d' ' -f1)
    [ ! -e "$MINIBUILD_CACHE_DIR/blobs/sha256/$hash" ] || { echo "$file is in the cache"; return 1; }
  done
}

# --- Trust: one cache for all that is refused, and then for what is right.
spec trust 'packages: [netbase, media-types]'
cp -al "$MIRROR/debian" good 2> /dev/null || cp -a "$MIRROR/debian" good
# bad NAME FILE…: a mirror of its own, NAME/, in which these files are copies that may be changed.
bad() {
  cp -al good "$1"
  local file
  for file in "${@:2}"; do cp --remove-destination "good/$file" "$1/$file"; done
}
flip() { printf '%b' "\\x$(printf %x $(($(od -An -tu1 -j"$2" -N1 "$1") ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
# refuse CASE [URL]: the mirror itself is what the spec names, so there is no other place to turn to.
refuse() {
  local url=${2:-file://$SCRATCH/$1}
  rm -f trust.lock.json
  spec trust 'packages: [netbase, media-types]' "$url"
  golden "$1${2:+-http}" "$MINIBUILD" build --progress none trust.yaml -o oci:refused.oci
  case $1 in *-deb) ;; *) check "$1: no lock file" test ! -e trust.lock.json ;; esac
}
R=dists/trixie/InRelease P=dists/trixie/main/binary-amd64
hash_of() { sha256sum < "$1" | cut -d' ' -f1; }
bad tampered-release $R && sed -i 's/^Suite: stable/Suite: stablf/' tampered-release/$R
bad tampered-signature $R && awk '/BEGIN PGP SIGNATURE/ { inside = 1 } inside && ++n == 6 { sub(/^..../, "AAAA") } { print }' good/$R > tampered-signature/$R
bad unsigned $R && sed -e '/^-----BEGIN PGP SIGNATURE/,$d' -e '1,/^$/d' good/$R > unsigned/$R
bad signed-by-another $R
gpg -q --batch --passphrase '' --quick-gen-key 'own <own@example.com>' rsa2048 sign never 2> gpg.log
gpg -q --armor --export own@example.com > own.asc
gpg -q --clearsign < unsigned/$R > signed-by-another/$R
bad wrong-suite $R && cp --remove-destination good/dists/bookworm/InRelease wrong-suite/$R
bad tampered-xz $P/Packages.xz && flip tampered-xz/$P/Packages.xz 5000 && cp --remove-destination tampered-xz/$P/Packages.xz "tampered-xz/$P/by-hash/SHA256/$(hash_of good/$P/Packages.xz)"
bad tampered-packages $P/Packages && rm tampered-packages/$P/Packages.xz "tampered-packages/$P/by-hash/SHA256/$(hash_of good/$P/Packages.xz)"
flip tampered-packages/$P/Packages 5000 && cp --remove-destination tampered-packages/$P/Packages "tampered-packages/$P/by-hash/SHA256/$(hash_of good/$P/Packages)"
deb=$(of netbase Filename)
bad tampered-deb "$deb" && flip "tampered-deb/$deb" 3000
bad short-deb "$deb" && truncate -s -1 "short-deb/$deb"
for case in tampered-release tampered-signature unsigned signed-by-another wrong-suite tampered-xz tampered-packages; do
  check "$case: something is changed" bash -c "! diff -rq good $case"
  refuse "$case"
done
check "refused releases leave nothing in the cache" sound tampered-release/$R tampered-signature/$R unsigned/$R signed-by-another/$R
check "refused lists leave nothing in the cache" sound tampered-xz/$P/Packages.xz tampered-packages/$P/Packages
check "nobody but minibuild speaks" bash -c "! grep -h . words"
spec trust 'packages: [netbase, media-types]' "$SNAPSHOT" nothing.gpg
golden no-keys near build --progress none trust.yaml -o oci:refused.oci
head -c 3000 /dev/urandom | base64 > noise.gpg
spec trust 'packages: [netbase, media-types]' "$SNAPSHOT" noise.gpg
golden keys-of-noise near build --progress none trust.yaml -o oci:refused.oci
: > empty.gpg
spec trust 'packages: [netbase, media-types]' "$SNAPSHOT" empty.gpg
check "an empty keyring: the message is about it" bash -c "'$MINIBUILD' build --progress none trust.yaml --mirror '$SNAPSHOT=file://$MIRROR/debian' -o oci:refused.oci 2>&1 | grep -qE 'key'\''?s?.*(empty|OpenPGP|no key)'"
refuse tampered-deb
refuse short-deb
rm -f trust.lock.json
spec trust 'packages: [netbase, media-types]'
check "refused packages leave nothing in the cache" sound "tampered-deb/$deb" "short-deb/$deb"
check "nothing is written" test ! -e refused.oci
D=$(made trust -o oci:trust.oci:1)
check "the same cache, the right mirror" grep -q '^sha256:' <<< "$D"
check "valid" python3 "$SOURCE/tests/e2e/validate.py" trust.oci
# A locked package is judged by the lock alone.
sed -i 's/\("digest": "sha256:\)..../\10000/' trust.lock.json
golden locked-hash near build --progress none trust.yaml --cache-dir "$SCRATCH/cache.other" -o oci:refused.oci --locked
rm trust.lock.json

# --- The lock.
golden locked-without-lock near build trust.yaml --progress none --locked -o oci:refused.oci
made trust -o oci:trust.oci:1 > /dev/null
same "the lock: what is in it" "$(jq -c '.packages[0].packages[] | [.name, .version, .url, .digest, .size, .why]' trust.lock.json)" \
  "$(for p in media-types netbase; do jq -nc --arg n $p --arg v "$(of $p Version)" --arg u "$SNAPSHOT/$(of $p Filename)" --arg d "sha256:$(of $p SHA256)" --argjson s "$(of $p Size)" '[$n, $v, $u, $d, $s, "requested"]'; done)"
cp trust.lock.json kept.lock.json
same "--locked" "$(near build --progress none trust.yaml --locked -o oci:trust2.oci:1)" "$D"
spec trust 'packages: [netbase, media-types, tzdata]'
golden locked-stale near build trust.yaml --progress none --locked -o oci:refused.oci
check "a refused build leaves the lock" cmp trust.lock.json kept.lock.json
spec trust 'packages: [netbase, media-types]'
# An older version in the lock stays until it is updated.
jq '(.packages[0].packages[] | select(.name == "netbase") | .version) = "6.4"' kept.lock.json > trust.lock.json
near lock trust.yaml > lock.out 2>&1
same "lock: what is locked stays" "$(jq -r '.packages[0].packages[1].version' trust.lock.json)" 6.4
near lock trust.yaml --update > lock.out 2>&1
check "lock --update: says what has moved" grep -q "netbase 6.4 -> $(of netbase Version)" lock.out
check "lock --update: the lock is what it was" cmp trust.lock.json kept.lock.json
jq '(.packages[0].packages[] | .version) = "6.4"' kept.lock.json > trust.lock.json
near lock trust.yaml --update other > lock.out 2>&1
same "lock --update of another package" "$(jq -r '.packages[0].packages[].version' trust.lock.json | xargs)" "6.4 6.4"
cp kept.lock.json trust.lock.json

# --- Same lock, same digest.
spec same 'packages: [libssl3t64, netbase, tzdata, { name: debconf, omit: true }, libc6]'
S=$(made same -o oci:same.oci:1)
check "an image of several packages" grep -q '^sha256:' <<< "$S"
again() { rm -rf cache.again; "$MINIBUILD" build --progress none same.yaml --locked --cache-dir "$SCRATCH/cache.again" -o oci:again.oci "$@" 2> again.err || cat again.err; }
port=$((20000 + $$ % 20000))
if check "nginx" start_mirror "$MIRROR" "$port"; then
  same "another mirror, over HTTP" "$(again --mirror "$SNAPSHOT=http://127.0.0.1:$port/debian")" "$S"
  same "only packages are fetched with a lock" "$(grep -c InRelease "$MIRROR_LOG") $(grep -c '\.deb 200' "$MIRROR_LOG")" "0 $(locked same | wc -w)"
  rm -rf cache.again
  rm -f trust.lock.json
  same "resolved over HTTP, with a cache of its own" "$(near build --progress none trust.yaml --cache-dir "$SCRATCH/cache.again" --mirror "$SNAPSHOT=http://127.0.0.1:$port/debian" -o oci:again.oci)" "$D"
  stop_mirror && start_mirror "$SCRATCH" "$port"
  for case in tampered-release tampered-xz tampered-deb; do
    # By their hashes the cache has the right ones: here is a new one.
    MINIBUILD_CACHE_DIR=$SCRATCH/cache.http refuse "$case" "http://127.0.0.1:$port/$case"
  done
  check "refused over HTTP: nothing in the cache" env MINIBUILD_CACHE_DIR="$SCRATCH/cache.http" bash -c "$(declare -f sound); sound tampered-xz/$P/Packages.xz 'tampered-deb/$deb'"
  rm -f trust.lock.json && spec trust 'packages: [netbase, media-types]'
  stop_mirror
fi
local_mirror="$SNAPSHOT=file://$MIRROR/debian"
if days_pass; then
  same "the other day is another" "$(on_day '2031-01-01 00:00:00' date +%Y)" 2031
  same "another day" "$(on_day '2031-01-01 00:00:00' again --mirror "$local_mirror")" "$S"
fi
same "another umask and time zone" "$(umask 0077; TZ=Asia/Tokyo again --mirror "$local_mirror")" "$S"
if [ "$(id -u)" = 0 ]; then
  cp "$MINIBUILD" "$OPEN/minibuild" && cp same.yaml same.lock.json "$OPEN" && chown -R 65534:65534 "$OPEN"
  same "another user" "$(cd "$OPEN" && setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$OPEN" XDG_RUNTIME_DIR="$OPEN" "$OPEN/minibuild" build \
    --progress none same.yaml --locked --cache-dir "$OPEN/cache" --mirror "$local_mirror" -o oci:again.oci 2>&1)" "$S"
else
  echo "not run: another user needs root"
fi
spec order 'packages: [libc6, { name: debconf, omit: true }, tzdata, netbase, libssl3t64]'
same "the list in another order" "$(made order -o oci:order.oci)" "$S"
check "no other mirror is in the lock" bash -c "! grep -qE 'file://|127\.0' same.lock.json"

# --- Requests with versions.
spec e "packages: [\"netbase=$(of netbase Version)\", \"media-types>=10\", \"tzdata<9999\", { name: debconf, omit: true }]"
check "requests with versions" near lock e.yaml
same "are met" "$(locked e)" "media-types netbase tzdata"
message() { spec e "packages: [$1]"; near lock e.yaml > /dev/null 2> err && echo "no error"; head -1 err; }
same "a version that is not there" "$(message '"netbase=9.9"')" "e.yaml:4:12: error: no source has 'netbase=9.9'; it is there as $(of netbase Version)"
same "a version that is too new" "$(message '"netbase>=99"')" "e.yaml:4:12: error: no source has 'netbase>=99'; it is there as $(of netbase Version)"
same "a name that is not there" "$(message netbas)" "e.yaml:4:12: error: no source has a package 'netbas' for amd64; did you mean 'netbase'?"
message 'libssl3t64, "!openssl-provider-legacy"' > /dev/null
check "a package that must not be there" grep -q "libssl3t64 .* needs openssl-provider-legacy" err
message 'exim4, postfix' > /dev/null
check "a conflict: what clashes" grep -qE "exim4-config .* conflicts with postfix" err
check "a conflict: who asks" grep -q "the spec asks for 'exim4'" err

# --- Parts of packages, databases, layers, what is missing.
spec part 'packages: [base-files, { name: tzdata, only: ["usr/share/zoneinfo/Europe/*", usr/share/doc/tzdata/copyright], except: ["**/Vienna"] }, { name: debconf, omit: true }, { name: mawk, omit: true }]'
made part -o dir:part > /dev/null
same "only and except" "$(cd part/usr/share/zoneinfo && find . -type f ! -path './Europe/*' | wc -l) $(test -f part/usr/share/zoneinfo/Europe/Berlin && echo Berlin) $(ls part/usr/share/zoneinfo/Europe | grep -c Vienna) $(ls part/usr/share/doc/tzdata)" "0 Berlin 0 copyright"
same "the sums of what is there" "$(cd part && md5sum --quiet -c var/lib/dpkg/status.d/tzdata.md5sums && wc -l < var/lib/dpkg/status.d/tzdata.md5sums)" "$(find part/usr/share/zoneinfo/Europe -type f | wc -l | awk '{ print $1 + 1 }')"
spec all 'packages: [grep, dash, { name: "*", except: [docs, locales] }]'
made all -o dir:all -o oci:all.oci:1 > /dev/null
same "docs and locales of all packages" "$(cd all/usr/share && ls doc/grep) $(find all/usr/share/doc -type f ! -name copyright | wc -l) $(ls all/usr/share | grep -cE '^(man|info|lintian)$') $(find all/usr/share/locale -name '*.mo' 2> /dev/null | wc -l)" "copyright 0 0 0"
check "grep is there" test -x all/usr/bin/grep

spec db 'packages: [base-files, netbase, libc6, tzdata, dash]
package-database: dpkg'
made db -o dir:db > /dev/null
same "dpkg-query reads the database" "$(dpkg-query --admindir=db/var/lib/dpkg -W -f '${Package} ${Version} ${Status}\n' | sort)" \
  "$(jq -r '.packages[0].packages[] | .name + " " + .version + " install ok installed"' db.lock.json | sort)"
same "dpkg-query: the owner of a file" "$(dpkg-query --admindir=db/var/lib/dpkg -S /usr/bin/dash)" "dash: /usr/bin/dash"
check "no status.d besides" test ! -e db/var/lib/dpkg/status.d
if [ "$(id -u)" = 0 ]; then
  same "dpkg --verify" "$(dpkg --root="$PWD/db" --verify 2>&1)" ""
  same "dpkg --audit" "$(dpkg --root="$PWD/db" --audit 2>&1)" ""
  echo more >> db/etc/protocols && truncate -s +1 db/usr/bin/dash
  same "dpkg --verify sees a change" "$(dpkg --root="$PWD/db" --verify 2>&1 | awk '{ print $NF }' | sort | xargs)" "/etc/protocols /usr/bin/dash"
fi

# The merged /usr, with base-files and without; Debian 12's packages in the same layout.
spec merged 'packages: [dash]'
made merged -o dir:merged > /dev/null
same "packages without base-files: the links of the merged /usr" "$(cd merged && readlink bin sbin lib lib64 | xargs)" "usr/bin usr/sbin usr/lib usr/lib64"
check "packages without base-files: /bin/sh and the loader by their old names" test -x merged/bin/sh -a -x merged/lib64/ld-linux-x86-64.so.2
[ "$(id -u)" != 0 ] || [ "$(uname -m)" != x86_64 ] || same "its shell runs" "$(chroot merged /bin/sh -c 'echo runs' 2>&1)" runs
spec merged12 'packages: [libc6]' && sed -i 's/trixie/bookworm/' merged12.yaml
made merged12 -o dir:merged12 > /dev/null
same "Debian 12: the same layout" "$(cd merged12 && readlink bin sbin lib lib64 | xargs) $(cd merged12 && ls usr/lib64 && ls -d lib/x86_64-linux-gnu/libc.so.6)" \
  "usr/bin usr/sbin usr/lib usr/lib64 ld-linux-x86-64.so.2
lib/x86_64-linux-gnu/libc.so.6"

spec lack 'packages: [grep, { name: libpcre2-8-0, omit: true }, { name: dpkg, omit: true }]'
made lack -o dir:lack > /dev/null
check "a missing library, and who has it" grep -q "missing-library: warning: /usr/bin/grep needs libpcre2-8.so.0, which is not in the image; add 'libpcre2-8-0' to 'packages'" lack.log
same "nothing else is missing" "$(grep -c missing-library lack.log)" 1

spec one 'packages: [libc6, netbase, { name: libgcc-s1, omit: true }]'
spec two 'packages: [libc6, media-types, libstdc++6]'
made one -o oci:one.oci:1 > /dev/null && made two -o oci:two.oci:1 > /dev/null
common=$(comm -12 <(layers one.oci | sort) <(layers two.oci | sort))
of_layers() { for layer in $2; do zstd -dcq < "$1/blobs/sha256/${layer#sha256:}" | tar -tf -; done; }
same "two images share the C library, and the link to its loader" "$(of_layers one.oci "$common" | grep -E '(/libc\.so\.6|^lib64)$' | sort | xargs) $(wc -w <<< "$common")" "lib64 usr/lib/x86_64-linux-gnu/libc.so.6 2"
same "and nothing else" "$(of_layers one.oci "$common" | grep -E '(protocols|stdc|mime)')" ""
check "no more than eight" test "$(layers two.oci | wc -l)" -le 8
same "each layer has its parents" "$(python3 "$SOURCE/tests/e2e/validate.py" one.oci two.oci 2>&1)" ""

# --- On bases.
spec ground 'packages: [libc6, netbase]'
made ground -o oci:ground.oci:1 > /dev/null
spec upper 'base: ./ground.yaml
packages: [libssl3t64]'
made upper -o oci:upper.oci:1 -o tar:upper.tar > /dev/null
same "on a spec: what it has is not locked again" "$(locked upper)" "libssl3t64 libzstd1 openssl-provider-legacy zlib1g"
same "on a spec: its layers" "$(layers upper.oci | head -n "$(layers ground.oci | wc -l)")" "$(layers ground.oci)"
spec image 'base: oci:ground.oci:1
packages: [libssl3t64]'
made image -o oci:image.oci:1 -o tar:image.tar > /dev/null
same "on an image with status.d: the same packages" "$(locked image)" "$(locked upper)"
same "on an image with status.d: the same tree" "$(sha256sum < image.tar)" "$(sha256sum < upper.tar)"
spec full 'base: oci:db.oci:1
packages: [libssl3t64]'
made db -o oci:db.oci:1 > /dev/null
made full -o oci:full.oci:1 > /dev/null
same "on an image with dpkg's database: the same packages" "$(locked full)" "$(locked upper)"

spec without 'base: oci:ground.oci:1
packages: ["!netbase", media-types]'
near build --progress none without.yaml -o oci:without.oci > /dev/null 2> without.log
same "!name that the base has: refused" "$?" 1
check "!name that the base has: says so" grep -q netbase without.log

# run_image LAYOUT
run_image() {
  rm -rf gz bundle
  skopeo copy -q --dest-compress-format gzip "oci:$1:1" oci:gz:image || return 1
  umoci unpack --image gz:image bundle > umoci.log 2>&1 || { cat umoci.log; return 1; }
  jq '.process.terminal = false | .linux.namespaces |= map(select(.type != "cgroup")) | del(.linux.resources) | .linux.cgroupsPath = ""' \
    bundle/config.json > config.json && mv config.json bundle/config.json
  (cd bundle && runc run "minibuild-packages-$$" < /dev/null 2>&1)
}

# --- Trim.
spec whole 'packages: [grep, tzdata, { name: dpkg, omit: true }, { name: debconf, omit: true }]
entrypoint: [/usr/bin/grep, -c, root, /etc/passwd]
accounts: { users: [{ name: u, uid: 7 }] }'
sed 's/^user:/trim: true\nuser:/' whole.yaml > trimmed.yaml
sed 's|^user:|trim: { keep: ["usr/share/zoneinfo/Etc/*", usr/share/doc/grep/README] }\nuser:|' whole.yaml > keeping.yaml
for name in whole trimmed keeping; do made $name -o "oci:$name.oci:1" > /dev/null; done
size() { manifest "$1" | jq '[.layers[].size] | add'; }
check "trim: less than half of the size" test "$(($(size trimmed.oci) * 2))" -lt "$(size whole.oci)"
same "trim: no other library stays" "$(paths oci:trimmed.oci | grep -E '\.so' | grep -vE '/(ld-linux-x86-64.so.2|libc.so.6|libpcre2-8.so.0[0-9.]*)$')" ""
same "trim: the program and its libraries" "$(paths oci:trimmed.oci | grep -E '^/usr/(bin|lib)' | grep -E '/(grep|libc.so.6|ld-linux-x86-64.so.2|libpcre2-8.so.0)$' | sed 's,.*/,,' | sort -u | xargs)" \
  "grep ld-linux-x86-64.so.2 libc.so.6 libpcre2-8.so.0"
made trimmed -o dir:trimmed.dir > /dev/null
same "trim: the sums are of what is there" "$(cd trimmed.dir && cat var/lib/dpkg/status.d/*.md5sums | md5sum -c 2>&1 | grep -vc ': OK$')" 0
same "trim: no link leads to what went" "$(cd trimmed.dir && find . -type l -printf '%h %p %l\n' | while read -r at path target; do
  case $target in /*) target=.$target ;; *) target=$at/$target ;; esac
  [ -e "$target" ] || [ -L "$target" ] || echo "$path"
done)" ""
same "trim: its docs go, its copyright stays" "$(paths oci:trimmed.oci | grep /usr/share/doc/grep/)" /usr/share/doc/grep/copyright
same "trim: of a package without a file nothing stays" "$(paths oci:trimmed.oci | grep -c tzdata)" 0
check "trim: says what went" grep -qE '^trim: .*files.*tzdata' trimmed.log
same "trim: nothing is missing" "$(grep -c missing-library trimmed.log)" 0
same "trim: what is kept" "$(paths oci:keeping.oci | grep -cE '^/usr/share/(zoneinfo/Etc/UTC|doc/grep/README|doc/tzdata/copyright)$') $(paths oci:keeping.oci | grep -c zoneinfo/Europe)" "3 0"
# What the spec itself brings stays, with what it needs; nothing is there only because a package had it.
echo "our own" > own && printf '#!/usr/bin/sed -f\np\n' > own.sed
spec own 'packages: [base-files, coreutils, grep, sed, gzip, dash, bash, tzdata, { name: dpkg, omit: true }, { name: debconf, omit: true }]
trim: true
entrypoint: [/usr/bin/grep]
accounts: { users: [{ name: u, uid: 7, shell: /bin/bash }] }
copy:
  - { from: own, to: /usr/share/zoneinfo/UTC }
  - { from: own, to: /usr/share/doc/gzip/own }
  - { from: own.sed, to: /app/ }
files:
  - { symlink: /app/zip, target: /usr/bin/gzip }
  - { directory: /usr/share/doc/sed/ours }
  - { file: /app/start, mode: "0755", content: "#!/bin/sh\n. /app/functions\nexec true\n" }
  - { file: /app/functions, content: "calls() { ls /; }\n" }'
made own -o oci:own.oci:1 -o dir:own.dir --metadata-file own.json > /dev/null
same "trim: what the spec wrote stays" "$(cat own.dir/usr/share/zoneinfo/UTC own.dir/usr/share/doc/gzip/own; ls -d own.dir/usr/share/doc/sed/ours)" "our own
our own
own.dir/usr/share/doc/sed/ours"
same "trim: and what it needs" "$(cd own.dir/usr/bin && ls bash dash gzip ls sed 2>&1 | xargs)" "bash dash gzip ls sed"
same "trim: by the names that scripts and accounts use" "$(readlink own.dir/bin) $(test -x own.dir/bin/sh && test -x own.dir/bin/bash && echo yes)" "usr/bin yes"
same "trim: and os-release with its link" "$(readlink own.dir/etc/os-release) $(grep -c ^ID= own.dir/usr/lib/os-release)" "../usr/lib/os-release 1"
check "trim: names what was asked for and is gone, and parts" grep -qE "^trim: took out .*nothing is left of what 'packages' asks for: tzdata.*; files of: .*grep \\([0-9]+ of [0-9]+\\)" own.log
same "trim: all of it is in the metadata" "$(jq -r '.images[0].trimmed[] | select(.package == "tzdata") | .whole, (.files | index("/usr/share/zoneinfo/Europe/Berlin") != null)' own.json | xargs)" "true true"
if [ "$(id -u)" = 0 ] && [ "$(uname -m)" = x86_64 ]; then
  same "trim: the program runs" "$(run_image trimmed.oci)" 1
else
  echo "not run: runc needs root on x86_64 here"
fi

# --- A stage that compiles, with a compiler from packages; their scripts run in the sandbox.
if [ "$(uname -m)" = x86_64 ]; then
  cat > hello.c << 'E2'
#include <stdio.h>
int main(void) { puts("compiled in a stage"); return 0; }
E2
  spec stage 'packages: [netbase]
stages:
  build:
    base: scratch
    packages: [gcc, libc6-dev]
    copy: [{ from: hello.c, to: /src/ }]
    run: |
      gcc -O2 -static -o /src/hello /src/hello.c
      /src/hello > /src/said
      readlink -f /usr/bin/awk > /src/awk
      dpkg --audit > /src/audit
copy: [{ stage: build, from: /src, to: /app }]
entrypoint: [/app/hello]'
  T=$(made stage -o oci:stage.oci:1 -o dir:stage.dir)
  check "a stage with a compiler" test -s stage.dir/app/said
  same "what its program says" "$(cat stage.dir/app/said)" "compiled in a stage"
  same "scripts made the alternatives" "$(cat stage.dir/app/awk)" /usr/bin/mawk
  same "all packages are configured" "$(cat stage.dir/app/audit)" ""
  check "scripts ran" grep -q 'Setting up libc6' stage.log
  [ "$(id -u)" != 0 ] || same "the program runs" "$(run_image stage.oci)" "compiled in a stage"
  same "the second build" "$(made stage -o oci:stage.oci:1)" "$T"
  check "is cached" grep -q '^build: cached' stage.log
  spec stage2 'stages:
  build: { base: scratch, packages: [dash], run: ["echo 1 > /one"] }
copy: [{ stage: build, from: /one, to: /one }]'
  made stage2 -o oci:stage2.oci:1 > /dev/null
  check "a stage is run" grep -q '^build: run, not built before' stage2.log
  sed -i 's/\[dash\]/[dash, netbase]/' stage2.yaml && made stage2 -o oci:stage2.oci:1 > /dev/null
  check "a package more: says so" grep -q '^build: rerun, .*the package netbase added' stage2.log
fi

# --- A repository of our own.
# deb NAME VERSION [FIELD…]: a package of the tree ./NAME_tree (its scripts in ./NAME_scripts).
mkdir -p repo/pool
deb() {
  local name=$1 version=$2 work=deb.work
  shift 2
  rm -rf $work && mkdir -p $work "${name}_tree" && cp -a "${name}_tree/." $work/ && mkdir $work/DEBIAN
  [ ! -d "${name}_scripts" ] || cp "${name}_scripts"/* $work/DEBIAN/
  { printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: T <t@example.com>\nDescription: test\n' "$name" "$version"; [ $# = 0 ] || printf '%s\n' "$@"; } > $work/DEBIAN/control
  (cd $work && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) > md5sums && mv md5sums $work/DEBIAN/
  chmod -R u=rwX,go=rX $work && [ ! -f $work/DEBIAN/postinst ] || chmod 755 $work/DEBIAN/postinst
  dpkg-deb --root-owner-group -Zgzip -b $work "repo/pool/${name}_${version}_all.deb" > deb.log || cat deb.log
}
# text NAME PATH CONTENT: a file in a package's tree.
text() { mkdir -p "$(dirname "$1_tree/$2")" && printf '%s\n' "$3" > "$1_tree/$2"; }
# index [FIELD…]: lists and signs the repository.
index() {
  local path=repo/dists/stable/main/binary-amd64/Packages file
  mkdir -p "$(dirname $path)"
  for file in repo/pool/*.deb; do
    dpkg-deb -f "$file"
    printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "${file#repo/}" "$(stat -c %s "$file")" "$(sha256sum < "$file" | cut -d' ' -f1)"
  done > $path
  gzip -9nkf $path
  {
    printf 'Origin: own\nSuite: stable\nCodename: own\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: amd64\nComponents: main\n'
    [ $# = 0 ] || printf '%s\n' "$@"
    echo SHA256:
    for file in $path $path.gz; do printf ' %s %s %s\n' "$(sha256sum < $file | cut -d' ' -f1)" "$(stat -c %s $file)" "${file#repo/dists/stable/}"; done
  } > release
  gpg -q --batch --yes --clearsign -o repo/dists/stable/InRelease release
}
text left usr/share/thing "of left"; text left usr/share/doc/left/copyright C; text left usr/share/doc/left/README R
text left usr/share/man/man1/left.1 M; text left usr/share/locale/de/LC_MESSAGES/left.mo L; text left usr/share/locale/locale.alias A; text left usr/bin/tool-left L
chmod +x left_tree/usr/bin/tool-left
mkdir -p left_scripts && printf '#!/bin/sh\nset -e\nupdate-alternatives --install /usr/bin/tool tool /usr/bin/tool-left 10 \\\n  --slave /usr/share/man/man1/tool.1 tool.1 /usr/share/man/man1/left.1\n' > left_scripts/postinst
text right usr/share/thing "of right"; text right usr/bin/tool-right R
mkdir -p right_scripts && printf '#!/bin/sh\nset -e\nif [ "$1" = configure ]; then\n  update-alternatives --install /usr/bin/tool tool /usr/bin/tool-right 20\nfi\n' > right_scripts/postinst
text heir usr/share/thing "of heir"
text twin usr/share/thing "of left"
text enemy usr/share/enemy e; text breaker usr/share/breaker b
text first usr/share/first f; text second usr/share/second s; text chooser usr/share/chooser c
text real usr/share/real r; text stand-in usr/share/stand-in s; text needs-new usr/share/needs-new n; text needs-virtual usr/share/needs-virtual n
text system usr/lib/sysusers.d/system.conf 'u daemon-user 321 "A daemon" /var/lib/system
g shared 654
m daemon-user shared
u dynamic - "No number"'
text system usr/lib/tmpfiles.d/system.conf 'd /var/lib/system 0750 daemon-user shared -
d /run/system 0755 root root -
L /etc/system.link - - - - /var/lib/system'
text maker usr/share/maker m
mkdir -p maker_scripts && printf '#!/bin/sh\nset -e\nadduser --system maker\nmkmaker --of \\\n  /usr/share/maker\n' > maker_scripts/postinst
deb left 1.0; deb right 1.0; deb heir 2.0 'Replaces: left (<< 2)'; deb twin 1.0; deb enemy 1.0 'Conflicts: left'; deb breaker 1.0 'Breaks: left (<< 2)'
text real usr/share/real.gone g
deb first 1.0; deb second 1.0; deb chooser 1.0 'Depends: first | second'; deb real 1.0
deb stand-in 1.0 'Provides: service (= 3.1), abstract'; deb needs-new 1.0 'Depends: service (>= 3)'; deb needs-virtual 1.0 'Depends: abstract'
text newer usr/share/newer n; deb newer 1.0 'Depends: service (>= 4)'
text broken usr/share/broken n; deb broken 1.0 'Depends: no-such-package'
deb system 1.0; deb maker 1.0
text leader usr/share/leader l; deb leader 1.0 'Depends: second'; text follower usr/share/follower f; deb follower 1.0 'Depends: leader | second'
text meta usr/share/meta m; deb meta 1.0 'Depends: stand-in-too'; text stand-in-too usr/share/too t; deb stand-in-too 1.0 'Provides: meta'
text wants-meta usr/share/wants w; deb wants-meta 1.0 'Depends: meta'
rm -r real_tree && text real usr/share/real "newer" && text real usr/share/real.more m && deb real 1.1~rc1
index
image() { own "$1" "$2"; "$MINIBUILD" build --progress plain "$1.yaml" -o "dir:$1.dir" > "$1.out" 2> "$1.log" || cat "$1.log"; }
clash() { own "$1" "$2"; golden "$1" "$MINIBUILD" build --progress none "$1.yaml" -o "dir:$1.dir"; check "$1: nothing is written" test ! -e "$1.dir"; }
clash two-have-a-path 'packages: [left, right]'
image heir 'packages: [left, heir]'
same "Replaces: the replacing one has the path" "$(cat heir.dir/usr/share/thing)" "of heir"
same "Replaces: the other's sums do not name it" "$(grep -c share/thing heir.dir/var/lib/dpkg/status.d/left.md5sums) $(grep -c share/thing heir.dir/var/lib/dpkg/status.d/heir.md5sums)" "0 1"
image heir2 'packages: [heir, left]'
same "Replaces: in either order" "$(cat heir2.dir/usr/share/thing)" "of heir"
image twin 'packages: [left, twin]'
same "the same content in both" "$(cat twin.dir/usr/share/thing)" "of left"
image apart 'packages: [left, { name: right, except: [usr/share/thing] }]'
same "the path left out of one" "$(cat apart.dir/usr/share/thing)" "of left"
same "alternatives: the highest priority" "$(readlink apart.dir/usr/bin/tool) $(readlink apart.dir/etc/alternatives/tool)" "/etc/alternatives/tool /usr/bin/tool-right"
image lower 'packages: [left]'
same "alternatives: with what goes along" "$(readlink lower.dir/etc/alternatives/tool) $(readlink lower.dir/usr/share/man/man1/tool.1) $(readlink lower.dir/etc/alternatives/tool.1)" \
  "/usr/bin/tool-left /etc/alternatives/tool.1 /usr/share/man/man1/left.1"
same "alternatives need no warning" "$(grep -c warning apart.log lower.log | cut -d: -f2 | xargs)" "0 0"
clash conflicts 'packages: [left, enemy]'
clash breaks 'packages: [breaker, left]'
clash needs-nothing-has 'packages: [broken]'
clash provided-version 'packages: [newer]'
clash must-not-be 'packages: [chooser, "!first", "!second"]'
clash unknown 'packages: [chosser]'
clash version-not-there 'packages: ["real=2.0"]'
image chooser 'packages: [chooser]'
same "alternatives of Depends: the first" "$(locked chooser)" "chooser first"
image not-first 'packages: [chooser, "!first"]'
same "!name: the next" "$(locked not-first)" "chooser second"
image has-second 'packages: [chooser, second]'
same "one that is there already" "$(locked has-second)" "chooser second"
image omitted 'packages: [chooser, { name: first, omit: true }]'
same "omit" "$(locked omitted) $(ls omitted.dir/usr/share | xargs)" "chooser chooser"
image follower 'packages: [follower]'
same "alternatives of Depends: the first, though it needs the second" "$(locked follower)" "follower leader second"
image wants-meta 'packages: [wants-meta]'
same "a real package, though it needs one that provides its name" "$(locked wants-meta)" "meta stand-in-too wants-meta"
image virtual 'packages: [needs-virtual, needs-new]'
same "virtual packages, provided versions" "$(locked virtual)" "needs-new needs-virtual stand-in"
image newest 'packages: [real]'
same "the newest version" "$(jq -r '.packages[0].packages[0].version' newest.lock.json)" "1.1~rc1"
image older 'packages: ["real<1.1~"]'
same "below a tilde" "$(jq -r '.packages[0].packages[0].version' older.lock.json)" 1.0
same "why" "$(jq -r '.packages[0].packages[] | .why' virtual.lock.json | xargs)" "requested requested needed by needs-virtual"
own grounds 'packages: ["real<1.1~", left]' && "$MINIBUILD" build --progress none grounds.yaml -o oci:grounds.oci:1 > /dev/null
image raised 'base: oci:grounds.oci:1
packages: ["real>=1.1~"]'
same "a newer version on a base: its files, and none of the old" "$(cd raised.dir/usr/share && cat real && ls -d real*  | xargs)" "newer
real real.more"
same "a newer version on a base: what scanners see" "$(grep -h ^Version: raised.dir/var/lib/dpkg/status.d/real)" "Version: 1.1~rc1"
same "a newer version on a base: the others stay" "$(cat raised.dir/usr/share/thing) $(locked raised)" "of left real"
image docs 'packages: [{ name: left, except: [docs] }]'
same "docs" "$(cd docs.dir/usr/share && find doc man locale -type f 2> /dev/null | sort | xargs)" "doc/left/copyright locale/de/LC_MESSAGES/left.mo locale/locale.alias"
image man 'packages: [{ name: left, except: [man] }]'
same "man" "$(cd man.dir/usr/share && find doc man locale -type f 2> /dev/null | sort | xargs)" "doc/left/README doc/left/copyright locale/de/LC_MESSAGES/left.mo locale/locale.alias"
image locales 'packages: [{ name: "*", except: [locales] }, left]'
same "locales" "$(cd locales.dir/usr/share && find doc man locale -type f 2> /dev/null | sort | xargs)" "doc/left/README doc/left/copyright locale/locale.alias man/man1/left.1"
image system 'packages: [system]'
same "sysusers.d: users" "$(grep -E '^(daemon-user|dynamic):' system.dir/etc/passwd | xargs -d '\n')" \
  "daemon-user:x:321:321:A daemon:/var/lib/system:/usr/sbin/nologin dynamic:x:999:999:No number:/:/usr/sbin/nologin"
same "sysusers.d: groups" "$(grep -E '^(daemon-user|shared|dynamic):' system.dir/etc/group | sort | xargs)" "daemon-user:x:321: dynamic:x:999: shared:x:654:daemon-user"
[ "$(id -u)" != 0 ] || same "tmpfiles.d: a directory" "$(stat -c '%a %u:%g' system.dir/var/lib/system)" "750 321:654"
same "tmpfiles.d: a link, and nothing in /run" "$(readlink system.dir/etc/system.link) $(ls system.dir | grep -c '^run$')" "/var/lib/system 0"
image maker 'packages: [maker]'
same "a script that nobody replaces" "$(grep warning maker.log)" "packages: warning: the package maker has a postinst script that runs 'mkmaker --of /usr/share/maker', which is not done for the image; if it matters, do it with 'files', or in a stage and 'copy'"
same "what it does before is done" "$(grep ^maker: maker.dir/etc/passwd)" maker:x:100:65534::/nonexistent:/usr/sbin/nologin

# Certificates: those of the spec are in the bundle, as update-ca-certificates puts them there; in Java's keystore too.
certificate() { openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$1" -keyout "$1.key" -out "$2" 2> /dev/null; }
mkdir -p ca-certificates_tree/usr/share/ca-certificates/mozilla company/sub
for name in One Two Three; do certificate $name "ca-certificates_tree/usr/share/ca-certificates/mozilla/$name.crt"; done
certificate Company company/company.crt && certificate Sub "company/sub/sub (1), x.crt"
# The same subject twice, and one without a newline at its end.
certificate Company company/sub/other.crt && truncate -s -1 company/sub/other.crt
text ca-certificates-java usr/share/ca-certificates-java/x x
deb ca-certificates 1.0; deb ca-certificates-java 1.0; index
# judged NAME: the image's own tree, under the real script.
judged() {
  local tree=$PWD/$1.dir
  rm -rf judge hooks && mkdir -p judge hooks && [ -s "$tree/etc/ca-certificates.conf" ] || return 0
  LC_ALL=C sh /usr/sbin/update-ca-certificates --certsconf "$tree/etc/ca-certificates.conf" --certsdir "$tree/usr/share/ca-certificates" \
    --localcertsdir "$tree/usr/local/share/ca-certificates" --etccertsdir "$PWD/judge" --hooksdir "$PWD/hooks" > judge.log 2>&1
  same "$1: the bundle is that of update-ca-certificates" "$(sha256sum < "$tree/etc/ssl/certs/ca-certificates.crt")" "$(sha256sum < judge/ca-certificates.crt)"
  same "$1: and so are its links" "$(cd "$tree/etc/ssl/certs" && find . -type l -printf '%P %l\n' | sort)" "$(cd judge && find . -type l -printf '%P %l\n' | sed "s#$tree##" | sort)"
}
if [ -x /usr/sbin/update-ca-certificates ] && command -v openssl > /dev/null; then
  image certs 'packages: [ca-certificates]' && judged certs
  image company 'packages: [ca-certificates, ca-certificates-java]
copy: [{ from: company, to: /usr/local/share/ca-certificates/ }]' && judged company
  same "the spec's certificates are in the bundle" "$(grep -c BEGIN company.dir/etc/ssl/certs/ca-certificates.crt)" 6
  own low 'packages: [ca-certificates, ca-certificates-java]' && "$MINIBUILD" build --progress none low.yaml -o oci:low.oci:1 > /dev/null
  image onbase 'base: oci:low.oci:1
copy: [{ from: company, to: /usr/local/share/ca-certificates/ }]' && judged onbase
  same "on a base: the same bundle" "$(sha256sum < onbase.dir/etc/ssl/certs/ca-certificates.crt)" "$(sha256sum < company.dir/etc/ssl/certs/ca-certificates.crt)"
  same "on a base: the same keystore" "$(sha256sum < onbase.dir/etc/ssl/certs/java/cacerts)" "$(sha256sum < company.dir/etc/ssl/certs/java/cacerts)"
  image deselected 'base: oci:low.oci:1
files:
  - { file: /etc/ca-certificates.conf, content: "mozilla/One.crt\n!mozilla/Two.crt\nmozilla/Three.crt\n" }' && judged deselected
  same "deselected: not in the bundle" "$(grep -c BEGIN deselected.dir/etc/ssl/certs/ca-certificates.crt)" 2
  image bare 'packages: [{ name: ca-certificates, only: [usr/share/doc/**] }]
files: [{ file: /usr/local/share/ca-certificates/a.crt, content: "'"$(sed 's/$/\\n/' company/company.crt | tr -d '\n')"'" }]'
  same "without the files of the package: in the bundle" "$(grep -c BEGIN bare.dir/etc/ssl/certs/ca-certificates.crt) $(ls bare.dir/etc/ssl/certs | wc -l)" "4 3"
  if command -v keytool > /dev/null; then
    same "Java's keystore" "$(keytool -list -keystore company.dir/etc/ssl/certs/java/cacerts -storepass changeit 2> /dev/null | grep -o '^debian:[^,]*' | sort | xargs)" \
      "debian:company.pem debian:one.pem debian:other.pem debian:sub_=1=__x.pem debian:three.pem debian:two.pem"
  else
    echo "not run: the keystore's form needs keytool"
  fi
else
  echo "not run: certificates need update-ca-certificates and openssl"
fi

# Time, and keys in other forms.
index 'Valid-Until: Fri, 02 Jan 2026 00:00:00 UTC'
clash expired 'packages: [first]'
sed 's/keys:/check-valid-until: false, keys:/' expired.yaml > unchecked.yaml
check "expired, and that is meant" "$MINIBUILD" build --progress none unchecked.yaml -o dir:unchecked.dir
check "it is there" test -f unchecked.dir/usr/share/first
index 'Valid-Until: Fri, 02 Jan 2096 00:00:00 UTC'
image valid 'packages: [first]'
check "not yet expired" test -f valid.dir/usr/share/first
gpg -q --export own@example.com > own.gpg
own binary 'packages: [first]' && sed -i 's/own\.asc/own.gpg/' binary.yaml
check "a binary keyring" "$MINIBUILD" build --progress none binary.yaml -o dir:binary.dir
gpg -q --batch --passphrase '' --quick-gen-key 'other <other@example.com>' ed25519 sign never 2> gpg.log
gpg -q --armor --export other@example.com > other.asc
own foreign 'packages: [first]' && sed -i 's/own\.asc/other.asc/' foreign.yaml
golden another-key "$MINIBUILD" build --progress none foreign.yaml -o dir:foreign.dir
gpg -q --batch --yes -u other@example.com --clearsign -o repo/dists/stable/InRelease release
check "a key on a curve" "$MINIBUILD" build --progress none foreign.yaml -o dir:foreign.dir
own both 'packages: [first]' && sed -i 's/own\.asc/own.asc, other.asc/' both.yaml
check "one of several keys" "$MINIBUILD" build --progress none both.yaml -o dir:both.dir
# What stands outside of the signed text counts for nothing.
{ sed 's/^Suite: stable/Suite: elsewhere/' release; cat repo/dists/stable/InRelease; } > outside && cp outside repo/dists/stable/InRelease
rm -f both.lock.json
golden text-outside "$MINIBUILD" build --progress none both.yaml --cache-dir "$SCRATCH/cache.outside" -o dir:outside.dir --no-cache
finish
