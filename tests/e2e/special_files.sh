#!/usr/bin/env bash
# What dir: does not make of somebody else's image, and what a stage leaves: sparse files.
. "$(dirname "$0")/lib.sh"
python3 - << 'PYTHON'
import io, tarfile
archive = tarfile.open("base.tar", "w")
def put(name, mode, kind=tarfile.REGTYPE, major=0, minor=0, pax=None):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.devmajor, info.devminor, info.pax_headers = kind, mode, major, minor, pax or {}
    info.size = 3 if kind == tarfile.REGTYPE else 0
    archive.addfile(info, io.BytesIO(b"abc"))
put("disk", 0o666, tarfile.BLKTYPE, 7, 7)
put("tty", 0o666, tarfile.CHRTYPE, 4, 7)
put("su", 0o4755)
put("group", 0o2755)
put("both", 0o6755)
put("capable", 0o755, pax={"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"})
put("plain", 0o755)
put("labelled", 0o755, pax={"SCHILY.xattr.security.selinux": "system_u:object_r:shadow_t:s0", "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.note": "kept"})
put("listed", 0o755, tarfile.DIRTYPE, pax={"SCHILY.xattr.system.posix_acl_default": "\x02\x00\x00\x00", "SCHILY.xattr.user.minibuild.output": "1"})
put("sticky", 0o1777, tarfile.DIRTYPE)
archive.close()
PYTHON
python3 - << 'PYTHON'
import hashlib, json, os
os.makedirs("base.oci/blobs/sha256")
def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    open("base.oci/blobs/sha256/" + digest, "wb").write(data)
    return "sha256:" + digest, len(data)
layer = open("base.tar", "rb").read()
digest, size = blob(layer)
config, config_size = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest]}}).encode())
manifest, manifest_size = blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": config_size},
  "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": size}]}).encode())
open("base.oci/index.json", "w").write(json.dumps({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
  "digest": manifest, "size": manifest_size, "annotations": {"org.opencontainers.image.ref.name": "1"}}]}))
open("base.oci/oci-layout", "w").write('{"imageLayoutVersion":"1.0.0"}')
PYTHON
printf 'minibuild: 1\nbase: "oci:base.oci:1"\nuser: 1\nentrypoint: [/plain]\n' > image.yaml
kinds() { find "$1" -mindepth 1 -printf '%P %y %m\n' | LC_ALL=C sort | xargs; }
plain="both f 755 capable f 755 group f 755 labelled f 755 listed d 755 plain f 755 sticky d 1777 su f 755"
check "build" "$MINIBUILD" build --progress plain image.yaml -o dir:built -o tar:built.tar
cp check.log log
same "dir: makes nothing that acts on this machine" "$(kinds built)" "$plain"
check "and says what" grep -q "dir:built is without what would act on this machine: .* more; --preserve-special makes it" log
same "tar: holds it" "$(tar -tvf built.tar | awk '{ print $1 }' | LC_ALL=C sort | xargs)" \
  "$(tar -tvf base.tar | awk '{ print $1 }' | LC_ALL=C sort | xargs)"
"$MINIBUILD" copy oci:base.oci:1 dir:copied > /dev/null 2> log
same "copy makes nothing of it either" "$(kinds copied)" "$plain"
check "copy says so" grep -q "warning: dir:copied is without" log
attributes() { python3 -c 'import os, sys; print(" ".join(sorted(f"{name}:{one}" for name in ("labelled", "listed", "capable") for one in os.listxattr(sys.argv[1] + "/" + name))))' "$1"; }
same "attributes that rule on this machine" "$(attributes copied)" "labelled:user.note"
check "are told" grep -q "warning: dir:copied is without extended attributes by which this machine decides who may do what: .*security.selinux of /labelled.*; tar: holds them" log
if [ "$(id -u)" = 0 ]; then
  "$MINIBUILD" copy oci:base.oci:1 dir:whole --preserve-special > /dev/null 2> log && ! grep -q "would act" log
  same "--preserve-special" "$? $(kinds whole | sed 's/disk b 666 //; s/tty c 666//; s/ *$//')" "0 both f 6755 capable f 755 group f 2755 labelled f 755 listed d 755 plain f 755 sticky d 1777 su f 4755"
  same "--preserve-special: capabilities, and no more" "$(attributes whole)" "capable:security.capability labelled:user.note"
else
  echo "not run: --preserve-special needs root"
fi

# Sparse files of a stage, in all places where they could get full: here 600 MB that take nothing.
cat > sparse.yaml << 'E2'
minibuild: 1
user: 1
stages:
  s:
    base: host
    run: |
      mkdir -p /data /out && echo kept > /out/x
      truncate -s 200M /data/end
      truncate -s 200M /data/middle && echo middle | dd of=/data/middle bs=1 seek=100000001 conv=notrunc 2> /dev/null
      head -c 70000 /dev/zero > /data/zeros && head -c 4096 /dev/zero > /data/page && printf '\0\0a\0' > /data/little
      dd if=/dev/zero of=/data/written bs=1M count=16 2> /dev/null
      (cd /data && sha256sum *) > /out/sums
  t:
    base: { stage: s }
    run: (cd /data && sha256sum --check --quiet /out/sums) && du -k --total /data | tail -1 > /out/size
copy: [{ stage: t, from: /out, to: /out }, { stage: s, from: /data/middle, to: /out/middle }]
E2
check "sparse files go through stages unharmed" build sparse.yaml -o dir:sparse
check "they are sparse in the next stage" test "$(cut -f1 sparse/out/size)" -lt 1000
check "and in the cache" test "$(du -sk "$MINIBUILD_CACHE_DIR" | cut -f1)" -lt 20000
same "what is copied of them is whole" "$(sha256sum < sparse/out/middle | cut -c1-64)" "$(awk '$2 == "middle" { print $1 }' sparse/out/sums)"
same "cache ls tells what they take" "$("$MINIBUILD" cache ls | grep -E '^(stage|blob) ' | grep -cE '[0-9.]+ GB|[1-9][0-9][0-9] MB')" 0

# Names that no image can have, anywhere in what a stage leaves: only who wants them fails.
cat > names.py << 'PYTHON'
import os
os.makedirs("/out"), os.makedirs("/odd/in/side")
open("/out/app", "w").write("ok")
for name in ["tab\tx", "new\nline", "Icon\r", "esc\x1b[31m", "del\x7f", ".wh.gone", ".wh..wh..opq", "dir\t/file", "x" * 255]:
    path = "/odd/" + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write("odd")
os.link("/odd/tab\tx", "/odd/in/linked\t")
os.symlink("tab\tx", "/odd/in/soft\n")
os.mkfifo("/odd/fifo\t")
import socket
socket.socket(socket.AF_UNIX).bind("/odd/in/socket")
os.chdir("/odd/in/side")
for _ in range(40):
    os.mkdir("d" * 200), os.chdir("d" * 200)
open("deep", "w").write("deep")
PYTHON
names() {
  printf 'minibuild: 1\nuser: 1\nstages:\n  s: { base: host, copy: [{ from: names.py, to: /names.py }], run: "python3 /names.py" }\n  t: { base: { stage: s }, run: "[ $(find /odd -name \\"*[[:cntrl:]]*\\" -printf x | wc -c) = 9 ]" }\n%s\n' "$1" > names.yaml
  "$MINIBUILD" build --progress none names.yaml -o oci:names.oci:1 > /dev/null 2> err
  echo $?
}
while IFS='|' read -r status keys message; do
  same "$keys" "$(names "$keys")" "$status"
  [ -z "$message" ] || check "$keys: says why" grep -qF -- "$message" err
done << 'ROWS'
0|copy: [{ stage: s, from: /out, to: /out }]|
0|copy: [{ stage: t, from: /out, to: /out }]|
0|copy: [{ stage: t, from: /odd/xxx*, to: /out/ }]|
0|copy: [{ stage: s, from: /odd, to: /out, include: ["x*"] }]|
1|copy: [{ stage: s, from: "/odd/tab*", to: /out/ }]|control character; rename it, or leave it out
1|copy: [{ stage: t, from: /odd/in, to: /out, exclude: [side] }]|control character; rename it, or leave it out
1|copy: [{ stage: t, from: /odd/.wh.gone, to: /out/ }]|a name that begins with '.wh.' deletes a file
1|copy: [{ stage: t, from: /odd/in/side, to: /out/ }]|readers of images take at most 4096
1|base: { stage: t }|cannot make an image of the stage 't': /odd/
ROWS
finish
