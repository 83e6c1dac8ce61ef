#!/usr/bin/env bash
# openvino 2026.4.1, CPU: Add, Sub, Mul, Neg and BitShift on int8 and uint8.
# Expected: numbers modulo 256, as numpy, the reference evaluator and two's complement have it: 200 + 100 = 44 in uint8.
# Seen: results saturate: 255. A shift left does, too: 200 << 1 is 255, so nibbles cannot be packed or unpacked by shifts in
# uint8; -(-128) is 127. int32 wraps around.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from onnx import TensorProto
from one_operator import both

U = lambda *v: np.array(v, np.uint8)
S = lambda *v: np.array(v, np.int8)
u8, i8 = [TensorProto.UINT8], [TensorProto.INT8]
assert both("200 + 100 in uint8", "Add", [U(200), U(100)], u8) == [[[44]], [[255]]]
assert both("1 - 2 in uint8", "Sub", [U(1), U(2)], u8) == [[[255]], [[0]]]
assert both("100 * 2 in int8", "Mul", [S(100), S(2)], i8) == [[[-56]], [[127]]]
assert both("-(-128) in int8", "Neg", [S(-128)], i8) == [[[-128]], [[127]]]
assert both("200 << 1 in uint8", "BitShift", [U(200), U(1)], u8, direction="LEFT") == [[[144]], [[255]]]
large = np.array([2**31 - 1], np.int32)
assert both("2^31 - 1 + 1 in int32", "Add", [large, np.array([1], np.int32)], [TensorProto.INT32]) == [
    [[-(2**31)]], [[-(2**31)]]]
PYTHON
