#!/usr/bin/env bash
# No inner loop of a generated linear spills a vector register, at any level of processors: see spills.py.
set -euo pipefail
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
for model in minilm bert-base; do
    for linear in int8 fp32; do
        for cpu in native x86-64-v2 x86-64-v3 x86-64-v4 dispatch; do
            "$DTQC" compile "$model" --seq 128 --linear=$linear --emit=host-asm --host-cpu=$cpu -o "$TMP/model.s" >/dev/null
            printf '%s, %s, %s: ' "$model" "$linear" "$cpu"
            /usr/bin/python3 -B "$ROOT/tests/e2e/spills.py" "$TMP/model.s" 'gemm_*'
        done
    done
done
