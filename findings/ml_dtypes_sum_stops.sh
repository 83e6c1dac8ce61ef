#!/usr/bin/env bash
# ml_dtypes 0.5.4 with numpy 2.2.6: sums in bfloat16 and in the 8-bit floats.
# Expected: as numpy sums float16: pairwise and in float32, 2048 + 2048 times 1 = 4096; so 256 + 256 times 1 = 512.
# Seen: each addition is rounded to the format, so that the sum stops where a step is half a unit: 256 in bfloat16, 16 in
# E4M3 (of 64 ones). np.dot of the same vectors is 512. A mean, a norm or an error computed in these types is not one.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv ml_dtypes==0.5.4 numpy==2.2.6
python - <<'PYTHON'
import ml_dtypes
import numpy as np

half = float(np.array([2048] + [1] * 2048, np.float16).sum())
brain = np.array([256] + [1] * 256, ml_dtypes.bfloat16)
eight = np.ones(64, ml_dtypes.float8_e4m3fn)
print("float16, 2048 + 2048 x 1:", half)
print("bfloat16, 256 + 256 x 1: sum", float(brain.sum()), "dot with ones", float(np.dot(brain, np.ones_like(brain))))
print("float8_e4m3fn, 64 x 1: sum", float(eight.sum()))
assert half == 4096
assert float(brain.sum()) == 256 and float(np.dot(brain, np.ones_like(brain))) == 512
assert float(eight.sum()) == 16
PYTHON
