#!/usr/bin/env bash
# Declared secrets, planted in every encoding and place that is known: each build is refused, and nothing of them stays.
. "$(dirname "$0")/lib.sh"
python3 "$SOURCE/tests/e2e/planted_secrets.py" "$MINIBUILD" "$SCRATCH" "$@"
