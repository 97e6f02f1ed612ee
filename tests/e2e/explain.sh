#!/usr/bin/env bash
# diff, why, reproduce and rebase: what they print, word for word, and how they exit.
. "$(dirname "$0")/lib.sh"
mkdir src && printf 'one\ntwo\nthree\n' > src/conf && head -c 100000 /dev/zero > src/zero && ln -s conf src/link
cat > a.yaml << 'E2'
minibuild: 1
copy: [{ from: src, to: /etc/app }]
files: [{ file: /only-a, content: "x" }]
user: 65532
entrypoint: [/bin/app]
env: { A: "1" }
E2
cat > b.yaml << 'E2'
minibuild: 1
copy: [{ from: src, to: /etc/app }]
files: [{ file: /only-b, content: "new\n", mode: "0600", owner: "7:8" }, { file: /etc/app/conf, content: "one\n2\nthree\nfour\n", mode: "0755" }, { symlink: /etc/app/link, target: zero }]
user: 1000
entrypoint: [/bin/app]
labels: { org.opencontainers.image.title: b }
E2
build a.yaml -o oci:a:1 > /dev/null && build b.yaml -o oci:b:1 > /dev/null
layer() { "$MINIBUILD" inspect --json "$1" | jq -r '.layers[0].digest' | cut -c1-19; }
conf=$(sha256sum < src/conf | cut -c1-12)
conf2=$(printf 'one\n2\nthree\nfour\n' | sha256sum | cut -c1-12)
cat > want << E2
config
  config.Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=1"] → ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
  config.Labels.org.opencontainers.image.title: + b
  config.User: 65532:0 → 1000:0
layers
  layer 1: $(layer oci:a) → $(layer oci:b)
files
  ~ /etc/app/conf
      content: sha256:$conf → sha256:$conf2
      mode: 0644 → 0755
      size: 14 → 17
        -two
        +2
        +four
  ~ /etc/app/link
      target: conf → zero
  - /only-a file 0644 0:0 1
  + /only-b file 0600 7:8 4
E2
"$MINIBUILD" diff oci:a:1 oci:b:1 > got 2> err
same "diff exits" $? 3
check "diff says" diff want got
"$MINIBUILD" diff oci:a:1 oci:a:1 > got
same "no difference" "$? $(cat got)" "0 "
same "as JSON" "$("$MINIBUILD" diff --json oci:a:1 oci:b:1 | jq -c '[.same, .sameContent, (.files[] | [.path, .change])]')" '[false,false,["/etc/app/conf","changed"],["/etc/app/link","changed"],["/only-a","removed"],["/only-b","added"]]'

# The same content, compressed in another way: that is said.
sed 's/^user/compression: gzip\nuser/' a.yaml > gzip.yaml && build gzip.yaml -o oci:gzip:1 > /dev/null
"$MINIBUILD" reproduce --progress none a.yaml oci:gzip:1 > got 2> err
same "other compressed bytes" "$? $(tail -1 got)" "3 The config and the content of all layers are the same; only the compressed bytes or the manifest differ."
same "files are not blamed" "$(grep -c '^files' got)" 0
"$MINIBUILD" reproduce --progress none a.yaml oci:a:1 > got 2> err
same "reproduced" "$? $(cat got) $(cat err)" "0 sha256:$(skopeo inspect oci:a:1 | jq -r .Digest | cut -d: -f2) oci:a:1 is what a.yaml gives, byte for byte"
"$MINIBUILD" reproduce --progress none b.yaml oci:a:1 > got 2> err
same "not reproduced" "$? $(grep -c '^  config.User: 65532:0 → 1000:0' got)" "3 1"

# why: the layer that wrote a path last, and the package that has it in its list.
cat > base.yaml << 'E2'
minibuild: 1
files:
  - { file: /usr/lib/libz.so.1, content: "z" }
  - { symlink: /lib, target: usr/lib }
  - { file: /var/lib/dpkg/status.d/zlib1g, content: "Package: zlib1g\nVersion: 1:1.2.13\nArchitecture: amd64\n\n" }
  - { file: /var/lib/dpkg/status.d/zlib1g.md5sums, content: "fbade9e36a3f36d3d676c1b808451dd7  usr/lib/libz.so.1\n" }
  - { file: /etc/conf, content: "base" }
user: 1
E2
printf 'minibuild: 1\nbase: oci:base:1\nfiles: [{ file: /etc/conf, content: "changed" }]\n' > top.yaml
build base.yaml -o oci:base:1 > /dev/null && build top.yaml -o oci:top:1 > /dev/null
full() { "$MINIBUILD" inspect --json "$1" | jq -r ".layers[$2].digest"; }
cat > want << E2
/usr/lib/libz.so.1  file 0644 0:0 1 sha256:$(printf z | sha256sum | cut -d' ' -f1)
layer    1 of 2, $(full oci:top 0)
made by  minibuild (copied and written files)
package  zlib1g 1:1.2.13
E2
"$MINIBUILD" why oci:top:1 /lib/libz.so.1 > got
check "why, through a link" diff want got
cat > want << E2
/etc/conf  file 0644 0:0 7 sha256:$(printf changed | sha256sum | cut -d' ' -f1)
layer    2 of 2, $(full oci:top 1)
made by  minibuild (copied and written files)
over     layer 1
E2
"$MINIBUILD" why oci:top:1 /etc/conf > got
check "why, written twice" diff want got
"$MINIBUILD" why oci:top:1 /etc/cnof > got 2> err
same "why, not there" "$? $(cat err)" "1 minibuild: error: oci:top:1 has no /etc/cnof; did you mean '/etc/conf'?"

# inspect, word for word; the digests are those that skopeo and sha256sum see, the size is that of the plain tar.
sed 's/^user/compression: none\nports: [8080]\nworkdir: \/etc\/app\nlabels: { a.b: "c d" }\nannotations: { n: "1" }\nuser/' a.yaml > plain.yaml
build plain.yaml -o oci:plain:1 > /dev/null
layer=$(skopeo inspect oci:plain:1 | jq -r '.Layers[0]')
bytes=$(stat -c %s "plain/blobs/sha256/${layer#sha256:}")
cat > want << E2
digest      sha256:$(sha256sum < "plain/blobs/sha256/$(jq -r '.manifests[0].digest' plain/index.json | cut -d: -f2)" | cut -d' ' -f1)
platform    $(skopeo inspect oci:plain:1 | jq -r '.Os + "/" + .Architecture')
created     1970-01-01T00:00:00Z
user        65532:0
entrypoint  /bin/app
workdir     /etc/app
ports       8080/tcp
env         PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
env         A=1
label       a.b=c d
annotation  n=1
layer       $layer   $(awk "BEGIN { printf \"%.1f\", $bytes / 1000 }") kB  application/vnd.oci.image.layer.v1.tar
size        $(awk "BEGIN { printf \"%.1f\", $bytes / 1000 }") kB in 1 layer, 100.0 kB in 6 files and directories
drwxr-xr-x     0:0                - /etc
drwxr-xr-x     0:0                - /etc/app
-rw-r--r--     0:0               14 /etc/app/conf
lrwxrwxrwx     0:0                - /etc/app/link -> conf
-rw-r--r--     0:0           100000 /etc/app/zero
-rw-r--r--     0:0                1 /only-a
E2
"$MINIBUILD" inspect --files oci:plain:1 > got 2> err
check "inspect" diff want got
same "inspect --json: the same facts" "$("$MINIBUILD" inspect --json oci:plain:1 | jq -c '[.platform, .config.config.User, .layers[0].digest, .layers[0].diffId, .size, (.files | length), .packages]')" "[\"linux/$(dpkg --print-architecture)\",\"65532:0\",\"$layer\",\"$layer\",$bytes,6,[]]"
finish
