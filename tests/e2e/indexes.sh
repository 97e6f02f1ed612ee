#!/usr/bin/env bash
# Indexes at random, COUNT of them (40, or as tests/judged.sh says): what is copied, which image is chosen, what is refused; see
# index_cases.py. And all documents that minibuild writes against the schemas of image-spec. The judges: an independent
# reading, skopeo, docker-registry, and where Go is there containerd's own order of platforms and image-spec's own validators.
. "$(dirname "$0")/lib.sh"
pids=()
# Many small files that are written through to the disk: in memory where that can be.
cases=$(mktemp -d -p /dev/shm 2> /dev/null || mktemp -d)
trap 'kill "${pids[@]}" 2> /dev/null; rm -rf "$SCRATCH" "$cases"' EXIT
judge=
if ! command -v go > /dev/null; then
  echo "not run: which image is chosen, and schemas: their judges are containerd's and image-spec's own packages, and go is not installed"
elif ! (cd "$SOURCE/tests/e2e/index_judge" && timeout 300 go build -buildvcs=false -mod=readonly -o "$SCRATCH/judge" .) > go.log 2>&1; then
  echo "not run: which image is chosen, and schemas: their judges cannot be downloaded or built"
  tail -3 go.log
else
  judge=$SCRATCH/judge
fi
mkdir run
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG
start_registry "$SCRATCH/data"
P="--plain-http $host"
seed=${SEED:-$RANDOM}
check "${COUNT:-40} indexes, seed $seed" python3 "$SOURCE/tests/e2e/index_cases.py" "$MINIBUILD" "$judge" "${COUNT:-40}" "$seed" "$cases/run" "$host"
tail -1 check.log
if [ -z "$judge" ]; then
  finish
  exit
fi

# Everything that can be said of an image, and everything that belongs to one.
openssl ecparam -name prime256v1 -genkey -noout -out k.pem 2> /dev/null
cat > full.yaml << 'END'
minibuild: 1
image: r.example.com/team/full:1
platforms: [linux/amd64, linux/arm64, linux/arm/v6]
epoch: 2026-01-02T03:04:05Z
files: [{ file: /f, content: "${TARGETARCH}" }]
annotations: { org.opencontainers.image.title: "a \"title\"", empty: "" }
labels: { a.b: "c", empty: "" }
env: { A: "b=c", EMPTY: "" }
ports: [8080, 53/udp]
volumes: [/data]
workdir: /data
stop-signal: SIGTERM
user: "1000:1000"
entrypoint: [/f]
cmd: [x, ""]
attest: { sbom: [spdx, cyclonedx], provenance: true }
END
printf 'minibuild: 1\nuser: 0\nbase: oci:full:1\nfiles: [{ file: /g, content: x }]\ncompression: gzip\nplatforms: [linux/arm64]\n' > over.yaml
printf 'minibuild: 1\nuser: 0\nimage: r.example.com/bare:1\n' > bare.yaml
check "with everything" build full.yaml -o oci:full:1 --sign-key k.pem
check "over it" build over.yaml -o oci:over:1
check "with nothing" build bare.yaml -o oci:bare:1 -o docker-archive:bare.tar
check "from a docker archive" "$MINIBUILD" copy docker-archive:bare.tar oci:saved:1
check "to a registry" "$MINIBUILD" copy --referrers oci:full:1 "docker://$host/full:1" $P
check "and back" "$MINIBUILD" copy --referrers "docker://$host/full:1" oci:back:1 $P --cache-dir other
check "signed" "$MINIBUILD" sign oci:bare:1 --key k.pem
check "into an archive" "$MINIBUILD" copy --referrers oci:bare:1 oci-archive:bare.oci.tar && mkdir archive && tar xf bare.oci.tar -C archive
for tag in $(curl -s "http://$host/v2/full/tags/list" | jq -r '.tags[]'); do
  curl -s -H 'Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json' "http://$host/v2/full/manifests/$tag" > "tag-$tag"
done
# Lines for the judge: each document with its media type, each descriptor in one with a file of its own.
python3 - full over bare saved back archive tag-* > asked << 'END'
import json, os, sys
kinds = {"application/vnd.oci.image." + kind + ".v1+json" for kind in ("index", "manifest", "config")}
asked = {}
def document(path, kind, top=None):
    if path in asked:
        return
    asked[path] = kind
    value = json.load(open(path))
    listed = value.get("manifests", []) + value.get("layers", []) + [value[key] for key in ("config", "subject") if "digest" in value.get(key, {})]
    for number, one in enumerate(listed):
        own = f"{path.replace('/', '_')}.{number}"
        json.dump(one, open(own, "w"))
        asked[own] = "application/vnd.oci.descriptor.v1+json"
        below = top and f"{top}/blobs/{one['digest'].replace(':', '/')}"
        if below and one["mediaType"] in kinds and os.path.exists(below):
            document(below, one["mediaType"], top)
for name in sys.argv[1:]:
    if name.startswith("tag-"):
        document(name, json.load(open(name))["mediaType"])
        continue
    asked[name + "/oci-layout"] = "application/vnd.oci.layout.header.v1+json"
    document(name + "/index.json", "application/vnd.oci.image.index.v1+json", name)
for path, kind in asked.items():
    print(kind, path)
END
check "there is something to ask" test "$(cut -d' ' -f1 asked | sort -u | wc -l) $(($(wc -l < asked) > 80))" = "5 1"
check "the judge answers" "$judge" schemas < asked
same "what is not as image-spec says" "$("$judge" schemas < asked)" ""
echo '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":"sha256:00"}]}' > wrong
same "something wrong is found" "$(echo application/vnd.oci.image.index.v1+json wrong | "$judge" schemas | grep -c 'validation failed')" 1
finish
