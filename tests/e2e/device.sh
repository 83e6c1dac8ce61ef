#!/usr/bin/env bash
# Generated code that drives a device: the bits, the cycles and the timeline of the simulator for every rule of
# selection, in every form; and devices that fail, lie or do not fit (device_main.c).
set -euo pipefail
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export DTQC_CACHE=$TMP/cache
cd "$TMP"
runtime=$(dirname "$DTQC")/libdtqrt.a
failed() { echo "device: $*" >&2; exit 1; }

# tokens N FILE: ids as safetensors.
tokens() {
    local header i id
    header="{\"tokens\":{\"dtype\":\"U32\",\"shape\":[$1],\"data_offsets\":[0,$((4 * $1))]}}"
    {
        printf '%b' "$(printf '\\x%02x' ${#header})\0\0\0\0\0\0\0$header"
        for ((i = 0; i < $1; i++)); do
            id=$((100 + i * 37 % 300))
            printf '%b' "$(printf '\\x%02x\\x%02x\\0\\0' $((id % 256)) $((id / 256)))"
        done
    } >"$2"
}
tokens 12 12.safetensors
tokens 45 45.safetensors

cat >encoder.yaml <<'END'
transformer: {layers: 3, hidden: 48, heads: 4, ffn: 96, activation: gelu, norm: post, positions: 64, vocabulary: 512}
weights: {seed: 5}
END
cat >decoder.yaml <<'END'
transformer: {layers: 3, hidden: 48, heads: 4, kv_heads: 2, ffn: 80, activation: silu, norm: pre, causal: true,
              positions: 64, vocabulary: 512, norm_kind: rms, position_kind: rotary, gated: true}
weights: {seed: 6}
END

policy() { printf '%s\nall: {ratios: {0: .25, 4: .4, 8: .35}}\n' "$2" >"$1.yaml"; }
policy rows 'prune: rows'
policy keys 'prune: keys'
policy probe $'importance: probe\nprune: keys'
policy heads $'importance: {rule: probe, per: head}\nprune: keys'
policy late $'importance: late\nprune: keys'
policy late-heads $'importance: {rule: late, per: head}\nprune: keys'
printf 'importance: {rule: streamed, window: 8, near: 8, far: 4}\nprune: keys\nall: {ratios: {0: .25, 4: .4, 8: .35}}\n' >streamed.yaml

compared=0
# same MODEL INPUT OPTION...: simulator and device.
same() {
    local model=$1 input=$2 engine
    shift 2
    for engine in sim device; do
        "$DTQC" run "$model" --input "$input" --engine=$engine --output $engine.safetensors --trace=$engine.trace "$@" \
            >$engine.out 2>$engine.err || failed "$model $* --engine=$engine: $(tail -n 3 $engine.err)"
        sed -i "s/engine $engine/engine/; s/\"engine\":\"$engine\"//" $engine.out
    done
    cmp sim.safetensors device.safetensors || failed "$model $*: other results"
    cmp sim.out device.out || failed "$model $*: other cycles"
    cmp sim.trace device.trace || failed "$model $*: another timeline"
    compared=$((compared + 1))
}
for input in 12 45; do
    for rule in rows keys probe heads late late-heads; do
        same encoder.yaml $input.safetensors --policy $rule.yaml
    done
    for rule in keys streamed; do
        same decoder.yaml $input.safetensors --policy $rule.yaml
    done
    same encoder.yaml $input.safetensors --policy rows.yaml --no-cluster --linear=int8
    same encoder.yaml $input.safetensors --policy keys.yaml -O0 --set=prefetch=data
done

# As an executable, by both devices, and as C.
"$DTQC" run encoder.yaml --input 12.safetensors --policy probe.yaml --output sim.safetensors >sim.out
"$DTQC" compile encoder.yaml --policy probe.yaml --seq 12 --emit=exe --attention=device -o encoder >/dev/null
for device in simulator reference; do
    ./encoder --input 12.safetensors --device=$device --output device.safetensors >$device.out
    cmp sim.safetensors device.safetensors || failed "executable, $device"
done
[[ "$(sed -n 4p simulator.out)" == "$(sed -n 4p sim.out)" ]] || failed "cycles of the executable: $(cat simulator.out)"
"$DTQC" compile encoder.yaml --policy probe.yaml --seq 12 --emit=c --attention=device -o model.c >/dev/null
grep -q 'attention_scores' model.c && failed "the C has code for attention"
"$DTQC" compile encoder.yaml --policy probe.yaml --seq 12 --emit=c -o plain.c >/dev/null
"${CC:-cc}" -std=c17 -O1 -I "$ROOT" -I . "$ROOT/tests/e2e/device_main.c" model.c plain.c "$runtime" -lm -lpthread -o device_main
./device_main 12.safetensors
echo "$compared pairs of runs: the same results, cycles and timelines"
