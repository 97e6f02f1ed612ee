#!/usr/bin/env bash
# The tests that hold random inputs against other programs, with many more inputs than a run of all tests has: 10,000, or COUNT.
#   tests/judged.sh [BUILD]
cd "$(dirname "$0")/.." || exit 1
export MINIBUILD_SOURCE=$PWD COUNT=${COUNT:-10000}
MINIBUILD=$(realpath "${1:-build}")/minibuild
export MINIBUILD
bash tests/e2e/ignore_files.sh &&
  bash tests/e2e/tars.sh &&
  bash tests/e2e/indexes.sh
