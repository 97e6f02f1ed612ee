#!/usr/bin/env bash
# What check, plan, the log and JSON events tell, and a cache that stays within its limit.
. "$(dirname "$0")/lib.sh"
cat > network.yaml << 'E2'
minibuild: 1
image: example.com/team/told:1
stages:
  get: { base: host, network: full, run: "echo > /x" }
  other: { base: ./below.yaml, run: "echo > /y" }
copy: [{ stage: get, from: /x, to: /x }, { stage: other, from: /y, to: /y }]
user: 65532
E2
printf 'minibuild: 1\nfiles: [{ file: /z, content: z }]\nuser: 1\n' > below.yaml
same "a stage with the network" "$("$MINIBUILD" check network.yaml --format json | jq -c '[.diagnostics[] | [.rule, .severity, .line]]')" '[["network","warning",4]]'
same "in SARIF" "$("$MINIBUILD" check network.yaml --format sarif | jq -r '.runs[0].results[0].ruleId')" network
"$MINIBUILD" check network.yaml 2> got.err
same "it is a warning" "$? $(grep -c "network.yaml:4:3: warning: the stage 'get' has the network while it runs \[network\]" got.err)" "0 1"
printf 'policy: { deny: [network] }\n' | cat network.yaml - > denied.yaml
"$MINIBUILD" check denied.yaml 2> got.err
same "unless it is denied" "$?" 3
"$MINIBUILD" plan network.yaml > plan.txt
check "plan: the network" grep -A1 'stage *get:' plan.txt
same "plan: the network is told" "$(grep -A1 'stage *get:' plan.txt | tail -1 | xargs)" "with the network while it runs (network: full)"
same "plan: a stage on another spec" "$(grep 'stage *other:' plan.txt | xargs)" "stage other: stands on ./below.yaml, which is built first"
printf 'minibuild: 1\nbase: minibuild:distroless/static.yaml\nfiles: [{ file: /x, content: x }]\nuser: 65532\n' > shipped.yaml
check "plan: packages of shipped bases" bash -c "'$MINIBUILD' plan shipped.yaml | grep -q 'packages of minibuild:distroless/static.yaml'"

# An unknown user: the same from check and build; nothing where it cannot be known.
printf 'minibuild: 1\nimage: example.com/a/b:1\nfiles: [{ file: /x, content: "x" }]\nuser: ghost\n' > ghost.yaml
for command in check build; do
  "$MINIBUILD" $command ghost.yaml > got.out 2> got.err
  same "$command: an unknown user" "$? $(head -1 got.err)" "2 ghost.yaml:4:7: error: unknown user 'ghost'; the image has none; write its number, or add it under 'accounts'"
done
for line in 'accounts: { users: [{ name: ghost, uid: 5 }] }' 'base: registry.example.com/a:1'; do
  { cat ghost.yaml; echo "$line"; } > known.yaml
  check "$line: not known to be wrong" bash -c "! '$MINIBUILD' check known.yaml 2>&1 | grep 'unknown user'"
done

# Warnings are warnings for programs, too.
printf 'minibuild: 1\nimage: example.com/a/b:latest\nfiles: [{ file: /x, content: "x" }]\nuser: 5\npolicy: { warn: [latest-tag] }\n' > warned.yaml
same "a warning as an event" "$("$MINIBUILD" build --progress json warned.yaml 2>&1 > /dev/null | jq -c 'select(.rule == "latest-tag") | [.severity, .line > 0, (.fix | length > 0)]')" '["warning",true,true]'

# Colours of tools, and nothing else of a terminal's.
printf 'minibuild: 1\nstages: { s: { base: host, run: "printf \x27\\\\033[1;31mred\\\\033[0m \\\\033[2Jnot\\\\n\x27; echo > /x" } }\ncopy: [{ stage: s, from: /x, to: /x }]\nuser: 1\n' > colours.yaml
if "$MINIBUILD" build --progress plain colours.yaml > got.out 2> got.err; then
  same "colours in a file" "$(grep '^s |' got.err)" 's | red \x1b[2Jnot'
else
  echo "not run: stages cannot run here: $(head -1 got.err)"
fi
# A program that the stage does not see.
mkdir -p home/.cargo/bin tools && printf '#!/bin/sh\n' | tee home/.cargo/bin/only-at-home > tools/only-in-tools && chmod +x home/.cargo/bin/* tools/*
for name in only-at-home only-in-tools; do
  printf 'minibuild: 1\nstages: { s: { base: host, run: "%s --version" } }\ncopy: [{ stage: s, from: /x, to: /x }]\nuser: 1\n' $name > missing.yaml
  HOME=$SCRATCH/home PATH=$PATH:$SCRATCH/tools "$MINIBUILD" build --progress none missing.yaml > got.out 2> got.err
  grep -q 'exit status 127' got.err || { echo "not run: stages cannot run here: $(head -1 got.err)"; break; }
  check "$name is named" grep -q "fix: $name is in $SCRATCH/.*which stages do not see" got.err
done

# The cache stays within its limit.
for n in 1 2 3 4 5 6; do
  head -c 1000000 /dev/urandom > random
  printf 'minibuild: 1\nimage: example.com/a/b:%s\ncopy: [{ from: random, to: /random }]\nuser: 1\n' $n > fill.yaml
  MINIBUILD_CACHE_LIMIT=3MB "$MINIBUILD" build --progress plain fill.yaml > got.out 2>> fill.err
done
check "it is not larger" test "$(du -s --block-size=1 cache | cut -f1)" -le 3100000
check "it is told" grep -q '^cache: .* freed of what was not used for longest; its limit is 3.0 MB' fill.err
check "cache ls tells the limit" bash -c "'$MINIBUILD' cache ls --cache-limit 3MB | grep -q '^limit *3.0 MB  collected 20'"
"$MINIBUILD" build fill.yaml --cache-limit much > got.out 2> got.err
same "what is no size" "$? $(head -1 got.err)" "2 minibuild: error: got --cache-limit much, want a size such as 500MB or 10GB, or none"
finish
