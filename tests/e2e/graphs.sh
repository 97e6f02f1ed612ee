#!/usr/bin/env bash
# Indexes as graphs of descriptors, platforms in their one form, documents whose descriptions are wrong, archives of Docker:
# what is copied stays byte for byte, whatever it is; what is built upon is the image for the platform. The judges are
# skopeo, umoci and the bytes themselves.
. "$(dirname "$0")/lib.sh"
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
mkdir run
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG
python3 "$SOURCE/tests/e2e/make_graphs.py" . || exit 1
start_registry "$SCRATCH/data"
P="--plain-http $host"
copy() { "$MINIBUILD" copy "$@" > out 2> err; }
# below LAYOUT TAG: the digests of all that an entry of index.json names, itself too, read by a reader of its own.
below() {
  python3 - "$@" << 'P2'
import json, os, sys
top, tag = sys.argv[1:]
path = lambda digest: os.path.join(top, "blobs", *digest.split(":"))
todo = [e for e in json.load(open(top + "/index.json"))["manifests"] if e.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag]
seen = set()
while todo:
    one = todo.pop()
    seen.add(one["digest"])
    if one["mediaType"].endswith(("manifest.v1+json", "index.v1+json")):
        document = json.load(open(path(one["digest"])))
        todo += document.get("manifests", []) + document.get("layers", []) + ([document["config"]] if "config" in document else [])
for digest in sorted(seen):
    import hashlib
    algorithm, want = digest.split(":")
    print(digest, "right" if hashlib.new(algorithm, open(path(digest), "rb").read()).hexdigest() == want else "WRONG")
P2
}
# has LAYOUT: the digests of all blobs of a layout.
has() { (cd "$1/blobs" && find . -type f | sed 's,^\./,,; s,/,:,' | sort | sed 's/$/ right/'); }

# Everything that an index names goes along, through every form and back.
below whole all > want
same "what the index has in it" "$(wc -l < want)" 24
check "to a layout" copy oci:whole:all oci:l1:1
same "all of it is there, and nothing else" "$(has l1)" "$(cat want)"
check "to an archive" copy oci:l1 oci-archive:a.tar:1
check "to a registry" copy oci-archive:a.tar "docker://$host/all:1" $P
check "what BuildKit writes, to the registry" copy oci:whole:buildkit "docker://$host/buildkit:1" $P
check "skopeo reads it all from there" skopeo copy -q --all --preserve-digests --src-tls-verify=false "docker://$host/buildkit:1" oci:by-skopeo:1
same "the same" "$(has by-skopeo)" "$(below whole buildkit)"
check "and back, with an empty cache" copy "docker://$host/all:1" oci:l2:1 $P --cache-dir other
same "all of it came back" "$(has l2)" "$(cat want)"
same "under the same digest" "$(cat out)" "$(jq -r '.manifests[0].digest' whole/index.json)"
check "from registry to registry" copy "docker://$host/all:1" "docker://$host/again:2" $P --cache-dir other2
same "mounted, not sent" "$(grep -c 'pushed 0 blobs.*mounted 15, 0 there' err)" 1
# One platform of it, as a docker archive, and back: the image survives, its manifest cannot.
check "one platform to a docker archive" copy "docker://$host/all:1" docker-archive:d.tar --platform linux/arm64 $P
same "skopeo takes the same image" "$(skopeo inspect docker-archive:d.tar | jq -r '.Architecture + " " + .Layers[0]')" \
  "arm64 sha256:$(tar xOf d.tar --wildcards '*.tar' | sha256sum | cut -d' ' -f1)"
check "a docker archive to a registry" copy docker-archive:d.tar "docker://$host/back:1" $P
same "its config is that of the beginning" "$(skopeo inspect --raw --tls-verify=false "docker://$host/back:1" | jq -r .config.digest)" \
  "$(skopeo inspect --raw --override-arch arm64 oci:whole:all | jq -r '.manifests[1].digest' | sed 's/:/\//' | xargs -I{} jq -r .config.digest whole/blobs/{})"
copy oci:whole:all docker-archive:x.tar
same "several platforms in a docker archive" "$? $(grep -c 'choose one with --platform' err)" "1 1"
check "one platform alone to a layout" copy oci:whole:all oci:l3:1 --platform linux/arm/v6
same "only what belongs to it" "$(has l3 | wc -l)" 3
copy oci:whole:all oci:l4:1 --platform linux/s390x
same "a platform that is not there" "$? $(grep -c 'it has no image for linux/s390x, only for: linux/amd64, linux/arm64, linux/arm/v6, linux/arm/v5, linux/riscv64' err)" "1 1"
# What is no image is copied, not built upon.
for tag in artifact attestation; do
  check "$tag: copied" copy "oci:whole:$tag" "docker://$host/$tag:1" $P
  check "$tag: and back" copy "docker://$host/$tag:1" "oci:back-$tag:1" $P --cache-dir "other-$tag"
  same "$tag: the same" "$(has "back-$tag")" "$(below whole "$tag")"
  "$MINIBUILD" inspect "oci:whole:$tag" > out 2> err
  same "$tag: is no image, and that is said" "$? $(grep -cE 'it is an artifact of the type application/x.thing, not an image|it is not an image: its layer 1 has the media type .application/vnd.in-toto.json' err)" "1 1"
done
rm l1/blobs/sha256/"$(below whole all | sed -n 3p | cut -c8-71)"
copy oci:l1 oci:l5:1
same "what an index names and the source lacks" "$? $(grep -c 'is missing' err) $(ls -d l5 2> /dev/null)" "1 1 "

# What belongs to an image may be an index: it goes along with all that is in it, and what belongs to that.
check "referrers that are indexes" copy --referrers oci:referred:1 oci:ref1:1
same "all of them, and what they have in them" "$(has ref1)" "$(has referred)"
check "to an archive" copy --referrers oci:ref1:1 oci-archive:ref.tar:1
check "to a registry" copy --referrers oci-archive:ref.tar "docker://$host/ref:1" $P
check "and back" copy --referrers "docker://$host/ref:1" oci:ref2:1 $P --cache-dir other-ref
same "of a registry without that API" "$(find ref2/blobs -type f -exec sha256sum {} + | cut -c1-64 | sort)" "$(find referred/blobs -type f -exec sha256sum {} + | cut -c1-64 | sort)"
same "listed as what it is" "$(curl -s "http://$host/v2/ref/manifests/sha256-$(top=$(jq -r '.manifests[0].digest' referred/index.json); echo "${top#*:}")" -H 'Accept: application/vnd.oci.image.index.v1+json' | jq -c '.manifests | map([.mediaType, .artifactType, .annotations.by])')" \
  '[["application/vnd.oci.image.index.v1+json","application/x.list","index"]]'

# An archive that was cut off between two of its files, before those that say what it is.
python3 - << 'P3'
import tarfile
with tarfile.open("ref.tar") as tar:
    at = next(one.offset for one in tar if one.name in ("oci-layout", "index.json"))
open("cut.tar", "wb").write(open("ref.tar", "rb").read(at))
P3
copy oci-archive:cut.tar oci:cut:1
same "an archive that is cut off" "$? $(grep -c 'cut.tar is cut off, or not an archive of an image: it stops after [0-9]* bytes' err)" "1 1"

# Content under SHA-512.
for form in oci:s1:1 oci-archive:s1.tar:1; do check "SHA-512 to $form" copy oci:sha512:all "$form"; done
check "and out of the archive" copy oci-archive:s1.tar oci:s2:1
same "the layout has both kinds" "$(has s1)" "$(below sha512 all)"
same "so has the one from the archive" "$(has s2)" "$(below sha512 all)"
check "blobs to a registry" copy oci:sha512:blobs "docker://$host/long:1" $P
check "and back" copy "docker://$host/long:1" oci:s3:1 $P --cache-dir other-long
same "the same" "$(has s3)" "$(below sha512 blobs)"
rm -rf bad && cp -r sha512 bad && find bad/blobs/sha512 -type f -size -200c -exec sed -i 's/amd64/amd65/' {} +
copy oci:bad:blobs oci:s4:1
same "a damaged one" "$? $(grep -c 'does not have the bytes that its digest says' err)" "1 1"

# Platforms: which file is in the image that is built for one.
built_for() {
  printf 'minibuild: 1\nbase: "%s"\nfiles: [{ file: /g, content: x }]\nuser: 1000\nplatforms: [%s]\n' "$1" "$2" > s.yaml
  build s.yaml -o tar:o.tar > out 2> err && tar xOf o.tar f
}
while read -r base platform want; do
  same "$base for $platform" "$(built_for "$base" "$platform")" "$want"
done << 'TABLE'
oci:whole:all linux/amd64 amd64
oci:whole:all linux/amd64/v1 amd64
oci:whole:all linux/amd64/v3 amd64
oci:whole:all linux/arm64/v8 arm64
oci:whole:all linux/arm arm6
oci:whole:all linux/arm/v6 arm6
oci:whole:all linux/arm/v5 arm5
oci:whole:all linux/riscv64 riscv
oci:sha512:all linux/amd64 all
oci:sha512:blobs linux/amd64 long
oci:flat linux/amd64 amd64
oci:flat linux/arm64 arm64
oci:together:1 linux/amd64 amd64
oci:together:1 linux/arm64 arm64
oci:together:latest linux/amd64 busybox
TABLE
for tag in $(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' preferred/index.json); do
  same "$tag" "$(built_for "oci:preferred:$tag" linux/amd64/v3)" this
  check "$tag: one of it" copy "oci:preferred:$tag" "oci-archive:p.tar" --platform linux/amd64/v3
  same "$tag: the same" "$(built_for oci-archive:p.tar linux/amd64/v3)" this
done
check "an entry without a media type, to a registry" copy oci:preferred:untyped "docker://$host/untyped:1" $P
check "and back" copy "docker://$host/untyped:1" oci:untyped:1 $P --cache-dir other-untyped
same "the same" "$(has untyped | wc -l)" 4
for command in "inspect oci:repeated --platform linux/amd64" "inspect oci:repeated"; do
  # shellcheck disable=SC2086
  timeout 60 "$MINIBUILD" $command > out 2> err
  same "indexes that name each other over and over: $command" "$? $(grep -c 'it names more than 10000 images' err)" "1 1"
done
check "copied, each once" copy oci:repeated oci:once:1
same "all of them" "$(has once | wc -l)" 7
same "an image of a lower level is no match for a higher need" "$(built_for oci:flat linux/arm/v7; grep -c 'it has no image for linux/arm/v7, only for: linux/amd64, linux/arm64' err)" 1
built_for oci:rivals linux/amd64
same "two for one platform, neither with a name" "$(grep -c 'has two images for linux/amd64 and a name for neither' err)" 1
same "one of them by its digest" "$(built_for "oci:rivals@$(jq -r '.manifests[1].digest' rivals/index.json)" linux/amd64)" two
check "a flat layout is copied as the index that it is" copy oci:flat oci:f1:1
same "with both" "$(has f1 | wc -l) $(cat out)" "7 sha256:$(sha256sum < flat/index.json | cut -d' ' -f1)"
for arch in amd64 arm64; do
  same "skopeo finds $arch in it" "$(skopeo inspect --override-arch "$arch" --config oci:f1:1 | jq -r .architecture)" "$arch"
done
"$MINIBUILD" inspect oci:together:1 > out 2> err
same "one name for two platforms" "$? $(grep -c 'it holds 2 images of the name 1; choose one with --platform' err)" "1 1"

# What only describes decides nothing. umoci and skopeo read those that they can as well.
for tag in $(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' odd/index.json); do
  same "$tag" "$(built_for "oci:odd:$tag" linux/amd64)" odd
  check "$tag: copied" copy "oci:odd:$tag" "oci:odd-copy:$tag"
done
built_for oci:odd:history-long linux/amd64 > /dev/null && build s.yaml -o oci:h:1 > /dev/null 2>&1
check "what is built on an odd history is valid" python3 "$SOURCE/tests/e2e/validate.py" h
same "with an entry for each layer" "$(skopeo inspect --config oci:h:1 | jq '[.history[] | select(.empty_layer != true)] | length')" 2

# Archives of Docker: compressed, with several images, with names.
for tool in gzip bzip2 xz zstd; do
  command -v "$tool" > /dev/null || { echo "not run: a docker archive by $tool, which is not installed"; continue; }
  "$tool" -qc < one.tar > "one.$tool"
  same "by $tool" "$("$MINIBUILD" inspect --json "one.$tool" | jq -r '.files[].path')" /f
  same "by $tool, as a base" "$(built_for "docker-archive:one.$tool" linux/amd64)" one
done
# GNU tar stores the layer of zeros with a hole.
mkdir holes && python3 -c 'import tarfile; tarfile.open("one.tar").extractall("holes")' && (cd holes && truncate -s 3M one/layer.tar &&
  jq -c --arg id "sha256:$(sha256sum < one/layer.tar | cut -d' ' -f1)" '.rootfs.diff_ids = [$id]' one.json > n && mv n one.json && tar -cSf ../holes.tar one.json manifest.json one)
check "it is stored with holes" test "$(stat -c %s holes.tar)" -lt 100000
same "an archive that is stored with holes" "$(built_for docker-archive:holes.tar linux/amd64)" one
same "one of several" "$(built_for docker-archive:two.tar:r.example:5000/b:2 linux/amd64)" b
same "by another form of its name" "$(built_for docker-archive:two.tar:docker.io/library/a:1 linux/amd64)" a
"$MINIBUILD" inspect docker-archive:two.tar > out 2> err
same "which, is asked" "$? $(grep -c 'it holds 2 images; their names are: a:1, r.example:5000/b:2; name one' err)" "1 1"
"$MINIBUILD" inspect docker-archive:two.tar:c:1 > out 2> err
same "a name that is not there" "$? $(grep -c "it has no image 'c:1'; their names are: a:1, r.example:5000/b:2" err)" "1 1"
"$MINIBUILD" inspect docker-archive:nameless.tar > out 2> err
same "several without names" "$? $(grep -c 'it holds 2 images, and none of them has a name' err)" "1 1"
check "its names stay" copy docker-archive:one.tar docker-archive:o2.tar
same "both" "$(tar xOf o2.tar manifest.json | jq -c '.[0].RepoTags')" '["r.example/one:1","one:latest"]'
check "another can be given" copy docker-archive:one.tar docker-archive:o3.tar:r.example/other
same "that one" "$(tar xOf o3.tar manifest.json | jq -c '.[0].RepoTags')" '["r.example/other:latest"]'
same "skopeo finds it by that name" "$(skopeo inspect docker-archive:o3.tar:r.example/other:latest | jq -r .Architecture)" amd64
same "umoci reads what was an archive" "$(copy docker-archive:one.tar oci:u:1 && umoci unpack --rootless --image u:1 bundle > /dev/null 2>&1; cat bundle/rootfs/f)" one
finish
