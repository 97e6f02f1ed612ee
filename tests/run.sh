#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test. Needs Debian 12 and, for missing packages, root or sudo.
#   tests/run.sh                all tests of the release build
#   tests/run.sh -R spec        those whose name matches, as ctest does
# PRESET=asan (or tsan, debug) builds and tests that way; asan needs clang-16 (tests/packages.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/packages.sh
preset=${PRESET:-release}
install_packages $build_packages $test_packages $([ "$preset" != asan ] || echo $check_packages)
directory=build
[ "$preset" = release ] || directory=build-$preset
cmake --preset "$preset" -DMINIBUILD_TESTS=ON > /dev/null
cmake --build --preset "$preset"
# One more than there are processors: many tests wait for a clock or a server. With sanitizers, what runs other programs for
# the most part is left to the release build.
if [ "$preset" = asan ]; then
  echo "not run with sanitizers: e2e_shipped_bases, e2e_stale, e2e_solver_parity, e2e_peers, e2e_containerd, e2e_unpackers"
  set -- -E '^e2e_(shipped_bases|stale|solver_parity|peers|containerd|unpackers)$' "$@"
fi
ctest --test-dir "$directory" --output-on-failure --parallel "$(($(nproc) + 1))" "$@"
