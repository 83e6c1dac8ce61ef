#!/usr/bin/env bash
# onnxruntime 1.32.0, CPU: MeanVarianceNormalization of a constant.
# Expected: 0: the operator is a function of the standard, which adds 1e-9 to the standard deviation before it divides; the
# reference evaluator gives 0, and LayerNormalization with its epsilon does.
# Seen: NaN. One channel without variance, such as padding, makes its whole plane NaN.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import run

x = np.full((1, 1, 2, 2), 3, np.float32)
seen = {e: np.ravel(run(e, "MeanVarianceNormalization", [x], [TensorProto.FLOAT], opset=13)).tolist()
        for e in ("onnx", "onnxruntime")}
print("MeanVarianceNormalization of 3, 3, 3, 3:", seen)
assert seen["onnx"] == [0, 0, 0, 0]
assert np.isnan(seen["onnxruntime"]).all()
PYTHON
