#!/usr/bin/env bash
# SBOMs of an image with Debian's packages, copied files, a Go program and one with a list of crates. Judges: the packages
# of the mirror, spdx-tools, CycloneDX's own schema, `go version -m`, sha256sum, and syft where there is one.
. "$(dirname "$0")/lib.sh"
MIRROR=${MINIBUILD_TEST_MIRROR:-${TMPDIR:-/tmp}/minibuild-test-mirror}
"$SOURCE/tests/e2e/mirror.sh" "$MIRROR" || { echo "FAILED: there is no mirror of Debian"; exit 1; }
MIRROR=$(cd "$MIRROR" && pwd)
SNAPSHOT=https://snapshot.debian.org/archive/debian/20261122T000000Z
SYFT=$(command -v syft || ls ~/go/bin/syft 2> /dev/null)

# --- The image
mkdir -p ctx app
echo 'just text' > ctx/note.txt
printf '{"packages":[{"name":"app","version":"0.1.0","source":"local","root":true,"dependencies":[1]},{"name":"serde","version":"1.0.200","source":"crates.io"},{"name":"cc","version":"1.0.1","source":"crates.io","kind":"build"}]}' > crates.json
python3 -c 'import sys, zlib; sys.stdout.buffer.write(zlib.compress(open("crates.json", "rb").read()))' > crates.zlib
python3 - <<'PY'
import struct
text = b'{"type":"deb","os":"debian","osVersion":"12","name":"tool","version":"1-2"}\0'
open("note.section", "wb").write(struct.pack("<III", 4, len(text), 0xCAFE1A7E) + b"FDO\0" + text + b"\0" * (-len(text) % 4))
PY
echo 'int main(void) { return 0; }' > main.c && cc -o main main.c -Wl,--build-id=0x0123456789abcdef
objcopy --add-section .dep-v0=crates.zlib main ctx/rusty
objcopy --add-section .note.package=note.section main ctx/noted
GO=
if command -v go > /dev/null; then
  mkdir -p go/dep && cd go
  printf 'module example.com/dep\ngo 1.18\n' > dep/go.mod && printf 'package dep\nconst Word = "hello"\n' > dep/dep.go
  printf 'module example.com/greeter\ngo 1.18\nrequire example.com/dep v1.4.2\nreplace example.com/dep => ./dep\n' > go.mod
  printf 'package main\nimport "example.com/dep"\nfunc main() { println(dep.Word) }\n' > main.go
  GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GO111MODULE=on CGO_ENABLED=0 go build -o ../ctx/greeter . && GO=1
  cd ..
else
  echo "SKIPPED: there is no go: what a Go program says is not tried"
fi
cat > image.yaml <<YAML
minibuild: 1
image: registry.example.com/team/shop:1.0
sources: { debian: { deb: "$SNAPSHOT", suites: [trixie], keys: [/usr/share/keyrings/debian-archive-keyring.gpg] } }
packages: [base-files, libc6, libssl3t64, ca-certificates, tzdata, zlib1g]
copy: [{ from: ctx, to: /app }]
epoch: 1700000000
user: root
YAML
check "the image is built" build image.yaml --mirror "$SNAPSHOT=file://$MIRROR/debian" -o oci:shop.oci:1.0
DIGEST=$(jq -r '.manifests[0].digest' shop.oci/index.json)
NAME=registry.example.com/team/shop:1.0
sbom() { "$MINIBUILD" sbom "$@"; }
sbom oci:shop.oci:1.0 --name "$NAME" --format spdx > shop.spdx.json 2> log || cat log
sbom oci:shop.oci:1.0 --name "$NAME" --format cyclonedx > shop.cdx.json 2> log || cat log
check "stderr is quiet" test ! -s log

# --- Determinism
mkdir elsewhere && cp -a shop.oci elsewhere/copy.oci
check "both formats into a directory, from elsewhere" \
  env TZ=Pacific/Auckland bash -c "umask 077; cd elsewhere && '$MINIBUILD' sbom copy.oci --cache-dir cache2 --name '$NAME' --format spdx,cyclonedx -o out"
same "files" "$(ls elsewhere/out | xargs)" "shop.cdx.json shop.spdx.json"
check "the same SPDX document" cmp elsewhere/out/shop.spdx.json shop.spdx.json
check "the same CycloneDX document" cmp elsewhere/out/shop.cdx.json shop.cdx.json
check "into a file" sbom oci:shop.oci:1.0 --name "$NAME" --format spdx -o file.json
check "the same in a file" cmp file.json shop.spdx.json
same "several formats and no directory" "$(sbom oci:shop.oci:1.0 --format spdx,cyclonedx 2>&1 > /dev/null; echo $?)" \
  "minibuild: error: several formats need a directory; say which with -o DIR, or ask for one format
2"
same "an unknown format" "$(sbom oci:shop.oci:1.0 --format swid 2>&1; echo $?)" \
  "minibuild: error: got the SBOM format 'swid', want spdx or cyclonedx
2"

# --- Packages: as the mirror's own index has them
INDEX=$MIRROR/debian/dists/trixie/main/binary-amd64/Packages
jq -r '.packages[] | .packages[] | "\(.name) \(.version)"' image.lock.json | sort > want
jq -r '.packages[] | select(.externalRefs[0].referenceLocator // "" | startswith("pkg:deb/debian/")) | select(.sourceInfo) | "\(.name) \(.versionInfo)"' shop.spdx.json | sort > got
check "SPDX has the packages of the lock" diff want got
check "there are some" test "$(wc -l < got)" -ge 6
jq -r '.components[] | select(.purl // "" | startswith("pkg:deb/debian/")) | select(.properties[]? | .name == "aquasecurity:trivy:SrcName") | "\(.name) \(.version)"' shop.cdx.json | sort > got
check "CycloneDX has the packages of the lock" diff want got
awk '
  $1 == "Package:" { name = $2; source = $2; version = ""; sv = "" }
  $1 == "Version:" { version = $2; if (sv == "") sv = $2 }
  $1 == "Source:" { source = $2; if ($3 != "") { sv = $3; gsub(/[()]/, "", sv); fixed[name] = sv } }
  /^$/ { print name, version, source, (name in fixed) ? fixed[name] : version }' "$INDEX" | sort > sources
jq -r '.packages[] | select(.sourceInfo) | "\(.name) \(.versionInfo) \(.sourceInfo | ltrimstr("built package from: "))"' shop.spdx.json | sort > got
same "sources are as the index has them" "$(comm -23 got sources | head -3)" ""
same "the system" "$(jq -r '.packages[] | select(.primaryPackagePurpose == "OPERATING_SYSTEM") | "\(.name) \(.versionInfo)"' shop.spdx.json)" "debian 13"
same "one package is described" "$(jq -r '[.relationships[] | select(.relationshipType == "DESCRIBES")] | length' shop.spdx.json)" 1
same "it is the container with its digest" "$(jq -r '.relationships[] as $r | select($r.relationshipType == "DESCRIBES") | .packages[] | select(.SPDXID == $r.relatedSpdxElement) | "\(.primaryPackagePurpose) \(.versionInfo)"' shop.spdx.json)" "CONTAINER $DIGEST"
same "the time is the image's" "$(jq -r '.creationInfo.created' shop.spdx.json) $(jq -r '.metadata.timestamp' shop.cdx.json)" "2023-11-14T22:13:20Z 2023-11-14T22:13:20Z"
# What a copyright file says, read by awk; the names are the same in both worlds.
check "unpack the image" build image.yaml --mirror "$SNAPSHOT=file://$MIRROR/debian" -o dir:root
awk '/^License:/ { print $2 }' root/usr/share/doc/ca-certificates/copyright | sort -u | xargs > names
same "license names of ca-certificates" "$(cat names)" "GPL-2+ MPL-2.0"
same "licenses of ca-certificates" "$(jq -r '.packages[] | select(.name == "ca-certificates") | .licenseDeclared' shop.spdx.json)" "GPL-2.0-or-later AND MPL-2.0"

# --- Copied files
for file in note.txt rusty noted ${GO:+greeter}; do
  same "sha256 of $file in SPDX" "$(jq -r --arg f "./app/$file" '.files[] | select(.fileName == $f) | .checksums[] | select(.algorithm == "SHA256") | .checksumValue' shop.spdx.json)" "$(sha256sum < "ctx/$file" | cut -d' ' -f1)"
  same "sha1 of $file in SPDX" "$(jq -r --arg f "./app/$file" '.files[] | select(.fileName == $f) | .checksums[] | select(.algorithm == "SHA1") | .checksumValue' shop.spdx.json)" "$(sha1sum < "ctx/$file" | cut -d' ' -f1)"
  same "sha256 of $file in CycloneDX" "$(jq -r --arg f "/app/$file" '.components[] | select(.name == $f) | .hashes[] | select(.alg == "SHA-256") | .content' shop.cdx.json)" "$(sha256sum < "ctx/$file" | cut -d' ' -f1)"
done
same "files of packages are not copied files" "$(jq -r '.files[].fileName' shop.spdx.json | grep -cE 'libc\.so|libssl|zoneinfo')" 0
same "the build id" "$(jq -r '.files[] | select(.fileName == "./app/rusty") | .comment' shop.spdx.json)" "build id: 0123456789abcdef"
same "crates" "$(jq -r '.components[].purl // empty | select(startswith("pkg:cargo/"))' shop.cdx.json | xargs)" "pkg:cargo/app@0.1.0 pkg:cargo/serde@1.0.200"
same "the package note" "$(jq -r '.components[].purl // empty | select(startswith("pkg:deb/debian/tool"))' shop.cdx.json)" "pkg:deb/debian/tool@1-2?distro=debian-12"
if [ -n "$GO" ]; then
  go version -m ctx/greeter > go.txt
  version=$(head -1 go.txt | grep -oE 'go1[0-9.]+' | head -1)
  same "Go modules" "$(jq -r '.components[].purl // empty | select(startswith("pkg:golang/"))' shop.cdx.json | sort | xargs)" \
    "pkg:golang/example.com/dep pkg:golang/example.com/greeter pkg:golang/stdlib@${version#go}"
fi

# --- Judges from outside
if python3 -m pip install --quiet --disable-pip-version-check --target py spdx-tools==0.8.5 2> pip.log; then
  check "spdx-tools finds the SPDX document valid" env PYTHONPATH=py python3 -m spdx_tools.spdx.clitools.pyspdxtools -i shop.spdx.json
  sed 's/"SPDX-2.3"/"SPDX-9"/' shop.spdx.json > wrong.spdx.json
  check "and another one not" bash -c "! PYTHONPATH=py python3 -m spdx_tools.spdx.clitools.pyspdxtools -i wrong.spdx.json"
else
  echo "SKIPPED: pip cannot install spdx-tools: the SPDX document is not validated"
fi
if command -v npm > /dev/null && npm install --silent --no-fund --no-audit --omit=optional --prefix npm @cyclonedx/cyclonedx-library@7.1.0 ajv@8.17.1 ajv-formats@3.0.1 ajv-formats-draft2019@1.6.1 > npm.log 2>&1; then
  cat > npm/validate.js <<'JS'
const { Validation, Spec } = require("@cyclonedx/cyclonedx-library");
const text = require("fs").readFileSync(process.argv[2], "utf8");
new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text).then((error) => {
  if (error !== null) console.log(JSON.stringify(error).slice(0, 2000));
  process.exitCode = error === null ? 0 : 1;
}, (error) => { console.log(String(error)); process.exitCode = 2; });
JS
  check "the CycloneDX document is valid" node npm/validate.js shop.cdx.json
  jq '.components[0].type = "thing"' shop.cdx.json > wrong.cdx.json
  node npm/validate.js wrong.cdx.json > /dev/null
  same "and another one not" $? 1
else
  echo "SKIPPED: npm cannot install the CycloneDX library: the CycloneDX document is not validated"
fi
if [ -n "$SYFT" ]; then
  export SYFT_CHECK_FOR_APP_UPDATE=false
  ours() { jq -r '.components[] | select(.purl) | .purl' shop.cdx.json | grep -v '^pkg:oci' | sed -E 's/\?.*//; s/%3A/:/g' | sort -u; }
  purls() { jq -r '.artifacts[].purl | select(. != "" and . != null)' "$1" | grep -v '^pkg:oci' | sed -E 's/\?.*//; s/%3A/:/g' | sort -u; }
  "$SYFT" scan oci-dir:shop.oci -q -o json > syft.json 2> syft.log || cat syft.log
  ours > ours.txt
  purls syft.json > theirs.txt
  check "syft sees the same packages in the image" diff ours.txt theirs.txt
  for document in shop.spdx.json shop.cdx.json; do
    "$SYFT" convert "$document" -q -o json > read.json 2> syft.log || cat syft.log
    purls read.json > read.txt
    check "syft reads $document" diff ours.txt read.txt
  done
else
  echo "SKIPPED: there is no syft: its view of the image and of the documents is not tried"
fi

# --- An image of several platforms, and one without packages
printf 'minibuild: 1\nfiles: [{ file: /hello, content: "hi" }]\nuser: 1\nplatforms: [linux/amd64, linux/arm64, linux/riscv64]\n' > multi.yaml
check "build for several platforms" build multi.yaml -o oci:multi.oci:1
check "all of them into a directory" sbom oci:multi.oci:1 --format spdx -o multi/
same "a document for each" "$(ls multi | xargs)" "image-linux-amd64.spdx.json image-linux-arm64.spdx.json image-linux-riscv64.spdx.json"
sbom oci:multi.oci:1 --format spdx --platform linux/arm64 > arm.json
check "one of them" cmp arm.json multi/image-linux-arm64.spdx.json
sbom oci:multi.oci:1 --format spdx > here.json 2> log
check "this machine's" cmp here.json "multi/image-linux-$(dpkg --print-architecture).spdx.json"
check "and it is said" grep -q "^sbom: the image for linux/.* of 3; --platform chooses another, -o DIR/ writes all$" log
same "no system, no packages, one file" "$(jq -r '[.packages[].name] + [.files[].fileName] | join(" ")' arm.json)" "image copied files ./hello"
finish
