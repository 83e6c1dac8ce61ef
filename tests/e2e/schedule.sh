#!/usr/bin/env bash
# How near schedules come to the bound (work / PEs): cycles of the layers behind the first, whose tokens all run at 8 bits,
# over their bound, on the paper's machine with its average ratios, skew counted; and what whole tiles take at least.
# Never worse than the paper's method, never better than whole tiles. Bounds are the default's: of causal layers they count
# pairs that can be seen, of which the paper's method computes the others, too.
set -euo pipefail
if ! /usr/bin/python3 -c 'pass' 2>/dev/null; then
    echo "skipped: there is no /usr/bin/python3"
    exit 77
fi
total() { # MODEL POLICY TOKENS OPTION MEMBER
    "$DTQC" analyze "$1" --policy "$2" --seq "$3" "$4" --report=json 2>/dev/null | /usr/bin/python3 -c '
import json, sys
print(sum(l[sys.argv[1]] for l in json.load(sys.stdin)["layers"][2:]))' "$5"
}
over() { awk "BEGIN { printf \"%.4f\", $1 / $2 }"; }
table="tokens  model        paper's method  schedule  limit  whole tiles"
while read -r tokens model policy limit; do
    bound=$(total "$model" "$policy" "$tokens" -O1 bound_cycles)
    plain=$(over "$(total "$model" "$policy" "$tokens" -O0 cycles)" "$bound")
    best=$(over "$(total "$model" "$policy" "$tokens" -O1 cycles)" "$bound")
    tiles=$(over "$(total "$model" "$policy" "$tokens" -O1 tile_bound_cycles)" "$bound")
    table+=$(printf '\n%6d  %-11s  %14s  %8s  %5s  %11s' "$tokens" "$model" "$plain" "$best" "$limit" "$tiles")
    if ! awk "BEGIN { exit !($best <= $limit && $best < $plain && 1 <= $tiles && $tiles <= $best) }"; then
        echo "$table"
        echo "failed: $model at $tokens tokens takes $best times its bound, $plain by the paper's method, $tiles in whole tiles; $limit is wanted"
        exit 1
    fi
done <<'CASES'
128 bert-base bert-average 1.34
128 bert-large bert-average 1.32
384 bert-base bert-average 1.12
384 bert-large bert-average 1.12
512 bert-base bert-average 1.10
512 bert-large bert-average 1.09
1024 gpt2-small gpt2-average 1.09
1024 gpt2-medium gpt2-average 1.09
CASES
# One query of 32 heads over the keys of 8: no more arrays idle than heads leave, and keys cost in proportion.
decode=$(mktemp --suffix=.yaml)
attention=$(mktemp --suffix=.yaml)
trap 'rm -f "$decode" "$attention"' EXIT
printf 'name: attention\nattention: {tokens: 3072, heads: 12, head_dim: 64}\n' >"$attention"
cat >"$decode" <<'MODEL'
name: decode
transformer: {layers: 1, hidden: 4096, heads: 32, kv_heads: 8, head_dim: 128, ffn: 64, norm: pre, causal: true, positions: 8192, vocabulary: 64}
MODEL
while read -r tokens limit; do
    cycles=$("$DTQC" analyze "$decode" --queries 1 --seq "$tokens" --policy uniform8 --report=json 2>/dev/null |
        /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["total"]["cycles"])')
    table+=$(printf '\n%6d  one query    %s cycles, limit %d' "$tokens" "$cycles" "$limit")
    if [[ "$cycles" -gt "$limit" ]]; then
        echo "$table"
        echo "failed: one query over $tokens keys takes $cycles cycles; $limit are wanted"
        exit 1
    fi
done <<'CASES'
1400 180000
1536 198000
8192 1056000
CASES
# Keys of twelve heads in blocks: scores stay on chip, and waves of strips overlap.
busy=$("$DTQC" analyze "$attention" --policy uniform8 --report=json 2>/dev/null |
    /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["total"]["utilisation"])')
table+=$(printf '\n%6d  attention    %.4f of the work bound, at least 0.85' 3072 "$busy")
if ! awk "BEGIN { exit !($busy >= 0.85) }"; then
    echo "$table"
    echo "failed: attention over 3072 keys keeps the arrays busy for $busy; 0.85 is wanted"
    exit 1
fi
# A machine of small buffers: whatever the passes do beyond the paper's method, the layer ends no later.
while read -r tokens model policy; do
    cycles() { "$DTQC" analyze "$model" --policy "$policy" --seq "$tokens" --target dtqatten-table1 "$1" --report=json 2>/dev/null |
        /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["total"]["cycles"])'; }
    plain=$(cycles -O0) best=$(cycles -O1)
    table+=$(printf '\n%6d  %-11s  %s cycles on dtqatten-table1, %s by the paper'"'"'s method' "$tokens" "$model" "$best" "$plain")
    if [[ "$best" -gt "$plain" ]]; then
        echo "$table"
        echo "failed: $model at $tokens tokens takes $best cycles on dtqatten-table1, and $plain by the paper's method"
        exit 1
    fi
done <<'CASES'
128 bert-base bert-average
128 bert-base bert-probe
128 bert-large bert-average
128 minilm bert-average
128 minilm minilm-average
128 gpt2-small gpt2-keys
384 bert-base bert-average
CASES
echo "$table"
echo "schedules are within their limits of the bound"
