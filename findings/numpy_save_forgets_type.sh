#!/usr/bin/env bash
# numpy 2.4.6 with ml_dtypes 0.6.0: np.save and np.load of bfloat16, 8-bit floats and int4.
# Expected: what np.save promises for any array: the .npy file stores the type, and np.load gives the array back. Or an
# error when it is saved.
# Seen: np.save never complains. Of bfloat16 the file says "two bytes without a type" (V2), of E4M3 and int4 "one byte"
# (V1), and np.load gives an array of that: the reader must know the type and view() the bytes. Of E5M2 the file says
# "<f1", which np.load refuses: that file cannot be read any more.
# shellcheck source=/dev/null
. "$(dirname "$0")/venv"
venv ml_dtypes==0.6.0 numpy==2.4.6
python - <<'PYTHON'
import io
import ml_dtypes
import numpy as np

def saved(kind):
    array = np.array([1, 2], kind)
    file = io.BytesIO()
    np.save(file, array)
    file.seek(0)
    return array, file

for kind, stored in ((np.float16, "float16"), (ml_dtypes.bfloat16, "|V2"), (ml_dtypes.float8_e4m3fn, "|V1"),
                     (ml_dtypes.int4, "|V1")):
    array, file = saved(kind)
    loaded = np.load(file)
    print(f"saved {array.dtype} {array.tolist()}, loaded {loaded.dtype} {loaded.tolist()}")
    assert loaded.dtype == np.dtype(stored), loaded.dtype
    assert loaded.view(kind).tolist() == array.tolist()
try:
    print("loaded", np.load(saved(ml_dtypes.float8_e5m2)[1]))
    raise SystemExit("E5M2 can be loaded now")
except ValueError as error:
    print("saved float8_e5m2, np.load:", error)
PYTHON
