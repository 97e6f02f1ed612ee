#!/usr/bin/env bash
# Policies: every rule (policy.py), places in the spec, shared files, baselines, pins, SARIF by its own validator, and the
# documented JSON of `inspect` in OPA.
. "$(dirname "$0")/lib.sh"
check "every rule" python3 "$SOURCE/tests/e2e/policy.py" "$MINIBUILD" "$SCRATCH"
mini() { "$MINIBUILD" "$@"; }
status_of() { "$@" > out.txt 2> err.txt; echo $?; }

# --- places, line and column, at check and at build -----------------------------------------------------------------
mkdir places && cd places
cat > minibuild.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/app:latest
base: scratch
files:
  - { file: /etc/fine, content: "x" }
  - { file: /usr/bin/su, content: "x", mode: "4755" }
  - file: /bin/sh
    content: "x"
    mode: "0755"
copy:
  - { from: app, to: /app }
  - { from: app/open, to: /srv/open, mode: "0666" }
workdir: /proc/self
ports: [8080, 22]
volumes: [/data, /sys/x]
labels:
  org.opencontainers.image.url: nowhere
entrypoint: [/bin/sh, -c, app]
env:
  API_TOKEN: "Zq8#kLm2vX9pRt4w"
policy:
  deny: [latest-tag, setuid, shell, world-writable, system-mount, ssh-port, label-schema, shell-form, leftover, compiler]
  required-labels: [com.example.team]
E2
mkdir -p app/bin && printf x > app/bin/cc && chmod 755 app/bin/cc && printf x > app/open && printf x > app/.bash_history
same "check: exit status" "$(status_of mini check --format json)" 3
sort > want.txt << 'E2'
1:1 root-user
2:8 latest-tag
6:13 setuid
7:11 shell
11:5 compiler
11:5 leftover
12:5 world-writable
13:10 system-mount
14:15 ssh-port
15:18 system-mount
17:3 label-schema
17:3 missing-label
18:13 shell-form
20:3 secret
E2
jq -r '.diagnostics[] | "\(.line):\(.column) \(.rule)"' out.txt | sort > got.txt
check "places of check" diff -u want.txt got.txt
same "build: exit status" "$(status_of build minibuild.yaml -o oci:out.oci)" 3
grep -oE '^minibuild.yaml:[0-9]+:[0-9]+: error: .* \[[a-z-]+\]$' err.txt | sed -E 's/^minibuild.yaml:([0-9]+:[0-9]+): .*\[(.*)\]$/\1 \2/' | sort > got.txt
check "places of build" diff -u want.txt got.txt
same "nothing is written" "$(find . -name '*.oci' -o -name '*.lock.json' -o -name '.minibuild*' | xargs)" ""
same "no credential is shown" "$(cat err.txt out.txt | grep -c 'Zq8#kLm2vX9pRt4w')" 0
check "sarif has the same places" diff <(mini check --format sarif | jq -r '.runs[0].results[] | "\(.locations[0].physicalLocation.region | "\(.startLine):\(.startColumn)") \(.ruleId)"' | sort) want.txt
same "json: the fields" "$(mini check --format json | jq -c '[.diagnostics[] | keys] | unique')" '[["column","file","fix","line","message","rule","severity","why"]]'
cd ..

# --- root: written out it is fine, unless a policy has an opinion ---------------------------------------------------------
mkdir root && cd root
root() { printf 'minibuild: 1\n%b\nfiles: [{ file: /x, content: x }]\n' "$1" > minibuild.yaml; echo "$(status_of mini check) $(status_of build minibuild.yaml -o oci:out.oci) $(grep -c '\[root-user\]' err.txt)"; }
same "user: root" "$(root 'user: root')" "0 0 0"
same "user: 0" "$(root 'user: "0:5"')" "0 0 0"
same "a policy that denies it" "$(root 'user: root\npolicy: { deny: [root-user] }')" "3 3 1"
check "and says what helps" grep -q "fix: write 'user: 65532'.*rule: root-user, reason" err.txt
same "a policy that warns of it" "$(root 'user: root\npolicy: { warn: [root-user] }')" "0 0 0"
"$MINIBUILD" build minibuild.yaml -o oci:out.oci > /dev/null 2> err.txt
check "that is said" grep -q '^root-user: warning: the image runs as root' err.txt
printf 'deny: [root-user]\n' > team.yaml
same "a team's policy" "$(root 'user: root\npolicy: { file: team.yaml }')" "3 3 1"
cd ..

# --- credentials of a base, also those that a later layer removes; in annotations; all of them told -------------------------
mkdir outside && cd outside
mkdir -p app && echo "glpat-aB3dE5fG7hI9jK1lM3nO" > app/tok && echo "glpat-zB3dE5fG7hI9jK1lM3nO" > "app/[id].js"
printf 'minibuild: 1\nuser: 5\npolicy: { allow: [{ rule: secret, reason: x }] }\ncopy: [{ from: app, to: /app }]\n' > first.yaml
printf 'minibuild: 1\nbase: oci:u:0\npolicy: { allow: [{ rule: secret, reason: x }] }\nremove: [/app/tok]\n' > second.yaml
check "an image with credentials" build first.yaml -o oci:u:0
check "and one that hides them" build second.yaml -o oci:u:1
printf 'minibuild: 1\nimage: registry.example.com/a:1\nbase: oci:u:1\nuser: 5\n' > minibuild.yaml
same "a base's are found" "$(status_of build minibuild.yaml -o oci:out.oci) $(grep -c '\[secret\]$' err.txt)" "3 2"
check "though a layer hides one" grep -q '/app/tok:1 has .* in layer 1, from which everybody can still take it \[secret\]' err.txt
check "at the base's place" grep -q '^minibuild.yaml:3:7: error: /app/tok' err.txt
same "check --image finds them" "$(status_of mini check --image oci:u:1) $(grep -c '\[secret\]' err.txt) $(grep -c '  fix: .*rule: secret' err.txt)" "3 2 2"
allow='{ rule: secret, path: "/app/\\[id\\].js", reason: a test }, { rule: secret, path: /app/tok, reason: a test }'
same "the fix names the path as a glob" "$(grep -cF 'path: "/app/\\[id\\].js", reason' err.txt)" 1
echo "policy: { allow: [$allow] }" >> minibuild.yaml
same "what the fix says, is accepted" "$(status_of build minibuild.yaml -o oci:out.oci)" 0
printf 'minibuild: 1\nuser: 5\nannotations: { a: glpat-aB3dE5fG7hI9jK1lM3nQ }\n' > note.yaml
same "in annotations" "$(status_of mini check note.yaml) $(status_of build note.yaml -o oci:out.oci)" "3 3"
printf 'minibuild: 1\nuser: 5\npolicy: { allow: [{ rule: secret, path: "", reason: x }] }\n' > empty.yaml
same "an empty path" "$(status_of mini check empty.yaml) $(grep -c "'path' is empty" err.txt)" "2 1"
mkdir many && for n in $(seq 14); do echo "glpat-${n}B3dE5fG7hI9jK1lM3nO" > many/f$n; done
printf 'minibuild: 1\nuser: 5\ncopy: [{ from: many, to: /many }]\n' > many.yaml
status_of mini check many.yaml --format json > /dev/null
same "machines are told of all" "$(jq '[.diagnostics[] | select(.fix != "")] | length' out.txt)" 14
printf 'root:x:0:0::/:\ntoor:x:0:0::/:\n' > passwd && printf 'minibuild: 1\nuser: 5\npolicy: { allow: [{ rule: duplicate-account, reason: x }] }\ncopy: [{ from: passwd, to: /etc/passwd }]\n' > third.yaml
check "an image with two names for root" build third.yaml -o oci:u:2
umoci config --image u:2 --config.user toor
same "another name for root" "$(status_of mini check --image oci:u:2) $(grep -c '\[root-user\]' err.txt)" "3 1"
printf 'minibuild: 1\nbase: oci:u:2\nuser: toor\n' > toor.yaml
same "in a spec, too" "$(status_of build toor.yaml -o oci:out.oci) $(grep -c '\[root-user\]' err.txt)" "3 1"
cd ..

# --- what a layer of umoci brings; a gate for a system of which nothing is known -----------------------------------------------
mkdir others && cd others
printf 'minibuild: 1\nuser: 5\nfiles: [{ file: /x, content: x }]\n' > first.yaml && build first.yaml -o oci:u:1 > /dev/null && echo glpat-aB3dE5fG7hI9jK1lM3nV > token
if command -v umoci > /dev/null; then
  umoci insert --image u:1 token /srv/token
  same "umoci's layers are read" "$(status_of mini check --image oci:u:1) $(grep -c '/srv/token:1 has' err.txt)" "3 1"
else
  echo "left out: a layer of umoci, which is not there"
fi
printf 'minibuild: 1\nuser: 5\nfiles:\n  - { file: /etc/os-release, content: "ID=fedora\\nVERSION_ID=43\\n" }\npolicy: { max-severity: critical, vulnerability-db: db.json }\n' > fedora.yaml
printf '{"id": "CVE-2026-1", "affected": [{"package": {"ecosystem": "Debian:12", "name": "x"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]}' > db.json
same "a system of which nothing is known" "$(status_of build fedora.yaml -o oci:f:1) $(grep -c 'nothing can be said.*\[max-severity\]' err.txt) $(grep -c 'fix: take a base of Debian' err.txt)" "3 1 1"
sed '/^policy/d' fedora.yaml > plain.yaml && build plain.yaml -o oci:f:1 > /dev/null && printf 'max-severity: critical\nvulnerability-db: db.json\n' > team.yaml
same "as an image" "$(status_of mini check --image oci:f:1 --policy team.yaml) $(grep -c 'nothing can be said' err.txt)" "3 1"
sed 's/ID=fedora.*n"/x"/' fedora.yaml > none.yaml && sed -i 's#/etc/os-release#/app#' none.yaml
same "a program alone is fine" "$(status_of build none.yaml -o oci:g:1)" 0
# --- layers that do not stand alone: a hard link to a lower one, an entry that is written twice, a link above a path
python3 - "$PWD" << 'E2'
import hashlib, io, json, os, sys, tarfile
top = sys.argv[1] + "/odd"
os.makedirs(top + "/blobs/sha256")
def put(data):
    digest = hashlib.sha256(data).hexdigest()
    open(f"{top}/blobs/sha256/{digest}", "wb").write(data)
    return "sha256:" + digest, len(data)
def layer(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, text in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, text if kind != tarfile.REGTYPE else "", 0o644
            info.size = len(text) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()
R, S, H = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
layers = [layer(("a", R, "x"), ("usr/lib/y", R, "y"), ("lib", S, "usr/lib")), layer(("b", H, "a"), ("k", R, "glpat-aB3dE5fG7hI9jK1lM3nW"), ("k", R, "text")),
          layer(("lib/t", R, "glpat-aB3dE5fG7hI9jK1lM3nX"))]
config = {"architecture": "amd64", "os": "linux", "config": {"User": "5"}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(one).hexdigest() for one in layers]}}
def descriptor(kind, data, **more):
    digest, size = put(data)
    return {"mediaType": kind, "digest": digest, "size": size, **more}
oci = "application/vnd.oci.image."
manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": descriptor(oci + "config.v1+json", json.dumps(config).encode()),
            "layers": [descriptor(oci + "layer.v1.tar", one) for one in layers]}
index = {"schemaVersion": 2, "manifests": [descriptor(oci + "manifest.v1+json", json.dumps(manifest).encode(), annotations={"org.opencontainers.image.ref.name": "1"})]}
json.dump(index, open(top + "/index.json", "w"))
open(top + "/oci-layout", "w").write('{"imageLayoutVersion": "1.0.0"}')
E2
odd() { status_of mini check --image oci:odd:1 --format json > /dev/null; jq -r '.violations[] | select(.rule == "secret") | .path + (if .message | test("in layer") then " hidden" else "" end)' out.txt | sort | tr '\n' ','; }
same "what was written over, and below a link" "$(odd)" "/k hidden,/usr/lib/t,"
same "the second time" "$(odd)" "/k hidden,/usr/lib/t,"
# --- a stage as base
printf 'minibuild: 1\nuser: 5\nstages: { a: { base: "oci:u:1" } }\nbase: { stage: a }\npolicy: { allow: [{ rule: secret, reason: x }], trusted-bases: ["registry.example.com/**"] }\n' > stage.yaml
same "a base behind a stage" "$(status_of mini check stage.yaml) $(status_of build stage.yaml -o oci:st:1) $(grep -c '\[untrusted-base\]' err.txt)" "3 3 1"
# --- fixes for leftovers, as they stand
mkdir -p src/.git && echo x > src/.git/HEAD && echo y > src/main
leftover() { printf 'minibuild: 1\nuser: 5\ncopy: [{ from: src, to: /app%s }]\n%s\npolicy: { deny: [leftover] }\n' "$1" "$2" > left.yaml; status_of build left.yaml -o oci:left:1; }
same "a leftover" "$(leftover "" "") $(grep -c 'add "/app/.git" to .remove., or "\*\*/.git" to .exclude.' err.txt)" "3 1"
same "its fixes" "$(leftover ', exclude: ["**/.git"]' '') $(leftover '' 'remove: ["/app/.git"]')" "0 0"
printf 'minibuild: 1\nuser: 5\nfiles:\n  - { file: /app/x, content: x }\n  - { file: /app/.git/HEAD, content: x }\npolicy: { deny: [leftover] }\n' > left.yaml
same "its place" "$(status_of build left.yaml -o oci:left:1) $(grep -c '^left.yaml:5:' err.txt)" "3 1"
cd ..

# --- keys as the programs make them ---------------------------------------------------------------------------------------
mkdir keys && cd keys && mkdir app
if command -v ssh-keygen > /dev/null; then
  for type in ed25519 rsa ecdsa; do ssh-keygen -q -t $type -N "" -f app/ssh-$type; ssh-keygen -q -t $type -N passphrase -f app/locked-$type; done
  want=12
else
  echo "left out: keys of ssh-keygen, which is not there"
  want=6
fi
openssl genpkey -algorithm ED25519 -out app/pkcs8 && openssl genrsa -traditional -out app/rsa 2048 2> /dev/null && openssl ecparam -name prime256v1 -genkey -noout -out app/ec
openssl pkcs8 -topk8 -in app/ec -passout pass:passphrase -out app/locked
sed ':a;N;$!ba;s/\n/\\n/g; s/.*/{"key": "&"}/' app/rsa > app/key.json && sed 's/$/\r/; s/^/    /' app/rsa > app/indented.txt
printf 'minibuild: 1\nuser: 5\ncopy: [{ from: app, to: /app }]\n' > minibuild.yaml
status_of mini check --format json > /dev/null
same "every private key is found" "$(jq '[.diagnostics[] | select(.rule == "secret" and (.message | test("private key")))] | length' out.txt)" "$want"
cd ..

# --- what a foreign config has besides ------------------------------------------------------------------------------------
mkdir foreign && cd foreign
python3 - "$SCRATCH/outside/u" "$PWD/u" << 'E2'
import hashlib, json, os, shutil, sys
shutil.copytree(sys.argv[1], sys.argv[2])
def path(d): return os.path.join(sys.argv[2], "blobs/sha256", d.split(":")[1])
def put(value):
    data = json.dumps(value).encode(); digest = "sha256:" + hashlib.sha256(data).hexdigest()
    open(path(digest), "wb").write(data)
    return digest, len(data)
index = json.load(open(sys.argv[2] + "/index.json"))
entry = next(one for one in index["manifests"] if one["annotations"]["org.opencontainers.image.ref.name"] == "2")
manifest = json.load(open(path(entry["digest"])))
config = json.load(open(path(manifest["config"]["digest"])))
config["config"]["Healthcheck"] = {"Test": ["CMD-SHELL", "curl -H 'x: glpat-aB3dE5fG7hI9jK1lM3nS' http://localhost"], "Interval": 1}
config["config"]["OnBuild"] = ["RUN login glpat-aB3dE5fG7hI9jK1lM3nT"]
manifest["config"]["digest"], manifest["config"]["size"] = put(config)
entry["digest"], entry["size"] = put(manifest)
json.dump({"schemaVersion": 2, "manifests": [entry]}, open(sys.argv[2] + "/index.json", "w"))
E2
same "health check and triggers" "$(status_of mini check --image oci:u:2 --format json) $(jq -r '.violations[] | select(.rule == "secret") | .place' out.txt | sort | xargs)" "3 Healthcheck:Test OnBuild"
cd ..

# --- each is told at its own line, not at the first of its list ---------------------------------------------------------------
mkdir lines && cd lines && echo x > f
cat > minibuild.yaml << 'E2'
minibuild: 1
args: { HOST: registry.example.com, SSH: "22" }
image:
  - ${HOST}/a:1
  - ${HOST}/a:latest
user: 0:0
workdir: /srv
cmd: [/bin/gone]
env:
  LEVEL: debug
  DB_PASSWORD: Tr0ub4dor-and-3
ports:
  - 8080
  - ${SSH}
volumes:
  - /data
  - /proc/x
labels:
  org.opencontainers.image.title: t
  org.opencontainers.image.revision: abc
annotations:
  a: b
  c: glpat-aB3dE5fG7hI9jK1lM3nQ
copy:
  - { from: f, to: /g }
  - { from: f, to: /f, mode: "4755" }
policy:
  required-labels: [org.opencontainers.image.source]
  deny: [root-user, latest-tag, ssh-port, system-mount, label-schema, setuid, entrypoint]
E2
places() { grep -o '^minibuild.yaml:[0-9:]* error: .*\[[a-z-]*\]$' err.txt | sed 's/^minibuild.yaml:\([0-9]*:[0-9]*\): .*\[\(.*\)\]$/\1 \2/' | sort -V | tr '\n' ','; }
status_of mini check minibuild.yaml > /dev/null
same "check: lines" "$(places)" "5:5 latest-tag,6:7 root-user,11:3 secret,14:5 ssh-port,17:5 system-mount,19:3 missing-label,20:3 label-schema,23:3 secret,26:5 setuid,"
status_of build minibuild.yaml -o oci:out.oci > /dev/null
same "build: the same lines" "$(places)" "5:5 latest-tag,6:7 root-user,8:6 entrypoint,11:3 secret,14:5 ssh-port,17:5 system-mount,19:3 missing-label,20:3 label-schema,23:3 secret,26:5 setuid,"
cd ..

# --- an image and its spec: the same rules ---------------------------------------------------------------------------
cd places
sed -e 's/^policy:.*/policy:\n  warn: [secret, root-user, missing-label]/' -e '/^  deny/d' minibuild.yaml > warn.yaml
same "warnings let it pass" "$(status_of build warn.yaml -o oci:out.oci)" 0
grep -A9 '^policy:' minibuild.yaml > team.yaml
same "check --image refuses it" "$(status_of mini check --image out.oci --policy team.yaml --format json)" 3
sort -u -k2 want.txt | cut -d' ' -f2 | grep -v latest-tag | sort > rules.txt
check "by the same rules" diff rules.txt <(jq -r '.violations[] | select(.level == "error") | .rule' out.txt | sort -u)
cd ..

# --- shared policies ------------------------------------------------------------------------------------------------
mkdir -p shared/policies shared/app && cd shared
spec() { printf 'minibuild: 1\nimage: registry.example.com/a:1\nuser: 5\nfiles: [{ file: /usr/bin/su, content: x, mode: "4755" }]\n'; cat; }
printf 'deny: [setuid]\n' > policies/team.yaml
printf 'policy: { file: ../policies/team.yaml }\n' | spec > app/minibuild.yaml
same "shared: relative to the spec" "$(status_of mini check app/minibuild.yaml)" 3
same "shared: wherever it is called" "$(cd app && status_of mini check)" 3
same "shared: build" "$(status_of build app/minibuild.yaml -o oci:x.oci)" 3
printf 'minibuild: 1\npolicy:\n  deny: [setuid]\n' > policies/team.yaml
same "shared: under the key policy" "$(status_of mini check app/minibuild.yaml)" 3
printf 'policy: { file: ../policies/team.yaml, warn: [setuid] }\n' | spec > app/minibuild.yaml
same "shared: the stricter level" "$(status_of mini check app/minibuild.yaml)" 3
printf 'policy: { file: ../policies/team.yaml, deny: [setuid] }\n' | spec > app/minibuild.yaml
printf 'warn: [setuid]\n' > policies/team.yaml
same "shared: the stricter level, own" "$(status_of mini check app/minibuild.yaml)" 3
printf 'deny: [setuid]\nallow: [{ rule: setuid, path: /usr/bin/su, reason: "the login service" }]\n' > policies/team.yaml
same "shared: its exceptions" "$(status_of mini check app/minibuild.yaml)" 0
printf 'max-size: 100\nallow: [{ rule: setuid, reason: x }]\n' > policies/team.yaml
printf 'policy: { file: ../policies/team.yaml, max-size: 1GB }\n' | spec > app/minibuild.yaml
same "shared: the smaller size" "$(status_of build app/minibuild.yaml -o oci:x.oci)" 3
check "shared: the place of the size is where the file is named" grep -q '^app/minibuild.yaml:5:17: error: .*\[max-size\]' err.txt
printf 'required-labels: [a]\nallow: [{ rule: setuid, reason: x }]\n' > policies/team.yaml
printf 'policy: { file: ../policies/team.yaml, required-labels: [b] }\nlabels: { b: x }\n' | spec > app/minibuild.yaml
same "shared: all labels" "$(status_of mini check app/minibuild.yaml)" 3
printf 'trusted-bases: ["registry.example.com/team/**"]\nallow: [{ rule: setuid, reason: x }]\n' > policies/team.yaml
for own in '["**"]' '["registry.example.com/**"]'; do
  printf 'base: registry.example.com/other:1@sha256:%064d\npolicy: { file: ../policies/team.yaml, trusted-bases: %s }\n' 1 "$own" | spec > app/minibuild.yaml
  same "shared: a spec cannot trust more: $own" "$(status_of mini check app/minibuild.yaml)" 3
  check "shared: and it says which" grep -q 'use one of registry.example.com/team/\*\*' err.txt
done
printf 'base: registry.example.com/team/base:1@sha256:%064d\npolicy: { file: ../policies/team.yaml }\n' 1 | spec > app/minibuild.yaml
same "shared: a trusted base" "$(status_of mini check app/minibuild.yaml)" 0
wrong() { # NAME CONTENT MESSAGE
  printf "$2" > policies/team.yaml
  printf 'policy: { file: ../policies/team.yaml }\n' | spec > app/minibuild.yaml
  same "wrong: $1: check" "$(status_of mini check app/minibuild.yaml)" 2
  check "wrong: $1: says so" grep -qF -e "$3" err.txt
  check "wrong: $1: at the place of its name" grep -q '^app/minibuild.yaml:5:17: error: ' err.txt
  same "wrong: $1: build" "$(status_of build app/minibuild.yaml -o oci:x.oci)" 2
  same "wrong: $1: --policy" "$(status_of mini check --image "$SCRATCH/places/out.oci" --policy policies/team.yaml)" 2
  check "wrong: $1: --policy says so" grep -qF -e "$3" err.txt
}
wrong "a rule" 'deny: [setid]\n' "there is no rule 'setid'; did you mean 'setuid'?"
check "wrong: a rule: its place in the file" grep -q '^policies/team.yaml:1:8: error: ' err.txt
wrong "a key" 'denny: [setuid]\n' "did you mean 'deny'?"
wrong "no reason" 'allow: [{ rule: setuid }]\n' "an exception needs 'reason'"
wrong "an empty reason" 'allow: [{ rule: setuid, reason: " " }]\n' "an exception needs 'reason'"
wrong "no list" 'deny: setuid\n' "'deny' must be a list"
wrong "a size" 'max-size: large\n' "'max-size' is 'large'"
wrong "two levels" 'deny: [setuid]\nwarn: [setuid]\n' "under 'deny' already"
wrong "a policy that names another" 'file: other.yaml\n' "a shared policy cannot name another"
wrong "a key beside policy" 'policy: { deny: [setuid] }\nimage: x\n' "image"
wrong "no YAML" 'deny: [\n' "team.yaml"
wrong "nothing" '' "team.yaml"
rm policies/team.yaml
same "wrong: no file" "$(status_of mini check app/minibuild.yaml)" 2
check "wrong: no file: says so" grep -q "team.yaml: No such file" err.txt
same "--policy: no file" "$(status_of mini check --image "$SCRATCH/places/out.oci" --policy policies/team.yaml)" 2
same "--policy and a spec" "$(status_of mini check --policy policies/team.yaml app/minibuild.yaml)" 2
same "--image and a spec" "$(status_of mini check --image x.oci app/minibuild.yaml)" 2
same "an image that is not there" "$(status_of mini check --image nothing.oci)" 1
cd ..

# --- pins -----------------------------------------------------------------------------------------------------------
mkdir pins && cd pins
printf 'minibuild: 1\nimage: registry.example.com/a:1\nbase: registry.example.com/base:1\n' > minibuild.yaml
same "unpinned without a lock: nothing is wrong with the spec" "$(status_of mini check --format json)" 0
same "unpinned: its place" "$(jq -c '.diagnostics[] | [.rule, .severity, .line, .column]' out.txt)" '["unpinned","warning",3,7]'
check "unpinned: what to do" grep -q 'minibuild lock minibuild.yaml' out.txt
printf 'minibuild: 1\nimage: registry.example.com/a:1\nbase: registry.example.com/base:1@sha256:%064d\n' 1 > minibuild.yaml
same "pinned by a digest" "$(status_of mini check)" 0
printf 'minibuild: 1\nimage: registry.example.com/a:1\nbase: registry.example.com/base\npolicy: { deny: [latest-tag], warn: [unpinned] }\n' > minibuild.yaml
same "a base without a tag" "$(status_of mini check --format json)" 3
same "a base without a tag: what" "$(jq -c '[.diagnostics[] | [.rule, .severity, .line]]' out.txt)" '[["latest-tag","error",3],["unpinned","warning",3]]'
same "nothing is written" "$(find . -name '*.json' | xargs)" ""
cd ..

# --- labels that a base may bring are judged when it is there --------------------------------------------------------
mkdir labels && cd labels
printf 'minibuild: 1\nimage: registry.example.com/base:1\nuser: 5\nlabels: { com.example.team: us }\n' > base.yaml
printf 'minibuild: 1\nimage: registry.example.com/a:1\nbase: ./base.yaml\npolicy: { required-labels: [com.example.team] }\n' > minibuild.yaml
same "a label of the base: check" "$(status_of mini check)" 0
same "a label of the base: build" "$(status_of build minibuild.yaml -o oci:a.oci)" 0
sed -i 's/com.example.team: us/x: y/' base.yaml
same "no label: build" "$(status_of build minibuild.yaml -o oci:b.oci)" 3
cd ..

# --- credentials: exceptions and baselines ---------------------------------------------------------------------------
mkdir -p credentials/sub && cd credentials
token=ghp_$(printf 'nobody' | sha256sum | cut -c1-36)
printf 'token=%s\n' "$token" > sub/a.conf; printf 'x\ntoken=%s\n' "${token/ghp_/ghs_}" > sub/b.conf
printf 'minibuild: 1\nimage: registry.example.com/a:1\nuser: 5\ncopy: [{ from: sub, to: /etc/app }]\nenv: { OLD_TOKEN: %s }\n' "${token/ghp_/gho_}" > plain.yaml
base='policy: { secret-baseline: known.json }'
{ cat plain.yaml; echo "$base"; } > minibuild.yaml
same "a baseline that is not there" "$(status_of mini check)" 2
check "says how to write it" grep -q 'minibuild check --write-baseline known.json minibuild.yaml' err.txt
same "which works" "$(status_of mini check --write-baseline known.json minibuild.yaml)" 3
same "three findings" "$(jq '.findings | length' known.json)" 3
same "no credential in it" "$(grep -c "${token#ghp_}" known.json)" 0
same "known: check" "$(status_of mini check)" 0
same "known: build" "$(status_of build minibuild.yaml -o oci:a.oci)" 0
cp known.json before.json
same "written once more" "$(status_of mini check --write-baseline known.json minibuild.yaml)" 0
check "nothing is lost" cmp before.json known.json
printf 'token=%s\n' "${token/ghp_/ghu_}" > sub/c.conf
same "a new one is found" "$(status_of mini check)" 3
same "and only that" "$(grep -c '\[secret\]' err.txt)" 1
check "it is c.conf" grep -q /etc/app/c.conf err.txt
cat > team.yaml << 'E2'
secret-baseline: known.json
allow: [{ rule: secret, path: /etc/app/c.conf, reason: "a test" }]
E2
{ cat plain.yaml; echo 'policy: { file: team.yaml }'; } > minibuild.yaml
same "shared: baseline and exception" "$(status_of mini check)" 0
same "shared: build" "$(status_of build minibuild.yaml -o oci:a.oci)" 0
same "check --image: the same" "$(status_of mini check --image a.oci --policy team.yaml)" 0
same "check --image: without it" "$(status_of mini check --image a.oci --format json)" 3
same "check --image: four" "$(jq '[.violations[] | select(.rule == "secret")] | length' out.txt)" 4
same "check --image: writes one" "$(status_of mini check --image a.oci --write-baseline image.json)" 3
printf 'secret-baseline: image.json\n' > image.yaml
same "check --image: which holds" "$(status_of mini check --image a.oci --policy image.yaml)" 0
printf '{"version":1}' > known.json
same "a broken baseline" "$(status_of mini check)" 2
{ cat plain.yaml; echo 'policy: { allow: [{ rule: secret, path: "/etc/**", reason: x }] }'; } > minibuild.yaml
same "an exception with a path covers no variable" "$(status_of mini check --format json)" 3
same "only the variable is left" "$(jq -c '[.diagnostics[] | select(.rule == "secret") | .line]' out.txt)" '[5]'
cd ..

# --- SARIF by the validator of its makers -----------------------------------------------------------------------------
(cd places && mini check --format sarif > "$SCRATCH/spec.sarif"; mini check --image out.oci --policy team.yaml --format sarif > "$SCRATCH/image.sarif"
  printf 'minibuild: 1\nimage: [\n' > broken.yaml; mini check --format sarif broken.yaml > "$SCRATCH/broken.sarif"
  printf 'minibuild: 1\nimage: registry.example.com/a:1\nuser: 5\n' > fine.yaml; mini check --format sarif fine.yaml > "$SCRATCH/fine.sarif")
same "sarif: many results" "$(jq '.runs[0].results | length' spec.sarif) $(jq '.runs[0].results | length > 10' image.sarif) $(jq '.runs[0].results | length' fine.sarif)" "14 true 0"
tool=$SCRATCH/npm/node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool
if [ -n "${SARIF_MULTITOOL:-}" ]; then
  tool=$SARIF_MULTITOOL
elif ! npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$SCRATCH/npm" @microsoft/sarif-multitool@5.7.0 > npm.log 2>&1; then
  echo "left out: the SARIF validator, which npm could not install: $(tail -1 npm.log)"
fi
if [ -e "$tool" ]; then
  chmod u+x "$tool"
  for file in spec image broken fine; do
    DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 "$tool" validate "$file.sarif" --output "$file.report" --log ForceOverwrite --level 'Error;Warning' > tool.log 2>&1
    if [ ! -e "$file.report" ]; then echo "left out: the SARIF validator, which does not run here: $(head -c 300 tool.log)"; break; fi
    same "sarif: $file has no errors" "$(jq -c '[.runs[].results[] | select(.level == "error") | .ruleId]' "$file.report")" "[]"
    same "sarif: $file fits the schema" "$(jq -c '[.runs[].results[] | select(.ruleId | startswith("JSON")) | .ruleId]' "$file.report")" "[]"
  done
  # The validator does find something.
  jq '.runs[0].results[0].ruleIndex = 999 | .version = "2.0"' spec.sarif > bad.sarif
  DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 "$tool" validate bad.sarif --output bad.report --log ForceOverwrite --level 'Error;Warning' > tool.log 2>&1
  check "sarif: the validator finds faults" jq -e '[.runs[].results[] | select(.level == "error")] | length > 0' bad.report
fi

# --- the JSON of inspect, in OPA -------------------------------------------------------------------------------------
example=$SOURCE/examples/policy
(cd places && mini inspect --json out.oci) > bad.json
mkdir fine && (cd fine && printf 'minibuild: 1\nimage: registry.example.com/a:1\nuser: 65532\nlabels: { org.opencontainers.image.source: "https://git.example.com/a" }\nfiles: [{ file: /etc/fine, content: x }]\n' > minibuild.yaml &&
  build minibuild.yaml -o oci:out.oci > digest && mini inspect --json out.oci) > fine.json
# Every kind of file, packages, annotations and an index: what is printed is what docs/policy.md has a row for, no less and no more.
mkdir all && (cd all && printf 'minibuild: 1\nimage: registry.example.com/a:1\nuser: 5\nplatforms: [linux/amd64, linux/arm64]\nannotations: { a: b }\nfiles:\n  - { symlink: /link, target: x }\n  - { file: /var/lib/dpkg/status, content: "%s" }\n' \
  'Package: libfoo-dev\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n' > minibuild.yaml && build minibuild.yaml -o oci:out.oci > digest && mini inspect --json --platform linux/amd64 out.oci > one.json && mini inspect --json out.oci > two.json)
same "an index: its fields" "$(jq -c keys all/two.json)" '["images","index"]'
same "an index: its images" "$(jq -c '.images[].platform' all/two.json | xargs)" "linux/amd64 linux/arm64"
documented=$(sed -n '/^## The JSON of/,/^## /p' "$SOURCE/docs/policy.md" | grep -oE '^\| `[^`]+`' | tr -d '|` ' | sort -u)
printed=$(jq -r 'paths | map(if type == "number" then "[]" else . end) | join(".") | gsub("\\.\\[\\]"; "[]")' all/one.json bad.json |
  grep -vE '^(config\.config|annotations|config\.history\[\]|config\.rootfs)\.|^config\.history\[\]$|\[\]$' | sort -u)
check "the JSON of inspect is documented" diff <(echo "$documented") <({ echo "$printed"; jq -r 'keys[] | select(. == "index")' all/two.json; } | sort -u)
check "the example's team.yaml is a policy" mini check --image fine/out.oci --policy "$example/team.yaml"
same "the example's team.yaml refuses" "$(status_of mini check --image places/out.oci --policy "$example/team.yaml")" 3
opa=${OPA:-$(command -v opa || true)}
if [ -n "$opa" ]; then
  check "opa: the policy is well-formed" "$opa" check --strict "$example/image.rego"
  same "opa: a fine image" "$("$opa" eval --fail-defined -f raw -d "$example/image.rego" -i fine.json 'data.main.deny[_]')" ""
  "$opa" eval -f json -d "$example/image.rego" -i bad.json 'data.main.deny' | jq -r '.result[0].expressions[0].value[]' | sort > denied.txt
  check "opa: what it refuses" diff denied.txt - << 'E2'
/usr/bin/su is setuid
port 22 is exposed
the image runs as root
the label org.opencontainers.image.source is missing
E2
  same "opa: packages" "$("$opa" eval --fail-defined -f raw -d "$example/image.rego" -i all/one.json 'data.main.deny[_]' | grep -c '^libfoo-dev 1 is for building')" 1
else
  echo "left out: the example policy in OPA; neither \$OPA nor opa is there"
fi
finish
