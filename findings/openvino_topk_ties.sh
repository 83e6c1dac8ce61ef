#!/usr/bin/env bash
# openvino 2026.4.1, CPU: TopK of equal numbers.
# Expected: the operator's text: of two equal elements the one with the lower index comes first.
# Seen: with k = 3 of 2, 1, 1, 2 the indices are 0, 3, 2, not 0, 3, 1; of twenty equal numbers the first five are 1, 2, 3, 4, 0.
# Which of equally important tokens or beams stays then differs from every other runtime.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import both

outs = [TensorProto.FLOAT, TensorProto.INT64]
top = lambda values, k: [s[1] for s in both(f"TopK {k} of {values}", "TopK", [np.array(values, np.float32), np.array([k], np.int64)], outs)]
assert top([2, 1, 1, 2], 3) == [[0, 3, 1], [0, 3, 2]]
assert top([1] * 20, 5) == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 0]]
PYTHON
