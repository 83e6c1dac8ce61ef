#!/usr/bin/env bash
# Generated host code in every form, on every kind of processor at hand, against the reference: see host.py.
set -euo pipefail
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no numpy"
    exit 77
fi
TMP=$(mktemp -d)
export TMP DTQC_CACHE=$TMP/cache
trap 'rm -rf "$TMP"' EXIT
/usr/bin/python3 -B "$ROOT/tests/e2e/host.py"
