#!/usr/bin/env bash
# Compiles minibuild for arm64 with Debian's cross compiler, runs unit tests under qemu-user, and builds the images of tests/e2e/cases,
# whose digests are those of amd64. Needs Debian 12 on amd64. Beside the missing packages of tests/packages.sh nothing is installed: the
# libraries for arm64 are unpacked below build-arm64/root.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/packages.sh
install_packages $build_packages $test_packages $arm64_packages
mkdir -p build-arm64
top=$PWD/build-arm64
root=$top/root

# The libraries among the packages, with what they need, as apt sees it on an arm64 machine that has nothing. Their -dev packages bring
# the libraries that are loaded when they are needed.
wanted="libc6-dev libgtest-dev $(printf '%s\n' $build_packages | grep -E '^(lib|zlib1g|nlohmann)' | tr '\n' ' ')"
if [ "$(cat "$root/wanted" 2> /dev/null)" != "$wanted" ]; then
  rm -rf "$root" "$top/apt"
  mkdir -p "$root" "$top"/apt/{state/lists/partial,cache/archives/partial}
  : > "$top/apt/status"
  cat > "$top/apt/apt.conf" << CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
Dir::State "$top/apt/state";
Dir::State::status "$top/apt/status";
Dir::Cache "$top/apt/cache";
CONF
  export APT_CONFIG=$top/apt/apt.conf
  apt-get update -qq
  apt-get install --download-only -y -qq $wanted > "$top/apt/log" 2>&1 || { cat "$top/apt/log"; exit 1; }
  unset APT_CONFIG
  for package in "$top"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
  rm -rf "$top/apt"
  echo "$wanted" > "$root/wanted"
fi

cmake --preset arm64 > /dev/null
rooms=${ROOMS:-base}
cmake --build --preset arm64 --target minibuild $(printf '%s_test ' $rooms)

echo "run under qemu-user: the tests of the rooms $rooms (ROOMS names others; sandbox, registry and build need the real thing)"
ctest --test-dir build-arm64 --output-on-failure -R "^($(printf '%s' "$rooms" | tr ' ' '|'))\$"

# The images of the cases have the same digests, trees and configs as on amd64.
cat > build-arm64/emulated << END
#!/bin/sh
exec qemu-aarch64-static -L "$root" "$top/minibuild" "\$@"
END
chmod +x build-arm64/emulated
MINIBUILD=$top/emulated MINIBUILD_SOURCE=$PWD MINIBUILD_SMALL=1 MINIBUILD_EMULATED=1 bash tests/e2e/cases.sh
