#!/usr/bin/env bash
# LiteRT (TFLite) 2.3.0, CPU: where int8 results lie in the middle between two codes.
# Expected: one rule. The kernels for an operator in one package are to give the same int8 result, whichever the
# interpreter chooses; a reference that matches one of them bit for bit matches all.
# Seen: the reference kernels round ties away from zero in QUANTIZE, FULLY_CONNECTED and ADD; the default (XNNPACK) to
# even, but upwards in ADD and to even in MUL, where the reference rounds upwards. Where the
# scales' ratio is two, half of all results are ties.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from one_tflite_operator import run, schema

x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5], np.float32)
q = np.array([1, 3, 5, -1, -3, -5], np.int8)
zero, one = np.zeros(6, np.int8), np.ones(6, np.int8)
dense, add, multiply = schema.FullyConnectedOptionsT(), schema.AddOptionsT(), schema.MulOptionsT()
seen = {
    "QUANTIZE": run("QUANTIZE", [x], [None], (np.int8, x.shape), 1.0, version=1),
    "FULLY_CONNECTED": run("FULLY_CONNECTED", [q[:, None], one[:1, None], np.zeros(1, np.int32)], [0.5, 1.0, 0.5],
                           (np.int8, (6, 1)), 1.0, constants=(1, 2), options=dense, version=4),
    "ADD": run("ADD", [q, zero], [0.5, 0.5], (np.int8, q.shape), 1.0, options=add),
    "MUL": run("MUL", [q, one], [0.5, 1.0], (np.int8, q.shape), 1.0, options=multiply),
}
print("LiteRT 2.3.0, int8 of 0.5, 1.5, 2.5, -0.5, -1.5, -2.5 at scale 1:")
for op, result in seen.items():
    print(f"  {op:16} {result}")
away, even, up = [1, 2, 3, -1, -2, -3], [0, 2, 2, 0, -2, -2], [1, 2, 3, 0, -1, -2]
assert seen["QUANTIZE"] == {"reference": away, "default": even}
assert seen["FULLY_CONNECTED"] == {"reference": away, "default": even}
assert seen["ADD"] == {"reference": away, "default": up}
assert seen["MUL"] == {"reference": up, "default": even}
PYTHON
