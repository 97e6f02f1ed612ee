#!/usr/bin/env bash
# One table from one run: minibuild beside the physical yardstick (tar, two sha256sums, zstd -3 -T0), buildah and umoci, on a tree
# of real files from this machine's /usr. Prints Markdown. Needs zstd, jq, and for their rows buildah and umoci.
#   bench/run.sh            builds what is needed first
#   RUNS=5 bench/run.sh     more runs; the table has the medians
#   PART=registry bench/run.sh   only pull, push and copy beside skopeo (needs docker-registry, nginx and skopeo)
#   PART=packages bench/run.sh   only images of packages beside mmdebstrap
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD/bench
cmake --preset release > /dev/null && cmake --build --preset release --target minibuild > /dev/null
minibuild=$PWD/build/minibuild
runs=${RUNS:-3}
hello=$PWD/examples/hello/minibuild.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export MINIBUILD_CACHE_DIR=$work/cache

# median NAME COMMAND…: runs it after `prepare`, remembers the median in milliseconds and the largest memory in KiB.
declare -A ms kb
median() {
  local name=$1 times=() most=0 n
  shift
  for n in $(seq "$runs"); do
    prepare
    sync
    local start end memory
    start=$(date +%s%N)
    /usr/bin/time -o time.txt -f %M "$@" > /dev/null 2> log.txt || { echo "$name failed:"; tail -5 log.txt; exit 1; } >&2
    end=$(date +%s%N)
    memory=$(tail -1 time.txt)
    [ "$memory" -gt "$most" ] && most=$memory
    times+=($(((end - start) / 10000)))
  done
  ms[$name]=$(printf '%s\n' "${times[@]}" | sort -n | sed -n "$(((runs + 1) / 2))p")
  kb[$name]=$most
}

ratio() { awk "BEGIN { printf \"%.3f\", $1 / $2 }"; }
if [ "${PART:-all}" = registry ]; then
  . "$here/registry.sh"
  exit
fi
if [ "${PART:-all}" = packages ]; then
  . "$here/packages.sh"
  exit
fi

# Parts of /usr until there are 600 MB and 10,000 files.
mkdir tree
for part in /usr/lib/gcc /usr/bin /usr/include /usr/lib/python3* /usr/lib/x86_64-linux-gnu /usr/share /usr/local; do
  [ -d "$part" ] || continue
  cp -a "$part" "tree/$(echo "$part" | tr / _)"
  [ "$(du -s --apparent-size -BM tree | cut -dM -f1)" -ge 600 ] && [ "$(find tree -type f | wc -l)" -ge 10000 ] && break
done
files=$(find tree -type f | wc -l)
size=$(du -s --apparent-size -BM tree | cut -f1)
cat > big.yaml << 'SPEC'
minibuild: 1
image: registry.example.com/bench/big:1
copy: [{ from: tree, to: /data }]
user: 65532
SPEC
cat tree/*/* > /dev/null 2>&1 || true

prepare() { rm -rf cache big.oci; }
median cold "$minibuild" --progress none big.yaml
prepare() { :; }
"$minibuild" --progress none big.yaml > /dev/null
median same "$minibuild" --progress none big.yaml
victim=$(find tree -type f -size -20k | sort | sed -n "$((files / 4))p")
prepare() { echo "changed $RANDOM" >> "$victim"; sleep 0.1; }
median changed "$minibuild" --progress none big.yaml
layers=$(jq '[.layers[].size] | add' < "big.oci/blobs/sha256/$(jq -r '.manifests[0].digest' big.oci/index.json | cut -d: -f2)")
layer_count=$(jq '.layers | length' < "big.oci/blobs/sha256/$(jq -r '.manifests[0].digest' big.oci/index.json | cut -d: -f2)")
prepare() { :; }
"$minibuild" --progress none "$hello" -o oci:hello.oci > /dev/null
runs=15 median hello "$minibuild" --progress none "$hello" -o oci:hello.oci

prepare() { rm -f out.zst; }
median yardstick bash -c 'set -o pipefail; tar --sort=name -cf - tree | tee >(sha256sum > a) | zstd -3 -T0 -q | tee >(sha256sum > b) > out.zst'
frame=$(tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - tree | zstd -3 -T0 -q | wc -c)

if command -v buildah > /dev/null; then
  buildah_build() {
    local id
    id=$(buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs from scratch)
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs copy -q "$id" tree /data
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs commit -q "$id" big
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs push -q --compression-format zstd big oci:buildah.oci:1
  }
  export -f buildah_build
  export work
  prepare() { rm -rf storage run buildah.oci; }
  median buildah bash -ec buildah_build
fi
if command -v umoci > /dev/null; then
  prepare() { rm -rf umoci.oci && umoci init --layout umoci.oci && umoci new --image umoci.oci:1; }
  median umoci umoci insert --image umoci.oci:1 tree /data
fi

row() { # NAME TITLE WANTED
  [ -n "${ms[$1]:-}" ] || { echo "| $2 | not installed | | | $3 |"; return; }
  printf '| %s | %s ms | %s | %s MiB | %s |\n' "$2" "$(ratio "${ms[$1]}" 100)" "$(ratio "${ms[$1]}" "${ms[cold]}")" "$((kb[$1] / 1024))" "$3"
}
echo "Tree: $files files, $size. $(nproc) processors, medians of $runs runs, of 15 for hello, warm page cache."
echo
echo '| | wall time | relative to cold | peak memory | wanted |'
echo '| --- | --- | --- | --- | --- |'
row cold "minibuild, cold" "at most 1.15 x the yardstick; below 96 MiB"
row yardstick "tar, sha256sum, zstd -3 -T0, sha256sum" ""
row same "minibuild, nothing changed" "below 0.05"
row changed "minibuild, one small file changed" "below 0.25"
row hello "minibuild, examples/hello, nothing changed" "below 10 ms"
row buildah "buildah: copy, commit, push to OCI with zstd" "at least 8"
row umoci "umoci insert (gzip)" "at least 3"
echo
echo "- cold / yardstick: $(ratio "${ms[cold]}" "${ms[yardstick]}")"
echo "- $layer_count layers, $layers bytes; one zstd -3 frame of the tar: $frame bytes; ratio $(ratio "$layers" "$frame")"
. "$here/registry.sh"
. "$here/packages.sh"
