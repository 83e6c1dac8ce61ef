#!/usr/bin/env bash
# A program's own instructions on the hardware of runtime/rtl/, whose results and cycles must be the simulator's: the paper's
# Fig. 5. Needs Verilator.
set -euo pipefail
if ! command -v verilator >/dev/null; then
    echo "skipped: there is no verilator (tests/setup rtl)"
    exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export DTQC_CACHE="$scratch/cache"
cd "$ROOT/tests/cli/data"
hardware() { "$DTQC" run "$@" --engine=rtl --check >"$scratch/out"; }
verified() { # SHARE: of the busy cycles, at least
    grep -qE '^rtl: .* identical; hardware executed' "$scratch/out"
    awk -v least="$1" '/^rtl: .* executed/ { sub(/.*executed /, ""); if ($1 + 0 < least) exit 1 }' "$scratch/out"
}
# Every product of every mode, in a simulator that knows unknown values.
products=
if command -v iverilog >/dev/null; then
    iverilog -g2012 -o "$scratch/products" "$ROOT/tests/rtl/products.sv" "$ROOT/runtime/rtl/pe.sv"
    vvp -n "$scratch/products" >"$scratch/products.out" &
    products=$!
fi
for drain in overlapped ideal; do
    hardware fig5.yaml --target array3x3.yaml --set drain=$drain --policy fig5-policy.yaml --input qkv.safetensors
    grep -q 'making a module' "$scratch/out"
    verified 95
done
# The module is kept, and hardware serves any program of the machine: the original order of slots, too.
for more in --no-cluster --set=prob_bits=8 -O0; do
    hardware fig5.yaml --target array3x3.yaml --set drain=overlapped --policy fig5-policy.yaml --input qkv.safetensors $more
    if grep -q 'making a module' "$scratch/out"; then
        echo "failed: the module is made again"
        exit 1
    fi
    verified 95
done
# Softmax with folded scales, by passes over blocks of keys, and by the keys that a layer has chosen late.
whole() { hardware "$@" --target array3x3.yaml --set drain=overlapped --input ids.safetensors; }
whole tiny-decoder.yaml --policy half.yaml
verified 99
whole tiny-decoder.yaml --set buffers.scores=64
verified 99
whole tiny.yaml --policy late-heads.yaml
verified 99
whole tiny.yaml --policy probe.yaml
verified 80
# Random matmuls, importances, rows of softmax and selections, in hardware of every kind of drain.
tiles() { # ROWS COLS DRAIN VOTES CHOICES PASSES LANES
    mkdir "$scratch/$3"
    cp "$ROOT"/runtime/rtl/* "$scratch/$3"
    sh "$scratch/$3/build.sh" "$scratch/$3" "$scratch/$3/module.so" none "$@" >/dev/null
    "$(dirname "$DTQC")/rtl_tiles" "$scratch/$3/module.so" "$@" 3400 "${SEED:-$(date +%N)}"
}
tiles 3 4 2 5 16 8 4 &
overlapped=$!
tiles 2 3 0 4 2 9 1
tiles 4 2 1 64 3 7 8
wait "$overlapped"
if [[ -n "$products" ]]; then
    wait "$products"
    grep -qx '221952 products' "$scratch/products.out" || { cat "$scratch/products.out"; exit 1; }
fi
echo "10,200 random instructions, and fig5 in hardware, five ways"
