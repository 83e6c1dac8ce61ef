#!/usr/bin/env bash
# ml_dtypes 0.6.0 with numpy 2.4.6: float64 and integers to bfloat16 and E4M3.
# Expected: the nearest value of the format, ties to even, in one rounding, as numpy converts float64 to float16 (IEEE
# 754: a conversion is rounded once).
# Seen: the conversion goes by float32 and rounds twice. What lies a little above the middle of two bfloat16 becomes the
# lower one: 1 + 2^-8 + 2^-40 is 1, not 1 + 2^-7; the integer 2^30 + 2^22 + 1 is 2^30, not 2^30 + 2^23. With E4M3 an
# array gives 1 for 1 + 2^-4 + 2^-40, and the scalar constructor of the same type 1.125: element by element a reference
# differs from itself.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv ml_dtypes==0.6.0 numpy==2.4.6
python - <<'PYTHON'
import ml_dtypes
import numpy as np

def show(title, value, right, once):
    print(f"{title}: {float(value)}, the nearest is {right}")
    assert (float(value) == right) == once, value

show("float16 of 1 + 2^-11 + 2^-40", np.array([1 + 2**-11 + 2**-40]).astype(np.float16)[0], 1 + 2**-10, True)
above = np.array([1 + 2**-8 + 2**-40])
show("bfloat16 of 1 + 2^-8 + 2^-40", above.astype(ml_dtypes.bfloat16)[0], 1 + 2**-7, False)
whole = np.array([2**30 + 2**22 + 1])
show("bfloat16 of 2^30 + 2^22 + 1", whole.astype(ml_dtypes.bfloat16)[0], 2**30 + 2**23, False)
eight = np.array([1 + 2**-4 + 2**-40])
show("E4M3 of 1 + 2^-4 + 2^-40, array", eight.astype(ml_dtypes.float8_e4m3fn)[0], 1.125, False)
show("E4M3 of 1 + 2^-4 + 2^-40, scalar", ml_dtypes.float8_e4m3fn(eight[0]), 1.125, True)
assert above.astype(ml_dtypes.bfloat16)[0] == 1 and whole.astype(ml_dtypes.bfloat16)[0] == 2**30
PYTHON
