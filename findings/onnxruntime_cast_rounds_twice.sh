#!/usr/bin/env bash
# onnxruntime 1.32.0, CPU: Cast of double to float16.
# Expected: one rounding to the nearest float16, as IEEE 754 has conversions and as numpy and the reference evaluator do
# it.
# Seen: the value goes by float32: 1 + 2^-11 + 2^-40, a little above the middle, becomes 1 instead of 1 + 2^-10.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import both

value = np.array([1 + 2**-11 + 2**-40, -1 - 2**-11 - 2**-40, 1 + 2**-11])
seen = both("double to float16", "Cast", [value], [TensorProto.FLOAT16], engine="onnxruntime", to=TensorProto.FLOAT16)
assert seen == [[[1 + 2**-10, -1 - 2**-10, 1]], [[1, -1, 1]]], seen
PYTHON
