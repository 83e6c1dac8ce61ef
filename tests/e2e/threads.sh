#!/usr/bin/env bash
# The library from eight threads: see threads_main.c. Under ThreadSanitizer if $RUNTIME is a library that was built with
# it, $CC its compiler and $SANITIZE the option, as tests/run --all has it.
set -euo pipefail
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export DTQC_CACHE=$TMP/cache
cd "$TMP"
runtime=${RUNTIME:-$(dirname "$DTQC")/libdtqrt.a}
options=(-std=c17 -D_GNU_SOURCE -g -I "$ROOT")
[[ -n "${SANITIZE:-}" ]] && options+=("-fsanitize=$SANITIZE" -fno-sanitize-recover=all)

cat >model.yaml <<'END'
transformer: {layers: 2, hidden: 32, heads: 4, kv_heads: 2, ffn: 48, activation: silu, norm: pre, causal: true,
              positions: 16, vocabulary: 100, norm_kind: rms, position_kind: rotary, gated: true}
weights: {seed: 12}
END
"$DTQC" compile model.yaml --seq 9 --queries 65536 --linear=int8 --policy gpt2-keys -o model.dtq >/dev/null
"$DTQC" compile model.yaml --seq 9 --linear=int8 --policy gpt2-keys --emit=c --name=the_model -o model.c >/dev/null
"${CC:-cc}" "${options[@]}" -O1 -c model.c -o model.o
"${CC:-cc}" "${options[@]}" -O1 -DMODEL=the_model "$ROOT/tests/e2e/threads_main.c" model.o "$runtime" -lm -lpthread -o threads
timeout 300 ./threads model.dtq 3 14 15 92 65 35 89 79 32
