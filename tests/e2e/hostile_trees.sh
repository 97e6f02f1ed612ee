#!/usr/bin/env bash
# What projects and stages hold and an image must not: times of the clock, names that mean something else in a layer, paths
# below links; and what differs between images without being a leaf of their configs.
. "$(dirname "$0")/lib.sh"

spec() { printf 'minibuild: 1\nuser: 1\n%s\n' "$2" > "$1.yaml"; }
# refused NAME WANTED: fails with 1, says WANTED, writes nothing.
refused() {
  "$MINIBUILD" build --progress none "$1.yaml" -o "oci:$1.oci:1" > out 2> err
  same "$1 is refused" "$? $(wc -c < out) $(grep -cF "$2" err)" "1 0 1"
  check "$1 writes nothing" test ! -e "$1.oci"
}

# Files of a stage have the times at which its commands ran.
spec clock 'stages: { s: { base: host, run: "mkdir /made && date +%N > /dev/null && echo hi > /made/file" }, t: { base: scratch, copy: [{ stage: s, from: /made, to: /made }] } }
base: { stage: t }'
A=$(build clock.yaml --no-cache -o oci:clock1.oci:1)
sleep 1.1
same "a stage as base: the same digest a second later" "$(build clock.yaml --no-cache -o oci:clock2.oci:1)" "$A"
spec clock2 'stages: { s: { base: host, run: "mkdir /made && echo hi > /made/file" } }
epoch: 1000
copy: [{ stage: s, from: /made, to: /made }]'
build clock2.yaml --stage s -o tar:clock.tar > /dev/null
same "a stage written as tar has the epoch" "$(tar --utc -tvf clock.tar ./made/file made/file 2> /dev/null | awk '{ print $4 }' | cut -c1-7 | sort -u)" "1970-01"

# Libraries below a link that the closure itself brings.
spec closure 'stages:
  b:
    base: host
    run: |
      mkdir -p /a/lib /a/bin && cd /a
      echo "int f(void){return 7;}" > f.c && echo "int f(void);int main(void){return f();}" > m.c
      cc -shared -fPIC -o lib/libf.so f.c && cc -o bin/m m.c -Llib -lf "-Wl,-rpath,\$ORIGIN/../lib"
copy: [{ stage: b, from: /a/bin/m, to: /bin/m, closure: true }]'
build closure.yaml -o dir:closure.dir -o tar:closure.tar > /dev/null 2> err || cat err
if [ "$(id -u)" = 0 ]; then
  chroot closure.dir /bin/m
  same "a program whose library is below a link runs" "$?" 7
fi
same "nothing is below a link" "$(python3 - closure.tar << 'PYTHON'
import sys, tarfile
archive = tarfile.open(sys.argv[1])
links = {m.name for m in archive if m.issym()}
print([m.name for m in archive if any(m.name.startswith(link + "/") for link in links)])
PYTHON
)" "[]"

mkdir white && touch white/ok white/.wh.ok
spec white 'copy: [{ from: white, to: /white }]'
refused white "cannot copy 'white/.wh.ok': in an image layer a name that begins with '.wh.' deletes a file"
mkdir opaque && touch opaque/.wh..wh..opq
spec opaque 'copy: [{ from: opaque, to: /opaque }]'
refused opaque "deletes a file"
mkdir newline && touch newline/$'new\nline'
spec newline 'copy: [{ from: newline, to: /newline }]'
refused newline "its name holds a control character"
spec host 'stages: { g: { base: host, files: [{ file: /usr/share/there/x, content: y }], run: "true" } }
copy: [{ stage: g, from: /usr/share/there/x, to: /x }]'
refused host "that place is this machine's and read-only"

spec ports1 'ports: [80]'
spec ports2 'ports: [81]'
spec volumes 'volumes: [/v]'
for name in ports1 ports2 volumes; do build $name.yaml -o oci:$name.oci:1 > /dev/null; done
same "diff sees ports" "$("$MINIBUILD" diff oci:ports1.oci oci:ports2.oci | grep -c 'ExposedPorts')" 2
same "diff sees volumes" "$("$MINIBUILD" diff oci:ports1.oci oci:volumes.oci | grep -c 'Volumes./v')" 1
spec both1 'platforms: [linux/amd64, linux/arm64]
files: [{ file: /arch, content: one }]'
spec both2 'platforms: [linux/amd64, linux/arm64]
files: [{ file: "/${TARGETARCH}", content: one }, { file: /arch, content: one }]
remove: [amd64]'
for name in both1 both2; do build $name.yaml -o oci:$name.oci:1 > /dev/null 2>&1; done
"$MINIBUILD" diff oci:both1.oci oci:both2.oci > out 2> err
same "diff of indexes looks at every platform" "$? $(grep -c '^linux/arm64' out) $(grep -c '/arm64' out)" "3 1 2"

mkdir -p tree/keep/below && touch tree/keep/below/x
spec remove 'copy: [{ from: tree, to: / }]
files: [{ symlink: /link, target: keep }]
remove: ["keep/**", nowhere]'
"$MINIBUILD" build remove.yaml -o tar:remove.tar > /dev/null 2> err
same "dir/** leaves the directory" "$(tar -tf remove.tar | xargs)" "keep/ link"
check "a pattern that matches nothing is told" grep -q "warning: nothing in the image matches 'nowhere'" err
spec through 'copy: [{ from: tree, to: / }]
files: [{ symlink: /link, target: keep }]
remove: [link/below]'
build through.yaml -o tar:through.tar > /dev/null
same "remove follows links of parents" "$(tar -tf through.tar | xargs)" "keep/ link"

spec accounts 'accounts: { users: [{ name: app, uid: 1000 }], groups: [{ name: app, gid: 5 }] }'
build accounts.yaml -o dir:accounts.dir > /dev/null
same "a user's group is the one of its name" "$(grep ^app accounts.dir/etc/passwd)" "app:x:1000:5::/home/app:/sbin/nologin"

mkdir project && echo 'int main(void) { return 0; }' > project/main.c && cd project
"$MINIBUILD" init > /dev/null 2>&1
cat > minibuild.yaml << 'SPEC'
minibuild: 1
image: registry.example.com/team/project:1
stages: { build: { base: host, copy: [{ from: ., to: /src }], run: cc -o /app /src/main.c } }
copy: [{ stage: build, from: /app, to: /app, closure: true }]
user: 1
SPEC
"$MINIBUILD" > /dev/null 2> ../first
"$MINIBUILD" > /dev/null 2> ../second
cd ..
check "what a build wrote is no input of the next" grep -q '^build: cached' second
finish
