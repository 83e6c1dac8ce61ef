#!/usr/bin/env bash
# ml_dtypes 0.5.4 (bfloat16 and narrow floats for numpy): np.sort with a NaN in the data.
# Expected: numpy's rule for every float: NaN goes to the end, the rest is sorted.
# Seen: NaN stays where it is and splits the array: 1, NaN, -1 comes back as it was, though it is sorted for float16 and
# float32. Top-k by sorting bfloat16 scores is wrong as soon as one of them is NaN; argmax is not.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv ml_dtypes==0.5.4 numpy==2.2.6
python - <<'PYTHON'
import ml_dtypes
import numpy as np

data = [1.0, float("nan"), -1.0]
for kind in (np.float16, np.float32, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn):
    print("np.sort of", data, np.dtype(kind), "->", np.sort(np.array(data, kind)).astype(np.float32).tolist())
right = np.sort(np.array(data, np.float16))
assert right[0] == -1 and right[1] == 1 and np.isnan(right[2])
for kind in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn):
    seen = np.sort(np.array(data, kind)).astype(np.float32)
    assert seen[0] == 1 and np.isnan(seen[1]) and seen[2] == -1, seen
PYTHON
