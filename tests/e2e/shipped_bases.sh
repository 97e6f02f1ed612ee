#!/usr/bin/env bash
# The shipped bases, locked anew against a mirror of Debian: each tree equals what dpkg-deb unpacks from the locked packages
# plus what is documented to be made (base_tree.py), and programs run on them. The lock files that are part of the program
# build the same, as long as the mirror has their packages.
. "$(dirname "$0")/lib.sh"
MIRROR=${MINIBUILD_TEST_MIRROR:-${TMPDIR:-/tmp}/minibuild-test-mirror}
"$SOURCE/tests/e2e/mirror.sh" "$MIRROR" || { echo "FAILED: there is no mirror of Debian"; exit 1; }
MIRROR=$(cd "$MIRROR" && pwd)
SNAPSHOT=$(sed -n 's/.*deb: "\(.*\)"/\1/p' "$SOURCE/specs/distroless/static.yaml")
cp -r "$SOURCE/specs" specs && rm -f specs/*/*.lock.json
sed -i "s#$SNAPSHOT#file://$MIRROR/debian#" specs/distroless*/*.yaml
same "every spec names the mirror" "$(grep -L "file://$MIRROR/debian" specs/distroless*/*.yaml; grep -l snapshot.debian.org specs/distroless*/*.yaml)" ""

manifest() { cat "$1/blobs/sha256/$(jq -r '.manifests[0].digest' "$1/index.json" | cut -d: -f2)"; }
config() { cat "$1/blobs/sha256/$(manifest "$1" | jq -r .config.digest | cut -d: -f2)"; }
layers() { manifest "$1" | jq -r '.layers[].digest'; }
missing() { python3 "$SOURCE/tests/e2e/base_tree.py" --missing "$1" "$MIRROR" "$2"; }
tree() { python3 "$SOURCE/tests/e2e/base_tree.py" "$1" "$2" "$MIRROR" "${3:-linux/amd64}"; }

declare -A below=([base-nossl]=static [base]=base-nossl [cc]=base [python3]=cc [static-debug]=static)
declare -A built=()
for family in distroless distroless-debian12; do
  for base in static base-nossl base cc python3 static-debug; do
    name=$family-$base
    spec=specs/$family/$base.yaml
    check "$name: lock" "$MINIBUILD" lock "$spec" --platform linux/amd64
    absent=$(missing "${spec%.yaml}.lock.json" linux/amd64)
    if [ -n "$absent" ]; then
      echo "$name is left out: the mirror lacks $(wc -w <<< "$absent") packages: $(xargs <<< "$absent" | cut -c1-200)"
      continue
    fi
    if ! build "$spec" --platform linux/amd64 --locked -o "oci:$name.oci:1" -o "tar:$name.tar" > build.log 2>&1; then
      failures=$((failures + 1)) checks=$((checks + 1))
      echo "FAILED: $name builds"; cat build.log
      continue
    fi
    built[$name]=1
    check "$name: the tree is that of its packages" tree "$name.tar" "${spec%.yaml}.lock.json"
    check "$name: valid" python3 "$SOURCE/tests/e2e/validate.py" "$name.oci"
    same "$name: the user" "$(config "$name.oci" | jq -r .config.User)" 65532:65532
    same "$name: the directory" "$(config "$name.oci" | jq -r .config.WorkingDir)" /home/nonroot
    path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    entrypoint=null
    case $base in
      *-debug) path=$path:/busybox entrypoint='["/busybox/sh"]' ;;
      python3) entrypoint="[\"/usr/bin/$(jq -r '.packages[].packages[].name' "${spec%.yaml}.lock.json" | grep -x 'python3\.[0-9]*-minimal' | sed s/-minimal//)\"]" ;;
    esac
    same "$name: the environment" "$(config "$name.oci" | jq -c '.config.Env | sort')" \
      "[\"PATH=$path\",\"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt\"]"
    same "$name: the entrypoint" "$(config "$name.oci" | jq -c .config.Entrypoint)" "$entrypoint"
    # A spec adds at most eight layers to those of its base, which pass byte for byte.
    lower=${below[$base]:-}
    if [ -n "$lower" ]; then layers "$family-$lower.oci"; fi > lower
    layers "$name.oci" > upper
    same "$name: the layers of its base" "$(head -n "$(wc -l < lower)" upper)" "$(cat lower)"
    more=$(($(wc -l < upper) - $(wc -l < lower)))
    check "$name: one to eight layers of its own, not $more" test "$more" -ge 1 -a "$more" -le 8
  done
  [ -z "${built[$family-python3]:-}" ] || same "$family: cc and python3 share the layers of base" \
    "$(comm -12 <(layers "$family-cc.oci" | sort) <(layers "$family-python3.oci" | sort) | comm -12 - <(layers "$family-base.oci" | sort))" \
    "$(layers "$family-base.oci" | sort)"
done
for name in distroless-static distroless-base-nossl distroless-base distroless-cc distroless-python3 distroless-static-debug distroless-debian12-static; do
  same "$name is built" "${built[$name]:-}" 1
done

# The bundle once more, by the package's own script.
for deb in "$MIRROR"/debian/pool/main/c/ca-certificates/*.deb; do
  rm -rf ca && mkdir -p ca/certs ca/hooks && dpkg-deb -x "$deb" ca && echo "# none" > ca/conf
  case $deb in *deb12u*) image=distroless-debian12-static ;; *) image=distroless-static ;; esac
  command -v openssl > /dev/null || { echo "not run: update-ca-certificates needs openssl"; break; }
  LC_ALL=C sh ca/usr/sbin/update-ca-certificates --default --certsconf "$PWD/ca/conf" --certsdir "$PWD/ca/usr/share/ca-certificates" \
    --localcertsdir "$PWD/ca/none" --etccertsdir "$PWD/ca/certs" --hooksdir "$PWD/ca/hooks" > ca.log 2>&1
  tar -xOf "$image.tar" etc/ssl/certs/ca-certificates.crt > bundle.crt
  same "$image: openssl trusts what is in the bundle, and nothing else" \
    "$(csplit -sz -f one. bundle.crt '/BEGIN CERT/' '{*}'; for one in one.*; do openssl verify -no_check_time -partial_chain -CAfile bundle.crt "$one" > /dev/null 2>&1 || echo "$one"; done | wc -l) $(openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=stranger -keyout stranger.key -out stranger.crt 2> /dev/null; openssl verify -CAfile bundle.crt stranger.crt > /dev/null 2>&1; echo $?)" "0 2"
  rm -f one.*
  same "$image: update-ca-certificates makes the same bundle" "$(tar -xOf "$image.tar" etc/ssl/certs/ca-certificates.crt | sha256sum)" \
    "$(sha256sum < ca/certs/ca-certificates.crt)"
  check "$image: the bundle is of certificates" test "$(grep -c 'BEGIN CERTIFICATE' ca/certs/ca-certificates.crt)" -gt 100
done

# Another architecture assembles on this machine.
spec=specs/distroless/base-nossl.yaml
check "arm64: base-nossl" build "$spec" --platform linux/arm64 -o oci:arm64.oci:1 -o tar:arm64.tar
check "arm64: the tree is that of its packages" tree arm64.tar specs/distroless/base-nossl.lock.json linux/arm64
check "arm64: valid" python3 "$SOURCE/tests/e2e/validate.py" arm64.oci
same "arm64: the config" "$(config arm64.oci | jq -r .architecture)" arm64
same "arm64: the C library is of that machine" "$(tar -xOf arm64.tar usr/lib/aarch64-linux-gnu/libc.so.6 | od -An -tu2 -j18 -N2 | xargs)" 183

# The comparison itself notices a mode, an owner, a byte, a link, a path more and a path less.
if [ "$(id -u)" = 0 ]; then
  mkdir altered && tar -C altered --numeric-owner -xpf distroless-static.tar
  chmod 0600 altered/etc/passwd && chown 1 altered/etc/group && truncate -s +1 altered/etc/timezone
  ln -sfn /usr/share/zoneinfo/Etc/GMT altered/etc/localtime && mkdir altered/more && rm altered/etc/protocols
  tar -C altered --numeric-owner -cf altered.tar .
  same "base_tree.py notices differences" "$(tree altered.tar specs/distroless/static.lock.json | cut -d: -f1 | xargs)" \
    "/etc/group /etc/localtime /etc/passwd /etc/protocols /etc/timezone /more"
fi

# run_image LAYOUT: what the image's program prints. run_again FILTER: once more, with another configuration of the runtime.
run_image() {
  rm -rf gz bundle
  skopeo copy -q --dest-compress-format gzip "oci:$1:1" oci:gz:image || return 1
  umoci unpack --image gz:image bundle > umoci.log 2>&1 || { cat umoci.log; return 1; }
  run_again '.process.terminal = false | .linux.namespaces |= map(select(.type != "cgroup")) | del(.linux.resources) | .linux.cgroupsPath = ""'
}
run_again() {
  jq "$1" bundle/config.json > config.json && mv config.json bundle/config.json
  (cd bundle && runc run "minibuild-bases-$$" < /dev/null 2>&1)
}

cat > home.c << 'E2'
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
int main(void) {
  char cwd[256], line[256], zone[16];
  int accounts = 0, certificates = 0;
  FILE* f = fopen("/etc/passwd", "r");
  while (f && fgets(line, sizeof line, f)) accounts++;
  f = fopen("/etc/ssl/certs/ca-certificates.crt", "r");
  while (f && fgets(line, sizeof line, f)) certificates += !strncmp(line, "-----BEGIN", 10);
  f = fopen("here", "w");
  int wrote = f && fputs("x", f) >= 0 && !fclose(f) && !access("/tmp", W_OK) && access("/etc", W_OK);
  time_t summer = 1783339200;
  strftime(zone, sizeof zone, "%Z", localtime(&summer));
  printf("%d:%d %s accounts %d, certificates %s, home %s, %s\n", getuid(), getgid(), getcwd(cwd, sizeof cwd), accounts,
         certificates > 100 ? "many" : "few", wrote ? "writable" : "NOT writable", zone);
  return 0;
}
E2
cat > greet.cpp << 'E2'
#include <algorithm>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
int main() {
  std::map<std::string, int> words;
  std::istringstream text("a b a c a");
  for (std::string word; text >> word;) ++words[word];
  long sum = 0;
#pragma omp parallel for reduction(+ : sum)
  for (int i = 0; i < 1000; ++i) sum += i;
  std::thread thread([&] { words["thread"] = 1; });
  thread.join();
  try {
    throw std::runtime_error("caught");
  } catch (const std::exception& error) {
    std::cout << words["a"] << " " << words["thread"] << " " << sum << " " << error.what() << std::endl;
  }
}
E2
check "a static program" cc -O1 -static -o home home.c
check "a program in C++" c++ -O1 -fopenmp -o greet greet.cpp

# on FAMILY BASE EXTRA: a spec on that base.
on() { printf 'minibuild: 1\nbase: ./specs/%s/%s.yaml\n%s\n' "$1" "$2" "$3" > on.yaml; rm -rf on.oci; "$MINIBUILD" build on.yaml --progress plain --platform linux/amd64 -o oci:on.oci:1 > on.log 2>&1 || cat on.log; }
# versions FILE: those of symbols that a program needs, or that a library has.
needed() { objdump -p "$1" | sed -n '/^Version References/,$p' | grep -oE '(GLIBC|GLIBCXX|CXXABI|GCC|GOMP|OMP)_[0-9.]+' | sort -u; }
had() { for library in $(find -L "$1" -name 'libc.so.6' -o -name 'libstdc++.so.6' -o -name 'libgcc_s.so.1' -o -name 'libgomp.so.1' -o -name libm.so.6); do objdump -p "$library"; done |
  grep -oE '(GLIBC|GLIBCXX|CXXABI|GCC|GOMP|OMP)_[0-9.]+' | sort -u; }

if [ "$(id -u)" = 0 ] && [ "$(uname -m)" = x86_64 ]; then
  for family in distroless distroless-debian12; do
    on "$family" static 'copy: [{ from: home, to: /app/ }]
entrypoint: [/app/home]'
    same "$family/static: a static program" "$(run_image on.oci)" "65532:65532 /home/nonroot accounts 3, certificates many, home writable, UTC"
    # Platforms that give each project a uid of its own put it into group 0.
    same "$family/static: under an arbitrary uid" "$(rm bundle/rootfs/home/nonroot/here; run_again '.process.user = {uid: 1234567, gid: 0}')" \
      "1234567:0 /home/nonroot accounts 3, certificates many, home writable, UTC"
    same "$family/static: under another uid and group" "$(rm bundle/rootfs/home/nonroot/here; run_again '.process.user = {uid: 1234567, gid: 7}')" \
      "1234567:7 /home/nonroot accounts 3, certificates many, home NOT writable, UTC"
    on "$family" static-debug 'cmd: [-c, "id -u; pwd; which sh ls; set -- /busybox/*; echo $$#; cat /etc/timezone | tr a-z A-Z"]'
    same "$family/static-debug: the shell" "$(run_image on.oci | xargs)" \
      "65532 /home/nonroot /busybox/sh /busybox/ls $(tar -tf "$family-static-debug.tar" | grep -cE '^(\./)?busybox/.') ETC/UTC"
    rm -rf cc.dir && mkdir cc.dir && tar -C cc.dir --wildcards -xf "$family-cc.tar" '*lib/*' && had cc.dir > had
    if needed greet | comm -23 - had | grep . > lacking; then
      echo "not run: $family/cc is older than this machine's libraries: $(xargs < lacking)"
      continue
    fi
    on "$family" cc 'copy: [{ from: greet, to: /app/ }]
entrypoint: [/app/greet]'
    same "$family/cc: no library is missing" "$(grep -c missing-library on.log)" 0
    check "$family/cc: it was looked at" grep -q ' digest ' on.log
    same "$family/cc: a program in C++" "$(run_image on.oci)" "3 1 499500 caught"
    # The same program lacks its libraries one base below, and the build says so.
    on "$family" base 'copy: [{ from: greet, to: /app/ }]
entrypoint: [/app/greet]'
    check "$family/base: it lacks libstdc++" grep -qF "error: /app/greet needs libstdc++.so.6, which is not in the image [missing-library]" on.log
    check "$family/base: which a package has" grep -qF "fix: add 'libstdc++6' to 'packages'" on.log
  done
  for family in distroless distroless-debian12; do
    [ -n "${built[$family-python3]:-}" ] || continue
    on "$family" python3 'cmd:
  - -c
  - |
    import ssl, sqlite3, ctypes, bz2, lzma, zlib, hashlib, uuid, readline, curses, decimal, json, os, socket
    context = ssl.create_default_context()
    row = sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()
    pid = ctypes.CDLL("libc.so.6").getpid() == os.getpid()
    certificates = context.cert_store_stats()["x509_ca"]
    print("python", row[0], pid, certificates > 100, context.verify_mode.name, os.getuid(), socket.getservbyname("https"))'
    same "$family/python3: python" "$(run_image on.oci)" "python 42 True True CERT_REQUIRED 65532 443"
  done
else
  echo "not run: runc needs root on x86_64 here"
fi

# The lock files that are part of the program, with the mirror in the place of the snapshot.
moved=
for base in static cc python3 static-debug; do
  embedded=$SOURCE/specs/distroless/$base.lock.json
  absent=$(missing "$embedded" linux/amd64)
  if [ -n "$absent" ]; then
    moved="$moved $base"
    echo "the archive has moved on from the shipped lock of distroless/$base: $(xargs <<< "$absent" | cut -c1-200)"
    continue
  fi
  printf 'minibuild: 1\nbase: distroless/%s\n' "${base/-debug/:debug}" > embedded.yaml
  rm -f embedded.lock.json
  check "distroless/$base: the shipped lock builds" build embedded.yaml --platform linux/amd64 --cache-dir "$SCRATCH/cache.$base" \
    --mirror "$SNAPSHOT=file://$MIRROR/debian" -o oci:embedded.oci:1 -o tar:embedded.tar
  check "distroless/$base: the shipped lock's tree" tree embedded.tar "$embedded"
  # The same packages under another address are the same image.
  digests() { jq -r '.packages[] | select(.platform == "linux/amd64") | .packages[] | .name + " " + .digest' "$1" | sort; }
  if [ "$(digests "$embedded")" = "$(digests "specs/distroless/$base.lock.json")" ]; then
    same "distroless/$base: the shipped lock gives the layers of a fresh one" "$(layers embedded.oci)" "$(layers "distroless-$base.oci")"
    same "distroless/$base: the tree of a fresh one" "$(sha256sum < embedded.tar)" "$(sha256sum < "distroless-$base.tar")"
  else
    echo "the archive has moved on from the shipped lock of distroless/$base: other packages than a fresh lock"
  fi
  check "distroless/$base: the shipped lock keeps the snapshot's address" bash -c "! grep -q 'file://' embedded.lock.json"
done

# alpine/static has no lock file of its own; here its packages come from a repository that is made and signed now.
python3 -B - "$SOURCE/tests/e2e" << 'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import apk_repository as apk
key = apk.make_key(".", "alpine@example.com-1234")
packages = [apk.make_package("alpine-baselayout-data", "3.7.0-r0", {"etc/passwd": apk.file(b"root:x:0:0:root:/root:/bin/sh\n"), "etc/group": apk.file(b"root:x:0:\n")}),
            apk.make_package("alpine-release", "3.22.0-r0", {"etc/alpine-release": apk.file(b"3.22.0\n")}),
            apk.make_package("ca-certificates-bundle", "20250911-r0", {"etc/ssl/certs/ca-certificates.crt": apk.file(b"bundle\n")}),
            apk.make_package("tzdata", "2025b-r0", {"usr/share/zoneinfo/UTC": apk.file(b"TZif2")})]
apk.make_repository("alpine/main", packages, key)
PYTHON
printf 'minibuild: 1\nbase: alpine/static\n' > alpine.yaml
check "alpine/static" "$MINIBUILD" build minibuild:alpine/static.yaml --progress none --platform linux/amd64 \
  --set "ALPINE=file://$PWD/alpine" --set "ALPINE_KEY=$PWD/alpine@example.com-1234.rsa.pub" -o dir:alpine.dir -o oci:alpine.oci:1
same "alpine/static: user and home" "$(jq -r '.config.User + " " + .config.WorkingDir' <<< "$(skopeo inspect --config oci:alpine.oci:1)") $(stat -c '%a %u:%g' alpine.dir/home/nonroot)" \
  "65532:65532 /home/nonroot 775 65532:0"
same "alpine/static: its packages" "$(sed -n 's/^P://p' alpine.dir/lib/apk/db/installed | xargs)" "alpine-baselayout-data alpine-release ca-certificates-bundle tzdata"

finish
