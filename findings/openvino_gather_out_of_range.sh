#!/usr/bin/env bash
# openvino 2026.4.1, CPU: Gather with an index that is not there.
# Expected: an error, which the operator's text demands and which ONNX Runtime and the reference evaluator raise.
# Seen: zeros, without a word. A token id of another vocabulary is a zero embedding, and the sentence has a result.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import run

table = np.array([1, 2, 3], np.float32)
for index in (3, 100, -4):
    ids = np.array([index], np.int64)
    seen = run("openvino", "Gather", [table, ids], [TensorProto.FLOAT])
    print(f"Gather {index} of three: OpenVINO {seen}")
    assert seen == [[0]]
    try:
        run("onnx", "Gather", [table, ids], [TensorProto.FLOAT])
        raise SystemExit("the reference evaluator gives a value, too")
    except IndexError as error:
        print("reference:", error)
PYTHON
