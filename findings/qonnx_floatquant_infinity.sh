#!/usr/bin/env bash
# qonnx 1.0.0, the operator FloatQuant, and an infinity.
# Expected: what the operator does to any other value beyond the largest: with saturation the largest, without it the format's
# infinity, or NaN if it has none. 1e6 in E4M3 becomes 448, in E5M2 without saturation infinity.
# Seen: an infinity becomes NaN in every case: with saturation, and in a format that has infinities. A mask of -infinity that
# goes through FloatQuant makes the softmax behind it NaN.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv qonnx==1.0.0 onnx==1.23.2 numpy==2.4.6
python -W ignore - <<'PYTHON'
import numpy as np
from qonnx.custom_op.general.floatquant import float_quant

x = np.array([-1e6, 1e6, -np.inf, np.inf], np.float32)
e4m3 = dict(has_inf=False, has_nan=True, has_subnormal=True, max_val=448.0)
e5m2 = dict(has_inf=True, has_nan=True, has_subnormal=True, max_val=57344.0)
for title, bits, rest, expected in (("E4M3, saturating", (4, 3, 7), dict(e4m3, saturation=True), 448),
                                    ("E5M2, saturating", (5, 2, 15), dict(e5m2, saturation=True), 57344),
                                    ("E5M2, not saturating", (5, 2, 15), dict(e5m2, saturation=False), np.inf)):
    y = float_quant(x, np.float32(1), *bits, **rest)
    print(title, x, "become", y)
    assert y[1] == expected and y[0] == -expected and np.isnan(y[2:]).all()
PYTHON
