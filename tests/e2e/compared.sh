#!/usr/bin/env bash
# Attention on targets of the compared systems, bit for bit against compared_oracle.py, and its cycles by what it did.
set -euo pipefail
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no numpy"
    exit 77
fi
TMP=$(mktemp -d)
export TMP
trap 'rm -rf "$TMP"' EXIT
/usr/bin/python3 -B "$ROOT/tests/e2e/compared.py"
