#!/usr/bin/env bash
# Decoders as ONNX graphs against directories of the same weights; see onnx_decoders.py.
set -euo pipefail
if ! /usr/bin/python3 -c 'import numpy, onnx' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no onnx: install python3-onnx"
    exit 77
fi
TMP=$(mktemp -d)
export TMP
trap 'rm -rf "$TMP"' EXIT
/usr/bin/python3 -B "$ROOT/tests/e2e/onnx_decoders.py"
