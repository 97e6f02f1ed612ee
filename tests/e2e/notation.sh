#!/usr/bin/env bash
# Notation's signatures, in layouts and in a registry without the referrers API (Debian's docker-registry). The judges are
# openssl, and the Notary Project's own library where Go is installed: it verifies what is signed here, and signs what is
# verified here.
. "$(dirname "$0")/lib.sh"
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
judge=
if ! command -v go > /dev/null; then
  echo "the Notary Project's library is no judge here: go is not installed"
elif ! (cd "$SOURCE/tests/e2e/notation" && timeout 300 go build -buildvcs=false -mod=readonly -o "$SCRATCH/judge" .) > go.log 2>&1; then
  echo "the Notary Project's library is no judge here: its modules cannot be downloaded or built"
  tail -3 go.log
else
  judge=$SCRATCH/judge
fi
export HOME=$SCRATCH no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG COSIGN_PASSWORD MINIBUILD_KEY_PASSWORD
start_registry "$SCRATCH/registry"
P="--plain-http $host"

sign() { "$MINIBUILD" sign "$@" --format notation $P 2> err; }
verify() { "$MINIBUILD" verify "$@" --format notation $P 2> err; }
# ends NAME STATUS COMMAND…: it ends so and prints nothing.
ends() {
  local name=$1 want=$2 out status
  shift 2
  out=$("$@" 2>> errors)
  status=$?
  same "$name" "$status|$out" "$want|"
}
# judged NAME PLACE DIGEST CONFIGURATION: the library accepts it.
judged() {
  [ -n "$judge" ] || return 0
  check "the library: $1" "$judge" verify "${@:2}"
}
declined() {
  [ -n "$judge" ] || return 0
  "$judge" verify "${@:2}" > judge.log 2>&1
  same "the library: $1" "$?" 1
}
key() { openssl genpkey -algorithm "${@:2}" -out "$1.key" 2> /dev/null; }
# certify NAME ISSUER EXTENSION…: NAME.crt for NAME.key; an issuer of the same name signs itself.
certify() {
  local name=$1 by=(-CA "$2.crt" -CAkey "$2.key")
  [ "$1" != "$2" ] || by=(-signkey "$1.key")
  printf '%s\n' "${@:3}" > extensions
  openssl req -new -key "$name.key" -subj "/C=DE/ST=Berlin/O=Example/CN=$name" -out request 2> /dev/null &&
    openssl x509 -req -in request -sha256 -days 100 -set_serial "0x$(openssl rand -hex 8)" -extfile extensions "${by[@]}" -out "$name.crt" 2> /dev/null
}
signs="basicConstraints=critical,CA:false keyUsage=critical,digitalSignature extendedKeyUsage=codeSigning"
issues="basicConstraints=critical,CA:true keyUsage=critical,keyCertSign,cRLSign"
for name in root middle signer alone other; do key "$name" EC -pkeyopt ec_paramgen_curve:P-256; done
certify root root $issues
certify middle root $issues
certify signer middle $signs
certify alone alone $signs
certify other other $signs
cat signer.crt middle.crt root.crt > chain.pem
# policy DIRECTORY LEVEL SCOPE IDENTITY: a configuration that trusts root.crt.
policy() {
  mkdir -p "$1/truststore/x509/ca/team"
  cp root.crt "$1/truststore/x509/ca/team"
  jq -n --arg level "$2" --arg scope "$3" --arg identity "$4" '{version: "1.0", trustPolicies: [{name: "p", registryScopes: [$scope],
    signatureVerification: {level: $level}, trustStores: ["ca:team"], trustedIdentities: [$identity]}]}' > "$1/trustpolicy.json"
}
policy any strict '*' '*'
policy ours strict '*' 'x509.subject: C=DE, ST=Berlin, O=Example'
policy theirs strict '*' 'x509.subject: C=DE, ST=Berlin, O=Other'
by() { echo --trust-policy "$1/trustpolicy.json" --trust-store "$1/truststore"; }
image() { printf 'minibuild: 1\nplatforms: [%s]\nfiles: [{ file: /p, content: "%s ${TARGETARCH}" }]\nuser: 1\n' "$2" "$1" > "$1.yaml"; }
image one linux/amd64
image two linux/amd64
image both linux/amd64,linux/arm64

# --- a layout
L=$(build one.yaml -o oci:layout:1)
ends "an image without signatures" 3 verify oci:layout:1 --cert root.crt
check "that is said" grep -q "has no signature of that kind" err
same "signing prints the digest" "$(sign oci:layout:1 --key signer.key --cert chain.pem)" "$L"
same "verifying, too" "$(verify oci:layout:1 --cert root.crt)" "$L"
check "it says by whom" grep -q "^signature sha256:.*: good, by 'C=DE,ST=Berlin,O=Example,CN=signer', 20" err
same "a CA below the root will do" "$(verify oci:layout:1 --cert other.crt --cert middle.crt)" "$L"
ends "another root" 3 verify oci:layout:1 --cert other.crt
check "the candidate is named, with the reason" grep -q "^  signature sha256:.*: no certificate of its chain is trusted; it is signed by .*CN=signer" err
check "the layout is valid" python3 "$SOURCE/tests/e2e/validate.py" layout
judged "what is signed" "oci:layout" "$L" any
[ -z "$judge" ] || same "the library sees our name" "$("$judge" verify oci:layout "$L" any)" "minibuild/$("$MINIBUILD" --version | awk '{ print $NF }')"
ends "a signer that is not in the chain's place" 1 sign oci:layout:1 --key other.key --cert chain.pem
ends "a chain without its root" 1 sign oci:layout:1 --key signer.key --cert signer.crt
check "that is said, and how to make one" grep -q "openssl req -x509" err
ends "a CA as signer" 1 sign oci:layout:1 --key root.key --cert root.crt

# --- policies
for place in any ours; do
  same "the policy $place" "$(verify oci:layout:1 $(by $place))" "$L"
  judged "the policy $place" "oci:layout" "$L" "$place"
done
ends "another identity" 3 verify oci:layout:1 $(by theirs)
check "that is said" grep -q "CN=signer', which no trusted identity fits" err
declined "another identity" "oci:layout" "$L" theirs
mkdir -p config && cp -r ours config/notation
same "Notation's own configuration" "$(XDG_CONFIG_HOME=$SCRATCH/config verify oci:layout:1)" "$L"
mkdir -p .config && cp -r theirs .config/notation
ends "that in the home directory" 3 verify oci:layout:1
rm -r .config
ends "no policy" 2 verify oci:layout:1
policy skipping skip '*' '*'
jq 'del(.trustPolicies[0].trustStores, .trustPolicies[0].trustedIdentities)' skipping/trustpolicy.json > p && mv p skipping/trustpolicy.json
same "a policy that skips" "$(verify oci:layout:1 $(by skipping)) $(grep -c 'nothing is verified' err)" "$L 1"
policy audit audit '*' 'x509.subject: C=DE, ST=Berlin, O=Other'
same "a policy that only logs" "$(verify oci:layout:1 $(by audit)) $(grep -c 'but it is signed by' err)" "$L 1"
later() { on_day '+200d' "$MINIBUILD" verify "$@" --format notation 2> err; }
policy mild permissive '*' '*'
if days_pass; then
  ends "certificates that have expired" 3 later oci:layout:1 $(by any)
  check "that is said" grep -q "CN=signer' expired " err
  same "are let pass by a mild policy" "$(later oci:layout:1 $(by mild)) $(grep -c "good, .*but the certificate of .*CN=signer' expired" err)" "$L 1"
fi
ends "a policy with an unknown field" 1 verify oci:layout:1 --trust-policy <(jq '.more = 1' any/trustpolicy.json) --trust-store any/truststore
ends "--key is for the other format" 2 verify oci:layout:1 --key signer.crt
ends "--cert and a policy" 2 verify oci:layout:1 --cert root.crt $(by any)
ends "--cert without its format" 2 "$MINIBUILD" verify oci:layout:1 --cert root.crt
ends "signing without certificates" 2 sign oci:layout:1 --key signer.key

# --- every kind of key; openssl is the judge of the JWS
mkdir -p keys/truststore/x509/ca/team && cp any/trustpolicy.json keys
for kind in "EC ec_paramgen_curve:P-256 sha256" "EC ec_paramgen_curve:P-384 sha384" "EC ec_paramgen_curve:P-521 sha512" \
  "RSA rsa_keygen_bits:2048 sha256" "RSA rsa_keygen_bits:3072 sha384" "RSA rsa_keygen_bits:4096 sha512"; do
  set -- $kind
  name=k${2##*[:-]}
  key "$name" "$1" -pkeyopt "$2"
  certify "$name" "$name" $signs
  K=$(build one.yaml -o "oci:$name:1")
  same "signed by $name" "$(sign "oci:$name:1" --key "$name.key" --cert "$name.crt") $(verify "oci:$name:1" --cert "$name.crt")" "$K $K"
  cp "$name.crt" keys/truststore/x509/ca/team
  judged "signed by $name" "oci:$name" "$K" keys
  envelope=$(grep -l '"protected"' "$name"/blobs/sha256/*)
  python3 - "$envelope" "$1" << 'E2'
import base64, json, sys
def decode(text): return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
envelope = json.load(open(sys.argv[1]))
signature = decode(envelope["signature"])
open("data", "w").write(envelope["protected"] + "." + envelope["payload"])
open("leaf.der", "wb").write(base64.b64decode(envelope["header"]["x5c"][0], validate=True))
if sys.argv[2] == "EC":
    half = len(signature) // 2
    def number(data):
        data = data.lstrip(b"\0")
        if data[0] & 0x80: data = b"\0" + data
        return b"\x02" + bytes([len(data)]) + data
    body = number(signature[:half]) + number(signature[half:])
    signature = b"\x30" + (bytes([len(body)]) if len(body) < 128 else b"\x81" + bytes([len(body)])) + body
open("signature", "wb").write(signature)
E2
  openssl x509 -inform DER -in leaf.der -noout -pubkey > leaf.pub
  pss=()
  [ "$1" = EC ] || pss=(-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest)
  check "openssl verifies $name" openssl dgst "-$3" "${pss[@]}" -verify leaf.pub -signature signature data
done

# --- a registry
A=$(build one.yaml -o "docker://$host/team/one:1" $P)
I=$(build both.yaml -o "docker://$host/team/both:1" $P)
same "in a registry" "$(sign "docker://$host/team/one:1" --key signer.key --cert chain.pem) $(verify "docker://$host/team/one:1" --cert root.crt)" "$A $A"
judged "in a registry" "$host/team/one" "$A" any
same "an index and its images are signed" "$(sign "docker://$host/team/both:1" --key signer.key --cert chain.pem)" "$I"
child=$(skopeo inspect --raw --tls-verify=false "docker://$host/team/both:1" | jq -r '.manifests[1].digest')
same "both are good" "$(verify "docker://$host/team/both:1" --cert root.crt) $(verify "$host/team/both@$child" --cert root.crt)" "$I $child"
judged "an index" "$host/team/both" "$I" any
judged "an image below it" "$host/team/both" "$child" any
list=$(curl -s -H 'Accept: application/vnd.oci.image.index.v1+json' "http://$host/v2/team/both/manifests/sha256-${I#sha256:}")
same "the list of referrers has type and thumbprints" "$(jq -r '.manifests[] | .artifactType + " " + (.annotations["io.cncf.notary.x509chain.thumbprint#S256"] | fromjson | length | tostring)' <<< "$list")" "application/vnd.cncf.notary.signature 3"
policy scoped strict "$host/team/both" '*'
same "a scope" "$(verify "docker://$host/team/both:1" $(by scoped))" "$I"
ends "a repository without a statement" 3 verify "docker://$host/team/one:1" $(by scoped)
check "that is said" grep -q "no statement has the scope '$host/team/one'" err
skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$host/team/both:1" --multi-arch all "docker://$host/team/one:1"
ends "the tag moved to another image" 3 verify "docker://$host/team/one:1" --cert root.crt
same "by digest it is still good" "$(verify "$host/team/one@$A" --cert root.crt)" "$A"
same "signatures are copied with the image" "$("$MINIBUILD" copy --referrers "docker://$host/team/both:1" oci:copied:1 $P 2> /dev/null) $(verify oci:copied:1 --cert root.crt)" "$I $I"
judged "a copy" oci:copied "$I" any
ends "cosign's way does not see it" 3 "$MINIBUILD" verify "docker://$host/team/both:1" --key signer.crt $P
sign "docker://$host/team/both:1" --key alone.key --cert alone.crt > /dev/null
same "a second signer is added" "$(verify "docker://$host/team/both:1" --cert root.crt)$(verify "docker://$host/team/both:1" --cert alone.crt)" "$I$I"
same "one good signature is enough; the other is not shown" "$(grep -c good err)" 1

# --- another image's signature, under this one's name
T=$(build two.yaml -o oci:layout:2)
python3 - layout "$T" << 'E2'
import glob, hashlib, json, sys
layout, subject = sys.argv[1:]
index = json.load(open(layout + "/index.json"))
def read(entry): return json.load(open(f"{layout}/blobs/sha256/{entry['digest'][7:]}"))
entry = next(e for e in index["manifests"] if "subject" in read(e))
manifest = read(entry)
manifest["subject"].update(digest=subject, size=next(e for e in index["manifests"] if e["digest"] == subject)["size"])
data = json.dumps(manifest).encode()
digest = hashlib.sha256(data).hexdigest()
open(f"{layout}/blobs/sha256/{digest}", "wb").write(data)
index["manifests"].append({**entry, "digest": "sha256:" + digest, "size": len(data)})
json.dump(index, open(layout + "/index.json", "w"))
E2
ends "another image's signature" 3 verify oci:layout:2 --cert root.crt
check "that is said" grep -q "it is a signature of $L" err
declined "another image's signature" oci:layout "$T" any

# --- what the library signs
if [ -n "$judge" ]; then
  openssl pkcs8 -topk8 -nocrypt -in signer.key -out plain.key
  N=$(build two.yaml -o "docker://$host/team/theirs:1" $P)
  check "the library signs" "$judge" sign "$host/team/theirs" "$N" plain.key chain.pem
  same "that is good" "$(verify "docker://$host/team/theirs:1" $(by ours))" "$N"
  ends "but not for another" 3 verify "docker://$host/team/theirs:1" $(by theirs)
  build two.yaml -o oci:library:1 > /dev/null
  check "the library signs in a layout, for an hour" "$judge" sign oci:library "$N" plain.key chain.pem 1h
  same "that is good now" "$(verify oci:library:1 --cert root.crt)" "$N"
  days_pass && ends "and not after two hours" 3 on_day '+2h' "$MINIBUILD" verify oci:library:1 --format notation --cert root.crt
  openssl pkcs8 -topk8 -nocrypt -in k3072.key -out plain.key
  check "the library signs by RSA" "$judge" sign oci:library "$N" plain.key k3072.crt
  same "that is good, too" "$(verify oci:library:1 --cert k3072.crt)" "$N"
fi
finish
