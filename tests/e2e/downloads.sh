#!/usr/bin/env bash
# `copy: url:`: files and archives of a server, locked by their hash; nginx on loopback serves them.
. "$(dirname "$0")/lib.sh"
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; chmod -R u+rwX "$SCRATCH" 2> /dev/null; rm -rf "$SCRATCH"' EXIT
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
U=http://127.0.0.1:$port
mkdir -p www/mirror/sub tool-1.0/bin tool-1.0/share logs
htpasswd -nbB alice wonder > htpasswd
chmod 755 "$SCRATCH"
cat > nginx.conf << E2
daemon off; pid $SCRATCH/nginx.pid; error_log $SCRATCH/logs/error.log; worker_processes 1; $([ "$(id -u)" = 0 ] && echo "user root;")
events {}
http {
  access_log $SCRATCH/logs/access.log; client_body_temp_path $SCRATCH/t1; proxy_temp_path $SCRATCH/t2; fastcgi_temp_path $SCRATCH/t3;
  uwsgi_temp_path $SCRATCH/t4; scgi_temp_path $SCRATCH/t5;
  server { listen 127.0.0.1:$port; root $SCRATCH/www;
    location /private/ { auth_basic private; auth_basic_user_file $SCRATCH/htpasswd; alias $SCRATCH/www/; }
    location = /moved { return 302 /tool.tar.gz; }
    location = /away { return 302 file:///etc/passwd; }
  }
}
E2
nginx -c "$SCRATCH/nginx.conf" -e "$SCRATCH/logs/start.log" > /dev/null 2>&1 &
pids+=($!)
for _ in $(seq 100); do curl -s "$U/" > /dev/null && break; sleep 0.1; done

printf '#!/bin/sh\necho tool\n' > tool-1.0/bin/tool
chmod 755 tool-1.0/bin/tool
printf 'text\n' > "tool-1.0/share/naïve.txt"
ln -s tool tool-1.0/bin/link
ln tool-1.0/bin/tool tool-1.0/bin/hard
for form in gz xz bz2 zst; do tar caf "www/tool.tar.$form" tool-1.0; done
tar cf www/tool.tar tool-1.0
bsdtar -cf www/tool.zip --format zip tool-1.0
head -c 300000 /dev/urandom > www/data.bin
H=$(sha256sum www/data.bin | cut -d' ' -f1)

# one KEYS…: a spec with one copy entry.
one() { printf 'minibuild: 1\nuser: 1\ncopy: [{ %s }]\n' "$1" > "${2:-one.yaml}"; }
files() { "$MINIBUILD" inspect --json oci:out.oci | jq -r '.files[] | select(.type != "d") | "\(.path) \(.mode) \(.size // "")"' | xargs; }
try() { rm -rf out.oci; build one.yaml -o oci:out.oci "$@" 2> err; }

one "url: $U/data.bin, sha256: $H, to: /data/"
D=$(try)
same "a file with a hash" "$(files)" "/data/data.bin 0644 300000"
check "needs no lock file" test ! -e one.lock.json
check "the image is valid" python3 "$SOURCE/tests/e2e/validate.py" out.oci
same "offline afterwards" "$(try --offline)" "$D"
rm -rf cache
try --offline > /dev/null
same "offline without it" "$? $(grep -c 'one.yaml:3:.*cannot fetch.*--offline forbids' err)" "1 1"
one "url: $U/data.bin, to: /tool, mode: '0755'"
D=$(try)
same "without a hash: locked" "$(jq -rc '.downloads[] | [.url, .digest, .size]' one.lock.json)" "[\"$U/data.bin\",\"sha256:$H\",300000]"
same "mode" "$(files)" "/tool 0755 300000"
check "the lock fits its schema" test "$("$MINIBUILD" schema lock | jq -r '.properties.downloads.items.properties | keys | join(",")')" = digest,size,url
cp one.lock.json first.lock.json
same "--locked follows it" "$(try --locked)" "$D"
printf 'other\n' > www/data.bin
same "from the cache" "$(try)" "$D"
rm -rf cache
try > /dev/null
same "another content is refused" "$? $(grep -c "one.yaml:3:.*cannot fetch $U/data.bin.*not the bytes that its digest says" err) $(ls -d out.oci 2> /dev/null)" "1 1 "
same "nothing of it is kept" "$(find cache/blobs cache/tmp -type f)" ""
"$MINIBUILD" lock one.yaml --update "$U/data.bin" 2> err
same "lock --update" "$(jq -r '.downloads[0].size' one.lock.json) $(grep -c 'moved, and was updated' err)" "6 1"
check "and builds" try
"$MINIBUILD" lock one.yaml --update nowhere 2> err
same "an unknown name" "$? $(grep -c "names no image, URL, package or source 'nowhere'" err)" "2 1"
rm one.lock.json
try --locked > /dev/null
same "--locked without a lock" "$? $(grep -c 'not in the lock file one.lock.json' err)" "1 1"

for form in tar tar.gz tar.xz tar.bz2 tar.zst zip; do
  one "url: $U/tool.$form, to: /opt/, extract: true, strip: 1"
  check "$form" try
  want="/opt/bin/hard 0755 20 /opt/bin/link 0777 /opt/bin/tool 0755 20 /opt/share/naïve.txt 0644 5"
  same "$form: its files" "$(files)" "$want"
done
digests() { for f in tar tar.gz tar.xz tar.bz2 tar.zst; do one "url: $U/tool.$f, to: /opt, extract: true"; try; done | sort -u | wc -l; }
same "the same tree from every compressor" "$(digests)" 1
same "under another locale too" "$(LC_ALL=POSIX digests)" 1
one "url: $U/tool.tar.gz, to: /usr/bin/, extract: true, from: 'tool-1.0/bin/t*'"
check "a glob in an archive" try
same "a glob in an archive: its files" "$(files)" "/usr/bin/tool 0755 20"
one "url: $U/tool.tar.gz, to: /usr/bin/x, extract: true, from: nowhere"
try > /dev/null
same "what is not in the archive" "$? $(grep -c "cannot copy 'nowhere' from $U/tool.tar.gz" err)" "1 1"
one "url: $U/moved, to: /x"
check "a redirect" try
one "url: $U/away, to: /x"
try > /dev/null
same "a redirect elsewhere is refused" "$? $(grep -c 'not a URL with http or https' err)" "1 1"
one "url: $U/missing, to: /x"
try > /dev/null
same "404" "$? $(grep -c "cannot fetch $U/missing.*404 Not Found" err)" "1 1"

one "url: $U/private/data.bin, to: /x"
try > /dev/null
same "401 names the place of credentials" "$? $(grep -c 'no credentials for 127.0.0.1' err)" "1 1"
printf '{"auths": {"127.0.0.1:%s": {"auth": "%s"}}}' "$port" "$(printf alice:wonder | base64)" > auth.json
try --authfile auth.json > /dev/null
same "no credentials over plain HTTP" "$? $(grep -c "not sent over plain HTTP to 127.0.0.1:$port; .*--plain-http 127.0.0.1:$port" err)" "1 1"
check "credentials of the host, named" try --authfile auth.json --plain-http "127.0.0.1:$port"
rm -f one.lock.json
cp www/tool.zip www/mirror/sub/x.zip
one "url: https://downloads.example.com/v1/sub/x.zip, to: /x, extract: true"
check "a mirror" try --mirror "https://downloads.example.com/v1=$U/mirror"
same "the lock keeps the URL" "$(jq -r '.downloads[0].url' one.lock.json)" "https://downloads.example.com/v1/sub/x.zip"

# What is no archive, or a bad one.
bad() {
  cp "$2" www/bad.bin
  rm -f one.lock.json
  one "url: $U/bad.bin, to: /x, extract: true"
  try > /dev/null
  same "$1" "$? $(grep -cE "$3" err) $(ls -d out.oci 2> /dev/null)" "1 1 "
  [ "$(grep -cE "$3" err)" = 1 ] || cat err
}
head -c 5000 /dev/urandom > noise
bad "noise" noise 'cannot unpack .*bad.bin: Unrecognized'
head -c 200 www/tool.tar.gz > cut
bad "a truncated gzip" cut 'cannot unpack .*: (truncated|Truncated)'
head -c 1600 www/tool.tar > cut
bad "a truncated tar" cut 'cannot (unpack|read) .*bad.bin.*[Tt]runcated'
python3 - << 'E2'
import io, tarfile, zipfile
def tar(name, *entries):
    with tarfile.open(name, "w") as out:
        for path, kind, target in entries:
            info = tarfile.TarInfo(path)
            info.type = kind
            info.linkname = target
            out.addfile(info)
tar("up.tar", ("a/../../etc/x", tarfile.REGTYPE, ""))
tar("device.tar", ("null", tarfile.CHRTYPE, ""))
tar("link.tar", ("x", tarfile.LNKTYPE, "../../etc/passwd"))
with zipfile.ZipFile("up.zip", "w") as out:
    out.writestr("../x", "text")
E2
bad "a name that leads out" up.tar "cannot read .*'a/\.\./\.\./etc/x'"
bad "a name that leads out of a zip" up.zip "cannot read .*'\.\./x'"
bad "a device" device.tar "'null' is neither file nor directory nor link"
bad "a hard link that leads out" link.tar "cannot read .*\.\./\.\./etc/passwd"
rm -f one.lock.json
for n in 1 2 3 4; do one "url: $U/tool.tar.gz, to: /opt, extract: true" "p$n.yaml"; done
rm -rf cache
for n in 1 2 3 4; do build "p$n.yaml" -o "oci:p$n.oci" > "p$n.out" 2>&1 & done
wait $(jobs -p | tail -4)
same "four builds at once" "$(cat p?.out | sort -u | wc -l)" 1
same "cache gc keeps what was used" "$("$MINIBUILD" cache gc > /dev/null; rm -f one.lock.json; cp p1.lock.json one.lock.json; cp p1.yaml one.yaml; try --offline)" "$(cat p1.out)"
finish
