#!/usr/bin/env bash
# What a registry can do wrong: cut off, damage, redirect, forget, lie about sizes, ask for too much patience. Each fault is
# retried, taken up again or refused; the output and the cache stay right, credentials stay where they belong.
. "$(dirname "$0")/lib.sh"
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG
python3 "$SOURCE/tests/e2e/registry_server.py" ports &
pids+=($!)
while [ ! -f ports ]; do sleep 0.05; done
read -r port other < ports
R=127.0.0.1:$port
control() { curl -s "http://$R/_fault" -d "$1"; }
log() { curl -s "http://$R/_log"; }
fresh() { rm -rf cache out.oci; control '{"clear": true}'; }
copy() { "$MINIBUILD" copy --network-timeout 3 --plain-http "$R" "$@" 2> err; }
# another NAME: an image that the registry has nothing of.
another() { printf 'minibuild: 1\nfiles: [{ file: /new, content: "%s" }]\nuser: 1\n' "$1" > "$1.yaml" && build "$1.yaml" -o "oci:$1:1"; }
pull() { copy "docker://$R/team/app:1" oci:out.oci:1; }
kept() { for f in cache/blobs/sha256/*; do [ -f "$f" ] && [ "$(sha256sum < "$f" | cut -d' ' -f1)" != "$(basename "$f")" ] && echo "damaged $f"; done; find cache/tmp -type f 2> /dev/null; }

mkdir src && head -c 900000 /dev/urandom > src/one && seq 100000 > src/two
printf 'minibuild: 1\ncopy: [{ from: src, to: /src }]\nuser: 1\n' > app.yaml
D=$(build app.yaml -o oci:app:1)
same "a push" "$(copy oci:app:1 "docker://$R/team/app:1")" "$D"
layer=$("$MINIBUILD" inspect --json oci:app | jq -r '.layers[0].digest')

# good NAME FAULT…: with the faults the pull gives the right image.
good() {
  local name=$1
  shift
  fresh
  for fault in "$@"; do control "$fault"; done
  same "$name" "$(pull) $(kept)" "$D "
  [ -d out.oci ] && check "$name: valid" python3 "$SOURCE/tests/e2e/validate.py" out.oci
}
# bad NAME WHAT-THE-ERROR-SAYS FAULT…: it fails saying so, leaves no output, and works the next time.
bad() {
  local name=$1 want=$2
  shift 2
  fresh
  for fault in "$@"; do control "$fault"; done
  pull > out
  same "$name" "$? $(grep -cE "$want" err) $(ls -d out.oci 2> /dev/null)$(kept)" "1 1 "
  [ "$(grep -cE "$want" err)" = 1 ] || cat err
  control '{"clear": true}'
  same "$name: afterwards" "$(pull)" "$D"
}

M='^GET /v2/team/app/manifests'
L="^GET /v2/team/app/blobs/$layer"
for place in "$M" "$L" '^GET /v2/team/app/blobs'; do
  good "500 and 503 pass at $place" "{\"match\": \"$place\", \"do\": \"status\", \"status\": 500}" "{\"match\": \"$place\", \"do\": \"status\", \"status\": 503}"
  bad "502 for ever at $place" '502' "{\"match\": \"$place\", \"do\": \"status\", \"status\": 502, \"times\": 99}"
done
good "429 with seconds" "{\"match\": \"$M\", \"do\": \"status\", \"status\": 429, \"headers\": {\"Retry-After\": \"1\"}}"
good "429 with garbage" "{\"match\": \"$M\", \"do\": \"status\", \"status\": 429, \"headers\": {\"Retry-After\": \"soon\"}}"
good "429 with a date long gone" "{\"match\": \"$M\", \"do\": \"status\", \"status\": 429, \"headers\": {\"Retry-After\": \"Wed, 21 Oct 2015 07:28:00 GMT\"}}"
bad "429 for a day" '86400 s' "{\"match\": \"$M\", \"do\": \"status\", \"status\": 429, \"headers\": {\"Retry-After\": \"86400\"}}"
good "a body that is cut off is taken up again" "{\"match\": \"$L\", \"do\": \"cut\"}" "{\"match\": \"$L\", \"do\": \"cut\"}"
same "with ranges" "$(log | jq -r '.[] | select(.range != null) | .status' | xargs)" "206 206"
good "a range that is ignored" "{\"match\": \"$L\", \"do\": \"cut\"}" "{\"match\": \"$L\", \"do\": \"ignore-range\"}"
good "a range that begins elsewhere" "{\"match\": \"$L\", \"do\": \"cut\"}" "{\"match\": \"$L\", \"do\": \"wrong-range\"}"
good "416 on the way" "{\"match\": \"$L\", \"do\": \"cut\"}" "{\"match\": \"$L\", \"do\": \"status\", \"status\": 416}"
good "a reset" "{\"match\": \"$L\", \"do\": \"reset\"}" "{\"match\": \"$M\", \"do\": \"reset\"}"
bad "resets for ever" 'tried [0-9]+ times' "{\"match\": \"$L\", \"do\": \"reset\", \"times\": 99}"
good "wrong bytes once" "{\"match\": \"$L\", \"do\": \"wrong\"}"
bad "wrong bytes always" 'not the bytes that its digest says' "{\"match\": \"$L\", \"do\": \"wrong\", \"times\": 99}"
bad "an endless blob" 'more than the [0-9]+ bytes' "{\"match\": \"$L\", \"do\": \"endless\", \"times\": 99}"
bad "an endless manifest" 'more than 4.2 MB' "{\"match\": \"$M\", \"do\": \"endless\", \"times\": 99}"
bad "a manifest with other bytes than the registry says" 'the registry says|schemaVersion' "{\"match\": \"$M\", \"do\": \"digest\", \"times\": 99}"
good "a manifest under another media type" "{\"match\": \"$M\", \"do\": \"type\", \"type\": \"application/vnd.docker.distribution.manifest.v2+json\", \"times\": 99}"
bad "one that is served as an ancient one" 'schema 1' "{\"match\": \"$M\", \"do\": \"type\", \"type\": \"application/vnd.docker.distribution.manifest.v1+prettyjws\", \"times\": 99}"
fresh
control "{\"match\": \"$L\", \"do\": \"slow\", \"times\": 99}"
timeout 60 "$MINIBUILD" copy --plain-http "$R" --network-timeout 1 "docker://$R/team/app:1" oci:out.oci:1 > out 2> err
same "a byte now and then is no transfer" "$? $(grep -cE 'no byte came|is too slow' err) $(kept)" "1 1 "

# Redirects: to another host without credentials; not for ever.
printf '{"auths": {"%s": {"auth": "%s"}}}' "$R" "$(printf user:pass | base64)" > auth.json
fresh
control '{"auth": "basic"}'
control "{\"match\": \"$L\", \"do\": \"redirect\", \"to\": \"http://127.0.0.1:$other\$PATH\"}"
same "a redirect to another host" "$(copy --authfile auth.json "docker://$R/team/app:1" oci:out.oci:1)" "$D"
same "goes there without credentials" "$(log | jq -r '.[] | select(.host == "other") | .auth' | xargs)" ""
same "and was followed" "$(log | jq -r '[.[] | select(.host == "other")] | length')" 1
bad "redirects for ever" 'more than 5 redirects' "{\"match\": \"$L\", \"do\": \"redirect\", \"to\": \"http://$R\$PATH\", \"times\": 99}"
bad "a redirect to a file" 'not a URL with http' "{\"match\": \"$L\", \"do\": \"redirect\", \"to\": \"file:///etc/passwd\", \"times\": 99}"
fresh
control '{"auth": "basic"}'
control "{\"match\": \"^POST\", \"do\": \"\", \"to\": \"http://127.0.0.1:$other\", \"times\": 99}"
another elsewhere > out
copy --authfile auth.json oci:elsewhere:1 "docker://$R/team/elsewhere:1" > out
same "an upload at another host gets no credentials" "$(log | jq -r '.[] | select(.host == "other") | .auth' | sort -u | xargs) $(log | jq '[.[] | select(.host == "other")] | length > 0')" " true"

# Tokens: asked for once for each scope, again when they expire; anonymous, with a password, with an identity token.
fresh
control '{"auth": "token"}'
same "an anonymous token" "$(pull)" "$D"
same "is asked for once" "$(log | jq '[.[] | select(.path == "/token")] | length')" 1
fresh
control '{"auth": "token", "uses": 1}'
same "tokens that expire at each step" "$(pull)" "$D"
fresh
control '{"auth": "token"}'
same "a token for a password" "$(copy --authfile auth.json oci:app:1 "docker://$R/team/token:1")" "$D"
same "the password goes to the token server alone" "$(log | jq -r '.[] | select(.auth == "Basic") | .path' | sort -u)" /token
fresh
control '{"auth": "token"}'
printf '{"auths": {"%s": {"identitytoken": "refresh-me"}}}' "$R" > identity.json
same "an identity token" "$(copy --authfile identity.json "docker://$R/team/app:1" oci:out.oci:1)" "$D"
same "is refreshed by a form" "$(log | jq -r '.[] | select(.path == "/token") | .method + " " + .form' | grep -c 'POST .*grant_type=refresh_token&refresh_token=refresh-me')" 1
grep -rqE 'refresh-me|user:pass|dXNlcjpwYXNz' err cache && same "no secret stays" yes no

# Pushes.
push() { copy oci:app:1 "docker://$R/team/$1:1"; }
fresh
control '{"match": "^PUT .*/blobs/uploads", "do": "drop", "times": 1}'
N=$(another lost)
same "the answer to an upload is lost" "$(copy oci:lost:1 "docker://$R/team/lost:1")" "$N"
same "it is asked for, not sent again" "$(log | jq '[.[] | select(.method == "PUT" and (.path | test("uploads")))] | length')" 2
fresh
control '{"match": "^HEAD .*/blobs/", "do": "present", "times": 9}'
N=$(another forgets)
same "a registry that says it has what it lacks" "$(copy oci:forgets:1 "docker://$R/team/forgets:1")" "$N"
fresh
control '{"match": "^PUT .*/blobs/uploads", "do": "status", "status": 503, "times": 2}'
N=$(another fails)
same "an upload that fails twice" "$(copy oci:fails:1 "docker://$R/team/fails:1")" "$N"
fresh
control '{"match": "^PUT .*/manifests", "do": "status", "status": 403, "code": "DENIED", "times": 9}'
push denied > out
same "a denied push" "$? $(grep -c '403 Forbidden (DENIED: denied)' err)" "1 1"
control '{"clear": true}'
same "leaves no tag" "$(curl -s -o /dev/null -w '%{http_code}' "http://$R/v2/team/denied/manifests/1")" 404
# A blob above 64 MiB goes in pieces; one that is cut off is taken up where the registry says.
fresh
head -c 70000000 /dev/urandom > big && printf 'minibuild: 1\ncopy: [{ from: big, to: /big }]\nuser: 1\n' > big.yaml
N=$(build big.yaml -o oci:large:1)
control '{"match": "^PATCH", "do": "half"}'
same "a large blob, cut off on the way" "$(copy oci:large:1 "docker://$R/team/big:1")" "$N"
same "in pieces" "$(log | jq -r '.[] | select(.method == "PATCH" or (.method == "GET" and (.path | test("uploads")))) | "\(.method) \(.status)"' | xargs)" "PATCH 0 GET 204 PATCH 202"
rm -rf big large
# Killed after each request of a push: the tag is not there, or complete.
for n in 1 2 3 4 5 6 7 8; do
  fresh
  control "{\"match\": \"^(HEAD|POST|PUT) \", \"do\": \"\", \"times\": $n}"
  "$MINIBUILD" copy --plain-http "$R" oci:app:1 "docker://$R/kill/n$n:1" > out 2> err &
  victim=$!
  for _ in $(seq 200); do [ "$(log | jq length)" -ge "$n" ] && break; sleep 0.005; done
  kill -9 $victim 2> /dev/null
  wait $victim 2> /dev/null
  status=$(curl -s -o tag.json -w '%{http_code}' "http://$R/v2/kill/n$n/manifests/1")
  if [ "$status" = 200 ]; then
    for blob in $(jq -r '.config.digest, .layers[].digest' tag.json); do
      same "killed push $n is complete" "$(curl -s -o /dev/null -w '%{http_code}' "http://$R/v2/kill/n$n/blobs/$blob")" 200
    done
  else
    same "killed push $n has no tag" "$status" 404
  fi
  same "and again" "$(copy oci:app:1 "docker://$R/kill/n$n:1")" "$D"
done

# Interrupted in the middle of a transfer: 130, at once, no output, nothing half-kept, and the next one works.
for signal in INT TERM; do
  fresh
  control "{\"match\": \"$L\", \"do\": \"slow\", \"times\": 99}"
  "$MINIBUILD" copy --plain-http "$R" "docker://$R/team/app:1" oci:out.oci:1 > got 2> err &
  pid=$!
  for _ in $(seq 100); do log | grep -q "$layer" && break; sleep 0.05; done
  kill -$signal $pid
  start=$(date +%s)
  wait $pid
  same "SIG$signal during a transfer" "$? $(cat got)$(tail -1 err) $(ls -d out.oci 2> /dev/null)$(kept)" "130 minibuild: interrupted "
  check "SIG$signal: soon" test $(($(date +%s) - start)) -le 5
  control '{"clear": true}'
  same "SIG$signal: afterwards" "$(pull)" "$D"
done

# A registry with the referrers API: its list has pages, and needs no tags.
fresh
cp -r app belongs && python3 - belongs "$D" << 'E2'
import hashlib, json, os, sys
layout, subject = sys.argv[1:]
def store(body):
    name = hashlib.sha256(body).hexdigest()
    open(f"{layout}/blobs/sha256/{name}", "wb").write(body)
    return {"digest": "sha256:" + name, "size": len(body)}
index = json.load(open(f"{layout}/index.json"))
kind = "application/vnd.oci.image.manifest.v1+json"
size = os.path.getsize(f"{layout}/blobs/sha256/" + subject[7:])
for text in (b"one", b"two", b"three"):
    manifest = {"schemaVersion": 2, "mediaType": kind, "artifactType": "application/x-test",
                "config": {"mediaType": "application/vnd.oci.empty.v1+json", **store(b"{}")},
                "layers": [{"mediaType": "text/plain", **store(text)}],
                "subject": {"mediaType": kind, "digest": subject, "size": size}}
    index["manifests"].append({"mediaType": kind, **store(json.dumps(manifest).encode())})
json.dump(index, open(f"{layout}/index.json", "w"))
E2
same "three referrers are pushed" "$(copy --referrers oci:belongs:1 "docker://$R/team/belongs:1") $(grep -c '3 referrers' err)" "$D 1"
same "they are listed" "$(curl -s "http://$R/v2/team/belongs/referrers/$D" | jq '.manifests | length') $(curl -s "http://$R/v2/team/belongs/tags/list" | jq -c .tags)" '1 ["1"]'
same "three come back" "$(copy --referrers "docker://$R/team/belongs:1" oci:back:1) $(jq '.manifests | length' back/index.json)" "$D 4"
same "the same ones" "$(jq -r '.manifests[].digest' back/index.json | sort)" "$(jq -r '.manifests[].digest' belongs/index.json | sort)"
finish
