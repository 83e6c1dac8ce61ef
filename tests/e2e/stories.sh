#!/usr/bin/env bash
# A decoder of 260,000 weights, trained by others, writes what it is known to write: by every engine, with every token at
# 8 bits as in float32.
set -euo pipefail
model=${DTQ_DATA:-}/models/stories260K/stories260K.bin
if [[ ! -f "$model" ]]; then
    echo "skipped: stories260K.bin is not there (DTQ_DATA)"
    exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export DTQC_CACHE="$scratch/cache"
known="Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high."
for engine in fp32 host sim ref; do
    "$DTQC" generate "$model" --text "Once upon a time" --tokens 100 --engine=$engine >"$scratch/$engine" 2>/dev/null
    if [[ "$(head -n 1 "$scratch/$engine")" != "$known" ]]; then
        echo "failed: $engine writes: $(head -n 1 "$scratch/$engine")"
        exit 1
    fi
done
cmp "$scratch/host" "$scratch/sim"
cmp "$scratch/host" "$scratch/ref"
# Keys left out and 4-bit tokens change what is written, but not from engine to engine.
printf 'all: {ratios: {0: .218, 4: .52, 8: .262}}\nprune: keys\n' >"$scratch/policy.yaml"
for engine in host sim ref; do
    "$DTQC" generate "$model" --text "Once upon a time" --tokens 60 --engine=$engine --policy "$scratch/policy.yaml" \
        >"$scratch/$engine" 2>/dev/null
done
cmp "$scratch/host" "$scratch/sim"
cmp "$scratch/host" "$scratch/ref"
echo "the known story by four engines; one with the GPT-2 ratios by three"
