#!/usr/bin/env bash
# The same spec and the same files give the same digest wherever, whenever and by whomever they are built.
. "$(dirname "$0")/lib.sh"

make_project() { # DIRECTORY ORDER
  mkdir -p "$1/tree/sub/deep" "$1/tree/empty"
  local n numbers
  numbers=$(seq 1 60)
  [ "$2" = backwards ] && numbers=$(seq 60 -1 1)
  for n in $numbers; do head -c $((n * 997)) /dev/zero | tr '\0' "$(printf '\\%03o' $((65 + n % 26)))" > "$1/tree/sub/file$n"; done
  printf 'int main(void) { return 0; }\n' > "$1/main.c"
  printf '#!/bin/sh\necho hi\n' > "$1/tree/run.sh"
  printf 'grüße\n' > "$1/tree/sub/deep/größe ☃"
  printf 'x' > "$1/tree/$(printf 'n%.0s' $(seq 200))"
  ln -s sub/file1 "$1/tree/link"
  ln "$1/tree/sub/file2" "$1/tree/sub/hard"
  chmod 755 "$1/tree/run.sh"
  cat > "$1/minibuild.yaml" << 'SPEC'
minibuild: 1
image: registry.example.com/team/same:1
args: { WHO: world }
stages:
  build:
    base: host
    copy: [{ from: main.c, to: /src/ }]
    workdir: /src
    run:
      - cc -O1 -static -o program main.c
      - date > built-at && env > environment && id > id && umask > umask && echo "${WHO}" > who && rm built-at
copy:
  - { from: tree, to: /data }
  - { from: tree/sub, to: /zipped, include: ["**/file1*"] }
  - { stage: build, from: /src, to: /program, exclude: [main.c] }
accounts: { users: [{ name: app, uid: 10001 }] }
user: app
entrypoint: [/program/program]
SPEC
}

make_project a forwards
want=$(build a/minibuild.yaml -o oci:a.oci) || { echo "FAILED: the first build"; exit 1; }
check "the image is valid" python3 "$SOURCE/tests/e2e/validate.py" a.oci

fresh() { rm -rf "$SCRATCH/cache"; }
mkdir -p "elsewhere with spaces/ü"
make_project "elsewhere with spaces/ü/b" backwards
find "elsewhere with spaces" -exec touch -h -d '2001-02-03 04:05:06' {} +
fresh; same "another directory, order and mtimes" "$(build "elsewhere with spaces/ü/b/minibuild.yaml" -o oci:b.oci)" "$want"
fresh; same "umask 0" "$(umask 0; build a/minibuild.yaml -o oci:c.oci)" "$want"
fresh; same "umask 077" "$(umask 077; build a/minibuild.yaml -o oci:d.oci)" "$want"
fresh; same "time zone and locale" "$(env TZ=Asia/Kathmandu LC_ALL=tr_TR.UTF-8 LANG=de_DE "$MINIBUILD" build --progress none a/minibuild.yaml -o oci:e.oci)" "$want"
for jobs in 1 2 3 16; do fresh; same "$jobs jobs" "$(build a/minibuild.yaml -j $jobs -o oci:f.oci)" "$want"; done
fresh; same "an environment full of things" "$(FOO=1 CC=clang CFLAGS=-g HOME=/nowhere build a/minibuild.yaml -o oci:g.oci)" "$want"
same "with a warm cache" "$(build a/minibuild.yaml -o oci:g.oci)" "$want"
same "with a cache that is not used" "$(build a/minibuild.yaml --no-cache -o oci:h.oci)" "$want"
if [ "$(id -u)" = 0 ]; then
  chmod 755 "$SCRATCH" && cp -a a user-a && cp "$MINIBUILD" user-a/program && chown -R 65534:65534 user-a
  # As an ordinary user, with a single uid.
  same "another user" "$(setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$SCRATCH/user-a" MINIBUILD_CACHE_DIR="$SCRATCH/user-a/cache" \
    user-a/program build --progress none user-a/minibuild.yaml -o oci:user-a/out.oci)" "$want"
fi
other=$(build a/minibuild.yaml --set WHO=moon -o oci:i.oci)
checks=$((checks + 1)); [ -n "$other" ] && [ "$other" != "$want" ] || { echo "FAILED: another argument gives another digest"; failures=$((failures + 1)); }
same "SOURCE_DATE_EPOCH is the time of all" "$(SOURCE_DATE_EPOCH=86400 build a/minibuild.yaml -o oci:j.oci > /dev/null && "$MINIBUILD" inspect --json oci:j.oci:1 | jq -r .config.created)" "1970-01-02T00:00:00Z"
finish
