#!/usr/bin/env bash
# containerd as it is today (tests/peers.sh): what minibuild writes is imported, unpacked and run by runc, also indexes with
# attestations; what it exports is copied and built on. Its own daemon, in a directory of this test.
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/peers.sh"
pids=()
end() {
  for pid in "${pids[@]}"; do kill "$pid" && wait "$pid"; done 2> /dev/null
  awk -v top="$SCRATCH/" 'index($2, top) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount
  chmod -R u+rwX "$SCRATCH" 2> /dev/null
  rm -rf "$SCRATCH"
}
trap end EXIT
[ "$(id -u)" = 0 ] || { echo "skipped: containerd wants root"; exit 77; }
command -v runc > /dev/null || { echo "skipped: runc is missing"; exit 77; }
need_peers containerd ctr containerd-shim-runc-v2
arch=$(dpkg --print-architecture)
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run CONTAINERD_ADDRESS=$SCRATCH/socket CONTAINERD_SNAPSHOTTER=native
cat > containerd.toml << TOML
version = 3
root = "$SCRATCH/root"
state = "$SCRATCH/state"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]
[grpc]
address = "$SCRATCH/socket"
[ttrpc]
address = "$SCRATCH/socket.ttrpc"
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = "linux/$arch"
snapshotter = "native"
TOML
containerd -c containerd.toml > containerd.log 2>&1 &
pids+=($!)
for _ in $(seq 100); do ctr version > /dev/null 2>&1 && break; sleep 0.1; done
# import FILE NAME: every platform, with all that hangs on it, and the machine's own unpacked.
import() { ctr images import --all-platforms --no-unpack --base-name "$2" "$1" && ctr images import --base-name "$2" "$1"; }
digest_of() { ctr images ls "name==$1" 2> /dev/null | awk 'NR == 2 { print $3 }'; }
state_of() { ctr images check "name==$1" 2> /dev/null | awk 'NR == 2 { print $4, $NF }'; }

# A program that tells how it was started.
cat > hello.c << 'C'
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int count, char** words) {
  char said[99] = "";
  FILE* file = fopen("/etc/said", "r");
  struct stat one, two;
  if (file) fgets(said, sizeof said, file);
  stat("/etc/said", &one), stat("/etc/link", &two);
  printf("%s as %d:%d in %s of %s with %s, %o, %s\n", said, getuid(), getgid(), getcwd(malloc(99), 99), getenv("WHO"), words[count - 1],
         one.st_mode & 07777, one.st_ino == two.st_ino ? "linked" : "apart");
  return 7;
}
C
gcc -static -Os -o hello hello.c
for how in gzip zstd none; do
  cat > "$how.yaml" << YAML
minibuild: 1
image: r.example/team/hello:$how
platforms: [linux/amd64, linux/arm64]
compression: $how
copy: [{ from: hello, to: /bin/hello }]
files:
  - { file: /etc/said, content: "$how", mode: 0604, owner: 1000:1001 }
  - { symlink: /etc/link, target: said }
  - { directory: /work }
env: { WHO: me }
workdir: /work
user: 1000:1001
entrypoint: [/bin/hello]
cmd: [word]
policy: { allow: [{ rule: entrypoint, reason: "one program for both platforms" }] }
YAML
  D=$(build "$how.yaml" -o "oci-archive:$how.tar")
  check "$how: an OCI archive is imported" import "$how.tar" "r.example/oci"
  same "$how: under its digest, whole, unpacked" "$(digest_of "r.example/oci:$how") $(state_of "r.example/oci:$how")" "$D complete true"
  same "$how: it runs" "$(ctr run --rm "r.example/oci:$how" "oci-$how" 2> /dev/null; echo $?)" "$how as 1000:1001 in /work of me with word, 604, linked
7"
  build "$how.yaml" --platform "linux/$arch" -o "docker-archive:$how.docker.tar" > /dev/null
  check "$how: a docker archive is imported" ctr images import "$how.docker.tar"
  same "$how: under its name, and runs" "$(ctr run --rm "r.example/team/hello:$how" "docker-$how" 2> /dev/null; echo $?)" "$how as 1000:1001 in /work of me with word, 604, linked
7"
done

# (Without --local, ctr 2.4.2 cuts off one export in some forty.)
# Indexes with everything in them: attestations, artifacts, nested indexes, entries without a platform.
python3 "$SOURCE/tests/e2e/make_graphs.py" . || exit 1
for tag in buildkit manifests all; do
  D=$("$MINIBUILD" copy "oci:whole:$tag" "oci-archive:$tag.tar:1" 2> err)
  check "$tag: imported" import "$tag.tar" "r.example/$tag"
  same "$tag: under its digest" "$(digest_of "r.example/$tag:1")" "$D"
  check "$tag: exported" ctr images export --local --all-platforms "$tag.out.tar" "r.example/$tag:1"
  same "$tag: read back, with all of it" "$("$MINIBUILD" copy "oci-archive:$tag.out.tar" "oci:back-$tag:1" 2> err; cat err | grep error)" "$D"
  same "$tag: as many blobs" "$(find "back-$tag/blobs" -type f | wc -l)" "$("$MINIBUILD" copy "oci:whole:$tag" "oci:count-$tag:1" > /dev/null 2>&1; find "count-$tag/blobs" -type f | wc -l)"
done
# What it exports of one platform alone: the whole index, and not what the others need.
check "one platform: exported" ctr images export --local --platform linux/arm64 one.tar r.example/manifests:1
"$MINIBUILD" copy oci-archive:one.tar oci:one:1 > out 2> err
same "what is not there is told, and the way" "$? $(grep -c 'is missing; it is named by sha256:.*; if only some of its platforms were saved, choose one with --platform' err)" "1 1"
check "that platform of it" "$MINIBUILD" copy --platform linux/arm64 oci-archive:one.tar oci:one:1
check "as the archive of Docker that it is as well" "$MINIBUILD" copy docker-archive:one.tar oci:two:1
printf 'minibuild: 1\nbase: "oci-archive:buildkit.out.tar"\nplatforms: [linux/amd64, linux/arm64]\nfiles: [{ file: /g, content: x }]\nuser: 1\n' > on.yaml
check "an image on what it exports" build on.yaml -o oci-archive:on.tar:1
check "goes back to it" import on.tar r.example/on
mkdir mounted
check "and is mounted" ctr images mount r.example/on:1 mounted
same "with the files of both" "$(cat mounted/f mounted/g)" "${arch}x"
finish
