#!/usr/bin/env bash
# jax 0.10.2 with jaxlib 0.10.2 on a CPU: lax.top_k, argmax and argsort of zeros of both signs and of NaN.
# Expected: one order for all three: -0 and 0 are equal, so that the first one wins; NaN sorts last in argsort, so that it is the
# largest.
# Seen: top_k orders the bits: 0 is above -0, wherever they stand, while argmax and a stable descending argsort take the first.
# A NaN whose sign is set is the smallest to top_k and the largest to argsort. Which of two tokens without weight is kept depends
# on the sign of zero, which a product by 0 may set.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
JAX_PLATFORMS=cpu python - <<'PYTHON'
import jax.numpy as jnp
import numpy as np
from jax import lax

def orders(values):
    x = jnp.asarray(np.array(values, np.float32))
    descending = jnp.argsort(x, stable=True, descending=True)
    return [lax.top_k(x, len(values))[1].tolist(), descending.tolist(), int(jnp.argmax(x))]

zeros = orders([-0.0, 0.0, -0.0])
nans = orders([1.0, np.copysign(np.nan, -1), 2.0])
print("-0, 0, -0:   top_k", zeros[0], "argsort", zeros[1], "argmax", zeros[2])
print("1, -NaN, 2:  top_k", nans[0], "argsort", nans[1], "argmax", nans[2])
assert zeros == [[1, 0, 2], [0, 1, 2], 0]
assert nans == [[2, 0, 1], [1, 2, 0], 1]
PYTHON
