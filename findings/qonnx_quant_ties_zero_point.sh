#!/usr/bin/env bash
# qonnx 1.0.0, the operator Quant, with a zero point.
# Expected: as ONNX's QuantizeLinear: x / scale is rounded to the even neighbour, then the zero point is added. So values of x
# are quantised alike whatever the zero point is, as long as nothing is clipped.
# Seen: the zero point is added first. With an odd one, halves go to the odd neighbour: 2.5 becomes 2 with zero point 0 and 3
# with zero point 1. A model converted between Quant and QuantizeLinear changes by one step at each tie.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv qonnx==1.0.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import run
from qonnx.custom_op.general.quant import quant

one = np.array(1, np.float32)
x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32)
even, odd = [-2, -2, 0, 0, 2, 2], [-3, -1, -1, 1, 1, 3]
for zero, expected in ((0, even), (1, odd), (2, even)):
    ours = quant(x, one, np.float32(zero), np.float32(8), True, False, "ROUND")
    codes = np.array(run("onnxruntime", "QuantizeLinear", [x, one, np.array(zero, np.int8)], [TensorProto.INT8])[0])
    print("zero point", zero, "Quant", ours, "QuantizeLinear, then back", codes - zero)
    assert (ours == expected).all() and (codes - zero == even).all()
PYTHON
