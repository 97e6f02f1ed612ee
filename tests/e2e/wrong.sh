#!/usr/bin/env bash
# Wrong specs: each of wrong/NAME.yaml is refused with exactly the messages of NAME.stderr, exit status 2, and nothing on
# disk is made or changed. MINIBUILD_TEST_ACCEPT=1 rewrites the messages, for review.
. "$(dirname "$0")/lib.sh"
cases=$SOURCE/tests/e2e/wrong
mkdir work && cd work && mkdir src && cp "$cases"/*.yaml .
# The cache is made before: what a wrong spec may leave is nothing at all.
snapshot() { find "$SCRATCH" -mindepth 1 ! -path "$SCRATCH/got*" ! -name check.log \( -type d -printf '%p\n' -o -printf '%p %y %s %T@ %m\n' \) | sort | sha256sum; }
before=$(snapshot)
for spec in *.yaml; do
  name=${spec%.yaml}
  "$MINIBUILD" build "$spec" -o "oci:$name.oci" -o "dir:$name.dir" --metadata-file "$name.json" > "$SCRATCH/got.out" 2> "$SCRATCH/got.err"
  same "$name: exit status" "$?" 2
  [ "${MINIBUILD_TEST_ACCEPT:-}" = 1 ] && cp "$SCRATCH/got.err" "$cases/$name.stderr"
  check "$name: the messages" diff -u "$cases/$name.stderr" "$SCRATCH/got.err"
  same "$name: nothing on stdout" "$(cat "$SCRATCH/got.out")" ""
done
same "nothing is made or changed" "$(snapshot)" "$before"
check "there are many" test "$(ls ./*.yaml | wc -l)" -ge 90
# `check` says the same, and its other forms are valid.
"$MINIBUILD" check several-errors.yaml 2> "$SCRATCH/got.err"
same "check: exit status" "$?" 2
check "check: the same messages" diff -u "$cases/several-errors.stderr" "$SCRATCH/got.err"
same "check: json" "$("$MINIBUILD" check --format json several-errors.yaml | jq -c '[.diagnostics[].line]')" "[2,3,4,5]"
same "check: sarif" "$("$MINIBUILD" check --format sarif several-errors.yaml | jq -c '[.runs[0].results[].locations[0].physicalLocation.region.startLine]')" "[2,3,4,5]"
same "a spec that is not there" "$("$MINIBUILD" nothing.yaml 2>&1; echo $?)" "minibuild: error: cannot open nothing.yaml: No such file or directory
2"
same "--set of nothing" "$("$MINIBUILD" check --set VERSON=1 undefined-argument.yaml 2>&1 | head -1)" "undefined-argument.yaml:2:7: error: --set VERSON: the spec has no argument of that name; did you mean 'VERSION'?"
finish
