#!/usr/bin/env bash
# Images and stages of Alpine packages: repositories that apk_repository.py makes and signs, from files and from nginx on
# loopback. Where apk itself is at hand (APK names it), it resolves the same, and reads the database that was written.
. "$(dirname "$0")/lib.sh"
E2E=$SOURCE/tests/e2e
. "$E2E/nginx_mirror.sh"
trap 'stop_mirror; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
export HOME=$SCRATCH no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME XDG_RUNTIME_DIR DOCKER_CONFIG MINIBUILD_MIRRORS
APK=${APK:-/tmp/apktools/b/src/apk}
[ -x "$APK" ] || APK=$(command -v apk || true)
BUSYBOX=/bin/busybox
file -L $BUSYBOX 2> /dev/null | grep -q static || ldd $BUSYBOX 2>&1 | grep -q 'not a dynamic' || BUSYBOX=

# --- The distribution ---
cat > distribution.py << 'E2'
import os, sys
sys.path.insert(0, sys.argv[1])
from apk_repository import *

KEYS = {"main": make_key("keys", "main"), "extra": make_key("keys", "extra"), "edge": make_key("keys", "edge"),
        "other": make_key("keys", "other")}
SHELL = open(sys.argv[2], "rb").read() if sys.argv[2] else b"no shell"


def distribution(arch, shell):
    def package(name, version, files=(), **more):
        return make_package(name, version, files, arch=more.pop("arch", arch), **more)
    musl = f"so:libc.musl-{arch}.so.1"
    links = "/bin/sh\n/bin/ls\n/bin/cat\n/usr/bin/env\n/usr/bin/app\n/sbin/true\n"
    main = [
        package("alpine-baselayout", "3.6.5-r0", {
            "dev": directory(), "home": directory(), "lib": directory(), "root": directory(0o700), "sbin": directory(), "usr/bin": directory(), "usr/sbin": directory(), "tmp": directory(0o1777),
            "etc/motd": "Welcome\n", "var/run": symlink("../run"), "var/mail": directory(0o775, gid=12),
        }, depends=["alpine-baselayout-data=3.6.5-r0", "cmd:sh"], scripts={"pre-install": "#!/bin/sh\nexit 0\n"}),
        package("alpine-baselayout-data", "3.6.5-r0", {
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndaemon:x:2:2:daemon:/sbin:/sbin/nologin\n",
            "etc/group": "root:x:0:root\nshadow:x:42:\n", "etc/shadow": file("root:*::0:::::\n", 0o640, gid=42),
            "etc/hosts": "127.0.0.1 localhost\n",
        }, origin="alpine-baselayout"),
        package("musl", "1.2.4-r9", {f"lib/ld-musl-{arch}.so.1": file("old loader", 0o755)}, provides=[musl + "=1"]),
        package("musl", "1.2.5-r0", {f"lib/ld-musl-{arch}.so.1": file("loader", 0o755),
                                     f"lib/libc.musl-{arch}.so.1": symlink(f"ld-musl-{arch}.so.1")}, provides=[musl + "=1"]),
        package("zlib", "1.3.1-r0", {"usr/lib/libz.so.1.3.1": file("z" * 1000, 0o755), "usr/lib/libz.so.1": symlink("libz.so.1.3.1")},
                depends=[musl], provides=["so:libz.so.1=1.3.1"]),
        package("busybox", "1.36.1-r0", {"bin/busybox": file(shell, 0o755), "etc/busybox-paths.d/busybox": links, "bin/sh": symlink("/bin/busybox")},
                provides=["cmd:sh=1.36.1-r0", "cmd:ls=1.36.1-r0"], depends=[musl],
                scripts={"post-install": "#!/bin/busybox sh\nexec /bin/busybox --install -s\n"}),
        # Comes by itself where busybox of this version and zlib both are.
        package("zlib-applet", "1.0-r0", {"usr/share/zlib-applet": "x"}, install_if=["busybox=1.36.1-r0", "zlib"]),
        package("never-applet", "1.0-r0", {"usr/share/never": "x"}, install_if=["busybox", "mta-a"]),
        package("app", "1.2.3-r4", {
            "usr/bin/app": file("#!/bin/sh\necho app\n", 0o755), "usr/bin/app-too": hardlink("usr/bin/app", 0o755),
            "usr/bin/as-root": file("s", 0o4755), "usr/bin/application": symlink("app"), "usr/share/doc/app/README": "read me\n",
            "usr/share/app/naïve name.txt": "utf-8\n", "var/lib/app": directory(0o750, uid=100, gid=101),
            "var/lib/app/state": file("state\n", 0o600, uid=100, gid=101),
        }, depends=["so:libz.so.1", "cmd:sh", "libfoo~1.2", "bar<2.0", "baz>=1.0", "qux=2.5-r1", "!badpkg", "virtual-mta", "words"],
            provides=["cmd:app=1.2.3-r4"], license="MIT AND Apache-2.0"),
        package("libfoo", "1.1-r0", {"usr/share/libfoo": "1.1"}), package("libfoo", "1.2.9-r0", {"usr/share/libfoo": "1.2.9"}),
        package("libfoo", "1.20-r0", {"usr/share/libfoo": "1.20"}),
        package("bar", "1.9-r3", {"usr/share/bar": "1.9"}), package("bar", "1.10-r0", {"usr/share/bar": "1.10"}),
        package("bar", "2.0-r0", {"usr/share/bar": "2.0"}),
        package("baz", "0.9-r0", {"usr/share/baz": "0.9"}), package("baz", "1.5_rc1-r0", {"usr/share/baz": "1.5_rc1"}),
        package("baz", "1.4.9-r0", {"usr/share/baz": "1.4.9"}),
        package("qux", "2.5-r0", {"usr/share/qux": "0"}), package("qux", "2.5-r1", {"usr/share/qux": "1"}),
        package("qux", "2.6-r0", {"usr/share/qux": "2"}),
        package("mta-a", "9-r0", {"usr/sbin/sendmail": "a"}, provides=["virtual-mta"], provider_priority=10),
        package("mta-b", "1-r0", {"usr/sbin/sendmail": "b"}, provides=["virtual-mta"], provider_priority=100),
        package("badpkg", "1-r0", {"usr/share/bad": "bad"}, provides=["cmd:bad=1-r0"]),
        # Signed with a key that nobody has: the index vouches for it.
        package("words", "1-r0", {"usr/share/words": "words\n"}, arch="noarch", key=KEYS["other"]),
        # Several that provide one name with a version exclude each other.
        package("jdk8", "8.1-r0", {"usr/share/jdk": "8"}, provides=["jdk=8.1-r0"], provider_priority=8),
        package("jdk11", "11.0-r0", {"usr/share/jdk": "11"}, provides=["jdk=11.0-r0"], provider_priority=11),
        package("needs-jdk", "1-r0", {"usr/share/needs-jdk": ""}, depends=["jdk<11"]),
        # The one with the higher priority does not go with bar.
        package("way-a", "1-r0", {"usr/share/way": "a"}, provides=["way"], provider_priority=9, depends=["!bar"]),
        package("way-b", "1-r0", {"usr/share/way": "b"}, provides=["way"], provider_priority=1),
        package("traveller", "1-r0", {"usr/share/traveller": ""}, depends=["way", "bar"]),
        package("large", "1-r0", {"usr/share/large": bytes(5 << 20)}),
        package("failing", "1-r0", {"usr/share/failing": ""}, depends=["alpine-baselayout"], scripts={"post-install": "#!/bin/sh\nexit 3\n"}),
        package("unmet", "1-r0", {"usr/share/unmet": ""}, depends=["so:libmissing.so.7"]),
        package("clash-a", "1.0-r0", {"usr/share/clash": "a\n", "usr/share/clash-a": "a\n"}),
        package("clash-b", "1.0-r0", {"usr/share/clash": "b\n"}),
        package("clash-replaces", "1.0-r0", {"usr/share/clash": "r\n"}, replaces=["clash-a"]),
        package("clash-replaces-old", "1.0-r0", {"usr/share/clash": "o\n"}, replaces=["clash-a<1.0-r0"]),
        package("clash-origin", "1.0-r0", {"usr/share/clash": "s\n"}, origin="clash-a"),
        package("clash-same", "1.0-r0", {"usr/share/clash": "a\n"}),
        package("setup", "2-r0", {"usr/share/setup": "setup\n"}, depends=["cmd:sh"],
                scripts={"post-install": "#!/bin/sh\necho \"made by $0 of $1\" > /etc/setup.made\nls -l /usr/share/setup > /dev/null\n"}),
    ]
    extra = [package("extra", "1.0-r0", {"opt/extra/file": "extra\n"}, depends=["app", "edge-lib"]),
             # Older than in main; main's is taken.
             package("words", "0.5-r0", {"usr/share/words": "old\n"}, arch="noarch")]
    edge = [package("edge-lib", "0.1_git20240101-r0", {"usr/lib/edge": "edge\n"}), package("edge-lib", "0.1-r7", {"usr/lib/edge": "older\n"})]
    return main, extra, edge


for arch, shell in (("x86_64", SHELL), ("aarch64", b"of another machine")):
    main, extra, edge = distribution(arch, shell)
    make_repository("repo/main", main, KEYS["main"], "RSA256")
    make_repository("repo/extra", extra, KEYS["extra"], "RSA512", archs=[arch])
    make_repository("repo/edge", edge, KEYS["edge"], "RSA")
wrong = [line for name in ("main", "extra", "edge") for line in check_repository(f"repo/{name}", KEYS[name].public)]
assert all("/words-1-r0.apk: signed by other" in line for line in wrong), wrong
E2
cat > broken.py << 'E2'
import os, sys
sys.path.insert(0, sys.argv[1])
from apk_repository import *

key, other = load_key("keys/main.rsa"), load_key("keys/other.rsa")


def one(text="good\n", **more):
    return make_package("one", "1.0-r0", {"usr/share/one": text}, **more)


def replace(name, what):
    """A repository whose index vouches for the good package, with the file `what` in its place."""
    make_repository(f"broken/{name}", [one()], key)
    write(f"broken/{name}/x86_64/one-1.0-r0.apk", what)


def index(name):
    return f"broken/{name}/x86_64/APKINDEX.tar.gz"


def read(path):
    with open(path, "rb") as file:
        return file.read()


make_repository("broken/good", [one()], key)
make_repository("broken/unsigned", [one()], None)
make_repository("broken/unknown", [one()], other)
# The name of the known key, made with another.
imposter = Key(key.name, other.private, other.public)
make_repository("broken/wrong", [one()], imposter)
# An entry changed after signing: the signature stream of the good index before another.
make_repository("broken/tampered", [one()], key, change=lambda entry: entry.update(P="two"))
good, changed = split_streams(read(index("good"))), split_streams(read(index("tampered")))
write(index("tampered"), good[0][0] + changed[1][0])
make_repository("broken/cut", [one()], key)
write(index("cut"), read(index("good"))[:-20])
make_repository("broken/trailing", [one()], key)
write(index("trailing"), read(index("good")) + stream([("APKINDEX", file("P:evil\nV:1\nA:x86_64\n\n"))], end=True))

control, _, data = parts(one())
_, _, other_data = parts(one("bad!\n"))
replace("data", control + other_data)
replace("control", parts(one(description="something else"))[0] + data)
replace("signed-other", one("bad!\n", key=key))
replace("garbage", b"<html>not found</html>")
replace("cut-package", one()[:-30])
make_repository("broken/datahash", [one(info={"datahash": "0" * 64})], key)
make_repository("broken/no-datahash", [one(info={"datahash": None})], key)
make_repository("broken/file-checksum", [one(file("good\n", checksum="0" * 40))], key)
make_repository("broken/escape", [make_package("one", "1.0-r0", {"usr/share/one": "x", "../../evil": "x"})], key)
make_repository("broken/missing", [one()], key)
os.remove("broken/missing/x86_64/one-1.0-r0.apk")
# The index calls it by another version.
make_repository("broken/version", [one()], key, change=lambda entry: entry.update(V="2.0-r0"))
os.rename("broken/version/x86_64/one-1.0-r0.apk", "broken/version/x86_64/one-2.0-r0.apk")
make_repository("broken/empty", [], key, archs=["x86_64"])
E2
export PYTHONDONTWRITEBYTECODE=1
python3 distribution.py "$E2E" "$BUSYBOX" && python3 broken.py "$E2E" || exit 1

loud() { "$MINIBUILD" build --progress plain "$@"; }

# spec FILE [URL]: the head of a spec on the whole distribution; what else it says comes from stdin.
spec() {
  {
    echo "minibuild: 1"
    echo "image: registry.example.com/team/apk:1"
    grep -q '^platforms' "$1.more" || echo "platforms: [linux/amd64]"
    echo "sources:"
    echo "  all:"
    echo "    apk: \"${2:-file://$SCRATCH/repo}\""
    echo "    repositories: [main, extra, edge]"
    echo "    keys: [keys/main.rsa.pub, keys/extra.rsa.pub, keys/edge.rsa.pub]"
    grep -q '^user' "$1.more" || echo "user: 65532"
    cat "$1.more"
  } > "$1"
}
more() { cat > "$1.more"; spec "$@"; }
locked() { jq -r '.packages[].packages[] | .name + "-" + .version' "$1" | LC_ALL=C sort | xargs; }

# resolve REQUEST…: the packages in the lock, or what minibuild says, places left out.
resolve() {
  rm -f resolve.yaml.lock.json resolve.lock.json
  { echo "packages:"; printf "  - '%s'\n" "$@"; } | more resolve.yaml
  if "$MINIBUILD" lock resolve.yaml > /dev/null 2> resolve.err; then locked resolve.lock.json; else
    echo "failed with $?:"; sed '1s/^[^ ]* //; $d' resolve.err | sed '$d' | sed 's/^ *//' | LC_ALL=C sort
  fi
}

# apk_resolves REQUEST…: what apk would install, or "failed".
apk_resolves() {
  chmod -R u+rwX root 2> /dev/null; rm -rf root; mkdir root
  "$APK" --root root --arch x86_64 --keys-dir "$SCRATCH/public" --no-cache --initdb add > /dev/null 2>&1
  if "$APK" --root root --arch x86_64 --keys-dir "$SCRATCH/public" --no-cache -X "$SCRATCH/repo/main" -X "$SCRATCH/repo/extra" \
      -X "$SCRATCH/repo/edge" add --simulate "$@" > root.log 2>&1; then
    sed -n 's/.*Installing \(.*\) (\(.*\))$/\1-\2/p' root.log | LC_ALL=C sort | xargs
  else
    echo failed
  fi
}

# --- Resolution ---
mkdir public && cp keys/*.pub public/
APP="bar-1.10-r0 baz-1.5_rc1-r0 busybox-1.36.1-r0 libfoo-1.2.9-r0 mta-b-1-r0 musl-1.2.5-r0 qux-2.5-r1 words-1-r0 zlib-1.3.1-r0 zlib-applet-1.0-r0"
# resolves WANT REQUEST…
resolves() {
  local want=$1
  shift
  same "resolving $*" "$(resolve "$@")" "$want"
  [ -z "$APK" ] || same "resolving $* as apk does" "$(apk_resolves "$@")" "$(case $want in failed*) echo failed ;; *) echo "$want" ;; esac)"
}
resolves "app-1.2.3-r4 $APP" app
resolves "alpine-baselayout-3.6.5-r0 alpine-baselayout-data-3.6.5-r0 app-1.2.3-r4 ${APP/ busybox-1.36.1-r0/ busybox-1.36.1-r0 edge-lib-0.1_git20240101-r0 extra-1.0-r0}" \
  extra alpine-baselayout
resolves "app-1.2.3-r4 $APP" cmd:app
resolves "app-1.2.3-r4 ${APP/mta-b-1-r0 musl-1.2.5-r0/mta-a-9-r0 musl-1.2.5-r0 never-applet-1.0-r0}" app mta-a
resolves "musl-1.2.5-r0 zlib-1.3.1-r0" so:libz.so.1
resolves "busybox-1.36.1-r0 musl-1.2.5-r0 zlib-1.3.1-r0 zlib-applet-1.0-r0" busybox zlib
resolves "musl-1.2.4-r9" "musl<1.2.5-r0"
resolves "musl-1.2.5-r0" "musl>1.2.4-r9"
resolves "bar-1.9-r3" "bar<1.10"
resolves "bar-1.10-r0" "bar<=1.10-r0"
resolves "baz-1.4.9-r0" "baz~1.4"
resolves "libfoo-1.20-r0" "libfoo>=1.2"
resolves "words-0.5-r0" "words<1"
resolves "mta-b-1-r0" virtual-mta
resolves "jdk11-11.0-r0" jdk
resolves "jdk8-8.1-r0" jdk jdk8
resolves "jdk8-8.1-r0 needs-jdk-1-r0" needs-jdk
resolves "way-a-1-r0" way
resolves "way-a-1-r0" "!bar" way
resolves "bar-2.0-r0 traveller-1-r0 way-b-1-r0" traveller
resolves "way-a-1-r0 way-b-1-r0" way-a way-b
resolves "failed with 1:
app 1.2.3-r4 conflicts with badpkg 1-r0
error: these packages cannot be there together:
the spec asks for 'app'
the spec asks for 'badpkg'" app badpkg
resolves "failed with 1:
app 1.2.3-r4 needs libfoo ~ 1.2
error: these packages cannot be there together:
only one of libfoo 1.20-r0 and libfoo 1.2.9-r0 can be there
the spec asks for 'app'
the spec asks for 'libfoo=1.20-r0'" app libfoo=1.20-r0
resolves "failed with 1:
error: these packages cannot be there together:
jdk8 8.1-r0 conflicts with jdk11 11.0-r0
the spec asks for 'jdk11'
the spec asks for 'jdk8'" jdk8 jdk11
resolves "failed with 1:
app 1.2.3-r4 needs cmd:sh
error: these packages cannot be there together:
the spec asks for '!busybox'
the spec asks for 'app'" app "!busybox"
resolves "failed with 1:
error: these packages cannot be there together:
the spec asks for 'unmet'
unmet 1-r0 needs so:libmissing.so.7, which no source has" unmet
resolves "failed with 1:
error: no source has 'bar>=3'; it is there as 1.9-r3, 1.10-r0, 2.0-r0" "bar>=3"
resolves "failed with 1:
error: no source has a package 'libfo' for x86_64; did you mean 'libfoo'?" libfo
more omitted.yaml << 'E2'
packages: [extra, { name: app, omit: true }]
E2
check "a package taken as there" "$MINIBUILD" lock omitted.yaml
same "nor what only they need" "$(locked omitted.lock.json)" "edge-lib-0.1_git20240101-r0 extra-1.0-r0"

# --- The image ---
more image.yaml << 'E2'
packages: [extra, alpine-baselayout, large]
E2
DIGEST=$(loud image.yaml -o oci:image.oci:1 -o dir:image -o tar:image.tar 2> image.err)
check "an image of packages" test -n "$DIGEST"
same "without a warning of packages" "$(grep -i warning image.err | grep -vE "^(shell|setuid|package-manager|output): ")" ""
same "its reasons in the lock" "$(jq -r '.packages[].packages[] | "\(.name): \(.why)"' image.lock.json | xargs -d '\n' | sed 's/needed by/</g')" \
  "alpine-baselayout: requested alpine-baselayout-data: < alpine-baselayout app: < extra bar: < app baz: < app busybox: < alpine-baselayout edge-lib: < extra extra: requested large: requested libfoo: < app mta-b: < app musl: < busybox qux: < app words: < app zlib: < app zlib-applet: install_if"
same "the lock's hashes" "$(jq -r '.packages[].packages[] | .digest[7:] + "  " + (.url | ltrimstr("file://"))' image.lock.json | sha256sum -c --quiet 2>&1)" ""
same "the package for all architectures" "$(jq -r '.packages[].packages[] | select(.name == "words") | .architecture' image.lock.json)" noarch
python3 - image.tar > image.list << 'E2'
import sys, tarfile
kinds = {tarfile.REGTYPE: "-", tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "l", tarfile.LNKTYPE: "h"}
for one in sorted(tarfile.open(sys.argv[1]), key=lambda one: one.name):
    print(f"{kinds[one.type]} {one.mode:04o} {one.uid}:{one.gid} {one.mtime} {one.name}" + (" -> " + one.linkname) * bool(one.linkname))
E2
line() { grep -E "^. [0-7]+ [0-9:]+ [0-9]+ $1( ->.*)?\$" image.list; }
T=1700000000
same "a program" "$(line usr/bin/app)" "- 0755 0:0 $T usr/bin/app"
same "its other name" "$(line usr/bin/app-too)" "h 0755 0:0 $T usr/bin/app-too -> usr/bin/app"
same "a link" "$(line usr/bin/application)" "l 0777 0:0 $T usr/bin/application -> app"
same "a setuid program" "$(line usr/bin/as-root)" "- 4755 0:0 $T usr/bin/as-root"
same "a file of another user" "$(line var/lib/app/state)" "- 0600 100:101 $T var/lib/app/state"
same "and its directory" "$(line var/lib/app)" "d 0750 100:101 0 var/lib/app"
same "a directory's mode" "$(line root)$(line tmp)$(line var/mail)" "d 0700 0:0 0 rootd 1777 0:0 0 tmpd 0775 0:12 0 var/mail"
same "a file of a group" "$(line etc/shadow)" "- 0640 0:42 $T etc/shadow"
same "a link that is not a package's directory" "$(line var/run)" "l 0777 0:0 $T var/run -> ../run"
same "links of busybox" "$(grep -- '-> /bin/busybox' image.list | cut -d' ' -f5 | xargs)" "bin/cat bin/ls bin/sh sbin/true usr/bin/env"
same "but no link in the place of a file" "$(cat image/usr/bin/app)" "$(printf '#!/bin/sh\necho app\n')"
same "the version that was chosen" "$(cat image/usr/share/libfoo image/usr/share/bar image/usr/share/qux image/usr/sbin/sendmail)" "1.2.91.101b"
same "nothing else" "$(grep -c . image.list)" 62
same "what was asked for" "$(cat image/etc/apk/world | xargs)" "alpine-baselayout extra large"
same "no script has run" "$(find image -name '*.made')" ""
same "the layers" "$(jq -r '.layers | length' <(skopeo inspect --raw oci:image.oci:1))" 3

# The database against what is in the image, line by line.
cat > database.py << 'E2'
import base64, hashlib, sys, tarfile
root, archive = sys.argv[1], tarfile.open(sys.argv[2])
nodes = {one.name: one for one in archive}
owned, names = set(), []
for record in open(f"{root}/lib/apk/db/installed").read().rstrip("\n").split("\n\n"):
    fields, at, wants = {}, None, []
    for line in record.split("\n"):
        if line == "a:0:0:777" and node.issym():
            continue
        letter, value = line[0], line[2:]
        assert line[1] == ":", line
        if letter in "FR" and wants:
            print(at, "lacks", wants)
        if letter == "F":
            at = value
            node = nodes[at]
            assert node.isdir(), at
            wants = [] if [node.uid, node.gid, node.mode] == [0, 0, 0o755] else [f"M:{node.uid}:{node.gid}:{node.mode:o}"]
        elif letter == "R":
            path = at + "/" + value
            node = nodes[path]
            if path in owned:
                print("twice", path)
            owned.add(path)
            usual = 0o777 if node.issym() else 0o644
            wants = [] if [node.uid, node.gid, node.mode] == [0, 0, usual] else [f"a:{node.uid}:{node.gid}:{node.mode:o}"]
            content = node.linkname.encode() if node.issym() else open(f"{root}/{path}", "rb").read()
            wants.append("Z:Q1" + base64.b64encode(hashlib.sha1(content).digest()).decode())
        elif letter in "MaZ":
            if wants[:1] != [line]:
                print(at, line, "want", wants)
            wants = wants[1:]
        else:
            assert letter not in fields, line
            fields[letter] = value
    names.append(fields["P"] + "-" + fields["V"])
    if not "".join(fields).startswith("CPVASITULomtc"):
        print(fields["P"], "has the fields", *fields)
files = {name for name, one in nodes.items() if not one.isdir()}
print("of no package:", *sorted(files - owned))
print(*names)
E2
same "the database" "$(python3 database.py image image.tar 2>&1)" \
  "of no package: bin/cat bin/ls etc/apk/world lib/apk/db/installed sbin/true usr/bin/env
$(locked image.lock.json)"
same "what it says of the program" "$(sed -n '/^P:app$/,/^F/p' image/lib/apk/db/installed | grep -E '^[ADLopI]:')" "A:x86_64
I:40
L:MIT AND Apache-2.0
o:app
D:so:libz.so.1 cmd:sh libfoo~1.2 bar<2.0 baz>=1.0 qux=2.5-r1 !badpkg virtual-mta words
p:cmd:app=1.2.3-r4"
if [ -n "$APK" ]; then
  same "apk reads the database" "$("$APK" --root image info -v 2> /dev/null | LC_ALL=C sort | xargs)" "$(locked image.lock.json)"
  same "apk finds the image as the packages are" "$("$APK" --root image audit --full 2>&1 | LC_ALL=C sort | xargs)" "A bin/cat A bin/ls A sbin/true A usr/bin/env"
  same "and its configuration" "$("$APK" --root image audit --backup 2>&1)" "D etc/apk/"
  # What apk itself writes, but for the order of the packages.
  apk_resolves extra alpine-baselayout large > /dev/null
  check "apk installs the same" "$APK" --root root --arch x86_64 --keys-dir "$SCRATCH/public" --no-cache -X "$SCRATCH/repo/main" \
    -X "$SCRATCH/repo/extra" -X "$SCRATCH/repo/edge" add --no-scripts extra alpine-baselayout large
  records() { python3 -c 'import sys; print(*sorted(open(sys.argv[1]).read().split("\n\n"), key=lambda text: text.split("\nP:")[-1]), sep="\n")' "$1" | grep -v -x -E 'a:0:0:777|A:.*'; }
  same "apk's database" "$(records image/lib/apk/db/installed)" "$(records root/lib/apk/db/installed)"
  same "apk's world" "$(sort image/etc/apk/world)" "$(sort root/etc/apk/world)"
fi

# Parts of packages.
more parts.yaml << 'E2'
packages: [{ name: app, except: [docs, /usr/bin/app-*] }, { name: alpine-baselayout-data, only: [etc/hosts] }]
E2
check "parts of packages" build parts.yaml -o dir:parts
same "what is left of them" "$(cd parts && find usr/bin usr/share/doc etc/hosts etc/passwd var/lib/app 2> /dev/null | LC_ALL=C sort | xargs)" \
  "etc/hosts usr/bin usr/bin/app usr/bin/application usr/bin/as-root usr/bin/env var/lib/app var/lib/app/state"
same "is what the database has" "$(grep -E '^R:(app.*|README|hosts|passwd|shadow)$' parts/lib/apk/db/installed | xargs)" "R:hosts R:app R:application"

# --- The same digest ---
more other-order.yaml << 'E2'
packages: [large, alpine-baselayout, extra]
E2
same "in another order" "$(build other-order.yaml -o oci:other.oci:1 --cache-dir "$SCRATCH/cache-order" 2> /dev/null)" "$DIGEST"
same "a second time" "$(build image.yaml -o oci:again.oci:1 2> /dev/null)" "$DIGEST"
cp image.lock.json image.lock.before
same "from the lock alone" "$(build image.yaml --locked -o oci:again.oci:1 --cache-dir "$SCRATCH/cache-locked" 2> /dev/null)" "$DIGEST"
check "which stays as it is" cmp image.lock.json image.lock.before
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
check "nginx" start_mirror repo "$PORT"
start_mirror repo "$PORT" 2> /dev/null || true
cp image.yaml.more http.yaml.more && spec http.yaml "http://127.0.0.1:$PORT"
same "from a server" "$(build http.yaml -o oci:http.oci:1 --cache-dir "$SCRATCH/cache-http" 2> http.err)" "$DIGEST"
check "which was asked for the package" grep -q 'GET /main/x86_64/app-1.2.3-r4.apk 200' "$MIRROR_LOG"
requests=$(wc -l < "$MIRROR_LOG")
same "and again" "$(build http.yaml -o oci:http.oci:2 --cache-dir "$SCRATCH/cache-http" 2> http.err)" "$DIGEST"
same "asks for nothing" "$(wc -l < "$MIRROR_LOG")" "$requests"
cp image.yaml.more far.yaml.more && spec far.yaml "https://alpine.example.com/v3"
same "from a directory that stands for a server" \
  "$(build far.yaml -o oci:far.oci:1 --mirror "https://alpine.example.com/v3=file://$SCRATCH/repo" --cache-dir "$SCRATCH/cache-far" 2> far.err)" "$DIGEST"
same "the lock names the server" "$(jq -r '[.packages[].packages[] | .url | startswith("https://alpine.example.com/v3/")] | all' far.lock.json)" true
cp far.lock.json far.lock.before
same "from a server that stands for another" \
  "$(build far.yaml -o oci:far.oci:2 --mirror "alpine.example.com/v3=http://127.0.0.1:$PORT" --plain-http "127.0.0.1:$PORT" --cache-dir "$SCRATCH/cache-far-2" 2> far.err)" "$DIGEST"
check "with the same lock" cmp far.lock.json far.lock.before
stop_mirror
same "without the server" "$(build http.yaml --locked --offline -o oci:http.oci:3 --cache-dir "$SCRATCH/cache-http" 2> http.err)" "$DIGEST"
sed -i 's/extra, alpine/extra, clash-a, alpine/' http.yaml
build http.yaml --locked -o oci:http.oci:4 --cache-dir "$SCRATCH/cache-http" > /dev/null 2> http.err
same "a lock for other packages is refused" "$?" 1
check "saying so" grep -q 'the lock file .* is stale' http.err

# Layers are shared by images with the same packages.
more shared.yaml << 'E2'
packages: [large, words]
E2
check "another image" build shared.yaml -o oci:shared.oci:1
same "has the layer of the large package too" \
  "$(cat <(skopeo inspect --raw oci:image.oci:1) <(skopeo inspect --raw oci:shared.oci:1) | jq -r '.layers[].digest' | sort | uniq -d | wc -l)" 1

# On an image that has packages.
more low.yaml << 'E2'
packages: [words, "musl<1.2.5-r0"]
E2
check "a base of packages" build low.yaml -o oci:low.oci:1
more high.yaml << 'E2'
base: oci:low.oci:1
packages: [zlib, words]
E2
check "more on it" build high.yaml -o dir:high
same "are only those that it lacks" "$(locked high.lock.json)" "zlib-1.3.1-r0"
same "the database has all" "$(grep -E '^[PV]:' high/lib/apk/db/installed | xargs)" "P:musl V:1.2.4-r9 P:words V:1-r0 P:zlib V:1.3.1-r0"
same "and what was asked for" "$(xargs < high/etc/apk/world)" "musl<1.2.5-r0 words zlib"
more newer.yaml << 'E2'
base: ./low.yaml
packages: [musl=1.2.5-r0]
E2
check "a newer version on it" build newer.yaml -o dir:newer
same "is in the place of the older" "$(cat newer/lib/ld-musl-x86_64.so.1) $(grep -E '^[PV]:' newer/lib/apk/db/installed | xargs)" \
  "loader P:words V:1-r0 P:musl V:1.2.5-r0"

# Another platform.
more foreign.yaml << 'E2'
platforms: [linux/arm64]
packages: [busybox, zlib]
E2
check "packages of another platform" build foreign.yaml -o dir:foreign
same "their files" "$(cd foreign && ls lib/*.so.1; cat bin/busybox; readlink bin/sh)" "lib/ld-musl-aarch64.so.1
lib/libc.musl-aarch64.so.1
of another machine/bin/busybox"
same "their database" "$(grep ^A: foreign/lib/apk/db/installed | sort -u)" "A:aarch64"
same "their repository" "$(jq -r '[.packages[].packages[] | .url | contains("/aarch64/")] | all' foreign.lock.json)" true
more both.yaml << 'E2'
platforms: [linux/amd64, linux/arm64]
packages: [zlib]
E2
check "both" build both.yaml -o oci:both.oci:1
same "have a set each" "$(jq -r '.packages[] | .platform + " " + (.packages | length | tostring)' both.lock.json | xargs)" "linux/amd64 2 linux/arm64 2"
more none.yaml << 'E2'
platforms: [linux/s390x]
packages: [zlib]
E2
build none.yaml -o dir:none > /dev/null 2> none.err
same "no repository for a platform" "$? $(grep -c "/main/s390x/APKINDEX.tar.gz: there is no file" none.err)" "1 1"

# --- Files in two packages ---
# clash WANT PACKAGE…
clash() {
  local want=$1
  shift
  printf 'packages: [%s]\n' "$(IFS=,; echo "$*")" | more clash.yaml
  chmod -R u+rwX clash 2> /dev/null; rm -rf clash clash.lock.json
  build clash.yaml -o dir:clash > /dev/null 2> clash.err
  same "the packages $*: status" "$?" "$([ "${want#the}" = "$want" ] && echo 0 || echo 1)"
  same "the packages $*" "$(cat clash/usr/share/clash 2> /dev/null || sed -n '1s/^[^ ]* error: //p' clash.err)" "$want"
}
clash "the packages clash-a and clash-b both have /usr/share/clash, and neither replaces the other; leave it out of one with { name: clash-b, except: [usr/share/clash] }" clash-a clash-b
clash "the packages clash-a and clash-replaces-old both have /usr/share/clash, and neither replaces the other; leave it out of one with { name: clash-replaces-old, except: [usr/share/clash] }" clash-a clash-replaces-old
clash r clash-a clash-replaces
same "of which one has it" "$(grep -E '^(P|R):' clash/lib/apk/db/installed | xargs)" "P:clash-a R:clash-a P:clash-replaces R:clash"
clash s clash-a clash-origin
clash a clash-a clash-same
clash a clash-a "{ name: clash-b, except: [usr/share/clash] }"

# --- What is refused ---
# stream_hash NAME: the SHA-256 of the data stream of broken/NAME's package; identity NAME: its control checksum.
part() {
  PYTHONPATH=$E2E python3 -c "
import glob, hashlib, sys
from apk_repository import *
control, _, data = parts(open(glob.glob('broken/$1/x86_64/*.apk')[0], 'rb').read())
print($2)"
}
stream_hash() { part "$1" "hashlib.sha256(data).hexdigest()"; }
identity() { part "$1" "identity(control)"; }

# refused NAME MESSAGE KINDS: a build on broken/NAME fails with this cause, and leaves no output, no lock and nothing of
# these kinds in the cache.
refused() {
  rm -rf refused.out refused.lock.json cache-broken
  cat > refused.yaml << E2
minibuild: 1
image: registry.example.com/team/apk:1
platforms: [linux/amd64]
sources: { main: { apk: "file://$SCRATCH/broken/$1", keys: [keys/main.rsa.pub] } }
packages: [one]
user: 65532
E2
  build refused.yaml -o oci:refused.out:1 --cache-dir "$SCRATCH/cache-broken" > refused.stdout 2> refused.err
  same "$1: status" "$?" 1
  same "$1: message" "$(sed -n '1s/^[^ ]* error: //p' refused.err | sed "s|file://$SCRATCH/broken/$1/x86_64|U|g; s|$SCRATCH/broken/$1/x86_64|U|g")" "$2"
  same "$1: nothing is left" "$(cat refused.stdout; ls -d refused.out refused.lock.json 2> /dev/null
    "$MINIBUILD" cache ls --cache-dir "$SCRATCH/cache-broken" | grep -E "^($3) "; ls cache-broken/tmp | grep -v :)" ""
}
index='cannot read U/APKINDEX.tar.gz:' package='cannot read U/one-1.0-r0.apk:'
wrong="$index its signature by 'main.rsa.pub' is wrong: it was changed after it was signed, or signed with another key of this name"
good=$(sha256sum < broken/good/x86_64/one-1.0-r0.apk | cut -d' ' -f1)
refused tampered "$wrong" "index|package|layer"
refused wrong "$wrong" "index|package|layer"
refused trailing "$wrong" "index|package|layer"
refused cut "$wrong" "index|package|layer"
refused unsigned "$index it has no signature" "index|package|layer"
refused unknown "$index it is signed by 'other.rsa.pub', which is not among the keys given" "index|package|layer"
refused data "$package wrong SHA-256 of its data: got $(stream_hash data), want the 'datahash' $(stream_hash good)" "package|layer"
refused datahash "$package wrong SHA-256 of its data: got $(stream_hash good), want the 'datahash' $(printf '0%.0s' $(seq 64))" "package|layer"
refused no-datahash "$package its .PKGINFO has no 'datahash', nothing vouches for its files" "package|layer"
refused file-checksum "$package wrong checksum of 'usr/share/one': got $(printf 'good\n' | sha1sum | cut -d' ' -f1), want $(printf '0%.0s' $(seq 40))" "package|layer"
refused control "cannot use U/one-1.0-r0.apk: its control data have the checksum $(identity control), want $(identity good) as the index says" layer
refused signed-other "cannot use U/one-1.0-r0.apk: its control data have the checksum $(identity signed-other), want $(identity good) as the index says" layer
refused version "cannot use U/one-2.0-r0.apk: it is the package one 1.0-r0, want one 2.0-r0" layer
refused escape "$package the name '../' leads out of the archive" "package|layer"
refused garbage "$package damaged gzip data at byte 2 (incorrect header check)" "package|layer"
refused missing "cannot fetch U/one-1.0-r0.apk: there is no file U/one-1.0-r0.apk" "package|layer"
refused empty "no source has a package 'one' for x86_64" "package|layer"
rm -rf cache-broken
sed -i 's|broken/[a-z-]*"|broken/good"|' refused.yaml
check "the same without a fault" build refused.yaml -o oci:refused.out:1 --cache-dir "$SCRATCH/cache-broken"
# A refused package does not count as fetched: the right one in its place is taken.
rm -rf refused.lock.json cache-broken broken/repaired && cp -a broken/control broken/repaired
sed -i 's|broken/[a-z-]*"|broken/repaired"|' refused.yaml
build refused.yaml -o oci:refused.out:2 --cache-dir "$SCRATCH/cache-broken" > /dev/null 2>&1
same "a package with another control part" "$?" 1
cp broken/good/x86_64/one-1.0-r0.apk broken/repaired/x86_64/
check "repaired" build refused.yaml -o oci:refused.out:2 --cache-dir "$SCRATCH/cache-broken"
# What the lock names is taken and nothing else, however well signed.
cp broken/signed-other/x86_64/one-1.0-r0.apk broken/repaired/x86_64/
build refused.yaml --locked -o oci:refused.out:3 --cache-dir "$SCRATCH/cache-locked-other" > /dev/null 2> refused.err
same "a package other than the lock's" "$? $(grep -cE "got (more than .*|sha256:$(sha256sum < broken/signed-other/x86_64/one-1.0-r0.apk | cut -d' ' -f1)), want .*sha256:$good" refused.err)" "1 1"
same "is not kept" "$("$MINIBUILD" cache ls --cache-dir "$SCRATCH/cache-locked-other" | grep -E '^(package|download) ')" ""

# --- A stage ---
if [ -n "$BUSYBOX" ]; then
  more stage.yaml << 'E2'
stages:
  tools:
    base: scratch
    packages: [setup, alpine-baselayout, app]
    run:
      - app > /said; cat /usr/share/setup >> /said; apk --version 2> /dev/null || echo no apk >> /said
packages: [{ name: setup }, { name: busybox, omit: true }]
copy:
  - { stage: tools, from: /etc/setup.made, to: /seen/ }
  - { stage: tools, from: /said, to: /seen/ }
  - { stage: tools, from: /lib/apk/db/installed, to: /seen/ }
E2
  STAGE=$(loud stage.yaml -o oci:stage.oci:1 -o dir:stage 2> stage.err)
  check "a stage with packages" test -n "$STAGE"
  cp stage.err check.log
  same "its commands run" "$(cat stage/seen/said)" "$(printf 'app\nsetup\nno apk')"
  same "the script has run in it" "$(cat stage/seen/setup.made)" "made by post-install of 2-r0"
  same "and not in the image" "$(ls stage/etc | xargs)" apk
  same "its packages are not those of the image" "$(grep -c ^P: stage/seen/installed) $(grep ^P: stage/lib/apk/db/installed)" "14 P:setup"
  same "which is told" "$(grep -c 'the package setup has a post-install script that runs .echo "made by $0 of $1" > /etc/setup.made.,' stage.err)" 1
  same "each set has its place in the lock" "$(jq -r '.packages[] | (.stage // "") + " " + (.packages | map(.name) | join(","))' stage.lock.json)" \
    " setup
tools alpine-baselayout,alpine-baselayout-data,app,bar,baz,busybox,libfoo,mta-b,musl,qux,setup,words,zlib,zlib-applet"
  same "the same with nothing cached" "$(build stage.yaml -o oci:stage.oci:2 --cache-dir "$SCRATCH/cache-stage" 2> /dev/null)" "$STAGE"
  loud stage.yaml --stage tools -o dir:tools > /dev/null 2> stage.log
  check "the stage is cached" grep -q '^tools: cached' stage.log
  sed -i 's/setup, alpine/setup, extra, alpine/' stage.yaml
  loud stage.yaml -o oci:stage.oci:3 > /dev/null 2> stage.log
  check "a further package runs it again" grep -q '^tools: rerun, .*package' stage.log
  more failing.yaml << 'E2'
stages: { tools: { base: scratch, packages: [failing], run: [/bin/true] } }
copy: [{ stage: tools, from: /bin/busybox, to: /bin/ }]
E2
  build failing.yaml -o oci:failing.oci:1 > /dev/null 2> failing.err
  same "a script that fails" "$? $(cat failing.err)" "1 minibuild: error: the stage 'tools' failed with exit status 3
  command: failing.post-install"
  same "writes nothing" "$(ls -d failing.oci 2> /dev/null)" ""
else
  echo "left out: stages, for want of a static busybox"
fi
finish
