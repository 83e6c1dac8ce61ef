#!/usr/bin/env bash
# A model as an object and as C in one program, against the simulator: examples/embed.
set -euo pipefail
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
"$ROOT/examples/embed/run" "$TMP/embed"
