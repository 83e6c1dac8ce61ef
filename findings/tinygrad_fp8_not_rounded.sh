#!/usr/bin/env bash
# tinygrad 0.14.0 on a CPU (needs clang): a cast to an 8-bit float and back.
# Expected: the value of the format that is nearest: of 1.0625 in E4M3 that is 1.
# Seen: where both casts are in one kernel, which is what happens unless realize() stands between them, the value is clamped to
# the format's range and not rounded: 1.0625 stays, and so do 2^-10 and, in E5M2, 464. What is stored in between is rounded.
# Quantising and dequantising in one expression, the usual way to measure what a format costs, measures nothing here. bfloat16,
# whose values are rounded in both cases, is right.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
CC=$(compgen -c clang | grep -E '^clang(-[0-9]+)?$' | head -n 1) || { echo "needs clang" >&2; exit 1; }
export CC DEV=CPU
venv tinygrad==0.14.0 numpy==2.4.6
python - <<'PYTHON'
from tinygrad import Tensor, dtypes

x = [1.0625, 2.0**-10, 464.0]
for name, stored in (("fp8e4m3", [1.0, 0.0, 448.0]), ("fp8e5m2", [1.0, 2.0**-10, 448.0])):
    t = getattr(dtypes, name)
    fused = Tensor(x).cast(t).cast(dtypes.float32).tolist()
    apart = Tensor(x).cast(t).realize().cast(dtypes.float32).tolist()
    print(name, "of", x, "in one kernel", fused, "with realize() between", apart)
    assert apart == stored and fused == [min(v, 448.0) if name == "fp8e4m3" else v for v in x]
brain = [1 + 2.0**-9, 1 + 3 * 2.0**-9]
fused = Tensor(brain).cast(dtypes.bfloat16).cast(dtypes.float32).tolist()
print("bfloat16 of", brain, "in one kernel", fused)
assert fused == [1, 1 + 2.0**-7]
PYTHON
