#!/usr/bin/env bash
# gfloat 0.5.2 (a reference for small floating-point formats): rounding to OCP's E8M0, the scale of MX blocks.
# Expected: the format has powers of two alone, neither zero nor sign, so 0 and -1 are refused or become a value that the
# format has; ml_dtypes gives NaN.
# Seen: round_float returns 0.0 and -1.0, which encode_float then cannot write. And 3.0, half-way, becomes 2 (to the even
# exponent field) where ml_dtypes gives 4.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv gfloat==0.5.2 ml_dtypes==0.5.4 numpy==2.2.6
python - <<'PYTHON'
import ml_dtypes
import numpy as np
import gfloat
from gfloat.formats import format_info_ocp_e8m0 as e8m0

rounded = [float(gfloat.round_float(e8m0, v)) for v in (0.0, -1.0, 3.0)]
other = np.array([0.0, -1.0, 3.0], np.float32).astype(ml_dtypes.float8_e8m0fnu).astype(np.float32).tolist()
values = {float(gfloat.decode_float(e8m0, code).fval) for code in range(256)}
print("gfloat 0.5.2: 0, -1, 3 as E8M0:", rounded, "- ml_dtypes:", other)
print("is 0 a value of the format:", 0.0 in values, "- is -1:", -1.0 in values)
assert rounded == [0.0, -1.0, 2.0], rounded
assert 0.0 not in values and -1.0 not in values
assert np.isnan(other[0]) and np.isnan(other[1]) and other[2] == 4.0, other
PYTHON
