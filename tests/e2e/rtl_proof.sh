#!/usr/bin/env bash
# For all inputs a PE's phases are the products of the pairs of nibbles, each once, at their places, which add up to the product:
# claims of tests/rtl/pe_claims.sv, proved by Yosys. Two faults show that the claims can fail.
set -euo pipefail
if ! command -v yosys >/dev/null; then
    echo "skipped: there is no yosys (tests/setup rtl)"
    exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The assertions of a simulation make way for the claims. Registers are free: what holds of any state holds of each that is reached.
awk -v claims="$ROOT/tests/rtl/pe_claims.sv" '/^`ifndef SYNTHESIS/ { skip = 1 }
    !skip && /^endmodule/ { while ((getline line < claims) > 0) print line }
    !skip { print }
    /^`endif/ { skip = 0 }' "$ROOT/runtime/rtl/pe.sv" >"$scratch/pe.sv"
proved() {
    yosys -q -p "read_verilog -sv -formal $1; hierarchy -top pe; proc; opt_clean; sat -ignore_unknown_cells -verify -prove-asserts pe" \
        >"$scratch/out" 2>&1
}
proved "$scratch/pe.sv" || { cat "$scratch/out"; exit 1; }
for fault in 's/product_wide <<< 8/product_wide <<< 7/' 's/wire f_sign = f_signed \& (f_high | ~f\[WIDE\])/wire f_sign = f_signed \& ~f[WIDE]/'; do
    sed "$fault" "$scratch/pe.sv" >"$scratch/faulty.sv"
    if cmp -s "$scratch/pe.sv" "$scratch/faulty.sv" || proved "$scratch/faulty.sv"; then
        echo "failed: proved with a fault in it: $fault"
        exit 1
    fi
    grep -q 'proof did fail' "$scratch/out"
done
echo "a PE multiplies, for all inputs"
