#!/usr/bin/env bash
# onnx 1.23.2, ReferenceEvaluator: LayerNormalization of float16.
# Expected: stash_type is 1 by default, so mean and variance are computed in float32: of 300, -300, 300, -300 the result is
# 1, -1, 1, -1. ONNX Runtime gives that.
# Seen: the reference squares in float16; 300 squared is infinite there, and the result is 0, -0, 0, -0. Activations of real
# encoders reach hundreds. As an oracle for float16 models the reference is wrong, silently.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import run

x = np.array([[300, -300, 300, -300]], np.float16)
inputs = [x, np.ones(4, np.float16)]
seen = {e: run(e, "LayerNormalization", inputs, [TensorProto.FLOAT16])[0][0] for e in ("onnx", "onnxruntime")}
print("LayerNormalization of 300, -300, 300, -300 in float16, stash_type 1:", seen)
assert seen["onnxruntime"] == [1, -1, 1, -1]
assert seen["onnx"] == [0, 0, 0, 0]
PYTHON
