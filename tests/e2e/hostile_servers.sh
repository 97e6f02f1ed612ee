#!/usr/bin/env bash
# Servers that want credentials which are not theirs, and servers without an end. Each is a small one of our own that keeps
# every byte that it was sent.
. "$(dirname "$0")/lib.sh"
export HOME=$SCRATCH XDG_RUNTIME_DIR=$SCRATCH/run no_proxy='*'
unset REGISTRY_AUTH_FILE XDG_CONFIG_HOME DOCKER_CONFIG MINIBUILD_MIRRORS
openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.pem -days 3650 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2> /dev/null
python3 "$SOURCE/tests/e2e/hostile_servers.py" "$MINIBUILD" "$SCRATCH" "$@"
