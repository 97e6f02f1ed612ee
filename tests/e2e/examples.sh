#!/usr/bin/env bash
# Every example is built, validated from its bytes, written in every form, read by skopeo, unpacked by umoci and, where it
# has a program, run by runc.
. "$(dirname "$0")/lib.sh"
cp -r "$SOURCE/examples" examples

# Examples with packages get them from a mirror on this disk, with Debian's own signatures and hashes.
mirror=${MINIBUILD_TEST_MIRROR:-${TMPDIR:-/tmp}/minibuild-test-mirror}
bash "$SOURCE/tests/e2e/mirror.sh" "$mirror" > mirror.log 2>&1 || { tail -5 mirror.log; echo "not run: examples with packages"; }
export MINIBUILD_MIRRORS=https://snapshot.debian.org/archive/debian/20261122T000000Z=file://$mirror/debian
# The first package of a lock file that the mirror lacks, since Debian's archive has a newer one by now.
lacking() {
  jq -r '.packages[]?.packages[].url' "$1" 2> /dev/null | sed "s#^https://snapshot.debian.org/archive/debian/[^/]*#$mirror/debian#" |
    while read -r file; do [ -e "$file" ] || { basename "$file"; break; }; done
}

# run_image LAYOUT TAG: what the image's program prints.
run_image() {
  rm -rf gz bundle
  skopeo copy -q --dest-compress-format gzip "oci:$1:$2" oci:gz:image || return 1
  umoci unpack --image gz:image bundle > umoci.log 2>&1 || { cat umoci.log; return 1; }
  # No terminal, and no cgroups to be made: the test may itself run in a container.
  jq '.process.terminal = false | .linux.namespaces |= map(select(.type != "cgroup")) | del(.linux.resources) | .linux.cgroupsPath = ""' \
    bundle/config.json > config.json && mv config.json bundle/config.json
  (cd bundle && runc run "minibuild-test-$$" < /dev/null)
}

tag_of() { jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "$1/index.json"; }

for spec in examples/*/minibuild.yaml; do
  name=$(basename "$(dirname "$spec")")
  lacks=$(lacking "${spec%.yaml}.lock.json")
  [ -z "$lacks" ] || { echo "not run: $name: the archive has moved on from $lacks"; continue; }
  digest=$(build "$spec" -o "oci:$name.oci" -o "oci-archive:$name.oci.tar" 2> build.log) || { cat build.log; failures=$((failures + 1)); continue; }
  check "$name is valid" python3 "$SOURCE/tests/e2e/validate.py" "$name.oci"
  tag=$(tag_of "$name.oci")
  same "$name: the digest is the index's" "$(jq -r '.manifests[0].digest' "$name.oci/index.json")" "$digest"
  check "$name: skopeo reads the layout" skopeo inspect --raw "oci:$name.oci:$tag"
  check "$name: skopeo copies the archive" skopeo copy -q "oci-archive:$name.oci.tar:$tag" "dir:$name.copy"
  check "$name: inspect" "$MINIBUILD" inspect --files "oci:$name.oci:$tag"
  check "$name: inspect of the archive" "$MINIBUILD" inspect --json "$name.oci.tar"
  [ "$name" = multi-platform ] && continue
  build "$spec" -o "docker-archive:$name.docker.tar" -o "tar:$name.tar" -o "dir:$name.dir" > /dev/null 2> build.log || cat build.log
  check "$name: skopeo copies the docker-archive" skopeo copy -q "docker-archive:$name.docker.tar" "dir:$name.copy2"
  same "$name: the docker-archive has the same diff ids" \
    "$(skopeo inspect --config "docker-archive:$name.docker.tar" | jq -c .rootfs.diff_ids)" \
    "$(skopeo inspect --config "oci:$name.oci:$tag" | jq -c .rootfs.diff_ids)"
  # The merged tree, as umoci unpacks it, and as tar and dir give it.
  rm -rf gz bundle unpacked && skopeo copy -q --dest-compress-format gzip "oci:$name.oci:$tag" oci:gz:image
  umoci unpack --image gz:image bundle > umoci.log 2>&1
  mkdir unpacked && tar -C unpacked -xpf "$name.tar"
  # umoci does not restore the times of directories that later layers touch, so they are not compared.
  list() { (cd "$1" && find . -mindepth 1 -printf '%y %m %U:%G %l %p\n' | sort && find . -type f -print0 | sort -z | xargs -0r sha256sum); }
  same "$name: tar equals what umoci unpacks" "$(list unpacked)" "$(list bundle/rootfs)"
  same "$name: dir equals tar" "$(list "$name.dir")" "$(list unpacked)"
done

if [ "$(id -u)" = 0 ]; then
  same "hello runs" "$(run_image hello.oci 1.4.2)" "hello from a minimal image, version 1.4.2"
  same "greeter runs with its libraries" "$(run_image greeter.oci 2.0.0)" "hello, world"
  [ ! -e distroless-cc.oci ] || same "a program on distroless/cc runs" "$(run_image distroless-cc.oci 1.0)" "hello from distroless/cc"
  same "the site's base runs" "$(run_image site.oci 3)" "hello, version 1.4.2"
else
  echo "not run: runc needs root here"
fi
same "multi-platform has both" "$(jq -r '.manifests[].platform.architecture' "multi-platform.oci/blobs/sha256/$(jq -r '.manifests[0].digest' multi-platform.oci/index.json | cut -d: -f2)" | xargs)" "amd64 arm64"
finish
