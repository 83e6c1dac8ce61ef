#!/usr/bin/env bash
# Reports of many lengths against those of each alone (lengths.py).
set -euo pipefail
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no numpy"
    exit 77
fi
TMP=$(mktemp -d)
export TMP
trap 'rm -rf "$TMP"' EXIT
/usr/bin/python3 -B "$ROOT/tests/e2e/lengths.py"
