#!/usr/bin/env bash
# Other clients and registries as they are today: what minibuild pushes, crane, regctl and oras read, and the other way, over
# docker-registry 2.8 (Debian's) and distribution 3 (tests/peers.sh).
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/peers.sh"
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
need_peers crane regctl oras registry
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG MINIBUILD_MIRRORS

# serve PROGRAM: a registry that deletes, on loopback. Sets `host`.
serve() {
  local port
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  host=127.0.0.1:$port
  printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\nhttp: {addr: "%s"}\n' "$SCRATCH/$1.data" "$host" > "$1.yml"
  OTEL_TRACES_EXPORTER=none "$1" serve "$1.yml" > "$1.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do curl -s "http://$host/v2/" > /dev/null && break; sleep 0.1; done
}
top() { jq -r '.manifests[0].digest' "$1/index.json"; }

printf 'minibuild: 1\nplatforms: [linux/amd64, linux/arm64]\ncompression: gzip\nfiles: [{ file: /p, content: "${TARGETARCH}" }]\nuser: 1\n' > both.yaml
printf 'minibuild: 1\nplatforms: [linux/amd64]\nfiles: [{ file: /p, content: "one" }]\nuser: 1\n' > one.yaml
B=$(build both.yaml -o oci:both:1) && O=$(build one.yaml -o oci:one:1)
openssl ecparam -name prime256v1 -genkey -noout -out k.pem 2> /dev/null && openssl ec -in k.pem -pubout -out k.pub 2> /dev/null
printf 'retention: [{ tags: "v*", keep-last: 1, by: semver }, { tags: "[!v]*", keep: all }]\n' > keep.yaml

for program in docker-registry registry; do
  command -v "$program" > /dev/null || { echo "not run: $program is missing"; continue; }
  serve "$program"
  P="--plain-http $host"
  regctl registry set "$host" --tls disabled > regctl.log 2>&1

  # An artifact, and an index with everything in it.
  echo thing > thing.txt
  oras push --plain-http --artifact-type application/x-thing "$host/a/thing:1" thing.txt:text/plain > /dev/null 2>&1
  check "$program: an artifact of oras is copied" "$MINIBUILD" copy "docker://$host/a/thing:1" "docker://$host/b/thing:2" $P
  same "$program: as it was" "$(crane digest --insecure "$host/b/thing:2")" "$(crane digest --insecure "$host/a/thing:1")"
  same "$program: with its file" "$(oras pull --plain-http -o "thing.$program" "$host/b/thing:2" > /dev/null 2>&1; cat "thing.$program/thing.txt")" thing
  [ -d whole ] || python3 "$SOURCE/tests/e2e/make_graphs.py" .
  check "$program: an index with everything in it" "$MINIBUILD" copy oci:whole:manifests "docker://$host/a/all:1" $P
  same "$program: crane sees the same" "$(crane manifest --insecure "$host/a/all:1" | sha256sum | cut -c1-64)" "$(jq -r '.manifests[1].digest' whole/index.json | cut -c8-)"
  check "$program: regctl copies all of it" regctl image copy "$host/a/all:1" "ocidir://all.$program:1"
  same "$program: and has as much" "$(find "all.$program/blobs" -type f | wc -l)" 23

  # What minibuild pushes. (crane validates gzip alone.)
  same "$program: a push" "$(build both.yaml -o "docker://$host/a/b:1" $P)" "$B"
  check "$program: crane validates it" crane validate --insecure --remote "$host/a/b:1"
  same "$program: crane" "$(crane digest --insecure "$host/a/b:1")" "$B"
  same "$program: crane reads a file" "$(crane export --insecure --platform linux/arm64 "$host/a/b:1" - | tar -xOf - p)" arm64
  same "$program: regctl" "$(regctl image digest "$host/a/b:1")" "$B"
  same "$program: oras" "$(oras manifest fetch --plain-http --descriptor "$host/a/b:1" | jq -r .digest)" "$B"
  crane pull --insecure --format oci "$host/a/b:1" "crane.$program" > /dev/null 2>&1
  regctl image copy "$host/a/b:1" "ocidir://regctl.$program:1" > /dev/null 2>&1
  oras cp --from-plain-http "$host/a/b:1" --to-oci-layout "oras.$program:1" > /dev/null 2>&1
  for tool in crane regctl oras; do
    check "$program: what $tool pulls is valid" python3 "$SOURCE/tests/e2e/validate.py" "$tool.$program"
    same "$program: $tool pulls the index" "$(top "$tool.$program")" "$B"
    same "$program: we read the layout of $tool" "$("$MINIBUILD" copy "oci:$tool.$program" "oci:again.$tool.$program:1" 2> err; tail -1 err | grep error)" "$B"
  done

  # What the others push.
  crane push --insecure both "$host/a/b:crane" > /dev/null 2>&1
  regctl image copy "ocidir://both:1" "$host/a/b:regctl" > /dev/null 2>&1
  oras cp --from-oci-layout both:1 --to-plain-http "$host/a/b:oras" > /dev/null 2>&1
  for tool in crane regctl oras; do
    rm -rf cache
    same "$program: what $tool pushes" "$("$MINIBUILD" copy "docker://$host/a/b:$tool" "oci:from.$tool.$program:1" $P 2> err)" "$B"
  done
  # Images that others made.
  crane mutate --insecure --platform linux/amd64 --label by=crane -t "$host/a/made:crane" "$host/a/b:1" > /dev/null 2>&1
  same "$program: crane's image" "$("$MINIBUILD" inspect --json --platform linux/amd64 "$host/a/made:crane" $P 2> err | jq -r '[.. | objects | .by? // empty] | first')" crane
  printf data > artifact.txt

  # What belongs to an image: each finds what the other attached. Neither registry has the referrers API.
  check "$program: copy one" "$MINIBUILD" copy oci:one:1 "docker://$host/s/one:v1.0.0" $P
  check "$program: sign" "$MINIBUILD" sign "docker://$host/s/one:v1.0.0" --key k.pem $P
  same "$program: oras discovers the signature" "$(oras discover --plain-http --format json "$host/s/one:v1.0.0" | jq -r '(.referrers // .manifests)[].artifactType')" application/vnd.dev.sigstore.bundle.v0.3+json
  same "$program: so does regctl" "$(regctl artifact list "$host/s/one:v1.0.0" --format '{{range .Descriptors}}{{.ArtifactType}}{{end}}')" application/vnd.dev.sigstore.bundle.v0.3+json
  oras attach --plain-http --artifact-type application/x-note "$host/s/one:v1.0.0" artifact.txt:text/plain > /dev/null 2>&1
  check "$program: the signature is there after oras attached" "$MINIBUILD" verify "docker://$host/s/one:v1.0.0" --key k.pub $P
  "$MINIBUILD" copy --referrers "docker://$host/s/one:v1.0.0" "oci:attached.$program:1" $P > /dev/null 2> err
  same "$program: what oras attached is copied" "$(cat "attached.$program"/blobs/sha256/* | grep -ac 'application/x-note' | sed 's/^[1-9].*/yes/')" yes
  "$MINIBUILD" copy --referrers "oci:attached.$program:1" "docker://$host/s/two:1" $P > /dev/null 2> err
  same "$program: and found by oras again" "$(oras discover --plain-http --format json "$host/s/two:1" | jq -r '(.referrers // .manifests)[].artifactType' | sort | xargs)" "application/vnd.dev.sigstore.bundle.v0.3+json application/x-note"

  # Deletion, in pages and without.
  check "$program: another version" "$MINIBUILD" copy oci:both:1 "docker://$host/s/one:v1.1.0" $P
  "$MINIBUILD" prune "$host/s/one" --policy keep.yaml --yes $P > out 2> err
  same "$program: prune" "$? $(crane ls --insecure "$host/s/one" | grep -v sha256- | xargs)" "0 v1.1.0"
  check "$program: what stays is whole" crane validate --insecure --remote "$host/s/one:v1.1.0"
done
finish
