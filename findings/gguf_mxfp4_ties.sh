#!/usr/bin/env bash
# gguf 0.19.0: quantisation to MXFP4, 32 numbers of E2M1 (0, 0.5, 1, 1.5, 2, 3, 4, 6) with a common power of two.
# Expected: rounding to nearest with ties to even, IEEE 754's default, as ml_dtypes and gfloat convert to E2M1: 0.75 is
# 1, 1.75 is 2, 3.5 is 4.
# Seen: a tie goes to the smaller magnitude: 0.5, 1.5, 3. Sums are biased towards zero. Another surprise: one NaN makes
# the whole block of 32 zeros, whereas with Q8_0 the block is NaN: in MXFP4 the fault cannot be seen.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv gguf==0.19.0 numpy==2.4.6 ml_dtypes==0.6.0
python - <<'PYTHON'
import warnings
import ml_dtypes
import numpy as np
from gguf import GGMLQuantizationType, quants

warnings.simplefilter("ignore")  # numpy's, about the NaN

def back(kind, values):
    row = np.zeros((1, 32), np.float32)
    row[0, :len(values)] = values
    return quants.dequantize(quants.quantize(row, kind), kind)[0, :len(values)].tolist()

MX, Q8 = GGMLQuantizationType.MXFP4, GGMLQuantizationType.Q8_0
values = [6, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, -0.75, -1.75]  # 6 makes the scale 1; the others are ties
even = np.array(values, np.float32).astype(ml_dtypes.float4_e2m1fn).astype(np.float32).tolist()
seen = back(MX, values)
print("values    ", values)
print("gguf      ", seen)
print("ml_dtypes ", even)
assert even == [6, 0, 1, 1, 2, 2, 4, 4, -1, -2]
assert seen == [6, 0, 0.5, 1, 1.5, 2, 3, 4, -0.5, -1.5]
broken = [6, float("nan"), 1]
print("a block with NaN: MXFP4", back(MX, broken), "Q8_0", back(Q8, broken))
assert back(MX, broken) == [0, 0, 0] and np.isnan(back(Q8, broken)).all()
PYTHON
