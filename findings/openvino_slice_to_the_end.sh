#!/usr/bin/env bash
# openvino 2026.4.1, CPU: Slice to the end by the largest int64.
# Expected: what the operator's text recommends: INT64_MAX as the end stands for "to the end" (INT64_MIN where steps are
# negative). Exporters write it.
# Seen: where the end is a constant of the graph it is right. Where it is an input, or computed, the last element is missing:
# of 1, 2, 3, 4 from 1 on come 2, 3. The numbers 2^31 - 1 and -2^31 are right.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import both

x = np.array([1, 2, 3, 4], np.float32)
I = lambda v: np.array([v], np.int64)
def ends(end, start, step, **keywords):
    return both(f"from {start} to {end} by {step} {keywords}", "Slice", [x, I(start), I(end), I(0), I(step)],
                [TensorProto.FLOAT], **keywords)
assert ends(2**63 - 1, 1, 1) == [[[2, 3, 4]], [[2, 3]]]
assert ends(-(2**63), 3, -1) == [[[4, 3, 2, 1]], [[4, 3, 2]]]
assert ends(2**63 - 1, 1, 1, constants=(1, 2, 3, 4)) == [[[2, 3, 4]], [[2, 3, 4]]]
assert ends(2**31 - 1, 1, 1) == [[[2, 3, 4]], [[2, 3, 4]]]
PYTHON
