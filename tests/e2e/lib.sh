# Sourced by the end-to-end tests: a scratch directory, a cache of its own, and the checks that many share.
set -uo pipefail
MINIBUILD=${MINIBUILD:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/minibuild}
SOURCE=${MINIBUILD_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
SCRATCH=$(mktemp -d)
export MINIBUILD_CACHE_DIR=$SCRATCH/cache
unset SOURCE_DATE_EPOCH
trap 'chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
cd "$SCRATCH"
failures=0
checks=0

# check NAME COMMAND…: the command must succeed.
check() {
  local name=$1
  shift
  checks=$((checks + 1))
  if ! "$@" > check.log 2>&1; then
    failures=$((failures + 1))
    echo "FAILED: $name"
    sed 's/^/    /' check.log | head -40
  fi
}

# same NAME GOT WANT
same() {
  checks=$((checks + 1))
  if [ "$2" != "$3" ]; then
    failures=$((failures + 1))
    echo "FAILED: $1"
    printf '    got  %s\n    want %s\n' "$2" "$3"
  fi
}

build() { "$MINIBUILD" build --progress none "$@"; }

# start_registry DIRECTORY: docker-registry on a free port of loopback, with its data there. Sets `host`; adds to `pids`,
# which the test's own trap ends.
start_registry() {
  local port
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  host=127.0.0.1:$port
  printf 'version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "%s"}\n' "$1" "$host" > registry.yml
  docker-registry serve registry.yml > registry.log 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do curl -s "http://$host/v2/" > /dev/null && break; sleep 0.1; done
}

# Whether another day can be tried; a line says why if not.
library=${FAKETIME_LIBRARY:-$(ls /usr/lib/*/faketime/libfaketimeMT.so.1 2> /dev/null | head -1)}
days_pass() {
  if grep -q __asan_init "$MINIBUILD"; then
    echo "not run: another day: nothing can be preloaded before AddressSanitizer"
    return 1
  elif [ -z "$library" ]; then
    echo "not run: another day needs libfaketime"
    return 1
  fi
}
# on_day DAY COMMAND…: by libfaketime, as its FAKETIME says it: '+2h', '2031-01-01 00:00:00'. Not by its program, which
# needs shared memory.
on_day() {
  local day=$1
  shift
  FAKETIME=$day LD_PRELOAD=$library "$@"
}

finish() {
  echo "$((checks - failures)) passed, $failures failed"
  [ "$failures" = 0 ] && [ "$checks" -gt 0 ]
}
