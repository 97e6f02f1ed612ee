#!/usr/bin/env bash
# What a person writes is read once: a build opens each spec, policy and lock file one time, for however many platforms and
# specs below.
. "$(dirname "$0")/lib.sh"
command -v strace > /dev/null || { echo "skipped: strace is missing"; exit 77; }
strace -o trace true 2> /dev/null || { echo "skipped: strace may not trace here"; exit 77; }

# Where the program is built with it: LeakSanitizer does not work below strace.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0

mkdir -p team below/inner
printf 'max-size: 1GB\n' > team/policy.yaml
printf 'x' > a.txt
cat > base.yaml << 'EOF'
minibuild: 1
args: { NAME: "base" }
base: ./below/inner/lowest.yaml
files: [{ file: /base, content: "${NAME} ${TARGETARCH}" }]
user: 1
policy: { file: team/policy.yaml }
EOF
printf 'minibuild: 1\nfiles: [{ file: /lowest, content: "${TARGETARCH}" }]\nuser: 1\n' > below/inner/lowest.yaml
for name in one two three; do
  cat > $name.yaml << 'EOF'
minibuild: 1
args: { NAME: "app" }
platforms: [linux/amd64, linux/arm64]
base: ./base.yaml
copy: [{ from: a.txt, to: /a.txt }, { from: a.txt, to: /b.txt }]
user: 1
policy: { file: team/policy.yaml }
EOF
done
printf '{"minibuildLock": 1, "images": []}' > one.lock.json
cp one.lock.json base.lock.json

# opened NAME COMMAND...: how often each file of the project was opened.
opened() {
  strace -f -qq -e trace=open,openat -o "trace" "$@" > out.log 2>&1 || { cat out.log; return 1; }
  grep -v ENOENT trace | grep -oE '"[^"]*(\.yaml|\.lock\.json)"' | tr -d '"' | sed "s|^$PWD/||; s|^\./||; s|/\./|/|g" | sort | uniq -c | awk '{print $1, $2}' > counts
}
once() {
  same "$1: nothing is opened twice" "$(awk '$1 > 1' counts)" ""
  for file in $2; do check "$1: $file is read" grep -qx "1 $file" counts; done
}

specs="one.yaml base.yaml below/inner/lowest.yaml team/policy.yaml"
opened "$MINIBUILD" one.yaml -o oci:out --cache-dir cache && once build "$specs one.lock.json"
opened "$MINIBUILD" one.yaml -o oci:out --cache-dir cache --locked && once "a build again" "$specs one.lock.json"
opened "$MINIBUILD" plan one.yaml --cache-dir cache && once plan "$specs one.lock.json"
opened "$MINIBUILD" check one.yaml --cache-dir cache && once check "$specs one.lock.json"
opened "$MINIBUILD" reproduce one.yaml oci:out --cache-dir cache && once reproduce "$specs one.lock.json"
opened "$MINIBUILD" lock two.yaml --cache-dir cache && once lock "two.yaml base.yaml"
finish
