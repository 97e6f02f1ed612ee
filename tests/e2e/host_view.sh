#!/usr/bin/env bash
# What of this machine gets out through a stage on `base: host`: what its commands could have read, and nothing else, by
# whatever path, link, library or stage it is asked for. The caller is root here, who could read all of it.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { echo "not run: plants files below /etc, /opt and /usr, so it needs root"; exit 77; }

canary=canary-$$-$RANDOM
opt=$(mktemp -d /opt/minibuild-test.XXXXXX)
usr=$(mktemp -d /usr/local/lib/minibuild-test.XXXXXX)
etc=$(mktemp -d /etc/minibuild-test.XXXXXX)
trap 'chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH" "$opt" "$usr" "$etc"' EXIT
chmod 755 "$opt" "$usr" "$etc"
echo "$canary" > "$etc/shown-to-all" && chmod 644 "$etc/shown-to-all"
for place in "$opt" "$usr"; do
  mkdir -p "$place/open" "$place/locked"
  echo fine > "$place/open/fine"
  echo "$canary" > "$place/secret" && chmod 600 "$place/secret"
  echo "$canary" > "$place/of-the-group" && chmod 640 "$place/of-the-group"
  echo "$canary" > "$place/locked/inside" && chmod 644 "$place/locked/inside"
  ln "$place/secret" "$place/hard"
  ln -s secret "$place/soft"
  chmod 700 "$place/locked"
done
# Libraries: one that is for root alone, one outside of what a stage sees, one that all may read.
mkdir "$usr/lib" "$etc/lib"
for name in root outside; do echo "char ${name}_text[] = \"$canary\"; int f_$name(void) { return 1; }" > "$name.c"; done
echo 'int f_plain(void) { return 1; }' > plain.c
cc -shared -fPIC -o "$usr/lib/libmbroot.so" root.c && chmod 600 "$usr/lib/libmbroot.so"
cc -shared -fPIC -o "$etc/lib/libmboutside.so" outside.c
cc -shared -fPIC -o "$usr/lib/libmbplain.so" plain.c
mkdir program
for name in root outside plain; do
  dir=$usr/lib
  [ "$name" = outside ] && dir=$etc/lib
  echo "int f_$name(void); int main(void) { return f_$name(); }" > m.c
  cc -o "program/$name" m.c "-L$dir" "-lmb$name" "-Wl,-rpath,$dir"
done

links="mkdir -p /out && cd /out && ln -s /etc etc && ln -s $etc/shown-to-all file && ln -s $opt/secret opt && ln -s opt chain &&
  ln -s /usr/../etc/shadow up && ln -s /proc/self/root/etc/shadow proc && ln -s /proc/1/root proc1 && ln -s ../../../../etc/shadow far &&
  ln -s $opt/locked locked && ln -s / top && cp -r /program/. . && touch made"
# try NAME STATUS COPY [IMAGE KEYS]: builds an image with this copy, and looks for the canary in everything that came out.
try() {
  printf 'minibuild: 1\nuser: 1\nstages:\n  s: { base: host, copy: [{ from: program, to: /program }], run: ["%s"] }\n  t: { base: { stage: s }, run: "true" }\n%s\n' \
    "$(echo $links)" "$3" > spec.yaml
  rm -rf out.tar
  "$MINIBUILD" build --progress none spec.yaml ${4-} -o tar:out.tar > log 2>&1
  local status=$?
  same "$1: status" "$status" "$2"
  [ "$status" = "$2" ] || cat log
  checks=$((checks + 1))
  if grep -qr "$canary" out.tar log 2> /dev/null || { [ -e out.tar ] && tar -tf out.tar | grep -q 'shadow$'; }; then
    failures=$((failures + 1))
    echo "FAILED: $1: what only root may read came out"
  fi
}
for from in /out/file /out/opt /out/chain /out/up /out/proc /out/proc1/etc/shadow /out/far /out/locked/inside /out/locked \
  "$etc/shown-to-all" /etc/shadow "/etc/minibuild-test*" /usr/../etc/shadow "$opt/secret" "$usr/secret" "$opt/hard" "$opt/soft" \
  "$opt/of-the-group" "$opt/locked/inside" "$usr/locked" "$opt" "$usr" "/opt/*/secret" /etc/ssl/private /out/top/etc/shadow /root /home; do
  try "$from" 1 "copy: [{ stage: s, from: \"$from\", to: /x/ }]"
  try "$from through a stage" 1 "copy: [{ stage: t, from: \"$from\", to: /x/ }]"
done
for from in /out/etc /etc "/etc/*" / /out/top "/*" "/etc/../etc"; do
  try "$from" 0 "copy: [{ stage: s, from: \"$from\", to: /x/ }]"
done
try "the links themselves" 0 'copy: [{ stage: s, from: /out, to: /x }]'
try "a stage as base" 0 'base: { stage: s }'
try "a stage as output" 0 '' "--stage s"
try "what a stage on a stage as output" 0 '' "--stage t"
try "another stage copies it" 1 "  u: { base: scratch, copy: [{ stage: s, from: $opt/secret, to: /x }] }
copy: [{ stage: u, from: /x, to: /x }]"
try "a library for root alone" 1 'copy: [{ stage: s, from: /out/root, to: /x, closure: true }]'
try "a library that the stage is not shown" 1 'copy: [{ stage: s, from: /out/outside, to: /x, closure: true }]'

# And what the commands could read is there.
try "a readable library" 0 'copy: [{ stage: s, from: /out/plain, to: /x, closure: true }]'
check "the library is in the image" bash -c "tar -tf out.tar | grep -q libmbplain.so"
try "files of all" 0 "copy: [{ stage: s, from: $opt/open, to: /a }, { stage: t, from: $usr/open/fine, to: /b }, { stage: s, from: \"$opt/*/fine\", to: /c/ },
  { stage: s, from: $usr, to: /d, exclude: [secret, hard, of-the-group, locked, lib] }]"
same "they are what they were" "$(tar -xOf out.tar a/fine b c/fine d/open/fine | xargs)" "fine fine fine fine"
try "what may not be read is named" 1 "copy: [{ stage: s, from: $usr, to: /x }]"
check "with its path" grep -qE "cannot copy '$usr/[a-z-]+' from the stage 's': its commands may not read it" log
try "the shown parts of /etc" 0 'copy: [{ stage: s, from: /etc/os-release, to: /x }, { stage: s, from: /etc/ssl/certs, to: /certs }]'
same "are this machine's" "$(tar -xOf out.tar x | sha256sum)" "$(sha256sum < /etc/os-release)"
finish
