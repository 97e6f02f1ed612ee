#!/usr/bin/env bash
# Registries as they are: other answers of success than the specification's, addresses of every form, refusals of what only
# saves work, referrers that are none, lists that may be a part. Each is a small one of our own with such a habit.
. "$(dirname "$0")/lib.sh"
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG MINIBUILD_MIRRORS
printf 'minibuild: 1\nfiles: [{ file: /f, content: "one" }]\nuser: 1\n' > app.yaml
build app.yaml -o oci:app:1 > /dev/null
python3 "$SOURCE/tests/e2e/make_graphs.py" . || exit 1
truncate -s 70000000 zeros && printf 'minibuild: 1\ncopy: [{ from: zeros, to: /zeros }]\ncompression: none\nuser: 1\n' > large.yaml
build large.yaml -o oci:large:1 > /dev/null
truncate -s 3000000 zeros && sed -i 's/70000000/3000000/' large.yaml && build large.yaml -o oci:middle:1 > /dev/null
for n in 1 2 3; do
  printf 'minibuild: 1\nfiles: [{ file: /f, content: "%s" }]\nuser: 1\n' "$n" > "v$n.yaml" && build "v$n.yaml" -o "oci:v$n:1" > /dev/null
done
printf 'retention: [{ tags: "v*", keep-last: 2, by: semver }]\n' > keep.yaml
openssl ecparam -name prime256v1 -genkey -noout -out k.pem 2> /dev/null && openssl ec -in k.pem -pubout -out k.pub 2> /dev/null
python3 "$SOURCE/tests/e2e/odd_registries.py" "$MINIBUILD" "$SCRATCH" "$@"
