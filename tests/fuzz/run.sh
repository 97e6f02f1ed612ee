#!/usr/bin/env bash
# Runs every fuzz target for SECONDS_EACH seconds (default 60), two at a time, beginning from the kept inputs; with
# SECONDS_OTHERS those that read neither specs nor tar nor JSON run for so long.
# A target that crashes leaves its input in the build directory and fails the run. The seed is fixed, so that whether a
# change lands does not hang on luck; SEED=0 draws a new one.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${SECONDS_EACH:-60}
others=${SECONDS_OTHERS:-$seconds}
build=build-asan
export SEED=${SEED:-1}
export LSAN_OPTIONS="suppressions=$PWD/tests/fuzz/lsan.supp:print_suppressions=0"
cmake --preset asan > "$build.log" 2>&1 || { cat "$build.log"; exit 1; }
cmake --build --preset asan >> "$build.log" 2>&1 || { tail -50 "$build.log"; exit 1; }
rm -f "$build.log"
run_one() {
  local name=$1 dir=$build/corpus/$1
  mkdir -p "$dir"
  local kept=tests/fuzz/corpus/$name
  [ -d "$kept" ] || kept=
  if $build/tests/fuzz/"$name" -seed="$SEED" -max_total_time="$2" -max_len=65536 -timeout=20 -rss_limit_mb=4096 \
      -artifact_prefix="$build/$name-" "$dir" $kept > "$build/$name.log" 2>&1; then
    echo "$name: $(grep -oE 'Done [0-9]+ runs in [0-9]+ second' "$build/$name.log" || echo done)"
  else
    echo "$name: FAILED"; tail -40 "$build/$name.log"; return 1
  fi
}
export build
export -f run_one
ls tests/fuzz/*_fuzz.cpp | xargs -n1 basename | sed 's/\.cpp$//' | xargs -P 2 -I{} bash -c "
  case {} in spec_fuzz | tar_fuzz | json_fuzz) run_one {} $seconds ;; *) run_one {} $others ;; esac"
