#!/usr/bin/env bash
# Generation with a key/value cache: see generate_main.c. Decoders of two families, prompts at once or not at all, steps of one token or of five, with and
# without pruning, by the reference, the simulator, an emitted object and emitted C; layers that stream by generate_streamed.c.
set -euo pipefail
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export DTQC_CACHE=$TMP/cache
cd "$TMP"
runtime=$(dirname "$DTQC")/libdtqrt.a
sanitized=()
[[ "$DTQC" == *asan* ]] && sanitized=("-fsanitize=address,undefined")

cat >learned.yaml <<'END'
transformer: {layers: 3, hidden: 40, heads: 5, ffn: 64, activation: gelu, norm: pre, causal: true, positions: 64,
              vocabulary: 100}
weights: {seed: 11}
END
cat >rotary.yaml <<'END'
transformer: {layers: 3, hidden: 48, heads: 4, kv_heads: 2, ffn: 80, activation: silu, norm: pre, causal: true,
              positions: 64, vocabulary: 100, norm_kind: rms, position_kind: rotary, gated: true}
weights: {seed: 12}
END
cat >pruned.yaml <<'END'
prune: keys
layers:
- ratios: {8: 1}
- ratios: {0: .3, 4: .3, 8: .4}
- ratios: {0: .5, 4: .4, 8: .1}
END
tokens=(3 14 15 92 65 35 89 79 32 38 46 26 43 38 32 79 50 28 84 19 71 69 39 93)

for model in learned rotary; do
    options=()
    [[ $model == rotary ]] && options=(--linear=int8)
    compile() { "$DTQC" compile $model.yaml --seq 1..24 "${options[@]}" "$@" >/dev/null; }
    compile -o whole.dtq
    compile --queries 1 -o steps.dtq
    compile --queries 65536 -o fill.dtq
    compile --queries 1 --policy pruned.yaml -o pruned-steps.dtq
    compile --queries 65536 --policy pruned.yaml -o pruned-fill.dtq
    compile --queries 5 -o chunks.dtq
    compile --queries 5 --policy pruned.yaml -o pruned-chunks.dtq
    "$DTQC" verify pruned-steps.dtq >/dev/null
    "$DTQC" verify pruned-fill.dtq >/dev/null
    "$DTQC" compile $model.yaml --seq 24 "${options[@]}" --emit=obj --name=the_model -o model.o >/dev/null
    "$DTQC" compile $model.yaml --seq 24 "${options[@]}" --emit=c --name=the_model -o model.c >/dev/null
    "${CC:-cc}" -std=c17 -O1 -I "$ROOT" "${sanitized[@]}" -c model.c -o model.c.o
    for code in model.o model.c.o; do
        "${CC:-cc}" -std=c17 -D_GNU_SOURCE -O1 -DMODEL=the_model -I "$ROOT" "${sanitized[@]}" \
            "$ROOT/tests/e2e/generate_main.c" $code "$runtime" -lm -lpthread -o generate
        ./generate steps.dtq - whole.dtq 0 1 "${tokens[@]}"
        ./generate steps.dtq fill.dtq whole.dtq 10 1 "${tokens[@]}"
        ./generate pruned-steps.dtq - - 0 1 "${tokens[@]}"
        ./generate chunks.dtq fill.dtq whole.dtq 9 5 "${tokens[@]}"
        ./generate pruned-chunks.dtq - - 0 5 "${tokens[@]}"
        ./generate pruned-steps.dtq pruned-fill.dtq - 17 1 "${tokens[@]}"
    done
done
"$DTQC" analyze rotary.yaml --queries 1 --policy pruned.yaml --seq 40 --check | grep '^check'

# Layers that stream: lengths around one and two windows, pairs of precisions, heads that share keys.
streamed() { # model, bits of near and far keys
    echo "{importance: {rule: streamed, window: 4, near: $2, far: $3}, prune: keys, all: {counts: {0: 2, $3: 2}}}" >streamed.yaml
    compile() { "$DTQC" compile "$1.yaml" --seq 1..24 --policy streamed.yaml "${@:2}" >/dev/null; }
    compile "$1" -o whole.dtq
    compile "$1" --host-cpu=native --queries 65536 --emit=obj --name=fill -o fill.o
    for step in 1 5; do
        compile "$1" --host-cpu=native --queries $step --emit=obj --name=steps -o steps.o # steps: a local name, too
        "${CC:-cc}" -std=c17 -D_GNU_SOURCE -O1 -I "$ROOT" "${sanitized[@]}" "$ROOT/tests/e2e/generate_streamed.c" \
            fill.o steps.o "$runtime" -lm -lpthread -o generate_streamed
        for prompt in 0 3 4 5 8 9; do
            ./generate_streamed whole.dtq $prompt $step "${tokens[@]}"
        done
    done
}
streamed learned 8 4
for bits in '8 8' '8 4' '4 4'; do
    # shellcheck disable=SC2086 # two words
    streamed rotary $bits
done
echo "streamed: the same bits"
