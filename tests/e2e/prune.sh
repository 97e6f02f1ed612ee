#!/usr/bin/env bash
# Retention, against Debian's docker-registry: many tags over few images, indexes, signatures and lists of referrers, pushes
# meanwhile; prune_oracle.py says by rules of its own what has to stay. Then registries that do more, and layouts.
. "$(dirname "$0")/lib.sh"
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG
for tool in docker-registry skopeo jq; do
  command -v "$tool" > /dev/null || { echo "skipped: $tool is missing"; exit 77; }
done
repository() { python3 "$SOURCE/tests/e2e/prune_repository.py" "$@"; }
oracle() { python3 "$SOURCE/tests/e2e/prune_oracle.py" "$@"; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
wait_for() { for _ in $(seq 100); do curl -ks "$1" > /dev/null && return; sleep 0.1; done; echo "nothing answers at $1"; }
# serve NAME DELETE: docker-registry on the port $port; both share the data.
serve() {
  printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}%s}\nhttp: {addr: "127.0.0.1:%s"}\n' "$SCRATCH/data" "$2" "$port" > "$1.yml"
  docker-registry serve "$1.yml" > "$1.log" 2>&1 &
  pids+=($!)
}
# between MODE FILE URL: a proxy before the registry, on $port.
between() {
  python3 "$SOURCE/tests/e2e/prune_repository.py" proxy "$port" "$3" "$1" "$2" > "proxy.$1.log" 2>&1 &
  pids+=($!)
  wait_for "http://127.0.0.1:$port/v2/"
}
port=$(free_port) && real=127.0.0.1:$port && serve real ", delete: {enabled: true}"
port=$(free_port) && strict=127.0.0.1:$port && serve strict ""
wait_for "http://$real/v2/" && wait_for "http://$strict/v2/"
U=http://$real/team/app
prune() { "$MINIBUILD" prune "$@" > out 2> err; }

repository fill "$U" || exit 1
cat > policy.json << 'E2'
{"minibuild": 1, "retention": [
  {"tags": "keep-*", "keep": "all"},
  {"tags": "latest", "keep": "all"},
  {"tags": ["v*", "1.*"], "exclude": "*-rc*", "keep-last": 6, "by": "semver"},
  {"tags": ["nightly-*", "repro-*"], "keep-within": "9d"},
  {"tags": "pr-*", "keep-last": 5, "by": "pushed"},
  {"untagged": true, "keep-within": "2w", "repositories": "elsewhere/*"}
]}
E2
oracle state "$U" > before.json
same "there are many tags" "$(jq '.tags | length >= 200' before.json)" true
A="--plain-http $real --policy policy.json"
prune "$real/team/app" $A
same "a dry run" "$? $(grep -c 'nothing is done without --yes' err)" "0 1"
same "it explains a version" "$(grep -c '^v5 .*it is no semantic version' out)" 1
same "it says whose time is not known" "$(grep -c 'the time of 8 is not known, as of reproducible images; it stays: repro-0' err)" 1
prune "docker://$real/team/app" $A --format json && cp out plan.json
oracle want "$U" policy.json > want.json
same "the tags that rules keep" "$(jq -r '.tags[] | select(.decision == "keep") | .tag | select(startswith("sha256-") | not)' plan.json | sort | xargs)" "$(jq -r '.keep_tags[]' want.json | sort | xargs)"
same "the manifests that stay" "$(jq -r '.manifests[] | select(.decision == "keep") | .digest' plan.json | sort | xargs)" "$(jq -r '.stay[]' want.json | xargs)"
same "those that go" "$(jq -r '.deletions[]' plan.json | sort | xargs)" "$(jq -r '(.documents - .stay)[]' want.json | xargs)"
prune "$real/team/app" $A --yes --max-deletions 7
same "the guard" "$? $(grep -c 'refused to prune docker://.*/team/app: 110 manifests would go, and at most 7 may' err)" "3 1"
sed 's/^{/{"max-deletions": 8, /' policy.json > guard.json && prune "$real/team/app" --plain-http "$real" --policy guard.json --yes
same "the policy's guard" "$? $(grep -c 'at most 8 may' err)" "3 1"
echo '{"retention": [{"tags": "none-*", "keep": "all"}]}' > none.json && prune "$real/team/app" --plain-http "$real" --policy none.json --yes
same "not every tag" "$? $(grep -c 'no tag of it would stay' err)" "3 1"
echo '{"retention": [{"tags": "*", "keep": "all", "repositories": "other/*"}]}' > other.json && prune "$real/team/app" --plain-http "$real" --policy other.json --yes
same "a policy for others" "$? $(grep -c 'no rule of the policy is about it' err)" "2 1"
prune "$strict/team/app" --plain-http "$strict" --policy policy.json --yes
same "deletion is switched off" "$? $(grep -c 'deletes no manifests; deletion has to be switched on there.*Nothing was deleted' err)" "1 1"
oracle state "$U" > after.json
check "until here nothing has changed" cmp before.json after.json

# Now for good: with pushes all the time, and at the worst moments tags that need what is about to go.
repository events "$U" plan.json > events.json
oracle want "$U" policy.json events.json > want.json
same "a list has to be shortened" "$(jq '.lists | length' want.json)" 1
port=$(free_port) && between late "$SCRATCH/events.json" "$U"
repository push "$U" 3 > pushed.json 2> push.err &
pusher=$!
prune "127.0.0.1:$port/team/app" --plain-http "127.0.0.1:$port" --policy policy.json --yes
same "prune" "$? $(grep -c 'stays after all' err)" "0 $(jq -n --slurpfile want want.json --slurpfile plan plan.json '[$plan[0].deletions[] | select(IN($want[0].stay[]))] | length')"
cp err pruned.log
check "in the right order" oracle order before.json pruned.log
wait "$pusher"
check "pushes go on meanwhile" test "$(jq length pushed.json)" -gt 10
check "what should stay is there whole, the rest is gone" oracle check "$U" want.json pushed.json
for tag in latest keep-0 nightly-multi-0 late-first late-index late-last; do
  check "skopeo pulls $tag" skopeo copy -q --all --src-tls-verify=false "docker://$real/team/app:$tag" "oci:pulled:$tag"
done
# What came meanwhile is an image like others at the next time; after that nothing is left to do.
sed 's/"latest"/["latest", "late-*", "new-*"]/' policy.json > again.json
prune "$real/team/app" --plain-http "$real" --policy again.json --yes
oracle state "$U" > before.json
prune "$real/team/app" --plain-http "$real" --policy again.json --yes
same "a second run deletes nothing" "$? $(grep -c 'deleted 0 manifests (0 tags)' err)" "0 1"
oracle state "$U" > after.json
check "and changes nothing" cmp before.json after.json

# A registry that deletes tags alone; one that takes the image away with any of its tags.
echo '{"retention": [{"tags": "v*", "keep-last": 2, "by": "semver"}]}' > two.json
repository small "http://$real/team/small" > referrers
repository small "http://$real/team/wrong" > referrers.wrong
port=$(free_port) && between untag "$SCRATCH/data/docker/registry/v2/repositories/team/small/_manifests/tags" "http://$real/team/small"
prune "127.0.0.1:$port/team/small" --plain-http "127.0.0.1:$port" --policy two.json --yes
same "tags alone" "$? $(curl -s "http://$real/v2/team/small/tags/list" | jq -c '.tags | sort')" '0 ["v1.1.0","v1.2.0"]'
port=$(free_port) && between wrong "" "http://$real/team/wrong"
prune "127.0.0.1:$port/team/wrong" --plain-http "127.0.0.1:$port" --policy two.json --yes
same "it is put back" "$? $(grep -c 'it was put back' err) $(curl -s "http://$real/v2/team/wrong/tags/list" | jq -c '.tags | sort')" '1 1 ["v1.1.0","v1.2.0"]'

# A registry with the referrers API: there are no lists, and manifests that only the API knows.
repository small "http://$real/team/api" | jq -s . > referrers.json
port=$(free_port) && between referrers "$SCRATCH/referrers.json" "http://$real/team/api"
prune "127.0.0.1:$port/team/api" --plain-http "127.0.0.1:$port" --policy two.json --yes
same "with the API" "$? $(grep -c '^deleted' err)" "0 3"
there() { jq -r ".[$1].entry.digest" referrers.json | while read -r one; do curl -s -o /dev/null -w '%{http_code} ' -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$real/v2/team/api/manifests/$one"; done; }
same "referrers of what went, and theirs" "$(there 0)$(there 1)" "404 404 "
same "referrers of what stays" "$(there 2)$(there 3)$(there 4)$(there 5)" "200 200 200 200 "
same "the referrers went first" "$(sed -n 's/^deleted \([^ ]*\).*/\1/p' err | xargs)" "$(jq -r '[.[1].entry.digest, .[0].entry.digest, .[0].subject] | join(" ")' referrers.json)"

# A tag that is listed and not there: it may need anything. A registry that says yes and deletes nothing.
echo '{"retention": [{"tags": "v1.0.0", "keep": "all"}]}' > lost.json
repository small "http://$real/team/lost" > /dev/null
oracle state "http://$real/team/lost" > before.json
port=$(free_port) && between lost v1.0.0 "http://$real/team/lost"
prune "127.0.0.1:$port/team/lost" --plain-http "127.0.0.1:$port" --policy lost.json --yes
same "a kept tag is not there" "$? $(grep -c 'the tag v1.0.0 stays, but is not there.*Nothing was deleted' err)" "1 1"
oracle state "http://$real/team/lost" > after.json
check "nothing has changed" cmp before.json after.json
prune "127.0.0.1:$port/team/lost" --plain-http "127.0.0.1:$port" --policy two.json
same "one that does not stay is of no importance" "$?" 0
port=$(free_port) && between later "" "http://$real/team/lost"
prune "127.0.0.1:$port/team/lost" --plain-http "127.0.0.1:$port" --policy lost.json --yes --max-deletions 9
same "a deletion that is put off" "$? $(grep -c 'stays after all: the registry has it although it was told to delete it' err) $(grep -c 'deleted 0 manifests (0 tags), kept 3' err)" "0 2 1"
port=$(free_port) && between lost v1.0.0 "http://$real/team/lost"
prune "127.0.0.1:$port/team/lost" --plain-http "127.0.0.1:$port" --policy lost.json --yes --ignore-missing
same "unless it is said to be gone" "$? $(grep -c 'no tag of it would stay' err)" "3 1"

# Layouts.
for version in 1 2 3; do
  printf 'minibuild: 1\nfiles: [{ file: /v, content: "%s" }, { file: /same, content: "same" }]\nuser: 1\n' "$version" > v.yaml
  build v.yaml -o "oci:layout:v1.0.$version" > "digest.$version"
done
build v.yaml -o oci:layout:latest > /dev/null
head -c 100 /dev/zero > "layout/blobs/sha256/$(printf 1%.0s $(seq 64))"
cp -a layout layout.before
prune oci:layout --policy two.json
check "a dry run of a layout" diff -r layout layout.before
flock layout sleep 1 &
sleep 0.3
begin=$(date +%s%N)
prune oci:layout --policy two.json --yes
same "a layout" "$? $(jq -c '[.manifests[].annotations["org.opencontainers.image.ref.name"]]' layout/index.json)" '0 ["v1.0.2","v1.0.3"]'
check "it waits for other writers" test $((($(date +%s%N) - begin) / 1000000)) -ge 400
check "it is valid" python3 "$SOURCE/tests/e2e/validate.py" layout
needed() { skopeo inspect --raw "oci:layout:$1" | jq -r '.config.digest, .layers[].digest'; jq -r ".manifests[] | select(.annotations[\"org.opencontainers.image.ref.name\"] == \"$1\") | .digest" layout/index.json; }
same "its blobs are those that are needed" "$(ls layout/blobs/sha256 | xargs)" "$({ needed v1.0.2; needed v1.0.3; } | sed 's/sha256://' | sort -u | xargs)"
rm -rf layout.before && cp -a layout layout.before
prune oci:layout --policy two.json --yes
same "again" "$? $(diff -r layout layout.before)" "0 "

# What is no layout of ours: full names as tags, nothing but images without a tag, an index without its blob, another version.
printf '{"retention": [{"tags": "*", "keep": "all"}]}' > all.json
jq '.manifests[0].annotations["org.opencontainers.image.ref.name"] = "docker.io/library/app:1"' layout/index.json > index && cp -a layout full && cp index full/index.json
prune oci:full --policy all.json --yes
same "a name with slashes" "$? $(jq '.manifests | length' full/index.json)" "0 2"
jq 'del(.manifests[].annotations)' layout/index.json > index && cp index full/index.json
prune oci:full --policy all.json --yes
same "not all of it" "$? $(grep -c 'no image of it would stay; if that is meant, say --max-deletions 2' err) $(jq '.manifests | length' full/index.json)" "3 1 2"
cp layout/index.json full/ && rm "full/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' layout/index.json)"
prune oci:full --policy all.json --yes
same "a blob is missing" "$? $(grep -c 'the tag v1.0.2 stays, but is not there' err)" "1 1"
echo '{"imageLayoutVersion": "2.0.0"}' > full/oci-layout
prune oci:full --policy all.json --yes
same "a layout of another version" "$? $(grep -c "has the version '2.0.0', want 1.0.0" err)" "1 1"
prune oci:layout --policy two.json --max-deletions ""
same "a limit that was forgotten" "$? $(grep -c "got --max-deletions '', want a number" err)" "2 1"
printf 'retention:\n  - { tags: "v{1,2}.*", keep: all }\n  - { tags: v1, keep-last: 2, by: [] }\n' > bad.yaml
prune oci:layout --policy bad.yaml
same "a pattern as in a shell, an empty order" "$? $(grep -c "write a list of patterns\|is an empty list" err)" "2 2"

# Signatures that minibuild makes, in both forms and both places.
openssl ecparam -name prime256v1 -genkey -noout 2> /dev/null | openssl pkcs8 -topk8 -nocrypt -out key.pem && openssl pkey -in key.pem -pubout -out pub.pem
cp -a layout signed && build v.yaml -o oci:signed:v1.0.3 > /dev/null && printf 'minibuild: 1\nfiles: [{ file: /v, content: "0" }]\nuser: 1\n' > v.yaml && build v.yaml -o oci:signed:v1.0.0 > /dev/null
for version in 0 2 3; do
  check "copy $version" "$MINIBUILD" copy "oci:signed:v1.0.$version" "docker://$real/team/signed:v1.0.$version" --plain-http "$real"
  check "sign $version" "$MINIBUILD" sign "docker://$real/team/signed:v1.0.$version" --key key.pem --plain-http "$real"
  check "sign $version in the layout" "$MINIBUILD" sign "oci:signed:v1.0.$version" --key key.pem
done
prune "$real/team/signed" --plain-http "$real" --policy two.json --yes
same "signed images" "$? $(sed -n 's/.*: deleted \(.*\), kept.*/\1/p' err)" "0 4 manifests (3 tags)"
prune oci:signed --policy two.json --yes
same "signed images of a layout" "$? $(sed -n 's/.*: deleted \([0-9]* manifests ([0-9]* tags)\).*/\1/p' err)" "0 3 manifests (2 tags)"
for version in 2 3; do
  check "verify $version" "$MINIBUILD" verify "docker://$real/team/signed:v1.0.$version" --key pub.pem --plain-http "$real"
  check "verify $version in the layout" "$MINIBUILD" verify "oci:signed:v1.0.$version" --key pub.pem
done
listed() { jq -r '.manifests[].digest' signed/index.json; jq -r '.manifests[].digest' signed/index.json | while read -r one; do jq -r '.config.digest, .layers[].digest' "signed/blobs/sha256/${one#sha256:}"; done; }
same "no blob is left over" "$(ls signed/blobs/sha256 | xargs)" "$(listed | sed 's/sha256://' | sort -u | xargs)"

# What is said to those who say it wrong.
prune "$real/team/app:latest" $A
same "a tag" "$? $(grep -c "it names one tag, but a policy is about a whole repository; write docker://$real/team/app" err)" "2 1"
prune oci:layout:latest --policy policy.json
same "a tag of a layout" "$? $(grep -c 'write oci:layout' err)" "2 1"
skopeo copy -q oci:layout:v1.0.3 oci-archive:archive.tar:1
prune oci-archive:archive.tar --policy policy.json
same "an archive" "$? $(grep -c 'an archive cannot be made smaller' err)" "2 1"
prune oci:layout --policy nothing.yaml
same "no policy" "$? $(cat err)" "2 minibuild: error: cannot open nothing.yaml: No such file or directory"
cat > bad.yaml << 'E2'
retention:
  - { tags: 'v*', keep-last: 0 }
  - { tags: 'v[', keep: all }
  - { tags: x, keep-within: 5 minutes }
  - { tags: x, keep-last: 3, by: semvr }
  - { tag: x, keep: all }
E2
prune oci:layout --policy bad.yaml
same "a wrong policy" "$?" 2
cat > want.err << 'E2'
bad.yaml:2:30: error: 'keep-last' is '0', want a number from 1 to 1000000000
    - { tags: 'v*', keep-last: 0 }
                               ^
bad.yaml:3:13: error: 'tags' has the malformed pattern 'v[': a '[' has no ']'
    - { tags: 'v[', keep: all }
              ^
bad.yaml:4:29: error: 'keep-within' is '5 minutes', want a duration such as 12h, 30d, 2w, 3m or 1y (hours, days, weeks, months, years)
    - { tags: x, keep-within: 5 minutes }
                              ^
bad.yaml:5:34: error: 'by' is 'semvr', want 'semver', 'pushed' or 'created'; did you mean 'semver'?
    - { tags: x, keep-last: 3, by: semvr }
                                   ^
bad.yaml:6:5: error: the rule does not say what it is about; write tags: 'v*', or untagged: true
    - { tag: x, keep: all }
      ^
bad.yaml:6:7: error: unknown key 'tag'; did you mean 'tags'?
    - { tag: x, keep: all }
        ^
E2
check "each fault with its place" diff want.err err
check "--help has an example" grep -q '^  minibuild prune docker://registry.example.com/team/app --policy retention.yaml' <("$MINIBUILD" prune --help)
finish
