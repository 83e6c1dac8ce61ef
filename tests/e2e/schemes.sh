#!/usr/bin/env bash
# Schemes of arithmetic on a small encoder against an independent implementation; see schemes.py.
set -euo pipefail
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no numpy"
    exit 77
fi
TMP=$(mktemp -d)
export TMP
trap 'rm -rf "$TMP"' EXIT
/usr/bin/python3 -B "$ROOT/tests/e2e/schemes.py"
