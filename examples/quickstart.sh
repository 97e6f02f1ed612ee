#!/usr/bin/env bash
# From nothing to a running image: installs what is needed (Debian 12), builds minibuild, builds examples/hello, and
# tells how to run it.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/packages.sh
install_packages $build_packages skopeo umoci runc
if [ ! -f build/build.ninja ]; then cmake --preset release -DMINIBUILD_TESTS=OFF > /dev/null; fi
echo "building minibuild" >&2
cmake --build --preset release --target minibuild

mkdir -p build/examples
image=build/examples/hello.oci
build/minibuild examples/hello/minibuild.yaml -o oci:$image -o docker-archive:build/examples/hello.tar

echo
echo "what is in it:"
build/minibuild inspect --files oci:$image:1.4.2

cat << EOF

The image is in $image (an OCI layout) and build/examples/hello.tar (for docker load). To run it:
  podman run oci:$image:1.4.2
  docker load -i build/examples/hello.tar && docker run registry.example.com/team/hello:1.4.2
or with the programs that were just installed, as root:
  skopeo copy --dest-compress-format gzip oci:$image:1.4.2 oci:build/examples/hello-gzip.oci:1.4.2
  umoci unpack --image build/examples/hello-gzip.oci:1.4.2 build/examples/bundle
  (cd build/examples/bundle && runc run hello)
EOF
