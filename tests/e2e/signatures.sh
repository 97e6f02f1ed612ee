#!/usr/bin/env bash
# Signatures and attestations, in a registry without the referrers API (Debian's docker-registry) and in layouts. The judges
# are openssl for classic signatures, @sigstore/verify for bundles, and cosign itself where it is installed.
. "$(dirname "$0")/lib.sh"
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
cosign=$(command -v cosign || ls "$HOME/go/bin/cosign" 2> /dev/null)
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG COSIGN_PASSWORD MINIBUILD_KEY_PASSWORD
mkdir run
start_registry "$SCRATCH/data"
P="--plain-http $host"

# sign, verify, attest: with only the result on stdout; the rest goes to err.
sign() { "$MINIBUILD" sign "$@" $P 2> err; }
verify() { "$MINIBUILD" verify "$@" $P 2> err; }
attest() { "$MINIBUILD" attest "$@" $P 2> err; }
# refused NAME ARGUMENTS…: verifying ends with 3 and prints nothing.
refused() {
  local name=$1 out status
  shift
  out=$(verify "$@")
  status=$?
  same "$name" "$status|$out" "3|"
}
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2> /dev/null && openssl pkey -in "$1.key" -pubout -out "$1.pub"; }
key alice
key bob
# blobs LAYOUT TEXT: the paths of blobs that hold a text.
blobs() { grep -l -a -F -- "$2" "$1"/blobs/sha256/*; }
image() { printf 'minibuild: 1\nplatforms: [%s]\nfiles: [{ file: /p, content: "%s ${TARGETARCH}" }]\nuser: 1\n' "$2" "$1" > "$1.yaml"; }
image one linux/amd64
image two linux/amd64
image both linux/amd64,linux/arm64

# --- a registry
A=$(build one.yaml -o "docker://$host/team/one:1" $P)
B=$(build two.yaml -o "docker://$host/team/one:2" $P)
I=$(build both.yaml -o "docker://$host/team/both:1" $P)
refused "an image without signatures" "docker://$host/team/one:1" --key alice.pub
check "that is said" grep -q "has no signature of that kind" err
same "signing prints the digest" "$(sign "docker://$host/team/one:1" --key alice.key)" "$A"
same "verifying, too" "$(verify "docker://$host/team/one:1" --key alice.pub)" "$A"
same "two forms are good" "$(grep -c ': good, by alice.pub' err)" 2
check "the classic one says the name" grep -q "good, by alice.pub, for $host/team/one\$" err
same "a certificate or one of several keys will do" "$(verify "$host/team/one@$A" --key bob.pub --key alice.pub)" "$A"
same "a key from a variable" "$(PUB=$(cat alice.pub) verify "$host/team/one@$A" --key env://PUB)" "$A"
refused "another key" "docker://$host/team/one:1" --key bob.pub
same "each candidate is named" "$(grep -c 'no given key made the signature' err)" 2
skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$host/team/one:2" "docker://$host/team/one:1"
refused "the tag moved to another image" "docker://$host/team/one:1" --key alice.pub
same "by digest it is still good" "$(verify "$host/team/one@$A" --key alice.pub)" "$A"
skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$host/team/one:sha256-${A#sha256:}.sig" "docker://$host/team/one:sha256-${B#sha256:}.sig"
refused "another image's signature under this image's tag" "docker://$host/team/one:2" --key alice.pub
check "that is said" grep -q "it is a signature of $A" err
tags() { curl -s "http://$host/v2/$1/tags/list" | jq -r '.tags[]' | sort | xargs; }
same "an index and its images are signed" "$(sign "docker://$host/team/both:1" --key alice.key) $(tags team/both | wc -w)" "$I 7"
same "the index's own signature counts" "$(verify "docker://$host/team/both:1" --key alice.pub)" "$I"
child=$(skopeo inspect --raw --tls-verify=false "docker://$host/team/both:1" | jq -r '.manifests[1].digest')
same "so does that of an image below" "$(verify "$host/team/both@$child" --key alice.pub)" "$child"
list=$(curl -s -H 'Accept: application/vnd.oci.image.index.v1+json' "http://$host/v2/team/both/manifests/sha256-${I#sha256:}")
same "the list of referrers has type and annotations" "$(jq -r '.manifests[] | .artifactType + " " + .annotations["dev.sigstore.bundle.predicateType"]' <<< "$list")" "application/vnd.dev.sigstore.bundle.v0.3+json https://sigstore.dev/cosign/sign/v1"
sign "docker://$host/team/both:1" --key alice.key > /dev/null
same "what is signed stays as it is" "$(curl -s -H 'Accept: application/vnd.oci.image.index.v1+json' "http://$host/v2/team/both/manifests/sha256-${I#sha256:}")" "$list"
sign "docker://$host/team/both:1" --key bob.key > /dev/null
same "a second key is added" "$(verify "docker://$host/team/both:1" --key bob.pub)$(verify "docker://$host/team/both:1" --key alice.pub)" "$I$I"
same "signatures are copied with the image" "$("$MINIBUILD" copy --referrers "docker://$host/team/both:1" oci:copied:1 $P 2> /dev/null) $(verify oci:copied:1 --key bob.pub)" "$I $I"

# --- attestations
echo '{"spdxVersion": "SPDX-2.3", "ratio": 1.0}' > sbom.json
same "an attestation" "$(attest "docker://$host/team/both:1" --key alice.key --type spdxjson --predicate sbom.json)" "$I"
same "verifying prints what it states" "$(verify "docker://$host/team/both:1" --key alice.pub --type spdxjson | jq -c .)" "$(jq -c . sbom.json)"
same "or writes it" "$(verify "docker://$host/team/both:1" --key alice.pub --type spdxjson -o stated.json) $(jq -c . stated.json)" "$I $(jq -c . sbom.json)"
refused "an attestation by another key" "docker://$host/team/both:1" --key bob.pub --type spdxjson
refused "another type" "docker://$host/team/both:1" --key alice.pub --type cyclonedx
attest "docker://$host/team/one:2" --key alice.key --type https://example.com/x --predicate sbom.json > /dev/null
refused "an attestation is not a signature" "docker://$host/team/one:2" --key alice.pub
echo '[1]' > list.json
attest "docker://$host/team/one:2" --key alice.key --predicate list.json > out
same "a predicate that is no object" "$? $(cat out)" "1 "
attest "docker://$host/team/one:2" --key alice.key --type sbom --predicate sbom.json > out
same "an unknown type" "$? $(cat out)" "2 "

# --- layouts, other judges
L=$(build one.yaml -o oci:layout:1)
same "in a layout" "$(SOURCE_DATE_EPOCH=0 sign oci:layout:1 --key alice.key --docker-reference registry.example.com/team/one) $(verify oci:layout:1 --key alice.pub)" "$L $L"
same "without a tag" "$(verify oci:layout --key alice.pub)" "$L"
check "the layout is valid" python3 "$SOURCE/tests/e2e/validate.py" layout
same "the image stays the layout's only one" "$("$MINIBUILD" inspect --json oci:layout | jq -r .config.config.User)" 1:0
kinds() { jq -r '[.manifests[].artifactType // empty] | join(" ")' "$1/index.json"; }
cp -r layout grown && build two.yaml -o oci:grown:2 > /dev/null
same "index.json says what kind of thing it is, also after another image" "$(kinds layout), $(kinds grown), $(jq '.manifests | length' grown/index.json)" \
  "application/vnd.dev.sigstore.bundle.v0.3+json, application/vnd.dev.sigstore.bundle.v0.3+json, $(($(jq '.manifests | length' layout/index.json) + 1))"
check "that is valid" python3 "$SOURCE/tests/e2e/validate.py" grown
payload=$(blobs layout '"critical"')
jq -r '.layers[0].annotations["dev.cosignproject.cosign/signature"]' "$(blobs layout dev.cosignproject.cosign/signature)" | base64 -d > signature
check "openssl verifies the classic signature" openssl dgst -sha256 -verify alice.pub -signature signature "$payload"
same "its payload" "$(jq -r '.critical | .identity["docker-reference"] + " " + .image["docker-manifest-digest"] + " " + .type' "$payload")" "registry.example.com/team/one $L cosign container image signature"
bundle=$(blobs layout '"dsseEnvelope"')
python3 - "$bundle" << 'E2'
import base64, json, sys
envelope = json.load(open(sys.argv[1]))["dsseEnvelope"]
body = base64.b64decode(envelope["payload"], validate=True)
kind = envelope["payloadType"].encode()
open("pae", "wb").write(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body))
open("statement", "wb").write(body)
open("signature", "wb").write(base64.b64decode(envelope["signatures"][0]["sig"], validate=True))
E2
check "openssl verifies the bundle's envelope" openssl dgst -sha256 -verify alice.pub -signature signature pae
same "its statement" "$(jq -r '._type + " " + .subject[0].digest.sha256 + " " + .predicateType' statement)" "https://in-toto.io/Statement/v1 ${L#sha256:} https://sigstore.dev/cosign/sign/v1"
if ! npm install --silent --no-audit --no-fund --prefix "$SCRATCH/npm" @sigstore/verify@3.1.1 > npm.log 2>&1; then
  echo "bundles are not verified by @sigstore/verify: npm, or its registry, is not there"
else
  node "$SOURCE/tests/e2e/verify_bundle.mjs" "$SCRATCH/npm" "$bundle" alice.pub > node.log 2>&1
  same "@sigstore/verify accepts the bundle" "$?" 0
  node "$SOURCE/tests/e2e/verify_bundle.mjs" "$SCRATCH/npm" "$bundle" bob.pub > node.log 2>&1
  same "and refuses it for another key" "$?" 3
fi

# --- every byte counts: one is changed in each place of the signatures' files, a few dozen places of each
python3 - "$MINIBUILD" layout alice.pub > flips << 'E2'
import glob, subprocess, sys
program, layout, key = sys.argv[1:]
command = [program, "verify", f"oci:{layout}:1", "--key", key]
def verify():
    return subprocess.run(command, capture_output=True)
def flip(path, at):
    data = bytearray(open(path, "rb").read())
    data[at] ^= 1
    with open(path, "wb") as file: file.write(data)
files = [p for p in glob.glob(layout + "/blobs/sha256/*") if any(w in open(p, "rb").read() for w in
         (b'"critical"', b'"dsseEnvelope"', b"cosign/signature", b'"artifactType"'))]
import os
for path in files: os.chmod(path, 0o644)
payload = next(p for p in files if b'"critical"' in open(p, "rb").read())
classic = next(p for p in files if b"cosign/signature" in open(p, "rb").read())
bundle = next(p for p in files if b'"dsseEnvelope"' in open(p, "rb").read())
referrer = next(p for p in files if b'"artifactType"' in open(p, "rb").read())
bad = tried = 0
# One form is broken for good, so that only the other could be accepted.
for broken, judged in ((bundle, (payload, classic)), (payload, (bundle, referrer))):
    flip(broken, 9)
    assert verify().returncode == 0, "the other form alone should do"
    for path in judged:
        size = os.path.getsize(path)
        for at in sorted({size - 1, *range(0, size, max(1, size // 25))}):
            flip(path, at)
            result = verify()
            flip(path, at)
            tried += 1
            if result.returncode != 3 or result.stdout:
                bad += 1
                print(f"byte {at} of {path}: {result.returncode} {result.stderr.decode()}")
    flip(broken, 9)
assert verify().returncode == 0
print(tried >= 100, bad)
E2
same "a changed byte is refused" "$(tail -1 flips)" "True 0"

# A payload and a bundle that are changed in a way that fits their digests.
cp -r layout forged && python3 - forged > /dev/null << 'E2'
import glob, hashlib, json, os, sys
layout = sys.argv[1]
def digest(data): return hashlib.sha256(data).hexdigest()
def put(data):
    with open(f"{layout}/blobs/sha256/{digest(data)}", "wb") as file: file.write(data)
    return "sha256:" + digest(data), len(data)
index = json.load(open(layout + "/index.json"))
for entry in index["manifests"]:
    manifest = json.load(open(f"{layout}/blobs/sha256/{entry['digest'][7:]}"))
    layer = manifest["layers"][0]
    data = open(f"{layout}/blobs/sha256/{layer['digest'][7:]}", "rb").read()
    if b'"critical"' in data: data = data.replace(b"team/one", b"team/two")
    elif b"dsseEnvelope" in data: data = data.replace(b'"sig":"ME', b'"sig":"MF')
    else: continue
    layer["digest"], layer["size"] = put(data)
    entry["digest"], entry["size"] = put(json.dumps(manifest).encode())
json.dump(index, open(layout + "/index.json", "w"))
E2
refused "forged documents with the right digests" oci:forged:1 --key alice.pub
same "for their signatures" "$(grep -c 'no given key made the signature' err)" 2

# The other image of a layout, with the signatures of the first under its name.
T=$(build two.yaml -o oci:layout:2)
sed -i "s/sha256-${L#sha256:}.sig/sha256-${T#sha256:}.sig/" layout/index.json
refused "another image of the layout" oci:layout:2 --key alice.pub
check "its candidate is named" grep -q "it is a signature of $L" err

# A layout without any tag.
E=$(build one.yaml -o oci:plain:1)
jq -c 'del(.manifests[].annotations)' plain/index.json > index && cp index plain/index.json
same "a layout without tags" "$(sign oci:plain --key alice.key) $(verify oci:plain --key alice.pub)" "$E $E"

# --- keys
openssl genpkey -algorithm ED25519 -out ed.key && openssl pkey -in ed.key -pubout -out ed.pub
sign oci:plain --key ed.key > out
same "Ed25519 has no classic form" "$? $(cat out)" "1 "
same "but a bundle" "$(sign oci:plain --key ed.key --form bundle) $(verify oci:plain --key ed.pub)" "$E $E"
openssl pkcs8 -topk8 -in bob.key -passout pass:horse -out locked.key
same "an encrypted key" "$(MINIBUILD_KEY_PASSWORD=horse sign oci:plain --key locked.key) $(verify oci:plain --key bob.pub)" "$E $E"
MINIBUILD_KEY_PASSWORD=cow sign oci:plain --key locked.key > out
same "a wrong password" "$? $(cat out) $(grep -c 'the password is wrong' err)" "1  1"
# ask TYPED: signs on a terminal of its own, where this is typed after the question.
ask() {
  python3 - "$1" "$MINIBUILD" sign oci:plain --key locked.key << 'E2'
import os, pty, sys
typed, command = sys.argv[1], sys.argv[2:]
child, terminal = pty.fork()
if child == 0: os.execv(command[0], command)
seen = b""
while b"Password for locked.key: " not in seen: seen += os.read(terminal, 1000)
os.write(terminal, typed.encode())
try:
    while more := os.read(terminal, 1000): seen += more
except OSError: pass
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(status, "shown" if typed.strip().encode() in seen else "hidden", "signed" if b"sha256:" in seen else "not signed")
E2
}
same "the password is asked for, and not shown" "$(ask $'horse\n')" "0 hidden signed"
same "Ctrl-C ends the question" "$(ask $'hor\x03')" "130 hidden not signed"
same "cosign's encryption, from a variable" "$(KEY=$(cat "$SOURCE/tests/trust/keys/sigstore.key") COSIGN_PASSWORD=pw sign oci:plain --key env://KEY) $(verify oci:plain --key "$SOURCE/tests/trust/keys/sigstore.pub")" "$E $E"
if [ -e /usr/lib/softhsm/libsofthsm2.so ]; then
  mkdir tokens && printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$SCRATCH" > softhsm2.conf
  export SOFTHSM2_CONF=$SCRATCH/softhsm2.conf
  key token
  softhsm2-util --init-token --free --label mine --so-pin 0000 --pin 1234 > /dev/null
  softhsm2-util --import token.key --token mine --pin 1234 --label key --id 01 > /dev/null
  U="pkcs11:token=mine;id=%01?module-path=/usr/lib/softhsm/libsofthsm2.so"
  same "a key on a token" "$(MINIBUILD_KEY_PASSWORD=1234 sign oci:plain --key "$U") $(verify oci:plain --key token.pub) $(verify oci:plain --key "$U&pin-value=1234")" "$E $E $E"
  same "the PIN is not printed" "$(grep -c 1234 err)" 0
else
  echo "keys on tokens are not tried: softhsm2 is not installed"
fi

# --- several at once: nobody's signature is lost
key carol
key dave
build two.yaml -o "docker://$host/team/many:1" $P > /dev/null
for who in alice bob carol dave; do "$MINIBUILD" sign "docker://$host/team/many:1" --key $who.key $P > /dev/null 2> "err.$who" & signing+=($!); done
wait "${signing[@]}"
for who in alice bob carol dave; do verify "docker://$host/team/many:1" --key $who.pub > /dev/null; grep -c ': good' err; done > goods
same "four keys at once: both forms of each" "$(xargs < goods)" "2 2 2 2"
# Another machine has another cache, and no lock in common.
build one.yaml -o "docker://$host/team/many:2" $P > /dev/null
signing=()
for who in alice bob carol dave; do
  MINIBUILD_CACHE_DIR=$SCRATCH/cache.$who "$MINIBUILD" attest "docker://$host/team/many:2" --type custom --predicate sbom.json --key $who.key $P > /dev/null 2> "err.$who" & signing+=($!)
done
wait "${signing[@]}"
for who in alice bob carol dave; do verify "docker://$host/team/many:2" --type custom --key $who.pub > /dev/null; grep -c ': good' err; done > goods
same "from several machines" "$(xargs < goods)" "1 1 1 1"

# --- statements: each once, all of them printed, of any type
for n in 1 2 1; do echo "{\"n\": $n}" > n.json && attest oci:plain --key alice.key --type urn:example:count:v1 --predicate n.json > /dev/null; done
same "all that is stated, each once" "$(verify oci:plain --key alice.pub --type urn:example:count:v1 | sort | xargs)" "{n:1} {n:2}"
attest oci:plain --key alice.key --type 1urn:x --predicate n.json > out
same "no URI" "$? $(cat out)" "2 "

# --- what a build signs
sed 's/^user.*/user: 1\nattest: { sbom: [spdx, cyclonedx], provenance: true }/' both.yaml > stated.yaml
S=$(build stated.yaml -o oci:stated:1 --sign-key alice.key)
build stated.yaml -o oci:stated:1 --sign-key alice.key > /dev/null
check "into a registry" "$MINIBUILD" copy --referrers oci:stated:1 "docker://$host/team/stated:1" $P
child=$(skopeo inspect --raw --tls-verify=false "docker://$host/team/stated:1" | jq -r '.manifests[1].digest')
for type in spdxjson cyclonedx; do verify "$host/team/stated@$child" --key alice.pub --type $type | wc -l; done > lines
same "SBOMs of each platform, signed once" "$(xargs < lines)" "1 1"
same "the index" "$(verify oci:stated:1 --key alice.pub) $(verify oci:stated:1 --key alice.pub --type slsaprovenance1 | jq -r .buildDefinition.buildType | sort -u)" "$S urn:minibuild:build:v1"
same "Ed25519 makes bundles" "$(build one.yaml -o "docker://$host/team/ed:1" --sign-key ed.key $P) $(verify "docker://$host/team/ed:1" --key ed.pub)" "$A $A"
"$MINIBUILD" build stated.yaml --platform linux/amd64 -o dir:bare > out 2> err
same "what cannot hold SBOMs is told of" "$? $(grep -c '^attest: warning: dir:bare cannot hold SBOMs and provenance' err)" "0 1"

# --- what a base must have
ends() { local want=$2 name=$1; shift 2; "$@" > out 2> err; same "$name" "$?" "$want"; }
build one.yaml -o "docker://$host/team/base:1" $P > /dev/null
cat > over.yaml << E2
minibuild: 1
base: { image: "$host/team/base:1", verify: { key: alice.pub } }
copy: [{ image: "oci:plain", from: p, to: /q }]
E2
ends "an unsigned base: no lock" 3 "$MINIBUILD" lock over.yaml $P
check "is written" test ! -e over.lock.json
ends "no image" 3 build over.yaml -o oci:over:1 $P
sign "docker://$host/team/base:1" --key bob.key > /dev/null
ends "signed by another" 3 "$MINIBUILD" lock over.yaml $P
sign "docker://$host/team/base:1" --key alice.key > /dev/null
ends "signed" 0 "$MINIBUILD" lock over.yaml $P
ends "and used" 0 build over.yaml -o oci:over:1 $P --provenance
# What a signature calls the image is compared with the base's name, or with 'identity': not everything that the key ever
# signed is this base.
key carol
n=0
while read -r want said identity; do
  n=$((n + 1))
  skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$host/team/one:2" "docker://$host/team/n$n:1"
  said=${said//SELF/$host/team/n$n} identity=${identity//SELF/$host/team/n$n}
  sign "docker://$host/team/n$n:1" --key carol.key --form classic --docker-reference "$said" > /dev/null
  printf 'minibuild: 1\nuser: 1\nbase: { image: "%s/team/n%s:1", verify: { key: carol.pub%s } }\n' "$host" "$n" "${identity:+, identity: \"$identity\"}" > named.yaml
  rm -f named.lock.json
  ends "a base signed as $said, identity '$identity'" "$want" build named.yaml -o oci:named:1 $P
done << E2
0 SELF
0 SELF:1
3 SELF:2
3 $host/team/other
3 other.example.com/team/n1
3 SELF/below
0 $host/team/other $host/team/other
0 $host/team/other:7 $host/team/other
3 $host/team/other:7 $host/team/other:8
3 SELF $host/team/another
E2
sign "docker://$host/team/n1:1" --key alice.key --form classic --docker-reference "$host/team/other" > /dev/null
verify "docker://$host/team/n1:1" --key alice.pub > out
same "verify says which name it is" "$? $(grep -c "good, by alice.pub, for $host/team/other, which is not $host/team/n1:1" err)" "0 1"
printf 'minibuild: 1\nuser: 1\nbase: { image: "%s/team/n1:1", verify: { key: alice.pub } }\n' "$host" > named.yaml
build named.yaml -o oci:named:1 $P > out 2> err
same "the refusal says how to accept it" "$? $(grep -c "for $host/team/other, want $host/team/n1:1; to accept it: verify: { key: …, identity: $host/team/other }" err)" "3 1"
statement=$(blobs over '"https://in-toto.io/Statement/v1"')
same "provenance names it, and the image on disk" "$(jq -r '.predicate.buildDefinition.resolvedDependencies[] | select(.name == "image") | .uri + " " + .digest.sha256' "$statement")" \
  "oci:plain ${E#sha256:}
pkg:docker/$host/team/base@1?platform=linux%2Famd64 ${A#sha256:}"
mkdir -p used/src/deep && echo 1 > used/src/b.c && echo 2 > used/src/deep/a.c && echo 3 > used/src/x.log && head -c 5000000 /dev/zero > used/one && echo 'warn: [setuid]' > used/team.yaml
cat > used/minibuild.yaml << 'E2'
minibuild: 1
user: 1
copy:
  - { from: src, to: /src, exclude: ["**/*.log"] }
  - { from: one, to: /one }
policy: { file: team.yaml }
attest: { provenance: true }
E2
build used/minibuild.yaml -o oci:used-image:1 > /dev/null
jq -c '.predicate.buildDefinition.resolvedDependencies[] | select(.name != "spec") | [.name, .uri, .digest]' "$(blobs used-image '"https://in-toto.io/Statement/v1"')" | LC_ALL=C sort > got
tree=$(cd used/src && printf '%s\n' b.c deep/a.c | xargs sha256sum | sha256sum | cut -d' ' -f1)
hash() { sha256sum < "$1" | cut -d' ' -f1; }
check "what is copied is named" diff got - << E2
["directory","used/src",{"dirHash1":"$tree"}]
["file","used/one",{"sha256":"$(hash used/one)"}]
["policy","used/team.yaml",{"sha256":"$(hash used/team.yaml)"}]
E2
rm -rf "$SCRATCH/data/docker/registry/v2/repositories/team/base/_manifests/tags/sha256-"*
ends "remembered as good" 0 build over.yaml -o oci:over:1 $P
ends "unless nothing is to be remembered" 3 build over.yaml -o oci:over:1 $P --no-cache
ends "a lock is made anew" 3 "$MINIBUILD" lock --update over.yaml $P

# --- indexes in indexes, digests of SHA-512, types that are wrong or missing: all that is below is signed, in both forms
python3 "$SOURCE/tests/e2e/make_graphs.py" .
while read -r layout tag manifests; do
  digest=$(jq -r --arg tag "$tag" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $tag) | .digest' "$layout/index.json")
  rm -rf graph && cp -r "$layout" graph && before=$(jq '.manifests | length' graph/index.json)
  same "$layout:$tag is signed" "$(sign "oci:graph:$tag" --key alice.key)" "$digest"
  same "$layout:$tag: and all below" "$(jq '.manifests | length' graph/index.json)" "$((before + 2 * manifests))"
  sign "oci:graph:$tag" --key alice.key > /dev/null
  same "$layout:$tag: once" "$(jq '.manifests | length' graph/index.json)" "$((before + 2 * manifests))"
  same "$layout:$tag is verified" "$(verify "oci:graph:$tag" --key alice.pub) $(grep -c ': good, by alice.pub' err)" "$digest 2"
  refused "$layout:$tag by another key" "oci:graph:$tag" --key bob.pub
  rm -rf graph2
  same "$layout:$tag: they go along" "$("$MINIBUILD" copy --referrers "oci:graph:$tag" oci:graph2:1 2> err) $(grep -c ": $((2 * manifests)) referrers" err) $(verify oci:graph2 --key alice.pub)" \
    "$digest 1 $digest"
done << 'E2'
whole all 9
sha512 top 4
odd index-as-manifest 2
preferred untyped 2
preferred nested-last 4
E2
rm -rf graph && cp -r sha512 graph && sign oci:graph:top --key alice.key > /dev/null
all=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "top") | .digest' graph/index.json)
child=$(jq -r '.manifests[0].digest' "graph/blobs/${all/://}")
below() { rm -rf below && "$MINIBUILD" copy --referrers oci:graph:top oci:below:1 --platform linux/amd64 > /dev/null 2>&1; verify oci:below:1 --key alice.pub; }
same "an image below, by its SHA-512" "$(below)" "$child"
same "an attestation of it" "$(attest oci:graph:top --key alice.key --type custom --predicate sbom.json) $(verify oci:graph:top --key alice.pub --type custom | jq -c .)" "$all $(jq -c . sbom.json)"
printf 'retention: [{ tags: "top", keep: all }]\n' > keep.yaml
check "prune" "$MINIBUILD" prune oci:graph --policy keep.yaml --yes
same "what belongs to what stays is left" "$(verify oci:graph:top --key alice.pub) $(below) $(grep -c ': good' err)" "$all $child 2"
same "what nothing keeps has gone" "$(jq -r '[.manifests[].annotations["org.opencontainers.image.ref.name"] // "" | select(. == "all" or . == "blobs")] | length' graph/index.json)" 0

# --- cosign
if [ -z "$cosign" ]; then
  echo "cosign is not installed: what it makes and verifies is not tried"
  finish
  exit
fi
export COSIGN_PASSWORD=secret
"$cosign" generate-key-pair > /dev/null 2>&1
cosign_verify() { "$cosign" "$1" --key "$2" --insecure-ignore-tlog --allow-http-registry "${@:3}"; }
same "with cosign's key" "$(sign "docker://$host/team/both:1" --key cosign.key) $(verify "docker://$host/team/both:1" --key cosign.pub)" "$I $I"
check "cosign verifies the bundle" cosign_verify verify cosign.pub "$host/team/both@$I"
check "cosign verifies the classic form" cosign_verify verify cosign.pub --new-bundle-format=false "$host/team/both@$I"
check "of an image below, too" cosign_verify verify cosign.pub "$host/team/both@$child"
check "cosign verifies the first key's" cosign_verify verify alice.pub "$host/team/both@$I"
check "and its attestation" cosign_verify verify-attestation alice.pub --type spdxjson "$host/team/both@$I"
key eve
cosign_verify verify eve.pub "$host/team/both@$I" > cosign.log 2>&1
same "cosign refuses a key that did not sign" "$([ $? != 0 ] && echo refused)" refused
C=$(build two.yaml -o "docker://$host/team/theirs:1" $P)
cosign_sign() { "$cosign" "$1" --key cosign.key --tlog-upload=false --use-signing-config=false --allow-http-registry -y "${@:2}"; }
check "cosign signs" cosign_sign sign --new-bundle-format=true "$host/team/theirs@$C"
same "its bundle is good" "$(verify "docker://$host/team/theirs:1" --key cosign.pub) $(grep -c '^bundle.*good' err)" "$C 1"
check "cosign signs in the classic form" cosign_sign sign --new-bundle-format=false "$host/team/theirs@$C"
same "that is good, too" "$(verify "docker://$host/team/theirs:1" --key cosign.pub) $(grep -c '^signature.*good' err)" "$C 1"
refused "but not for another key" "docker://$host/team/theirs:1" --key alice.pub
sign "docker://$host/team/theirs:1" --key alice.key > /dev/null
check "a signature is added to cosign's" cosign_verify verify alice.pub --new-bundle-format=false "$host/team/theirs@$C"
check "and cosign's stays" cosign_verify verify cosign.pub --new-bundle-format=false "$host/team/theirs@$C"
check "cosign attests" cosign_sign attest --type spdxjson --predicate sbom.json "$host/team/theirs@$C"
check "cosign attests in the classic form" cosign_sign attest --new-bundle-format=false --type openvex --predicate sbom.json "$host/team/theirs@$C"
same "its attestation" "$(verify "docker://$host/team/theirs:1" --key cosign.pub --type spdxjson | jq -r .spdxVersion)" SPDX-2.3
same "its classic attestation" "$(verify "docker://$host/team/theirs:1" --key cosign.pub --type openvex | jq -r .spdxVersion)" SPDX-2.3
finish
