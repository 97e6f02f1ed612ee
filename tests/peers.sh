#!/usr/bin/env bash
# Other programs for images, as they are today, that tests judge by (docs/compatibility.md). They come by Go's module proxy
# into a directory outside of the source, ~/.cache/minibuild-peers or $MINIBUILD_PEERS_DIR, once.
#   tests/peers.sh     installs what is missing: some minutes
# Sourced by tests, which need what they call by `need_peers`; with MINIBUILD_PEERS=install that is installed as well.
peers_at=${MINIBUILD_PEERS_DIR:-$HOME/.cache/minibuild-peers}
# Name, package and version, tags that leave out what no test needs; `lean`: see install_peer.
peers="
crane github.com/google/go-containerregistry/cmd/crane@v0.22.1
oras oras.land/oras/cmd/oras@v1.3.6
regctl github.com/regclient/regclient/cmd/regctl@v0.11.7
umoci github.com/opencontainers/umoci/cmd/umoci@v0.6.0
registry github.com/distribution/distribution/v3/registry@v3.1.2 lean
ctr github.com/containerd/containerd/v2/cmd/ctr@v2.4.2 urfave_cli_no_docs
containerd-shim-runc-v2 github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2@v2.4.2 urfave_cli_no_docs,no_grpc
containerd github.com/containerd/containerd/v2/cmd/containerd@v2.4.2 urfave_cli_no_docs,no_cri,no_btrfs,no_devmapper,no_zfs"

# peer_path NAME: where its version is, or shall be.
peer_path() {
  local name package tags
  while read -r name package tags; do
    [ "$name" != "$1" ] || echo "$peers_at/$name@${package##*@}"
  done <<< "$peers"
}

# install_peer NAME: unless it is there. Only one at a time on a machine: who comes second waits, and finds it. Each is
# built in a module of its own, with the versions of its own go.mod.
install_peer() (
  local go name package tags main work
  go=$(command -v go || ls /usr/local/go/bin/go 2> /dev/null) || { echo "go is missing, which brings $1"; return 1; }
  mkdir -p "$peers_at" && exec 8> "$peers_at/lock" && flock 8 || return 1
  [ ! -x "$(peer_path "$1")" ] || return 0
  work=$(mktemp -d "$peers_at/new.XXXXXX") && trap "rm -rf '$work'" EXIT && cd "$work" || return 1
  while read -r name package tags; do
    [ "$name" = "$1" ] || continue
    export GOFLAGS='-mod=mod -trimpath -buildvcs=false' CGO_ENABLED=0 GOWORK=off
    main=${package%@*}
    if [ "$tags" = lean ]; then  # its own main brings the clients of three clouds: two thirds of the program
      printf 'package main\n\nimport (\n\t"%s"\n\t_ "%s/storage/driver/filesystem"\n)\n\nfunc main() { _ = registry.RootCmd.Execute() }\n' "$main" "$main" > main.go
      package="$package $main/storage/driver/filesystem@${package##*@}" main=.
    fi
    # shellcheck disable=SC2086
    { "$go" mod init peer && "$go" get $package && "$go" build -ldflags='-s -w' -tags "$tags" -o it "$main"; } < /dev/null > log 2>&1 8>&- ||
      { echo "cannot install $package: $(tail -1 log)"; return 1; }
    mv it "$(peer_path "$1")"
  done <<< "$peers"
)

# need_peers NAME…: puts them first in PATH, by a directory in the current one; ends the test with a line if one is missing.
need_peers() {
  local name why
  mkdir bin
  for name in "$@"; do
    if [ ! -x "$(peer_path "$name")" ]; then
      [ "${MINIBUILD_PEERS:-}" = install ] || { echo "skipped: $name is not in $peers_at; tests/peers.sh brings it"; exit 77; }
      why=$(install_peer "$name") || { echo "skipped: $why"; exit 77; }
    fi
    ln -s "$(peer_path "$name")" "bin/$name"
  done
  PATH=$PWD/bin:$PATH
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  failed=0
  while read -r name package _; do
    [ -z "$name" ] || { start=$SECONDS && install_peer "$name" && echo "$package ($((SECONDS - start)) s)"; } || failed=1
  done <<< "$peers"
  exit $failed
fi
