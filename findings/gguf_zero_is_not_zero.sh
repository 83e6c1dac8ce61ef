#!/usr/bin/env bash
# gguf 0.19.0: the quantisation types Q4_1 and Q5_1, a scale and a minimum for 32 weights.
# Expected: zero stays zero, as in the asymmetric integers of ONNX and TFLite, whose ranges are moved until zero is a
# code.
# Seen: the least weight is code 0 and zero lies where it lies: between -1 and 1 in Q4_1 a weight of 0 becomes -0.0669,
# in Q5_1 0.0322. A pruned matrix is dense after it, so a machine that skips zeros skips nothing. Q4_0, Q5_0 and Q8_0
# keep zero.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv gguf==0.19.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from gguf import GGMLQuantizationType, quants

row = np.zeros((1, 32), np.float32)
row[0, :2] = 1, -1
zeros = {}
for kind in ("Q4_0", "Q5_0", "Q8_0", "Q4_1", "Q5_1"):
    kind = GGMLQuantizationType[kind]
    seen = quants.dequantize(quants.quantize(row, kind), kind)[0]
    zeros[kind.name] = int((seen == 0).sum()), float(seen[2])
print("zeros of 30 that stay zero, and what a zero becomes:", zeros)
assert all(zeros[kind] == (30, 0) for kind in ("Q4_0", "Q5_0", "Q8_0"))
assert zeros["Q4_1"][0] == 0 and abs(zeros["Q4_1"][1] + 0.0669) < 1e-3
assert zeros["Q5_1"][0] == 0 and abs(zeros["Q5_1"][1] - 0.0322) < 1e-3
PYTHON
