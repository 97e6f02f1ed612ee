#!/usr/bin/env bash
# Libraries of images: closures when everything is in place, versions, processors, what the entrypoint reaches.
. "$(dirname "$0")/lib.sh"
command -v cc > /dev/null || { echo "not run: needs cc"; exit 77; }
[ "$(uname -m)" = x86_64 ] || { echo "not run: the programs are for x86-64"; exit 77; }

mkdir src && cat > src/build.sh << 'E2'
set -eu
mkdir -p /out/bin /out/v1 /out/v2 /out/jre/bin /out/jre/lib/server
cd /out
echo 'int f(void) { return 0; }' > /tmp/v1.c
echo 'int f(void) { return 0; } int g(void) { return 0; }' > /tmp/v2.c
echo 'V1 { global: f; local: *; };' > /tmp/v1.map
echo 'V1 { global: f; local: *; }; V2 { global: g; } V1;' > /tmp/v2.map
for v in 1 2; do cc -shared -fPIC -Wl,-soname,libv.so.1 -Wl,--version-script,/tmp/v$v.map -o v$v/libv.so.1 /tmp/v$v.c; done
echo 'int g(void); int main(void) { return g(); }' | cc -x c -o bin/main - -x none v2/libv.so.1
echo 'int main(void) { return 0; }' | cc -x c -o bin/plain -
cp bin/plain bin/foreign && printf '\267\000' | dd of=bin/foreign bs=1 seek=18 conv=notrunc 2> /dev/null
# As a Java runtime: a library that the launcher opens by its path, and that others need by name.
echo 'int jvm(void) { return 0; }' | cc -x c -shared -fPIC -Wl,-soname,libjvm.so -o jre/lib/server/libjvm.so -
echo 'int jvm(void); int j(void) { return jvm(); }' | cc -x c -shared -fPIC -o jre/lib/libjava.so - -x none jre/lib/server/libjvm.so
echo 'int main(void) { return 0; }' | cc -x c -o jre/bin/java -
E2
# spec NAME KEYS…: a spec whose stage has the programs
spec() {
  local name=$1
  shift
  printf '%s\n' 'minibuild: 1' 'user: 65532' 'stages:' '  build: { base: host, copy: [{ from: src/build.sh, to: /src/ }], run: [sh /src/build.sh] }' "$@" > "$name.yaml"
}
# status NAME: builds it
status() { "$MINIBUILD" build --progress plain "$1.yaml" -o "oci:$1.oci" > "$1.log" 2>&1; echo $?; }
digest() { jq -r '.manifests[0].digest' "$1.oci/index.json"; }

from() { echo "{ stage: build, from: $1, to: $2${3:-} }"; }
libraries='closure: true'
spec bare "copy: [$(from /out/bin/plain /app/)]" 'entrypoint: [/app/plain]'
same "no loader: refused" "$(status bare)" 3
check "no loader: says which" grep -q 'error: /app/plain needs /lib64/ld-linux-x86-64.so.2, which is not in the image' bare.log
spec idle "copy: [$(from /out/bin/plain /app/)]"
same "what nothing starts is not refused" "$(status idle)" 0

spec first "copy: [$(from /out/bin/main /app/ ", $libraries"), $(from /out/v2/libv.so.1 /usr/lib/)]" 'entrypoint: [/app/main]'
spec second "copy: [$(from /out/v2/libv.so.1 /usr/lib/), $(from /out/bin/main /app/ ", $libraries")]" 'entrypoint: [/app/main]'
same "a closure before what it finds" "$(status first)" 0
same "and behind it" "$(status second)" 0
same "are the same image" "$(digest first)" "$(digest second)"

spec older "copy: [$(from /out/bin/main /app/ ", $libraries"), $(from /out/v1/libv.so.1 /usr/lib/)]" 'entrypoint: [/app/main]'
same "an older library: refused" "$(status older)" 3
check "names the version and the library" grep -q 'error: /app/main needs V2 of libv.so.1, and /usr/lib/libv.so.1 of the image has no such version \[missing-library\]' older.log
{ cat older.yaml; echo 'policy: { warn: [missing-library] }'; } > warned.yaml
same "as a warning" "$(status warned)" 0
check "which is told" grep -q 'missing-library: warning: /app/main needs V2' warned.log
{ cat older.yaml; echo 'policy: { allow: [{ rule: missing-library, path: /app/main, reason: x }] }'; } > allowed.yaml
same "as an exception" "$(status allowed)" 0
"$MINIBUILD" check --image oci:allowed.oci > image.log 2>&1
same "a finished image: refused as well" "$?" 3
check "with the same words" grep -q 'needs V2 of libv.so.1' image.log

spec else "copy: [$(from /out/bin/main /app/ ", $libraries"), $(from /out/v2/libv.so.1 /opt/v/)]" 'entrypoint: [/app/main]'
same "a library where the loader does not look: refused" "$(status else)" 3
check "says where it is and what helps" bash -c "grep -q 'libv.so.1, which is at /opt/v/libv.so.1, where its loader does not look' else.log && grep -q 'LD_LIBRARY_PATH: /opt/v' else.log"
{ cat else.yaml; echo 'env: { LD_LIBRARY_PATH: /opt/v }'; } > path.yaml
same "with the variable" "$(status path)" 0
sed 's/closure: true/closure: { search: [\/opt\/v] }/' else.yaml > search.yaml
same "with a directory to search" "$(status search)" 0

for entry in '[/bin/tini, --, /app/main]' '[/entry.sh]' '[/entry.sh, /app/main]'; do
  spec through "copy: [$(from /out/bin/main /app/ ", $libraries"), $(from /out/v1/libv.so.1 /usr/lib/), $(from /out/bin/plain /bin/tini), $(from /out/bin/plain /bin/sh)]" \
    'files: [{ file: /entry.sh, mode: "0755", content: "#!/bin/sh\nset -e\nexec /app/main --all\n" }]' "entrypoint: $entry"
  same "through $entry" "$(status through)" 3
done

spec foreign "copy: [$(from /out/bin/foreign /app/)]" 'entrypoint: [/app/foreign]'
same "an entrypoint for another processor" "$(status foreign)" 3
check "says so" grep -q 'error: the entrypoint /app/foreign is for another processor than linux/amd64' foreign.log
spec interpreted "copy: [$(from /out/bin/foreign /app/)]" 'files: [{ file: /start, mode: "0755", content: "#!/app/foreign -x\n" }]' 'entrypoint: [/start]'
same "an interpreter for another processor" "$(status interpreted)" 3
check "says whose" grep -q 'error: the entrypoint /start needs the interpreter /app/foreign, which is for another processor than linux/amd64' interpreted.log
# Scripts that cannot start, or not go on. script ~ entrypoint ~ status ~ what is told
while IFS='~' read -r script entry want says; do
  spec script "copy: [$(from /out/bin/plain /bin/sh ", $libraries"), $(from /out/bin/plain /usr/bin/env ", $libraries"), $(from /out/bin/plain /bin/tini ", $libraries")]" \
    "files: [{ file: /start, mode: \"0755\", content: \"$script\" }, { file: /there, mode: \"0644\", content: x }, { file: /other, mode: \"0755\", content: \"#!/bin/none\\n\" }]" "entrypoint: $entry
volumes: [/data]"
  same "$script, $entry" "$(status script)" "$want"
  [ -z "$says" ] || check "told of $script, $entry: $says" grep -qF "error: $says" script.log
done << 'E2'
#!/usr/bin/none -x\n~[/start]~3~the entrypoint /start needs the interpreter /usr/bin/none, which is not in the image
#!/usr/bin/env -S none --x\n~[/start]~3~the entrypoint /start needs the interpreter none, which is in no directory of PATH
#!/usr/bin/env sh\nexec /app/none\n~[/start]~3~the entrypoint /start starts /app/none in its last line, which is not in the image
#!/bin/sh\nset -e\n# exec /bin/sh\nexec /app/none \"$$@\"\n\n# end\n~[/start]~3~the entrypoint /start starts /app/none in its last line, which is not in the image
#!/bin/sh\nexec /there~[/start]~3~the entrypoint /start starts /there in its last line, which is not executable (0644)
#!/bin/sh\nexec /other~[/start]~3~/other, which the entrypoint /start starts, needs the interpreter /bin/none, which is not in the image
exec /app/none~[/bin/sh, /start]~3~the script /start starts /app/none in its last line
#!/bin/none\n~[/bin/tini, --, /start]~3~the script /start needs the interpreter /bin/none
#!/bin/sh\nexec /data/app\n~[/start]~0~
#!/bin/sh\nexec \"$$APP\"\n~[/start]~0~
#!/bin/sh\n[ -x /app/none ] && exec /app/none\n~[/start]~0~
#!/bin/sh\nif true; then\nexec /app/none\nfi\n~[/start]~0~
#!/bin/sh\ntrue ||\nexec /app/none\n~[/start]~0~
#!/bin/sh\nexec /bin/sh -c x\n~[/start]~0~
E2

spec data 'files: [{ file: /start, mode: "0755", content: "#!/bin/sh\n" }]' 'entrypoint: [/start]'
same "a script without any program: a warning" "$(status data) $(grep -c 'warning: the entrypoint /start needs the interpreter /bin/sh' data.log)" "0 1"

spec beside "copy: [$(from /out/bin /app ", $libraries, exclude: [main]")]" 'entrypoint: [/app/plain]'
same "one beside it" "$(status beside)" 0

spec jre "copy: [$(from /out/jre /opt/jre ", $libraries")]" 'entrypoint: [/opt/jre/bin/java]'
same "a library that the copied tree has is not missing" "$(status jre)" 0
same "nor told" "$(grep -c libjvm jre.log)" 0
finish
