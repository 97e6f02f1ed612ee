#!/usr/bin/env bash
# Another program uses minibuild as a library: examples/embed, compiled against what `cmake --install` puts somewhere, builds the
# same image as the command.
. "$(dirname "$0")/lib.sh"
tree=$(dirname "$MINIBUILD")
[ -f "$tree/cmake_install.cmake" ] || { echo "skipped: $tree is no build directory, from which minibuild could be installed"; exit 77; }
grep -q __asan_init "$MINIBUILD" && { echo "skipped: the library of this build needs the sanitizers' own compiler"; exit 77; }

check "the library is installed" cmake --install "$tree" --prefix "$SCRATCH/prefix"
cp -r "$SOURCE/examples/embed" "$SOURCE/examples/hello" .
check "the example finds it" cmake -S embed -B made -DCMAKE_PREFIX_PATH="$SCRATCH/prefix"
check "the example is compiled" cmake --build made
same "no header but those that it needs" "$(find prefix/include -name '*.h' | sed 's|.*/include/||' | sort)" \
  "$(python3 - "$SOURCE/include" << 'EOF'
import pathlib, re, sys
top, seen, todo = pathlib.Path(sys.argv[1]), set(), ["minibuild/pipeline/pipeline.h"]
while todo:
    name = todo.pop()
    if name not in seen:
        seen.add(name)
        todo += re.findall(r'^#include "(minibuild/[^"]+)"', (top / name).read_text(), re.M)
print("\n".join(sorted(seen)))
EOF
)"
printf 'minibuild: 1\nstages: { s: { base: host, run: ["mkdir -p /out && echo made > /out/made"] } }\ncopy: [{ stage: s, from: /out/made, to: /made }]\nuser: 1\n' > app.yaml
check "it builds an image with a stage" bash -c './made/embed app.yaml out > digest'
same "the same as the command's" "$(cat digest)" "$(build app.yaml -o oci:other)"
same "what is wrong is told in the same words" "$(./made/embed nothing.yaml out 2>&1)" "embed: cannot open nothing.yaml: No such file or directory"
finish
