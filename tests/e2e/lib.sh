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

finish() {
  echo "$((checks - failures)) passed, $failures failed"
  [ "$failures" = 0 ] && [ "$checks" -gt 0 ]
}
