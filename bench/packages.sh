# Sourced by bench/run.sh: images of packages, from a mirror on this disk (tests/e2e/mirror.sh), beside mmdebstrap with tar and zstd.
if ! command -v mmdebstrap > /dev/null; then
  echo
  echo "Packages: mmdebstrap is not installed."
  return
fi
mirror=${MIRROR:-/tmp/minibuild-test-mirror}
"$here/../tests/e2e/mirror.sh" "$mirror" > /dev/null
keys=/usr/share/keyrings/debian-archive-keyring.gpg
cp -r "$here/../specs" specs
sed -i "s#https://snapshot.debian.org/archive/debian/[0-9TZ]*#file://$mirror/debian#" specs/distroless/*.yaml
rm -f specs/distroless/*.lock.json
cat > app.yaml << 'SPEC'
minibuild: 1
image: registry.example.com/bench/app:1
base: ./specs/distroless/cc.yaml
copy: [{ from: app, to: /usr/bin/app }]
entrypoint: [/usr/bin/app]
SPEC
cp /usr/bin/env app
change=0
prepare() { change=$((change + 1)); printf '%s' "$change" >> app; }
"$minibuild" --progress none app.yaml > /dev/null 2>&1
median "app changed" "$minibuild" --progress none --offline app.yaml

# The same packages without a base, so that both do the same work.
cat > cold.yaml << SPEC
minibuild: 1
image: registry.example.com/bench/packages:1
sources: { debian: { deb: "file://$mirror/debian", suites: [trixie], keys: [$keys] } }
packages: [base-files, netbase, tzdata, media-types, libssl3t64, libgomp1, libstdc++6]
user: 65532
SPEC
"$minibuild" --progress none cold.yaml > /dev/null 2>&1
prepare() { rm -rf "$MINIBUILD_CACHE_DIR"; }
median "cold" "$minibuild" --progress none cold.yaml
prepare() { rm -rf "$MINIBUILD_CACHE_DIR" cold.lock.json; }
median "cold, resolved" "$minibuild" --progress none cold.yaml
prepare() { rm -f cold.lock.json; }
median "resolve" "$minibuild" lock cold.yaml
cat > debootstrap.sh << SCRIPT
set -e
rm -rf root root.tar.zst
mmdebstrap --quiet --variant=extract --mode=root --include=base-files,netbase,tzdata,media-types,libssl3t64,libgomp1,libstdc++6 \
  trixie root "deb [signed-by=$keys] copy://$mirror/debian trixie main"
tar --sort=name -C root -c . | zstd -3 -T0 -q > root.tar.zst
SCRIPT
prepare() { :; }
[ "$(id -u)" = 0 ] && median "mmdebstrap" bash debootstrap.sh

show() { printf '| %s | %s ms | %s MiB | %s |\n' "$1" "$(awk "BEGIN { print ${ms[$1]} / 100 }")" "$((${kb[$1]} / 1024))" "$2"; }
echo
echo "| | wall time | peak memory | |"
echo "| --- | --- | --- | --- |"
show "app changed" "distroless/cc and an application that changed; wanted: under 50 ms"
show "resolve" "64,000 packages, parsed before; wanted: under 300 ms"
show "cold" "empty cache, with a lock file"
show "cold, resolved" "empty cache, no lock file: the index is read, too"
if [ -n "${ms[mmdebstrap]:-}" ]; then
  show "mmdebstrap" "--variant=extract, tar, zstd -3 -T0"
  echo
  echo "- mmdebstrap / cold: $(ratio "${ms[mmdebstrap]}" "${ms[cold]}"); wanted: at least 5"
  echo "- mmdebstrap / cold, resolved: $(ratio "${ms[mmdebstrap]}" "${ms["cold, resolved"]}")"
fi
