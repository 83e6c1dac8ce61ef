#!/usr/bin/env bash
# The figures of DTQAtten's Fig. 5, its 128-token example, and a 32x32 array as SCALE-Sim counts it.
set -euo pipefail
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
cd "$TMP"

cat >fig5.yaml <<'END'
attention: {tokens: 9, heads: 1,
            head_dim: 9, causal: false}
END
cat >array3x3.yaml <<'END'
kind: vssa
vssa: {arrays: 1, rows: 3, cols: 3}
drain: ideal          # ideal | serial | overlapped
prob_bits: row        # row | 8 | 4
END
cat >fig5-policy.yaml <<'END'
layers:
  - token_bits: [4, 8, 4, 4, 8, 4, 4, 4, 4]
END
echo 'attention: {tokens: 128, heads: 1, head_dim: 64}' >n128.yaml
cat >array18x11.yaml <<'END'
kind: vssa
vssa: {arrays: 1, rows: 18, cols: 11}
drain: ideal
END
echo 'all: {ratios: {0: .28, 4: .414, 8: .306}}' >average.yaml
cat >array32x32.yaml <<'END'
kind: vssa
vssa: {arrays: 1, rows: 32, cols: 32}
drain: serial
END
echo 'all: {ratios: {4: 1}}' >low.yaml

# expect MODEL TARGET POLICY OPTION... -- NAME=VALUE...: members of the report's only layer.
expect() {
    local arguments=(analyze "$1" --target "$2" --policy "$3" --report=json)
    shift 3
    while [[ $1 != -- ]]; do
        arguments+=("$1")
        shift
    done
    shift
    "$DTQC" "${arguments[@]}" | /usr/bin/python3 -c '
import json, sys
report = json.load(sys.stdin)
assert report["schema"] == "dtqc-report/1" and len(report["layers"]) == 1
wrong = []
for wanted in sys.argv[1:]:
    name, value = wanted.split("=")
    found = report["layers"][0]
    for part in name.split("."):
        found = found[int(part) if part.isdigit() else part]
    if abs(found - float(value)) > 1e-9 * max(1, abs(found)) + (0.0005 if "." in value else 0):
        wrong.append(f"{name} is {found}, not {value}")
sys.exit("\n".join(wrong) or None)
' "$@" || {
        echo "failed: dtqc ${arguments[*]}"
        exit 1
    }
}

for level in -O0 -O1; do
    expect fig5.yaml array3x3.yaml fig5-policy.yaml --no-cluster $level -- \
        qk.stall_ratio_mean=0.395 qk.stalled_iterations=8 qk.iterations=9 qk.step_cycles=25 qk.cycles=225 \
        qk.bound_cycles=121 pv.bound_cycles=121 tokens=9
    expect fig5.yaml array3x3.yaml fig5-policy.yaml $level -- \
        qk.stall_ratio_mean=0.108 qk.stalled_iterations=5 qk.iterations=9 qk.step_cycles=16 qk.cycles=144 \
        qk.bound_cycles=121 segments.0.bits=4 segments.0.tokens=7 segments.1.bits=8 segments.1.tokens=2
done
# (53 + 2 * 39)^2 / (18 * 11) = 86.7 step-cycles are the bound
expect n128.yaml array18x11.yaml average.yaml -O0 -- \
    tokens=92 segments.0.bits=4 segments.0.tokens=53 segments.1.bits=8 segments.1.tokens=39 \
    qk.iterations=54 qk.step_cycles=140 qk.cycles=8960 qk.bound_cycles=5546.990
expect n128.yaml array32x32.yaml low.yaml -- qk.iterations=16 qk.cycles=2016 pv.iterations=8 pv.cycles=1520 \
    qk.stalled_iterations=0 pv.stalled_iterations=0
echo "all figures as published"
