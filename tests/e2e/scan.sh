#!/usr/bin/env bash
# Known vulnerabilities of images. The judges: debsecan with its own form of the data, for Debian's tracker; a reading of OSV and
# secdb in Python with apt's order of versions (scan_judge.py); the module cvss for scores; SARIF multitool.
. "$(dirname "$0")/lib.sh"
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
export LC_ALL=C.UTF-8 no_proxy='*'
unset MINIBUILD_ADVISORY_FEEDS MINIBUILD_MIRRORS
E2E=$SOURCE/tests/e2e
BOOKWORM='ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n'
ALPINE='ID=alpine\nVERSION_ID=3.23.1\nPRETTY_NAME=\"Alpine Linux v3.23\"\n'
# image NAME FILE PATH [OS-RELEASE]: an image with that file; prints its digest.
image() {
  printf 'minibuild: 1\ncopy: [{ from: %s, to: %s }]\nuser: 1\n' "$2" "$3" > "$1.yaml"
  [ -z "${4:-}" ] || printf 'files: [{ file: /etc/os-release, content: "%s" }]\n' "$4" >> "$1.yaml"
  build "$1.yaml" -o "oci:$1:1" --platform "${5:-linux/amd64}"
}
scan() { "$MINIBUILD" scan "$@" 2> err; }
# pairs OPTION…: `ID PACKAGE` of what is found.
pairs() { scan --format json "$@" | jq -r '.vulnerabilities[] | "\(.id) \(.package.name)"' | LC_ALL=C sort -u; }
# refused NAME STATUS MESSAGE OPTION…: it fails so, and nothing is on stdout.
refused() {
  local name=$1 status=$2 want=$3
  shift 3
  scan "$@" > out
  same "$name" "$? $(grep -cE "$want" err) $(wc -c < out)" "$status 1 0"
  grep -qE "$want" err || cat err
}

# Debian's tracker, against debsecan: the packages of this machine, and older versions of them.
cp /var/lib/dpkg/status status
mkdir data
for seed in 1 2; do
  python3 "$E2E/tracker_data.py" tracker status $seed > tracker$seed.json
  python3 "$E2E/tracker_data.py" older status $seed > older$seed
  python3 "$E2E/debsecan_data.py" tracker$seed.json bookworm > data/bookworm
  for packages in status older$seed; do
    image "image-$packages" "$packages" /var/lib/dpkg/status "$BOOKWORM" > digest
    for option in "" --only-fixed; do
      debsecan --config none --whitelist none --source "file://$SCRATCH/data" --suite bookworm --format simple \
        --status "$packages" $option | LC_ALL=C sort -u > want
      pairs "oci:image-$packages:1" --db tracker$seed.json $option > got
      check "seed $seed, $packages $option: as debsecan" diff got want
      check "seed $seed, $packages $option: there is much to find" [ "$(wc -l < want)" -gt 100 ]
    done
  done
done
echo "compared with debsecan: $(grep -c '^Package:' status) packages, $(wc -l < want) findings in the last of 8 scans"

# Packages of other releases in an image of bookworm, which debsecan knows by their versions.
for seed in 1 2 3; do
  mkdir lines && python3 "$E2E/tracker_data.py" lines lines $seed
  image "lines$seed" lines/status /var/lib/dpkg/status "$BOOKWORM" > digest
  debsecan --config none --whitelist none --source "file://$SCRATCH/lines" --suite bookworm --format simple --status lines/status |
    LC_ALL=C sort -u > want
  pairs "oci:lines$seed:1" --db lines/tracker.json > got
  check "seed $seed, backports and packages of other releases: as debsecan" diff got want
  check "seed $seed, backports and packages of other releases: there is much to find" [ "$(wc -l < want)" -gt 100 ]
  rm -r lines
done

# What a tracker says besides.
jq -r '.vulnerabilities[] | "\(.status) \(.fixedVersion != null)"' <(scan --format json oci:image-status:1 --db tracker1.json) | sort -u > got
check "statuses" diff got - << 'END'
affected false
end-of-life false
fix-available true
ignored false
no-dsa false
postponed false
END
scan oci:image-status:1 --db tracker1.json > table
json=$(scan oci:image-status:1 --db tracker1.json --format json)
same "the table has every finding" "$(grep -cE 'CVE-20|TEMP-' table)" "$(jq '.vulnerabilities | length' <<< "$json")"
same "the counts add up" "$(jq '.counts | add' <<< "$json")" "$(jq '.vulnerabilities | length' <<< "$json")"
same "no colours in a file" "$(grep -c $'\x1b' table)" 0
same "the system" "$(jq -r '.system | "\(.id) \(.endOfLife)"' <<< "$json")" "debian 2028-06-30"
for severity in any low medium high; do
  scan oci:image-status:1 --db tracker1.json --fail-on $severity > out
  same "--fail-on $severity" "$? $(cmp out table && echo same)" "3 same"
done
scan oci:image-status:1 --db tracker1.json --fail-on critical > out
same "--fail-on critical, which the tracker has not" "$?" 0

# The document in other clothes; the second scan does not read it again.
gzip -k tracker1.json && xz -k tracker1.json && zstd -q tracker1.json
for form in gz xz zst; do
  check "compressed: $form" cmp <(pairs oci:image-status:1 --db tracker1.json.$form) <(pairs oci:image-status:1 --db tracker1.json)
done
same "each file is kept once in the cache" "$("$MINIBUILD" cache ls | grep -c '^advisories ')" 8
mkdir db && cp tracker1.json db/a.json && echo "not JSON" > db/README.md && echo '{"@context": "https://openvex.dev/ns"}' > db/vex.json
check "a directory" cmp <(pairs oci:image-status:1 --db db) <(pairs oci:image-status:1 --db tracker1.json)
python3 - << 'END'
import zipfile, json
with zipfile.ZipFile("osv.zip", "w", zipfile.ZIP_DEFLATED) as out:
    for n in range(3):
        out.writestr(f"DSA-{n}-1.json", json.dumps({"id": f"DSA-{n}-1", "modified": "2026-01-01T00:00:00Z", "upstream": [f"CVE-2024-100{n}"],
            "affected": [{"package": {"ecosystem": "Debian:12", "name": "dpkg"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]}))
END
same "a zip of records" "$(pairs oci:image-status:1 --db osv.zip | grep ' dpkg$' | xargs)" "CVE-2024-1000 dpkg CVE-2024-1001 dpkg CVE-2024-1002 dpkg"
check "its date is that of the newest record" grep -q 'osv.zip are of 2026-01-01' err
mkdir records && (cd records && bsdtar -xf ../osv.zip)
check "the same as files" cmp <(pairs oci:image-status:1 --db records) <(pairs oci:image-status:1 --db osv.zip)

# OSV and Alpine, against a reading of their own; both feeds together.
for seed in 1 2; do
  mkdir -p osv$seed alpine$seed
  /usr/bin/python3 "$E2E/scan_judge.py" osv $seed osv$seed && /usr/bin/python3 "$E2E/scan_judge.py" alpine $seed alpine$seed
  image io osv$seed/status /var/lib/dpkg/status "$BOOKWORM" > digest
  pairs oci:io:1 --db osv$seed/osv.json > got
  check "OSV $seed: as the judge" diff got osv$seed/want
  image ia alpine$seed/installed /lib/apk/db/installed "$(sed 's/23/20/g' <<< "$ALPINE")" > digest
  pairs oci:ia:1 --db alpine$seed/main.json --db alpine$seed/osv.json > got
  check "Alpine $seed: as the judge" diff got alpine$seed/want
  check "Alpine $seed: there is much to find" [ "$(wc -l < alpine$seed/want)" -gt 100 ]
done
python3 -m pip install --quiet --disable-pip-version-check --target py cvss==3.3 2> pip.log
if [ -d py/cvss ]; then
  mkdir cvss && PYTHONPATH=py python3 "$E2E/scan_judge.py" cvss cvss
  image ic cvss/status /var/lib/dpkg/status "$BOOKWORM" > digest
  scan oci:ic:1 --db cvss/osv.json --format json | jq -r '.vulnerabilities[] | "\(.id) \(.score) \(.severity)"' | LC_ALL=C sort > got
  check "every vector of CVSS 3.0 and 3.1" diff got cvss/want
else
  echo "not checked: CVSS scores, since the Python module cvss cannot be had: $(tail -1 pip.log)"
fi

# Nothing is said where nothing can be said.
printf 'hello' > hello
image none hello /hello > digest
refused "no system" 1 'no etc/os-release' oci:none:1 --db tracker1.json
image strange status /var/lib/dpkg/status 'ID=strange\nVERSION_ID=1\nPRETTY_NAME=\"Strange 1\"\n' > digest
refused "an unknown system" 1 'no advisories are known for its system, Strange 1' oci:strange:1 --db tracker1.json
image empty hello /hello "$BOOKWORM" > digest
refused "no packages" 1 'no list of packages of its system' oci:empty:1 --db tracker1.json
refused "advisories of another system" 1 'say nothing about Debian:12; they are about Alpine:v3.20' oci:image-status:1 --db alpine1/main.json
refused "no advisories at all" 1 "name files with --db, or fetch them with 'minibuild scan --update'" oci:image-status:1
refused "no such file" 1 'cannot read the advisories nowhere' oci:image-status:1 --db nowhere
refused "a directory without any" 1 'no file in it is' oci:image-status:1 --db data
head -c 1000 tracker1.json > cut.json
refused "a truncated document" 1 'cannot read cut.json: it is not valid JSON' oci:image-status:1 --db cut.json
refused "another document" 1 'neither the Debian tracker' oci:image-status:1 --db image-status/index.json
refused "no image" 2 'say which image' --db tracker1.json
python3 -c 'print("[" * 100000)' > deep.json
refused "a deep document" 1 'cannot read deep.json' oci:image-status:1 --db deep.json
printf '{"dpkg": {}}' > quiet.json
refused "a tracker about nothing" 1 'say nothing about Debian:12' oci:image-status:1 --db quiet.json
printf '{"dpkg": {"CVE-2024-1000": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "0"}}}}}' > quiet.json
same "nothing found is said of a known system only" "$(scan oci:image-status:1 --db quiet.json | tail -1)" \
  "no known vulnerabilities in $(jq .packages <<< "$json") packages of Debian GNU/Linux 12 (bookworm)"

# What is old.
scan oci:image-status:1 --db tracker1.json > out
same "fresh" "$(cat err)" ""
touch -d '30 days ago' tracker1.json
scan oci:image-status:1 --db tracker1.json > out
check "a stale database" grep -q '30 days old' err
scan oci:image-status:1 --db tracker1.json --max-db-age 31 > out
same "as old as allowed" "$(cat err)" ""
touch tracker1.json
image old status /var/lib/dpkg/status 'ID=debian\nVERSION_ID=10\nPRETTY_NAME=\"Debian GNU/Linux 10 (buster)\"\n' > digest
sed 's/"bookworm"/"buster"/g' quiet.json > buster.json
scan oci:old:1 --db buster.json > out
check "an end of life" grep -q 'Debian GNU/Linux 10 (buster) has had no security updates since 2024-06-30' err

# VEX.
D=$(image image-status status /var/lib/dpkg/status "$BOOKWORM")
read -r id package < <(jq -r '.vulnerabilities[0] | "\(.id) \(.package.name)"' <<< "$json")
purl=$(jq -r '.vulnerabilities[0].package.purl' <<< "$json")
vex() { printf '{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "author": "me", "timestamp": "%s", "version": 1, "statements": [{"vulnerability": {"name": "%s"}, "products": [%s], "status": "%s", "justification": "component_not_present"}]}' "$2" "$id" "$3" "$4" > "$1.json"; }
vex package 2026-01-01T00:00:00Z "{\"@id\": \"$purl\"}" not_affected
vex whole 2026-01-01T00:00:00Z "{\"@id\": \"pkg:oci/app@sha256%3A${D#sha256:}\", \"subcomponents\": [{\"@id\": \"pkg:deb/debian/$package\"}]}" fixed
vex later 2026-02-01T00:00:00Z "{\"@id\": \"$D\"}" affected
vex elsewhere 2026-01-01T00:00:00Z '{"@id": "pkg:oci/app@sha256:00"}' not_affected
sources=$(jq --arg id "$id" '[.vulnerabilities[] | select(.id == $id)] | length' <<< "$json")
for document in package whole; do
  scan oci:image-status:1 --db tracker1.json --vex $document.json --format json > got
  same "VEX: $document" "$(jq -r --arg id "$id" --arg package "$package" '[([.vulnerabilities[] | select(.id == $id)] | length), (.suppressed | length), .suppressed[0].id, .suppressed[0].package.name, .suppressed[0].vex.source] | join(" ")' got)" \
    "$((sources - 1)) 1 $id $package $document.json"
done
for document in later elsewhere; do
  same "VEX: nothing is suppressed ($document)" "$(scan oci:image-status:1 --db tracker1.json --vex $document.json --format json | jq '.suppressed | length')" 0
done
same "VEX: the later statement wins" "$(scan oci:image-status:1 --db tracker1.json --vex later.json --vex package.json --format json | jq '.suppressed | length')" 0
check "VEX: counted for people" grep -q '; 1 suppressed by VEX' <(scan oci:image-status:1 --db tracker1.json --vex package.json)
refused "VEX: another document" 1 'no OpenVEX document' oci:image-status:1 --db tracker1.json --vex tracker1.json

# An index: this machine's platform, else the first; the one that is named.
image both osv1/status /var/lib/dpkg/status "$BOOKWORM" linux/amd64,linux/arm64 > digest
same "a platform of an index" "$(scan oci:both:1 --db osv1/osv.json --platform linux/arm64 --format json | jq -r .image.platform)" linux/arm64
machine=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
same "this machine's" "$(scan oci:both:1 --db osv1/osv.json --format json | jq -r .image.platform)" "linux/$machine"

# Feeds: fetched, kept, replaced; a feed that cannot be had stays as it was.
mkdir www && cp tracker1.json www/json && cp osv1/osv.json www/osv.json
python3 -c '
import functools, http.server
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory="www"))
open("port.new", "w").write(str(server.server_port))
__import__("os").rename("port.new", "port")
server.serve_forever()' &
pids+=($!)
for _ in $(seq 200); do [ -f port ] && break; sleep 0.05; done
U=http://127.0.0.1:$(cat port)
update() { "$MINIBUILD" scan --update --network-timeout 2 --plain-http "127.0.0.1:$(cat port)" "$@" > out 2> err; }
check "an update" update --from "$U/json" --from "file://$SCRATCH/alpine1/main.json"
check "scans after it" cmp <(pairs oci:image-status:1) <(pairs oci:image-status:1 --db tracker1.json)
same "with its date" "$(scan oci:image-status:1 --format json | jq -r '.advisories[] | "\(.source) \(.date[:10])"')" "$U/json $(date -u +%F)"
echo broken > www/json
update --from "$U/json" --from "$U/osv.json"
same "a broken feed" "$? $(grep -c "cannot read $U/json: it is not JSON" err)" "1 1"
check "the feed as it was, and the other" cmp <(pairs oci:image-status:1) <(pairs oci:image-status:1 --db tracker1.json --db osv1/osv.json)
rm www/json
update --from "$U/json"
same "a feed that is gone" "$? $(grep -c ' 404 ' err)" "1 1"
check "still there" cmp <(pairs oci:image-status:1) <(pairs oci:image-status:1 --db tracker1.json)
cp tracker2.json www/json
MINIBUILD_ADVISORY_FEEDS="$U/json" check "feeds from the environment" update
check "the new ones" cmp <(pairs oci:image-status:1) <(pairs oci:image-status:1 --db tracker2.json)
rm -rf cache
"$MINIBUILD" scan --update --mirror "advisories.example.com=$U" --plain-http "127.0.0.1:$(cat port)" --from https://advisories.example.com/json oci:image-status:1 > out 2> err
same "from a mirror, and scanned at once" "$? $(grep -cE 'CVE-20|TEMP-' out)" "0 $(pairs oci:image-status:1 --db tracker2.json | wc -l)"

# SARIF.
scan oci:image-older1:1 --db tracker1.json --format sarif > scan.sarif
scan oci:image-older1:1 --db tracker1.json --format json > scan.json
same "SARIF: a rule a CVE" "$(jq -r '.runs[0].tool.driver.rules[].id' scan.sarif | sort)" "$(jq -r '.vulnerabilities[].id' scan.json | sort -u)"
same "SARIF: levels" "$(jq -r '.runs[0].results[] | "\(.ruleId) \(.level)"' scan.sarif | sort)" \
  "$(jq -r '.vulnerabilities[] | "\(.id) \(if .severity == "critical" or .severity == "high" then "error" elif .severity == "medium" then "warning" else "note" end)"' scan.json | sort)"
same "SARIF: places" "$(jq -r '.runs[0].results[].locations[0].physicalLocation.artifactLocation.uri' scan.sarif | sort -u)" var/lib/dpkg/status
same "SARIF: fingerprints are of one finding each" "$(jq -r '.runs[0].results[].partialFingerprints[]' scan.sarif | sort | uniq -d | wc -l)" 0
if command -v npm > /dev/null && npm install --silent --no-fund --no-audit --prefix npm @microsoft/sarif-multitool@5.7.0 > npm.log 2>&1; then
  # It would ask servers about schemas, and wait for them: it gets none.
  multitool() { DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 no_proxy= http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1 npm/node_modules/.bin/sarif-multitool validate "$1" 2>&1; }
  printf '{"version":"2.1.0","runs":[{"results":[{}]}]}' > bad.sarif
  same "SARIF: multitool finds faults" "$(multitool bad.sarif | grep -c ' error ')" 2
  multitool scan.sarif > multitool.log
  same "SARIF: multitool finds none here" "$(grep -c 'Analysis completed successfully' multitool.log) $(grep -E ' error ' multitool.log | head -3)" "1 "
else
  echo "not checked: SARIF by multitool, since npm or its package cannot be had"
fi

# --- what could be taken for a clean image --------------------------------------------------------------------------------
osv() { printf '{"id": "%s", "modified": "2026-01-01T00:00:00Z", "summary": "%b", "affected": [{"package": {"ecosystem": "%s", "name": "%s"}, "ranges": [{"type": "ECOSYSTEM", "events": %s}]}]}\n' "$@"; }
printf 'Package: x\nStatus: install ok installed\nVersion: 1\n' > states.dpkg
for state in triggers-pending triggers-awaited half-configured unpacked half-installed config-files not-installed; do
  printf '\nPackage: p-%s\nStatus: install ok %s\nVersion: 1\n' $state $state >> states.dpkg
done
image states states.dpkg /var/lib/dpkg/status "$BOOKWORM" > digest
for package in $(sed -n 's/^Package: //p' states.dpkg); do osv "CVE-2026-1000" a Debian:12 "$package" '[{"introduced": "0"}]'; done > states.json
same "packages whose files are there" "$(pairs oci:states:1 --db states.json | wc -l)" 6
osv CVE-2026-1 a Debian zzz '[{"introduced": "0"}]' > bare.json && osv CVE-2026-2 a Debian:11 x '[{"introduced": "0"}]' >> bare.json
refused "advisories about every release are not enough" 1 "say nothing about Debian:12" oci:states:1 --db bare.json
osv CVE-2026-3 a Debian x '[{"introduced": "0"}]' >> states.json
same "but they add to those of one" "$(pairs oci:states:1 --db states.json | grep -c 'CVE-2026-3 x')" 1
mkdir folder && cp states.json folder/ && : > folder/empty.json && echo '<html>404</html>' > folder/debian.json && echo hello > folder/README
scan oci:states:1 --db folder > out
same "files that hold none are told" "$? $(grep -c 'warning: folder/.*.json was passed over' err) $(grep -c README err)" "0 2 0"
scan oci:states:1 --db folder --format json > out
same "the second time, too" "$(jq -c '[.doubts[] | select(test("passed over"))] | length' out)" 2
printf 'minibuild: 1\nbase: oci:states:1\nuser: 1\npolicy: { max-severity: critical, vulnerability-db: folder }\n' > gate.yaml
"$MINIBUILD" build gate.yaml -o oci:gate:1 > /dev/null 2> err
same "a gate does not open for them" "$? $(grep -c 'folder/debian.json is neither the Debian' err) $(ls gate 2> /dev/null)" "1 1 "
{ printf '\xef\xbb\xbf'; cat states.json; } > mark.json
same "a byte order mark" "$(pairs oci:states:1 --db mark.json | wc -l)" "$(pairs oci:states:1 --db states.json | wc -l)"
printf 'Package: x\nStatus: install ok installed\nVersion: 1:1.5~rc1-2\n' > fix.dpkg && image fix fix.dpkg /var/lib/dpkg/status "$BOOKWORM" > digest
fixed() { osv CVE-2026-1 a Debian:12 x "$1" > fix.json; scan --format json oci:fix:1 --db fix.json | jq -r '.vulnerabilities[].fixedVersion'; }
same "a fix that is none" "$(fixed '[{"introduced": "0"}, {"fixed": "1:3"}, {"introduced": "1:3"}, {"fixed": "1:4"}]')" "1:4"
printf '{"id": "CVE-2026-1", "affected": [{"package": {"ecosystem": "Debian:12", "name": "x"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1:2"}]}, {"type": "ECOSYSTEM", "events": [{"introduced": "1:1.9"}, {"fixed": "1:5"}]}]}]}' > fix.json
same "of two ranges" "$(scan --format json oci:fix:1 --db fix.json | jq -r '.vulnerabilities[].fixedVersion')" "1:5"
same "what is no version" "$(fixed '[{"introduced": "0"}, {"fixed": "<unfixed>"}]') $(fixed '[{"introduced": "none"}, {"fixed": "1:3"}]')" "null 1:3"
printf '{"x": {"CVE-2026-1": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "garbage:1", "urgency": "low"}}}}}' > tracker.json
same "of the tracker" "$(scan --format json oci:fix:1 --db tracker.json | jq -r '.vulnerabilities[].fixedVersion')" null
osv CVE-2026-1 'a \u009b31m b \u202e c \u0085 d' Debian:12 x '[{"introduced": "0"}]' > control.json
same "control characters of all kinds" "$(scan oci:fix:1 --db control.json | LC_ALL=C grep -caP '\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xaa-\xae]') $(scan oci:fix:1 --db control.json | grep -c 'a 31m b c d')" "0 1"
MINIBUILD_CACHE_DIR=$SCRATCH/update-cache scan --update --from "file://$SCRATCH/states.json" --from "file://$SCRATCH/none.json" oci:states:1 --format json > out
same "an update that failed in part" "$? $(jq '[.doubts[] | select(test("none.json"))] | length' out)" "1 1"
refused "a password in a URL" 2 "has a user or a password in it" --update --from "http://user:hunter22@127.0.0.1:1/x"
same "is not told" "$(grep -c hunter22 err)" 0
vex() { printf '{"@context": "https://openvex.dev/ns/v0.2.0", "statements": [{"vulnerability": {"name": "CVE-2026-1000"}, "products": [%s], "status": "not_affected"}]}' "$1" > vex.json; scan oci:states:1 --db states.json --vex vex.json --format json > out; jq -r '.suppressed | length' out; }
same "a part of a package that is another" "$(vex '{"@id": "pkg:deb/debian/x", "subcomponents": [{"@id": "pkg:deb/debian/zzz"}]}')" 0
same "the package itself" "$(vex '{"@id": "pkg:deb/debian/x"}') $(grep -c 'and not why: OpenVEX wants a justification' err)" "1 1"
finish
