#!/usr/bin/env bash
# Never an old program: incremental tools with kept directories and on stages, old stamps of files, changed tools of the
# host. The right value is always what the edited sources say.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || echo "not run: changing the host's tools, and file systems with coarse times, need root"
remove_at_end=() # of this machine
end() {
  chmod -R u+rwX "$SCRATCH" 2> /dev/null
  rm -rf "$SCRATCH" "${remove_at_end[@]}"
}
trap end EXIT
log() { "$MINIBUILD" build --progress plain "$@" 2>&1 > /dev/null | grep -v '^  '; }

# spec DIRECTORY [COPY]: what the stage runs comes from standard input; its program is /out/app. COPY is copied before the
# sources.
spec() {
  mkdir -p "$1/src"
  {
    printf 'minibuild: 1\nimage: registry.example.com/team/stale:1\nstages:\n  s:\n    base: host\n'
    printf '    copy: [%s{ from: src, to: /src/ }]\n    workdir: /src\n    caches: [/kept]\n    run:\n      - |\n' "${2:+$2, }"
    sed 's/^/        /'
    printf 'copy: [{ stage: s, from: /out/app, to: /app }]\nuser: 65532\nentrypoint: [/x]\n'
  } > "$1/minibuild.yaml"
}
program() { printf '#include <stdio.h>\nint word(void);\nint main(void) { printf("%%d\\n", word()); return 0; }\n' > "$1/src/main.c"; }
word() { echo "int word(void) { return $2; }" > "$1/src/word.c"; }

# edited TOOL [EDIT [RUN]], in the directory of that name: build, edit, build again: the new one ships. EDIT DIRECTORY NUMBER writes the
# source, RUN FILE says its number.
edited() {
  local tool=$1 edit=${2:-word} run=${3:-run}
  "$edit" "$tool" 1
  build "$tool/minibuild.yaml" -o "dir:$tool.1" > /dev/null || { same "$tool: builds" no yes; return; }
  same "$tool: the first" "$("$run" "$tool.1/app")" 1
  "$edit" "$tool" 2
  build "$tool/minibuild.yaml" -o "dir:$tool.2" > /dev/null
  same "$tool: an edited file is built again" "$("$run" "$tool.2/app")" 2
}
run() { "$1"; }

# back, with what `edited` had: back to the old text the old one ships.
back() {
  local tool=$1 edit=${2:-word} run=${3:-run}
  "$edit" "$tool" 1
  touch "$tool/src/unrelated.txt" # so that no kept result serves
  build "$tool/minibuild.yaml" -o "dir:$tool.3" > /dev/null
  same "$tool: the old text gives the old program" "$("$run" "$tool.3/app")" 1
}

# emptied TOOL: --no-cache empties what is kept, reproduce begins with nothing.
emptied() {
  local tool=$1
  word "$tool" 2
  touch -d '2001-01-01' "$tool"/src/*
  build "$tool/minibuild.yaml" -o "dir:$tool.4" --no-cache > /dev/null
  same "$tool: --no-cache" "$("$tool.4/app")" 2
  build "$tool/minibuild.yaml" -o "oci:$tool.oci" > /dev/null
  word "$tool" 1
  check "$tool: reproduce sees that the image is another" bash -c "'$MINIBUILD' reproduce --progress none $tool/minibuild.yaml oci:$tool.oci > /dev/null; [ \$? = 3 ]"
  word "$tool" 2
  check "$tool: reproduce" "$MINIBUILD" reproduce --progress none "$tool/minibuild.yaml" "oci:$tool.oci"
}

spec make << 'E2'
mkdir -p /kept/o /out
cat > /kept/Makefile <<'M'
/kept/o/app: /kept/o/main.o /kept/o/word.o
	cc -o $@ $^
/kept/o/%.o: /src/%.c
	cc -c -o $@ $<
M
make -s -f /kept/Makefile
cp /kept/o/app /out/
E2
program make
edited make && back make && emptied make
spec again << 'E2'
mkdir -p /out && cd /kept
printf 'app: main.o word.o\n\tcc -o $@ $^\n%%.o: /src/%%.c\n\techo compiles $< && cc -c -o $@ $<\n' > Makefile
make -s && cp app /out/
E2
program again && word again 1
log again/minibuild.yaml -o dir:again.1 > again.log
word again 2
same "make: only the edited file is compiled again" "$(log again/minibuild.yaml -o dir:again.2 | grep compiles)" "s | compiles /src/word.c"

# What a tool dates ahead (here an object of 2040) is not newer than the next edit.
spec ahead << 'E2'
mkdir -p /out && cd /kept
printf 'app: main.o word.o\n\tcc -o $@ $^\n%%.o: /src/%%.c\n\tcc -c -o $@ $<\n' > Makefile
make -s 2> /dev/null && touch -d 2040-01-01 *.o app && cp app /out/
E2
program ahead && word ahead 1
build ahead/minibuild.yaml -o dir:ahead.1 > /dev/null
word ahead 2
build ahead/minibuild.yaml -o dir:ahead.2 > /dev/null
same "objects that are dated ahead" "$(ahead.1/app) $(ahead.2/app)" "1 2"

if command -v ninja > /dev/null; then
  spec ninja << 'E2'
mkdir -p /out && cd /kept
cat > build.ninja <<'N'
rule cc
  command = cc -c -o $out $in
rule link
  command = cc -o $out $in
build main.o: cc /src/main.c
build word.o: cc /src/word.c
build app: link main.o word.o
N
ninja -j1 > /dev/null && cp app /out/
E2
  program ninja
  edited ninja && back ninja && emptied ninja
else
  echo "not run: ninja is not installed"
fi
if command -v cmake > /dev/null; then
  spec cmake << 'E2'
mkdir -p /out && cmake -S /src -B /kept -G "Unix Makefiles" > /dev/null && cmake --build /kept > /dev/null && cp /kept/app /out/
E2
  program cmake
  printf 'cmake_minimum_required(VERSION 3.20)\nproject(app C)\nadd_executable(app main.c word.c)\n' > cmake/src/CMakeLists.txt
  edited cmake && back cmake && emptied cmake
else
  echo "not run: cmake is not installed"
fi

# shown PROGRAM: the first in PATH that stages on `base: host` have, too.
shown() {
  local path
  for path in $(type -aP "$1"); do
    case $(readlink -f "$path") in */rustup) ;; /usr/* | /opt/*) echo "$path" && return ;; esac
  done
  return 1
}

# A package of Go without any import: the compiler runs, but not for the whole standard library. One of two files is compiled.
go_word() {
  local n
  for n in 1 2; do
    printf '//go:build %s\n\npackage app\n\nvar Word = "the word is %s"\n' "$([ "$n" = "$2" ] && echo one || echo two)" "$n" > "$1/src/w$n.go"
  done
}
go_says() { grep -ao 'the word is [12]' "$1" | cut -d' ' -f4 | sort -u; }
if go=$(shown go); then
  spec go << E2
mkdir -p /out
GOCACHE=/kept/go CGO_ENABLED=0 $go build -tags one -o /kept/app .
cp /kept/app /out/app
E2
  printf 'module app\n\ngo 1.16\n' > go/src/go.mod
  edited go go_word go_says && back go go_word go_says
else
  echo "not run: go is not installed below /usr or /opt"
fi

# Cargo of rustup is in a home, which no stage sees: root puts links to its files below /opt.
cargo_word() { echo "pub fn word() -> i32 { $2 }" > "$1/src/src/word.rs"; }
rust=$(shown cargo && shown rustc > /dev/null) && rust=$(dirname "$rust") || rust=
if [ -z "$rust" ] && [ "$(id -u)" = 0 ] && sysroot=$(rustc --print sysroot 2> /dev/null); then
  place=/opt/minibuild-test-rust-$$
  remove_at_end+=("$place")
  mkdir -p "$place/bin" "$place/lib/rustlib" && cp -lL "$sysroot"/bin/{cargo,rustc} "$place/bin" && cp -l "$sysroot"/lib/*.so* "$place/lib" &&
    cp -al "$(dirname "$(rustc --print target-libdir)")" "$place/lib/rustlib" && rust=$place/bin
fi
if [ -n "$rust" ]; then
  spec cargo << E2
mkdir -p /out
PATH=$rust:\$PATH CARGO_HOME=/kept/home CARGO_TARGET_DIR=/kept/target cargo build --offline -q
cp /kept/target/debug/app /out/
E2
  mkdir cargo/src/src
  printf '[package]\nname = "app"\nversion = "1.0.0"\nedition = "2018"\n' > cargo/src/Cargo.toml
  printf 'mod word;\nfn main() { println!("{}", word::word()); }\n' > cargo/src/src/main.rs
  edited cargo cargo_word && back cargo cargo_word
else
  echo "not run: cargo is neither below /usr or /opt, nor root's with its files where links from /opt can lead to them"
fi

# TypeScript's builds with references, which compare times (`tsc -b`).
tsc_word() { echo "export const word: number = $2;" > "$1/src/word.ts"; }
typescript=
if node=$(shown node); then
  for one in /usr/share/nodejs/typescript /usr/lib/node_modules/typescript /usr/local/lib/node_modules/typescript; do
    [ -f "$one/lib/tsc.js" ] && typescript=$one
  done
  if [ -z "$typescript" ] && command -v npm > /dev/null; then
    mkdir npm && (cd npm && timeout 60 npm install --silent --no-audit --no-fund --prefer-offline --ignore-scripts typescript@5) > /dev/null 2>&1
    [ -f npm/node_modules/typescript/lib/tsc.js ] && typescript=$PWD/npm/node_modules/typescript
  fi
fi
if [ -n "$typescript" ]; then
  mkdir -p tsc/tsc && cp "$typescript"/lib/*.d.ts "$typescript"/lib/*tsc.js tsc/tsc
  [ -f tsc/tsc/_tsc.js ] || cp "$typescript/lib/typescript.js" tsc/tsc
  spec tsc "{ from: tsc, to: /tsc/ }" << E2
mkdir -p /out
$node /tsc/tsc.js -b /src
cp /kept/word.js /out/app
E2
  echo '{ "files": ["word.ts"], "compilerOptions": { "incremental": true, "outDir": "/kept", "tsBuildInfoFile": "/kept/info", "types": [], "module": "commonjs" } }' > tsc/src/tsconfig.json
  tsc_says() { "$node" -p "$(cat "$1"); exports.word"; }
  edited tsc tsc_word tsc_says && back tsc tsc_word tsc_says
else
  echo "not run: TypeScript: it is neither below /usr nor to be had by npm"
fi

# Maven's compiler: its plugin comes from what the caller's Maven fetched earlier, by a repository that is a directory.
maven_word() { printf 'class Word {\n  static int word() { return %s; }\n}\n' "$2" > "$1/src/src/main/java/Word.java"; }
maven_says() { mkdir -p classes && cp "$1" classes/Word.class && javap -c -p -cp classes Word | sed -n 's/.*iconst_\([0-9]\).*/\1/p'; }
plugin=org/apache/maven/plugins/maven-compiler-plugin
version=$(ls "$HOME/.m2/repository/$plugin" 2> /dev/null | sort -V | tail -1)
if ! mvn=$(shown mvn) || ! shown javac > /dev/null; then
  echo "not run: maven and a JDK are not installed below /usr or /opt"
elif [ -z "$version" ]; then
  echo "not run: maven: ~/.m2 has no maven-compiler-plugin, and nothing is fetched here"
else
  goal=org.apache.maven.plugins:maven-compiler-plugin:$version:compile
  mkdir -p maven/src/src/main/java maven/trial
  cat > maven/src/pom.xml << 'E2'
<project><modelVersion>4.0.0</modelVersion><groupId>example</groupId><artifactId>app</artifactId><version>1</version>
<properties><maven.compiler.source>11</maven.compiler.source><maven.compiler.target>11</maven.compiler.target></properties>
<build><directory>${out}</directory></build></project>
E2
  echo "<settings><mirrors><mirror><id>here</id><mirrorOf>*</mirrorOf><url>file://$HOME/.m2/repository</url></mirror></mirrors></settings>" > maven/settings.xml
  maven_word maven 1
  if "$mvn" -q -s maven/settings.xml -f maven/src -Dout="$PWD/maven/trial" -Dmaven.repo.local="$PWD/maven/m2" "$goal" > maven.log 2>&1; then
    find maven/m2 -name _remote.repositories -delete # which say from whom each file came, and bind it to them
    spec maven "{ from: m2, to: /m2/ }" << E2
mkdir -p /out
$mvn -o -q -Dout=/kept -Dmaven.repo.local=/m2 $goal
cp /kept/classes/Word.class /out/app
E2
    edited maven maven_word maven_says
  else
    echo "not run: maven: ~/.m2 lacks what maven-compiler-plugin $version needs: $(grep -m1 ERROR maven.log | cut -c1-200)"
  fi
fi

# Without kept directories: what a stage below left is older than what is copied over it.
mkdir -p below/src below/next
program below && word below 1 && cp below/src/word.c below/next/word.c
cat > below/minibuild.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/stale:1
stages:
  first:
    base: host
    copy: [{ from: src, to: /src/ }]
    workdir: /src
    run: |
      printf 'app: main.o word.o\n\tcc -o $@ $^\n' > Makefile
      make -s
  second:
    base: { stage: first }
    copy: [{ from: next, to: /src/ }]
    workdir: /src
    run: make -s && mkdir /out && cp app /out/
copy: [{ stage: second, from: /out/app, to: /app }]
user: 65532
entrypoint: [/x]
E2
build below/minibuild.yaml -o dir:below.1 > /dev/null
same "a stage on a stage: the first" "$(below.1/app)" 1
echo 'int word(void) { return 2; }' > below/next/word.c
build below/minibuild.yaml -o dir:below.2 > /dev/null
same "a stage on a stage: what is copied over it is newer" "$(below.2/app)" 2

# Where nothing can have been made of them, inputs have the epoch's time, here and everywhere.
mkdir -p times/src && echo x > times/src/file
cat > times/minibuild.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/stale:1
epoch: 86400
stages: { s: { base: host, copy: [{ from: src, to: /src/ }], caches: [/kept], run: "mkdir /out; stat -c '%Y' /src /src/file > /out/t; date > /kept/x" } }
copy: [{ stage: s, from: /out/t, to: /t }]
user: 65532
entrypoint: [/t]
E2
build times/minibuild.yaml -o dir:times.1 > /dev/null
same "the first run has the epoch's times" "$(xargs < times.1/t)" "86400 86400"
build times/minibuild.yaml -o dir:times.2 --no-cache > /dev/null
same "and so has one with emptied caches" "$(xargs < times.2/t)" "86400 86400"

# No time is 0: Java takes that for a file that is not there, and zip archives begin with 1980.
mkdir -p zero/src && echo x > zero/src/file
cat > zero/minibuild.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/stale:1
stages:
  sources: { base: host, copy: [{ from: src, to: /src/ }], files: [{ file: /src/written, content: x }] }
  s:
    base: { stage: sources }
    copy: [{ from: src, to: /more/ }]
    workdir: /src
    run: python3 -m zipfile -c /all.zip /src /more && mkdir /out && stat -c '%Y' /src /src/* /more/file > /out/t
copy: [{ stage: s, from: /out/t, to: /t }]
user: 65532
entrypoint: [/t]
E2
build zero/minibuild.yaml -o dir:zero.out > /dev/null
same "inputs are not of 1970" "$(xargs < zero.out/t)" "315532800 315532800 315532800 315532800"
same "what ships is" "$(stat -c %Y zero.out/t)" 0

# A link that leads elsewhere makes what is behind it new, however old that file is.
spec link << 'E2'
mkdir -p /out && printf '/kept/app: /src/current\n\tcp $< $@\n' > /kept/Makefile && make -s -f /kept/Makefile && cp /kept/app /out/
E2
echo one > link/src/one && echo two > link/src/two && ln -s one link/src/current
build link/minibuild.yaml -o dir:link.1 > /dev/null
ln -sfn two link/src/current
build link/minibuild.yaml -o dir:link.2 > /dev/null
same "make: a link that leads elsewhere" "$(cat link.1/app link.2/app | xargs)" "one two"

# Two stages with one kept directory take turns: neither takes what the other made for its own.
mkdir -p shared/a/src shared/b/src
{
  printf 'minibuild: 1\nimage: registry.example.com/team/stale:1\nstages:\n'
  for stage in a b; do
    sed "s/STAGE/$stage/" << 'E2'
  STAGE:
    base: host
    copy: [{ from: STAGE/src, to: /src/ }]
    caches: [/kept]
    run: |
      mkdir /out && cd /kept
      printf 'app: main.o word.o\n\tcc -o $@ $^\n%%.o: /src/%%.c\n\tcc -c -o $@ $<\n' > Makefile
      make -s && cp app /out/
E2
  done
  printf 'copy: [{ stage: a, from: /out/app, to: /a }, { stage: b, from: /out/app, to: /b }]\nuser: 65532\nentrypoint: [/x]\n'
} > shared/minibuild.yaml
for round in 1 2 3; do
  for stage in a b; do program shared/$stage && word shared/$stage "$round$([ $stage = a ] && echo 1 || echo 2)"; done
  build shared/minibuild.yaml -o dir:shared.out > /dev/null
  same "two stages with one kept directory, round $round" "$(shared.out/a) $(shared.out/b)" "${round}1 ${round}2"
done

# Files of the project: a change within a moment, with the same size, is seen; so is one behind a set-back time.
mkdir quick && printf 'minibuild: 1\nimage: registry.example.com/team/stale:1\ncopy: [{ from: f, to: /f }]\nuser: 65532\nentrypoint: [/f]\ncompression: none\n' > quick/minibuild.yaml
for round in 1 2 3 4 5; do
  echo "A$round" > quick/f && touch -d @1000000000 quick/f
  build quick/minibuild.yaml -o dir:quick.a > /dev/null
  echo "B$round" > quick/f && touch -d @1000000000 quick/f
  build quick/minibuild.yaml -o dir:quick.b > /dev/null
  same "changed within a moment, round $round" "$(cat quick.b/f)" "B$round"
done
python3 - "$MINIBUILD" << 'E2'
import mmap, subprocess, sys, time
f = open("quick/f", "w+b"); f.truncate(4096); m = mmap.mmap(f.fileno(), 4096)
def build(where): subprocess.run([sys.argv[1], "build", "quick/minibuild.yaml", "--progress", "none", "-o", "dir:" + where], check=True, stdout=subprocess.DEVNULL)
m[0:9] = b"version A"; time.sleep(0.1); build("mapped.1")
m[0:9] = b"version B"; m.flush(); build("mapped.2")
E2
same "written through a mapping" "$(head -c 9 mapped.2/f)" "version B"

# Provenance states what was read, not what is on disk when the build ends.
mkdir seen && echo before > seen/f && mkdir seen/d && echo before > seen/d/g
cat > seen/minibuild.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/stale:1
stages: { s: { base: host, copy: [{ from: f, to: /f }, { from: d, to: /d/ }], run: "mkdir /out; cp /f /d/g /out; echo started; sleep 3" } }
copy: [{ stage: s, from: /out, to: /out }]
user: 65532
entrypoint: [/x]
E2
touch seen.log
(
  for _ in $(seq 300); do grep -q started seen.log && break; sleep 0.1; done
  echo after > seen/f; echo after > seen/d/g; echo "# after" >> seen/minibuild.yaml
) &
specification=$(sha256sum < seen/minibuild.yaml | cut -c1-64)
"$MINIBUILD" build --progress plain seen/minibuild.yaml --provenance -o oci:seen.oci -o dir:seen.out > /dev/null 2> seen.log
wait
statement=$(grep -l '"https://in-toto.io/Statement/v1"' seen.oci/blobs/sha256/*)
resource() { jq -r ".predicate.buildDefinition.resolvedDependencies[] | select(.name == \"$1\") | .digest.$2" "$statement"; }
same "the files were edited meanwhile" "$(cat seen/f seen.out/out/f)" "after
before"
same "a file's hash is that of what was read" "$(resource file sha256)" "$(echo before | sha256sum | cut -c1-64)"
same "a directory's too" "$(resource directory dirHash1)" "$(printf '%s  g\n' "$(echo before | sha256sum | cut -c1-64)" | sha256sum | cut -c1-64)"
same "and the spec's" "$(resource spec sha256)" "$specification"
sed -i 's/base: host,/base: host, network: full,/' seen/minibuild.yaml
build seen/minibuild.yaml --provenance -o oci:open.oci > /dev/null 2>&1
same "a stage that could reach the network is named" "$(jq -c .predicate.buildDefinition.internalParameters.stagesWithNetwork "$(grep -l '"https://in-toto.io/Statement/v1"' open.oci/blobs/sha256/*)")" '["s"]'

# The first failure stops the others at once.
cat > stop.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/stale:1
stages:
  slow: { base: host, run: "mkdir /out; sleep 60" }
  slower: { base: host, run: "mkdir /out; sleep 60" }
  wrong: { base: host, run: "sleep 0.5; exit 7" }
copy: [{ stage: slow, from: /out, to: /a }, { stage: slower, from: /out, to: /b }, { stage: wrong, from: /out, to: /c }]
user: 65532
entrypoint: [/x]
E2
started=$(date +%s)
build stop.yaml --jobs 3 -o dir:stop.out > /dev/null 2> stop.err
same "the first failure is what is told" "$? $(head -1 stop.err)" "1 minibuild: error: the stage 'wrong' failed with exit status 7"
check "and nobody waits for the others" test "$(($(date +%s) - started))" -lt 40

# A tool of the host that changes in place. Serial: other tests' stages would run again.
if [ "$(id -u)" = 0 ]; then
  tool=/usr/local/bin/minibuild-test-tool-$$
  remove_at_end+=("$tool")
  printf '#!/bin/sh\necho one\n' > "$tool" && chmod 755 "$tool"
  printf 'minibuild: 1\nimage: registry.example.com/team/stale:1\nstages: { s: { base: host, run: "mkdir /out; %s > /out/v" } }\ncopy: [{ stage: s, from: /out, to: /out }]\nuser: 65532\nentrypoint: [/x]\n' "$(basename "$tool")" > tool.yaml
  build tool.yaml -o dir:tool.1 > /dev/null
  sleep 2.1
  log tool.yaml -o dir:tool.1 > /dev/null # once more, now that all is settled
  same "tools that nobody changed" "$(log tool.yaml -o dir:tool.1 | head -1)" "s: cached"
  printf '#!/bin/sh\necho two\n' > "$tool"
  same "a tool changed in place is named" "$(log tool.yaml -o dir:tool.2 | head -1)" "s: rerun, the host's tools changed ($tool)"
  same "and used" "$(cat tool.2/out/v)" two
fi
finish
