#!/usr/bin/env bash
# openvino 2026.4.1, CPU: int64 tensors.
# Expected: 64 bits. Token ids are small, but hashes, offsets, time stamps and byte counts in a graph are not.
# Seen: the plug-in computes int64 in int32, without a word. Identity gives 0 for 2^40; 2^31 - 1 + 1 is -2^31; 2^32 + 5 is
# not greater than 10; a float of 5e9 cast to int64 is -2^31, and the result is an int64 tensor all the same.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import both

I = lambda *v: np.array(v, np.int64)
assert both("Identity of 2^40", "Identity", [I(2**40)], [TensorProto.INT64]) == [[[2**40]], [[0]]]
assert both("2^31 - 1 + 1", "Add", [I(2**31 - 1), I(1)], [TensorProto.INT64]) == [[[2**31]], [[-(2**31)]]]
assert both("2^32 + 5 > 10", "Greater", [I(2**32 + 5), I(10)], [TensorProto.BOOL]) == [[[True]], [[False]]]
assert both("Cast of 5e9", "Cast", [np.array([5e9], np.float32)], [TensorProto.INT64], to=TensorProto.INT64) == [
    [[5000000000]], [[-(2**31)]]]
PYTHON
