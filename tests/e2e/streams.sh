#!/usr/bin/env bash
# Standard streams that are closed, full or read by nobody: nothing meant for people gets into files, and who asked for a
# result is told when it could not be written.
. "$(dirname "$0")/lib.sh"
mkdir src && head -c 3000000 /dev/urandom > src/a && head -c 3000000 /dev/urandom > src/b
printf 'minibuild: 1\nimage: example.com/a/b:1\ncopy: [{ from: src, to: /src }]\nuser: 65532\nentrypoint: [/x]\n' > minibuild.yaml

# damaged DIRECTORY: blobs that do not have their digests.
damaged() {
  for file in "$1"/blobs/sha256/*; do
    [ "$(sha256sum < "$file" | cut -c1-64)" = "${file##*/}" ] || echo "$file"
  done
}
while IFS='|' read -r redirections status; do
  rm -rf "$MINIBUILD_CACHE_DIR" out.oci
  eval "'$MINIBUILD' build --progress json -o oci:out.oci $redirections" > /dev/null 2> err
  same "$redirections: status" "$?" "$status"
  same "$redirections: blobs" "$(damaged "$MINIBUILD_CACHE_DIR")$(damaged out.oci)" ""
  same "$redirections: the lock is empty" "$(wc -c < "$MINIBUILD_CACHE_DIR/lock")" 0
done << 'ROWS'
<&-|0
2>&-|0
<&- 2>&-|0
>&-|1
>&- 2>&-|1
<&- >&-|1
<&- >&- 2>&-|1
ROWS

# Commands that print a result, with a standard output that takes none.
build -o oci:image.oci:1 > /dev/null
while read -r arguments; do
  for out in closed full; do
    if [ $out = closed ]; then eval "'$MINIBUILD' $arguments" >&- 2> err; else eval "'$MINIBUILD' $arguments" > /dev/full 2> err; fi
    same "$arguments, $out: status" "$?" 1
    check "$arguments, $out: says so" grep -q "to the standard output: \(the standard output is closed\|No space left\)" err
  done
  # A pipe whose reader is gone before anything is written.
  eval "'$MINIBUILD' $arguments" 2> err | exec true
  case $arguments in
    build* | copy*) check "$arguments, no reader: says what was lost" bash -c '[ ! -s err ] || grep -q "cannot write the digest sha256:" err' ;;
    *) same "$arguments, no reader: nothing is said" "$(cat err)" "" ;;
  esac
done << 'ROWS'
build --progress none -o oci:again.oci:1
copy oci:image.oci:1 oci:copied.oci:1
inspect oci:image.oci:1
inspect oci:image.oci:1 --json
inspect oci:image.oci:1 --files
sbom oci:image.oci:1
plan
schema spec
completion bash
version
cache ls
--help
--version
ROWS
same "a reader that has seen enough" "$("$MINIBUILD" completion bash 2>&1 | head -1)" "# minibuild completion for bash: source <(minibuild completion bash)"

# The cache is for its owner alone, also one that was made otherwise.
umask 022
chmod -R go+rX "$MINIBUILD_CACHE_DIR"
build -o oci:out.oci > /dev/null
same "the cache" "$(stat -c %a "$MINIBUILD_CACHE_DIR" "$MINIBUILD_CACHE_DIR"/{blobs,mounts,work,results,tables,tmp,locks} | xargs)" "700 700 700 700 700 700 700 700"
mkdir shared && touch shared/other && chmod 777 shared
MINIBUILD_CACHE_DIR=$PWD/shared build -o oci:out.oci > /dev/null
same "a directory that others use stays open, what is ours in it does not" "$(stat -c %a shared shared/blobs shared/mounts | xargs)" "777 700 700"
finish
