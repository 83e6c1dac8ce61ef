#!/usr/bin/env bash
# tinygrad 0.14.0, device PYTHON: topk of a row with a NaN, and of zeros of both signs.
# Expected: k different elements, and values that are those at the indices: topk orders NaN somewhere, as sort() of any array
# library does.
# Seen: an index comes twice and the NaN not at all: of 1, NaN, 2 the "three largest" are 2, 1, 1 at 2, 0, 0. Of -0, 0, -0 the
# three values are all -0 though 0 is among them. Who scatters by these indices writes one token twice and loses another.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
export DEV=PYTHON
venv tinygrad==0.14.0 numpy==2.4.6
python - <<'PYTHON'
import math
from tinygrad import Tensor

values, indices = (t.tolist() for t in Tensor([1.0, math.nan, 2.0]).topk(3))
print("1, NaN, 2:", values, indices)
assert values == [2, 1, 1] and indices == [2, 0, 0]
values, indices = (t.tolist() for t in Tensor([-0.0, 0.0, -0.0]).topk(3))
print("-0, 0, -0:", values, indices)
assert indices == [0, 1, 2] and [math.copysign(1, v) for v in values] == [-1, -1, -1]
PYTHON
