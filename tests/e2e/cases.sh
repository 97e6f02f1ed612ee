#!/usr/bin/env bash
# A spec in; the tree, the config and the digest out: cases/X.yaml, X.tree, X.config, X.digest. A digest that moves without the spec is a
# breaking change. MINIBUILD_TEST_ACCEPT=1 rewrites what is expected, for review. The images are validated from their bytes too.
. "$(dirname "$0")/lib.sh"
cases=$SOURCE/tests/e2e/cases
cp -r "$cases" work && cd work
# Many groups of layers, with text, noise and zeros; the same bytes in every run.
python3 - << 'E2'
import hashlib, os
os.makedirs("big/text")
for n in range(300):
    with open(f"big/text/{n:03}", "w") as out:
        out.writelines(f"line {i * n % 977} of file {n}\n" for i in range(500 + 40 * n))
with open("big/noise", "wb") as out:
    for i in range(200000):
        out.write(hashlib.sha256(str(i).encode()).digest())
with open("big/zeros", "wb") as out:
    out.write(bytes(7 << 20))
E2
for spec in *.yaml; do
  name=${spec%.yaml}
  digest=$(build "$spec" -o "oci:$name.oci:1" 2> "$SCRATCH/err") || cat "$SCRATCH/err"
  check "$name: is valid" python3 "$SOURCE/tests/e2e/validate.py" "$name.oci"
  echo "$digest" > "$name.got.digest"
  "$MINIBUILD" inspect --files "oci:$name.oci:1" | grep -E '^[-dlpcb][-rwxsStT]{9} ' > "$name.got.tree"
  skopeo inspect --config "oci:$name.oci:1" | jq -S . > "$name.got.config"
  for part in tree config digest; do
    [ "${MINIBUILD_TEST_ACCEPT:-}" = 1 ] && cp "$name.got.$part" "$cases/$name.$part"
    check "$name: $part" diff -u "$cases/$name.$part" "$name.got.$part"
  done
done

# Sizes above 8 GiB: pax where ustar ends. A sparse file, so that only its zeros are read.
mkdir huge && truncate -s 8589934700 huge/file && printf 'minibuild: 1\ncopy: [{ from: huge, to: /huge }]\nuser: 1\ncompression: { algorithm: zstd, level: 1 }\n' > huge.yaml
if [ "${MINIBUILD_SMALL:-}" = 1 ]; then
  echo "not run: a file above 8 GiB (MINIBUILD_SMALL is set)"
else
  check "a file above 8 GiB is built" build huge.yaml -o oci:huge.oci
  layer=huge.oci/blobs/sha256/$(jq -r '.layers[0].digest' "huge.oci/blobs/sha256/$(jq -r '.manifests[0].digest' huge.oci/index.json | cut -d: -f2)" | cut -d: -f2)
  same "bsdtar sees its size" "$(zstd -dcq < "$layer" | bsdtar -tvf - huge/file | awk '{print $5}')" 8589934700
  diff_id=$(jq -r '.rootfs.diff_ids[0]' "huge.oci/blobs/sha256/$(jq -r '.config.digest' "huge.oci/blobs/sha256/$(jq -r '.manifests[0].digest' huge.oci/index.json | cut -d: -f2)" | cut -d: -f2)")
  same "its diff id" "sha256:$(zstd -dcq < "$layer" | sha256sum | cut -c1-64)" "$diff_id"
fi

# Root is refused, with the line to add.
printf 'minibuild: 1\nfiles: [{ file: /x, content: x }]\n' > root.yaml
same "root is refused" "$(build root.yaml -o oci:root.oci 2>&1; echo $?)" "root.yaml:1:1: error: the image runs as root [root-user]
  minibuild: 1
  ^
  why: a process that breaks out of the container is root on the host (CIS Docker Benchmark 4.1)
  fix: add 'user: 65532', or another number that is not 0; write 'user: root' if it has to be root
3"
check "nothing is written" test ! -e root.oci
echo 'user: root' >> root.yaml
check "unless it is written out" build root.yaml -o oci:root.oci
same "and is a number" "$("$MINIBUILD" inspect --json oci:root.oci | jq -r .config.config.User)" 0:0
sed -i 's/user: root/user: ghost/' root.yaml
same "an unknown user" "$(build root.yaml -o oci:root2.oci 2>&1 | head -1)" "root.yaml:3:7: error: unknown user 'ghost'; the image has none; write its number, or add it under 'accounts'"

# The command line.
same "version" "$("$MINIBUILD" version)" "minibuild 0.1.0"
for command in build check plan lock copy diff why reproduce rebase init inspect schema cache completion version "cache ls" "cache gc"; do
  check "$command --help has an example" bash -c "'$MINIBUILD' $command --help | grep -q Example:"
done
for shell in bash zsh fish; do check "completion for $shell" bash -c "'$MINIBUILD' completion $shell | grep -q minibuild"; done
check "the bash completion is valid" bash -c "source <('$MINIBUILD' completion bash) && complete -p minibuild"
check "the schema is JSON" bash -c "'$MINIBUILD' schema | jq -e .properties.copy"
check "metadata" bash -c "'$MINIBUILD' --progress none basic.yaml -o oci:m.oci --metadata-file m.json > digest && jq -e --arg d \"\$(cat digest)\" '.digest == \$d and .phases.layers >= 0 and (.layers | length) == 1 and .references == [\"registry.example.com/cases/basic:1\"]' m.json"
check "progress as JSON lines" bash -c "'$MINIBUILD' --progress json basic.yaml -o oci:m.oci 2>&1 > /dev/null | jq -es 'last.event == \"done\"'"
printf 'minibuild: 1\nimage: registry.example.com/x\ncopy: [{ from: nothing, to: /x }]\nuser: 1\n' > failing.yaml
same "errors as JSON lines" "$("$MINIBUILD" --progress json failing.yaml 2> err; echo $?; jq -c '[.event, .status]' err)" '1
["error",1]'
same "the digest is all of stdout" "$("$MINIBUILD" basic.yaml -o oci:m.oci 2> /dev/null)" "$(cat basic.got.digest)"
check "the default destination" bash -c "cd '$SCRATCH/work' && '$MINIBUILD' basic.yaml 2> /dev/null && jq -e '.manifests[0].annotations[\"org.opencontainers.image.ref.name\"] == \"1\"' basic.oci/index.json"
same "wrong usage" "$("$MINIBUILD" build --nonsense basic.yaml 2>&1; echo $?)" "minibuild: error: The following argument was not expected: --nonsense; see 'minibuild build --help'
2"
mkdir project && echo 'module example.com/x' > project/go.mod
check "init for a Go project" bash -c "'$MINIBUILD' init project && grep -q 'go build' project/minibuild.yaml && '$MINIBUILD' check project/minibuild.yaml"
same "init does not overwrite" "$("$MINIBUILD" init project 2>&1; echo $?)" "minibuild: error: cannot write project/minibuild.yaml: it is there already
1"
mkdir cproject && printf 'int main(void){return 0;}\n' > cproject/main.c && (cd cproject && "$MINIBUILD" init 2> /dev/null)
if [ -n "${MINIBUILD_EMULATED:-}" ]; then
  echo "not run: init's spec for C builds: a stage's sandbox needs the machine's own kernel interface, which qemu-user does not have"
else
  check "init's spec for C builds" bash -c "cd cproject && '$MINIBUILD' --progress plain"
fi
finish
