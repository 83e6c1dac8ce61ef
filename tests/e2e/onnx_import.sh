#!/usr/bin/env bash
# The MiniLM checkpoint as ONNX; see onnx_import.py. needs $DTQ_MINILM or examples/run.
set -euo pipefail
if ! /usr/bin/python3 -c 'import numpy, onnx' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no onnx: install python3-onnx"
    exit 77
fi
model=${DTQ_MINILM:-$ROOT/examples/.cache/all-MiniLM-L6-v2}
if [[ ! -f $model/model.safetensors || ! -f $model/vocab.txt ]]; then
    echo "skipped: there is no MiniLM checkpoint: run examples/run, or set DTQ_MINILM to its directory"
    exit 77
fi
TMP=$(mktemp -d)
export TMP
trap 'rm -rf "$TMP"' EXIT
/usr/bin/python3 -B "$ROOT/tests/e2e/onnx_import.py" "$model"
