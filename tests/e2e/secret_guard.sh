#!/usr/bin/env bash
# A declared secret in what a spec names outside reaches no server, whatever command reads the spec: none gets as far as a
# request. And a published package stops no build, but what the user put beside it does.
. "$(dirname "$0")/lib.sh"

cat > server.py <<'E2'
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        open("requests", "a").write(self.path + "\n")
        self.send_error(404)
    do_GET = do_HEAD = do_POST = do_PUT = answer
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port.new", "w").write(str(server.server_port))
import os; os.rename("port.new", "port")
server.serve_forever()
E2
python3 server.py & server=$!
trap 'kill $server; rm -rf "$SCRATCH"' EXIT
for _ in $(seq 100); do [ -s port ] && break; sleep 0.05; done
host=127.0.0.1:$(cat port)
secret=zQ4-kT7xWm2RbN9c
printf %s "$secret" > value
: > requests

top='minibuild: 1
image: registry.example.com/team/app:1
user: 65532
entrypoint: [/x]'
spec() { printf '%s\n%b\n' "$top" "$1" > "$2.yaml"; }
spec "copy: [{ url: \"http://$host/$secret/a\", to: /a }]" url
spec "base: $host/team/$(printf %s "$secret" | tr A-Z a-z):$secret" base
spec "args: { A: zQ4-kT7x, B: Wm2RbN9c }\ncopy: [{ url: \"http://$host/\${A}\${B}/a\", to: /a }]" pieces
spec "args: { T: '' }\ncopy: [{ url: \"http://$host/\${T}/a\", to: /a }]" argument
spec "base: scratch\ncopy: [{ url: \"http://$host/a\", to: /a }]\nlabels: { a: \"$(printf %s "$secret" | base64)\" }" label
spec "stages: { s: { base: scratch, copy: [{ url: \"http://$host/%7a%51%34-kT7xWm2RbN9c\", to: /a }], run: [x] } }" stage
spec "base: url.yaml" below
spec "copy: [{ url: \"http://$host/b\", to: /a }]" mirror
cp mirror.yaml locked.yaml
cat > locked.lock.json <<E2
{"minibuildLock": 1, "images": [], "downloads": [{"url": "http://$host/$secret", "digest":
"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "size": 1}]}
E2

failures=0
for name in url base pieces argument label stage below mirror locked; do
  more=()
  [ $name = argument ] && more=(--set "T=$secret")
  for command in build plan lock check reproduce; do
    arguments=("$name.yaml")
    [ $command = reproduce ] && arguments+=("docker://$host/team/app:1")
    [ $name = mirror ] && [ $command = check ] && continue # asks nobody
    [ $name = mirror ] && more=(--mirror "registry.example.com=http://$host/$secret")
    status=0
    "$MINIBUILD" $command "${arguments[@]}" --secret id=s,src=value "${more[@]}" --plain-http "$host" --cache-dir cache \
      > out 2>&1 || status=$?
    if [ $status != 3 ] || grep -q "$secret" out || [ -s requests ] ||
      { [ $name != locked ] && [ -e "$name.lock.json" ]; }; then
      echo "$command $name: exit $status, $(wc -l < requests) requests: $(cat out)"
      failures=$((failures + 1)); : > requests
    fi
  done
done

# The same password is a warning in a file of a published package, an error in one that was changed or is the user's own.
site=app/lib/site-packages
mkdir -p $site/pack $site/pack-1.0.dist-info app/node_modules/pack
line='password = "hT7-kq2Zx9Lw4"'
echo "$line" > $site/pack/a.py
echo "pack/a.py,sha256=$(openssl dgst -sha256 -binary $site/pack/a.py | base64 | tr '+/' '-_' | tr -d =),27" \
  > $site/pack-1.0.dist-info/RECORD
echo "$line" > app/node_modules/pack/a.js
echo '{"name":"pack","version":"1.0.0"}' > app/node_modules/pack/package.json
spec "copy: [{ from: app/, to: /app/ }]\npolicy: { deny: [setuid] }" packages
try() {
  status=0
  "$MINIBUILD" check packages.yaml --cache-dir cache > out 2>&1 || status=$?
  [ $status = "$1" ] || { echo "$2: exit $status, want $1: $(cat out)"; failures=$((failures + 1)); }
}
try 0 "published files"
grep -q 'as everybody has it with pack 1.0' out || { echo "not told: $(cat out)"; failures=$((failures + 1)); }
echo "# changed" >> $site/pack/a.py
try 3 "a changed file"
sed -i '$d' $site/pack/a.py
echo '{}' > $site/pack-1.0.dist-info/direct_url.json
try 3 "a package from a directory"
rm $site/pack-1.0.dist-info/direct_url.json
echo "$line" > app/own.py
try 3 "a file of the user"
rm app/own.py
openssl genpkey -algorithm ed25519 > app/node_modules/pack/key.pem 2> /dev/null
try 3 "a key in a package without a hash"
exit $((failures > 0))
