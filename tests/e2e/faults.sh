#!/usr/bin/env bash
# Killed builds, damaged caches, full disks, several builds at once: the output is right or as it was, and nothing is left.
. "$(dirname "$0")/lib.sh"
kills=${KILLS:-100}
cp "$MINIBUILD" own && MINIBUILD=$SCRATCH/own
mkdir p && mkdir p/data && cat > p/minibuild.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/faults:1
stages:
  build:
    base: host
    copy: [{ from: data, to: /data }]
    run: cat /data/* | cksum > /sum
copy:
  - { from: data, to: /data }
  - { stage: build, from: /sum, to: /sum }
user: 65532
E2
for n in $(seq 1 40); do head -c $((n * 40000)) /dev/urandom > "p/data/$n"; done
want=$(build p/minibuild.yaml -o oci:clean.oci) || exit 1
leftovers() { # of a directory that a build wrote to
  find "$SCRATCH/cache/tmp" "$SCRATCH/cache/work" out -name '.*.minibuild-tmp-*' 2> /dev/null | head -3 | xargs
  ls -A | grep '^\.' | xargs
}
# How long a cold build takes, in milliseconds: the moments to kill at are drawn from it.
start=$(date +%s%N); rm -rf cache; build p/minibuild.yaml -o oci:out > /dev/null; long=$(((`date +%s%N` - start) / 1000000 + 1))
RANDOM=12345
bad=0
for n in $(seq "$kills"); do
  [ $((n % 4)) = 0 ] && rm -rf cache
  [ $((n % 3)) = 0 ] && rm -rf out
  "$MINIBUILD" build --progress none p/minibuild.yaml -o oci:out -o oci-archive:out.tar > /dev/null 2>&1 &
  pid=$!
  sleep "$(printf '0.%03d' $((RANDOM % long)))"
  kill -KILL $pid 2> /dev/null
  wait $pid 2> /dev/null
  # What stands under the output's name is complete at every moment.
  if [ -e out ]; then python3 "$SOURCE/tests/e2e/validate.py" out > check.log 2>&1 || { bad=$((bad + 1)); head -3 check.log; }; fi
  if [ -e out.tar ]; then tar -tf out.tar > /dev/null 2>&1 || { bad=$((bad + 1)); echo "out.tar is cut off"; }; fi
  if [ $((n % 5)) = 0 ]; then
    got=$(build p/minibuild.yaml -o oci:out -o oci-archive:out.tar 2> check.log)
    [ "$got" = "$want" ] || { bad=$((bad + 1)); echo "after kill $n: got '$got'"; cat check.log; }
    left=$(leftovers)
    [ -z "$left" ] || { bad=$((bad + 1)); echo "after kill $n: left $left"; }
  fi
done
same "$kills kills" "$bad faults" "0 faults"
# Those of this test: other tests run beside it.
ours() { for exe in /proc/[0-9]*/exe; do readlink "$exe" 2> /dev/null; done | grep -c "^$MINIBUILD"; }
for _ in $(seq 50); do [ "$(ours)" != 0 ] || break; sleep 0.1; done
same "no process is left" "$(ours)" 0

# Every file of the cache, damaged in every way: found out, and made again.
for damage in flip cut zero empty link directory; do
  rm -rf out
  find cache -type f ! -name lock | while read -r file; do
    chmod u+w "$file"
    case $damage in
      flip) python3 -c "import sys; p=sys.argv[1]; d=bytearray(open(p,'rb').read()); d and d.__setitem__(len(d)//2, d[len(d)//2]^1); open(p,'wb').write(d)" "$file" ;;
      cut) truncate -s -1 "$file" 2> /dev/null ;;
      zero) size=$(stat -c %s "$file"); head -c "$size" /dev/zero > "$file" ;;
      empty) : > "$file" ;;
      link) rm "$file" && ln -s /etc/passwd "$file" ;;
      directory) rm "$file" && mkdir "$file" ;;
    esac
  done
  same "a cache that was damaged: $damage" "$(build p/minibuild.yaml -o oci:out 2>&1)" "$want"
  check "the output is right: $damage" python3 "$SOURCE/tests/e2e/validate.py" out
  same "and again, from the cache" "$(build p/minibuild.yaml -o oci:out 2>&1)" "$want"
done

# Damage in the output is found and mended.
for blob in out/blobs/sha256/*; do chmod u+w "$blob"; printf x >> "$blob"; done
same "a damaged output" "$(build p/minibuild.yaml -o oci:out 2>&1)" "$want"
check "is mended" python3 "$SOURCE/tests/e2e/validate.py" out

# Several builds at once, with a cold cache, into one layout.
rm -rf cache out digests; mkdir digests
for n in 1 2 3 4 5 6 7 8; do build p/minibuild.yaml -o "oci:out:tag$n" > digests/$n 2> digests/$n.err & done
wait
same "eight builds at once" "$(cat digests/? | sort -u)" "$want"
same "all tags are there" "$(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' out/index.json | sort | xargs)" "tag1 tag2 tag3 tag4 tag5 tag6 tag7 tag8"
check "the layout is valid" python3 "$SOURCE/tests/e2e/validate.py" out

# Builds against a collector.
(for _ in $(seq 15); do "$MINIBUILD" cache gc --max-size 0 2> /dev/null; done) &
collector=$!
bad=0
for _ in $(seq 8); do got=$(build p/minibuild.yaml -o oci:out2 2>&1); [ "$got" = "$want" ] || { bad=$((bad + 1)); echo "$got"; }; done
wait $collector
same "builds against a collector" "$bad" 0
"$MINIBUILD" cache gc --max-size 0 2> /dev/null
same "nothing stays of an emptied cache" "$(find cache/blobs cache/results -type f | wc -l)" 0

# Outputs that cannot be: said at once, nothing changed.
mkdir full && echo mine > full/file
same "a directory with other files" "$(build p/minibuild.yaml -o oci:full 2>&1)" "minibuild: error: cannot write oci:full: the directory holds other files and no OCI layout; name a new one"
same "the same for dir:" "$(build p/minibuild.yaml -o dir:full 2>&1)" "minibuild: error: cannot write dir:full: the directory holds files that minibuild did not write; remove it or name another"
same "no directory" "$(build p/minibuild.yaml -o tar:none/x.tar 2>&1)" "minibuild: error: cannot write tar:none/x.tar: the directory none does not exist"
same "their file is there" "$(cat full/file)" mine
build p/minibuild.yaml -o dir:tree > /dev/null && touch tree/extra && build p/minibuild.yaml -o dir:tree > /dev/null
check "dir: replaces what it made" test ! -e tree/extra -a -e tree/sum
same "stdout closed: the image is right all the same" "$(build p/minibuild.yaml -o oci:closed.oci >&- 2> /dev/null; python3 "$SOURCE/tests/e2e/validate.py" closed.oci && echo right)" right
same "few descriptors" "$(ulimit -n 40; build p/minibuild.yaml --no-cache -o oci:few.oci 2>&1)" "$want"
if [ "$(id -u)" = 0 ]; then
  mkdir small && mount -t tmpfs -o size=8m tmpfs small 2> /dev/null && {
    cp clean.oci/oci-layout small/before
    build p/minibuild.yaml -o oci:small/out > /dev/null 2> err
    same "a full disk is an error" "$?" 1
    check "that says so" grep -q 'No space left on device' err
    same "and leaves nothing" "$(ls -A small)" before
    MINIBUILD_CACHE_DIR=$SCRATCH/small/cache build p/minibuild.yaml -o oci:out3 > /dev/null 2> err
    same "a full cache is an error" "$? $(ls -d out3 2> /dev/null)" "1 "
    rm -rf small/cache
    head -c 1000 p/data/1 > p/data/40 && for n in $(seq 2 39); do rm p/data/$n; done
    check "another file system than the cache's" build p/minibuild.yaml -o oci:small/out
    check "is right" python3 "$SOURCE/tests/e2e/validate.py" small/out
    umount small
  }
fi
finish
