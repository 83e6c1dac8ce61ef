#!/usr/bin/env bash
# dtqc eval on STS-B against an independent forward pass; see eval.py. Needs $DTQ_DATA, and $DTQ_MINILM or examples/run.
set -euo pipefail
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no numpy"
    exit 77
fi
data=${DTQ_DATA:-}/text/stsb_dev.tsv
if [[ ! -f $data ]]; then
    echo "skipped: there is no text/stsb_dev.tsv in DTQ_DATA"
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
/usr/bin/python3 -B "$ROOT/tests/e2e/eval.py" "$model" "$data"
