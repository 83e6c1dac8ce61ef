#!/usr/bin/env bash
# LiteRT (TFLite) 2.3.0, CPU: SUM of int8 that does not fit into int8.
# Expected: saturation, as with every quantised operator of TFLite: 100 + 100 at one scale is 127. ADD of the same
# numbers does so.
# Seen: the default kernel saturates; the reference kernel, which others are tested against, wraps around: -56.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from one_tflite_operator import run, schema

q = np.array([[100, 100]], np.int8)
seen = run("SUM", [q, np.array([1], np.int32)], [1.0, None], (np.int8, (1,)), 1.0, constants=(1,),
           options=schema.ReducerOptionsT())
added = run("ADD", [q[0, :1], q[0, 1:]], [1.0, 1.0], (np.int8, (1,)), 1.0, options=schema.AddOptionsT())
print("LiteRT 2.3.0, 100 + 100 in int8: SUM", seen, "ADD", added)
assert seen == {"reference": [-56], "default": [127]}
assert added == {"reference": [127], "default": [127]}
PYTHON
