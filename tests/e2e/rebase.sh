#!/usr/bin/env bash
# Rebase against a build on the new base: the same image, or a note for what a rebase cannot know.
. "$(dirname "$0")/lib.sh"
for program in docker-registry curl jq; do
  command -v $program > /dev/null || { echo "not run: $program is missing"; exit 77; }
done
pids=()
trap 'kill ${pids[@]} 2> /dev/null; rm -rf "$SCRATCH"' EXIT
start_registry "$SCRATCH/registry"
P=--plain-http=$host
base() { # TAG LINES: a base
  { printf 'minibuild: 1\n'; cat; } > "base$1.yaml"
  build "base$1.yaml" -o "docker://$host/os:$1" $P > /dev/null
}
image() { # TAG: the spec on the base of this tag
  { printf 'minibuild: 1\nbase: %s/os:%s\n' "$host" "$1"; cat spec; } > "on$1.yaml"
}
rebased() { # NAME: builds on 1, rebases onto 2, and builds on 2
  rm -f ./*.lock.json; image 1; image 2
  build on1.yaml -o "docker://$host/on:$1" $P > /dev/null
  want=$(build on2.yaml -o "oci:want-$1:1" $P)
  got=$("$MINIBUILD" rebase "docker://$host/on:$1" --onto "docker://$host/os:2" $P -o "oci:got-$1:1" 2> notes)
}
mkdir data && echo x > data/x
cat > spec << 'E2'
copy: [{ from: data, to: /data }]
env: { OWN: "1", PATH: "/own/bin:${env.PATH}" }
labels: { own: "1" }
ports: [81]
E2
base 1 << 'E2'
files: [{ file: /etc/os-release, content: "1" }]
env: { PATH: /usr/bin, LANG: C, OLD: "1" }
labels: { os: one, old: "1" }
user: 65532
workdir: /one
ports: [80]
volumes: [/one]
entrypoint: [/one]
cmd: [one]
stop-signal: SIGINT
E2
base 2 << 'E2'
files: [{ file: /etc/os-release, content: "2" }]
env: { PATH: "/opt/two:/usr/bin", LANG: C.UTF-8, NEW: "2" }
labels: { os: two, new: "2" }
user: 65533
workdir: /two
ports: [90]
volumes: [/two]
entrypoint: [/two]
cmd: [two]
stop-signal: SIGQUIT
E2
rebased settings
same "what came from the old base follows the new one" "$got" "$want"
check "diff says so" "$MINIBUILD" diff oci:got-settings:1 oci:want-settings:1
check "the PATH is told" grep -qx "rebase: PATH: the old base's part of it is now the new base's: /own/bin:/opt/two:/usr/bin" notes
check "the user is told" grep -q "rebase: the user is the new base's, 65533:0; it was 65532:0" notes

# Accounts: the base's user by name, the image's own by number.
base 1 << 'E2'
accounts: { users: [{ name: app, uid: 100, gid: 100 }, { name: web, uid: 300, gid: 300 }] }
user: app
E2
base 2 << 'E2'
accounts: { users: [{ name: app, uid: 200, gid: 200 }, { name: web, uid: 400, gid: 400 }] }
user: app
E2
echo 'copy: [{ from: data, to: /data }]' > spec
rebased inherited
same "the base's user has the new number" "$got" "$want"
echo 'user: web' >> spec
rebased named
same "a name of the base's cannot be known" "$(jq -r .config.User "got-named/blobs/sha256/$(jq -r .config.digest "got-named/blobs/sha256/${got#sha256:}" | cut -d: -f2)")" 300:300
check "it is told" grep -qx "rebase: the user 300:300 stays; it was 'web', which is 400:400 on the new base; if the spec names it so, build again" notes
echo 'accounts: { users: [{ name: more, uid: 7 }] }' >> spec
rebased accounts
check "accounts made from the old base's are told" grep -q "made from the old base's files, and in place of the new base's: /etc/group, /etc/passwd;" notes

# Files that the old base had.
base 1 <<< 'files: [{ file: /a, content: same }, { file: /b, content: "1" }, { file: /c, content: c }]
user: 1'
base 2 <<< 'files: [{ file: /a, content: other }, { file: /d, content: c }]
user: 1'
printf 'files: [{ file: /a, content: same }, { file: /b, content: mine }]\nremove: [/c]\nuser: 1\n' > spec
rebased files
check "a file of the base's that is left out of the image's layers" grep -q "^rebase: 1 file of the old base differs on the new one or are not there" notes
check "a file that is replaced" grep -q "in place of the new base's: /b;" notes
check "a file that is taken out" grep -q "^rebase: the image leaves out /c of the old base" notes

# A directory that is a link on the new base.
base 1 <<< 'files: [{ file: /lib/x, content: x }, { file: /usr/lib/y, content: x }]
user: 1'
base 2 <<< 'files: [{ file: /usr/lib/x, content: x }, { symlink: /lib, target: usr/lib }]
user: 1'
printf 'files: [{ file: /lib/own, content: x }]\nuser: 1\n' > spec
rebased links
check "is hidden, or told" grep -qE "its layers would put directories over what the new base has as links: /lib; build it again|the new base has other links than the old one: /lib/own" notes
check "is never half an image" test "$got" = "" -o "$(grep -c 'build again' notes)" -gt 0
finish
