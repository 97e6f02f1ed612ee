#!/usr/bin/env bash
# umoci, Debian's and today's (tests/peers.sh), and buildah: what minibuild writes they unpack to the same files, whatever the
# layers are compressed with; what they insert, repack, commit and configure is read, copied and built on.
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/peers.sh"
[ "$(id -u)" = 0 ] || { echo "skipped: owners are compared, which wants root"; exit 77; }
debian=$(command -v umoci)
need_peers umoci
hash -r
today=$(command -v umoci)
[ -n "$debian" ] || echo "not run: Debian's umoci, which is not installed"

# list DIRECTORY: everything that an image says of its files, but for the times of directories, which umoci leaves as they fall.
list() {
  (cd "$1" && find . -mindepth 1 \( -type d -printf '%P %y %m %U:%G\n' -o -type f -printf '%P %y %m %U:%G %s %n %T@ ' -exec sha256sum {} \; -o -printf '%P %y %U:%G %l\n' \) | sort)
}
# ours LAYOUT:TAG: the same, as minibuild gives the files of an image.
ours() {
  printf 'minibuild: 1\nbase: "oci:%s"\nuser: 1\n' "$1" > only.yaml
  rm -rf ours ours.tar && build only.yaml -o tar:ours.tar > /dev/null 2> err && mkdir ours && tar -xpf ours.tar --numeric-owner --same-owner -C ours && list ours || cat err
}

mkdir -p tree/sub/deep tree/gone && head -c 300000 /dev/urandom > tree/big && echo text > "tree/a name with spaces" && ln -s ../big tree/sub/link &&
  ln tree/big tree/sub/hard && echo x > tree/sub/deep/ÿ && printf '#!/bin/sh\n' > tree/run && chmod 755 tree/run && echo y > tree/gone/file &&
  echo z > "tree/$(printf 'long%.0s' {1..60})"
for how in gzip zstd none; do
  for step in base top; do
    { printf 'minibuild: 1\ncompression: %s\nepoch: 1700000000\nuser: 1000\n' "$how"
      if [ "$step" = base ]; then
        printf 'copy: [{ from: tree, to: /data, owner: 7:8 }]\nfiles: [{ file: /suid, content: s, mode: 04750, owner: 70000:9 }, { directory: /sticky, mode: 01777 }]\npolicy: { allow: [{ rule: setuid, reason: test }, { rule: world-writable, reason: test }] }\n'
      else
        printf 'base: "oci:%s:base"\nremove: [/data/gone, /data/run, /data/sub/link]\nfiles: [{ file: /data/sub/new, content: "new" }, { file: /etc/new, content: n }]\n' "$how"
      fi; } > "$how-$step.yaml"
    check "$how, $step" build "$how-$step.yaml" -o "oci:$how:$step"
    ours "$how:$step" > "$how-$step.list"
    check "$how, $step: the same files" cmp "$how-$step.list" "gzip-$step.list"
  done
done
for umoci in $debian $today; do
  version=$("$umoci" --version | awk 'NR == 1 { print $3 }')
  for how in gzip zstd none; do
    case $version-$how in 0.4*-zstd) continue ;; esac  # it knows no zstd
    for step in base top; do
      rm -rf bundle
      check "umoci $version unpacks $how, $step" "$umoci" unpack --image "$how:$step" bundle
      same "umoci $version: the files of $how, $step" "$(list bundle/rootfs)" "$(cat "$how-$step.list")"
    done
    # What it adds: a layer of a directory, one that hides, one of what changed in the bundle; and another config.
    rm -rf "on-$how" && cp -r "$how" "on-$how" && rm -rf bundle
    on=on-$how:top
    check "umoci $version inserts" "$umoci" insert --image "$on" tree/sub /inserted
    check "umoci $version hides" "$umoci" insert --image "$on" --whiteout /etc/new
    check "umoci $version covers" "$umoci" insert --image "$on" --opaque tree/sub /sticky
    check "umoci $version unpacks it again" "$umoci" unpack --image "$on" bundle
    (cd bundle/rootfs && rm -rf data/big && mkdir -p opt && echo more > opt/more && chown 5:6 opt/more && ln -s opt/more link && mkfifo pipe && chmod 600 suid)
    check "umoci $version repacks" "$umoci" repack --image "$on" bundle
    check "umoci $version configures" "$umoci" config --image "$on" --config.user 12:13 --config.env A=b --config.entrypoint /data/run --config.label by=umoci
    rm -rf bundle && "$umoci" unpack --image "$on" bundle > log 2>&1
    same "umoci $version, $how: we read the files that it made" "$(ours "$on")" "$(list bundle/rootfs)"
    same "umoci $version, $how: and the config" "$("$MINIBUILD" inspect --json "oci:$on" | jq -c '[.. | objects | select(has("Labels")) | .User, .Env[-1], .Entrypoint, .Labels.by] | first, .[1], .[2], .[3]' | xargs)" \
      "12:13 A=b [/data/run] umoci"
    check "umoci $version, $how: a copy" "$MINIBUILD" copy "oci:$on" "oci:again-$how:1"
    same "umoci $version, $how: under its digest" "$(jq -r '.manifests[0].digest' "again-$how/index.json")" \
      "$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "top").digest' "on-$how/index.json")"
    rm -rf "again-$how"
  done
  # New from nothing, and back again.
  rm -rf new bundle && "$umoci" init --layout new && "$umoci" new --image new:1 && "$umoci" insert --image new:1 tree /tree > log 2>&1
  same "umoci $version: an image from nothing" "$(ours new:1 | grep -c ' [fdl] ')" "$(cd tree && find . -type f -o -type d -o -type l | wc -l)"
done

if command -v buildah > /dev/null; then
  B="buildah --root $SCRATCH/storage --runroot $SCRATCH/runroot --storage-driver vfs"
  for how in gzip zstd none; do
    container=$($B from "oci:$how:top" 2> log)
    mounted=$($B mount "$container" 2> log)
    same "buildah: the files of $how" "$(list "$mounted")" "$(cat "$how-top.list")"
    $B copy -q "$container" tree/sub /copied > /dev/null 2> log && rm -rf "$mounted/data/gone" "$mounted/data/big" && ln -s data "$mounted/link"
    $B config --user 5:6 --env A=b --label by=buildah "$container"
    list "$mounted" > made.list
    for form in oci docker; do
      check "buildah commits as $form" $B commit -q -f "$form" "$container" "made-$how-$form"
      rm -rf made made.tar
      check "buildah pushes to a file" $B push -q -f "$form" "made-$how-$form" "$form-archive:made.tar:r.example/made:1"
      check "buildah, $how, $form: a copy" "$MINIBUILD" copy "$form-archive:made.tar" oci:made:1
      same "buildah, $how, $form: we read the files that it made" "$(ours made:1)" "$(cat made.list)"
      same "buildah, $how, $form: and the config" "$("$MINIBUILD" inspect --json oci:made:1 | jq -c '[.. | objects | select(has("Labels")) | .User, .Env[-1], .Labels.by] | .[0], .[1], .[2]' | xargs)" "5:6 A=b buildah"
    done
    $B umount "$container" > /dev/null && $B rm "$container" > /dev/null
  done
else
  echo "not run: buildah, which is not installed"
fi
finish
