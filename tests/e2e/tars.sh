#!/usr/bin/env bash
# Tar archives as other programs make them. The judges: Python's tarfile and GNU tar for random archives (COUNT of them, 150 or as
# tests/judged.sh says), umoci for images of layers that GNU tar made.
. "$(dirname "$0")/lib.sh"
answers=$(dirname "$MINIBUILD")/tests/tar_answers
cases=$SOURCE/tests/e2e/tar_cases.py
if [ -x "$answers" ]; then
  seed=${SEED:-$RANDOM}
  mkdir cases && python3 "$cases" make "${COUNT:-150}" "$seed" cases
  find "$PWD/cases" -name '*.tar' | sort -V | "$answers" > ours
  check "${COUNT:-150} archives, seed $seed" python3 "$cases" compare cases ours
  tail -2 check.log
else
  echo "not run: random archives need $answers (MINIBUILD_TESTS)"
fi

# Images whose layers are what tar makes of a directory: files with holes, long names, old times, hard links.
mkdir -p d/sub && cd d
truncate -s 1M hole && printf end >> hole
for i in 1 2 3 4 5 6 7 8 9; do dd if=/dev/urandom of=many bs=4096 count=1 seek=$((i * 5)) conv=notrunc status=none; done && truncate -s 300000 many
truncate -s 4M empty && echo small > sub/small && ln sub/small sub/again && ln hole sub/holes
touch -d '1960-05-05 01:02:03.5 UTC' old && touch "$(printf 'Icon\r')" "$(printf 'new\nline')" "$(printf '\xff\xe4')" && ln -s "$(printf 'to\nit')" link
cd ..
layout() {
  python3 - "$1" "$2" "${3:-}" << 'END'
import hashlib, json, os, sys
name, tar, end = sys.argv[1:]
os.makedirs(name + "/blobs/sha256")
def blob(data, kind):
    digest = hashlib.sha256(data).hexdigest()
    open(f"{name}/blobs/sha256/{digest}", "wb").write(data)
    return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data)}
layer = blob(open(tar, "rb").read(), "application/vnd.oci.image.layer.v1.tar")
config = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}).encode(),
              "application/vnd.oci.image.config.v1+json")
manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer]}).encode(),
                "application/vnd.oci.image.manifest.v1+json")
json.dump({"schemaVersion": 2, "manifests": [{**manifest, "annotations": {"org.opencontainers.image.ref.name": "1"}}]}, open(name + "/index.json", "w"))
open(name + "/oci-layout", "w").write('{"imageLayoutVersion":"1.0.0"}')
END
}
# what DIRECTORY: its files with content, links and whole seconds.
what() {
  (cd "$1" && find . -mindepth 1 -printf '%P %y %l %T@\n' | sed 's/\.[0-9]*$//' | LC_ALL=C sort && find . -type f -exec sha256sum {} + | LC_ALL=C sort)
}
for form in gnu oldgnu pax "pax --sparse-version=0.0" "pax --sparse-version=0.1" posix; do
  name=$(tr -dc 'a-z0-9' <<< "$form")
  # shellcheck disable=SC2086
  tar --format=$form -cSf "$name.tar" -C d . 2> /dev/null
  layout "base-$name" "$name.tar"
  printf 'minibuild: 1\nimage: r.example.com/x:1\nbase: oci:base-%s:1\nplatforms: [linux/amd64]\nuser: 1000\nfiles: [{file: /sub/added, content: x}]\ncompression: gzip\n' "$name" > s.yaml
  if build s.yaml -o "tar:$name-out.tar" -o "dir:$name-dir" -o "oci:$name-oci:1" > out 2>&1; then
    mkdir "$name-want" && tar xpf "$name.tar" -C "$name-want" 2> /dev/null && mkdir "$name-got" && tar xpf "$name-out.tar" -C "$name-got" --exclude=sub/added 2> /dev/null
    touch -r d/sub "$name-got/sub" "$name-want/sub"
    same "$form: as tar: reads it" "$(what "$name-got" | grep -av '^sub d')" "$(what "$name-want" | grep -av '^sub d')"
    same "$form: dir: is the same" "$(cd "$name-dir" && sha256sum hole many empty sub/again)" "$(cd d && sha256sum hole many empty sub/again)"
    same "$form: the base's layer is passed on" "$(cat "$name-oci"/blobs/sha256/* | grep -c 'Icon' > /dev/null; ls "$name-oci/blobs/sha256" | grep -c "$(sha256sum < "$name.tar" | cut -c1-64)")" 1
  else
    same "$form: is built on" "$(cat out)" ""
  fi
done
if [ "$(id -u)" = 0 ]; then
  umoci unpack --image paxsparseversion01-oci:1 bundle > out 2>&1 || cat out
  same "umoci reads what is built on it" "$(cd bundle/rootfs && sha256sum hole many empty sub/again)" "$(cd d && sha256sum hole many empty sub/again)"
else
  echo "not run: umoci as judge needs root"
fi
# Names of bases that no `copy` takes are inspected, compared, scanned and told; contents are taken out of them.
check "inspect" "$MINIBUILD" inspect --files oci:base-pax:1
same "names are shown in a form for terminals" "$("$MINIBUILD" inspect --files oci:base-pax:1 | grep -acF -e '/Icon\x0d' -e '/new\nline')" 2
check "inspect --json" bash -c "'$MINIBUILD' inspect --json oci:base-pax:1 | python3 -m json.tool"
"$MINIBUILD" diff oci:base-pax:1 oci:pax-oci:1 > out 2>&1
same "diff" "$? $(grep -c added out)" "3 1"
for what in 'from: /, exclude: ["Icon*", "new*"]' 'from: /hole'; do
  printf 'minibuild: 1\nuser: 1000\ncopy: [{image: "oci:base-gnu:1", %s, to: /c/}]\n' "$what" > s.yaml
  check "copy {$what}" build s.yaml -o tar:o.tar
  check "with its holes: $what" cmp <(tar xOf o.tar c/hole) d/hole
done
printf 'minibuild: 1\nuser: 1000\ncopy: [{image: "oci:base-gnu:1", from: /, to: /c/}]\n' > s.yaml
build s.yaml -o tar:o.tar > out 2>&1
check "what a copy cannot have is told" grep -q "its name holds a control character; rename it, or leave it out with 'exclude'" out
# The same of a download, which libarchive unpacks.
mkdir mirror && cp gnu.tar mirror/gnu.tar && gzip -kc pax.tar > mirror/pax.tar.gz && cp paxsparseversion01.tar mirror/01.tar
for file in gnu.tar pax.tar.gz 01.tar; do
  printf 'minibuild: 1\nuser: 1000\ncopy: [{url: "https://h.example.com/%s", extract: true, exclude: ["Icon*", "new*", "?"], to: /c}]\n' "$file" > s.yaml
  check "a download: $file" build s.yaml -o tar:o.tar --mirror "h.example.com=file://$SCRATCH/mirror"
  rm -rf x && mkdir x && tar xf o.tar -C x
  same "a download with holes: $file" "$(cd x/c && sha256sum hole many empty sub/again)" "$(cd d && sha256sum hole many empty sub/again)"
done
finish
