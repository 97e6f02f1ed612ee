# What apt-get installs; sourced by the scripts. To build, and more to test.
build_packages="build-essential cmake ninja-build pkg-config libzstd-dev libdeflate-dev zlib1g-dev libssl-dev nlohmann-json3-dev
  libcli11-dev libfyaml-dev libfmt-dev libcurl4-openssl-dev libarchive-dev libsolv-dev librnp-dev libre2-dev libsqlite3-dev libsodium-dev
  libp11-kit-dev libseccomp-dev uidmap"
test_packages="libgtest-dev python3 skopeo umoci runc jq libarchive-tools zstd util-linux procps
  docker-registry debsecan python3-apt python3-pip buildah nginx-light apache2-utils openssl curl gnupg librnp0 faketime debian-archive-keyring
  softhsm2 libp11-kit0 keyutils passt"
arm64_packages="g++-aarch64-linux-gnu qemu-user-static"
check_packages="clang-16 clang-format-16 clang-tidy-16 libclang-rt-16-dev"

# Installs the packages of a list that are missing; says how if that is not allowed.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local sudo=
  if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || { echo "please run as root: apt-get install ${missing[*]}" >&2; return 1; }
    sudo=sudo
  fi
  echo "installing ${missing[*]}" >&2
  { $sudo apt-get update -qq &&
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } > /dev/null
}
