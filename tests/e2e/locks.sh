#!/usr/bin/env bash
# Lock files: what stays for other platforms, machines and arguments; what is told when sources disagree or go back; and
# what is refused of a lock that somebody changed. Repositories of files, made and signed here.
. "$(dirname "$0")/lib.sh"
E2E=$SOURCE/tests/e2e
export HOME=$SCRATCH
case $(uname -m) in x86_64) own=amd64 other=arm64 arch=x86_64 foreign=aarch64 ;; *) own=arm64 other=amd64 arch=aarch64 foreign=x86_64 ;; esac
python3 - "$E2E" "$arch" "$foreign" << 'E3'
import sys
sys.path.insert(0, sys.argv[1])
from apk_repository import *
keys = {name: make_key(".", name) for name in ("distro", "vendor")}
def repository(directory, key, packages, times=1700000000):
    made = []
    for arch in sys.argv[2:4]:
        made += [make_package(name, version, {f"usr/share/{name}": f"{name} {version} {directory}\n"}, arch=arch, depends=depends) for name, version, depends in packages]
    make_repository(directory, made, keys[key])
repository("D", "distro", [("openssl", "3.1.0-r0", []), ("app", "1.0-r0", ["openssl"]), ("tool", "1.0-r0", [])])
repository("D2", "distro", [("openssl", "3.0.0-r0", []), ("app", "2.0-r0", ["openssl"]), ("tool", "1.0-r0", [])])
repository("V", "vendor", [("openssl", "9.9.9-r0", []), ("vendor-tool", "1.0-r0", ["openssl"])])
make_repository("R", [make_package("thief", "1.0-r0", {"usr/share/tool": "thief\n"}, arch=sys.argv[2], replaces=["tool", "other<2"])], keys["vendor"])
repository("N", "distro", [("app", "1.0-r0", ["openssl"]), ("tool", "1.0-r0", [])])
# One that brings along, under another name, what the distribution's packages need.
own = sys.argv[2]
make_repository("W", [make_package("other-ssl", "9.9.9-r0", {"usr/share/other": "w\n"}, arch=own, provides=["so:libssl.so.3=9"]), make_package("other-tool", "1.0-r0", {"usr/share/ot": "w\n"}, arch=own, depends=["other-ssl"])], keys["vendor"])
make_repository("P", [make_package("ssl", "3.0.0-r0", {"usr/share/ssl": "p\n"}, arch=own, provides=["so:libssl.so.3=3"]), make_package("needs", "1.0-r0", {"usr/share/needs": "p\n"}, arch=own, depends=["so:libssl.so.3"])], keys["distro"])
E3
# spec NAME PACKAGES [MORE]
spec() {
  printf 'minibuild: 1\nsources: { distro: { apk: "file://%s/D", keys: [distro.rsa.pub] } }\npackages: %s\nuser: 65532\n%s\n' "$SCRATCH" "$2" "${3:-}" > "$1.yaml"
}
both() {  # both NAME PACKAGES [VENDOR]
  printf 'minibuild: 1\nsources:\n  distro: { apk: "file://%s/D", keys: [distro.rsa.pub] }\n  vendor: { apk: "file://%s/V", keys: [vendor.rsa.pub]%s }\npackages: %s\nuser: 65532\n' \
    "$SCRATCH" "$SCRATCH" "${3:-}" "$2" > "$1.yaml"
}
platforms() { jq -r '.packages[] | [.stage // "image", .platform] | join(" ")' "$1.lock.json" | xargs; }
versions() { jq -r '.packages[0].packages[] | .name + " " + .version' "$1.lock.json" | xargs; }
B=$MINIBUILD

# --- Platforms: builds for one and the other take turns.
spec two '[app]'
build two.yaml --platform linux/$own -o oci:two:1 > /dev/null
build two.yaml --platform linux/$other -o oci:two:2 > /dev/null
same "both platforms are there" "$(platforms two)" "$(printf 'image linux/%s\n' amd64 arm64 | xargs)"
cp two.lock.json kept.json
build two.yaml -o oci:two:1 > /dev/null
check "a build for one leaves the other" cmp two.lock.json kept.json
check "--locked, this one" build two.yaml --locked -o oci:two:1
check "--locked, the other" build two.yaml --locked --platform linux/$other -o oci:two:1
"$B" lock two.yaml > /dev/null 2>&1
check "lock leaves it" cmp two.lock.json kept.json
# What is asked for changes: a build sees to its own platform, lock to all.
spec two '[app, tool]'
build two.yaml -o oci:two:1 > /dev/null
same "the other platform is as it was" "$(jq -r '.packages[] | .platform + " " + (.packages | length | tostring)' two.lock.json | sort | xargs)" "$(printf 'linux/%s 3\nlinux/%s 2\n' $own $other | sort | xargs)"
check "its own is locked" build two.yaml --locked -o oci:two:1
build two.yaml --locked --platform linux/$other -o oci:two:1 2> err
same "the other is stale" "$? $(grep -c 'is stale' err)" "1 1"
"$B" lock two.yaml > /dev/null 2>&1
check "lock has brought it up to date" build two.yaml --locked --platform linux/$other -o oci:two:1
# A platform that 'platforms' has and the lock has not.
spec two '[app, tool]' "platforms: [linux/$own, linux/$other]"
jq "del(.packages[] | select(.platform == \"linux/$other\"))" two.lock.json > new && mv new two.lock.json
"$B" check two.yaml > out 2>&1
same "check says what is missing" "$? $(grep -c "the packages of the image for linux/$other are not in the lock file two.lock.json" out)" "0 1"
build two.yaml --locked -o oci:two:1 2> err
same "--locked says it" "$? $(grep -c "only for linux/$own, and --locked forbids resolving those for linux/$other" err)" "1 1"
"$B" lock two.yaml > /dev/null 2>&1
"$B" check two.yaml > out 2>&1
same "and nothing when it is there" "$(grep -c 'lock file' out)" "0"
spec two '[app, tool]' "platforms: [linux/$own]"
"$B" lock two.yaml > out 2>&1
same "lock drops what 'platforms' lacks, and says so" "$(platforms two) $(grep -c "for linux/$other dropped" out)" "image linux/$own 1"

# --- Stages are resolved for the machine on which they run.
spec staged '[tool]' 'stages: { build: { base: scratch, packages: [app] } }'
"$B" lock staged.yaml > /dev/null 2>&1
same "one set for each" "$(platforms staged)" "image linux/$own build linux/$own"
jq "(.packages[] | select(.stage == \"build\") | .platform) = \"linux/$other\"" staged.lock.json > new && mv new staged.lock.json
build staged.yaml --stage build -o dir:tree --locked 2> err
same "another machine's lock: what is missing" "$? $(grep -c "has the packages of the stage 'build' only for linux/$other, not for this machine" err)" "1 1"
build staged.yaml -o oci:staged:1 > /dev/null
same "both machines' stages stay" "$(platforms staged)" "$(printf 'image linux/%s build linux/amd64 build linux/arm64' $own)"

# --- Arguments and platforms in names.
printf 'minibuild: 1\nargs: { VERSION: "1" }\ncopy: [{ url: "https://files.example.com/v${VERSION}/${TARGETARCH}.bin", to: / }]\nuser: 1\n' > named.yaml
entry() { printf '{ "url": "%s", "digest": "sha256:%064d", "size": 0 }' "$1" 0; }
printf '{ "minibuildLock": 1, "images": [], "downloads": [ %s, %s, %s ] }' "$(entry https://files.example.com/v1/$own.bin)" "$(entry https://files.example.com/v1/$other.bin)" "$(entry https://files.example.com/v2/$own.bin)" > named.lock.json
"$B" lock named.yaml > out 2>&1
same "other arguments and platforms stay" "$(jq -r '.downloads | length' named.lock.json)" 3
sed -i 's#v${VERSION}#w${VERSION}#' named.yaml
build named.yaml --locked -o oci:named 2> err
check "nothing that could name it" grep -q "not in the lock file" err

# --- Two builds at once.
spec race '[app, tool]'
for _ in 1 2 3; do
  rm -f race.lock.json
  "$B" lock race.yaml --platform linux/amd64 --cache-dir cache.a > /dev/null 2>&1 & one=$!
  "$B" lock race.yaml --platform linux/arm64 --cache-dir cache.b > /dev/null 2>&1 & two=$!
  wait $one $two
  check "neither loses the other's" bash -c "[ \"\$(jq -r '.packages[] | select((.stage // \"\") == \"\") | .platform' race.lock.json | xargs)\" = 'linux/amd64 linux/arm64' ]"
done

# --- Sources in order.
both order '[app, vendor-tool]'
"$B" lock order.yaml > out 2>&1
same "the first that has it" "$(versions order)" "app 1.0-r0 openssl 3.1.0-r0 vendor-tool 1.0-r0"
check "what was passed over is told" grep -q "warning: openssl 9.9.9-r0 of 'vendor' is not taken: 'distro' comes first and has 3.1.0-r0; to take it: { name: openssl, source: vendor }" out
both order '[app, vendor-tool, { name: openssl, source: vendor }]'
"$B" lock order.yaml > out 2>&1
same "the one that the spec says" "$(versions order)" "app 1.0-r0 openssl 9.9.9-r0 vendor-tool 1.0-r0"
check "a switch is told" grep -q "warning: openssl 9.9.9-r0 comes from the source 'vendor'; what was locked, 3.1.0-r0, came from 'distro'" out
both order '[app, vendor-tool]' ', priority: 10'
"$B" lock order.yaml > out 2>&1
same "priority" "$(versions order)" "app 1.0-r0 openssl 9.9.9-r0 vendor-tool 1.0-r0"
both order '[app, { name: tool, source: nobody }]'
"$B" lock order.yaml > out 2>&1
same "a source that is not there" "$? $(grep -c "there is no source 'nobody'; 'sources' has: distro, vendor" out)" "2 1"

# What a package of another name provides.
stand_in() {
  printf 'minibuild: 1\nsources:\n  distro: { apk: "file://%s/P", keys: [distro.rsa.pub] }\n  vendor: { apk: "file://%s/W", keys: [vendor.rsa.pub] }\npackages: %s\nuser: 65532\n' "$SCRATCH" "$SCRATCH" "$1" > stand.yaml
  rm -f stand.lock.json
  "$B" lock stand.yaml 2>&1 | grep -c "warning: other-ssl of 'vendor' meets what needs needs, so:libssl.so.3, for which a source before it has ssl 3.0.0-r0"
}
same "a stand-in is told" "$(stand_in '[needs, other-tool]')" 1
same "one that the spec names is not" "$(stand_in '[needs, other-tool, { name: other-ssl, source: vendor }]')" 0
same "nor is there one without need" "$(stand_in '[needs]')" 0

# A package of a later source that takes the files of an earlier one's.
both thief '[tool, thief]' && sed -i 's#/V"#/R"#' thief.yaml
"$B" lock thief.yaml > out 2>&1
same "files of another source's package" "$? $(grep -c "warning: thief of 'vendor' takes files that tool of 'distro' has as well" out)" "0 1"
both thief '[tool, thief]' ', priority: 10' && sed -i 's#/V"#/R"#' thief.yaml
rm thief.lock.json
"$B" lock thief.yaml > out 2>&1
same "not if it comes first" "$? $(grep -c "takes files" out)" "0 0"

# The first source loses a package that another one has.
both lost '[app, openssl]'
"$B" lock lost.yaml > /dev/null 2>&1
mv D D1 && mv N D
"$B" lock lost.yaml --update > out 2>&1
same "another source steps in" "$(versions lost) $(grep -c "warning: openssl 9.9.9-r0 comes from the source 'vendor'; what was locked, 3.1.0-r0, came from 'distro'" out)" "app 1.0-r0 openssl 9.9.9-r0 1"
mv D N && mv D1 D
# The same where both are repositories below one URL.
mkdir all && cp -r D all/main && cp -r V all/extra
printf 'minibuild: 1\nsources:\n  distro: { apk: "file://%s/all", repositories: [main], keys: [distro.rsa.pub] }\n  vendor: { apk: "file://%s/all", repositories: [extra], keys: [vendor.rsa.pub] }\npackages: [app, openssl]\nuser: 1\n' "$SCRATCH" "$SCRATCH" > near.yaml
"$B" lock near.yaml > /dev/null 2>&1
rm -r all/main && cp -r N all/main
"$B" lock near.yaml --update > out 2>&1
same "repositories below one URL" "$(versions near) $(grep -c "warning: openssl 9.9.9-r0 comes from the source 'vendor'; what was locked, 3.1.0-r0, came from 'distro'" out)" "app 1.0-r0 openssl 9.9.9-r0 1"

# --- Back in time.
spec back '[app, openssl]'
"$B" lock back.yaml > /dev/null 2>&1
mv D D1 && mv D2 D
"$B" lock back.yaml --update > out 2>&1
same "older packages are told" "$? $(versions back) $(grep -c 'warning: openssl 3.0.0-r0 is older than 3.1.0-r0, which was locked' out) $(grep -c 'warning: app' out)" "0 app 2.0-r0 openssl 3.0.0-r0 1 0"
mv D D2 && mv D1 D

# --- A lock that was changed. URL | what of the message
spec evil '[app]'
"$B" lock evil.yaml > /dev/null 2>&1
cp evil.lock.json good.json
mkdir -p E && cp -r D/$arch E/
good=file://$SCRATCH/D/$arch/app-1.0-r0.apk
while IFS='|' read -r url say; do
  jq --arg u "$url" '(.packages[0].packages[] | select(.name == "app") | .url) = $u' good.json > evil.lock.json
  line=$(grep -nF "$url" evil.lock.json | cut -d: -f1)
  for command in "build --progress none --locked -o oci:evil" "build --progress none -o oci:evil" lock check; do
    "$B" $command evil.yaml > out 2>&1
    status=$?
    same "$command: $url" "$status $(grep -c "evil.lock.json:$line has 'app' from .*, which is $say" out)" "$([ "$command" = check ] && echo 2 || echo 1) 1"
  done
done << E3
file://$SCRATCH/E/$arch/app-1.0-r0.apk|below none of the spec's sources (distro: file://$SCRATCH/D)
file://$SCRATCH/D.evil/$arch/app-1.0-r0.apk|below none
file://$SCRATCH/D/../E/$arch/app-1.0-r0.apk|below none
file://$SCRATCH/D/%2e%2E/E/$arch/app-1.0-r0.apk|below none
file://$SCRATCH/D/$arch%2fapp-1.0-r0.apk|below none
file://$SCRATCH/D//$arch/app-1.0-r0.apk|below none
https://$SCRATCH/D/$arch/app-1.0-r0.apk|below none
$good?x=y|below none
$good#x|below none
file://$SCRATCH/D/$arch/tool-1.0-r0.apk|not the file of app 1.0-r0
file://$SCRATCH/D/$foreign/app-1.0-r0.apk|not the file of app 1.0-r0
E3
jq '(.packages[0].packages[] | select(.name == "app") | .architecture) = "s390x"' good.json > evil.lock.json
build evil.yaml --locked -o oci:evil 2> err
same "another architecture" "$? $(grep -c "'app' of the architecture s390x, want $arch" err)" "1 1"
"$B" lock evil.yaml --update > out 2>&1
check "an update makes it right" cmp evil.lock.json good.json

# Packages that nothing asks for, and such as are not there. jq's expression | what the message has
"$B" build --progress none evil.yaml -o oci:evil > /dev/null 2>&1
spec more '[app, tool]'
"$B" lock more.yaml > /dev/null 2>&1
"$B" build --progress none more.yaml -o oci:evil > /dev/null 2>&1
tool=$(jq -c '.packages[0].packages[] | select(.name == "tool")' more.lock.json)
while IFS='~' read -r change say; do
  for command in "build --progress none --locked -o oci:evil" "build --progress none -o oci:evil" check; do
    jq --argjson tool "$tool" "$change" good.json > evil.lock.json
    "$B" $command evil.yaml > out 2>&1
    status=$?
    same "$command: $change" "$status $(grep -c "the lock file evil.lock.json has $say" out)" "$([ "$command" = check ] && echo 2 || echo 1) 1"
  done
done << 'E3'
.packages[0].packages += [$tool]~'tool', which nothing that the spec asks for needs
del(.packages[0].packages[] | select(.name == "openssl"))~no package for 'openssl', which app needs
del(.packages[0].packages[] | select(.name == "app"))~no package for 'app', which the spec asks for
E3
cp good.json evil.lock.json

# --- Locks that are none: the line is named. sed's expression | what the message has
while IFS='|' read -r change say; do
  sed -E "$change" good.json > evil.lock.json
  build evil.yaml --locked -o oci:evil 2> err
  same "$change" "$? $(grep -cE "evil.lock.json$say" err)" "1 1"
done << 'E3'
s/"version": "1.0-r0"/"version": 7/|:[0-9]+: an entry lacks the text 'version'
2s/$/ "minibuildLock": 1,/|:2: the key 'minibuildLock' appears twice
s/"images": \[\]/"images": 5/|:[0-9]+: 'images' is of the wrong type
s/"images": \[\]/"images": [/|:[0-9]+: it is not valid JSON
s/"name": "app"/"name": "a\\u0000pp"/|:[0-9]+: malformed 'name'
s/"name": "app"/"name": "..\/app"/|:[0-9]+: malformed 'name'
s/"minibuildLock": 1/"minibuildLock": 2/|:2: it was made by a later version
s/"url"/"uri"/|:[0-9]+: unknown field 'uri'
E3
python3 -c 'print("{ \"minibuildLock\": 1,\n \"images\": " + "[" * 100 + "]" * 100 + "}")' > evil.lock.json
build evil.yaml --locked -o oci:evil 2> err
same "too deep" "$? $(grep -c 'evil.lock.json:2: it is nested more than 64 deep' err)" "1 1"

# --- No lock is no fault of the spec.
spec fresh '[app]'
"$B" check fresh.yaml > out 2>&1
same "not locked yet" "$? $(grep -c 'not locked yet' out) $(grep -c 'minibuild lock fresh.yaml' out) $(grep -c 'error' out)" "0 1 1 0"
printf 'minibuild: 1\nsources: { far: { deb: "https://127.0.0.1:1/debian", suites: [stable], keys: [distro.rsa.pub] } }\npackages: [app]\nuser: 1\n' > far.yaml
"$B" lock far.yaml > out 2>&1
same "no server: a mirror can be named" "$? $(grep -c 'mirror of it can be named: --mirror https://127.0.0.1:1/debian=URL' out)" "1 1"
finish
