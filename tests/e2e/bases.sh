#!/usr/bin/env bash
# Images as bases and sources, in every form: their layers pass byte for byte, stages run in them, copy takes from them; closure,
# ignore files, include and exclude, whiteouts.
. "$(dirname "$0")/lib.sh"
mkdir -p ctx/keep ctx/skip && echo a > ctx/keep/a.txt && echo b > ctx/keep/b.md && echo c > ctx/skip/c.txt && echo d > ctx/d.o && ln -s keep/a.txt ctx/named
printf '*\n' > .dockerignore
printf '**/*.o\nctx/skip\n' > .minibuildignore
cat > tools.yaml << 'E2'
minibuild: 1
image: registry.example.com/team/tools:1
stages:
  h: { base: host }
copy:
  - { stage: h, from: /usr/bin/dash, to: /bin/sh, closure: true }
  - { stage: h, from: /usr/bin/cat, to: /bin/, closure: true }
  - { stage: h, from: /bin/mkdir, to: /bin/, closure: true }
  - { stage: h, from: /usr/bin/python3, to: /bin/, closure: true }
user: 65532
E2
check "closure from the host's tools" build tools.yaml -o oci:tools -o oci-archive:tools.tar:x -o docker-archive:tools.docker.tar
paths() { "$MINIBUILD" inspect --json "$1" | jq -r '.files[].path'; }
check "a link that 'from' names keeps its name" bash -c "'$MINIBUILD' inspect --json oci:tools | jq -e '.files | any(.path == \"/bin/python3\" and .type == \"-\")'"
want=$(for f in /usr/bin/dash /usr/bin/cat /bin/mkdir /usr/bin/python3; do ldd "$(readlink -f $f)"; done | grep -o '/[^ ]*' | xargs -n1 readlink -f | sort -u | xargs)
same "the libraries are those of ldd" "$(paths oci:tools | grep -E '\.so' | while read -r f; do readlink -f "$f"; done | sort -u | xargs)" "$want"
cat > app.yaml << 'E2'
minibuild: 1
stages:
  s:
    base: oci:tools:1
    workdir: /w
    run: ["echo hi > /w/x; mkdir /w/d", [cat, /w/x]]
base: oci-archive:tools.tar:x
copy:
  - { from: ctx, to: /ctx }
  - { from: ctx, to: /inc, include: ["**/*.txt"] }
  - { from: ctx, to: /exc, exclude: [keep] }
  - { from: ctx/named, to: /by-link }
  - { stage: s, from: /w/x, to: /y/ }
  - { image: "docker-archive:tools.docker.tar", from: /bin/cat, to: /copied/, mode: "04755" }
remove: [/bin/mkdir, "/usr/lib/**/libexpat*"]
user: 65532
E2
check "an image on top, with a stage in it" build app.yaml -o oci:app
check "is valid" python3 "$SOURCE/tests/e2e/validate.py" app
same "what is in it" "$(paths oci:app | grep -E '^/(ctx|inc|exc|y|copied|by-link)|mkdir|expat' | xargs)" "/by-link /copied /copied/cat /ctx /ctx/keep /ctx/keep/a.txt /ctx/keep/b.md /ctx/named /exc /exc/named /inc /inc/keep /inc/keep/a.txt /y /y/x"
layer() { jq -r ".layers[$2].digest" "$1/blobs/sha256/$(jq -r '.manifests[0].digest' "$1/index.json" | cut -d: -f2)"; }
same "the base's layer is passed through" "$(layer app 0)" "$(layer tools 0)"
same "the whiteouts" "$(zstd -dcq < "app/blobs/sha256/$(layer app 1 | cut -d: -f2)" | tar -tf - | grep -F .wh. | grep -v libexpat.so.1. | xargs)" "bin/.wh.mkdir usr/lib/x86_64-linux-gnu/.wh.libexpat.so.1"
rm -rf gz bundle && skopeo copy -q --dest-compress-format gzip oci:app:latest oci:gz:1 && umoci unpack $([ "$(id -u)" = 0 ] || echo --rootless) --image gz:1 bundle > umoci.log 2>&1
same "umoci agrees" "$(cd bundle/rootfs && find . -mindepth 1 | cut -c2- | LC_ALL=C sort)" "$(paths oci:app | LC_ALL=C sort)"
same "setuid where mode says so" "$(stat -c %a bundle/rootfs/copied/cat)" 4755
printf 'minibuild: 1\nbase: { stage: s }\nstages: { s: { base: "oci:tools:1", run: ["mkdir /q"] } }\nuser: 1\n' > stage.yaml
check "a stage as base" build stage.yaml -o dir:stage.dir
check "has all of it" test -d stage.dir/q -a -x stage.dir/bin/sh
printf 'minibuild: 1\nbase: docker-archive:tools.docker.tar\nfiles: [{ file: /x, content: "y" }]\n' > docker.yaml
check "a docker-archive as base" build docker.yaml -o oci:docker
same "its user stays" "$("$MINIBUILD" inspect --json oci:docker | jq -r .config.config.User)" 65532:0
# One platform of an index, in a build for that platform alone; none where it is missing.
printf 'minibuild: 1\nplatforms: [linux/amd64, linux/arm64]\nfiles: [{ file: /p, content: "${TARGETARCH}" }]\nuser: 1\n' > both.yaml
check "an index" build both.yaml -o oci:both
printf 'minibuild: 1\nbase: oci:both\nfiles: [{ file: /x, content: "" }]\n' > one.yaml
same "the platform is picked" "$(build one.yaml --platform linux/arm64 -o dir:one.dir > /dev/null && cat one.dir/p)" arm64
build one.yaml --platform linux/riscv64 -o oci:none > /dev/null 2> err
check "a platform that is not there" grep -q 'it has no image for linux/riscv64, only for: linux/amd64, linux/arm64' err
# Names that lead out.
ln -s /etc ctx/outside && printf 'minibuild: 1\ncopy: [{ from: ctx/outside, to: /x }]\nuser: 1\n' > out.yaml
same "a link that leads out of the project" "$(build out.yaml -o oci:out 2>&1 | head -1)" "out.yaml:2:8: error: cannot copy 'ctx/outside': it is a link that leads out of the spec's directory"
printf 'minibuild: 1\ncopy: [{ from: nothing, to: /x }, { from: ctx/skip, to: /x }]\nuser: 1\n' > missing.yaml
same "a source that is not there" "$(build missing.yaml -o oci:out 2>&1 | head -1)" "missing.yaml:2:8: error: cannot copy 'nothing': it is not there"
same "check says so too" "$("$MINIBUILD" check missing.yaml 2>&1 | head -1)" "missing.yaml:2:8: error: cannot copy 'nothing': it is not there"
printf 'minibuild: 1\nbase: ./self.yaml\nuser: 1\n' > self.yaml
same "a spec that stands on itself" "$(build self.yaml -o oci:out 2>&1 | head -1)" "self.yaml:2:7: error: the spec './self.yaml' stands on itself"
finish
