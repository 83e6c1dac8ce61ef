#!/usr/bin/env bash
# onnxruntime 1.32.0, CPU: ReduceSum, ReduceSumSquare and ReduceProd of int32 and int64.
# Expected: integer arithmetic, exact while the result fits and modulo 2^32 or 2^64 where it does not, as MatMul, Add
# and Mul of the same runtime have it, and as the reference evaluator does.
# Seen: what overflows saturates: 2^31 - 1 + 1 is 2^31 - 1, and 2^31 - 1 + 2^31 - 1 + 2, which is 0 modulo 2^32, is 2^31
# - 1. int64 sums are rounded to double: 2^53 + 1 + 2 is 2^53 + 2. A checksum, or an accumulator that is meant to wrap,
# is another number.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import both

axis = np.array([0], np.int64)
def reduced(op, kind, *values):
    tensor = TensorProto.INT32 if kind is np.int32 else TensorProto.INT64
    seen = both(f"{op} of {values}", op, [np.array(values, kind), axis], [tensor], engine="onnxruntime", keepdims=0)
    return [s[0] for s in seen]

top = 2**31 - 1
assert reduced("ReduceSum", np.int32, top, 1) == [-top - 1, top]
assert reduced("ReduceSum", np.int32, top, top, 2) == [0, top]
assert reduced("ReduceSum", np.int32, -top - 1, -1) == [top, -top - 1]
assert reduced("ReduceProd", np.int32, 65537, 65537) == [131073, top]
assert reduced("ReduceSumSquare", np.int32, 65537, 1) == [131074, top]
assert reduced("ReduceSum", np.int64, 2**53 + 1, 2) == [2**53 + 3, 2**53 + 2]
one = np.array([[65537]], np.int32)
assert both("MatMul of 65537 and 65537", "MatMul", [one, one], [TensorProto.INT32], engine="onnxruntime") == [
    [[[131073]]], [[[131073]]]]
PYTHON
