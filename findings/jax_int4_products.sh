#!/usr/bin/env bash
# jax 0.10.2 with jaxlib 0.10.2 on a CPU: products and sums of int4.
# Expected: as with int8, whose sum is an int32 and whose product may be asked for in int32 by preferred_element_type.
# Seen: dot of int4 is an int4 and wraps: 7 * 7 * 3 = 147 becomes 3. With preferred_element_type=int32 it is refused when it is
# compiled, and sum() is refused by numpy's iinfo; cumsum wraps silently. Codes of 4 bits have to become int8 before anything is
# summed; sum(dtype=int32) is right, too.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
JAX_PLATFORMS=cpu python - <<'PYTHON'
import jax.numpy as jnp

def refused(f):
    try:
        return f()
    except Exception as error:  # the kinds differ: of jax, of XLA and of numpy
        return f"refused, {type(error).__name__}"

sevens = jnp.array([7, 7, 7], jnp.int4)
wide = lambda x: jnp.dot(x, x, preferred_element_type=jnp.int32)
seen = {"dot": int(jnp.dot(sevens, sevens)), "cumsum": jnp.cumsum(sevens).astype(jnp.int32).tolist(),
        "sum": refused(lambda: int(sevens.sum())), "dot in int32": refused(lambda: int(wide(sevens)))}
right = {"dot of int8 in int32": int(wide(sevens.astype(jnp.int8))), "sum in int32": int(sevens.sum(dtype=jnp.int32)),
         "sum of int8": int(sevens.astype(jnp.int8).sum())}
print("int4:", seen)
print("by way of wider types:", right)
assert seen["dot"] == 3 and seen["cumsum"] == [7, -2, 5]
assert str(seen["sum"]).startswith("refused") and str(seen["dot in int32"]).startswith("refused")
assert list(right.values()) == [147, 21, 21]
PYTHON
