#!/usr/bin/env bash
# Images from and to registries: Debian's docker-registry over HTTP, over TLS with a private CA and passwords; and a
# registry of our own that asks for tokens and fails on request.
. "$(dirname "$0")/lib.sh"
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG
mkdir run

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
wait_for() { for _ in $(seq 100); do curl -ks "$1" > /dev/null && return; sleep 0.1; done; echo "nothing answers at $1"; }
# serve NAME YAML-OF-HTTP [MORE]: starts docker-registry on the port $port.
serve() {
  printf 'version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"%s}\n%s\n' "$SCRATCH/$1.data" "$port" "$2" "${3:-}" > "$1.yml"
  docker-registry serve "$1.yml" > "$1.log" 2>&1 &
  pids+=($!)
}

port=$(free_port)
plain=127.0.0.1:$port
serve plain ""
port=$(free_port)
secure=localhost:$port
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 -subj "/CN=test authority" 2> /dev/null
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj "/CN=localhost" 2> /dev/null
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > san
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile san -out server.pem 2> /dev/null
htpasswd -nbB alice wonder > htpasswd
serve secure ", tls: {certificate: $SCRATCH/server.pem, key: $SCRATCH/server.key}" "auth: {htpasswd: {realm: test, path: $SCRATCH/htpasswd}}"
wait_for "http://$plain/v2/"
wait_for "https://$secure/v2/"
P="--plain-http $plain"

mkdir -p src && head -c 3000000 /dev/urandom > src/random && seq 200000 > src/numbers
cat > base.yaml << 'E2'
minibuild: 1
copy: [{ from: src/numbers, to: /numbers }]
user: 65532
entrypoint: [/numbers]
E2
cat > app.yaml << E2
minibuild: 1
image: $plain/team/app:1.0
base: docker://$plain/team/base:1
copy: [{ from: src/random, to: /random }, { image: "$plain/team/base:1", from: /numbers, to: /again }]
E2
D=$(build base.yaml -o "docker://$plain/team/base:1" $P -o oci:base:1)
check "a push gives the image" test -n "$D"
same "skopeo reads what was pushed" "$(skopeo inspect --tls-verify=false "docker://$plain/team/base:1" | jq -r .Digest)" "$D"
check "skopeo copies it" skopeo copy -q --src-tls-verify=false "docker://$plain/team/base:1" oci:pulled:1
check "and it is valid" python3 "$SOURCE/tests/e2e/validate.py" pulled
same "the blobs are those of the layout" "$(cd pulled/blobs/sha256 && ls)" "$(cd base/blobs/sha256 && ls)"
A=$(build app.yaml -o "docker://$plain/team/app" -o oci:app $P)
same "the tag is that of the spec" "$(skopeo inspect --tls-verify=false "docker://$plain/team/app:1.0" | jq -r .Digest)" "$A"
check "an image on a registry's base is valid" python3 "$SOURCE/tests/e2e/validate.py" app
same "it holds the base's files" "$("$MINIBUILD" inspect --json oci:app | jq -r '.files[].path' | xargs)" "/again /numbers /random"
same "its base layer is the base's" "$("$MINIBUILD" inspect --json oci:app | jq -r '.layers[0].digest')" "$("$MINIBUILD" inspect --json oci:base | jq -r '.layers[0].digest')"
same "the base's layer was mounted, not sent" "$(grep -c 'method=PUT.*team/app/blobs' plain.log)" 2

# An unchanged image costs only questions.
before=$(grep -c . plain.log)
same "again" "$(build app.yaml -o "docker://$plain/team/app:1.0" $P)" "$A"
same "only HEADs" "$(tail -n "+$((before + 1))" plain.log | grep -oE 'http.request.method=[A-Z]+.*http.response.status' | grep -oE 'method=[A-Z]+' | grep -v HEAD | sort | uniq -c | xargs)" ""

# A cold cache fetches each layer once, also when eight builds want it.
rm -rf cache
before=$(grep -c . plain.log)
for i in 1 2 3 4 5 6 7 8; do build app.yaml -o "oci:par$i" $P > "par$i.out" 2>&1 & builds[i]=$!; done
wait "${builds[@]}"
same "eight builds, one digest" "$(cat par?.out | sort -u)" "$A"
same "each layer fetched once" "$(tail -n "+$((before + 1))" plain.log | grep -c 'method=GET.*team/base/blobs/'"$("$MINIBUILD" inspect --json oci:base | jq -r '.layers[0].digest')"'.*status=200')" 1
same "offline from the cache, by digest" "$(sed "s#team/base:1#team/base:1@$D#" app.yaml > pinned.yaml && build pinned.yaml -o oci:pinned --offline > pinned.out && cat pinned.out)" "$A"
rm -rf cache
build pinned.yaml -o oci:none --offline > out 2> err
same "offline without the cache" "$? $(grep -c 'offline forbids fetching' err) $(ls -d none 2> /dev/null)" "1 1 "

# A blob above 64 MiB goes in pieces.
head -c 70000000 /dev/urandom > big && printf 'minibuild: 1\ncopy: [{ from: big, to: /big }]\nuser: 1\n' > big.yaml
G=$(build big.yaml -o "docker://$plain/team/big:1" $P)
same "a large blob" "$(skopeo inspect --tls-verify=false "docker://$plain/team/big:1" | jq -r .Digest)" "$G"
same "in two pieces" "$(grep -c 'method=PATCH.*team/big' plain.log)" 2
rm -rf cache
same "comes back" "$("$MINIBUILD" copy "docker://$plain/team/big:1" oci:large:1 $P 2> /dev/null)" "$G"
rm -rf big* large

# Indexes, and copies between all places.
printf 'minibuild: 1\nplatforms: [linux/amd64, linux/arm64]\nfiles: [{ file: /p, content: "${TARGETARCH}" }]\nuser: 1\n' > both.yaml
B=$(build both.yaml -o "docker://$plain/team/both:1" $P)
same "skopeo sees both platforms" "$(skopeo inspect --raw --tls-verify=false "docker://$plain/team/both:1" | jq -r '.manifests[].platform.architecture' | xargs)" "amd64 arm64"
same "a platform of an index" "$("$MINIBUILD" inspect --json --platform linux/arm64 "$plain/team/both:1" $P | jq -r .platform)" linux/arm64
same "copy gives the digest" "$("$MINIBUILD" copy "docker://$plain/team/both:1" oci:both:1 $P 2> /dev/null)" "$B"
same "copy to another repository" "$("$MINIBUILD" copy "docker://$plain/team/both:1" "docker://$plain/other/both:2" $P 2> /dev/null)" "$B"
same "copy from an archive of skopeo's" "$(skopeo copy -q oci:app oci-archive:app.tar:x && "$MINIBUILD" copy oci-archive:app.tar "docker://$plain/team/app:tar" $P 2> /dev/null)" "$A"
check "copy to docker-archive" "$MINIBUILD" copy "docker://$plain/team/app:1.0" docker-archive:app.docker.tar $P
check "that skopeo reads" skopeo inspect docker-archive:app.docker.tar
check "one platform alone" "$MINIBUILD" copy --platform linux/arm64 "docker://$plain/team/both:1" oci-archive:arm.tar $P
sed 's/^user/compression: gzip\nuser/' base.yaml > gzip.yaml && build gzip.yaml -o oci:gzip:1 > out
check "skopeo pushes in Docker's form" skopeo copy -q --dest-tls-verify=false --format v2s2 oci:gzip:1 "docker://$plain/docker/base:1"
check "Docker's own media types are read" "$MINIBUILD" copy "docker://$plain/docker/base:1" oci:v2s2:1 $P

# The lock file: written by the first build, followed by later ones, checked by --locked, moved by --update.
printf '%s\n' "minibuild: 1" "base: docker://$plain/team/moving:1" 'files: [{ file: /x, content: "x" }]' > locked.yaml
skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$plain/team/base:1" "docker://$plain/team/moving:1"
build locked.yaml -o oci:locked:1 $P --locked > out 2> err
same "locked, without a lock" "$? $(grep -c "not in the lock file locked.lock.json, and --locked forbids adding it" err) $(ls -d locked 2> /dev/null)" "1 1 "
same "the error shows the place" "$(sed -n '2,3p' err | xargs)" "base: docker://$plain/team/moving:1 ^"
K=$(build locked.yaml -o oci:locked:1 $P)
printf '{\n  "minibuildLock": 1,\n  "compressor": "%s",\n  "images": [\n    {\n      "name": "%s/team/moving:1",\n      "digest": "%s",\n      "mediaType": "application/vnd.oci.image.manifest.v1+json",\n      "size": %s\n    }\n  ]\n}\n' "$(jq -r .compressor locked.lock.json)" "$plain" "$D" "$(stat -c %s "base/blobs/sha256/${D#sha256:}")" > want.lock
check "the lock that it writes" diff want.lock locked.lock.json
check "it names the compressor" grep -q '"compressor": "groups-1 zstd-' locked.lock.json
sed 's/zstd-[0-9.]*/zstd-0.1/' want.lock > locked.lock.json
"$MINIBUILD" build locked.yaml -o oci:locked:0 $P --locked --progress plain > out 2> err
same "another compressor is told" "$? $(grep -c 'made with another compressor (groups-1 zstd-0.1' err)" "0 1"
cp want.lock locked.lock.json
same "the base is in the annotations" "$(skopeo inspect --raw oci:locked:1 | jq -c .annotations)" "{\"org.opencontainers.image.base.digest\":\"$D\",\"org.opencontainers.image.base.name\":\"$plain/team/moving:1\"}"
skopeo copy -q --dest-tls-verify=false oci:app "docker://$plain/team/moving:1"
same "the tag moves, the build does not" "$(build locked.yaml -o oci:locked:2 $P --locked)" "$K"
same "offline, by the lock" "$(build locked.yaml -o oci:locked:2 --offline --locked)" "$K"
"$MINIBUILD" lock locked.yaml $P 2> err
same "lock says that it moved" "$? $(xargs < err)" "0 $plain/team/moving:1: has moved; to follow it: minibuild lock --update before $D now $A locked.lock.json: unchanged, 1 image"
"$MINIBUILD" lock locked.yaml $P --update none:1 2> err
same "a name that is not there" "$? $(grep -c "names no image, URL, package or source 'none:1'; those to lock are: $plain/team/moving:1" err)" "2 1"
"$MINIBUILD" lock locked.yaml $P --update 2> err
same "an update" "$? $(jq -r '.images[].digest' locked.lock.json)" "0 $A"
check "it gives another image" [ "$(build locked.yaml -o oci:locked:3 $P --locked)" != "$K" ]
sed -i '/^base/d' locked.yaml && echo 'user: 1' >> locked.yaml
build locked.yaml -o oci:locked:4 --locked > out 2> err
same "a stale lock" "$? $(grep -c 'locked.lock.json is stale' err)" "1 1"
echo '{"minibuildLock": 2}' > locked.lock.json
build locked.yaml -o oci:locked:4 > out 2> err
same "a later lock" "$? $(grep -c 'later version' err)" "1 1"
printf 'minibuild: 1\nfiles: [{ file: /x, content: "x" }]\nuser: 1\n' > nothing.yaml
check "nothing to lock" build nothing.yaml -o oci:nothing:1 --locked
same "writes no lock" "$(ls nothing.lock.json 2> /dev/null)" ""

# Rebase: as if it had been built on the new base.
printf 'minibuild: 1\nplatforms: [linux/amd64, linux/arm64]\nfiles: [{ file: /base, content: "%%s-${TARGETARCH}" }, { file: /shared, content: "%%s" }]\nuser: 1\n' > os.template
printf "$(cat os.template)" 1 1 > os1.yaml && printf "$(cat os.template)" 2 2 > os2.yaml
build os1.yaml -o "docker://$plain/team/os:1" $P > out && build os2.yaml -o "docker://$plain/team/os:2" $P > out
on() { printf 'minibuild: 1\nbase: %s/team/os:%s\nplatforms: [linux/amd64, linux/arm64]\ncopy: [{ from: src/numbers, to: /numbers }]\nuser: 7\nentrypoint: [/x]\n' "$plain" "$1"; }
on 1 > on1.yaml && on 2 > on2.yaml
build on1.yaml -o "docker://$plain/team/on:1" $P > out
W=$(build on2.yaml -o oci:on2:1 $P)
same "a rebased index is what a build gives" "$("$MINIBUILD" rebase "docker://$plain/team/on:1" --onto "$plain/team/os:2" $P -o oci:rebased:1 2> err)" "$W"
check "it is valid" python3 "$SOURCE/tests/e2e/validate.py" rebased
same "in its place, without a build" "$("$MINIBUILD" rebase "docker://$plain/team/on:1" --onto "docker://$plain/team/os:2" $P 2> err) $(skopeo inspect --raw --tls-verify=false "docker://$plain/team/on:1" | sha256sum | cut -d' ' -f1)" "$W ${W#sha256:}"
"$MINIBUILD" rebase oci:base:1 --onto "$plain/team/os:2" $P 2> err
same "an unknown base" "$? $(grep -c 'its base is not known: it lacks the annotations' err)" "1 1"
printf 'minibuild: 1\nbase: %s/team/os:1\nlayers: single\nannotations: { org.opencontainers.image.base.name: %s/team/os:1, org.opencontainers.image.base.digest: %s }\n' "$plain" "$plain" "$A" > single.yaml
build single.yaml -o oci:single:1 $P > out
"$MINIBUILD" rebase oci:single:1 --onto "$plain/team/os:2" $P 2> err
same "other layers below" "$? $(grep -cE 'first layers are not those of its base|MANIFEST_UNKNOWN' err)" "1 1"

# TLS with a private CA, and passwords.
build base.yaml -o "docker://$secure/team/base:1" > out 2> err
same "an unknown CA is refused" "$? $(grep -ci certificate err)" "1 1"
C="--tls-ca ca.pem"
build base.yaml -o "docker://$secure/team/base:1" $C > out 2> err
same "no credentials" "$? $(grep -o "no credentials for $secure were found in [^,]*" err)" "1 no credentials for $secure were found in $SCRATCH/run/containers/auth.json"
printf '{"auths": {"%s": {"auth": "%s"}}}' "$secure" "$(printf alice:wrong | base64)" > wrong.json
build base.yaml -o "docker://$secure/team/base:1" $C --authfile wrong.json > out 2> err
same "wrong ones are named, without the password" "$? $(grep -o "tried user 'alice' from wrong.json" err) $(grep -c 'wrong"' err)" "1 tried user 'alice' from wrong.json 0"
mkdir -p .docker bin
printf '{"auths": {"%s": {"auth": "%s"}}}' "$secure" "$(printf alice:wonder | base64)" > .docker/config.json
same "Docker's config.json" "$(build base.yaml -o "docker://$secure/team/base:1" $C)" "$D"
cat > bin/docker-credential-test << 'E2'
#!/bin/sh
read server
[ "$1" = get ] && [ "$server" = "$(cat "$HOME/server")" ] && echo '{"ServerURL": "x", "Username": "alice", "Secret": "wonder"}' && exit 0
echo "credentials not found in native keychain"; exit 1
E2
chmod +x bin/docker-credential-test
printf %s "$secure" > server
printf '{"credHelpers": {"%s": "test"}}' "$secure" > .docker/config.json
same "a credential helper" "$(PATH=$SCRATCH/bin:$PATH "$MINIBUILD" copy oci:base:1 "docker://$secure/team/helped:1" $C 2> /dev/null)" "$D"
printf '{"credsStore": "test"}' > .docker/config.json
same "a credential store" "$(PATH=$SCRATCH/bin:$PATH "$MINIBUILD" copy oci:base:1 "docker://$secure/team/stored:1" $C 2> /dev/null)" "$D"
printf '{"credsStore": "missing"}' > .docker/config.json
"$MINIBUILD" copy oci:base:1 "docker://$secure/team/x:1" $C > out 2> err
same "a helper that is not there" "$? $(grep -c 'cannot run the credential helper docker-credential-missing' err)" "1 1"
rm .docker/config.json

# Mirrors: what is below the prefix is looked for there first; the registry itself is asked when the mirror has not got it.
same "a mirror" "$("$MINIBUILD" copy docker://registry.invalid/team/base:1 oci:mirrored:1 --mirror "registry.invalid=http://$plain" 2> /dev/null)" "$D"
same "a mirror of a part, elsewhere" "$("$MINIBUILD" copy docker://registry.invalid/a/b/base:1 oci:mirrored:2 --mirror "registry.invalid/a/b=http://$plain/team" 2> /dev/null)" "$D"
same "not at the mirror" "$("$MINIBUILD" copy "docker://$plain/team/base:1" oci:mirrored:3 $P --mirror "$plain=http://$plain/nothing" 2> /dev/null)" "$D"

# What a build would do, before it does it.
mkdir plan && cp -r src plan/ && cat > plan/p.yaml << E2
minibuild: 1
image: $plain/team/planned:1
stages:
  one: { base: host, copy: [{ from: src/numbers, to: /n }], run: "wc -l < /n > /count" }
  two: { base: host, copy: [{ stage: one, from: /count, to: /count }], run: "cp /count /again" }
base: $plain/team/base:1
copy: [{ stage: two, from: /again, to: /again }]
E2
rm -rf cache
(cd plan && "$MINIBUILD" plan p.yaml $P --mirror "$plain/team=$plain/mirror" -o "docker://$plain/team/planned" > ../got 2> ../err)
cat > want << E2
resolve  $plain/team/base:1: not in the lock file; it names $D now
fetch    $plain/team/base:1 (linux/amd64): 1 of 1 layer, SIZE
           from http://$plain/ (mirror), without credentials
           from http://$plain/, without credentials
stage    one: run, not built before
stage    two: depends on what the stage one gives
assemble linux/amd64: 1 copy and 0 files on docker://$plain/team/base:1
push     docker://$plain/team/planned: what the registry lacks; the tag is not there yet
           to http://$plain/, without credentials
E2
check "plan before anything" diff want <(sed "s/1 layer, .*/1 layer, SIZE/" got)
same "it changes nothing" "$(ls plan) $(ls -d cache 2> /dev/null)" "p.yaml
src "
(cd plan && "$MINIBUILD" build --progress none p.yaml $P -o "docker://$plain/team/planned" > /dev/null)
(cd plan && "$MINIBUILD" plan p.yaml $P --offline --json | jq -r '.steps[] | "\(.kind) \(.subject) \(.text) \(.work)"') > got
cat > want << E2
fetch $plain/team/base:1 (linux/amd64) in the cache false
stage one cached false
stage two cached false
assemble linux/amd64 1 copy and 0 files on docker://$plain/team/base:1 true
write oci:planned.oci new true
E2
check "plan afterwards" diff want got
echo more >> plan/src/numbers
same "and why a stage would run" "$(cd plan && "$MINIBUILD" plan p.yaml --offline | grep '^stage' | xargs)" "stage one: rerun, src/numbers changed stage two: depends on what the stage one gives"
sed -i 's/team.base:1$/team\/nowhere:1/' plan/p.yaml
(cd plan && "$MINIBUILD" plan p.yaml $P 2> ../err)
same "an image that is not there" "$? $(grep -c "p.yaml:6:7: error: cannot resolve docker://$plain/team/nowhere:1: there is no such image" err)" "1 1"
(cd plan && "$MINIBUILD" plan p.yaml $P --offline 2> ../err)
same "offline and not locked" "$? $(grep -c 'offline' err)" "1 1"

# What belongs to an image goes with it: by subject, by subject of that, and by cosign's tags. Written here by curl and
# read by skopeo and curl: docker-registry has no referrers API, so there are lists under tags.
cat > attach.py << 'E2'
import hashlib, json, sys, urllib.request
registry, repository, digest, size = sys.argv[1:5]
def put(path, body, kind):
    request = urllib.request.Request(f"http://{registry}/v2/{repository}/{path}", data=body, method="PUT", headers={"Content-Type": kind})
    urllib.request.urlopen(request)
def sha(body): return "sha256:" + hashlib.sha256(body).hexdigest()
def blob(body):
    start = urllib.request.Request(f"http://{registry}/v2/{repository}/blobs/uploads/", data=b"", method="POST")
    where = urllib.request.urlopen(start).headers["Location"]
    where += ("&" if "?" in where else "?") + "digest=" + sha(body)
    urllib.request.urlopen(urllib.request.Request(where, data=body, method="PUT", headers={"Content-Type": "application/octet-stream"}))
    return {"digest": sha(body), "size": len(body)}
kind = "application/vnd.oci.image.manifest.v1+json"
def attach(subject, text, tag=None):
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": {"mediaType": "application/vnd.oci.empty.v1+json", **blob(b"{}")},
                "layers": [{"mediaType": "text/plain", **blob(text)}], "annotations": {"note": text.decode()}}
    if not tag: manifest.update({"artifactType": "application/x-test", "subject": subject})
    body = json.dumps(manifest).encode()
    put("manifests/" + (tag or sha(body)), body, kind)
    own = {"mediaType": kind, "digest": sha(body), "size": len(body)}
    if not tag:
        entries = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                   "manifests": [{**own, "artifactType": "application/x-test", "annotations": {"note": text.decode()}}]}
        put("manifests/" + subject["digest"].replace(":", "-"), json.dumps(entries).encode(), entries["mediaType"])
    return own
first = attach({"mediaType": kind, "digest": digest, "size": int(size)}, b"an SBOM")
attach(first, b"signature of the SBOM")
attach(None, b"a classic signature", digest.replace(":", "-") + ".sig")
E2
check "attach" python3 attach.py "$plain" team/base "$D" "$(stat -c %s "base/blobs/sha256/${D#sha256:}")"
same "copy to a layout" "$("$MINIBUILD" copy --referrers "docker://$plain/team/base:1" oci:attached:1 $P 2> err) $(grep -c '3 referrers' err)" "$D 1"
check "its blobs have their digests" sh -c 'cd attached/blobs/sha256 && for f in *; do [ "$(sha256sum < $f | cut -d" " -f1)" = $f ] || exit 1; done'
same "four manifests are in index.json" "$(jq '.manifests | length' attached/index.json)" 4
check "skopeo finds the image among them" skopeo inspect --raw oci:attached:1
same "so do we, without a tag" "$("$MINIBUILD" inspect --json oci:attached | jq -r .digest)" "$D"
check "to an archive" "$MINIBUILD" copy --referrers oci:attached oci-archive:attached.tar
same "and to another repository" "$("$MINIBUILD" copy --referrers oci-archive:attached.tar "docker://$plain/other/base:1" $P 2> err) $(grep -c '3 referrers' err)" "$D 1"
list() { curl -s -H 'Accept: application/vnd.oci.image.index.v1+json' "http://$plain/v2/$1/manifests/sha256-$2" | jq -rc '.manifests[] | [.digest, .artifactType, .annotations.note]'; }
same "with the list of what belongs to it" "$(list other/base "${D#sha256:}")" "$(list team/base "${D#sha256:}")"
second=$(list team/base "${D#sha256:}" | jq -r '.[0] | ltrimstr("sha256:")')
same "and to that" "$(list other/base "$second")" "$(list team/base "$second")"
check "there is one such entry" test -n "$(list other/base "$second")"
same "cosign's tag" "$(skopeo inspect --raw --tls-verify=false "docker://$plain/other/base:sha256-${D#sha256:}.sig")" "$(skopeo inspect --raw --tls-verify=false "docker://$plain/team/base:sha256-${D#sha256:}.sig")"
before=$(wc -l < plain.log)
"$MINIBUILD" copy --referrers oci:attached "docker://$plain/other/base:1" $P > /dev/null 2>&1
same "once more: nothing is sent" "$(tail -n +$((before + 1)) plain.log | grep -cE 'http.request.method=(PUT|POST|PATCH)')" 0
"$MINIBUILD" copy --referrers oci:attached docker-archive:x.tar 2> err
same "docker-archive cannot hold them" "$? $(grep -c 'cannot hold what belongs to an image' err)" "2 1"
same "without the flag they stay" "$("$MINIBUILD" copy oci:attached oci:alone:1 > /dev/null 2>&1; jq '.manifests | length' alone/index.json)" 1

# What buildah pushes, we read: the same blobs, byte for byte.
B="buildah --root $SCRATCH/storage --runroot $SCRATCH/runroot --storage-driver vfs"
container=$($B from scratch) && $B copy -q "$container" src /src > /dev/null && $B config --user 65532 --label made=by-buildah "$container" && $B commit -q "$container" built > /dev/null
check "buildah pushes" $B push -q --tls-verify=false --digestfile pushed built "docker://$plain/team/buildah:1"
same "what buildah pushed" "$("$MINIBUILD" copy "docker://$plain/team/buildah:1" oci:fetched:1 $P 2> err)" "$(cat pushed)"
check "what buildah pushed is valid" python3 "$SOURCE/tests/e2e/validate.py" fetched
skopeo copy -q --src-tls-verify=false "docker://$plain/team/buildah:1" oci:judge:1
same "the blobs that skopeo gets" "$(cd fetched/blobs/sha256 && ls)" "$(cd judge/blobs/sha256 && ls)"
same "its files" "$("$MINIBUILD" inspect --json oci:fetched | jq -r '.files[] | select(.type == "-") | "\(.path) \(.size)"' | xargs)" "/src/numbers 1288895 /src/random 3000000"
printf 'minibuild: 1\nbase: %s/team/buildah:1\nfiles: [{ file: /more, content: x }]\n' "$plain" > onbuildah.yaml
check "and it is a base" build onbuildah.yaml -o oci:onbuildah:1 $P
same "with its label" "$(skopeo inspect oci:onbuildah:1 | jq -r .Labels.made)" by-buildah
finish
