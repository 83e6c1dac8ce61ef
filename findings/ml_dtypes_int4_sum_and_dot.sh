#!/usr/bin/env bash
# ml_dtypes 0.6.0 with numpy 2.4.6: sums and dot products of int4.
# Expected: numpy's rules. np.sum takes integers narrower than the platform's to int64; np.mean takes integers to
# float64; and for two vectors np.dot(a, b) and a @ b are the same inner product, by the documentation of both.
# Seen: np.sum of 7, 7 is -2 and np.mean is -1, both int4. np.dot of 7, 7 with itself is 2, in int4; a @ b is 98, in
# int8, where longer vectors wrap, too: three times 49 is -109. A reference for a 4-bit matrix product has to widen its
# inputs itself.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv ml_dtypes==0.6.0 numpy==2.4.6
python - <<'PYTHON'
import ml_dtypes
import numpy as np

a = np.array([7, 7], ml_dtypes.int4)
b = np.array([7, 7, 7], ml_dtypes.int4)
seen = {"sum": np.sum(a), "mean": np.mean(a), "dot": np.dot(a, a), "@": a @ a, "@ of three": b @ b}
print("int4 7, 7:", {name: (int(value), str(value.dtype)) for name, value in seen.items()})
eight = np.array([127, 127], np.int8)
assert np.sum(eight) == 254 and np.mean(eight) == 127
assert seen["sum"] == -2 and seen["sum"].dtype == ml_dtypes.int4
assert seen["mean"] == -1 and seen["mean"].dtype == ml_dtypes.int4
assert seen["dot"] == 2 and seen["dot"].dtype == ml_dtypes.int4
assert seen["@"] == 98 and seen["@"].dtype == np.int8
assert seen["@ of three"] == 3 * 49 - 256
PYTHON
