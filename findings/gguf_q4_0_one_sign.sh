#!/usr/bin/env bash
# gguf 0.19.0: the quantisation types Q4_0 and Q5_0, a scale for 32 weights and no offset.
# Expected: a symmetric type, as its formula, weight = scale * code, suggests: of 1 and -1 both are kept, or both lose
# as much.
# Seen: the scale is chosen so that the number of the largest magnitude gets the code -8, be it positive or negative;
# there is no code +8. Of two equal magnitudes the first one is kept and the other loses an eighth: 1, -1 becomes 1,
# -0.875, and -1, 1 becomes -1, 0.875. The scale of a block can be negative. Order in a block changes values, and a
# block and its negation have the same codes.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv gguf==0.19.0 numpy==2.4.6
python - <<'PYTHON'
import numpy as np
from gguf import GGMLQuantizationType, quants

def back(kind, *weights):
    row = np.zeros((1, 32), np.float32)
    row[0, :len(weights)] = weights
    data = quants.quantize(row, kind)
    seen = quants.dequantize(data, kind)[0, :len(weights)].tolist()
    print(f"{kind.name} of {weights}: {seen}, scale {data[0, :2].view(np.float16)[0]}")
    return seen, data

Q4, Q5, Q8 = GGMLQuantizationType.Q4_0, GGMLQuantizationType.Q5_0, GGMLQuantizationType.Q8_0
first, one = back(Q4, 1, -1, 0.5)
second, other = back(Q4, -1, 1, -0.5)
assert first == [1, -0.875, 0.5] and second == [-1, 0.875, -0.5]
assert (one[0, 2:] == other[0, 2:]).all() and one[0, :2].view(np.float16)[0] == -0.125
assert back(Q5, 1, -1)[0] == [1, -0.9375]
eight = back(Q8, 1, -1)[0]
assert eight[0] == -eight[1]
PYTHON
