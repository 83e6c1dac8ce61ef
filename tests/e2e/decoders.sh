#!/usr/bin/env bash
# Decoders from files of llama2.c, GGUF and Hugging Face against an independent forward pass; see decoders.py.
set -euo pipefail
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no numpy"
    exit 77
fi
TMP=$(mktemp -d)
SMOLLM2=${DTQ_SMOLLM2:-$ROOT/examples/.cache/smollm2.gguf}
if [[ ! -f $SMOLLM2 ]]; then
    SMOLLM2=
fi
export TMP SMOLLM2
trap 'rm -rf "$TMP"' EXIT
/usr/bin/python3 -B "$ROOT/tests/e2e/decoders.py"
