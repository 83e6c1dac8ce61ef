#!/usr/bin/env bash
# examples/paper: every number of the paper has ours beside it, the CSVs agree with dtqc asked directly, pictures are XML.
set -euo pipefail
TMP=$(mktemp -d)
export TMP
trap 'rm -rf "$TMP"' EXIT
"$ROOT/examples/paper/run" --dtqc "$DTQC" --out "$TMP/out" >"$TMP/log" || {
    cat "$TMP/log"
    exit 1
}
/usr/bin/python3 -B "$ROOT/tests/e2e/paper.py" "$TMP/out"
