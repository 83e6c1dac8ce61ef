#!/usr/bin/env bash
# ml_dtypes 0.6.0 with numpy 2.4.6: a bfloat16 or 8-bit array times a Python number.
# Expected: numpy's promotion since 2.0 (NEP 50): a Python number is weak and takes the array's type; float16 * 2.0 is
# float16.
# Seen: with a Python float bfloat16, E4M3 and E5M2 become float32, with a Python int they stay. `scores * 0.125` in a
# model of a bfloat16 data path is computed and kept in float32 from there on: nothing is rounded any more, and the
# error that is measured is too small. In place (`*=`) the type stays.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv ml_dtypes==0.6.0 numpy==2.4.6
python - <<'PYTHON'
import ml_dtypes
import numpy as np

for kind in (np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2):
    a = np.array([3], kind)
    by_float, by_int = a * 0.3, a * 2
    print(f"{a.dtype} * 0.3 is {by_float.dtype} {float(by_float[0])}, * 2 is {by_int.dtype}")
    assert by_float.dtype == (np.float16 if kind is np.float16 else np.float32)
    assert by_int.dtype == a.dtype
    a *= 0.3
    assert a.dtype == kind and (kind is np.float16 or float(a[0]) != float(by_float[0]))
PYTHON
