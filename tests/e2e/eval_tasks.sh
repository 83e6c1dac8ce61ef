#!/usr/bin/env bash
# dtqc eval on a language model and on a classifier against independent numbers; see eval_tasks.py. Needs $DTQ_DATA; the
# classifier also $DTQ_MINILM or examples/run.
set -euo pipefail
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no numpy"
    exit 77
fi
if [[ ! -f ${DTQ_DATA:-}/models/stories260K/stories260K.bin ]]; then
    echo "skipped: there is no models/stories260K in DTQ_DATA"
    exit 77
fi
model=${DTQ_MINILM:-$ROOT/examples/.cache/all-MiniLM-L6-v2}
if [[ ! -f $model/model.safetensors ]]; then
    echo "there is no MiniLM checkpoint, so no classifier is fitted: run examples/run, or set DTQ_MINILM to its directory"
    model=
fi
TMP=$(mktemp -d)
export TMP
trap 'rm -rf "$TMP"' EXIT
/usr/bin/python3 -B "$ROOT/tests/e2e/eval_tasks.py" "$DTQ_DATA" "$model"
