#!/usr/bin/env bash
# onnx 1.23.2, ReferenceEvaluator: QuantizeLinear of numbers above 2^31 scales.
# Expected: saturation, as the operator's text says: 3e9 at scale 1 is 127 in int8 and 255 in uint8. ONNX Runtime does so.
# Seen: the reference converts to int32 first; what is too large becomes the smallest int32, then the smallest code: -128
# and 0. A large activation, or +infinity, turns into the most negative one. -3e9 is right by the same accident.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import run

one = np.array(1, np.float32)
for kind, tensor, lowest, largest in ((np.int8, TensorProto.INT8, -128, 127), (np.uint8, TensorProto.UINT8, 0, 255)):
    for value in (1e9, 3e9):
        inputs = [np.array([value], np.float32), one, np.array(0, kind)]
        seen = {e: run(e, "QuantizeLinear", inputs, [tensor])[0][0] for e in ("onnx", "onnxruntime")}
        print(f"QuantizeLinear of {value:g} to {np.dtype(kind)}: {seen}")
        assert seen["onnxruntime"] == largest
        assert seen["onnx"] == (largest if value < 2**31 else lowest)
PYTHON
