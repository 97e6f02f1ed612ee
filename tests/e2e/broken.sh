#!/usr/bin/env bash
# Broken images: each is refused with exactly the message of broken/NAME.stderr by `inspect` and as a base, exit status 1,
# and nothing is written. MINIBUILD_TEST_ACCEPT=1 rewrites the messages, for review.
. "$(dirname "$0")/lib.sh"
expected=$SOURCE/tests/e2e/broken
mkdir images && python3 "$SOURCE/tests/e2e/make_broken.py" images || exit 1
cd images
check "a right image is read" "$MINIBUILD" inspect --files good.oci
count=0
for image in *.oci *.tar; do
  name=${image%.*}
  [ "$name" = good ] && continue
  count=$((count + 1))
  location=oci:$image
  [ "${image##*.}" = tar ] && location=docker-archive:$image
  "$MINIBUILD" inspect "$location" > "$SCRATCH/out" 2> "$SCRATCH/err"
  same "$name: exit status" "$?" 1
  same "$name: nothing on stdout" "$(cat "$SCRATCH/out")" ""
  [ "${MINIBUILD_TEST_ACCEPT:-}" = 1 ] && cp "$SCRATCH/err" "$expected/$name.stderr"
  check "$name: the message" diff -u "$expected/$name.stderr" "$SCRATCH/err"
  printf 'minibuild: 1\nbase: %s\nuser: 1\nfiles: [{ file: /x, content: x }]\n' "$location" > "$SCRATCH/base.yaml"
  cp -r "$image" "$SCRATCH/"
  (cd "$SCRATCH" && "$MINIBUILD" build --progress none base.yaml -o oci:built.oci > out 2> err)
  same "$name: as a base" "$?" 1
  check "$name: as a base, with the same cause" grep -qF "$(sed 's/^minibuild: error: //' "$expected/$name.stderr")" "$SCRATCH/err"
  check "$name: nothing is written" test ! -e "$SCRATCH/built.oci"
  rm -rf "${SCRATCH:?}/$image"
done
check "there are many" test "$count" -ge 45
same "no work is left in the cache" "$(ls "$SCRATCH/cache/tmp" | xargs)" ""
finish
