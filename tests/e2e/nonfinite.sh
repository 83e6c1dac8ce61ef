#!/usr/bin/env bash
# NaN and infinities behind the last attention are refused, with the place where they arose: see nonfinite.py.
set -euo pipefail
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no numpy"
    exit 77
fi
TMP=$(mktemp -d)
export TMP DTQC_CACHE=$TMP/cache
trap 'rm -rf "$TMP"' EXIT
/usr/bin/python3 -B "$ROOT/tests/e2e/nonfinite.py"
